"""Workflows as generators: what they receive, how branches advance, and how a failure stays in its branch."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from naglass_drv.products import Product
from naglass_drv.runtime.flow import Failed, Flow, Step, StepFailed, gather
from naglass_drv.runtime.keys import Keys, made_of
from naglass_drv.runtime.preview import preview
from naglass_drv.runtime.store import Store
from naglass_drv.runtime.task import Task


class Hand:
    """Answers steps by hand, and keeps those that wait."""

    def __init__(self, workflow):
        self.waiting = {}
        self.flow = Flow(workflow, lambda step, answer: self.waiting.__setitem__(step.label, answer))
        self.flow.advance()

    def answer(self, label, value=None):
        scope, _, stage = label.rpartition("/")
        self.waiting.pop(label)(Product(scope, stage) if value is None else value)
        self.flow.advance()


def test_a_step_gives_its_product_and_a_list_those_of_all():
    def workflow():
        first = yield Step("a")
        second, third = yield [Step("b", "x", {"a": first}), Step("b", "y", {"a": first})]
        return first.step, second.scope, third.scope

    hand = Hand(workflow())
    assert list(hand.waiting) == ["a"]
    hand.answer("a")
    assert list(hand.waiting) == ["x/b", "y/b"]
    hand.answer("y/b")
    assert not hand.flow.ended
    hand.answer("x/b")
    assert hand.flow.ended and hand.flow.result == ("a", "x", "y"), "in the order in which they were asked for"


def branch(scope):
    first = yield Step("one", scope)
    second = yield Step("two", scope, {"one": first})
    return scope, second.step


def test_a_slow_branch_does_not_hold_up_the_next_steps_of_the_others():
    hand = Hand(gather(branch(scope) for scope in ("slow", "quick")))
    hand.answer("quick/one")
    assert list(hand.waiting) == ["slow/one", "quick/two"]
    hand.answer("quick/two")
    hand.answer("slow/one")
    hand.answer("slow/two")
    assert hand.flow.result == [("slow", "two"), ("quick", "two")]


def test_a_failure_ends_its_branch_alone_and_its_workflow_may_catch_it():
    lost = Failed("bad/one", "broken")
    hand = Hand(gather(branch(scope) for scope in ("bad", "good")))
    hand.answer("bad/one", lost)
    hand.answer("good/one")
    hand.answer("good/two")
    assert hand.flow.result == [lost, ("good", "two")]

    def careful():
        try:
            yield Step("a")
        except StepFailed as error:
            return error.failed.reason

    hand = Hand(careful())
    hand.answer("a", Failed("a", "broken"))
    assert hand.flow.result == "broken"


def test_failed_steps_of_a_list_stand_beside_the_products():
    def workflow():
        found = yield [Step("a", "x"), Step("a", "y")]
        return [each.ok for each in found]

    hand = Hand(workflow())
    hand.answer("x/a", Failed("x/a", "broken"))
    hand.answer("y/a")
    assert hand.flow.result == [False, True]


def test_an_empty_list_and_an_empty_gather_are_answered_at_once():
    def workflow():
        return (yield []), (yield from gather([]))

    assert Hand(workflow()).flow.result == ([], [])


def test_a_long_replay_needs_no_deep_stack():
    def loop():
        for number in range(20_000):
            yield Step("a", f"round-{number}")
        return "over"

    flow = Flow(loop(), lambda step, answer: answer(Product(step.scope, step.stage)))
    flow.advance()
    assert flow.result == "over"


def test_an_error_of_the_workflow_itself_is_not_hidden():
    def workflow():
        yield Step("a")
        raise KeyError("a fault in the code")

    hand = Hand(workflow())
    with pytest.raises(KeyError):
        hand.answer("a")


def test_a_dry_run_plans_no_step_that_waits_for_another(tmp_path):
    """Where branches meet, a real run waits; to plan without one of them would show a step that nobody will run."""

    def workflow(branches):
        yield from gather(branch(scope) for scope in branches)
        yield Step("page")

    def stage(name):
        plan = [Task(name, "task", {})]
        return SimpleNamespace(revision=1, plan=lambda run: plan if run.scope == "new" or name == "page" else [])

    def found(*branches):
        return preview(workflow(branches), stage, tmp_path, tmp_path, {}, str)

    store = Store(tmp_path)
    for step in (each for scope in ("old", "older") for each in (Step("one", scope), Step("two", scope))):
        takes = {} if step.stage == "one" else {"one": store.product(f"{step.scope}/one")}
        store.keep(step.label, Product(step.scope, step.stage), made_of([], replace(step, takes=takes)), Keys(str))
    assert found("old", "older").lines[-2:] == ["page: 1 of 1 task to be run", "  page/task: not done yet"]
    told = found("old", "new")
    assert [line for line in told.lines if "page" in line] == [] and told.open == {"one"}
    assert told.lines[-1] == "old/two: no tasks"
