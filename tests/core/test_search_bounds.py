"""Calls that would never return raise an error before starting, and long calls can be interrupted."""

import itertools
import os
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest
from ase import Atoms

from naglass_drv import core
from naglass_drv.errors import InputError

ELEMENTS = ("Na", "P", "O")
CRITERIA = ("primitive", "king", "guttman", "strong")


def everything(cutoff: float) -> dict:
    return {(a, b): cutoff for a in ELEMENTS for b in ELEMENTS if a <= b}


def gas(atoms: int, edge: float) -> Atoms:
    positions = np.random.default_rng(0).random((atoms, 3)) * edge
    return Atoms([ELEMENTS[k % 3] for k in range(atoms)], positions, cell=[edge] * 3, pbc=True)


# one that is refused late, after two seconds of its search
LATE = [
    pytest.param(8, 0.3, 2.0, criterion, marks=[pytest.mark.long] * (n > 0)) for n, criterion in enumerate(CRITERIA)
]


@pytest.mark.parametrize(
    ("atoms", "edge", "cutoff", "criterion"),
    [
        *itertools.product([26], [7.3], [30.0, 300.0, 1e6], CRITERIA),
        *itertools.product([2], [0.01], [2.0], CRITERIA),
        *LATE,
    ],
)
def test_rings_of_what_is_no_network_are_refused(atoms, edge, cutoff, criterion):
    started = time.process_time()
    with pytest.raises(InputError, match="(cutoff|max_size) = "):
        core.rings(gas(atoms, edge), everything(cutoff), criterion=criterion)
    assert time.process_time() - started < 20


@pytest.mark.parametrize("criterion", CRITERIA)
def test_a_search_that_would_cover_the_crystal_is_refused(criterion):
    with pytest.raises(InputError, match="max_size = "):
        core.rings(gas(26, 7.3), everything(2.5), criterion=criterion, max_size=5000)


@pytest.mark.parametrize(
    "call",
    [
        lambda atoms: core.neighbors(atoms, 500.0),
        lambda atoms: core.bond_graph(atoms, everything(500.0)),
        lambda atoms: core.rdf(atoms, 3000.0, width=1.0),
        lambda atoms: core.steinhardt(atoms, 500.0, centers="P", neighbors="O"),
        lambda atoms: core.environments(atoms, "P", "O", 500.0),
        lambda atoms: core.bottleneck_radius(atoms, {"P": 1.0, "O": 1.0}, spacing=0.001),
        lambda atoms: core.density_map(atoms.positions, atoms.cell, spacing=0.001),
        lambda atoms: core.structure_factor(atoms, 1e5),
        lambda atoms: core.linkage(atoms, {("P", "O"): 60.0}, centers="P"),
    ],
)
def test_a_range_that_holds_too_much_is_refused(call):
    started = time.process_time()
    with pytest.raises(InputError):
        call(gas(26, 7.3))
    assert time.process_time() - started < 20


# Whoever runs in the background of a shell inherits a SIGINT that is ignored.
LONG = """
    import signal
    import numpy as np
    from ase import Atoms
    from naglass_drv import core
    edge = 90.0
    atoms = Atoms("Na" * 40000, np.random.default_rng(0).random((40000, 3)) * edge, cell=[edge] * 3, pbc=True)
    graph = core.bond_graph(atoms, {("Na", "Na"): 3.4})
    signal.signal(signal.SIGINT, signal.default_int_handler)
    print("started", flush=True)
    core.rings(graph, max_size=16, threads=1)
    print("ended", flush=True)
"""


def test_a_long_call_is_interrupted():
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(LONG)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout.readline() == "started\n"
        time.sleep(1.0)
        os.kill(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert "KeyboardInterrupt" in err and "ended" not in out
