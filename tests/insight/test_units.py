"""Numbers, heads and units as people write them."""

import re

import numpy as np
import pytest

from naglass_drv.errors import InputError
from naglass_drv.insight.units import converted, number, split_head, unit_text


@pytest.mark.parametrize(
    ("text", "value", "error", "bound"),
    [
        ("1.5e-9", 1.5e-9, None, 0),
        ("<1E-10", 1e-10, None, -1),
        ("≥ 3", 3.0, None, 1),
        ("1.25(4)", 1.25, 0.04, 0),
        ("4.0(5)e-9", 4.0e-9, 5e-10, 0),
        ("−2.0 ± 0.3", -2.0, 0.3, 0),
        (".5", 0.5, None, 0),
    ],
)
def test_numbers_as_people_write_them(text, value, error, bound):
    read = number(text)
    assert (read.value, read.bound) == (pytest.approx(value), bound)
    assert np.isnan(read.error) if error is None else read.error == pytest.approx(error)


def test_what_is_no_number_is_said_so():
    assert number("n/a") is None and number("") is None
    with pytest.raises(InputError, match="'1,5' is not a number; decimals take a point"):
        number("1,5")
    with pytest.raises(InputError, match="'about 3' is not a number"):
        number("about 3")
    for text in ("1e400", "-1e101", "2 ± 1e300", 1e200, np.inf):
        with pytest.raises(InputError, match=re.escape(f"'{text}' is beyond 1e+100")):
            number(text)


@pytest.mark.parametrize(
    ("head", "name", "unit"),
    [
        ("D (cm²/s)", "D", "cm^2/s"),
        ("conductivity [S cm⁻¹]", "conductivity", "S cm^-1"),
        ("temperature_K", "temperature", "K"),
        ("Na2O_mol_percent", "Na2O", "mol%"),
        ("mean_n", "mean_n", None),
        # of IUPAC
        ("D / cm² s⁻¹", "D", "cm^2 s^-1"),
        ("D/(cm2/s)", "D", "cm^2/s"),
        ("T / K", "T", "K"),
        ("temperature/°C", "temperature", "°C"),
        # ratios of elements, of T sites and of axes are none
        ("Na / P", "Na / P", None),
        ("NBO / T", "NBO / T", None),
        ("c / a", "c / a", None),
        ("V4+/V", "V4+/V", None),
        ("Na/(P)", "Na/(P)", None),
        # a temperature is never in coulombs
        ("T (C)", "T", "degC"),
        ("T_g [C]", "T_g", "degC"),
        ("charge (C)", "charge", "C"),
        ("Na₂O (mol %)", "Na2O", "mol%"),
        ("V2O5 (weight%)", "V2O5", "wt%"),
        ("share (Fe3+)", "share (Fe3+)", None),
    ],
)
def test_heads_tell_names_and_units(head, name, unit):
    assert split_head(head) == (name, unit)


def test_units_are_converted():
    assert converted(1e-5, "cm²/s", "m^2/s") == pytest.approx(1e-9)
    assert converted(25.0, "degC", "K") == pytest.approx(298.15)
    assert converted(2.0, "degC", "K", delta=True) == pytest.approx(2.0)
    with pytest.raises(InputError, match="S/m cannot be converted to m\\^2/s"):
        converted(1.0, "S/m", "m^2/s")
    with pytest.raises(InputError, match="wt% cannot be converted to mol%"):
        converted(10.0, "wt%", "mol%")
    with pytest.raises(InputError, match="'furlongs per' is not a unit"):
        converted(1.0, "furlongs per", "m")


def test_units_are_printed_as_in_sentences():
    assert [unit_text(text) for text in ("mol%", "cm^2/s", "1", "%")] == ["mol-%", "cm²/s", "", "%"]
