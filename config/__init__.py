"""What a run needs to know: where and with which rights (``settings``), and what to make (``dataset``).

In: the environment, and dataset files. Out: frozen values, or an error that says what was found and what is allowed.
Doors: dataset, reading, settings, sources, split_files.
"""
