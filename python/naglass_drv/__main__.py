"""``python -m naglass_drv``."""

import sys

from .cli import main

sys.exit(main())
