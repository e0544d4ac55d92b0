"""Files that an input names: a path, or the product of another run."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, WithJsonSchema

from ..fields import Section


class Borrowed(Section):
    """A file of another run: its folder, and the step and role of the product by its manifest, as ``dataset/train``."""

    run: Path = Field(alias="from", description="Folder of the other run.")
    product: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+-]*(/[A-Za-z0-9][A-Za-z0-9_.+-]*)+$",
        max_length=400,
        description="Step and role of the product by its manifest, as dataset/train.",
    )


# read as a path: `borrowed` has put that of the product in its place
File = Annotated[Path, WithJsonSchema({"anyOf": [{"type": "string", "format": "path"}, Borrowed.model_json_schema()]})]
