"""Blocks of features that are only used together, with the names that a glass scientist gives them."""

import re
from collections.abc import Iterable, Mapping, Sequence

from ..chemistry.ions import SYMBOLS
from ..chemistry.notation import ON_THE_LINE, SUBSCRIPT
from ..errors import InputError

COMPOSITION = "composition"
CONDITIONS = "conditions"
DYNAMICS = "dynamics"
REDOX = "redox"
CRYSTAL, AROUND = "crystal", "around"
LABELS = {
    COMPOSITION: "composition",
    "short_range": "short-range order",
    "medium_range": "medium-range order",
    REDOX: "redox and spin",
    "free_volume": "free volume and channels",
    DYNAMICS: "dynamics",
    CONDITIONS: "conditions",
    CRYSTAL: "distance to the crystal",
    AROUND: "mobile ions around",
}
# by the first that is found in the name of a column; case counts only where letters alone could be anything
_WORDS = (
    (CRYSTAL, r"^crystal_distance$"),
    (AROUND, r"^ions\."),
    (CONDITIONS, r"(?i)temperature|pressure|quench_?rate"),
    (DYNAMICS,
     r"(?i)\bmsd|hops?\b|hops\.|haven|diffus|transport\.|heterogeneity\.|exchanged|conductiv|jump|mobility|relaxation"
     r"|sites\.(?!channels|percolating)"),
    (REDOX, r"(?i)redox|^state$|(?<!bond_)valence|valency|moment|spin\b|oxidation|\d\+/"),
    ("free_volume", r"(?i)free.?volume|void|channel|bottleneck|percol|ion_spacing|packing|density|molar.?volume"),
    ("medium_range",
     r"(?i)ring|\bQ\d|qn|mean_n|linkage|^linked\.|corner|edge|face|lantern|fsdp|sharp.diffraction|oxygen\.|NBO|BO_|bridging"),
    ("short_range",
     r"(?i)coordination|bond.?length|bond_length|angle|\.mean|\.spread|peak|\bCN|baur|distortion|vanadyl|distance|bond_valence"
     r"|metals\.\w+\.(?:label|geometry)"),
)  # fmt: skip
_OXIDE = re.compile(r"((?:[A-Z][a-z]?\d*)+)")
_PART = re.compile(r"([A-Z][a-z]?)(\d*)")
_ANIONS = {"O", "F", "Cl", "S"}
# bridging oxygen and the others, which read like oxides of B and N
_NO_COMPONENTS = {"BO", "NBO"}
_V_O = re.compile(r"(?<![A-Za-z])(V-O|O-V-O|V-O-V|V-O-P)(?![A-Za-z])|metals\.V\.")


def is_component(name: str) -> bool:
    """Whether a name is that of a compound of a glass: ``Na2O``, ``P2O5``, ``NaPO3``, ``Na₂O``, ``NaF``."""
    plain = name.translate(ON_THE_LINE)
    if plain in _NO_COMPONENTS or not _OXIDE.fullmatch(plain):
        return False
    symbols = [symbol for symbol, _ in _PART.findall(plain)]
    return len(symbols) > 1 and symbols[-1] in _ANIONS and all(symbol in SYMBOLS for symbol in symbols)


def block_of(name: str) -> str:
    """The block that a feature belongs to by its name; its own if no word tells."""
    for block, words in _WORDS:
        if re.search(words, name):
            return block
    return name


def assigned(
    features: Sequence[str], stated: Mapping[str, Sequence[str]], composition: Iterable[str]
) -> dict[str, list[str]]:
    """The features of each block: those that are `stated`, the `composition`, and the rest by their names.

    Raises InputError for a stated block that takes a part of the composition, whose shares add up to a whole.
    """
    shares = set(composition)
    found: dict[str, list[str]] = {COMPOSITION: [name for name in features if name in shares]}
    taken: dict[str, str] = {}
    for block, names in stated.items():
        for name in names:
            if name not in features:
                raise InputError(f"block {block}: {name!r} is not among the features; known are {', '.join(features)}")
            if name in taken:
                raise InputError(f"block {block}: {name!r} is already in block {taken[name]}")
            if name in shares and block != COMPOSITION:
                raise InputError(
                    f"block {block}: {name} is a share of the composition; shares add up to 100 %, so that none "
                    f"changes alone: it stays with the others in block {COMPOSITION}"
                )
            taken[name] = block
            if name not in shares:
                found.setdefault(block, []).append(name)
    for name in features:
        if name not in taken and name not in shares:
            found.setdefault(block_of(name), []).append(name)
    return {block: names for block, names in found.items() if names}


def label(block: str) -> str:
    """A block as it is named in a sentence."""
    return LABELS.get(block, block)


def about_vanadium_bonds(columns: Iterable[str]) -> list[str]:
    """Columns that measure V–O bonds, whose lengths rigid-ion potentials order wrongly."""
    return [name for name in columns if _V_O.search(name)]


def subscripted(name: str) -> str:
    """``Na2O`` → ``Na₂O``."""
    return name.translate(SUBSCRIPT) if is_component(name) else name
