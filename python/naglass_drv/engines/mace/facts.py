"""What a model file says of itself, read without torch, for the places of the driver that take a model.

Raises InputError where the driver could not use the model, with what to do instead.
"""

import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import InputError
from .filekind import ARCHIVE_VERSION, ARCHIVE_VERSIONS, PICKLED, PORTABLE, UNREADABLE, kind_of, read_json
from .modelfile import one_line, read_config
from .pickled import pickled_config
from .whole import check_whole

#: E0 (eV) that differ by less belong to one level.
SAME_E0_eV = 1e-3
_ARCHIVE = ".naglass"
_PICKLED = "a pickled mace-torch model, which can run code when it is loaded"


@dataclass(frozen=True)
class ModelFacts:
    """Elements of a model, the names of its outputs besides the energy, the precision of its weights, and the cutoff of
    an archive (Å) and its number of read-out heads.
    """

    elements: list[str]
    outputs: list[str]
    dtype: str = "float64"
    r_max_A: float | None = None
    heads: int = 1


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


@dataclass(frozen=True)
class Reach:
    """Elements of a model, its message-passing layers and its cutoff (Å)."""

    elements: list[str]
    layers: int
    r_max_A: float


def reach_of(path: Path) -> Reach:
    """Of an archive for ``pair_style mace`` or a portable model; its receptive field is layers times cutoff."""
    if path.suffix == _ARCHIVE:
        elements = _archive_facts(path).elements
        with zipfile.ZipFile(path) as archive:
            facts = read_json(path, archive, "metadata.json")
        with _readable(path):
            return Reach(elements, len(facts["layers"]), float(facts["r_max"]))
    if kind_of(path) == PICKLED:
        raise InputError(f"{path}: {_PICKLED}; give --layers and --r-max instead")
    config = read_config(path)
    with _readable(path):
        return Reach(_elements(config), int(config["num_interactions"]), float(config["r_max"]))


def start_energies(path: Path, head: str | None = None, *, trust: bool = False) -> dict[str, float] | None:
    """E0 (eV) by element of a model to start from, by its `head` if it has several. A pickled model needs `trust`; None
    for one in a form of which nothing is known before it is loaded.
    """
    pickled = kind_of(path) == PICKLED
    if pickled and not trust:
        raise InputError(f"{path}: {_PICKLED}; if you trust its author, add 'trust: true' to the section train")
    check_whole(path)
    found = pickled_config(path) if pickled else read_config(path)
    if found is None:
        return None
    config, heads = found, _heads(found)
    known = ", ".join(heads)
    if head is None and len(heads) > 1:
        raise InputError(f"{path}: the model has several heads ({known}); name one as train.head")
    if head is not None and head not in heads:
        raise InputError(f"head {head!r}: {path} has {known}")
    with _readable(path):
        energies = config["atomic_energies"]
        own = energies[heads.index(head or heads[0])] if isinstance(energies[0], list) else energies
        return dict(zip(_elements(config), map(float, own), strict=True))


def check_same_level(start_model: Path, own: Mapping[str, float], e0_eV: Mapping[str, float]) -> None:
    """Raise InputError where E0 of a start model are not those of the dataset, which it would be refined on."""
    for element, energy in sorted(e0_eV.items()):
        if element in own and abs(own[element] - energy) > SAME_E0_eV:
            raise InputError(
                f"{start_model}: E0 of {element} is {own[element]:.4f} eV in the start model and {energy:.4f} eV in "
                "the dataset: they belong to different levels; to fine-tune the model to that of the dataset, with its "
                "E0, add 'E0: dataset' to the section train"
            )


def _portable_elements(path: Path, *, pickled: str, several: str) -> list[str]:
    """Elements of a portable model; `pickled` and `several` say what to do about another, or one of several heads."""
    if kind_of(path) == PICKLED:
        raise InputError(f"{path}: {_PICKLED}; {pickled}")
    check_whole(path)
    config = read_config(path)
    heads = _heads(config)
    if len(heads) > 1:
        raise InputError(f"{path}: the model has several heads ({', '.join(heads)}); {several}")
    with _readable(path):
        return sorted(_elements(config))


def _heads(config: dict[str, Any]) -> list[str]:
    heads = config.get("heads")
    return [str(head) for head in heads] if isinstance(heads, list) and heads else ["Default"]


def _elements(config: dict[str, Any]) -> list[str]:
    from ase.data import chemical_symbols

    return [chemical_symbols[z] for z in config["atomic_numbers"]]


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise InputError(f"{path}: not a portable MACE model, or damaged ({one_line(error)})") from error


def _archive_facts(path: Path) -> ModelFacts:
    try:
        with zipfile.ZipFile(path) as archive:
            facts = read_json(path, archive, "metadata.json")
        outputs = [output["name"] for output in facts.get("outputs", [])]
        dtype, heads = facts.get("dtype", "float64"), len(facts.get("heads", [])) or 1
        found = ModelFacts(list(facts["elements"]), outputs, dtype, facts.get("r_max"), heads)
        version = facts.get("format_version", ARCHIVE_VERSION)
        stated = [element for element, count in zip(found.elements, facts.get("states", []), strict=False) if count > 1]
    except UNREADABLE as error:
        raise InputError(f"{path}: not a model exported for pair_style mace ({_what(path, error)})") from error
    if version not in ARCHIVE_VERSIONS:
        raise InputError(
            f"{path}: an archive of version {version}, but pair_style mace reads version {ARCHIVE_VERSION}; "
            "export the model again"
        )
    if stated:
        raise InputError(
            f"{path}: {', '.join(stated)} has several states, which a run does not set; only scripts of your own for "
            "pair_style mace can use this archive"
        )
    check_whole(path)
    return found


def _what(path: Path, error: Exception) -> str:
    """What a file is that should be an archive."""
    try:
        kind = kind_of(path)
    except InputError:
        return one_line(error)
    return "a portable model; give its name the suffix .mace" if kind == PORTABLE else f"{_PICKLED}; export it first"
