"""Runs every style and pair_style mace of a naglass built for another LAMMPS on one and two ranks.

Called by build_other_lammps.sh as `run_other_lammps.py LAMMPS PLUGINS WORK`: LAMMPS is the install prefix, PLUGINS the
folder of the built plugins, WORK a folder for the runs.
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "python")]

from naglass_drv import core  # noqa: E402
from naglass_drv.engines.mace.export import export_module  # noqa: E402
from naglass_drv.engines.mace.modelfile import default_dtype  # noqa: E402
from support.lammps_runs import thermo_tables, write_data  # noqa: E402
from support.mace_models import ELEMENTS, build_model, packing  # noqa: E402
from support.structures import crystal  # noqa: E402

NVP = crystal("NVP_R-3c_Na3_ewald_ordered")
STYLES = """
units metal
atom_modify map yes
read_data nvp.data
pair_style zero 4.0
pair_coeff * *
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
velocity all create 900 4928 loop all
fix move all nve
fix h na naglass/hops 5 window 2 threshold 0.01 min_length 0 framework host file {ranks}.hops elements Na V P O &
  cutoff Na O 2.9
fix k all naglass/correlate 5 elements Na V P O framework host file {ranks}.table
thermo_style custom step c_qs[1] c_qs[2] c_r[6] c_r[8] c_l[2][1] c_f[1] c_f[3] c_cs f_h[1] f_k[2][4]
thermo_modify format float %.12g
thermo 50
run 100
"""
MACE = """
units metal
newton {newton}
read_data glass.data
pair_style mace out_file {ranks}.devi out_freq 5
pair_coeff * * a.naglass b.naglass O Na P V
compute m all mace/atom energy deviation
compute ms all reduce sum c_m[1]
velocity all create 900 4928 loop all
fix move all nve
fix s all naglass/select 5 band 0 9 file {ranks}.xyz elements O Na P V
thermo_style custom step pe pxx pyy pzz c_ms f_s[1] f_s[2]
thermo_modify format float %.12g
thermo 10
run 20
"""


def run(lammps: Path, plugins: str, folder: Path, name: str, script: str, ranks: int) -> np.ndarray:
    (folder / f"{name}.in").write_text(script)
    environment = os.environ | {
        "LAMMPS_PLUGIN_PATH": plugins,
        "LD_LIBRARY_PATH": ":".join(str(p) for p in lammps.glob("lib*")),
        "OMP_NUM_THREADS": "1",
    }
    start = [os.environ.get("MPIRUN", "mpirun.openmpi"), "--allow-run-as-root", "--oversubscribe", "-n", str(ranks)]
    command = [*start, str(lammps / "bin" / "lmp"), "-in", f"{name}.in", "-log", "none"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600)
    if done.returncode != 0:
        raise SystemExit(f"{name} on {ranks} ranks failed:\n{done.stdout[-3000:]}{done.stderr[-2000:]}")
    return np.array(thermo_tables(done.stdout)[-1])


def main(lammps: Path, plugins: str, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    write_data(folder / "nvp.data", NVP, ["Na", "V", "P", "O"])
    write_data(folder / "glass.data", packing(26, 14.0, tilt=True, seed=1), ELEMENTS)
    with default_dtype("float64"):
        for seed, name in ((7, "a"), (8, "b")):
            export_module(build_model(hidden="8x0e", r_max=3.5, seed=seed), folder / f"{name}.naglass")
    for name, script in (("styles", STYLES), ("mace", MACE)):
        found = {r: run(lammps, plugins, folder, name, script.format(ranks=r, newton="on"), r) for r in (1, 2)}
        for ranks, rows in found.items():
            print(f"{name} on {ranks} ranks:\n{rows}")
        np.testing.assert_allclose(found[2], found[1], rtol=1e-6, atol=1e-9)
    first = run(lammps, plugins, folder, "styles", STYLES.format(ranks=1), 1)[0]
    cutoffs = {("P", "O"): 2.0, ("V", "O"): 2.5}
    qn = core.qn(NVP, cutoffs)
    assert [first[1], first[2]] == [qn.n.sum(), qn.m.sum()], "compute naglass/qn/atom"
    assert first[6] == (np.array(NVP.get_chemical_symbols()) == "V").sum(), "compute naglass/fingerprint"
    assert core.read_hops(folder / "2.hops").step.tolist() == core.read_hops(folder / "1.hops").step.tolist()
    print("every style and pair_style mace: the same on one and two ranks, and as the library finds")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), sys.argv[2], Path(sys.argv[3]).resolve())
