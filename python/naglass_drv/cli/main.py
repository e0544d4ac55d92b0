"""The command line: its verbs, and how an error becomes a message and an exit code."""

import argparse
import os
import re
import sys
import time
from collections.abc import Callable, Sequence

from .. import __version__
from ..errors import SYSTEM, NaglassError, of_system
from ..runtime.mpi import LAST_WORDS_S, speaks
from . import (
    cells,
    dataset,
    editors,
    environments,
    estimate,
    imports,
    insight,
    interface,
    models,
    reference,
    relabel,
    run,
    screen,
    site,
    status,
    submit,
    task,
    validate,
)

_INTERRUPTED = 130  # as shells do: 128 plus the number of SIGINT
# bytes that are freed when memory has run out, so that there is some to say so
_RESERVE = 4_000_000
_EXIT_CODES = "exit codes: 0 done, 2 bad input, 3 stopped and restartable, 4 some tasks failed, 5 environment"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb and return the exit code. Messages go to standard error without a traceback."""
    reserve = bytearray(_RESERVE)
    try:
        options = make_parser().parse_args(_joined(sys.argv[1:] if arguments is None else arguments))
        code = options.verb(options)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        # the reader of our output has closed the pipe, as in `status | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        message, code = "interrupted", _INTERRUPTED
    except NaglassError as error:
        message, code = str(error), error.exit_code
    except SYSTEM as raised:
        reserve.clear()
        if isinstance(raised, ImportError) and (raised.name or "").startswith("naglass_drv"):
            raise
        problem = of_system(raised)
        message, code = str(problem), problem.exit_code
    # after the handlers, when the memory that the error held is free again
    if speaks(os.environ):
        print(message, file=sys.stderr, flush=True)
    else:
        # every rank of a job that has not reached MPI would print the same message
        time.sleep(LAST_WORDS_S)
    return code


def _joined(words: Sequence[str]) -> list[str]:
    """The arguments, with a value such as ``-5m`` in one word with its option, which argparse takes for an option."""
    made: list[str] = []
    for word in words:
        if made and re.fullmatch(r"--[a-z-]+", made[-1]) and re.match(r"-[\d.]", word) and not _is_number(word):
            made[-1] += f"={word}"
        else:
            made.append(word)
    return made


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


class _Verb(argparse.ArgumentParser):
    """A verb whose last argument may be left out takes its arguments before, between and after options."""

    _mixing = False

    def parse_known_args(self, args=None, namespace=None):
        may_lack = any(each.nargs == "?" and not each.option_strings for each in self._actions)
        if self._mixing or not may_lack:
            return super().parse_known_args(args, namespace)
        self._mixing = True
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._mixing = False


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m naglass_drv",
        description="Simulate sodium glasses, from composition to report.",
        epilog=_EXIT_CODES,
    )
    parser.add_argument("--version", action="version", version=f"naglass {__version__}")
    verbs = parser.add_subparsers(title="verbs", required=True, metavar="VERB", parser_class=_Verb)

    def add(name: str, verb: Callable[[argparse.Namespace], int], help: str) -> argparse.ArgumentParser:
        # what has no help is not listed: it is not for people
        listed = {"help": help} if help else {}
        sub = verbs.add_parser(name, description=help or None, epilog=_EXIT_CODES, **listed)
        sub.set_defaults(verb=verb)
        return sub

    about_runs = (validate, estimate, run, status, submit, site, task)
    about_potentials = (models, environments, screen, relabel)
    about_structures = (cells, interface)
    about_data = (imports, dataset, insight)
    for family in (*about_runs, *about_potentials, *about_structures, *about_data):
        family.add_verbs(add)
    reference.add_verbs(add, run.site_settings)
    editors.add_verbs(add, parser)
    return parser
