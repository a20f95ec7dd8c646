"""The only modules with ``@task``: options in, the packages below called, a receipt out."""

import os

from labelsnap.environment import work_in
from tasks.telling.logged import show_plainly

work_in(os.environ)
show_plainly()
