"""A partly valid input: rules use the valid values and skip whatever depends on the others."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from pydantic import BaseModel

Model = TypeVar("Model", bound=BaseModel)


class Unknown(Exception):
    """A rule needs a value that is not valid."""


class Partial:
    """The valid values of a section, as attributes."""

    def __init__(self, values: Mapping[str, Any]):
        self._values = values

    def __getattr__(self, name: str) -> Any:
        try:
            return self._values[name]
        except KeyError:
            raise Unknown(name) from None

    def known(self, name: str) -> Any:
        """A value of the section, or None if it is not valid."""
        return self._values.get(name)

    def whole(self, model: type[Model]) -> Model:
        """The section as its model; an invalid value takes its default, and is unknown if there is none."""
        defaults = {
            name: field.get_default(call_default_factory=True)
            for name, field in model.model_fields.items()
            if not field.is_required()
        }
        known = Partial({**defaults, **self._values})
        return model.model_construct(**{name: getattr(known, name) for name in model.model_fields})


@contextmanager
def rule() -> Iterator[None]:
    """Within this context an invalid value ends the rule: it already has its own error."""
    with suppress(Unknown):
        yield
