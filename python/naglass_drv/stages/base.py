"""The interface of a stage, defined by the runtime and implemented by the stages."""

from ..runtime.task import Done, Job, Run, Stage, Task

__all__ = ["Done", "Job", "Run", "Stage", "Task"]
