"""Frames in plain extended XYZ: read and written as ASE does, to the bit, and without importing it."""

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.calculator import all_properties
from ase.constraints import FixAtoms
from ase.io.extxyz import read_xyz, write_xyz
from hypothesis import given, settings
from hypothesis import strategies as st

from naglass_drv.dataset import plain
from naglass_drv.dataset.frames import read_frames

EXAMPLES = Path(__file__).parents[2] / "examples"


def by_ase(text: str) -> Atoms:
    return next(iter(read_xyz(io.StringIO(text), index=0)))


def written_by_ase(frame: Atoms) -> str:
    stream = io.StringIO()
    write_xyz(stream, [frame])
    return stream.getvalue()


def assert_same(one: Atoms, other: Atoms) -> None:
    assert one.info.keys() == other.info.keys() and list(one.info) == list(other.info)
    for key, value in one.info.items():
        assert type(value) is type(other.info[key]) and np.array_equal(value, other.info[key]), key
    assert one.arrays.keys() == other.arrays.keys() and list(one.arrays) == list(other.arrays)
    for key, values in one.arrays.items():
        assert values.dtype == other.arrays[key].dtype and np.array_equal(values, other.arrays[key]), key
    assert np.array_equal(one.cell.array, other.cell.array) and np.array_equal(one.pbc, other.pbc)
    assert other.calc is None


@pytest.mark.parametrize(
    "name", ["reference-set/frames-gfn1-xtb.extxyz.gz", "reference-set/frames-pbe.extxyz.gz", "quickstart/nvpo5.extxyz"]
)
def test_shipped_frames_are_plain(name):
    frames = read_frames(EXAMPLES / name)[:40]
    for frame in frames:
        disk = frame.copy()
        disk.info = {key: value.ravel() if isinstance(value, np.ndarray) else value for key, value in disk.info.items()}
        text = plain.text_of(disk)
        assert text == written_by_ase(disk)
        assert_same(plain.parse(text), by_ase(text))


NAMES = st.from_regex(r"\A[A-Za-z_][A-Za-z0-9_]{0,5}\Z").filter(lambda name: name not in plain.SPECIAL | {"pbc"})
NUMBERS = st.floats(-1e6, 1e6) | st.integers(-(10**9), 10**9)
VALUES = (
    NUMBERS
    | st.booleans()
    | st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=8)
    | st.sampled_from(["T", "1", "1e5", "nan", "inf", "1_0", "a b", "T F", "_JSON 5", "1 2", "V4+", " x", "7."])
    | st.lists(NUMBERS, min_size=1, max_size=4).map(np.array)
)


@st.composite
def frames(draw) -> Atoms:
    count = draw(st.integers(1, 3))
    symbols = draw(st.lists(st.sampled_from(["Na", "V", "P", "O"]), min_size=count, max_size=count))
    rng = np.random.default_rng(draw(st.integers(0, 9)))
    frame = Atoms(symbols, rng.normal(size=(count, 3)) * 10.0 ** draw(st.integers(-8, 4)))
    if draw(st.booleans()):
        frame.set_cell(rng.normal(size=(3, 3)) * draw(st.sampled_from([1e-7, 1.0, 20.0, 1e17])))
    frame.pbc = draw(st.tuples(*[st.booleans()] * 3))
    frame.info = draw(st.dictionaries(NAMES, VALUES, max_size=3))
    for name in draw(st.sets(NAMES, max_size=2)) - frame.info.keys():
        shape = draw(st.sampled_from([(count,), (count, 1), (count, 3)]))
        kind = draw(st.sampled_from(["f8", "f4", "i8", "i4", "U3", "O"]))
        frame.arrays[name] = (100 * rng.normal(size=shape)).astype("i8" if kind == "O" else "f8").astype(kind)
    return frame


@settings(deadline=None, max_examples=300, derandomize=True)
@given(frames())
def test_any_frame_is_written_and_read_as_by_ase_or_left_to_it(frame):
    expected = written_by_ase(frame)
    text = plain.text_of(frame)
    assert text is None or text == expected
    lines = expected.splitlines(keepends=True)
    if len(lines) != len(frame) + 2:
        return
    try:
        wanted = by_ase(expected)
    except Exception:
        wanted = None
    found = plain.parse(expected)
    assert found is None or wanted is not None
    if found is not None:
        assert_same(found, wanted)


ODD = {
    "calculator": "1\nProperties=species:S:1:pos:R:3 energy=-1.5\nNa 0 0 0\n",
    "brackets": "1\nProperties=species:S:1:pos:R:3 a=[1,2]\nNa 0 0 0\n",
    "quotes": "1\nProperties=species:S:1:pos:R:3 a='1 2'\nNa 0 0 0\n",
    "comma": "1\nProperties=species:S:1:pos:R:3 a=1,2\nNa 0 0 0\n",
    "word": "1\nProperties=species:S:1:pos:R:3 a\nNa 0 0 0\n",
    "twice": "1\nProperties=species:S:1:pos:R:3 a=1 a=2\nNa 0 0 0\n",
    "not a number": "1\nProperties=species:S:1:pos:R:3 a=nan\nNa 0 0 0\n",
    "logical column": "1\nProperties=species:S:1:pos:R:3:a:L:1\nNa 0 0 0 T\n",
    "other order": "1\nProperties=pos:R:3:species:S:1\n0 0 0 Na\n",
    "further column": "1\nProperties=species:S:1:pos:R:3\nNa 0 0 0 5\n",
    "short lattice": '1\nLattice="1 0 0" Properties=species:S:1:pos:R:3\nNa 0 0 0\n',
    "unknown element": "1\nProperties=species:S:1:pos:R:3\nQq 0 0 0\n",
    "atomic number": "1\nProperties=species:S:1:pos:R:3\n11 0 0 0\n",
    "large integer": "1\nProperties=species:S:1:pos:R:3:a:I:1\nNa 0 0 0 99999999999\n",
    "one direction": "1\nProperties=species:S:1:pos:R:3 pbc=T\nNa 0 0 0\n",
    "separator": "1\nProperties=species:S:1:pos:R:3 a=x\x1cy\nNa 0 0 0\n",
    "no comment": "1\n\nNa 0 0 0\n",
}


@pytest.mark.parametrize("name", ODD)
def test_what_is_not_plain_is_left_to_ase(name):
    found = plain.parse(ODD[name])
    if name == "no comment":
        assert_same(found, by_ase(ODD[name]))
    else:
        assert found is None


def test_frames_with_more_than_text_are_left_to_ase():
    frame = Atoms("Na", [[0, 0, 0]])
    frame.set_constraint(FixAtoms([0]))
    assert plain.text_of(frame) is None
    for info in ({"a": None}, {"a": [1, 2]}, {"a": np.eye(2)}, {"a": 'say "x"'}, {"stress": np.ones(9)}, {"a b": 1}):
        assert plain.text_of(Atoms("Na", [[0, 0, 0]], info=info)) is None, info
    assert set(all_properties) <= plain.SPECIAL, "ASE knows a further property"


def test_plain_frames_do_not_import_what_is_slow(tmp_path):
    code = (
        "import sys; from pathlib import Path; from naglass_drv.dataset.frames import read_frames, write_frames\n"
        f"frames = read_frames(Path({str(EXAMPLES / 'quickstart/nvpo5.extxyz')!r}))\n"
        f"write_frames(Path({str(tmp_path / 'a.extxyz')!r}), frames)\n"
        "print(sorted({'ase.io', 'scipy'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
