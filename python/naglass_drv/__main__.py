"""``python -m naglass_drv``, and the command ``naglass``."""

import os
import sys

from .runtime import stop


def run() -> int:
    """The process from its start to its exit code."""
    if sys.argv[1:2] in (["run"], ["report"]):
        # before anything else is loaded: a signal from here on is a wish to stop, and the run is resumable
        stop.listen()
    from .cli import main
    from .runtime.mpi import leave

    code = leave(main())
    try:
        sys.stdout.flush()
    except OSError:
        # main has said so; the interpreter would try once more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return code


if __name__ == "__main__":
    sys.exit(run())
