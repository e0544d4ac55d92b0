"""fix naglass/correlate and fix naglass/hops give the same results in a rerun of dumped frames as on the fly."""

import pytest
from test_box_flips import assert_same_hops, assert_same_table

from naglass_drv import core
from support.lammps_runs import messages, run_lammps

pytestmark = pytest.mark.mpi

BOXES = {"fixed": ("block 0 10 0 9 0 11", ""), "flipping": ("prism 0 10 0 9 0 11 4.9 0 0", "xy erate 0.6 remap x")}
SYSTEM = """
clear
units metal
atom_style atomic
region b {box}
create_box 2 b
create_atoms 1 random 10 1234 NULL
create_atoms 2 random 12 4321 NULL
mass * 10
pair_style zero 3.0
pair_coeff * *
timestep 0.002
group na type 1
group host id 11:16
"""
FIXES = """
fix c all naglass/correlate {every} elements Na O van_hove 4 0.5 framework host file {name}.table
fix h na naglass/hops {every} window 4 threshold 0.5 framework host file {name}.hops
"""
RUN = """
velocity all create 9000 1
velocity na set 30 -20 10 sum yes units box
fix n all nve
{deform}
dump images all custom 10 images.dump id type x y z ix iy iz
dump unwrapped all custom 10 unwrapped.dump id type xu yu zu
dump scaled all custom 10 scaled.dump id type xsu ysu zsu
dump wrapped all custom 10 wrapped.dump id type x y z
dump_modify images format float %.15g
dump_modify unwrapped format float %.15g
dump_modify scaled format float %.15g
run 300
"""
WAYS = {
    "images": ("rerun images.dump dump x y z ix iy iz", 10),
    "unwrapped": ("rerun unwrapped.dump dump x y z wrapped no", 10),
    "scaled": ("rerun scaled.dump dump x y z scaled yes wrapped no", 10),
    "named": ("rerun images.dump first 0 last 300 dump x y z ix iy iz box yes", 10),
    "every": ("rerun images.dump every 20 dump x y z ix iy iz", 20),
    "skip": ("rerun unwrapped.dump skip 2 dump x y z wrapped no", 20),
    "twice": ("rerun images.dump last 150 dump x y z ix iy iz\nrerun images.dump first 160 dump x y z ix iy iz", 10),
}
REFUSED = {
    "wrapped": ("rerun wrapped.dump dump x y z", 10, "no atom has image flags: the positions are wrapped"),
    "uneven": ("rerun images.dump skip 3 dump x y z ix iy iz", 10, "the last one was at step 0 and N is 10"),
}


def system(box: str, name: str, every: int) -> str:
    return SYSTEM.format(box=BOXES[box][0]) + FIXES.format(every=every, name=name)


@pytest.fixture(scope="module", params=BOXES)
def folder(request, tmp_path_factory):
    """Folder with the files of on-the-fly runs, with samples every 10 and 20 steps, and of all reruns on two ranks."""
    path = tmp_path_factory.mktemp(request.param)
    deform = BOXES[request.param][1]
    shear = f"fix shear all deform 1 {deform} units box" if deform else ""
    text = "".join(system(request.param, f"fly{n}", n) + RUN.format(deform=shear) for n in (20, 10))
    text += "".join(system(request.param, way, every) + command + "\n" for way, (command, every) in WAYS.items())
    done = run_lammps(path, text, 2)
    assert done.returncode == 0, done.stdout[-2500:] + done.stderr
    return path


@pytest.mark.parametrize("way", WAYS)
def test_a_rerun_equals_the_run(folder, way):
    every = WAYS[way][1]
    assert_same_table(folder / f"{way}.table", folder / f"fly{every}.table")
    assert_same_table(folder / f"{way}.table.van_hove", folder / f"fly{every}.table.van_hove")
    assert_same_hops(folder / f"{way}.hops", folder / f"fly{every}.hops")
    assert len(core.read_hops(folder / f"{way}.hops").step) > 0


def test_frames_that_cannot_be_followed_are_refused(folder):
    box = "flipping" if "flipping" in folder.name else "fixed"
    scripts = {}
    for case, (command, every, _) in REFUSED.items():
        for fix in FIXES.format(every=every, name="bad").split("\n")[1:3]:
            scripts[f"{case} {fix.split()[3]}"] = f"{fix.split(' file ')[0]}\n{command}"
    told = messages(folder, SYSTEM.format(box=BOXES[box][0]).replace("clear", ""), scripts)
    for case, message in told.items():
        assert case.split()[1] in message and REFUSED[case.split()[0]][2] in message
