"""Workflows: generators that yield steps and receive their products, and the advancing of many branches at once.

A workflow yields a `Step` and receives its product, or a list of steps and receives the list of their products;
``yield from gather(branches)`` runs sub-workflows side by side. A resumed run starts the workflow from its
beginning: finished steps are answered from the run folder. It may branch on products only, never on time,
randomness or the environment.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from ..products import Product

Takes = Mapping[str, Product | tuple[Product, ...]]
Workflow = Generator[Any, Any, Any]
Answer = Callable[[Any], None]


@dataclass(frozen=True)
class Step:
    """One use of a stage: the products that it `takes` by role, and the `input` of its system.

    `scope` is the folder of its tasks and products, such as a system or a round; empty for the run as a whole.
    """

    stage: str
    scope: str = ""
    takes: Takes = field(default_factory=dict)
    input: Any = None

    @property
    def label(self) -> str:
        """``scope/stage``, or the stage alone."""
        return f"{self.scope}/{self.stage}" if self.scope else self.stage


@dataclass(frozen=True)
class Failed:
    """In place of a product: the step `label` failed, with the reason in words."""

    label: str
    reason: str
    ok = False


class StepFailed(Exception):
    """Raised inside a workflow at a step that failed; a branch of `gather` that does not catch it becomes Failed."""

    def __init__(self, failed: Failed):
        super().__init__(f"{failed.label}: {failed.reason}")
        self.failed = failed


@dataclass(frozen=True)
class _Gather:
    branches: tuple[Workflow, ...]


def gather(branches: Iterable[Workflow]) -> Workflow:
    """Run workflows side by side; returns the list of their results, with Failed in place of those that failed.

    A branch goes on as soon as its own steps are done, whatever the others do.
    """
    return (yield _Gather(tuple(branches)))


class Flow:
    """A running workflow. `begin(step, answer)` starts a step; `answer` takes its product or Failed, now or later."""

    def __init__(self, workflow: Workflow, begin: Callable[[Step, Answer], None]):
        self.ended = False
        self.result: Any = None
        self._begin = begin
        # a queue instead of recursion: a replayed loop may answer thousands of steps in a row
        self._ready: deque[Callable[[], None]] = deque()
        self._branch(workflow, self._end)

    def advance(self) -> None:
        """Advance all branches until each waits for a step, or has ended."""
        while self._ready:
            self._ready.popleft()()

    def _end(self, result: Any) -> None:
        self.ended, self.result = True, result

    def _branch(self, workflow: Workflow, ended: Answer) -> None:
        def go_on(value: Any) -> None:
            try:
                asked = workflow.throw(StepFailed(value)) if isinstance(value, Failed) else workflow.send(value)
            except StopIteration as stop:
                ended(stop.value)
            except StepFailed as error:
                ended(error.failed)
            else:
                self._ask(asked, resume)

        def resume(value: Any) -> None:
            self._ready.append(lambda: go_on(value))

        resume(None)

    def _ask(self, asked: Step | Sequence[Step] | _Gather, answer: Answer) -> None:
        if isinstance(asked, Step):
            self._begin(asked, answer)
        elif isinstance(asked, _Gather):
            self._ask_all(asked.branches, self._branch, answer)
        else:
            self._ask_all(asked, self._begin, answer)

    def _ask_all(self, parts: Sequence[Any], start: Callable[[Any, Answer], None], answer: Answer) -> None:
        results: dict[int, Any] = {}

        def put(index: int, value: Any) -> None:
            results[index] = value
            if len(results) == len(parts):
                answer([results[i] for i in range(len(parts))])

        if not parts:
            answer([])
        for index, part in enumerate(parts):
            start(part, partial(put, index))
