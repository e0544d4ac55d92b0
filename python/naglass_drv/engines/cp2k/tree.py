"""CP2K input as a tree of sections, to read, change and write it: https://manual.cp2k.org, "Input file structure".

Only what an input consists of once preprocessed (see `preprocess`): `&SECTION parameter`, keywords and comments. A
directive or a variable (`@SET`, `@INCLUDE`, `$NAME`) that is still there is refused; the package's own templates mark
with `${name}` the values that are filled in.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from string import Template

from ...errors import InputError

_INDENT = "  "
# CP2K's own sections go 12 deep
_DEEPEST = 40
_WORD = re.compile(r'"[^"]*"|[^\s,:;=]+')
_KEYWORD = re.compile(r"[^\s,:;=#!]*")


@dataclass(frozen=True)
class Line:
    """A keyword with its value, or a comment, unchanged; `keyword` is upper case, empty for a comment."""

    text: str

    @property
    def keyword(self) -> str:
        return "" if self.text[:1] in "#!" else _KEYWORD.match(self.text)[0].upper()  # type: ignore[index]

    @property
    def value(self) -> str:
        """What follows the keyword, without a comment."""
        return self.text[len(self.keyword) :].partition("#")[0].partition("!")[0].strip()

    @property
    def words(self) -> list[str]:
        """The words of a value of numbers or names, which CP2K separates also by ``,``, ``:``, ``;`` and ``=``."""
        return [word.strip('"') for word in _WORD.findall(self.value)]


@dataclass
class Section:
    """A section with its parameter (`PBE` in `&XC_FUNCTIONAL PBE`) and its lines and sections in order."""

    name: str
    parameter: str = ""
    items: list["Line | Section"] = field(default_factory=list)

    def sections(self, path: str) -> list["Section"]:
        """All sections at `path` below this one, such as ``FORCE_EVAL/DFT``; names in any case."""
        first, _, rest = path.partition("/")
        found = [item for item in self.items if isinstance(item, Section) and item.name == first.upper()]
        return [below for section in found for below in section.sections(rest)] if rest else found

    def at(self, path: str) -> "Section":
        """The section at `path`; missing sections are appended.

        Raises InputError if there is more than one.
        """
        first, _, rest = path.partition("/")
        found = self.sections(first)
        if len(found) > 1:
            raise InputError(f"CP2K input: &{self.name} has {len(found)} sections &{first.upper()} instead of one")
        if not found:
            found = [Section(first.upper())]
            self.items.append(found[0])
        return found[0].at(rest) if rest else found[0]

    def values(self, keyword: str) -> list[str]:
        """Values of all lines of a keyword."""
        return [line.value for line in self.lines(keyword)]

    def lines(self, *keywords: str) -> list[Line]:
        """All lines of a keyword, by any of its names."""
        wanted = [keyword.upper() for keyword in keywords]
        return [item for item in self.items if isinstance(item, Line) and item.keyword in wanted]

    def set(self, keyword: str, value: object) -> None:
        """Set a keyword to one value, at the place of its first line."""
        lines = [i for i, item in enumerate(self.items) if isinstance(item, Line) and item.keyword == keyword.upper()]
        place = lines[0] if lines else len(self.items)
        self.items = [item for i, item in enumerate(self.items) if i not in lines]
        self.items.insert(place, Line(f"{keyword.upper()} {value}"))

    def add(self, keyword: str, value: object) -> None:
        """Add a line of a keyword that may be repeated, after the existing ones."""
        lines = [i for i, item in enumerate(self.items) if isinstance(item, Line) and item.keyword == keyword.upper()]
        self.items.insert(lines[-1] + 1 if lines else len(self.items), Line(f"{keyword.upper()} {value}"))

    def replace(self, section: "Section") -> None:
        """Replace all sections of this name by `section`, at the place of the first, or append it."""
        places = [i for i, item in enumerate(self.items) if name_of(item) == section.name]
        self.remove(section.name)
        self.items.insert(places[0] if places else len(self.items), section)

    def fill(self, values: Mapping[str, str]) -> None:
        """Replace every ``${name}`` of a template by its value, here and below."""
        for section in self.walk():
            section.items = [
                Line(Template(item.text).substitute(values)) if isinstance(item, Line) else item
                for item in section.items
            ]

    def remove(self, name: str) -> None:
        """Remove all lines of a keyword, and all sections, with this name."""
        self.items = [item for item in self.items if name_of(item) != name.upper()]

    def rename(self, names: Mapping[str, str]) -> None:
        """Rename keywords in place."""
        for i, item in enumerate(self.items):
            if isinstance(item, Line) and item.keyword in names:
                self.items[i] = Line(f"{names[item.keyword]} {item.value}".rstrip())

    def walk(self) -> Iterator["Section"]:
        """This section and all below it."""
        yield self
        for item in self.items:
            if isinstance(item, Section):
                yield from item.walk()

    def __str__(self) -> str:
        """The text of the input; of a section other than the root with its own `&` lines."""
        return _text(self, "") if self.name else self.inner()

    def inner(self) -> str:
        """The text of the content of the section, without its own `&` lines."""
        return "".join(_text(item, "") for item in self.items)


def parse(text: str, *, template: bool = False, places: Sequence[str] | None = None) -> Section:
    """The root (without name or parameter) of an input's sections; in a `template` `${name}` is a value like others.

    Raises InputError with the line's place (one of `places` for each line, by default its number) for a directive,
    an `&END` without a section, or a section that is not closed.
    """
    root = Section("")
    stack = [root]
    for index, raw in enumerate(text.splitlines()):
        line = raw.strip()
        if not line:
            continue
        place = places[index] if places is not None else f"CP2K input: line {index + 1}"
        if line[0] not in "#!" and re.search("@" if template else "[@$]", re.split("[#!]", line)[0]):
            raise InputError(f"{place}: {line[:40]!r}: directives are not supported")
        if line[0] != "&":
            stack[-1].items.append(Line(line))
            continue
        words = line.partition("#")[0].partition("!")[0].split(maxsplit=1)
        name, rest = words[0][1:].upper(), words[1].strip() if len(words) > 1 else ""
        if name != "END":
            if len(stack) > _DEEPEST:
                raise InputError(f"{place}: {line[:40]!r}: sections are nested deeper than {_DEEPEST}")
            section = Section(name, rest)
            stack[-1].items.append(section)
            stack.append(section)
        elif len(stack) == 1 or rest.upper() not in ("", stack[-1].name):
            raise InputError(f"{place}: {line[:40]!r} does not close an open section")
        else:
            stack.pop()
    if len(stack) > 1:
        raise InputError(f"CP2K input: &{stack[-1].name} is not closed")
    return root


def name_of(item: Line | Section) -> str:
    return item.keyword if isinstance(item, Line) else item.name


def _text(item: Line | Section, indent: str) -> str:
    if isinstance(item, Line):
        return f"{indent}{item.text}\n"
    head = f"{indent}&{item.name} {item.parameter}".rstrip()
    inner = "".join(_text(below, indent + _INDENT) for below in item.items)
    return f"{head}\n{inner}{indent}&END {item.name}\n"
