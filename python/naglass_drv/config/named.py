"""Names and words of an input, and the files that it names: a path, or the product of another run."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, WithJsonSchema

from ..fields import Section, forms, spelled

Name = Annotated[
    str,
    Field(max_length=80),
    spelled(r"[A-Za-z0-9][A-Za-z0-9_.-]*", "letters, digits and _ . -, a letter or digit first"),
]
#: Of a level of theory.
LevelName = Annotated[
    str,
    Field(max_length=80),
    spelled(r"[A-Za-z0-9][A-Za-z0-9_.+-]*", "letters, digits and _ . + -, a letter or digit first"),
]
#: A published one, one in a file, or that of the run.
Potential = Annotated[str, Field(max_length=400), spelled(r"train|[a-z0-9]+:.+", "FAMILY:MODEL, FAMILY:FILE or train")]
Spin = Annotated[
    Literal["ferromagnetic", "antiferromagnetic", "sampled"]
    | Annotated[str, spelled(r"[+-]+", "+ and -")]
    | dict[str, Literal["up", "down"]],
    forms("'ferromagnetic', 'antiferromagnetic', 'sampled', signs such as ++--, or up or down for each ion"),
]
_Product = Annotated[
    str,
    Field(max_length=400),
    spelled(r"[A-Za-z0-9][A-Za-z0-9_.+-]*(/[A-Za-z0-9][A-Za-z0-9_.+-]*)+", "names with a / between, as dataset/train"),
]


class Borrowed(Section):
    """A file of another run: its folder, and the step and role of the product by its manifest, as ``dataset/train``."""

    run: Path = Field(alias="from", description="Folder of the other run.")
    product: _Product = Field(description="Step and role of the product by its manifest, as dataset/train.")


# read as a path: `borrowed` has put that of the product in its place
File = Annotated[Path, WithJsonSchema({"anyOf": [{"type": "string", "format": "path"}, Borrowed.model_json_schema()]})]
