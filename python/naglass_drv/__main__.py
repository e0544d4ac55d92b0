"""``python -m naglass_drv``."""

import sys

from .cli import main
from .runtime.mpi import leave

sys.exit(leave(main()))
