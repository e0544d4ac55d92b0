"""Verbs about a run and for editors: status --json, logs, retry, run --dry-run, schema, completion."""

import json
import shutil
import subprocess

import pytest

from naglass_drv.cli.editors import schema
from naglass_drv.cli.main import main
from naglass_drv.config.descriptions import OF_KEYS
from naglass_drv.runtime import status
from support.jobs import naglass

pytestmark = pytest.mark.mpi

TWO = """\
name: two
glass: {melt_ps: 0.1, quench_rate_K_per_ps: 20000, hold_ps: 0.1}
systems:
  - {name: meta, composition: {Na: 4, P: 4, O: 12}, density_g_cm3: 2.5}
  - {name: ortho, composition: {Na: 6, P: 2, O: 8}, density_g_cm3: 2.5}
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("verbs")
    (folder / "input.yaml").write_text(TWO)
    done = naglass("run", "input.yaml", cwd=folder, ranks=2)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def folder(finished, tmp_path, monkeypatch):
    shutil.copytree(finished, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    return tmp_path / "copy"


def test_status_as_json(folder, capsys):
    assert main(["status", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["state"], found["ranks"], found["calls"], found["stages"]) == ("done", 2, 1, ["glass"])
    assert {task["label"]: task["state"] for task in found["tasks"]} == {
        "meta/glass/g0": "done", "ortho/glass/g0": "done",
    }  # fmt: skip
    assert found["total_s"] > 0 and found["report"] is None and found["left_out"] == {}


def test_status_counts_the_tasks_of_all_systems(folder, capsys):
    assert main(["status"]) == 0
    text = capsys.readouterr().out
    assert ": done; 2 ranks" in text and "glass      2 of 2 done" in text


def test_logs_show_the_end_of_the_log_of_a_task(folder, capsys):
    assert main(["logs", "meta/glass/g0", "--lines", "3"]) == 0
    first, *rest = capsys.readouterr().out.splitlines()
    assert first.startswith("run/tasks/meta/glass/g0/attempt-1/") and len(rest) == 3
    for log in (folder / "run/tasks/meta/glass/g0/attempt-1").glob("log.*"):
        log.unlink()
    assert main(["logs", "meta/glass/g0"]) == 2
    assert "has no log file; what it wrote is in run/tasks/meta/glass/g0/attempt-1" in capsys.readouterr().err
    assert main(["logs", "g0"]) == 2
    assert "not unique; specify one of meta/glass/g0, ortho/glass/g0" in capsys.readouterr().err
    assert main(["logs", "nothing"]) == 2
    assert "no such task" in capsys.readouterr().err


def test_retry_redoes_a_task_that_is_done_once(folder, capsys):
    assert main(["retry", "meta/glass/g0"]) == 0
    assert "1 task to be redone by the next run" in capsys.readouterr().out
    done = naglass("run", "input.yaml", cwd=folder, ranks=2)
    assert done.returncode == 0 and "meta/glass/g0 again: requested" in done.stdout
    assert (folder / "run/tasks/meta/glass/g0/attempt-2/DONE").exists()
    assert not (folder / "run/tasks/ortho/glass/g0/attempt-2").exists()
    again = naglass("run", "input.yaml", cwd=folder, ranks=2)
    assert "meta/glass: 1 task, 1 already done" in again.stdout
    assert main(["retry", "meta/glass/g0", "absent"]) == 2


def snapshot(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


def test_a_dry_run_shows_what_would_be_run_and_writes_nothing(folder, capsys):
    before = snapshot(folder)
    assert main(["run", "input.yaml", "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[-3:] == [
        "meta/glass: 0 of 1 task to be run", "ortho/glass: 0 of 1 task to be run",
        "Nothing has to be done. Nothing was written.",
    ]  # fmt: skip
    changed = TWO.replace("name: ortho", "name: other").replace("melt_ps: 0.1", "melt_ps: 0.2")
    (folder / "input.yaml").write_text(changed)
    before = snapshot(folder)
    assert main(["run", "input.yaml", "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert "meta/glass/g0: settings.melt_ps: 0.1 -> 0.2" in out and "other/glass/g0: not done yet" in out
    assert snapshot(folder) == before
    assert main(["run", "input.yaml", "--dry-run", "--folder", "elsewhere"]) == 0
    assert not (folder / "elsewhere").exists()
    assert main(["run", "input.yaml", "--dry-run", "--folder", "."]) == 2
    assert "not empty and not a naglass run" in capsys.readouterr().err


def test_a_dry_run_says_that_a_product_is_made_anew(folder, capsys):
    (folder / "run/products/meta/glass/g0.extxyz").unlink()
    assert main(["run", "input.yaml", "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert "is made anew, since products/meta/glass/g0.extxyz is gone\n" in out and "Nothing has to" not in out


def test_a_dry_run_of_a_copy_goes_on_where_only_times_differ(folder, tmp_path):
    copy = tmp_path / "another"
    shutil.copytree(folder, copy, copy_function=shutil.copyfile)
    done = naglass("run", "input.yaml", "--dry-run", cwd=copy, ranks=2)
    assert done.returncode == 0
    first, *_, last = done.stdout.splitlines()
    assert first == (
        "meta/glass: 0 of 1 task to be run; its product is made anew with the same content, since "
        "products/meta/glass/g0.extxyz has another time, as in a copy"
    )
    assert last == "Nothing has to be done. Nothing was written." and done.stdout.count("Nothing has") == 1
    path = copy / "run/products/meta/glass/g0.extxyz"
    path.write_text(path.read_text().replace("P", "Q", 1))
    done = naglass("run", "input.yaml", "--dry-run", cwd=copy)
    assert "is made anew, since products/meta/glass/g0.extxyz has changed\n" in done.stdout


def test_a_system_that_was_left_out_is_named(folder):
    from naglass_drv.runtime import events

    events.append(folder / "run", "refused", step="meta/dataset", reason="dataset: no admitted frames")
    assert "meta/dataset: left out; dataset: no admitted frames" in status.overview(folder / "run")


def test_why_says_what_an_edited_input_makes_of_finished_tasks(folder, capsys):
    def told(name, text):
        (folder / "input.yaml").write_text(text)
        assert main(["status", "--why", name]) == 0
        return capsys.readouterr().out.splitlines()

    provenance = folder / "run/provenance.json"
    known = json.loads(provenance.read_text()) | {"input": str(folder / "input.yaml"), "source": str(folder)}
    provenance.write_text(json.dumps(known))
    before = told("meta/glass/g0", TWO)
    assert before[0] == "meta/glass/g0: done; attempt-1" and not any("input" in line for line in before)
    denser = TWO.replace("O: 8}, density_g_cm3: 2.5", "O: 8}, density_g_cm3: 2.6")
    kept = told("meta/glass/g0", denser)
    assert kept[: len(before)] == before
    changed = kept.index("changed in the input since this run was planned:")
    assert "density_g_cm3: 2.5 -> 2.6" in kept[changed + 1] and kept[changed + 2] == (
        "meta/glass/g0: holds for the input as it is now"
    )
    assert kept[changed + 3] == "other finished tasks that have to be run again:"
    assert kept[changed + 4].startswith("  ortho/glass/g0: settings.") and "2.5 -> 2.6" in kept[changed + 4]
    lost = told("ortho/glass/g0", denser)
    assert lost[-1].startswith("ortho/glass/g0: has to be run again for the input as it is now: settings.")
    assert "2.5 -> 2.6" in lost[-1]
    both = told("ortho/glass/g0", TWO.replace("melt_ps: 0.1", "melt_ps: 0.2"))
    assert "  glass.melt_ps: 0.1 -> 0.2" in both or any("glass.melt_ps: 0.1 -> 0.2" in line for line in both)
    assert [line.partition(":")[0].strip() for line in both if "settings.melt_ps: 0.1 -> 0.2" in line] == [
        "ortho/glass/g0", "meta/glass/g0"
    ]  # fmt: skip
    gone = told("ortho/glass/g0", TWO.replace("name: ortho", "name: other"))
    assert gone[-1] == (
        "ortho/glass/g0: if the input still asks for it, whether it holds is known once other/glass has been run"
    )
    damaged = told("ortho/glass/g0", TWO.replace("melt_ps", "melt_pss"))
    assert "the input is no longer valid:" in damaged and not any("holds for" in line for line in damaged)
    assert (folder / "run/input.yaml").read_text() == TWO, "nothing is written"


def test_the_schema_accepts_the_examples_and_knows_the_sections(capsys):
    assert main(["schema"]) == 0
    schema = json.loads(capsys.readouterr().out)
    assert {"system", "systems", "series", "glass", "md", "report"} <= schema["properties"].keys()
    assert "melt_temperature_K" in schema["$defs"]["Glass"]["properties"]
    assert schema["$defs"]["Glass"]["description"].startswith("Packing and melt-quench")
    assert [each["required"] for each in schema["oneOf"]] == [["system"], ["systems"], ["series"]]
    assert "redox" in schema["$defs"]["Mixture"]["properties"]
    changes = schema["$defs"]["Round"]["properties"]
    assert "time_ps" in changes["md"]["properties"] and changes["md"]["required"] == []
    assert "time_ps" in schema["$defs"]["MD"]["required"] and changes["reference"] == schema["properties"]["reference"]


def test_the_schema_describes_every_key_with_its_unit_and_bounds():
    found = schema()
    sections = {"Input": found, **found["$defs"]}
    keys = {
        f"{name}.{key}": value for name, each in sections.items() for key, value in each.get("properties", {}).items()
    }
    assert len(keys) > 130 and [key for key, value in keys.items() if not value.get("description")] == []
    assert set(OF_KEYS) <= set(keys), "described, but no key"
    melt = keys["Glass.melt_temperature_K"]
    assert melt["description"] == "Temperature of the melt. Unit: K." and (melt["minimum"], melt["maximum"]) == (
        1,
        10_000,
    )
    assert keys["Glass.quench_rate_K_per_ps"]["description"].endswith("Unit: K/ps.")
    assert {"type": "null"} not in keys["Input.glass"]["anyOf"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_knows_the_verbs_and_their_options(capsys, shell):
    assert main(["completion", shell]) == 0
    text = capsys.readouterr().out
    for word in ("validate", "status", "retry", "watch", "dry-run"):
        assert word in text
    if shell == "bash":
        script = text + 'COMP_WORDS=(naglass run --dr) COMP_CWORD=2; _naglass 2>/dev/null; echo "${COMPREPLY[@]}"\n'
        done = subprocess.run(["bash", "-c", script], capture_output=True, text=True)
        assert done.stdout == "--dry-run\n"


# what zsh's completion provides
_ZSH = """\
compdef() { print -r -- "compdef $*" }
compadd() { print -r -- "words $*" }
_files() { print -r -- files }
source ./script
typeset -a words
asked() { words=("$@") CURRENT=$#; _naglass }
asked naglass stat
asked naglass status --wa
asked naglass status /et
"""


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
def test_zsh_itself_completes_verbs_options_and_files(capsys, tmp_path):
    assert main(["completion", "zsh"]) == 0
    (tmp_path / "script").write_text(capsys.readouterr().out)
    done = subprocess.run(["zsh", "-f", "-c", _ZSH], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    bound, verbs, options, files = done.stdout.splitlines()
    assert (bound, files, done.stderr) == ("compdef _naglass naglass", "files", "")
    assert {"status", "run", "retry"} <= set(verbs.split()) and options == "words -- --help --why --json --watch"
