"""The part of a site profile that says what a center charges for an hour: its unit, its factors and their sources."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from ..fields import Count, Positive, Section, spelled, within

Text = Annotated[str, Field(max_length=300), spelled(r"[ -~]+", "one line of ASCII")]
Day = Annotated[str, spelled(r"20[0-9]{2}-[01][0-9](-[0-3][0-9])?", "a day or month such as 2026-01-31 or 2026-01")]


class Fact(Section):
    """A number from the rules of a center, with its `source` and the day on which that was `read`.

    Without a `value` it is not known, and has to be filled in.
    """

    value: Annotated[Positive, within(1e-6, 1e12)] | None = None
    source: Text | None = None
    read: Day | None = None

    @model_validator(mode="after")
    def _stated(self) -> Self:
        if self.value is not None and not (self.source and self.read):
            raise PydanticCustomError("unsourced", "has a value, but no source or no day on which it was read")
        return self

    @property
    def origin(self) -> str:
        """``(source, read day)``."""
        return f"({self.source}, read {self.read})"


class Bill(Section):
    """What an hour costs. The center `counts` reserved cores or GPUs, and calls its hours `unit`.

    One hour of a core or GPU, as Slurm counts them, is `rate` hours of that unit, and one of these is `normalized`
    hours of the call (GENCI: V100 hours). `whole_nodes`: a job reserves them. More than `cores_per_gpu` cores for each
    GPU are charged as further GPUs. Requests of up to `dynamic_access` normalized hours are GENCI's Dynamic Access.
    """

    machine: Text = "this machine"
    counts: Literal["cores", "gpus"] = "cores"
    unit: Text = "core hours"
    rate: Fact = Field(default_factory=Fact)
    normalized: Fact = Field(default_factory=Fact)
    whole_nodes: bool = False
    cores_per_gpu: Annotated[Count, within(1, 1024)] | None = None
    dynamic_access: Fact = Field(default_factory=Fact)

    def used(self, core_h: float, gpu_h: float) -> float | None:
        """Hours (in `unit`) of tasks that take `core_h` and `gpu_h`; None where the rate is not known."""
        if self.rate.value is None:
            return None
        return self.rate.value * self._counted(core_h, gpu_h)

    def reserved(self, hours: float, cores: int, nodes: int, gpus: int, node: tuple[int, int]) -> float | None:
        """Hours (in `unit`) of jobs of `hours` in all on so many cores, nodes and GPUs per node.

        `node` has the cores and GPUs of one. None where the rate is not known.
        """
        if self.rate.value is None:
            return None
        core_h, gpu_h = (nodes * node[0], nodes * node[1]) if self.whole_nodes else (cores, nodes * gpus)
        return self.rate.value * hours * self._counted(core_h, gpu_h)

    def _counted(self, cores: float, gpus: float) -> float:
        if self.counts == "cores":
            return cores
        return max(gpus, cores / self.cores_per_gpu) if self.cores_per_gpu else gpus
