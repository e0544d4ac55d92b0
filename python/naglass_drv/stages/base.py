"""The interface of a stage, defined by the runtime and implemented by the stages."""

from ..runtime.task import Done, Effort, Job, Run, Stage, Task

__all__ = ["Done", "Effort", "Job", "Run", "Stage", "Task"]
