"""Whether an input says what CP2K understands, before anything is started.

`accepted` asks CP2K itself (`-c`, 0.2 CPU s), which is binding; `lint` reads the input with cp2k-input-tools against an
input schema (`cp2k --xml`), the installed CP2K's or that of another version. Neither runs anything.
"""

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from ....errors import InputError, SetupError
from ....runtime.launch import LONE_PROCESS, scrubbed_environment
from ..parse.output import abort_reason

_TIMEOUT_S = 120
_VERSION = re.compile(r"<CP2K_VERSION>\s*CP2K version (\S+?)\s*(?:\([^)]*\)\s*)?</CP2K_VERSION>")
_LINE = re.compile(r"Line:\s*(\d+)")
# words of CP2K's messages that quote the input
_NAMED = re.compile(
    r"unknown keyword (\S+)|unknown subsection (\S+)|enumeration:\s*(\S+)|[Kk]eyword (\S+) in section|unit: (\S+)"
    r"|'(\w+)'"
)


def accepted(text: str, executable: Path, where: str) -> None:
    """Raise InputError (beginning with `where`) with CP2K's message and the line unless CP2K can read the input `text`.

    Raises SetupError when CP2K gives no answer.
    """
    with TemporaryDirectory(prefix="naglass-") as folder:
        (Path(folder) / "check.inp").write_text(text)
        output = run_for_output([str(executable), "-c", "-i", "check.inp"], folder)
    if "SUCCESS" in output:
        return
    reason = abort_reason(output)
    if reason is None:
        said = output.strip()[-200:] or "no output"
        raise SetupError(f"{executable} -c: neither accepted nor refused {where}: {said}")
    raise InputError(f"{where}: CP2K does not accept the input: {_plain(reason, text)}")


def input_schema(executable: Path, folder: Path) -> Path:
    """The input schema of an installed CP2K, written into `folder` (28 MB, 1 CPU s). SetupError without one."""
    run_for_output([str(executable), "--xml"], str(folder))
    path = folder / "cp2k_input.xml"
    if not path.is_file():
        raise SetupError(f"{executable} --xml: did not write cp2k_input.xml")
    return path


class Lint:
    """cp2k-input-tools with one schema (2 CPU s to read it), to look at inputs with; `version` is the schema's CP2K.

    Raises SetupError if cp2k-input-tools is not installed, InputError if the file is not a schema.
    """

    def __init__(self, schema: Path):
        try:
            from cp2k_input_tools.parser import CP2KInputParser
        except ImportError:
            raise SetupError("the lint needs cp2k-input-tools: pip install cp2k-input-tools") from None
        try:
            with open(schema, encoding="utf-8", errors="replace") as file:
                found = _VERSION.search(file.read(4096))
        except OSError as error:
            raise InputError(f"{schema}: cannot be read: {error.strerror}") from error
        if found is None:
            raise InputError(f"{schema}: not a CP2K input schema (cp2k --xml writes one)")
        self.version = found[1]
        self._parser = CP2KInputParser(schema)

    def check(self, text: str, where: str) -> None:
        """Raise InputError (beginning with `where`) with the line for what the schema does not know."""
        import io

        try:
            self._parser.parse(io.StringIO(_readable(text)))
        # its errors share no base class; a value of the wrong type is a plain ValueError
        except Exception as error:
            reason = str(error.args[0]) if error.args else type(error).__name__
            number = getattr(error.args[1], "linenr", None) if len(error.args) > 1 else None
            place = _place(number or _line_of(reason, text), text)
            raise InputError(f"{where}: violates the schema: {reason}{place}") from None


def _readable(text: str) -> str:
    """Without the lines whose keyword cp2k-input-tools cannot read though CP2K does (`IONS+CENTERS`)."""
    return "\n".join("" if re.match(r"\s*[A-Za-z_]\w*\+", line) else line for line in text.splitlines())


def _plain(reason: str, text: str) -> str:
    """CP2K's message, without the place in CP2K's source, and with the line of the input if it can be found."""
    stated = _LINE.search(reason)
    if stated is None:
        return re.sub(r"\s+\S+\.F:\d+$", "", reason) + _place(_line_of(reason, text), text)
    # CP2K does not count lines of comments
    counted = [number for number, line in enumerate(text.splitlines(), 1) if line.strip()[:1] not in ("", "#", "!")]
    number = counted[int(stated[1]) - 1] if 0 < int(stated[1]) <= len(counted) else None
    return reason.split(", File:")[0].strip() + _place(number, text)


def _line_of(reason: str, text: str) -> int | None:
    """The first line with the word that `reason` is about."""
    named = _NAMED.search(reason)
    if named is None:
        return None
    word = next(filter(None, named.groups())).upper()
    return next((number for number, line in enumerate(text.splitlines(), 1) if word in _words(line)), None)


def _place(number: int | None, text: str) -> str:
    return "" if number is None else f" (line {number}: {text.splitlines()[number - 1].strip()!r})"


def _words(line: str) -> list[str]:
    return [word.strip("&[]") for word in line.upper().split("#")[0].split()]


def run_for_output(argv: list[str], folder: str) -> str:
    """What a single-process command run in `folder` prints. SetupError if it cannot be started, or hangs."""
    environment: Mapping[str, str] = scrubbed_environment() | LONE_PROCESS | {"OMP_NUM_THREADS": "1"}
    try:
        done = subprocess.run(
            argv,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_TIMEOUT_S,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SetupError(f"{argv[0]} {argv[1]}: {error}") from error
    return done.stdout
