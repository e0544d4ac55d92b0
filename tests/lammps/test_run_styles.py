"""Ways of running LAMMPS that change how it integrates and communicates, but no result: run_style respa and comm_style
tiled give the numbers of run_style verlet and comm_style brick."""

import numpy as np
import pytest

from naglass_drv import core
from support.lammps_runs import run_lammps, thermo_tables, write_data
from support.structures import crystal

pytestmark = pytest.mark.mpi

# Atoms in flight without forces, so that r-RESPA must find the positions of the Verlet scheme.
SCRIPT = """
clear
units metal
atom_modify map yes
{comm}
read_data nvp.data
{balance}
pair_style zero 4.0
pair_coeff * *
neighbor 0.5 bin
neigh_modify every 1 delay 0 check yes
group na type 1
group host subtract all na
variable moment atom "2.0*(type==2)"
compute q all naglass/qn/atom elements Na V P O metal V cutoff P O 2.0 cutoff V O 2.5
compute qs all reduce sum c_q[1] c_q[2]
compute r all naglass/rings elements Na V P O cutoff P O 2.0 cutoff V O 2.5 max 8
compute l all naglass/linkage elements Na V P O center V center P cutoff P O 2.0 cutoff V O 2.5
compute f all naglass/fingerprint elements Na V P O cutoff V O 2.5 spin v_moment
compute c all naglass/crystal/atom elements Na V P O cutoff V O 2.5 cutoff P O 2.0
compute cs all reduce sum c_c[2]
velocity all create 2000 4928 loop all
timestep 0.004
{style}
fix move all nve
fix h na naglass/hops 2 window 2 threshold 0.01 min_length 0 framework host file {name}.hops elements Na V P O &
  cutoff Na O 2.9
fix p all naglass/profile 5 elements Na V P O value c_q[1] P write 2 file {name}.profile
fix k all naglass/correlate 2 elements Na V P O framework host file {name}.table
thermo_style custom step c_qs[1] c_qs[2] c_r[6] c_r[8] c_l[2][1] c_f[1] c_f[3] c_cs f_h[1] f_k[2][4]
thermo_modify format float %.12g
thermo 10
run 20
"""
TILED = dict(comm="comm_style tiled", balance="balance 0.9 rcb")
WAYS = {
    "ordinary": {},
    "respa": dict(style="run_style respa 2 2 bond 1 pair 2"),
    "respa of three levels": dict(style="run_style respa 3 2 2 bond 1 pair 2 kspace 3"),
    "tiled": TILED,
    "tiled respa": TILED | dict(style="run_style respa 2 4 bond 1 pair 2"),
}


def script(way: str) -> str:
    words = dict(comm="", balance="", style="run_style verlet") | WAYS[way]
    return SCRIPT.format(name=way.replace(" ", "_"), **words)


@pytest.fixture(scope="module", params=[1, 2])
def runs(request, tmp_path_factory):
    """The folder of the runs on so many ranks, and the thermo table of every way; on one rank a tiling is no tiling."""
    folder = tmp_path_factory.mktemp("ways")
    ways = [way for way in WAYS if request.param == 2 or "tiled" not in way]
    write_data(folder / "nvp.data", crystal("NVP_R-3c_Na3_ewald_ordered"), ["Na", "V", "P", "O"])
    done = run_lammps(folder, "".join(script(way) for way in ways), request.param)
    assert done.returncode == 0, done.stdout[-2500:] + done.stderr
    return folder, dict(zip(ways, thermo_tables(done.stdout)))


def test_the_numbers_of_an_ordinary_run(runs):
    folder, tables = runs
    expected, events = tables["ordinary"], core.read_hops(folder / "ordinary.hops")
    assert (np.ptp(expected[:, 1:], axis=0) > 0).sum() > 5 and len(events) > 0, "hardly anything happens in this run"
    for way, found in tables.items():
        assert found == pytest.approx(expected, rel=1e-8, abs=1e-9), way
        layers, profile = (core.read_profile(folder / f"{one.replace(' ', '_')}.profile") for one in (way, "ordinary"))
        for name, column in profile.columns.items():
            assert layers[name].value == pytest.approx(column.value, rel=1e-8, nan_ok=True), (way, name)
        hops = core.read_hops(folder / f"{way.replace(' ', '_')}.hops")
        assert hops.step.tolist() == events.step.tolist() and hops.atom.tolist() == events.atom.tolist(), way
        assert hops.end == pytest.approx(events.end, abs=1e-6), way
