"""Fields and models for what is read from files: numbers with bounds, and strict, frozen sections."""

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError


def within(low: float, high: float) -> AfterValidator:
    """Bounds of a number, both included."""

    def check(value: float) -> float:
        if not low <= value <= high:
            shown = {"low": f"{low:.12g}", "high": f"{high:.12g}"}
            raise PydanticCustomError("out_of_range", "must be from {low} to {high}", shown)
        return value

    return AfterValidator(check)


def each_once(values: list[Any]) -> list[Any]:
    """`values`, unless one is repeated."""
    for index, value in enumerate(values):
        if value in values[:index]:
            raise PydanticCustomError("repeated", "lists {value} more than once", {"value": str(value)})
    return values


Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]


class Section(BaseModel):
    """A mapping with known keys."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")
