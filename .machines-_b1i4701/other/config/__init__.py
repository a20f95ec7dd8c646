"""What a run needs to know: where and with which rights (``settings``), and what to make (``dataset``)."""
