"""Fields and models for what is read from files: numbers with bounds, and strict, frozen sections."""

import re
from dataclasses import dataclass
from typing import Annotated, Any, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ValidationError,
    model_validator,
)
from pydantic_core import CoreSchema, PydanticCustomError, core_schema


@dataclass(frozen=True)
class within:
    """Bounds of a number, both included; they are also part of the JSON schema."""

    low: float
    high: float

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._checked, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {**handler(schema), "minimum": self.low, "maximum": self.high}

    def _checked(self, value: float) -> float:
        if not self.low <= value <= self.high:
            shown = {"low": f"{self.low:.12g}", "high": f"{self.high:.12g}"}
            raise PydanticCustomError("out_of_range", "must be from {low} to {high}", shown)
        return value


@dataclass(frozen=True)
class spelled:
    """The spelling of a text: the `pattern` of all of it, and the same in words for its error; the pattern is also part
    of the JSON schema.
    """

    pattern: str
    words: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._checked, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {**handler(schema), "pattern": f"^({self.pattern})$"}

    def _checked(self, value: str) -> str:
        if re.fullmatch(self.pattern, value) is None:
            raise PydanticCustomError("misspelled", "must be {words}", {"words": self.words})
        return value


@dataclass(frozen=True)
class forms:
    """The forms that a value may have, in words: the error of one that has none of them. A list or mapping with a wrong
    item keeps the error of that.
    """

    words: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_wrap_validator_function(self._checked, handler(source))

    def _checked(self, value: Any, handler: core_schema.ValidatorFunctionWrapHandler) -> Any:
        try:
            return handler(value)
        except ValidationError as error:
            inside = range(len(value)) if isinstance(value, list) else value if isinstance(value, dict) else ()
            if any(part in inside for each in error.errors(include_url=False) for part in each["loc"]):
                raise
            raise PydanticCustomError("no_form", "must be {words}", {"words": self.words}) from None


@dataclass(frozen=True)
class or_word:
    """A mapping that may be written as `word` where all its keys keep their defaults; also in the JSON schema."""

    word: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self._spelled_out, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"anyOf": [{"const": self.word}, handler(schema)]}

    def _spelled_out(self, value: Any) -> Any:
        return {} if value == self.word else value


@dataclass(frozen=True)
class listed:
    """A list of so many items, which errors call by what they are; as a list, or a tuple."""

    number: int
    what: str
    form: type[list[Any]] | type[tuple[Any, ...]] = list

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self._checked, handler(source))

    def _checked(self, value: Any) -> Any:
        if not isinstance(value, list | tuple) or len(value) != self.number:
            raise PydanticCustomError("not_listed", "must be {what}", {"what": self.what})
        return self.form(value)


def each_once(values: list[Any]) -> list[Any]:
    """`values`, unless one is repeated."""
    for index, value in enumerate(values):
        if value in values[:index]:
            raise PydanticCustomError("repeated", "lists {value} more than once", {"value": str(value)})
    return values


Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
# melts are run at up to 5000 K; nothing condensed exists at 10 000 K
Temperature = Annotated[Positive, within(1, 10_000)]
# from a tenth of the usual time step up to a microsecond
Picoseconds = Annotated[Positive, within(1e-4, 1e6)]


class Section(BaseModel):
    """A mapping with known keys."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    @classmethod
    def completed(cls, given: dict[str, Any]) -> dict[str, Any]:
        """The keys as given, with those that follow from others."""
        return given

    @model_validator(mode="after")
    def _complete(self) -> Self:
        given = {key: getattr(self, key) for key in self.model_fields_set}
        for key, value in self.completed(given).items():
            # frozen for everyone else
            object.__setattr__(self, key, value)
        return self
