"""Which ranks and GPUs a task gets."""

from itertools import count

import pytest

from naglass_drv.errors import SetupError
from naglass_drv.runtime.dispatch import Dispatch
from naglass_drv.runtime.store import Ticket
from naglass_drv.runtime.task import Task

_NUMBERS = count()


def ticket(ranks=1, gpus=0, name=None):
    return Ticket("s", Task("s", name or f"t{next(_NUMBERS)}", {}, ranks=ranks, gpus=gpus), "k", 1, None, ())


def started(dispatch):
    return {order.ticket.task.name: (order.ranks, order.devices) for order in dispatch.orders()}


def test_the_first_rank_is_the_last_to_work():
    dispatch = Dispatch([0] * 3, [None])
    dispatch.add([ticket(name="a"), ticket(name="b")])
    assert started(dispatch) == {"a": ((2,), ()), "b": ((1,), ())}


def test_wide_tasks_come_first_and_free_ranks_take_narrow_ones():
    dispatch = Dispatch([0] * 5, [None])
    dispatch.add([ticket(name="narrow"), ticket(2, name="wide")])
    assert started(dispatch) == {"wide": ((2, 3), ()), "narrow": ((4,), ())}


def test_a_wide_task_is_not_put_off_for_ever_by_narrow_ones():
    dispatch = Dispatch([0] * 4, [None])
    dispatch.add([ticket(), ticket()])
    first, second = dispatch.orders()
    assert (first.ranks, second.ranks) == ((3,), (2,))
    dispatch.add([ticket(4, name="all"), *(ticket() for _ in range(5))])
    assert started(dispatch) == {}, "the ranks are kept for the task that needs all of them"
    dispatch.over(first.number)
    assert started(dispatch) == {}
    dispatch.over(second.number)
    assert list(started(dispatch)) == ["all"]


def test_narrow_tasks_run_beside_the_ranks_on_which_a_wide_one_waits():
    dispatch = Dispatch([0] * 4, [None])
    dispatch.add([ticket()])
    (running,) = dispatch.orders()
    dispatch.add([ticket(2, name="one"), ticket(2, name="two"), ticket(name="narrow")])
    assert started(dispatch) == {"one": ((0, 1), ())}, "rank 2 waits for its neighbor"
    dispatch.over(running.number)
    assert started(dispatch) == {"two": ((2, 3), ())}


def test_gpus_are_given_once_and_come_back():
    dispatch = Dispatch([0, 0, 1, 1], [2, 2])
    dispatch.add([ticket(gpus=1, name=f"g{i}") for i in range(3)] + [ticket(gpus=2, name="both")])
    orders = {order.ticket.task.name: order for order in dispatch.orders()}
    assert {name: (order.ranks, order.devices) for name, order in orders.items()} == {
        "both": ((3,), (0, 1)),
        "g0": ((1,), (0,)),
        "g1": ((0,), (1,)),
    }
    dispatch.over(orders["both"].number)
    assert started(dispatch) == {"g2": ((3,), (0,))}


@pytest.mark.parametrize(
    ("devices", "message"),
    [([None], "needs 2 GPUs, but neither CUDA_VISIBLE_DEVICES"), ([1], "needs 2 GPUs on one node, but at most 1")],
)
def test_missing_gpus_are_reported_before_anything_runs(devices, message):
    with pytest.raises(SetupError, match=f"s/{'x'}: {message}"):
        Dispatch([0, 0], devices).add([ticket(gpus=2, name="x")])


def test_every_ticket_runs_once_whatever_the_shapes():
    dispatch = Dispatch([0, 0, 0, 1, 1, 1, 1], [1, 2])
    names = [f"t{i}" for i in range(60)]
    dispatch.add([ticket((1, 2, 3, 7)[i % 4], (0, 0, 1, 0)[i % 4], name) for i, name in enumerate(names)])
    seen, running = [], []
    while True:
        running += dispatch.orders()
        busy = [rank for order in running for rank in order.ranks]
        assert len(set(busy)) == len(busy)
        if not running:
            break
        order = running.pop(0)
        seen.append(order.ticket.task.name)
        dispatch.over(order.number)
    assert sorted(seen) == sorted(names) and dispatch.idle
