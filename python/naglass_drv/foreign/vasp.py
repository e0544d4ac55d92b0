"""Labels that VASP computed, from ``vasprun.xml`` or ``OUTCAR``, by ASE's readers and what they leave out.

Energies are VASP's free energy (TOTEN), whose derivative the forces are. What ASE does not tell is read here: whether
each electronic loop ended by EDIFF, the total moment, the settings and pseudopotentials.
"""

import io
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..chemistry.level import short_hash
from ..errors import InputError
from .gate import Found, Refused, bare, set_labels, source_name, unreadable

if TYPE_CHECKING:
    from ase import Atoms

_MAX_BYTES = 2 << 30
_WHOLE_TOLERANCE_MUB = 0.2
# what decides a converged label at given positions; k-points are left out, since meshes go with the cell
_SETTINGS = (
    "PREC", "ENMAX", "EDIFF", "ISPIN", "ISMEAR", "SIGMA", "LREAL", "LASPH", "ADDGRID", "GGA", "METAGGA", "LMETAGGA",
    "LHFCALC", "HFSCREEN", "AEXX", "LDAUTYPE", "IVDW", "LUSE_VDW", "LSORBIT", "IDIPOL",
)  # fmt: skip
# what means "not used", and is written by one of the two files only
_OFF = ("F", "0", "-1", "--", "")
_PER_TYPE = ("LDAUL", "LDAUU", "LDAUJ")
_OUTCAR_NAMES = {"ENCUT": "ENMAX"}
_OUTCAR_VALUE = re.compile(r"(?:^|[\s;])([A-Z_]+)\s*=\s*([^;\s]+)")
_OUTCAR_VECTOR = re.compile(r"for each species\s+(LDAU[LUJ])\s*=\s*([-\d. ]+)")


def read_vasp(path: Path) -> list[Found]:
    """Frames of a ``vasprun.xml`` or an ``OUTCAR`` (told apart by their first line), one per ionic step.

    A step whose energy was not written yet is left out. Raises InputError when the file is neither, or is damaged.
    """
    if path.stat().st_size > _MAX_BYTES:
        raise InputError(f"{path}: larger than {_MAX_BYTES >> 30} GiB")
    with open(path, encoding="utf-8", errors="replace") as file:
        first = file.readline(200)
    try:
        if first.startswith("<?xml"):
            return list(_vasprun(path))
        if first.lstrip().startswith("vasp."):
            return list(_outcar(path))
    # ASE's readers raise almost anything on a damaged file
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"{path}: not a VASP file, or damaged ({type(error).__name__}: {error})") from error
    raise InputError(f"{path}: neither a vasprun.xml nor an OUTCAR")


def _vasprun(path: Path) -> Iterator[Found]:
    with open(path, "rb") as file:
        if b"<!" in file.read(4096):
            raise InputError(f"{path}: declares entities or a document type, which VASP files do not")
    root, whole = _parsed(path)
    values = _parameters(root)
    types = [[cell.text.strip() for cell in row] for row in root.iterfind("atominfo/array[@name='atomtypes']/set/rc")]
    kinds = _kinds([row[1] for row in types], [row[4] for row in types], values)
    charge = _charge([(int(row[0]), float(row[3])) for row in types], values["NELECT"])
    program = "VASP " + root.findtext("generator/i[@name='version']", "").strip()
    steps = [step for step in root.iterfind("calculation") if whole or step.find("energy") is not None]
    faults = [_fault(step) for step in steps]
    frames = _frames(path, root, [step for step, fault in zip(steps, faults, strict=True) if fault is None])
    for number, (step, fault) in enumerate(zip(steps, faults, strict=True)):
        if fault is not None:
            yield unreadable(path, number, fault)
            continue
        frame = next(frames)
        yield Found(
            source_name(path, number), _labeled(frame, values), charge=charge, program=program,
            converged=len(step.findall("scstep")) < int(values["NELM"]), settings=_settings(values), kinds=kinds,
            multiplicity=_multiplicity(_moment(frame, values["ISPIN"])),
        )  # fmt: skip


def _parameters(root: ElementTree.Element) -> dict[str, str]:
    """The parameters by name. Where one occurs again, as NELM does among the response functions, that of the electronic
    ground state holds, else the first.
    """
    electronic = root.iterfind("parameters//separator")
    electronic = [item for part in electronic if part.get("name", "").startswith("electronic") for item in part.iter()]
    values: dict[str, str] = {}
    for item in (*electronic, *root.iterfind("parameters//*[@name]")):
        if item.tag in ("i", "v") and item.get("name"):
            values.setdefault(item.get("name"), " ".join((item.text or "").split()))
    return values


def _fault(step: ElementTree.Element) -> Refused | None:
    """Why a step is no label of VASP's, or cannot be read."""
    if step.find("scstep") is None:
        return Refused("INCOMPLETE", "no electronic step: predicted by VASP's machine-learned force field, not a label")
    texts = [
        item.text or ""
        for part in ("energy", "structure", "varray")
        for top in step.findall(part)
        for item in top.iter()
    ]
    if any("*" in text for text in texts):
        return Refused("NAN", "VASP wrote asterisks instead of a number with too many digits")
    return None


def _frames(path: Path, root: ElementTree.Element, steps: Sequence[ElementTree.Element]) -> Iterator["Atoms"]:
    """ASE's frames of `steps`, some of those of the file at `path` with the tree `root`."""
    from ase.io.vasp import read_vasp_xml

    kept = set(map(id, steps))
    left_out = [step for step in root.iterfind("calculation") if id(step) not in kept]
    if not left_out:
        return read_vasp_xml(path, index=slice(None))
    for step in left_out:
        root.remove(step)
    return read_vasp_xml(io.BytesIO(ElementTree.tostring(root)), index=slice(None)) if steps else iter(())


def _parsed(path: Path) -> tuple[ElementTree.Element, bool]:
    """The tree of the file as far as it goes, and whether it is whole: a run that was killed leaves it open."""
    root, whole = None, True
    try:
        for _, element in ElementTree.iterparse(path, events=["start"]):
            root = element if root is None else root
    except ElementTree.ParseError:
        whole = False
    if root is None or root.tag != "modeling":
        raise InputError(f"{path}: not a vasprun.xml")
    return root, whole


def _outcar(path: Path) -> Iterator[Found]:
    from ase.io.vasp_parsers.vasp_outcar_parsers import OutcarHeaderParser, outcarchunks

    with open(path, encoding="utf-8", errors="replace") as file:
        head = []
        for line in file:
            if "Iteration" in line:
                break
            head.append(line)
    text = "".join(head)
    # before these words are the user's own lines and the pseudopotentials; of what occurs twice the first holds
    told = text.partition("Startparameter for this run")[2]
    values = {key: value for part in (text, told) for key, value in reversed(_OUTCAR_VALUE.findall(part))}
    values |= dict(_OUTCAR_VECTOR.findall(text))
    values |= {ours: values[theirs] for theirs, ours in _OUTCAR_NAMES.items() if theirs in values}
    titles = list(dict.fromkeys(re.findall(r"^ POTCAR:\s+(.*\S)\s*$", text, re.MULTILINE)))
    elements = [re.split(r"[_.]", title.split()[1])[0] for title in titles]
    kinds = _kinds(elements, titles, values)
    counts = [int(word) for word in re.findall(r"ions per type =\s+([\d ]+)", text)[0].split()]
    valences = [float(word) for word in re.findall(r"^\s+ZVAL\s+=([\d. ]+)$", text, re.MULTILINE)[-1].split()]
    with open(path, encoding="utf-8", errors="replace") as file:
        # without a folder ASE does not look for a CONTCAR beside the file
        chunks = outcarchunks(file, header_parser=OutcarHeaderParser(workdir=None))
        for number, chunk in enumerate(chunks):
            try:
                frame = chunk.build()
            # stars in place of a number, say; ASE's parser raises almost anything
            except Exception as error:
                yield unreadable(path, number, InputError(f"{path}: step {number}: {type(error).__name__}: {error}"))
                continue
            ends = [line for line in chunk.lines if "aborting loop" in line]
            moment = frame.calc.results.get("magmom", 0.0 if values["ISPIN"] == "1" else None)
            yield Found(
                source_name(path, number), _labeled(frame, values),
                converged=bool(ends) and all("EDIFF is reached" in line for line in ends),
                charge=_charge(zip(counts, valences, strict=True), values["NELECT"]),
                multiplicity=_multiplicity(moment),
                program=f"VASP {text.split()[0].removeprefix('vasp.')}", settings=_settings(values), kinds=kinds,
            )  # fmt: skip


def _labeled(frame: "Atoms", values: Mapping[str, str]) -> "Atoms":
    from ase.stress import voigt_6_to_full_3x3_stress

    results = frame.calc.results
    labeled = bare(frame)
    # with ISIF 0 VASP computes no stress, with 1 its trace alone
    stress = None if values.get("ISIF", "").split()[:1] in (["0"], ["1"]) else results.get("stress")
    set_labels(
        labeled, results.get("free_energy"), results.get("forces"),
        None if stress is None else voigt_6_to_full_3x3_stress(stress),
    )  # fmt: skip
    return labeled


def _charge(types: Iterable[tuple[int, float]], electrons: str) -> int:
    """Charge of the cell (e) by the atoms and valences of each type and the number of electrons."""
    return round(sum(count * valence for count, valence in types) - float(electrons))


def _moment(frame: "Atoms", ispin: str) -> float | None:
    """Total moment (µB) by the occupations at all k-points; None where they were not written."""
    if ispin == "1":
        return 0.0
    if frame.calc.kpts is None:
        return None
    return sum((1 - 2 * point.s) * point.weight * float(np.sum(point.f_n)) for point in frame.calc.kpts)


def _multiplicity(moment: float | None) -> int | None:
    """2S + 1 of a total moment (µB) that is a whole number within 0.2; None for any other."""
    if moment is None or abs(abs(moment) - round(abs(moment))) > _WHOLE_TOLERANCE_MUB:
        return None
    return 1 + round(abs(moment))


def _settings(values: Mapping[str, str]) -> str:
    """One text for one level, from whichever of the two files: first words, numbers in one form, nothing unused."""
    told = {key: _plain(values.get(key, "")) for key in _SETTINGS}
    return " ".join(f"{key}={value}" for key, value in told.items() if value not in _OFF)


def _plain(value: str) -> str:
    word = value.split()[0] if value.split() else ""
    try:
        return f"{float(word):g}"
    except ValueError:
        return word.strip(".").upper()[:1] if word.strip(".").upper() in ("T", "F", "TRUE", "FALSE") else word.upper()


def _kinds(elements: Sequence[str], titles: Sequence[str], values: Mapping[str, Any]) -> str:
    """Each element with the hash of its pseudopotential's title and its U."""
    vectors = {key: values[key].split() for key in _PER_TYPE if key in values}
    texts = {}
    for k, (element, title) in enumerate(zip(elements, titles, strict=True)):
        u = " ".join(f"{key}={_plain(vector[k])}" for key, vector in vectors.items())
        texts[element] = f"{' '.join(title.split())} {u}"
    return " ".join(f"{element}-{short_hash(text)}" for element, text in sorted(texts.items()))
