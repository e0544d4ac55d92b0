"""Settings of the tasks of stage `md`, with the LAMMPS commands for the model and the observables during the run."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..chemistry.ions import MOBILE_IONS, TRANSITION_METALS
from ..config.schema import MD, Analysis, Gate, Input, Uncertainty
from ..engines.mace.facts import ModelFacts
from . import interface_seeds

MOMENT, DEVIATION = "moment", "deviation"
#: Columns of real numbers.
REAL = (MOMENT, DEVIATION)
# frames of a trajectory in the band of `uncertainty` that are kept as they are met
_MOST_SELECTED = 50


@dataclass(frozen=True)
class Settings:
    """What decides a trajectory: its start (`frame` of a file, called `structure`), the section `md` of the input, and
    LAMMPS commands for `elements` with their `plugins` and the dump's `columns` by name. The cell of an interface moves
    along `pressure_along` alone (z, xy, or iso), and begins with its vectors multiplied by `strain`. `uncertainty` is
    that of a committee, with the `scale` that calibrates its deviation for each element.
    """

    structure: str
    frame: int
    replicate: Sequence[int]
    elements: Sequence[str]
    commands: Sequence[str]
    observables: Sequence[str]
    plugins: Sequence[str]
    columns: Mapping[str, str]
    temperature_K: float
    time_ps: float
    timestep_fs: float
    thermostat_fs: float
    sample_every_fs: float
    checkpoint_ps: float
    seed: int
    gate: Gate
    pressure_bar: float | None = None
    pressure_along: str | None = None
    strain: Sequence[Sequence[float]] | None = None
    uncertainty: Uncertainty | None = None
    scale: Sequence[float] | None = None


def runs_of(section: MD, structure: str) -> Iterator[tuple[float, str]]:
    """Temperature and name of each trajectory of a structure: the first draw of velocities has no number."""
    for temperature in section.temperatures_K:
        for draw in range(1, section.draws + 1):
            yield temperature, f"{structure}-{temperature:g}K" + (f"-v{draw}" if draw > 1 else "")


def along_of(input: Input) -> str | None:
    """The directions in which a cell with a crystal moves; None for one without."""
    if input.md.structures != "interface":
        return None
    seed = input.interface.seed
    return interface_seeds.ALONG["slab" if seed is None else seed.shape]


def commands_for(
    input: Input, elements: list[str], model: ModelFacts, *, archives: int = 1, members: int = 1
) -> dict[str, Any]:
    """The settings `elements`, `commands`, `plugins` and `columns`: commands for potential and observables, the plugins
    they need, and the dump columns they fill. The members of a committee are in so many `archives`.
    """
    from ..chemistry.formers import FORMERS, oxygen_cutoff_A

    commands = potential_of(input, elements, model, archives)
    columns = {}
    if members > 1:
        commands.append("compute deviation all mace/atom deviation")
        columns[DEVIATION] = "c_deviation"
    if "spin" in model.outputs and TRANSITION_METALS & set(elements):
        commands.append("compute moment all mace/atom spin")
        columns[MOMENT] = "c_moment"
    formers = [element for element in FORMERS if element in elements][:1]
    if not formers or "O" not in elements:
        return {"elements": elements, "commands": commands, "plugins": ["maceplugin"], "columns": columns}
    chosen = input.analysis.cutoffs_A if input.analysis is not None else {}
    metals = [element for element in elements if element in TRANSITION_METALS]
    words = ["compute qn all naglass/qn/atom elements", *elements, "former", *formers]
    for metal in metals:
        words += ["metal", metal]
    for element in (*formers, *metals):
        pair = f"{element}-O"
        cutoff = chosen.get(pair) or chosen.get(f"O-{element}") or oxygen_cutoff_A(element)
        words += ["cutoff", element, "O", f"{cutoff:g}"]
    return {
        "elements": elements,
        "commands": [*commands, " ".join(words)],
        "plugins": ["maceplugin", "naglassplugin"],
        "columns": columns | {"qn": "c_qn[1]"},
    }


def potential_of(input: Input, elements: Sequence[str], model: ModelFacts, archives: int) -> list[str]:
    """The LAMMPS commands for the model alone, its members in so many `archives`."""
    # TorchScript, which GPUs need, is made by this run, unless the input names an archive
    made_here = input.md.model == "train" or input.md.model.suffix != ".naglass"
    trust = " trust yes" if input.md.trust or (input.md.gpus and made_here) else ""
    dtype = "" if model.dtype == "float64" else f" dtype {model.dtype}"
    files = " ".join(["${mace}", *(f"${{member_{member}}}" for member in range(1, archives))])
    return [f"pair_style mace{dtype}{trust}", f"pair_coeff * * {files} {' '.join(elements)}"]


def steps_of(interval_fs: float, timestep_fs: float) -> int:
    return max(1, round(interval_fs / timestep_fs))


def observables_for(
    input: Input, elements: list[str], uncertainty: Uncertainty | None, scale: Sequence[float] | None
) -> list[str]:
    """LAMMPS commands that track the mobile ion and the uncertainty of a committee during the run."""
    from ..analysis.hopping import WINDOW

    sampling = steps_of(input.md.sample_every_fs, input.md.timestep_fs)
    commands = [_explore(uncertainty, sampling, elements, scale)] if uncertainty else []
    ion = next((element for element in MOBILE_IONS if element in elements and len(elements) > 1), None)
    if ion is None:
        return commands
    section = input.analysis or Analysis()
    every = max(1, round(1000 * section.hop_window_ps / WINDOW / input.md.timestep_fs))
    within = round(1000 * section.hop_return_ps / (every * input.md.timestep_fs))
    return [
        *commands,
        f"group ions type {elements.index(ion) + 1}",
        "group framework subtract all ions",
        f"fix hops ions naglass/hops {every} window {WINDOW} threshold {section.hop_threshold_A2:g} "
        f"return {within} framework framework file ${{hops}}",
        f"fix correlate all naglass/correlate {sampling} elements {' '.join(elements)} framework framework "
        "file ${correlations} write 1000",
    ]


def _explore(asked: Uncertainty, sampling: int, elements: list[str], scale: Sequence[float] | None) -> str:
    """Keep frames of which the committee is uncertain, and end the run where it knows nothing."""
    factors = f" scale {' '.join(f'{value:.6g}' for value in scale)}" if scale else ""
    return (
        f"fix explore all naglass/select {sampling} band {asked.least_eV_per_A:g} {asked.most_eV_per_A:g} "
        f"file ${{selected}} elements {' '.join(elements)} max_frames {_MOST_SELECTED}{factors} "
        f"stop_above {asked.most_eV_per_A:g}"
    )
