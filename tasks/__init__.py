"""The only modules with ``@task``: options in, the packages below called, a receipt out."""

from tasks.telling.logged import show_plainly

show_plainly()
