"""The input schema: strict, frozen models, one per section of input.yaml.

Keys include their unit. If a section is absent, its stage is not run.
"""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, PrivateAttr, SerializerFunctionWrapHandler, model_serializer

from ..chemistry.level import Level
from ..fields import Count, NonNegative, Picoseconds, Positive, Section, Temperature, each_once, or_word, within
from ..glass import protocols
from .cells import Cells
from .insights import Insight
from .interfaces import Interface, finds_lattice
from .named import File, LevelName, Name, Potential, Spin

#: Largest number of atoms in a cell: neither packing nor analysis has been tested above it.
MAX_ATOMS = 1_000_000
#: Largest number of tasks in a stage: each has its own folder and files.
MAX_TASKS = 100_000
#: Largest number of rounds of learning after the first: each has folders of its own.
MAX_ROUNDS = 1000


# 100 GPa either way: far beyond any glass, and beyond what any of the potentials was fitted to
Pressure = Annotated[float, within(-1e6, 1e6)]
# the fastest vibration of a phosphate, 1300 1/cm, has a period of 26 fs
TimeStep = Annotated[Positive, within(0.01, 5)]
Femtoseconds = Annotated[Positive, within(0.01, 1e6)]
# K/ps: 1e9 to 1e17 K/s
CoolingRate = Annotated[Positive, within(1e-3, 1e5)]
Strain = Annotated[float, Field(allow_inf_nan=False)]
NetForce = Annotated[Positive, within(1e-6, 1e3)]
Ranks = Annotated[Count, within(1, 65_536)]
Threads = Annotated[Count, within(1, 1024)]
Tasks = Annotated[Count, within(1, MAX_TASKS)]
# in units of a robust standard deviation or of a typical distance
Multiple = Annotated[Positive, within(1e-3, 1e3)]
Share = Annotated[float, Field(ge=0, le=1)]
DENSITIES_G_CM3 = (0.05, 25.0)
Density = Annotated[Positive, within(*DENSITIES_G_CM3)]
Copies = Annotated[Count, within(1, 100)]
Coordination = Annotated[NonNegative, within(0, 16)]
# LAMMPS, torch and numpy all accept a positive 31-bit number
Seed = Annotated[Count, within(1, 2**31 - 1)]
Check = Literal["energy", "forces", "distance", "net_force", "stress", "spin", "sites", "near_copy"]


class System(Section):
    """The system to simulate. Species are elements, or elements with a charge like ``V4+``."""

    composition: dict[str, Annotated[Count, within(1, MAX_ATOMS)]] = Field(min_length=1)
    formula_units: Annotated[Count, within(1, MAX_ATOMS)] = 1
    # osmium, the densest element: 22.6
    density_g_cm3: Density
    _density_source: str = PrivateAttr("input")

    @property
    def density_source(self) -> str:
        """Where the density comes from: the input, or molar volumes in it."""
        return self._density_source

    def follows_from(self, source: str) -> None:
        """Note that the density was not given, but follows from `source`."""
        self._density_source = source


class Glass(Section):
    """Packing and melt-quench in LAMMPS, by the values of a `protocol` or others: with the rigid-ion potential, with
    the MACE model of a file, or with both. A `model` archive with TorchScript is loaded only with `trust`.
    """

    protocol: Literal["nvt-100", "nvt-10", "nvt-steps", "npt-100", "npt-10", "two-step", "two-step-npt"] | None = None
    model: File | None = None
    trust: bool = False
    replicas: Tasks = 1
    melt_temperature_K: Temperature = 3000.0
    melt_ps: Picoseconds = 10.0
    quench_rate_K_per_ps: CoolingRate = 100.0
    final_temperature_K: Temperature = 300.0
    hold_ps: Picoseconds = 2.0
    timestep_fs: TimeStep = 1.0
    ranks: Ranks = 1

    @classmethod
    def completed(cls, given: dict[str, Any]) -> dict[str, Any]:
        """The keys with those of the protocol."""
        return protocols.completed(given)


class Segment(Section):
    """A segment of ab initio MD: held at `temperature_K` or ramped to `to_temperature_K`, constant volume or pressure.

    A hold needs `time_ps`, a ramp either `time_ps` or `rate_K_per_ps`.
    """

    temperature_K: Temperature
    to_temperature_K: Temperature | None = None
    time_ps: Picoseconds | None = None
    rate_K_per_ps: CoolingRate | None = None
    pressure_bar: Pressure | None = None


class AIMD(Section):
    """Ab initio MD in segments with CP2K's own thermostat; a frame is kept every `every_fs`."""

    segments: list[Segment] = Field(min_length=1)
    timestep_fs: TimeStep = 1.0
    thermostat: Literal["csvr", "nose"] = "csvr"
    thermostat_fs: Femtoseconds = 50.0
    every_fs: Femtoseconds = 20.0


class Relax(Section):
    """Relaxation of positions, or of positions and cell (fixed angles) at a given pressure; `frames` steps are kept."""

    move: Literal["positions", "cell"] = "positions"
    max_steps: Annotated[Count, within(1, 100_000)] = 200
    max_force_eV_per_A: NetForce = 0.02
    pressure_bar: Pressure = 1.0
    frames: Annotated[Count, within(1, 100_000)] = 5


class Reference(Section):
    """One set of labels: which structures, how they are varied, and at which level.

    For each structure, `frames_per_structure` frames are labeled: the structure itself, then rattled and strained
    copies; for each glass also `melt_frames_per_structure` frames from its melt and quench. With `aimd` or `relax`
    each of them starts a trajectory instead, and melt frames are used only on request. One structure with
    several magnetic ions is also labeled with antiparallel moments (`antiparallel`, DFT only), for the report. In a
    loop of learning, `structures: candidates` are the frames that the MD of the round before has selected.
    """

    name: Name
    level: Level
    structures: Literal["glass", "candidates"] | File = "glass"
    frames_per_structure: Tasks = 1
    melt_frames_per_structure: Annotated[int, Field(ge=0), within(0, MAX_TASKS)] | None = None
    aimd: AIMD | None = None
    relax: Relax | None = None
    # a tenth of a bond length is a hot crystal; at half a bond length no structure is left
    rattle_A: Annotated[NonNegative, within(0, 1)] = 0.05
    strain_percent: tuple[Strain, Strain] = (-2.0, 3.0)
    charge: Annotated[int, within(-100, 100)] = 0
    multiplicity: Count | None = None
    spin: Spin = "ferromagnetic"
    antiparallel: bool = True
    outputs: Annotated[list[Literal["wannier", "spin_density", "elf", "pdos"]], AfterValidator(each_once)] = Field(
        default_factory=list
    )
    max_net_force_eV_per_A: NetForce = 0.05
    timeout_min: Annotated[Positive, within(1e-3, 100_000)] = 60.0
    ranks: Ranks = 1


class Audit(Section):
    """Limits beyond which a frame counts as an outlier; z values are in robust standard deviations."""

    energy_z: Multiple = 6.0
    forces_z: Multiple = 4.5
    min_distance_fraction: Annotated[NonNegative, within(0, 1.5)] = 0.6
    max_net_force_eV_per_A: NetForce = 0.05
    max_stress_GPa: Annotated[Positive, within(1e-2, 1e6)] = 100.0
    stress_z: Multiple = 10.0
    moment_off_muB: Annotated[Positive, within(1e-3, 10)] = 0.6
    spin_sum_muB: Annotated[Positive, within(1e-3, 1e4)] = 0.2
    near_copy_A: Annotated[NonNegative, within(0, 5)] = 0.03
    near_copy_strain: Annotated[NonNegative, within(0, 1)] = 0.002


class Dataset(Section):
    """Admitted frames and included external frames of one level, audited and split by group.

    The energies of single atoms, `E0`, are those of isolated atoms, or of least squares over the training frames: by
    default where the level is a potential, which knows no isolated atoms, and no file gives them.
    Frames with a spin state that does not match their composition are kept only with `admit_spin_flagged`. Frames
    flagged by the audit are dropped only if `drop_outliers` is `true` or lists the check. If there are more
    than `max_frames`, the most diverse frames are selected.
    """

    level: LevelName
    include: Annotated[list[File], AfterValidator(each_once)] = Field(default_factory=list)
    test_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.2
    max_force_eV_per_A: Annotated[Positive, within(0.01, 1e4)] = 60.0
    admit_spin_flagged: bool = False
    audit: Audit = Audit()
    drop_outliers: bool | Annotated[list[Check], AfterValidator(each_once)] = False
    max_frames: Annotated[Count, within(1, 10_000_000)] | None = None
    frames_per_file: Annotated[Count, within(1, 10_000_000)] = 5000
    E0: Literal["isolated_atoms", "least_squares"] | None = None


class Replay(Section):
    """Frames that are trained on together with those of the dataset, by a head of their own, so that a fine-tuned model
    keeps what its start model knows.

    Without `level` the structures of the `file` are labeled by the start model; without a file, those of the dataset.
    """

    file: File | None = None
    level: LevelName | None = None
    weight: Annotated[Positive, within(1e-6, 1e6)] = 1.0
    frames: Annotated[Count, within(1, 10_000_000)] | None = None


class Train(Section):
    """One MACE model, trained from scratch or fine-tuned from `start_model`, or a `committee` of so many: whole models,
    or read-out heads on the body of one.

    A pickled start model is loaded only with `trust`. With `E0: dataset`, its `head` is moved to the level of the
    dataset and gets the E0 of that.

    In a loop of learning, a later round starts from the model of the one before, unless it names another `start_model`
    or asks for one from ``scratch``.
    """

    start_model: Literal["scratch"] | File | None = None
    committee: Annotated[Count, within(1, 16)] = 1
    committee_of: Literal["models", "heads"] = "models"
    trust: bool = False
    head: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    E0: Literal["dataset", "start_model"] | None = None
    replay: Annotated[Replay, or_word("pseudolabels")] | None = None
    channels: Annotated[Count, within(1, 1024)] = 16
    max_L: Annotated[int, Field(ge=0, le=3)] = 0
    layers: Annotated[Count, within(1, 8)] = 2
    correlation: Annotated[int, Field(ge=1, le=4)] = 3
    # shorter than any bond below this; a pair potential would do above
    r_max_A: Annotated[Positive, within(1, 15)] = 4.5
    zbl: bool = True
    spin_readout: bool = True
    epochs: Annotated[Count, within(1, 1_000_000)]
    optimizer: Literal["adam", "soap"] = "adam"
    learning_rate: Annotated[Positive, within(1e-9, 1)] = 0.01
    batch_size: Annotated[Count, within(1, 100_000)] = 4
    energy_weight: Annotated[Positive, within(1e-6, 1e9)] = 10.0
    forces_weight: Annotated[Positive, within(1e-6, 1e9)] = 100.0
    stress_weight: Annotated[NonNegative, within(0, 1e9)] = 1000.0
    dtype: Literal["float32", "float64"] = "float64"
    threads: Threads = 1


class Gate(Section):
    """Limits of the stability gate of a trajectory; a model that exceeds one is not considered stable."""

    temperature_factor: Annotated[Positive, within(1, 100)] = 1.5
    min_distance_fraction: Annotated[Positive, within(1e-3, 1.5)] = 0.6
    min_P_coordination: Coordination = 3.5
    max_P_coordination: Coordination = 4.5
    max_coordination_change_TM: Coordination = 1.5
    max_artifact_fraction: Share = 0.02


class Uncertainty(Section):
    """Where a committee's trajectory is worth a label: calibrated deviations of forces, see `docs/stages/learn.md`."""

    least_eV_per_A: Annotated[Positive, within(1e-4, 100)] = 0.3
    most_eV_per_A: Annotated[Positive, within(1e-3, 1000)] = 3.0
    excess: Annotated[NonNegative, within(0, 10)] = 0.0
    window: Annotated[Count, within(1, 1_000_000)] = 400


class MD(Section):
    """Molecular dynamics with the trained model; `candidates` frames per trajectory are written out for labeling.

    A `model` archive with TorchScript is loaded only with `trust`.
    """

    structures: Literal["glass", "interface"] | File = "glass"
    model: Literal["train"] | File = "train"
    trust: bool = False
    replicate: tuple[Copies, Copies, Copies] = (1, 1, 1)
    temperatures_K: list[Temperature] = Field(min_length=1)
    draws: Annotated[Count, within(1, MAX_TASKS)] = 1
    pressure_bar: Pressure | None = None
    time_ps: Picoseconds
    timestep_fs: TimeStep = 1.0
    thermostat_fs: Femtoseconds = 100.0
    sample_every_fs: Femtoseconds = 10.0
    checkpoint_ps: Picoseconds = 1.0
    ranks: Ranks = 1
    gpus: Annotated[int, Field(ge=0), within(0, 1024)] = 0
    candidates: Annotated[int, Field(ge=0), within(0, MAX_TASKS)] = 0
    uncertainty: Uncertainty | None = None
    cells: Cells | None = None
    gate: Gate = Gate()


class Screen(Section):
    """Interatomic potentials through the same gates: FAMILY:MODEL, a file of one, or the model of this run, ``train``.

    Errors are those on `labels`: frames of a file, or those that the dataset of this run holds out. A shift of the
    energy is fitted to the frames of the file `shift`, or to those that the dataset trains on.
    """

    potentials: Annotated[list[Potential], AfterValidator(each_once)] = Field(min_length=1, max_length=100)
    labels: Literal["dataset"] | File = "dataset"
    shift: File | None = None
    crystals: Annotated[list[File], AfterValidator(each_once)] = Field(default_factory=list)
    preset: Literal["small", "production"] = "small"
    threads: Threads = 1
    trust: bool = False


class Analysis(Section):
    """What to measure on the trajectories. Cutoffs are given per pair, as ``P-O``."""

    # the first shell of the largest ions ends near 4 Å, the second shell of any pair below 8
    cutoffs_A: dict[str, Annotated[Positive, within(0.5, 8)]] = Field(default_factory=dict)
    r_max_A: Annotated[Positive, within(1, 30)] = 8.0
    q_max_per_A: Annotated[Positive, within(1, 50)] = 20.0
    skip_ps: Annotated[NonNegative, within(0, 1e6)] = 0.0
    ring_max_formers: Annotated[int, Field(ge=3, le=16)] = 8
    hop_window_ps: Picoseconds = 1.0
    hop_threshold_A2: Annotated[Positive, within(1e-4, 100)] = 1.0
    hop_return_ps: Picoseconds = 20.0


class Report(Section):
    """The self-contained HTML report."""

    title: Annotated[str, Field(max_length=200)] | None = None


class Round(Section):
    """What changes from one round of learning on: keys of sections, or all reference sets."""

    glass: dict[str, Any] = Field(default_factory=dict)
    reference: list[dict[str, Any]] = Field(default_factory=list)
    dataset: dict[str, Any] = Field(default_factory=dict)
    train: dict[str, Any] = Field(default_factory=dict)
    md: dict[str, Any] = Field(default_factory=dict)

    @model_serializer(mode="wrap")
    def _as_given(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {key: value for key, value in dump(self).items() if key in self.model_fields_set}


class Stop(Section):
    """When a loop with a committee ends: all four criteria hold, see `docs/stages/learn.md`, or the budget is used."""

    uncertain_percent: Annotated[Positive, within(1e-3, 100)] = 2.0
    error_change_percent: Annotated[Positive, within(1e-2, 1000)] = 5.0
    budget_core_h: Annotated[Positive, within(1e-3, 1e9)] | None = None


class Learn(Section):
    """A loop of learning: the input itself is round 0, and each entry of `rounds` is one more.

    With `stop_when_stable`, the loop ends after the first round of which all trajectories pass the stability gate, with
    `stop` after the first in which a committee has nothing left to ask.
    """

    rounds: list[Round] = Field(min_length=1, max_length=MAX_ROUNDS)
    stop_when_stable: bool = False
    stop: Stop | None = None


class Input(Section):
    """The whole of input.yaml."""

    name: Name
    seed: Seed = 1
    system: System
    glass: Glass | None = None
    interface: Interface | None = None
    reference: list[Reference] = Field(default_factory=list)
    dataset: Dataset | None = None
    train: Train | None = None
    md: MD | None = None
    learn: Learn | None = None
    screen: Screen | None = None
    analysis: Analysis | None = None
    insight: Insight | None = None
    report: Report | None = None

    @property
    def crystal(self) -> Interface | None:
        """The section of the step that gives the crystal of an interface its cell; None where the file's is kept."""
        return None if self.interface is None or self.interface.cell_A == "file" else self.interface

    @property
    def lattice(self) -> MD | None:
        """The section of the step that finds the cell of this crystal in the model; None where it keeps its own."""
        return self.md if finds_lattice(self) else None

    @property
    def cells(self) -> Cells | None:
        """The section of the step that cuts cells, which is part of `md`."""
        return None if self.md is None else self.md.cells
