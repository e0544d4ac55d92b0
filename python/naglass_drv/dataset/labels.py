"""Find labels in whatever name and form other programs write them: energy, forces, stress, convergence."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .frames import FORTRAN_EXPONENT
from .gate import Refused

# a name is one of these nouns with any of the qualifiers, in any order and case: REF_energy, dft_forces, TotEnergy
_NOUNS = {
    "energy": {"energy", "etot", "toten", "e"}, "forces": {"forces", "force"}, "stress": {"stress", "stresses"},
    "virial": {"virial", "virials"},
}  # fmt: skip
_QUALIFIERS = {
    "ref", "reference", "dft", "qm", "label", "target", "true", "total", "tot", "potential", "scf", "atomic", "tensor",
    "vasp", "cp2k", "qe", "espresso", "castep", "aims", "abinit", "gpaw", "pbe",
}  # fmt: skip
LIKE_A_LABEL = re.compile(r"energ|force|stress|viria", re.IGNORECASE)
_LIKE_A_STATE = re.compile(r"magmom|magnet|moment|spin|multiplicity|charge|hirshfeld|mulliken|bader", re.IGNORECASE)
_NO_LABELS = {
    "free_energy", "net_force_eV_per_A", "energies", "stresses",
    # names of our own frames
    "charge", "multiplicity", "REF_spin", "REF_spin_mulliken", "spin_sum_muB", "spin_pattern", "spin_flag",
}  # fmt: skip
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
# how far two entries for one label may differ: share of the largest number, and eV, eV/Å or eV/Å³
_SAME = {"energy": (1e-7, 1e-4), "forces": (1e-5, 1e-4), "stress": (1e-3, 1e-5), "virial": (1e-3, 1e-3)}
_TRUE = {"t", "true", "y", "yes", "on", "1", "converged", "reached"}
_FALSE = {"f", "false", "n", "no", "off", "0", "unconverged", "not converged", "not reached", "failed"}
# of a relaxation, not of the SCF
_GEOMETRY = {"geometry", "geo", "geom", "ionic", "ions", "relax", "relaxation", "relaxed", "opt", "optimization",
             "force", "forces", "cell", "structure"}  # fmt: skip
_NEGATIONS = {"not", "un", "non", "no"}
_CRITERIA = {"threshold", "thr", "tolerance", "tol", "criterion", "criteria", "limit", "accuracy", "eps"}
_UNCONVERGED = re.compile(r"\b(not|non|un)[\s_-]*converged", re.IGNORECASE)


@dataclass(frozen=True)
class Entries:
    """Entries of a source for one frame, by name: `config` for the whole frame, `atoms` per atom."""

    config: Mapping[str, Any]
    atoms: Mapping[str, Any]


@dataclass
class Labels:
    """Energy (eV), forces (N×3, eV/Å), stress (3×3, eV/Å³, ASE's sign); None if missing.

    `untaken` names the entries that look like labels, moments or charges and were not taken.
    """

    energy: float | None = None
    forces: np.ndarray | None = None
    stress: np.ndarray | None = None
    untaken: list[str] = field(default_factory=list)


def labels_of(entries: Entries, keys: Mapping[str, str], count: int, volume_A3: float) -> Labels:
    """The labels of a frame of `count` atoms; `keys` names the entries of some, the others are found by their names.

    A virial W gives the stress -W/V; there is no stress without a volume. Six numbers are in ASE's order (xx, yy, zz,
    yz, xz, xy). Raises Refused: UNREADABLE for anything but numbers of the right shape, CONTRADICTION if two
    entries for one label disagree, INCOMPLETE if there is no entry of a given name.
    """
    readers = {
        "energy": lambda key, value: np.asarray(number(value, key)),
        "forces": lambda key, value: numbers(value, (count, 3), key),
        "stress": lambda key, value: tensor(value, key),
        "virial": lambda key, value: tensor(value, key),
    }
    found: dict[str, dict[str, np.ndarray]] = {}
    for what, read in readers.items():
        # who names one of stress and virial means it alone
        if what not in keys and what in ("stress", "virial") and keys.keys() & {"stress", "virial"}:
            found[what] = {}
            continue
        named = _named(entries, what, keys[what], count) if what in keys else dict(_usual(entries, what))
        found[what] = {key: read(key, value) for key, value in named.items()}
    if volume_A3 < 1e-6:
        found["stress"] = found["virial"] = {}
    stress = found["stress"] | {key: -virial / volume_A3 for key, virial in found["virial"].items()}
    labels = Labels(
        energy=None if (energy := _agreed("energy", found["energy"])) is None else float(energy),
        forces=_agreed("forces", found["forces"]),
        stress=_agreed("stress", stress),
    )
    taken = {key for entry in found.values() for key in entry} | set(keys.values())
    others = {*entries.config, *entries.atoms} - taken - _NO_LABELS
    labels.untaken = sorted(key for key in others if LIKE_A_LABEL.search(key) or _LIKE_A_STATE.search(key))
    return labels


def _named(entries: Entries, what: str, key: str, count: int) -> dict[str, Any]:
    place = next((place for place in (entries.config, entries.atoms) if key in place), None)
    if place is not None:
        return {key: place[key]}
    if what == "forces" and count == 1:
        return {}
    there = ", ".join(sorted({*entries.config, *entries.atoms} - {"numbers", "positions"}))
    raise Refused("INCOMPLETE", f"there is no {key!r}; available: {there}")


def _usual(entries: Entries, what: str) -> Iterator[tuple[str, Any]]:
    """Entries with a name that identifies them as this label."""
    place = entries.atoms if what == "forces" else entries.config
    last = None
    for key, value in place.items():
        words = [word.lower() for word in _WORD.findall(key)]
        nouns, qualifiers = set(words) & _NOUNS[what], set(words) - _NOUNS[what]
        if len(nouns) == 1 and qualifiers <= _QUALIFIERS and (nouns != {"e"} or qualifiers):
            last = key
            yield key, value
    # ASE writes it in addition to the energy; it is the label if it is the only one
    if what == "energy" and last is None and "free_energy" in place:
        yield "free_energy", place["free_energy"]


def _agreed(what: str, found: Mapping[str, np.ndarray]) -> np.ndarray | None:
    """The common value of all entries `found`. Raises Refused if they differ."""
    if not found:
        return None
    (first, value), *others = found.items()
    share, least = _SAME[what]
    for key, other in others:
        largest = np.abs(np.concatenate([value.ravel(), other.ravel()])).max()
        if not np.allclose(value, other, rtol=0, atol=share * largest + least, equal_nan=True):
            opposite = np.allclose(value, -other, rtol=0, atol=share * largest + least)
            how = "have opposite signs" if opposite else f"differ by {np.abs(value - other).max():.4g}"
            kinds = ("stress", "virial") if what == "stress" else (what,)
            flags = " or ".join(f"--{kind}-key" for kind in kinds)
            raise Refused("CONTRADICTION", f"{first} and {key} both give the {what} and {how}; select one with {flags}")
    return value


def number(value: Any, name: str) -> float:
    """One number. Raises Refused (UNREADABLE) for anything else."""
    return float(numbers(value, (), name))


def numbers(value: Any, shape: tuple[int, ...], name: str) -> np.ndarray:
    """Numbers of a shape, from an array or from text (exponents may be Fortran's D). Raises Refused (UNREADABLE)."""
    array = _array(value)
    if array is None or array.size != int(np.prod(shape)):
        wanted = " × ".join(map(str, shape)) + " numbers" if shape else "a number"
        shown = f"{' '.join(str(value).split())[:40]!r}" if array is None else f"{array.size} numbers"
        raise Refused("UNREADABLE", f"{name} is {shown}; must be {wanted}")
    return array.reshape(shape)


def tensor(value: Any, name: str) -> np.ndarray:
    """A 3×3 tensor from 3×3, 9 or, in ASE's order (xx, yy, zz, yz, xz, xy), 6 numbers. Raises Refused (UNREADABLE)."""
    from ase.stress import voigt_6_to_full_3x3_stress

    array = _array(value)
    if array is not None and array.size == 6:
        return voigt_6_to_full_3x3_stress(array.ravel())
    return numbers(value, (3, 3), name)


def _array(value: Any) -> np.ndarray | None:
    """Numbers as an array; None for anything that is not numbers throughout."""
    if isinstance(value, str):
        value = [FORTRAN_EXPONENT.sub("e", word) for word in re.findall(r"[^\s,\[\]{}()]+", value)]
        if len(value) == 1:
            value = value[0]
    elif isinstance(value, (list, tuple)) and any(isinstance(item, bool) for item in value):
        return None
    try:
        array = np.asarray(value)
        # text consists of numbers or not; truth values and objects are not numbers
        return array.astype(float) if array.dtype.kind in "fiuUS" else None
    except (TypeError, ValueError):
        return None


def whole(value: Any, name: str) -> int | None:
    """A whole number such as a charge, None for None. Raises Refused (UNREADABLE) for anything else."""
    if value is None:
        return None
    found = number(value, name)
    if not np.isfinite(found) or found != round(found):
        raise Refused("UNREADABLE", f"{name} is {value!r}; must be a whole number")
    return round(found)


def scf_converged(config: Mapping[str, Any]) -> bool | None:
    """Whether the entries of a frame say that its SCF converged; None if they say nothing.

    Looked at is every entry that names convergence, but for that of a relaxation. Raises Refused (UNREADABLE) for a
    value that is neither true nor false.
    """
    words = {key.lower() for key, value in config.items() if value is True}
    if {"not", "converged"} <= words:
        # a comment in free text, which extended XYZ reads as one flag a word
        return False
    verdicts = [verdict for key, value in config.items() if (verdict := _verdict(key, value)) is not None]
    return all(verdicts) if verdicts else None


def _verdict(key: str, value: Any) -> bool | None:
    words = [word.lower() for word in _WORD.findall(key)]
    if set(words) & (_GEOMETRY | _CRITERIA):
        return None
    stem = next((word for word in words if "converg" in word), None)
    if stem is None:
        # as in status="SCF not converged"
        return False if isinstance(value, str) and _UNCONVERGED.search(value) else None
    truth = truth_value(value)
    if truth is None:
        # "convergence=1e-6" is a criterion, "converged=1e-6" is nonsense
        if stem.endswith("ed"):
            raise Refused("UNREADABLE", f"{key} is {value!r}; must be true or false (yes/no, T/F, 1/0)")
        return None
    negated = bool(set(words) & _NEGATIONS) or stem.startswith(("un", "non", "not"))
    return truth != negated


def truth_value(value: Any) -> bool | None:
    """True or false in the spellings of Fortran, Python, JSON and people; None for anything else."""
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (int, float, np.number)):
        return bool(value) if value in (0, 1) else None
    word = re.sub(r"[\s_-]+", " ", value.strip().strip(".").lower()) if isinstance(value, str) else ""
    return True if word in _TRUE else False if word in _FALSE else None
