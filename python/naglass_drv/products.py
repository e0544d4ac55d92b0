"""What the steps of a run hand to each other: files by role, with their hashes and provenance, in a manifest.

    products/<scope>/<step>/manifest.json

A later step finds a file by its role in the product that it takes, never by the name of the file.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar, TypeVar

from .errors import InputError

MANIFEST = "manifest.json"
#: Why a number has no error, where its maker says nothing else.
COUNTED, NOT_ESTIMATED = "counted", "not estimated"
Kind = TypeVar("Kind", bound="Product")


@dataclass(frozen=True)
class Quantity:
    """A number as one flat row: `key` is its stable name, `label` its readable name, `unit` "1" if it has none.

    `error` is one standard error, or None if there is no estimate; `note` then says why, by default that a whole number
    was counted and any other not estimated. No estimate has zero error, so that an `error` of 0, infinity or NaN counts
    as None. `interval` is the 95 % confidence interval, if it is known.
    `scope` is the system that it belongs to; `conditions` tell at what it was measured, such as ``temperature_K``, or
    the mol-% of the oxides. `subject` is the glass, trajectory or set that was measured, where `label` does not name
    it. Raises InputError for a value that is not finite.
    """

    key: str
    label: str
    value: float | int
    unit: str
    error: float | None = None
    note: str = ""
    interval: Sequence[float] | None = None
    scope: str = ""
    conditions: Mapping[str, float] = field(default_factory=dict)
    subject: str = ""

    def __post_init__(self):
        error = self.error
        if error is not None and not (math.isfinite(error) and error > 0):
            object.__setattr__(self, "error", None)
        usual = COUNTED if isinstance(self.value, int) else NOT_ESTIMATED
        object.__setattr__(self, "note", (self.note or usual) if self.error is None else "")
        if not math.isfinite(self.value):
            raise InputError(f"{self.key} is {self.value!r}; must be a finite number")
        if not self.unit:
            raise InputError(f"{self.key} has no unit")

    @property
    def title(self) -> str:
        """The label with the subject, which tells it from the same quantity of another one."""
        return f"{self.label}, {self.subject}" if self.subject else self.label

    def of(self, subject: str) -> "Quantity":
        """The row as one of this subject, which its label may name."""
        named = self.label.endswith((f" of {subject}", f", {subject}"))
        return self if named else replace(self, subject=subject)

    def as_json(self) -> dict[str, Any]:
        """The row as JSON, without the note, interval or subject that it lacks."""
        row = vars(self) | {"conditions": dict(self.conditions)}
        return {word: value for word, value in row.items() if value or word not in ("note", "interval", "subject")}


def read_quantities(path: Path) -> list[Quantity]:
    """Rows from a JSON list of `Quantity.as_json`. Raises InputError for any other file."""
    try:
        return [Quantity(**row) for row in json.loads(path.read_text(encoding="utf-8"))]
    except (ValueError, TypeError, InputError) as error:
        raise InputError(f"{path}: not rows of quantities: {error}") from None


@dataclass(frozen=True)
class TaskRecord:
    """A finished task behind a product: its key, wall time (s), tool versions and summary."""

    name: str
    key: str
    seconds: float
    tools: Mapping[str, str]
    summary: Mapping[str, Any]


@dataclass(frozen=True)
class Product:
    """Files of one step by role, absolute paths; `facts` are small results in JSON form.

    A role is a word, or ``NAME/WORD`` for a file that belongs to one of several structures, sets or trajectories.
    """

    kind: ClassVar[str] = "files"
    ok: ClassVar[bool] = True

    scope: str = ""
    step: str = ""
    files: Mapping[str, Path] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    tasks: tuple[TaskRecord, ...] = ()
    hashes: Mapping[str, str] = field(default_factory=dict)

    def each(self, word: str) -> dict[str, Path]:
        """Name and path of every file with the role ``NAME/word``, in order."""
        split = ((role.rpartition("/"), path) for role, path in self.files.items())
        return {name: path for (name, _, last), path in split if name and last == word}

    def only(self: Kind, *words: str) -> Kind:
        """The product with nothing but its files of the roles ``word`` and ``NAME/word``: for a step that depends on no
        others.
        """
        kept = {role: path for role, path in self.files.items() if role.rpartition("/")[2] in words}
        hashes = {role: self.hashes[role] for role in kept if role in self.hashes}
        return type(self)(scope=self.scope, step=self.step, files=kept, hashes=hashes)


@dataclass(frozen=True)
class Structures(Product):
    """Structures: ``NAME/structure``, and for quenched glasses ``NAME/melt`` and ``NAME/quench``."""

    kind = "structures"


@dataclass(frozen=True)
class Labels(Product):
    """Labeled frames: ``SET/admitted``, ``SET/rejected``, ``SET/E0`` and others; facts: the ``levels`` of the sets."""

    kind = "labels"


@dataclass(frozen=True)
class Dataset(Product):
    """One dataset: ``train``, perhaps ``test``, ``summary``, ``audit`` and ``audit-arrays``."""

    kind = "dataset"


@dataclass(frozen=True)
class Model(Product):
    """One potential: ``archive`` for pair_style mace, ``portable``, ``summary`` and parity data."""

    kind = "model"


@dataclass(frozen=True)
class Trajectories(Product):
    """Trajectories: ``NAME/trajectory``, ``NAME/thermo``, ``NAME/gate``, ``NAME/final`` and what the fixes wrote."""

    kind = "trajectories"


@dataclass(frozen=True)
class Measurements(Product):
    """Analyses: ``NAME/numbers`` and ``NAME/curves``; ``NAME/fingerprints`` for sets of labels.

    ``NAME/quantities`` are the numbers of either as rows, see `read_quantities`.
    """

    kind = "measurements"


@dataclass(frozen=True)
class Screening(Product):
    """Interatomic potentials side by side: ``NAME/gates`` for each."""

    kind = "screening"


@dataclass(frozen=True)
class Decision(Product):
    """Whether a loop has ``converged``, and the ``reason`` in words: facts alone."""

    kind = "decision"


@dataclass(frozen=True)
class Missing(Product):
    """In place of a product that was not made, where a report is made of what there is; it has no manifest."""

    kind = "missing"


@dataclass(frozen=True)
class Pages(Product):
    """A report: ``page``, ``numbers`` and ``figures/NAME``."""

    kind = "pages"


KINDS: dict[str, type[Product]] = {
    kind.kind: kind
    for kind in (Product, Structures, Labels, Dataset, Model, Trajectories, Measurements, Screening, Decision, Pages)
}


def as_manifest(product: Product, root: Path, hashes: Mapping[str, str]) -> dict[str, Any]:
    """The content of manifest.json; files are noted relative to the run folder `root`, with SHA-256 `hashes`."""
    return {
        "kind": product.kind,
        "scope": product.scope,
        "step": product.step,
        "files": {
            role: {"path": path.relative_to(root).as_posix(), "sha256": hashes[role]}
            for role, path in product.files.items()
        },
        "facts": product.facts,
        "tasks": [vars(task) for task in product.tasks],
    }


def of_manifest(content: Any, root: Path) -> Product | None:
    """The product described by a manifest; None if it is damaged, or names a file outside of `root`."""
    try:
        kind = KINDS[content["kind"]]
        paths = {str(role): PurePosixPath(item["path"]) for role, item in content["files"].items()}
        if any(path.is_absolute() or ".." in path.parts for path in paths.values()):
            return None
        return kind(
            scope=str(content["scope"]),
            step=str(content["step"]),
            files={role: root / path for role, path in paths.items()},
            facts=dict(content["facts"]),
            tasks=tuple(TaskRecord(**task) for task in content["tasks"]),
            hashes={role: str(item["sha256"]) for role, item in content["files"].items()},
        )
    except (KeyError, TypeError, AttributeError, ValueError):
        return None
