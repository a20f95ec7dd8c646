"""The only modules with ``@task``: options in, the packages below called, a receipt out."""
