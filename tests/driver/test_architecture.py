"""The arrows between the Python packages point one way, as docs/architecture.md says."""

import ast
import sys
from pathlib import Path

import pytest

import naglass_drv

PACKAGE = Path(naglass_drv.__file__).parent
GROUND = {"errors", "fields", "files", "paths", "products", "wording", "__version__"}
CORE = {"core", "chemistry"}
MAY_KNOW = {
    "chemistry": set(),
    "core": {"_core", "chemistry"},
    "runtime": set(),
    "config": {"chemistry", "glass", "runtime"},
    "dataset": CORE,
    "glass": {"chemistry"},
    "interface": CORE | {"dataset", "glass"},
    "engines": {"runtime", "dataset", "chemistry"},
    "foreign": {"engines", "dataset", "chemistry"},
    "analysis": CORE | {"config"},
    "report": CORE | {"analysis", "dataset"},
    "insight": CORE | {"report", "analysis", "dataset"},
    "stages": CORE | {
        "report", "insight", "foreign", "engines", "analysis", "interface", "dataset", "glass", "config", "runtime",
    },
    "workflow": {"config", "runtime"},
    "cli": CORE | {
        "workflow", "stages", "foreign", "insight", "report", "engines", "analysis", "interface", "dataset", "config",
        "runtime",
    },
    # rooms inside a room
    "engines/lammps": {"runtime"},
    "engines/mace": {"runtime", "dataset", "chemistry"},
    "engines/mlip": {"engines/mace", "runtime", "chemistry"},
    "engines/cp2k/parse": set(),
    "engines/cp2k/theory": {"engines/cp2k", "chemistry"},
    "engines/cp2k/write": {"engines/cp2k", "engines/cp2k/theory", "dataset", "chemistry"},
    "engines/cp2k/run": {
        "engines/cp2k", "engines/cp2k/parse", "engines/cp2k/theory", "engines/cp2k/write", "runtime", "dataset",
        "chemistry",
    },
}  # fmt: skip


def modules() -> dict[str, Path]:
    """Dotted names below the package; a package by its own name."""
    paths = {path.relative_to(PACKAGE).with_suffix("").parts: path for path in sorted(PACKAGE.rglob("*.py"))}
    return {".".join(parts[:-1] if parts[-1] == "__init__" else parts): path for parts, path in paths.items()}


def imported(path: Path, names: dict[str, Path]) -> set[str]:
    """The modules of naglass that the one at `path` imports anywhere, inside functions too."""
    package, found = path.relative_to(PACKAGE).parts[:-1], set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = [*package[: len(package) - node.level + 1], *(node.module.split(".") if node.module else [])]
            for alias in node.names:
                whole = ".".join([*base, alias.name])
                found.add(whole if whole in names or whole in GROUND | {"_core"} else ".".join(base))
    return found


def room(name: str) -> str:
    """The innermost room that holds a module; "engines/cp2k" for what stands beside the rooms in it."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        if (inner := "/".join(parts[:length])) in MAY_KNOW or inner == "engines/cp2k":
            return inner
    return parts[0]


@pytest.mark.parametrize("package", MAY_KNOW)
def test_a_room_knows_only_what_lies_below_it(package):
    names = modules()
    inside = [name for name in names if name.replace(".", "/").startswith(f"{package}/")]
    assert inside
    for name in inside:
        for other in imported(names[name], names):
            place = room(other)
            allowed = {place, place.split("/")[0]} & (MAY_KNOW[package] | GROUND)
            assert allowed or f"{place}/".startswith(f"{package}/"), f"{name} imports {other}"


def test_every_room_has_its_row():
    assert {name.split(".")[0] for name in modules() if "." in name} == {name for name in MAY_KNOW if "/" not in name}


def test_no_import_leads_back_to_where_it_came_from():
    """Circles of modules, imports inside functions included."""
    names = modules()
    knows = {name: imported(path, names) & names.keys() - {"", name} for name, path in names.items()}
    while leaves := [name for name, others in knows.items() if not others & knows.keys()]:
        for name in leaves:
            del knows[name]
    assert {name: sorted(others & knows.keys()) for name, others in knows.items()} == {}


def test_no_file_is_too_long_to_be_read_in_one_go():
    root = Path(__file__).parents[2]
    paths = [path for part in ("python", "src", "tests") for path in (root / part).rglob("*")]
    lengths = {path: len(path.read_text().splitlines()) for path in paths if path.suffix in (".py", ".cpp", ".hpp")}
    assert len(lengths) > 300
    assert {str(path.relative_to(root)): lines for path, lines in lengths.items() if lines > 400} == {}


def test_ase_reads_and_writes_are_not_used():
    """ase.io.read and write are collective once mpi4py is loaded: one rank alone would wait for ever."""
    used = []
    for module in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(module.read_text())):
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                names = {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
            else:
                names = {alias.name for alias in node.names} if isinstance(node, ast.Import) else set()
            if "ase.io" in names:
                used.append(f"{module.relative_to(PACKAGE)}:{node.lineno}")
    assert used == []


def test_the_version_stands_once():
    """In the package; the build files take it from there, and the citation names the same."""
    root = Path(__file__).parents[2]
    for name in ("pyproject.toml", "CMakeLists.txt"):
        assert naglass_drv.__version__ not in (root / name).read_text(), name
    assert f"version: {naglass_drv.__version__}\n" in (root / "CITATION.cff").read_text()


def test_no_script_hides_a_module_of_python():
    """The folder of a script comes first when it imports: with a profile.py beside it, torch cannot be imported."""
    names = {script.stem for script in (Path(__file__).parents[2] / "benchmarks").glob("*.py")}
    assert names and not names & sys.stdlib_module_names
