"""Species of a composition: oxidation states, charge balance, high-spin electrons, multiplicity.

Everything here is exact bookkeeping in whole numbers, light enough for the check of an input file.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from ..errors import InputError

_TABLE = (
    "H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br Kr Rb Sr Y Zr "
    "Nb Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm Yb Lu Hf Ta W Re Os Ir "
    "Pt Au Hg Tl Pb Bi"
)
SYMBOLS = _TABLE.split()
_NUMBER = {symbol: z for z, symbol in enumerate(SYMBOLS, start=1)}

# the one state these elements take in an oxide or fluoride glass
_FIXED_STATE = {
    "H": 1,
    "Li": 1,
    "Na": 1,
    "K": 1,
    "Rb": 1,
    "Cs": 1,
    "Be": 2,
    "Mg": 2,
    "Ca": 2,
    "Sr": 2,
    "Ba": 2,
    "Zn": 2,
    "Sc": 3,
    "Y": 3,
    "La": 3,
    "B": 3,
    "Al": 3,
    "Ga": 3,
    "Si": 4,
    "Ge": 4,
    "Zr": 4,
    "Hf": 4,
    "P": 5,
    "Ta": 5,
    "O": -2,
    "F": -1,
    "Cl": -1,
    "S": -2,
}
# states that are balanced against each other when the input does not name them
_MIXED_STATES = {
    "Ti": (3, 4),
    "V": (2, 3, 4, 5),
    "Cr": (2, 3),
    "Mn": (2, 3, 4),
    "Fe": (2, 3),
    "Co": (2, 3),
    "Ni": (2, 3),
    "Cu": (1, 2),
    "Nb": (4, 5),
    "Mo": (4, 5, 6),
    "W": (5, 6),
}
_D_GROUP = {
    "Sc": 3,
    "Ti": 4,
    "V": 5,
    "Cr": 6,
    "Mn": 7,
    "Fe": 8,
    "Co": 9,
    "Ni": 10,
    "Cu": 11,
    "Zn": 12,
    "Y": 3,
    "Zr": 4,
    "Nb": 5,
    "Mo": 6,
    "Tc": 7,
    "Ru": 8,
    "Rh": 9,
    "Pd": 10,
    "Ag": 11,
    "Cd": 12,
    "La": 3,
    "Hf": 4,
    "Ta": 5,
    "W": 6,
    "Re": 7,
    "Os": 8,
    "Ir": 9,
    "Pt": 10,
    "Au": 11,
    "Hg": 12,
}
# Ce to Lu, whose valence electrons in excess of 4f are three
_LANTHANIDES = frozenset(SYMBOLS[_NUMBER["Ce"] - 1 : _NUMBER["Lu"]])
#: Ions whose motion is followed, the first that is present.
MOBILE_IONS = ("Na", "Li", "K")
TRANSITION_METALS = frozenset(_MIXED_STATES)
#: Elements whose ions may have unpaired d or f electrons.
OPEN_SHELLS = frozenset(_D_GROUP) | _LANTHANIDES
#: A moment (µB) below which its sign says nothing.
POLARIZED_MUB = 0.5
_LABEL = re.compile(r"(?P<element>[A-Z][a-z]?)(?:(?P<size>[1-9]?)(?P<sign>[+-]))?")


@dataclass(frozen=True)
class Species:
    """One ion of a composition: element, formal charge (e), atoms, unpaired electrons of each."""

    element: str
    charge: int
    count: int
    unpaired: int

    @property
    def label(self) -> str:
        """The ion as the project writes it: ``Na+``, ``V4+``, ``O2-``."""
        return ion_label(self.element, self.charge)


def fixed_state(element: str) -> int | None:
    """The one charge that an element takes in an oxide or fluoride glass; None if it has several, or is not known."""
    return _FIXED_STATE.get(element)


def ion_label(element: str, charge: int) -> str:
    """``("V", 4)`` → ``V4+``; a charge of one carries no digit."""
    if charge == 0:
        return element
    size = "" if abs(charge) == 1 else str(abs(charge))
    return f"{element}{size}{'+' if charge > 0 else '-'}"


def parse_label(label: str) -> tuple[str, int | None]:
    """``V4+`` → ``("V", 4)``, ``Na`` → ``("Na", None)``. Raises InputError when it is neither."""
    match = _LABEL.fullmatch(label)
    if match is None or match["element"] not in _NUMBER:
        raise InputError(f"composition: {label!r}: not an element or an ion like 'Na', 'V4+', 'O2-'")
    if match["sign"] is None:
        return match["element"], None
    return match["element"], int(match["size"] or 1) * (1 if match["sign"] == "+" else -1)


def high_spin_unpaired(element: str, charge: int) -> int:
    """Unpaired electrons of a high-spin ion by Hund's rule.

    dⁿ with n = group − charge, or 4fⁿ with n = Z − 54 − charge; one where a main-group ion has an odd number of
    electrons (P4+, O-). Raises InputError for a charge that leaves no such configuration.
    """
    if element in _LANTHANIDES:
        electrons, orbitals = _NUMBER[element] - _NUMBER["Xe"] - charge, 7
    elif element in _D_GROUP:
        electrons, orbitals = _D_GROUP[element] - charge, 5
    else:
        return (_NUMBER[element] - charge) % 2
    if not 0 <= electrons <= 2 * orbitals:
        raise InputError(f"composition: {ion_label(element, charge)}: no such oxidation state")
    return min(electrons, 2 * orbitals - electrons)


def high_spin_states(element: str) -> list[tuple[int, float]]:
    """The states that a transition metal takes in a glass, with their high-spin moments (µB); of two states with one
    moment the lower. Empty for other elements.
    """
    states: dict[float, int] = {}
    for state in _MIXED_STATES.get(element, ()):
        states.setdefault(float(high_spin_unpaired(element, state)), state)
    return [(state, moment) for moment, state in states.items()]


def species(composition: Mapping[str, int], formula_units: int = 1, charge: int = 0) -> tuple[Species, ...]:
    """The ions of `formula_units` × `composition`, in the order of its keys, the lower charge first.

    Keys are elements or ions. Elements without a stated charge take their usual state; one transition metal
    without a charge is balanced between two neighboring states, so that the whole has `charge` (e). Raises
    InputError (numbers and what would balance) when it cannot have that.
    """
    stated: dict[tuple[str, int], int] = {}
    open_metals: dict[str, int] = {}
    for label, count in composition.items():
        element, state = parse_label(label)
        if state is None and element in _MIXED_STATES:
            open_metals[element] = open_metals.get(element, 0) + count * formula_units
            continue
        key = (element, _usual_state(element) if state is None else state)
        stated[key] = stated.get(key, 0) + count * formula_units
    if len(open_metals) > 1:
        names = ", ".join(open_metals)
        message = "neutrality determines only one unknown charge; state all others, as in 'V4+'"
        raise InputError(f"composition: {names}: {message}")
    for element, count in open_metals.items():
        for state, share in _balance(element, count, _total(stated) - charge).items():
            stated[element, state] = stated.get((element, state), 0) + share
    _check_total(stated, charge)
    return _in_order(stated, composition)


def ions_of(labels: Iterable[str]) -> tuple[Species, ...]:
    """The ions of atoms with these `labels`, such as ``V4+``; elements without a charge take their usual state.

    Raises InputError for a label that is none, and for an element of several states.
    """
    stated: dict[tuple[str, int], int] = {}
    counts = Counter(labels)
    for label, count in counts.items():
        element, state = parse_label(label)
        key = (element, _usual_state(element) if state is None else state)
        stated[key] = stated.get(key, 0) + count
    return _in_order(stated, counts)


def with_charge(ions: Iterable[Species], charge: int) -> tuple[Species, ...]:
    """The ions when their cell has `charge` (e), which its one transition metal of several states accounts for.

    Raises InputError where there is no such metal, or another charge than it can take.
    """
    ions = tuple(ions)
    if total_charge(ions) == charge:
        return ions
    counts: dict[str, int] = {}
    for ion in ions:
        label = ion.element if ion.element in _MIXED_STATES else ion.label
        counts[label] = counts.get(label, 0) + ion.count
    return species(counts, charge=charge)


def multiplicity(ions: Iterable[Species]) -> int:
    """Spin multiplicity 2S + 1 with all high-spin moments parallel (the ferromagnetic start)."""
    return 1 + sum(ion.unpaired * ion.count for ion in ions)


def electron_count(ions: Iterable[Species], charge: int = 0) -> int:
    """Number of electrons of the atoms of `ions` in a cell of total `charge` (e)."""
    return sum(_NUMBER[ion.element] * ion.count for ion in ions) - charge


def check_multiplicity(ions: Iterable[Species], stated: int, charge: int = 0) -> None:
    """Raise InputError when a cell of `ions` cannot have `stated` = 2S + 1.

    Its parity has to fit the number of electrons. The ions carry at most their high-spin moments, all parallel; each
    elementary charge of `charge` (e) that they do not account for may leave one more unpaired electron.
    """
    ions = tuple(ions)
    most = multiplicity(ions) + abs(charge - total_charge(ions))
    try:
        check_parity(electron_count(ions, charge), stated, charge)
    except InputError as error:
        raise InputError(f"{error}; high spin gives {multiplicity(ions)}") from None
    if stated > most:
        raise InputError(
            f"multiplicity {stated}: means {stated - 1} unpaired electrons, but {magnetic(ions)} can have at most "
            f"{most - 1}{f' in a cell of charge {charge:+d}' if charge else ''}; high spin gives {multiplicity(ions)}"
        )


def check_parity(electrons: int, stated: int, charge: int = 0) -> None:
    """Raise InputError when `stated` = 2S + 1 and the number of `electrons` have the wrong parity."""
    if (electrons + stated) % 2 == 0:
        kind, needed = ("odd", "even") if electrons % 2 else ("even", "odd")
        problem = f"{electrons} electrons ({kind}, cell charge {charge:+d}) need an {needed} multiplicity"
        raise InputError(f"multiplicity {stated}: {problem}")


def magnetic(ions: Iterable[Species]) -> str:
    """The ions with unpaired electrons in words, as ``2 V4+``."""
    named = [f"{ion.count} {ion.label}" for ion in ions if ion.unpaired]
    return " and ".join(named) or "closed-shell ions"


def total_charge(ions: Iterable[Species]) -> int:
    """Sum of the formal charges (e)."""
    return sum(ion.charge * ion.count for ion in ions)


def formula(ions: Iterable[Species]) -> str:
    """Elements with their atom counts, as ``Na4V2P4O16``."""
    counts: dict[str, int] = {}
    for ion in ions:
        counts[ion.element] = counts.get(ion.element, 0) + ion.count
    return "".join(f"{element}{count if count > 1 else ''}" for element, count in counts.items())


def contact_distance(first: str, second: str) -> float:
    """Typical shortest distance (Å) of two elements in an oxide, the yardstick of packing and of the gate.

    Cation–anion: the sum of covalent radii (Cordero et al., 10.1039/b801115j). Anion–anion: 2.8 Å, twice the
    radius of O²⁻ (Shannon, 10.1107/S0567739476001551). Cation–cation: two polyhedra that share an edge, with
    90° at the oxygen, i.e. √(d₁² + d₂²) of their two cation–oxygen distances.
    """
    from ase.data import atomic_numbers, covalent_radii

    def radius(element: str) -> float:
        return float(covalent_radii[atomic_numbers[element]])

    anions = [_FIXED_STATE.get(element, 1) < 0 for element in (first, second)]
    if all(anions):
        return 2.8
    if any(anions):
        return radius(first) + radius(second)
    return ((radius(first) + radius("O")) ** 2 + (radius(second) + radius("O")) ** 2) ** 0.5


def _usual_state(element: str) -> int:
    state = fixed_state(element)
    if state is None:
        message = f"no common oxidation state is known; state it, as in '{element}3+'"
        raise InputError(f"composition: {element}: {message}")
    return state


def _in_order(stated: Mapping[tuple[str, int], int], labels: Iterable[str]) -> tuple[Species, ...]:
    """The ions by the order of their elements in `labels`, the lower charge first."""
    order = list(dict.fromkeys(parse_label(label)[0] for label in labels))
    keys = sorted(stated, key=lambda key: (order.index(key[0]), key[1]))
    return tuple(Species(e, q, stated[e, q], high_spin_unpaired(e, q)) for e, q in keys)


def _total(stated: Mapping[tuple[str, int], int]) -> int:
    return sum(charge * count for (_, charge), count in stated.items())


def _balance(element: str, count: int, rest: int) -> dict[int, int]:
    """Counts of two neighboring states of `count` atoms that cancel `rest`, the charge of all else."""
    lower, upper_count = divmod(-rest, count)
    shares = {lower: count - upper_count, lower + 1: upper_count}
    shares = {charge: share for charge, share in shares.items() if share}
    allowed = _MIXED_STATES[element]
    if not set(shares) <= set(allowed):
        mean = Fraction(-rest, count)
        raise InputError(
            f"composition: charge balance requires {element} at a mean charge of {float(mean):+.3g} "
            f"({count} {element} against {rest:+d} from the other ions); "
            f"{element} can have {allowed[0]:+d} to {allowed[-1]:+d}"
        )
    return shares


def _check_total(stated: Mapping[tuple[str, int], int], charge: int) -> None:
    total = _total(stated)
    if total == charge:
        return
    terms = " ".join(f"{q * count:+d} ({count} {ion_label(e, q)})" for (e, q), count in stated.items())
    raise InputError(f"composition: charges do not balance: {terms} = {total:+d}; {_remedy(stated, total)}")


def _remedy(stated: Mapping[tuple[str, int], int], total: int) -> str:
    """What would make the composition neutral: another count of one ion, or a metal left to be balanced."""
    options = []
    for (element, charge), count in stated.items():
        if element in ("O", "Na") and total % charge == 0 and count - total // charge > 0:
            options.append(f"{element} {count - total // charge} instead of {count}")
    for element in dict.fromkeys(e for e, _ in stated if e in _MIXED_STATES):
        count = sum(n for (e, _), n in stated.items() if e == element)
        rest = _total({key: n for key, n in stated.items() if key[0] != element})
        try:
            shares = _balance(element, count, rest)
        except InputError:
            continue
        options.append(" and ".join(f"{n} {ion_label(element, q)}" for q, n in shares.items()))
    if not options:
        return "no single change of Na, O or a metal balances it"
    return "neutral would be: " + ", or ".join(options)
