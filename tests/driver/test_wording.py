"""Numbers in sentences: one frame, two frames, and digits that show what is said of a value."""

import pytest

from naglass_drv.config.schema import Audit
from naglass_drv.dataset.audit import Limits, audit, table_of
from naglass_drv.dataset.gate import net_force_fault, stress_fault
from naglass_drv.stages.criteria import RoundFacts, criteria
from naglass_drv.wording import counted, digits, duration, outside, span, to_error, with_error, without_error
from support.labeled import cell


@pytest.mark.parametrize(
    ("number", "noun", "text"),
    [
        (1, "frame", "1 frame"), (0, "frame", "0 frames"), (2, "process", "2 processes"),
        (3, "trajectory", "3 trajectories"), (2, "melt-quench of 26 atoms", "2 melt-quenches of 26 atoms"),
    ],
)  # fmt: skip
def test_one_and_several(number, noun, text):
    assert counted(number, noun) == text


@pytest.mark.parametrize(
    ("value", "low", "high", "form", "text"),
    [
        (3.95, 4.0, 9.0, ".1f", "3.95"), (2.0, 4.0, 9.0, ".1f", "2.0"), (9.004, 4.0, 9.0, ".1f", "9.004"),
        (1000.04, 0.0, 1000.0, ".4g", "1000.04"), (0.5, 0.5, 0.5, ".3g", "0.5"),
        (float("inf"), 0.0, 1.0, ".1f", "inf"), (float("nan"), 0.0, 1.0, ".1f", "nan"),
    ],
)  # fmt: skip
def test_a_value_outside_its_range_has_the_digits_that_show_it(value, low, high, form, text):
    assert outside(value, low, high, form) == text


def test_faults_and_audits_are_worded_by_it():
    assert net_force_fault(0.05004, 0.05) == "the net force is 0.05004 eV/Å, above 0.05"
    frame = cell("Na3PO4")
    frame.info["REF_stress"] = 6.2417 * 1.0000001 * (frame.cell.array * 0 + [[1, 0, 0], [0, 1, 0], [0, 0, 1]])
    assert "a stress of 1000.03 GPa, above 1000: " in stress_fault(frame.info["REF_stress"], 1000.0)
    result, _ = audit([frame], ["a"], Limits(**Audit().model_dump()))
    assert table_of(result).startswith("1 frame, 8 atoms, 1 composition, 1 group, level ")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.123, "0.12 s"), (114, "110 s"), (125, "2.1 min"), (9000, "2.5 h"), (3.9e5, "4.5 days"), (1.2e7, "140 days")],
)
def test_forecasts_have_two_digits(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "count", "text"),
    [(99.6, 2, "100"), (1000.0, 3, "1000"), (12345.6, 3, "12300"), (-0.0123, 2, "-0.012"), (0, 2, "0")],
)
def test_digits_without_a_power_of_ten(value, count, text):
    assert digits(value, count) == text


def test_no_number_of_a_page_or_a_decision_is_written_as_by_a_computer():
    """99.6 % is not 1e+02 %, 1234 to 2345 MPa not 1.23e+03 to 2.35e+03."""
    assert span(1234.0, 2345.6) == "1230 to 2350" and with_error(12345.6, None) == "12350"
    facts = {"g0-600K": {"environments": 1000, "uncertain_environments": 996, "reached_most": False}}
    one = RoundFacts(facts, {"forces_rmse_meV_per_A": 123.4, "forces_rmse_meV_per_A_err": 11.2})
    stop = {"uncertain_percent": 2, "error_change_percent": 5}
    words = [each["words"] for each in criteria(one, one, stop)]
    assert words[0].startswith("100 % and then 100 % of the environments")
    assert words[1].startswith("held-out force error 123 ± 11 and then 123 ± 11 meV/Å")


@pytest.mark.parametrize(
    ("value", "text"),
    # 3 and 28 of 32, 4 of 2000 less than all
    [(3 / 32, "0.094"), (28 / 32, "0.88"), (0.998, "0.998"), (0.5, "0.5"), (89 / 16, "5.56"), (33.6513, "33.7"),
     (0.0, "0"), (1.0, "1"), (17, "17"), (-5.4321, "−5.43"), (1234.5, "1234"), (4e-7, "4 × 10⁻⁷")],
)  # fmt: skip
def test_a_value_without_an_error_shows_no_more_digits_than_it_may_have(value, text):
    assert without_error(value) == text


@pytest.mark.parametrize(
    ("value", "err", "rounded"),
    [(-0.2365, 0.178, -0.24), (-0.0581, 0.178, -0.06), (1.2345e-9, 4e-10, 1.2e-9), (0.04, 0.9, 0.0), (3.25, 0.0, 3.25)],
)
def test_a_value_has_the_decimals_of_its_error(value, err, rounded):
    assert to_error(value, err) == pytest.approx(rounded, rel=1e-12)
