"""``python -m naglass_drv``, and the command ``naglass``."""

import os
import sys

from .runtime import stop


def run() -> int:
    """The process from its start to its exit code."""
    if sys.argv[1:2] in (["run"], ["report"]):
        # before anything else is loaded: from here on a signal is a stop request, and the run can be resumed
        stop.listen()
    from .cli.main import main
    from .runtime.mpi import leave

    code = leave(main())
    try:
        sys.stdout.flush()
    except OSError:
        # main has reported it; the interpreter would try again
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return code


if __name__ == "__main__":
    sys.exit(run())
