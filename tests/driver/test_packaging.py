"""Presets, Spack package, EasyBuild recipe and module file for builds against the LAMMPS of a cluster."""

import ast
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import naglass_drv

ROOT = Path(__file__).parents[2]
PACKAGING = ROOT / "packaging"
SPACK = PACKAGING / "spack_repo" / "naglass" / "packages" / "naglass" / "package.py"
RECIPE = PACKAGING / "easybuild" / f"naglass-{naglass_drv.__version__}-foss-2024a-LAMMPS-22Jul2025.eb"
BUILD_FILES = (ROOT / "CMakeLists.txt", *sorted((ROOT / "cmake").glob("*.cmake")))


def options() -> set[str]:
    """Settings that the build knows."""
    text = "\n".join(path.read_text() for path in BUILD_FILES)
    return set(re.findall(r"(?:option|set)\((\w+) ", text)) | {"CMAKE_BUILD_TYPE"}


def test_presets_set_what_the_build_knows():
    presets = json.loads((ROOT / "CMakePresets.json").read_text())
    for preset in presets["configurePresets"]:
        assert preset["cacheVariables"].keys() <= options(), preset["name"]
    base = presets["configurePresets"][0]["cacheVariables"]
    assert base["NAGLASS_PYTHON"] == base["NAGLASS_MACE_TORCH"] == "OFF"


@pytest.mark.skipif(shutil.which("cmake") is None, reason="cmake is not installed")
def test_cmake_reads_the_presets():
    for kind in ("configure", "build"):
        done = subprocess.run(["cmake", f"--list-presets={kind}"], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert set(re.findall(r'"([\w-]+)"', done.stdout)) == {"cluster", "cluster-source", "cluster-styles"}


def test_the_spack_package_is_python_and_defines_what_the_build_knows():
    tree = ast.parse(SPACK.read_text())
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)]
    defined = {call.args[0].value for call in calls if call.func.attr.startswith("define")}
    assert {"NAGLASS_PYTHON", "LAMMPS_DIR"} <= defined <= options()
    variants = {
        node.args[0].value
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "variant"
    }
    used = {call.args[1].value for call in calls if call.func.attr == "define_from_variant"}
    assert used == variants
    assert "+plugin" in SPACK.read_text()
    # its source is the checkout that it lies in
    assert SPACK.parents[5] == ROOT


def test_the_easybuild_recipe_is_python_and_names_this_version():
    found: dict = {}
    exec(compile(RECIPE.read_text(), str(RECIPE), "exec"), found)
    assert found["version"] == naglass_drv.__version__
    assert RECIPE.name == f"{found['name']}-{found['version']}-foss-2024a{found['versionsuffix']}.eb"
    assert set(re.findall(r"-D(\w+)=", found["configopts"])) <= options()
    assert all(path.startswith("lib/naglass/plugins/") for path in found["sanity_check_paths"]["files"])


@pytest.mark.skipif(shutil.which("tclsh") is None, reason="tclsh is not installed")
def test_the_module_file_leads_lammps_to_the_plugins(tmp_path):
    """Run by Tcl with stand-ins for the commands of a module file."""
    place = tmp_path / "share" / "modulefiles" / "naglass" / "0.1.0"
    place.parent.mkdir(parents=True)
    shutil.copy(PACKAGING / "modules" / "naglass.tcl", place)
    assert place.read_text().startswith("#%Module")
    stand_ins = f"""
    proc module-whatis {{text}} {{}}
    proc conflict {{name}} {{ puts "conflict $name" }}
    proc prepend-path {{name value}} {{ puts "$name=$value" }}
    set ModulesCurrentModulefile {place}
    source {place}
    """
    done = subprocess.run(["tclsh"], input=stand_ins, capture_output=True, text=True)
    assert done.returncode == 0 and not done.stderr, done.stderr
    assert done.stdout == f"conflict naglass\nLAMMPS_PLUGIN_PATH={tmp_path}/lib/naglass/plugins\n"
