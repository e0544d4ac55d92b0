"""An input of which only some values are valid: rules look at those, and skip what they cannot know."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from pydantic import BaseModel

Model = TypeVar("Model", bound=BaseModel)


class Unknown(Exception):
    """A rule asked for a value that is not valid."""


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
        """A value of the section, None where it is not valid."""
        return self._values.get(name)

    def whole(self, model: type[Model]) -> Model:
        """The section as its model; what is not valid has its default, and is unknown where there is none."""
        defaults = {
            name: field.get_default(call_default_factory=True)
            for name, field in model.model_fields.items()
            if not field.is_required()
        }
        known = Partial({**defaults, **self._values})
        return model.model_construct(**{name: getattr(known, name) for name in model.model_fields})


@contextmanager
def rule() -> Iterator[None]:
    """Within this context a value that is not valid ends the rule: it has its own error already."""
    with suppress(Unknown):
        yield
