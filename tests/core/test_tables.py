"""The text tables of the LAMMPS styles, read by naglass and by numpy."""

import numpy as np
import pytest

from naglass_drv import core
from naglass_drv.errors import InputError

HOPS = """# step tag from_x from_y from_z to_x to_y to_z p_max overlap waiting returned
# naglass/hops every 5 window 3 threshold 0.800000 release 0.300000
# tags 2-4 7
120 7 0 0 0 2 0 0 4.5 nan -1 0
150 7 2 0 0 0 0 0 4.25 0.25 30 1
# until 200 observed_steps 170
"""
CORRELATE = """# time samples origins msd_Na msd_Na_err charge charge_err
# fix naglass/correlate: 3 samples up to step 20, relative to the box
# atoms: Na 4
 0.10000000000000001 1 2 0.5 0.01 nan nan
 0.20000000000000001 2 1 1.5 nan nan nan
"""
DEVIATION = """#       step         max_devi_v         min_devi_v
           0       1.000000e-03       2.000000e-04
          10       2.000000e-03       3.000000e-04
"""


@pytest.mark.parametrize("text", [HOPS, CORRELATE, DEVIATION], ids=["hops", "correlate", "deviation"])
def test_numpy_and_we_read_the_same_names_and_numbers(tmp_path, text):
    path = tmp_path / "table"
    path.write_text(text)
    ours, theirs = core.read_table(path), np.genfromtxt(path, names=True)
    assert ours.dtype.names == theirs.dtype.names and len(ours) == 2
    for name in ours.dtype.names:
        assert np.array_equal(ours[name], theirs[name], equal_nan=True)


def test_a_file_of_hops_tells_its_rate(tmp_path):
    path = tmp_path / "hops"
    path.write_text(HOPS)
    hops = core.read_hops(path)
    assert hops.mobile.tolist() == [2, 3, 4, 7] and hops.observed_steps == 170
    assert hops.rate(0.002)[0] == pytest.approx(2 / 4 / (170 * 0.002))
    assert core.read_hops(path, observed_steps=100).rate()[0] == pytest.approx(2 / 4 / 100)
    path.write_text(HOPS.rpartition("# until")[0])  # the run was killed
    with pytest.raises(InputError, match="observed_steps = None: the length of the observation is unknown"):
        core.read_hops(path).rate()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the first line does not name the columns"),
        ("1 2\n", "line 1 has 2 columns; the first line names 0"),
        ("# a b\n1 2\n1 2 3\n", "line 3 has 3 columns; the first line names 2"),
        ("# a b\n1 two\n", "line 2 contains something other than numbers: '1 two'"),
        ("# a a\n1 2\n", "the first line does not name the columns"),
    ],
)
def test_a_line_that_does_not_fit_is_named(tmp_path, text, message):
    path = tmp_path / "table"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        core.read_table(path)


@pytest.mark.parametrize("tags", ["1-", "x", "3-1000000000", "-4"])
def test_tags_that_are_no_ranges_are_refused(tmp_path, tags):
    path = tmp_path / "hops"
    path.write_text(HOPS.replace("2-4 7", f"{tags} 7"))
    with pytest.raises(InputError, match="tags: "):
        core.read_hops(path)
