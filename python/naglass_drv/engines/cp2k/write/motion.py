"""Inputs of CP2K that move atoms: &MOTION of dynamics and relaxations, put on top of a single point's input."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from string import Template
from typing import Any

from ....paths import data_file
from .. import tree
from . import prints, scf

#: The state that a run continues from, in its own folder.
START_RESTART = "start.restart"
# a ramp is a staircase: CP2K 2023.1 changes no thermostat's temperature while it runs
_STAIR_K = 50.0
_BAROSTAT_FS = 1000.0
# what a single point prints for every step, and dynamics for the steps that are kept
_PRINTS = (
    "PRINT/FORCES", "PRINT/STRESS_TENSOR", "DFT/PRINT/MULLIKEN", "DFT/PRINT/HIRSHFELD", *(
        f"DFT/{path}" for path in prints.PATHS
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Piece:
    """Steps `first` to `last` at one temperature (K), at constant volume or at a pressure (bar); `segment` it is of."""

    segment: int
    first: int
    last: int
    temperature_K: float
    pressure_bar: float | None


@dataclass(frozen=True)
class Dynamics:
    """A whole trajectory: its pieces, time step (fs), thermostat ("CSVR", "NOSE") with its time (fs), frames kept
    every so many steps, seed of the velocities."""

    pieces: tuple[Piece, ...]
    timestep_fs: float
    thermostat: str
    thermostat_fs: float
    every: int
    seed: int

    @property
    def steps(self) -> int:
        """Number of steps of the trajectory."""
        return self.pieces[-1].last

    def at(self, step: int) -> int:
        """Number of the piece that continues from `step`."""
        return next(number for number, piece in enumerate(self.pieces) if step < piece.last)

    def of(self, step: int) -> Piece:
        """The piece that led to `step`."""
        return next(piece for piece in self.pieces if step <= piece.last)


@dataclass(frozen=True)
class Relaxation:
    """Of the `positions`, or of the `cell` too, to a largest force component (eV/Å) and a pressure (bar)."""

    move: str
    max_steps: int
    max_force_eV_per_A: float
    pressure_bar: float


def pieces(segments: Sequence[Mapping[str, Any]], timestep_fs: float, every: int) -> tuple[Piece, ...]:
    """Cut segments into pieces of one temperature, in whole multiples of `every` steps.

    A segment has `temperature_K`, `to_temperature_K` (None: held), `time_ps` or for a ramp `rate_K_per_ps`, and
    `pressure_bar` (None: constant volume). A ramp becomes stairs of at most 50 K, each at the mean temperature of its
    time.
    """
    found: list[Piece] = []
    first = 0
    for number, segment in enumerate(segments):
        start, end = segment["temperature_K"], segment["to_temperature_K"]
        rise = 0.0 if end is None else end - start
        time_ps = segment["time_ps"] or abs(rise) / segment["rate_K_per_ps"]
        blocks = max(1, round(1000.0 * time_ps / timestep_fs / every))
        stairs = max(1, min(blocks, math.ceil(abs(rise) / _STAIR_K)))
        edges = [first + every * round(k * blocks / stairs) for k in range(stairs + 1)]
        for k in range(stairs):
            temperature = round(start + rise * (k + 0.5) / stairs, 6)
            found.append(Piece(number, edges[k], edges[k + 1], temperature, segment["pressure_bar"]))
        first = edges[-1]
    return tuple(found)


def dynamics(
    segments: Sequence[Mapping[str, Any]],
    timestep_fs: float,
    thermostat: str,
    thermostat_fs: float,
    every_fs: float,
    seed: int,
) -> Dynamics:
    """The plan of a trajectory from its settings; `every_fs` is a multiple of the time step."""
    every = round(every_fs / timestep_fs)
    return Dynamics(pieces(segments, timestep_fs, every), timestep_fs, thermostat.upper(), thermostat_fs, every, seed)


def dynamics_input(text: str, plan: Dynamics, step: int, target: int) -> tree.Section:
    """The input that continues from `step` to `target` in the same piece, on top of a single point's `text`.

    From a later step than 0 the state is that of `START_RESTART`.
    """
    piece = plan.pieces[plan.at(step)]
    root = tree.parse(text)
    root.at("GLOBAL").set("RUN_TYPE", "MD")
    root.at("GLOBAL").set("SEED", plan.seed)
    force_eval = root.at("FORCE_EVAL")
    for path in _PRINTS:
        for section in force_eval.sections(path):
            section.at("EACH").set("MD", plan.every)
    values = {
        "ensemble": "NVT" if piece.pressure_bar is None else "NPT_I",
        "steps": target - step,
        "timestep_fs": f"{plan.timestep_fs:g}",
        "temperature_K": f"{piece.temperature_K:g}",
        "thermostat": plan.thermostat,
        "thermostat_fs": f"{plan.thermostat_fs:g}",
        "every": plan.every,
    }
    root.items += _template("md.inp", values)
    if piece.pressure_bar is not None:
        barostat = {"pressure_bar": f"{piece.pressure_bar:g}", "barostat_fs": f"{_BAROSTAT_FS:g}"}
        root.at("MOTION/MD").items += _template("barostat.inp", barostat)
    scf.keep_orbitals(root, plan.every)
    scf.stop_unconverged(root)
    if step:
        root.at("EXT_RESTART").set("RESTART_FILE_NAME", START_RESTART)
    return root


def relaxation_input(text: str, plan: Relaxation, steps: int) -> tree.Section:
    """The input of a relaxation in at most so many steps, on top of a single point's `text`."""
    root = tree.parse(text)
    kind = "GEO_OPT" if plan.move == "positions" else "CELL_OPT"
    root.at("GLOBAL").set("RUN_TYPE", kind)
    values = {"run_type": kind, "steps": steps, "max_force_eV_per_A": f"{plan.max_force_eV_per_A:g}"}
    root.items += _template("relax.inp", values)
    if kind == "CELL_OPT":
        cell = root.at(f"MOTION/{kind}")
        cell.set("KEEP_ANGLES", "TRUE")
        cell.set("EXTERNAL_PRESSURE", f"[bar] {plan.pressure_bar:g}")
    scf.keep_orbitals(root)
    scf.stop_unconverged(root)
    return root


def _template(name: str, values: Mapping[str, Any]) -> list[tree.Line | tree.Section]:
    text = data_file("cp2k_templates", "motion", name).read_text()
    return tree.parse(Template(text).substitute(values)).items
