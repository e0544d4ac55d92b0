"""Per-element &KIND blocks: basis set, pseudopotential, U; and their entries in CP2K's data files.

The blocks are ``cp2k_templates/kinds/<element>.inp``, with the functional left open in the pseudopotential's name. A
`BASIS_SET_FILE_NAME` in them must be given in &DFT, since CP2K's &KIND has no such keyword.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from ....errors import InputError, SetupError
from ....paths import data_file
from .. import tree
from ..tree import Section

_SHELL = re.compile(r"(?P<element>[A-Z][a-z]?)(?:-[1-7](?P<letter>[spdf]))?")
# defaults of CP2K 2023.1 if &DFT names no file
_DEFAULT_FILE = {"BASIS_SET_FILE_NAME": "BASIS_SET", "POTENTIAL_FILE_NAME": "POTENTIAL"}


def block(element: str, variant: str, functional: str, plus_u: bool, u_eV: Mapping[str, float]) -> Section:
    """The &KIND of `element` (in its `variant`, as ``q1``; "" is the usual one), without its name.

    `u_eV` (U_eff in eV by element or shell, see `shell`) replaces the block's U, and 0 removes it. Raises
    InputError for an element without a block.
    """
    name = f"{element}-{variant}" if variant else element
    try:
        text = data_file("cp2k_templates", "kinds", f"{name}.inp").read_text()
    except SetupError:
        there = ", ".join(path.stem for path in kind_files())
        raise InputError(f"{element}: no CP2K KIND block ({name}.inp); available: {there}") from None
    kind = Section("KIND", items=[item for item in tree.parse(text, template=True).items if tree.name_of(item)])
    kind.fill({"functional": functional})
    if not plus_u:
        kind.remove("DFT_PLUS_U")
    for key, value in u_eV.items():
        if shell(key)[0] == element:
            _set_u(kind, shell(key)[1], value)
    return kind


def shell(key: str) -> tuple[str, int]:
    """Element and angular momentum that a U acts on: ``V`` → ("V", 2), ``O-2p`` → ("O", 1). Raises InputError."""
    match = _SHELL.fullmatch(key)
    if match is None:
        raise InputError(f"u_eV {key!r}: must be an element, meaning its d shell, or a shell like O-2p")
    return match["element"], "spdf".index(match["letter"] or "d")


def _set_u(kind: Section, momentum: int, u_eV: float) -> None:
    if u_eV == 0:
        kind.remove("DFT_PLUS_U")
        return
    plus_u = kind.at("DFT_PLUS_U")
    plus_u.set("L", momentum)
    plus_u.set("U_MINUS_J", f"[eV] {u_eV:g}")


def kind_files() -> list[Path]:
    """The per-element &KIND blocks of the package, by name."""
    return sorted(data_file("cp2k_templates", "kinds").glob("*.inp"))


def entries(element: str, kind: Section, dft: Section, data: Path | None) -> str:
    """Entries of CP2K's data files for `kind`: its basis sets and pseudopotential, with spaces normalized.

    `dft` is the input's &DFT, which names the files, `data` the folder they are in. Raises InputError naming element,
    entry and file for a missing entry, SetupError if the folder or a file is missing.
    """
    if data is None:
        raise SetupError("CP2K's data folder (BASIS_MOLOPT, GTH_POTENTIALS) was not found; set cp2k_data")
    bases = dft.values("BASIS_SET_FILE_NAME") + kind.values("BASIS_SET_FILE_NAME")
    potentials = kind.values("POTENTIAL_FILE_NAME") or dft.values("POTENTIAL_FILE_NAME")
    held = []
    for keyword, names, what in (("BASIS_SET", bases, "basis set"), ("POTENTIAL", potentials, "pseudopotential")):
        files = [data / name for name in names or [_DEFAULT_FILE[f"{keyword}_FILE_NAME"]]]
        absent = [str(path) for path in files if not path.is_file()]
        if absent:
            raise SetupError(f"CP2K's data file {absent[0]} does not exist; check cp2k_data")
        # a type may precede the name, as in BASIS_SET ORB ...
        for wanted in ((value.split() or [""])[-1] for value in kind.values(keyword)):
            found = next(filter(None, (_entry(path, element, wanted) for path in files)), None)
            if found is None:
                raise InputError(f"{element}: no {what} {wanted!r} in {', '.join(map(str, files))}")
            held.append(found)
    return "\n".join(held)


def _entry(path: Path, element: str, name: str) -> str | None:
    """The numbers of a CP2K data file's entry for `element` under `name`; None without one.

    An entry begins ``element name [alias ...]`` and ends where the next line with a letter in front begins.
    """
    rows: list[str] | None = None
    with open(path, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            words = line.split("#")[0].split()
            if words and words[0][0].isalpha():
                if rows is not None:
                    break
                if words[0].upper() == element.upper() and name.upper() in map(str.upper, words[1:]):
                    rows = []
            elif words and rows is not None:
                rows.append(" ".join(words))
    return None if rows is None else "\n".join(rows)
