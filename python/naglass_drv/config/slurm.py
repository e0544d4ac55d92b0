"""The part of a site profile that says how jobs are submitted: Slurm's words for this machine."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError

from ..errors import InputError
from ..fields import Count, NonNegative, Positive, Section, spelled, within
from ..paths import data_file
from .bill import Bill
from .source import Document, parse
from .validation import validate

# a word of sbatch: no space, no quote, nothing that a shell would read
Word = Annotated[
    str,
    Field(max_length=200),
    spelled(r"[A-Za-z0-9_@.,:+&|*\[\]-]+", "one word of letters, digits and _ @ . , : + & | * [ ] -"),
]
Option = Annotated[
    str,
    Field(max_length=200),
    spelled(
        r"--[a-z][a-z-]*(=[A-Za-z0-9_@.,:+%/-]+)?",
        "--option or --option=value of letters, digits and _ @ . , : + % / -",
    ),
]
Line = Annotated[str, Field(max_length=1000), spelled(r"[ -~]+", "one line of ASCII")]
# a folder, or variables of the shell such as $SCRATCH
Folder = Annotated[
    str, Field(max_length=500), spelled(r"[A-Za-z0-9_${}./-]+", "a path of letters, digits and _ $ { } . / -")
]
FOLDER = "sites"


class Nodes(Section):
    """Another kind of nodes, and the `stages` whose tasks run there; tasks that ask for GPUs go to the first kind that
    has some. What is not given is as for the other nodes. `gpus` are the GPUs of a task that does not ask for any, such
    as a fit.
    """

    stages: list[Word] = Field(default_factory=list)
    gpus: Annotated[int, Field(ge=0), within(0, 64)] = 0
    account: Word | None = None
    partition: Word | None = None
    qos: Word | None = None
    constraint: Word | None = None
    cores_per_node: Annotated[Count, within(1, 4096)] | None = None
    gpus_per_node: Annotated[int, Field(ge=0), within(0, 64)] | None = None
    longest_h: Annotated[Positive, within(0.01, 10_000)] | None = None
    options: list[Option] | None = None
    setup: list[Line] | None = None


class Slurm(Section):
    """How to submit jobs here. A key without a value is not known of this machine: fill it in where it is needed.

    `setup` are lines of shell that run before the program, such as ``module load``; `options` are further options of
    sbatch. A node has `cores_per_node` and `gpus_per_node`; no job may be longer than `longest_h`. The `launcher`
    starts the ranks: ``srun --mpi=pmi2`` for the MPICH that comes with mpi4py. `scratch` is the fast folder; `torch`
    the build for the GPUs here, such as ``cu126``, and `compute_capability` that of the GPUs, such as ``8.0``.
    A user may have `max_jobs` jobs in the queue, an array `max_array`; a job of an array gets tasks for about `aim_h`,
    and tasks expected to take less than `least_s` (s) get no job of their own. `nodes` are further kinds of nodes.
    """

    account: Word | None = None
    needs_account: bool = False
    partition: Word | None = None
    qos: Word | None = None
    constraint: Word | None = None
    cores_per_node: Annotated[Count, within(1, 4096)] | None = None
    gpus_per_node: Annotated[int, Field(ge=0), within(0, 64)] = 0
    longest_h: Annotated[Positive, within(0.01, 10_000)] | None = None
    launcher: Line = "srun --mpi=pmi2"
    scratch: Folder | None = None
    torch: Word | None = None
    compute_capability: Word | None = None
    options: list[Option] = Field(default_factory=list)
    setup: list[Line] = Field(default_factory=list)
    max_array: Annotated[Count, within(1, 1_000_000)] = 1000
    aim_h: Annotated[Positive, within(1e-3, 1000)] = 1.0
    max_jobs: Annotated[Count, within(3, 1_000_000)] = 100
    least_s: Annotated[NonNegative, within(0, 100_000)] = 60.0
    nodes: dict[Word, Nodes] = Field(default_factory=dict)


class Profile(Section):
    """A shipped site profile."""

    slurm: Slurm
    bill: Bill | None = None


def shipped() -> list[str]:
    """Names of the site profiles that come with naglass."""
    return sorted(path.stem for path in data_file(FOLDER).glob("*.yaml"))


def shipped_file(name: str) -> Path:
    """The file of a shipped profile. Raises InputError with the names of all."""
    if name not in shipped():
        raise InputError(f"site {name!r}: no such profile; there are {', '.join(shipped())}")
    return data_file(FOLDER, f"{name}.yaml")


def profile_of(path: Path) -> Profile:
    """What stands in the file of a shipped profile. Raises InputError with its lines."""
    document: Document = parse(path)
    read = validate(document, Profile)
    document.raise_faults()
    assert read is not None
    return read


def charged_to(slurm: Slurm, account: str) -> Slurm:
    """The same with another account. Raises InputError for one that no Slurm would know."""
    try:
        return Slurm.model_validate(slurm.model_dump() | {"account": account})
    except ValidationError:
        raise InputError(f"--account {account!r}: not the name of an account") from None


def slurm_of(name: str, own: Slurm | None) -> tuple[Slurm, Path | None]:
    """The words of a shipped profile `name` and its file, or of the user's `own` profile if the name is empty.

    What the user's profile states goes before what the shipped one does. Raises InputError if there is neither.
    """
    if not name:
        if own is None:
            raise InputError(
                "the site profile says nothing of Slurm; name a shipped one with --site (see python -m naglass_drv "
                "site list), or add a section slurm to your own"
            )
        return own, None
    path = shipped_file(name)
    stated = {key: getattr(own, key) for key in own.model_fields_set} if own is not None else {}
    return profile_of(path).slurm.model_copy(update=stated), path


def bill_of(name: str, own: Bill | None) -> tuple[Bill, Path | None]:
    """The bill of the shipped profile `name`, or of the user's `own`, which goes before it key by key; and the file.

    Raises InputError if neither states one.
    """
    path = shipped_file(name) if name else None
    shipped = profile_of(path).bill if path else None
    if shipped is None and own is None:
        where = path or "the site profile"
        raise InputError(f"{where}: has no section bill, so that hours cannot be given in the unit of its center")
    if shipped is not None and own is not None:
        return shipped.model_copy(update={key: getattr(own, key) for key in own.model_fields_set}), path
    found = own or shipped
    assert found is not None
    return found, path
