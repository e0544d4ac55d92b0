"""What a stage is made of; the runtime defines it, the stages fill it."""

from ..runtime.task import Done, Job, Run, Stage, Task

__all__ = ["Done", "Job", "Run", "Stage", "Task"]
