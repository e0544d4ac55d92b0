"""The errors a user may see, each with the exit code of its kind."""


class NaglassError(Exception):
    """Base of all errors with a message meant for the user; `exit_code` is what the program returns."""

    exit_code = 4


class InputError(NaglassError):
    """Bad input: the message names file, line or argument and the value. Exit code 2."""

    exit_code = 2


class Stopped(NaglassError):
    """The run was asked to stop (signal, walltime, EXIT file) and can be resumed. Exit code 3."""

    exit_code = 3


class TaskFailed(NaglassError):
    """A task failed in a way that is known by name; other tasks may go on. Exit code 4.

    `failure` is the short upper-case name (SCF_NOT_CONVERGED, NET_FORCE, ABORT, ...), `log` the tool's own
    log file, whose last lines are shown, and `command` the command line that failed. `resumable`: what the
    attempt has reached is sound, and the next one goes on from it.
    """

    exit_code = 4

    def __init__(self, failure: str, message: str, *, log=None, command=None, resumable: bool = False):
        super().__init__(message)
        self.failure = failure
        self.log = log
        self.command = command
        self.resumable = resumable


class SetupError(NaglassError):
    """The environment lacks something: executable, library, matching MPI, ranks. Exit code 5."""

    exit_code = 5
