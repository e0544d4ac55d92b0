"""The sources of a report: the input, the finished tasks, and the products by role."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from ..files import read_arrays


@dataclass(frozen=True)
class Material:
    """The sources of the report.

    `input` is the expanded input; `tasks` the finished tasks as {stage, task, key, seconds, tools}; `files`
    maps a role like ``md/g0-600K/gate`` to a path; `decisions` are those of a loop of learning in words, by the number
    of the round; `density_source` tells where the density comes from. If a role is absent, there is nothing to show.
    """

    input: Mapping[str, Any]
    tasks: Sequence[Mapping[str, Any]]
    files: Mapping[str, Path]
    decisions: Mapping[str, str] = field(default_factory=dict)
    density_source: str = "input"

    def has(self, role: str) -> bool:
        """Whether there is a file with this role."""
        return role in self.files

    def names(self, stage: str, kind: str) -> list[str]:
        """The middle parts of the roles ``stage/NAME/kind``, in order."""
        parts = [role.split("/") for role in self.files]
        return [part[1] for part in parts if len(part) == 3 and part[0] == stage and part[2] == kind]

    def json(self, role: str) -> Any:
        """Content of a JSON file. Raises InputError if it is not JSON."""
        try:
            return json.loads(self.files[role].read_text(encoding="utf-8"))
        except ValueError as error:
            raise InputError(f"{self.files[role]}: not JSON: {error}") from None

    def arrays(self, role: str) -> dict[str, np.ndarray]:
        """Arrays of an NPZ file. Raises InputError if it is not one; pickled objects are rejected."""
        return read_arrays(self.files[role])

    def table(self, role: str) -> dict[str, np.ndarray]:
        """Columns of a text table by name, from the last comment line that has one word per column.

        Raises InputError if it is not a table of numbers with such a line.
        """
        path = self.files[role]
        lines = path.read_text(encoding="utf-8").splitlines()
        try:
            data = np.loadtxt([line for line in lines if not line.startswith("#")] or [""], ndmin=2)
        except ValueError as error:
            raise InputError(f"{path}: not a table of numbers: {error}") from None
        heads = [line.lstrip("#").split() for line in lines if line.startswith("#")]
        heads = [words[1:] if words[:1] == ["columns:"] else words for words in heads]
        names = next((words for words in reversed(heads) if len(words) == data.shape[1]), None)
        if names is None:
            raise InputError(f"{path}: no comment line names the {data.shape[1]} columns")
        return dict(zip(names, data.T, strict=True))
