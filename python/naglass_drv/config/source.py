"""Read YAML 1.2 text into plain values with their line numbers.

The text is composed into nodes and never constructed, so that no tag can create an object: scalars become str,
int, float, bool or None, and everything else is an error.
"""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..files import read_bounded

Where = tuple[str | int, ...]
_TAG = "tag:yaml.org,2002:"
_MAX_BYTES = 200_000
_MAX_DEPTH = 20


@dataclass(frozen=True, order=True)
class Fault:
    """One error: its line, and the message with the key it belongs to."""

    line: int
    message: str


@dataclass
class Document:
    """A parsed file: its `value`, the line of every key and item by its path, the errors found so far (`faults`), the
    paths with errors (`faulty`), and where in the file stands what is elsewhere in `value` (`written`, see `move`)."""

    name: str
    value: Any = None
    lines: dict[Where, int] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    faulty: set[Where] = field(default_factory=set)
    written: dict[Where, Where] = field(default_factory=dict)

    def line(self, where: Where) -> int:
        """Line of `where`, or of the closest enclosing key that has one."""
        while where and where not in self.lines:
            where = where[:-1]
        return self.lines.get(where, 1)

    def fault(self, where: Where, message: str) -> None:
        """Record an error at `where`, given as keys and list indices from the top."""
        self.fault_in_line(self.line(where), where, message)

    def fault_in_line(self, line: int, where: Where, message: str) -> None:
        """Record an error at `where` with its own line number."""
        label = dotted(self.place(where))
        self.faulty.add(where)
        self.record(Fault(line, f"{label}: {message}" if label else message))

    def move(self, old: Where, new: Where) -> None:
        """Note that what stands at `old` in the file, and below it, is at `new` in `value`."""
        inside = {where: (*new, *where[len(old) :]) for where in self.lines if where[: len(old)] == old}
        self.lines |= {there: self.lines[where] for where, there in inside.items()}
        self.faulty |= {there for where, there in inside.items() if where in self.faulty}
        self.written[new] = old

    def place(self, where: Where) -> Where:
        """The place in the file of a place in `value`."""
        for length in range(len(where), 0, -1):
            if where[:length] in self.written:
                return (*self.written[where[:length]], *where[length:])
        return where

    def record(self, fault: Fault) -> None:
        """Keep an error for `raise_faults`."""
        self.faults.append(fault)

    def raise_faults(self) -> None:
        """Raise one InputError that lists all errors in file order, each with file and line."""
        if self.faults:
            ordered = dict.fromkeys(sorted(self.faults))
            raise InputError("\n".join(f"{self.name}:{fault.line}: {fault.message}" for fault in ordered))


def dotted(where: Where) -> str:
    """``("reference", 0, "level")`` → ``reference[0].level``."""
    text = ""
    for part in where:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def parse(path: Path) -> Document:
    """Read `path` and return its Document; raises InputError if it cannot be read or is not YAML."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    document = Document(path.name)
    try:
        raw = read_bounded(path, _MAX_BYTES)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    try:
        node = YAML(typ="safe", pure=True).compose(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise InputError(f"{path.name}:{line}: not UTF-8 text (byte 0x{raw[error.start]:02x})") from error
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark is not None else 1
        raise InputError(f"{path.name}:{line}: not valid YAML: {error.problem or error.context}") from error
    except (YAMLError, RecursionError) as error:
        raise InputError(f"{path.name}: not valid YAML: {str(error).splitlines()[0]}") from error
    if node is None or node.id != "mapping":
        raise InputError(f"{path.name}:1: must be a mapping of keys and values")
    document.value = _Builder(document).build(node, ())
    return document


class _Builder:
    """Turns nodes into values; every container is visited only once, so that aliases cannot blow up."""

    def __init__(self, document: Document):
        self.document = document
        self.seen: set[int] = set()

    def build(self, node: Any, where: Where) -> Any:
        if node.id == "scalar":
            return self.scalar(node, where)
        if id(node) in self.seen or len(where) > _MAX_DEPTH:
            self.document.fault(where, "aliases (*name) and deep nesting are not supported; write the values out")
            return None
        self.seen.add(id(node))
        if node.tag not in (_TAG + "map", _TAG + "seq"):
            self.document.fault(where, f"tag {node.tag!r} is not supported")
            return None
        return self.mapping(node, where) if node.id == "mapping" else self.sequence(node, where)

    def mapping(self, node: Any, where: Where) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if key_node.id != "scalar":
                self.document.fault_in_line(line, where, "a key must be plain text")
                continue
            key = str(key_node.value)
            if key in result:
                first = self.document.lines[*where, key]
                self.document.fault_in_line(line, (*where, key), f"given twice, first on line {first}")
                continue
            self.document.lines[*where, key] = line
            result[key] = self.build(value_node, (*where, key))
        return result

    def sequence(self, node: Any, where: Where) -> list[Any]:
        for index, item in enumerate(node.value):
            self.document.lines[*where, index] = item.start_mark.line + 1
        return [self.build(item, (*where, index)) for index, item in enumerate(node.value)]

    def scalar(self, node: Any, where: Where) -> Any:
        text = str(node.value)
        kind = str(node.tag).removeprefix(_TAG)
        try:
            match kind:
                case "null":
                    return None
                case "bool":
                    return text.lower() == "true"
                case "int":
                    return _integer(text)
                case "float":
                    return self.finite(float(text.replace("_", "").replace(".inf", "inf").replace(".nan", "nan")))
                case "str" | "timestamp":
                    return text
        except ValueError as error:
            self.document.fault(where, f"{text!r}: {error}")
            return None
        self.document.fault(where, f"tag {node.tag!r} is not supported")
        return None

    @staticmethod
    def finite(number: float) -> float:
        if not math.isfinite(number):
            raise ValueError("must be a finite number")
        return number


def _integer(text: str) -> int:
    digits = text.replace("_", "").lower()
    bare = digits.lstrip("+-")
    if bare.startswith(("0x", "0o")):
        return int(digits, 0)
    return int(digits, 10)
