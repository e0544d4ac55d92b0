"""What a report is made from: the input, the finished tasks, and the products by role."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError


@dataclass(frozen=True)
class Material:
    """The report's sources.

    `input` is the expanded input; `tasks` the finished tasks as {stage, task, key, seconds, tools}; `files`
    maps a role such as ``md/g0-600K/gate`` to a path. A role that is absent means that there is nothing to
    show.
    """

    input: Mapping[str, Any]
    tasks: Sequence[Mapping[str, Any]]
    files: Mapping[str, Path]

    def has(self, role: str) -> bool:
        """Whether there is a file with this role."""
        return role in self.files

    def names(self, stage: str, kind: str) -> list[str]:
        """The middle parts of the roles ``stage/NAME/kind``, in order."""
        parts = [role.split("/") for role in self.files]
        return [part[1] for part in parts if len(part) == 3 and part[0] == stage and part[2] == kind]

    def json(self, role: str) -> Any:
        """Content of a JSON file. Raises InputError when it is no JSON."""
        try:
            return json.loads(self.files[role].read_text(encoding="utf-8"))
        except ValueError as error:
            raise InputError(f"{self.files[role]}: not JSON: {error}") from None

    def arrays(self, role: str) -> dict[str, np.ndarray]:
        """Arrays of an NPZ file. Raises InputError when it is none; pickled objects are refused."""
        try:
            with np.load(self.files[role], allow_pickle=False) as archive:
                return {key: archive[key] for key in archive.files}
        except (ValueError, OSError) as error:
            raise InputError(f"{self.files[role]}: not an NPZ file of plain arrays: {error}") from None
