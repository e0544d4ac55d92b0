"""The stand-alone script with all analysis styles runs as described in its first lines."""

import re

import numpy as np
import pytest
from ase import Atoms

from naglass_drv import core
from naglass_drv.paths import data_file
from support.lammps_runs import read_dump, run_lammps

pytestmark = pytest.mark.mpi

ELEMENTS = ["Na", "V", "P", "O"]
CUTOFFS = {("P", "O"): 2.0, ("V", "O"): 2.5}


def test_glass_on_the_fly(tmp_path):
    """A shortened run; its output for the last frame equals the result of the library."""
    text = data_file("lammps_inputs", "glass_on_the_fly.in").read_text()
    text = re.sub(r"^run (\d+)$", lambda found: f"run {int(found[1]) // 2}", text, flags=re.M)
    text = text.replace("100 10 1000 c_", "1000 1 1000 c_")
    text = text.replace("thermo 1000", "dump_modify atoms sort id format float %.17g\nthermo 1000")
    done = run_lammps(tmp_path, text)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr

    cell, table = read_dump(tmp_path / "atoms.dump")[-1]
    atoms = Atoms([ELEMENTS[int(t) - 1] for t in table[:, 1]], positions=table[:, 2:5], cell=cell, pbc=True)
    assert (table[:, 5] == core.qn(atoms, CUTOFFS).n).all()
    metals = core.fingerprint(atoms, CUTOFFS)
    assert (table[metals.centers, 8] == metals.coordination).all()
    assert np.allclose(table[metals.centers, 9], metals.bond_valence, atol=1e-9)

    rings = _last_block(tmp_path / "rings.out")[:, 1]
    assert rings.tolist() == core.rings(atoms, CUTOFFS, graph_kind="tt", max_size=8).counts[1:].tolist()
    links = _last_block(tmp_path / "linkage.out")[:, 1:]
    assert links.tolist() == [list(shared) for shared in core.linkage(atoms, CUTOFFS).counts.values()]
    assert (tmp_path / "hops.out").read_text().splitlines()[1].startswith("# naglass/hops every 50 window 10")
    assert np.loadtxt(tmp_path / "transport.out")[0, 2] == 100


def test_crystal_beside_melt(tmp_path):
    """A shortened run far below and far above melting, where few steps tell."""
    grown = {}
    text = data_file("lammps_inputs", "crystal_beside_melt.in").read_text()
    text = text.replace("0 5 0 5 0 14", "0 4 0 4 0 10").replace("INF 7 INF", "INF 5 INF")
    text = text.replace("run 1000", "run 400").replace("run 5000", "run 1200")
    for temperature in ("0.50", "0.80"):
        done = run_lammps(tmp_path, text.replace("index 0.56", f"index {temperature}"))
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr
        table = core.read_table(tmp_path / "crystal.out")
        assert len(table) == 25 and (table["largest"] <= table["crystalline"]).all()
        assert (table["dimension"] >= 2)[0], "the slab extends across the cell"
        grown[temperature] = table["largest"][-5:].mean() - table["largest"][:5].mean()
    assert grown["0.50"] > 50 and grown["0.80"] < -50


def _last_block(path) -> np.ndarray:
    """Last table of a vector or array that fix ave/time wrote: a line with step and rows, then the rows."""
    lines = [line.split() for line in path.read_text().splitlines() if not line.startswith("#")]
    rows = int(lines[0][1])
    return np.array(lines[-rows:], dtype=float)
