"""What a model file says of itself, read without torch, for the places of the driver that take a model.

Raises InputError where the driver could not use the model, with what to do instead.
"""

import zipfile
from dataclasses import dataclass
from pathlib import Path

from ...errors import InputError
from .filekind import ARCHIVE_VERSION, PICKLED, PORTABLE, UNREADABLE, kind_of, read_json
from .modelfile import one_line, read_config

_ARCHIVE = ".naglass"
_PICKLED = "a pickled mace-torch model, which can run code when it is loaded"


@dataclass(frozen=True)
class ModelFacts:
    """Elements of a model, the names of its outputs besides the energy, the precision of its weights, and the cutoff of
    an archive (Å).
    """

    elements: list[str]
    outputs: list[str]
    dtype: str = "float64"
    r_max_A: float | None = None


def potential_facts(path: Path) -> ModelFacts:
    """Of an archive for ``pair_style mace``, or of a portable model from which one can be made without a choice."""
    if path.suffix == _ARCHIVE:
        return _archive_facts(path)
    use = f"and use the {_ARCHIVE} file"
    elements = _portable_elements(
        path,
        pickled=f"if you trust its author, run 'export-model {path} --trust' {use}",
        several=f"run 'export-model {path} --head NAME' (several names form a committee) {use}",
    )
    return ModelFacts(elements, [])


def start_elements(path: Path) -> list[str]:
    """Elements of a portable model that can be refined: one with a single head."""
    return _portable_elements(
        path,
        pickled="if you trust its author, load it and write it with save_portable (docs/pair_mace.md)",
        several="only a model with one head can be refined",
    )


def _portable_elements(path: Path, *, pickled: str, several: str) -> list[str]:
    """Elements of a portable model; `pickled` and `several` say what to do about another, or one of several heads."""
    from ase.data import chemical_symbols

    if kind_of(path) == PICKLED:
        raise InputError(f"{path}: {_PICKLED}; {pickled}")
    config = read_config(path)
    heads = config.get("heads")
    if isinstance(heads, list) and len(heads) > 1:
        raise InputError(f"{path}: the model has several heads ({', '.join(map(str, heads))}); {several}")
    try:
        return sorted(chemical_symbols[z] for z in config["atomic_numbers"])
    except (KeyError, IndexError, TypeError) as error:
        raise InputError(f"{path}: not a portable MACE model, or damaged ({one_line(error)})") from error


def _archive_facts(path: Path) -> ModelFacts:
    try:
        with zipfile.ZipFile(path) as archive:
            facts = read_json(path, archive, "metadata.json")
        outputs = [output["name"] for output in facts.get("outputs", [])]
        found = ModelFacts(list(facts["elements"]), outputs, facts.get("dtype", "float64"), facts.get("r_max"))
        version = facts.get("format_version", ARCHIVE_VERSION)
    except UNREADABLE as error:
        raise InputError(f"{path}: not a model exported for pair_style mace ({_what(path, error)})") from error
    if version != ARCHIVE_VERSION:
        raise InputError(
            f"{path}: an archive of version {version}, but pair_style mace reads version {ARCHIVE_VERSION}; "
            "export the model again"
        )
    return found


def _what(path: Path, error: Exception) -> str:
    """What a file is that should be an archive."""
    try:
        kind = kind_of(path)
    except InputError:
        return one_line(error)
    return "a portable model; give its name the suffix .mace" if kind == PORTABLE else f"{_PICKLED}; export it first"
