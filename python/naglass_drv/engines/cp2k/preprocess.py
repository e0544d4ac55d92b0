"""The preprocessor of CP2K's input: lines as CP2K's parser gets them, after the directives are executed.

As CP2K 2023.1 does it, a line at a time: variables (``$NAME``, ``${NAME}``, ``${NAME-default}``) first, wherever they
are, then the directive (`@SET`, `@IF`, `@ENDIF`, `@INCLUDE`, `@XCTYPE`, `@PRINT`), wherever it is. Only then are
lines that end with a backslash joined, with a space: a continuation cannot split a word. Files are
included from the folder of the input and below only.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

from ...errors import InputError
from ...files import read_bounded

_MAX_BYTES = 1 << 26
_MAX_LINE = 1 << 16
_MAX_FILES = 64
_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_BRACED = re.compile(r"\$\{([^}]*)\}")
_BARE = re.compile(r"\$(\S*)")
_BESIDE = "files in the folder of the template or input, or below, can be included"
_DIRECTIVES = "@SET, @IF, @ENDIF, @INCLUDE, @XCTYPE and @PRINT"


@dataclass
class Lines:
    """The lines of an input without directives and comments, and the place (``file:line``) that each comes from."""

    texts: list[str] = field(default_factory=list)
    places: list[str] = field(default_factory=list)


def preprocess(path: Path, most: int = _MAX_BYTES, strict: bool = False) -> Lines:
    """The lines of the input `path` (at most `most` bytes) as CP2K's parser gets them.

    CP2K skips lines with an ``@`` that is not one of its directives, even in a comment after a keyword; with
    `strict` they are refused. Raises InputError with file and line for a directive that CP2K would refuse, one that is
    continued on the next line, and a file outside the folder of the input.
    """
    reader = _Reader(path.parent, most, strict)
    reader.read(path, ())
    if reader.open_conditions:
        raise InputError(f"{reader.open_conditions[-1]}: @IF without @ENDIF: conditional block not closed")
    return _joined(reader.lines)


class _Reader:
    """Executes the directives of one input and of the files it includes."""

    def __init__(self, folder: Path, most: int, strict: bool):
        self.folder = folder
        self.most = most
        self.strict = strict
        self.files = 0
        self.variables: dict[str, str] = {}
        self.open_conditions: list[str] = []
        self.lines = Lines()

    def read(self, path: Path, above: tuple[Path, ...]) -> None:
        """Append the lines of one file; `above` are the files that include it."""
        self.files += 1
        if self.files > _MAX_FILES:
            raise InputError(f"{path}: more than {_MAX_FILES} files are included")
        skipping = ""
        for number, raw in enumerate(_text(path, self.most).splitlines(), start=1):
            place = f"{path}:{number}"
            if skipping:
                tag = _directive(raw)
                skipping = skipping if tag is None or "@ENDIF" not in tag[0] else ""
                continue
            if not raw.strip() or raw.lstrip()[0] in "#!":
                continue
            line = self._expanded(raw, place)
            tag = _directive(line)
            if "@" in line and tag is None and self.strict:
                raise InputError(f"{place}: {line.strip()[:60]!r}: CP2K skips a line with an @ in its comment")
            if "@" not in line:
                self.lines.texts.append(without_comment(line))
                self.lines.places.append(place)
            elif tag is not None:
                skipping = place if self._carried_out(*tag, place, (*above, path)) else ""
        if skipping:
            raise InputError(f"{skipping}: @IF without @ENDIF: conditional block not closed")

    def _expanded(self, line: str, place: str) -> str:
        while "$" in line:
            braced = "${" in line
            match = (_BRACED if braced else _BARE).search(line)
            if match is None:
                raise InputError(f"{place}: {line.strip()[:60]!r}: '${{' without '}}'")
            name, dash, default = match[1].partition("-") if braced else (match[1], "", "")
            if not _NAME.fullmatch(name):
                raise InputError(f"{place}: {line.strip()[:60]!r}: {name!r} is not a variable name")
            if name not in self.variables and not dash:
                only_beside = f"; only {_BESIDE}, and environment variables are not used" if "@" in line else ""
                raise InputError(f"{place}: undefined variable {name!r}{only_beside}")
            line = line[: match.start()] + self.variables.get(name, default) + line[match.end() :]
            if len(line) > _MAX_LINE:
                raise InputError(f"{place}: longer than {_MAX_LINE} characters")
        return line

    def _carried_out(self, tag: str, rest: str, place: str, above: tuple[Path, ...]) -> bool:
        """Execute a directive; whether the lines that follow are skipped."""
        said = f"{place}: {f'{tag} {rest}'[:60]!r}"
        if rest.endswith("\\") or tag.endswith("\\"):
            raise InputError(f"{said}: a directive must be on one line")
        if tag == "@SET":
            name, _, value = rest.partition(" ")
            if not _NAME.fullmatch(name) or not value.strip():
                raise InputError(f"{said}: must have a name and a value")
            self.variables[name] = value.strip()
        elif tag == "@IF":
            if not _holds(rest, said):
                return True
            self.open_conditions.append(place)
        elif tag == "@ENDIF":
            del self.open_conditions[-1:]
        elif tag in ("@INCLUDE", "@XCTYPE"):
            self.read(self._included(tag, rest, said, above), above)
        elif tag != "@PRINT" and self.strict:
            raise InputError(f"{said}: not a CP2K directive; choose from {_DIRECTIVES}")
        return False

    def _included(self, tag: str, rest: str, said: str, above: tuple[Path, ...]) -> Path:
        quoted = re.search(r'"([^"]*)"', rest) or re.search(r"'([^']*)'", rest)
        name = quoted[1] if quoted else rest
        beside = self.folder / (f"{name}.sec" if tag == "@XCTYPE" else name)
        if not name or Path(name).is_absolute() or ".." in Path(name).parts:
            raise InputError(f"{said}: only {_BESIDE}")
        if tag == "@XCTYPE" and not beside.is_file():
            raise InputError(f"{said}: only {_BESIDE}, and there is no {beside.name}")
        if not is_within(beside, self.folder) or any(beside.resolve() == other.resolve() for other in above):
            raise InputError(f"{said}: is outside the folder or includes itself")
        return beside


def is_within(path: Path, folder: Path) -> bool:
    """Whether a file, links resolved, is in a folder or below it."""
    return path.resolve().is_relative_to(folder.resolve())


def without_comment(line: str) -> str:
    """The line up to its comment, stripped."""
    return re.split("[#!]", line, maxsplit=1)[0].strip()


def _text(path: Path, most: int) -> str:
    try:
        return read_bounded(path, most).decode(errors="replace")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error


def _directive(line: str) -> tuple[str, str] | None:
    """The directive of a line (upper case) and what follows it; it may be anywhere before a comment."""
    found = re.search(r"@\S*", without_comment(line))
    if found is None:
        return None
    start = line.index("@")
    tag = re.match(r"\S*", line[start:])[0]  # type: ignore[index]
    return tag.upper(), " ".join(line[start + len(tag) :].split())


def _holds(condition: str, said: str) -> bool:
    """Whether a condition is true: ``a == b`` and ``a /= b`` compare text; else all but ``0`` and "" is true."""
    for sign, equal in (("==", True), ("/=", False)):
        left, found, right = condition.partition(sign)
        if found:
            other = "/=" if equal else "=="
            left, right = left.split("(", 1)[-1].strip(), right.partition(")")[0].strip()
            if not right or sign in right or other in condition:
                raise InputError(f"{said}: must be a single comparison of two values")
            return (left == right) is equal
    return condition not in ("", "0")


def _joined(lines: Lines) -> Lines:
    """Lines that end with a backslash with those that follow them."""
    joined = Lines()
    begun: list[str] = []
    for text, place in zip(lines.texts, lines.places, strict=True):
        if not text:
            continue
        if not begun:
            joined.places.append(place)
        before, backslash, after = text.partition("\\")
        if after.strip():
            raise InputError(f"{place}: {text[:60]!r}: there is text after the backslash")
        begun.append(before.strip())
        if not backslash:
            joined.texts.append(" ".join(begun).strip())
            begun = []
    if begun:
        raise InputError(f"{joined.places[-1]}: the last line ends with a backslash: the input is truncated")
    return joined
