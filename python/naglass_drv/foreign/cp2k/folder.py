"""Labels from external CP2K runs: a folder with the input, the output and the files of one run.

What the input says is held against what the output prints of itself (project, cell, atoms, spin) and the first
positions of the trajectory, and a run of which it is not true is refused with the difference.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.data import atomic_masses, atomic_numbers

from ...engines.cp2k import parse
from ...engines.cp2k.parse.output import MAX_RUN_BYTES, abort_reason, header_of, read_text
from ...engines.cp2k.parse.printed import global_value, md_cell, printed_atoms, printed_cells, printed_multiplicity
from ...engines.cp2k.parse.trajectory import Frame, printed_blocks, read_trajectory
from ...errors import InputError
from ..gate import Found, Refused, set_labels, source_name
from .description import MOVING, Description, describe

_EV_PER_U_A2_PS2 = 1.0364269656e-4
_BOLTZMANN_EV_K = 8.617333262e-5
# outputs of the replicas of a band or of vibrations, next to that of the run
_REPLICA = re.compile(r"-(?:r-\d+|BAND\d+)\.out$")
_INCLUDE = re.compile(r"@INCLUDE\s+[\"']?([^\s\"']+)", re.IGNORECASE)
_SCF = "SCF WAVEFUNCTION OPTIMIZATION"
# the output has positions to six decimals, files of positions to ten
_SAME_A = 2e-6
# a longer name of a project is cut in the output
_WHOLE_NAME = 40


def read_folder(folder: Path) -> tuple[list[Found], list[dict[str, str]]]:
    """Frames of the run in `folder`, a single point or the steps of an MD or a relaxation; and records of refusals.

    One input (``*.inp``; where it cannot be read, or is not that of the output, the run's ``*.restart``) and one output
    of CP2K are needed. Raises InputError when they are not there, or are of something else.
    """
    output = output_of(folder)
    name = source_name(output, 0)
    try:
        text = read_text(output, MAX_RUN_BYTES)
        abort = abort_reason(text)
        if abort is not None and _SCF not in text:
            return [], [Refused("ABORT", f"CP2K aborted: {abort}").record(name)]
        header_of(text)
        described = _described(folder, text)
        if described.run_type in MOVING:
            return _steps(folder, output, described)
        return [_single_point(folder, output, name, described)], []
    except parse.OutputError as error:
        return [], [Refused("ABORT" if abort else "INCOMPLETE", f"{output.name}: {error}").record(name)]
    except Refused as refused:
        return [], [refused.record(name)]


def output_of(folder: Path) -> Path:
    """The only file in the folder of a run that is a CP2K output; InputError if there is none or more than one."""
    found = []
    for path in sorted({*folder.glob("*.out"), *folder.glob("*.log")}):
        if _REPLICA.search(path.name) or not path.is_file():
            continue
        with open(path, "rb") as file:
            begin = file.read(1 << 16)
        # a run that ends while its input is being read prints nothing else
        if b"CP2K| version string:" in begin or b" * [ABORT]" in begin:
            found.append(path)
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "none"
        raise InputError(f"{folder}: must contain one CP2K output (*.out, *.log), but has {names}")
    return found[0]


def _single_point(folder: Path, output: Path, name: str, described: Description) -> Found:
    system = described.system
    text = parse.whole_lines(read_text(output, MAX_RUN_BYTES)) + printed_blocks(folder, described.files, 0)
    found = parse.parse(text, system.elements)
    if found.abort is not None:
        raise Refused("ABORT", f"CP2K aborted: {found.abort}")
    if not found.ended or found.out_of_time:
        raise Refused("INCOMPLETE", "CP2K did not end normally")
    atoms = Atoms(system.elements, system.positions, cell=system.cell, pbc=system.periodic)
    return _found(name, atoms, found, found.version, described)


def _steps(folder: Path, output: Path, described: Description) -> tuple[list[Found], list[dict[str, str]]]:
    system, run_name = described.system, source_name(output, 0).partition("#")[0]
    run = read_trajectory(folder, described.project, output, system.elements, described.start, described.files)
    _check_first(run.frames, described)
    frames, refused = [], []
    for step in run.frames:
        atoms = Atoms(system.elements, step.positions, cell=step.cell, pbc=system.periodic)
        atoms.set_masses([_mass(*kind, described) for kind in zip(system.kinds, system.elements, strict=True)])
        if step.velocities is not None and len(atoms) > 1:
            atoms.info["temperature_K"] = _temperature_K(atoms, step.velocities)
        del atoms.arrays["masses"]
        name = source_name(output, step.step)
        try:
            frames.append(_found(name, atoms, step.evaluation, run.header.version, described))
        except Refused as reason:
            refused.append(reason.record(name))
    refused += [Refused("INCOMPLETE", words).record(run_name) for words in run.dropped]
    if run.header.abort is not None:
        refused.append(Refused("ABORT", f"CP2K aborted: {run.header.abort}").record(run_name))
    elif not run.header.ended and not frames and not refused:
        refused.append(Refused("INCOMPLETE", "CP2K was stopped before its first step was complete").record(run_name))
    elif not frames and not refused:
        missing = f"the file of positions {described.files.positions} is missing"
        refused.append(Refused("INCOMPLETE", missing).record(run_name))
    return frames, refused


def _check_first(frames: Sequence[Frame], described: Description) -> None:
    """Raise InputError unless the first positions written are those of the input, if the input has them."""
    if not (frames and described.at_start and described.run_type == "MD" and frames[0].step == 0):
        return
    if _apart_A(frames[0].positions, described.system.positions, described.system.shifted) > _SAME_A:
        raise InputError(
            f"{described.files.positions}: its first positions differ from those of the input: it has different "
            "units or belongs to another run"
        )


def _mass(kind: str, element: str, described: Description) -> float:
    return described.system.masses.get(kind.upper(), atomic_masses[atomic_numbers[element]])


def _temperature_K(atoms: Atoms, velocities_A_ps: np.ndarray) -> float:
    """Kinetic temperature, assuming that the total momentum is conserved."""
    energy = 0.5 * _EV_PER_U_A2_PS2 * float((atoms.get_masses()[:, None] * velocities_A_ps**2).sum())
    return 2 * energy / ((3 * len(atoms) - 3) * _BOLTZMANN_EV_K)


def _found(name: str, atoms: Atoms, found: parse.Evaluation, version: str, described: Description) -> Found:
    if found.scf_converged is None:
        raise Refused("INCOMPLETE", "the output contains no SCF (PRINT_LEVEL SILENT, or stopped early)")
    if found.scf_converged and found.forces_eV_per_A is None:
        raise Refused("INCOMPLETE", f"there are no forces in {' or '.join(_places_of_forces(described))}")
    set_labels(atoms, found.energy_eV, found.forces_eV_per_A, found.stress_eV_per_A3)
    hirshfeld, mulliken = found.spin_hirshfeld, found.spin_mulliken
    for key, spins in (("REF_spin", mulliken if hirshfeld is None else hirshfeld), ("REF_spin_mulliken", mulliken)):
        if spins is not None:
            atoms.set_array(key, spins)
    return Found(
        name, atoms, converged=bool(found.scf_converged), charge=described.charge, multiplicity=described.multiplicity,
        program=f"CP2K {version}", settings=described.settings, kinds=described.kinds,
    )  # fmt: skip


def _places_of_forces(described: Description) -> list[str]:
    places = [f"{stem}_*{suffix}" for stem, suffix in described.files.printed if suffix != ".stress_tensor"]
    if described.run_type in MOVING and described.files.forces:
        places.append(described.files.forces)
    return ["the output", *places]


def _described(folder: Path, text: str) -> Description:
    """The description by the first input that can be read and is that of the output `text`."""
    inputs = sorted(folder.glob("*.inp"))
    if len(inputs) > 1:
        included = {Path(name).name for path in inputs for name in _INCLUDE.findall(read_text(path, MAX_RUN_BYTES))}
        inputs = [path for path in inputs if path.name not in included] or inputs
    if len(inputs) > 1:
        raise InputError(f"{folder}: must contain one CP2K input, but has {', '.join(path.name for path in inputs)}")
    problems = []
    for path in (*inputs, *sorted(folder.glob("*.restart"))):
        try:
            described = describe(path)
        except (InputError, parse.OutputError) as error:
            problems.append(f"{path.name}: {error}")
            continue
        difference = _difference(described, folder, text)
        if not difference:
            return described
        problems.append(f"{path.name}: {difference}")
    raise InputError(f"{folder}: {'; '.join(problems) or 'no CP2K input (*.inp, *.restart)'}")


def _difference(described: Description, folder: Path, text: str) -> str:
    """How the output differs from the input, as if from another run; empty if it does not."""
    system = described.system
    project, run_type = global_value(text, "Project name"), global_value(text, "Run type")
    if project is not None and len(project) < _WHOLE_NAME and project != described.project:
        return f"its project is {described.project}, but that of the output is {project}"
    if run_type is not None and run_type != described.run_type:
        return f"its RUN_TYPE is {described.run_type}, but that of the output is {run_type}"
    multiplicity = printed_multiplicity(text)
    if multiplicity is not None and multiplicity != described.multiplicity:
        return f"its MULTIPLICITY is {described.multiplicity}, but that of the output is {multiplicity}"
    begin = text.partition(_SCF)[0]
    # CELL_OPT turns the cell to a along x, and the atoms with it
    turned = described.start.moves == "relaxed"
    if described.run_type not in MOVING or not (folder / described.files.cells).is_file():
        for printed in (*printed_cells(begin)[-1:], *filter(None, [md_cell(text)])):
            same = replace(printed, vectors=None) if turned else printed
            if same.disagrees(_start_cell(described, printed.volume)):
                return f"its cell is not the one that CP2K started with, {printed}"
    atoms = printed_atoms(begin)
    if atoms is None:
        return ""
    if atoms[0].tolist() != [atomic_numbers[element] for element in system.elements]:
        return "its atoms are not those in the output"
    told = (described.at_start or described.run_type not in MOVING) and not turned
    if told and _apart_A(atoms[1], system.positions, system.shifted) > _SAME_A:
        return "its positions are not those that CP2K started with according to the output"
    return ""


def _start_cell(described: Description, volume_A3: float | None) -> np.ndarray:
    """The initial cell; for isotropic cell changes, any step has its shape."""
    cell = described.system.cell
    if described.at_start or described.start.moves != "isotropic" or volume_A3 is None:
        return cell
    return cell * (volume_A3 / abs(np.linalg.det(cell))) ** (1 / 3)


def _apart_A(found: np.ndarray, expected: np.ndarray, shifted: bool) -> float:
    """The largest difference of a coordinate (Å), but for a common shift where CP2K made one."""
    difference = found - expected
    return float(np.abs(difference - difference[0] if shifted else difference).max())
