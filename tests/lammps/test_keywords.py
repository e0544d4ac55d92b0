"""What each style says about its keywords, and whether its page says the same."""

import re
from pathlib import Path

import pytest

from support.lammps_runs import messages
from support.lammps_styles import STYLES

pytestmark = pytest.mark.mpi

PAGES = Path(__file__).parents[2] / "docs" / "observables"
PAGE_OF = {
    "compute naglass/qn/atom": "qn.md",
    "compute naglass/rings": "rings.md",
    "compute naglass/linkage": "linkage.md",
    "compute naglass/fingerprint": "fingerprint.md",
    "compute naglass/crystal/atom": "crystal.md",
    "fix naglass/correlate": "transport.md",
    "fix naglass/crystal": "crystallites.md",
    "fix naglass/hops": "hops.md",
    "fix naglass/select": "select.md",
}
SETUP = "units metal\nregion box block 0 1 0 1 0 1\ncreate_box 1 box"
ROW = re.compile(r"  (?P<keyword>[^(:]+?)(?: \(default (?P<default>.*?)\))?: (?P<meaning>.+)")
REPEATED = "; may be repeated"


@pytest.fixture(scope="module")
def told(tmp_path_factory) -> dict[str, str]:
    """What is printed for `help`, by style, and how it ends."""
    folder = tmp_path_factory.mktemp("keywords")
    scripts = {}
    for style, page in PAGE_OF.items():
        kind, name = style.split()
        scripts[f"{style} ends"] = f"log {page}.log\n{kind} x all {name} help"
    found = messages(folder, SETUP, scripts)
    return found | {style: (folder / f"{page}.log").read_text() for style, page in PAGE_OF.items()}


def keywords(printed: str) -> dict[str, re.Match]:
    return {row["keyword"]: row for row in map(ROW.fullmatch, printed.splitlines()) if row}


def documented(page: str) -> dict[str, tuple[str, str]]:
    """By keyword, with what follows it: the cell it stands in, and the default."""
    found: dict[str, tuple[str, str]] = {}
    columns: list[str] = []
    for line in (PAGES / page).read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)]
        if "LAMMPS" in cells and "default" in cells:
            columns = cells
        elif columns and line.startswith("| "):
            row = dict(zip(columns, cells, strict=True))
            for keyword in re.findall(r"`([^`]+)`", row["LAMMPS"].replace("\\|", "|").replace("…", "...")):
                found[keyword] = (row["LAMMPS"], row["default"].replace("`", ""))
        elif not line.startswith("|"):
            columns = []
    return found


def says(cell: str, default: str) -> bool:
    """Whether the cell has the default as a whole, a number in any form."""
    try:
        return float(default) in {float(number) for number in re.findall(r"(?<![\w.])\d+(?:\.\d+)?(?![\w.])", cell)}
    except ValueError:
        return re.search(rf"(?<!\w){re.escape(default)}(?!\w)", cell) is not None


@pytest.mark.parametrize("style", PAGE_OF)
def test_the_page_has_the_keywords_of_the_style(told, style):
    assert f"{style}: help: the keywords are listed above" in told[f"{style} ends"]
    table, page = keywords(told[style]), documented(PAGE_OF[style])
    assert set(page) == set(table)
    for keyword, row in table.items():
        cell, default = page[keyword]
        assert row["default"] is None or says(default, row["default"]), keyword
        assert ("may repeat" in cell or "once per" in cell) == row["meaning"].endswith(REPEATED), keyword


def test_every_style_has_a_page():
    assert PAGE_OF.keys() == STYLES.keys()
