"""What all styles of the plugin have in common: how they read names, groups and arguments, and that they keep to their
own communicator."""

import re
from pathlib import Path

import ase.io
import pytest

from support.lammps_runs import messages, messages_of_worlds, read_dump, write_data
from support.lammps_styles import ELEMENTS, STYLES, WITHOUT_ATOMS, define, write_cell

pytestmark = pytest.mark.mpi

# Atoms swing about their places. `odd` cuts bonds; `most` lacks an ion, a metal and a former; `half` is some vanadium.
SETUP = """units metal
atom_modify map array
read_data {cell}.data {more_types}
pair_style zero 6.0
pair_coeff * *
group odd id 1:120:2
group lost id 1 19 31
group most subtract all lost
group half id 19:24
velocity all create 900 1 loop all
timestep 0.01
fix move all nve
fix cage all spring/self 3.0
"""
FIFTH = "extra/atom/types 1\nmass 5 50.9415"


def script(style: str, file: str, *, cell="cell", names=ELEMENTS, more_types="", before="", **options) -> str:
    """A run of a style that leaves its numbers in FILE.*."""
    row = STYLES[style]
    setup = SETUP.format(cell=cell, more_types=more_types) + before + "\n" + row.needs.format(names=names)
    return f"{setup}{define(style, file=file, **options)}\n{row.output.format(file=file)}\nrun {row.steps}"


def file_of(style: str, what: str) -> str:
    return f"{style} {what}".replace("/", ".").replace(" ", "-")


def numbers(folder, file: str) -> list[float]:
    """All numbers of FILE.*, without the comments, in which styles name the elements."""
    found = []
    for path in sorted(folder.glob(f"{file}.*")):
        lines = (line for line in path.read_text().splitlines() if not line.startswith("#"))
        for word in re.split(r'[\s="]+', "\n".join(lines)):
            try:
                found.append(float(word))
            except ValueError:
                continue
    assert len(set(found)) > 5
    return found


def same(expected: list[float]):
    return pytest.approx(expected, rel=1e-6, abs=1e-7, nan_ok=True)


def runs(style: str) -> dict[str, str]:
    """The scripts of a style by what they show."""
    row, more = STYLES[style], f"{ELEMENTS} V"
    group = "odd" if row.outside else "half" if row.largest else "most"
    given = {
        "whole": {},
        "other": dict(cell="other"),
        "group": dict(group=group),
        "shared": dict(more_types=FIFTH, before="set group half type 5", names=more, elements=f"elements {more}"),
    }
    if row.takes_labels:
        given["labels"] = dict(before="labelmap atom 1 Na 2 V 3 P 4 O", elements="")
    if group == "most":
        given["absent"] = dict(before="delete_atoms group lost compress no")
    return {file_of(style, what): script(style, file_of(style, what), **options) for what, options in given.items()}


FAULTY = "units metal\nread_data cell.data\npair_style zero 6.0\npair_coeff * *\n"
ALL_NAMES = r"needs one name per atom type, 4 in all, not "


def faults(style: str) -> dict[str, tuple[str, str]]:
    """By what is wrong, a script and the pattern of the message that follows the name of the style."""
    row, sound = STYLES[style], define(style)
    cases = {"color red": (f"{sound} color red", "keyword color: known are ")}
    for keyword, wrong in row.keywords.items():
        if keyword != "elements":
            cases[keyword] = (f"{sound} {keyword}", rf"{keyword} \(end of line\): an argument is missing")
        for words, pattern in wrong.items():
            cases[words.format(keyword)] = (f"{sound} {words.format(keyword)}", r"\w*" + pattern.format(keyword))
    for names, pattern in (
        ("elements Na V P", f"elements Na V P: {ALL_NAMES}3"),
        ("elements Na V P O X", f"elements Na V P O X: {ALL_NAMES}5"),
        ("elements", rf"elements \(none\): {ALL_NAMES}0"),
    ):
        # at the end, so that the number of words is what is wrong
        cases[names] = (define(style, elements="") + " " + names, pattern)
    unnamed = (
        r"\w+ \w+: no atom type has this label; give 'elements'"
        if row.takes_labels
        else r"elements \(none\): is missing"
    )
    cases["no elements"] = (define(style, elements=""), unnamed)
    if style.startswith("fix"):
        for every, problem in (("x", "a number"), ("0", "a whole number of at least 1"), ("2.5", "a whole number")):
            cases[f"N {every}"] = (define(style, every=every), f"N {every}: must be {problem}")
    if row.reads_bonds:
        reach = sound.replace("V O 2.5", "V O 6.5")
        cases["no pair style"] = (f"{sound}\npair_style none\nrun 0", "no pair style is defined")
        cases["V O 6.5"] = (f"{reach}\nrun 0", r"cutoff of types \d \d 6\.5: exceeds the pair style's cutoff of 6")
    return {fault: (FAULTY + text, pattern) for fault, (text, pattern) in cases.items()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory, committee):
    """Two cells of the same elements, an environment of vanadium and a committee of models."""
    path = tmp_path_factory.mktemp("contract")
    atoms = write_cell(path)
    atoms.rattle(0.1, seed=1)
    del atoms[1]
    write_data(path / "other.data", atoms, ELEMENTS.split())
    for archive in committee:
        (path / archive.name).symlink_to(archive)
    return path


@pytest.fixture(scope="module")
def told(folder) -> dict[str, str]:
    """LAMMPS's message for each script, all in one process."""
    scripts = {"plugins": "log plugins.log\nplugin list\nlog none"}
    for style in STYLES:
        scripts |= runs(style) | {f"{style} before the box": f"units metal\n{define(style)}"}
        scripts |= {f"{style} {fault}": text for fault, (text, _) in faults(style).items()}
    return messages(folder, "", scripts)


@pytest.fixture
def found(folder, told):
    """The numbers that a style left in one of its runs."""

    def read(style: str, what: str) -> list[float]:
        file = file_of(style, what)
        assert told[file] == "no error"
        return numbers(folder, file)

    return read


def test_the_table_has_every_style_of_the_plugin(folder, told):
    assert told["plugins"] == "no error"
    listed = re.findall(r"(\w+) style plugin (naglass/\S+)", (folder / "plugins.log").read_text())
    assert sorted([*STYLES, *WITHOUT_ATOMS]) == sorted(f"{kind} {name}" for kind, name in listed)


@pytest.mark.parametrize("style", STYLES)
def test_types_may_share_an_element(found, style):
    assert found(style, "shared") == same(found(style, "whole"))


@pytest.mark.parametrize("style", [style for style in STYLES if STYLES[style].takes_labels])
def test_type_labels_serve_where_no_elements_are_given(found, style):
    assert found(style, "labels") == same(found(style, "whole"))


@pytest.mark.parametrize("style", [style for style in STYLES if STYLES[style].outside])
def test_a_group_selects_what_is_reported_not_what_is_there(folder, found, style):
    assert found(style, "group") != found(style, "whole")
    outside = STYLES[style].outside
    seen = 0
    for frame in range(3):
        whole, part = (read_dump(folder / f"{file_of(style, what)}.dump")[frame][1] for what in ("whole", "group"))
        odd = whole[:, 0] % 2 == 1
        assert part[odd] == same(whole[odd]) and (part[~odd, 1:] == outside).all()
        seen += min((whole[odd, 1:] != outside).any(), (whole[~odd, 1:] != outside).any())
    assert seen > 0, "all atoms look as if they were outside: this would not show a group that is ignored"


@pytest.mark.parametrize("style", [style for style, row in STYLES.items() if not row.outside and not row.largest])
def test_a_group_is_as_if_the_others_did_not_exist(found, style):
    assert found(style, "group") == same(found(style, "absent"))
    assert found(style, "group") != same(found(style, "whole"))


@pytest.mark.parametrize("style", [style for style, row in STYLES.items() if row.largest])
def test_a_group_is_where_the_largest_value_is_sought(folder, found, style):
    largest = {}
    for what, part in (("whole", slice(None)), ("group", slice(18, 24))):
        frames = ase.io.read(folder / f"{file_of(style, what)}.xyz", ":")
        largest[what] = [frame.info["max_deviation"] for frame in frames]
        sought = [frame.arrays["deviation"][part].max() for frame in frames]
        assert len(frames) == 3 and largest[what] == pytest.approx(sought, abs=1e-7)
    assert not set(largest["group"]) & set(largest["whole"])


@pytest.mark.parametrize("ranks", [2, pytest.param(3, marks=pytest.mark.long)])
def test_styles_keep_to_their_communicator(folder, found, ranks):
    """Two systems side by side, each on a part of the ranks, give the numbers of each alone."""
    cells = {"cell": "whole", "other": "other"}
    scripts = [
        {style: script(style, f"{file_of(style, cell)}-of-{ranks}", cell=cell) for style in STYLES} for cell in cells
    ]
    said = messages_of_worlds(folder, "", scripts, ranks)
    assert said == [dict.fromkeys(STYLES, "no error")] * 2
    for style in STYLES:
        for cell, what in cells.items():
            assert numbers(folder, f"{file_of(style, cell)}-of-{ranks}") == same(found(style, what)), style
        assert found(style, "whole") != found(style, "other")


@pytest.mark.parametrize("style", STYLES)
def test_a_style_before_the_box_is_told_so(told, style):
    message = told[f"{style} before the box"]
    assert "simulation box" in message and "elements" not in message.split("Last input")[0]


@pytest.mark.parametrize("style", STYLES)
def test_the_table_has_every_keyword(told, style):
    known = re.search("keyword color: known are (.*), and 'help'", told[f"{style} color red"])[1]
    assert sorted(STYLES[style].keywords) == sorted(known.split(", "))


@pytest.mark.parametrize(("style", "fault"), [(style, fault) for style in STYLES for fault in faults(style)])
def test_a_bad_argument_is_named(told, style, fault):
    message, (_, pattern) = told[f"{style} {fault}"].split("Last input")[0], faults(style)[fault]
    assert re.search(f"{style}: {pattern}", message), message


def test_no_modify_api_that_lammps_removed():
    """LAMMPS 13 Nov 2026 no longer has access to fixes and computes by index."""
    removed = re.compile(r"\b(find_fix|find_compute|find_fix_by_style|nfix|ncompute)\b|modify->(fix|compute)\s*\[")
    sources = list((Path(__file__).parents[2] / "src" / "cpp").rglob("*.[ch]pp"))
    assert len(sources) > 50
    assert not [path.name for path in sources if removed.search(path.read_text())]
