"""The arrows between the Python packages point one way, as docs/architecture.md says."""

import ast
from pathlib import Path

import pytest

import naglass_drv

PACKAGE = Path(naglass_drv.__file__).parent
EVERYWHERE = {"errors", "files", "paths", "products"}
MAY_KNOW = {
    "core": {"_core"},
    "chemistry": set(),
    "glass": {"chemistry"},
    "config": {"chemistry", "glass"},
    "runtime": set(),
    "dataset": {"core", "chemistry"},
    "engines": {"runtime", "dataset", "chemistry"},
    "analysis": {"core", "chemistry", "config"},
    "report": {"analysis", "dataset", "core", "chemistry"},
    "stages": {"report", "engines", "analysis", "dataset", "glass", "core", "chemistry", "config", "runtime"},
    "workflow": {"config", "runtime"},
}


def imported(module: Path) -> set[str]:
    """Packages or modules of naglass that `module` imports from outside its own package."""
    depth = len(module.relative_to(PACKAGE).parts)
    names = set()
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level == depth:
            names |= {node.module.split(".")[0]} if node.module else {alias.name for alias in node.names}
    return names


@pytest.mark.parametrize("package", MAY_KNOW)
def test_a_package_knows_only_what_lies_below_it(package):
    modules = sorted((PACKAGE / package).rglob("*.py"))
    assert len(modules) > 1
    for module in modules:
        known = imported(module) - EVERYWHERE - {package, "__version__"}
        assert known <= MAY_KNOW[package], f"{module.relative_to(PACKAGE)}: {known - MAY_KNOW[package]}"


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
