"""The input schema: strict, frozen models, one per section of input.yaml.

Keys carry their unit. A section that is absent means that its stage is not run.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
Level = Literal["gfn1-xtb", "pbe", "pbe+d3", "pbe+u", "pbe+u+d3", "blyp", "blyp+d3", "blyp+u", "blyp+u+d3", "template"]
Spin = (
    Literal["ferromagnetic", "antiferromagnetic", "sampled"]
    | Annotated[str, Field(pattern=r"^[+-]+$")]
    | dict[str, Literal["up", "down"]]
)
Check = Literal["energy", "forces", "distance", "net_force", "spin", "near_copy"]


class Section(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


class System(Section):
    """What is simulated. Species are elements, or elements with a charge such as ``V4+``."""

    composition: dict[str, Count] = Field(min_length=1)
    formula_units: Count = 1
    density_g_cm3: Positive


class Glass(Section):
    """Packing and melt-quench with the rigid-ion potential, in LAMMPS."""

    replicas: Count = 1
    melt_temperature_K: Positive = 3000.0
    melt_ps: Positive = 10.0
    quench_rate_K_per_ps: Positive = 100.0
    final_temperature_K: Positive = 300.0
    hold_ps: Positive = 2.0
    timestep_fs: Positive = 1.0
    ranks: Count = 1


class Segment(Section):
    """A segment of ab initio MD: held at `temperature_K` or ramped to `to_temperature_K`, constant volume or pressure.

    A hold takes `time_ps`, a ramp either that or `rate_K_per_ps`.
    """

    temperature_K: Positive
    to_temperature_K: Positive | None = None
    time_ps: Positive | None = None
    rate_K_per_ps: Positive | None = None
    pressure_bar: float | None = None


class AIMD(Section):
    """Ab initio MD with CP2K's own thermostat, segment after segment; a frame is kept every `every_fs`."""

    segments: list[Segment] = Field(min_length=1)
    timestep_fs: Positive = 1.0
    thermostat: Literal["csvr", "nose"] = "csvr"
    thermostat_fs: Positive = 50.0
    every_fs: Positive = 20.0


class Relax(Section):
    """Relaxation of positions, or of positions and cell (angles kept) at a pressure; `frames` of its steps are kept."""

    move: Literal["positions", "cell"] = "positions"
    max_steps: Count = 200
    max_force_eV_per_A: Positive = 0.02
    pressure_bar: float = 1.0
    frames: Count = 5


class Reference(Section):
    """One set of first-principles labels: which structures, how they are varied, at which level.

    Of each structure `frames_per_structure` frames are labelled: itself, then rattled and strained copies; of
    each glass also `melt_frames_per_structure` frames of its melt and quench. With `aimd` or `relax` each of them is
    the start of a trajectory instead, and no melt frame is unless asked for. Keys from `cutoff_Ry` to `template`
    belong to the level; what is absent takes the level's default.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    level: Level
    structures: Literal["glass"] | Path = "glass"
    frames_per_structure: Count = 1
    melt_frames_per_structure: Annotated[int, Field(ge=0)] | None = None
    aimd: AIMD | None = None
    relax: Relax | None = None
    rattle_A: NonNegative = 0.05
    strain_percent: tuple[float, float] = (-2.0, 3.0)
    charge: int = 0
    multiplicity: Count | None = None
    spin: Spin = "ferromagnetic"
    cutoff_Ry: Positive | None = None
    rel_cutoff_Ry: Positive | None = None
    u_eV: dict[str, NonNegative] | None = None
    plus_u: Literal["mulliken", "lowdin"] | None = None
    sodium: Literal["q9", "q1"] | None = None
    xc_smoothing: Literal["none", "nn10"] | None = None
    smearing_K: Positive | None = None
    template: Path | None = None
    outputs: list[Literal["wannier", "spin_density", "elf", "pdos"]] = []
    max_net_force_eV_per_A: Positive = 0.05
    timeout_min: Positive = 60.0
    ranks: Count = 1

    def level_options(self) -> dict[str, Any]:
        """The settings of the level that are not its defaults, but for `cutoff_Ry` and `template`."""
        keys = ("rel_cutoff_Ry", "u_eV", "plus_u", "sodium", "xc_smoothing", "smearing_K")
        return {key: value for key in keys if (value := getattr(self, key)) is not None}


class Audit(Section):
    """From where on a frame of the dataset stands out; z are in robust standard deviations."""

    energy_z: Positive = 6.0
    forces_z: Positive = 4.5
    min_distance_fraction: NonNegative = 0.6
    max_net_force_eV_per_A: Positive = 0.05
    moment_off_muB: Positive = 0.6
    spin_sum_muB: Positive = 0.2
    near_copy_A: NonNegative = 0.03
    near_copy_strain: NonNegative = 0.002


class Dataset(Section):
    """Admitted frames of one level, with foreign frames of the same level, audited and split by group.

    What the audit finds is dropped only where `drop_outliers` says so: `true`, or the names of its checks. Of more
    frames than `max_frames` those that lie farthest apart are taken.
    """

    level: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+-]*$")
    include: list[Path] = []
    test_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.2
    max_force_eV_per_A: Positive = 60.0
    audit: Audit = Audit()
    drop_outliers: bool | list[Check] = False
    max_frames: Count | None = None
    frames_per_file: Count = 5000


class Train(Section):
    """One MACE model, from nothing or refined from `start_model`."""

    start_model: Path | None = None
    channels: Count = 16
    max_L: Annotated[int, Field(ge=0, le=3)] = 0
    layers: Count = 2
    correlation: Annotated[int, Field(ge=1, le=4)] = 3
    r_max_A: Positive = 4.5
    zbl: bool = True
    spin_readout: bool = True
    epochs: Count
    learning_rate: Positive = 0.01
    batch_size: Count = 4
    energy_weight: Positive = 10.0
    forces_weight: Positive = 100.0
    stress_weight: NonNegative = 1000.0
    dtype: Literal["float32", "float64"] = "float64"
    threads: Count = 1


class Gate(Section):
    """Limits of the stability gate of a trajectory; a model that crosses one is not called stable."""

    temperature_factor: Positive = 1.5
    min_distance_fraction: Positive = 0.6
    min_P_coordination: NonNegative = 3.5
    max_P_coordination: NonNegative = 4.5
    max_coordination_change_TM: NonNegative = 1.5
    max_artefact_fraction: Annotated[float, Field(ge=0, le=1)] = 0.02


class MD(Section):
    """Molecular dynamics with the trained model; `candidates` frames per trajectory are offered for labelling."""

    structures: Literal["glass"] | Path = "glass"
    model: Literal["train"] | Path = "train"
    replicate: tuple[Count, Count, Count] = (1, 1, 1)
    temperatures_K: list[Positive] = Field(min_length=1)
    pressure_bar: float | None = None
    time_ps: Positive
    timestep_fs: Positive = 1.0
    thermostat_fs: Positive = 100.0
    sample_every_fs: Positive = 10.0
    checkpoint_ps: Positive = 1.0
    ranks: Count = 1
    gpus: Annotated[int, Field(ge=0)] = 0
    candidates: Annotated[int, Field(ge=0)] = 0
    gate: Gate = Gate()


class Analysis(Section):
    """What is measured on the trajectories. Cutoffs are given per pair, as ``P-O``."""

    cutoffs_A: dict[str, Positive] = {}
    r_max_A: Positive = 8.0
    q_max_per_A: Positive = 20.0
    skip_ps: NonNegative = 0.0
    ring_max_formers: Annotated[int, Field(ge=3, le=16)] = 8
    hop_window_ps: Positive = 1.0
    hop_threshold_A2: Positive = 1.0


class Report(Section):
    """The self-contained HTML report."""

    title: str | None = None


class Input(Section):
    """The whole of input.yaml."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    seed: Annotated[int, Field(ge=1)] = 1
    system: System
    glass: Glass | None = None
    reference: list[Reference] = []
    dataset: Dataset | None = None
    train: Train | None = None
    md: MD | None = None
    analysis: Analysis | None = None
    report: Report | None = None
