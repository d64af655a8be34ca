import doctest
import math

import pytest
from brian2 import Hz, Mohm, cm, kHz, ms, mV, nS, pF, second, uF, um, us, volt
from brian2.units.fundamentalunits import get_dimensions
from hypothesis import example, given
from hypothesis import strategies as st

from microcircuit import quantities
from microcircuit.quantities import format_quantity, parse_quantity

UNITS = ["ms", "/ms", "1/ms", "ms**-0.5", "nS/pF", "mV/ms*us", "uF/cm**2", "Hz", "s", "mvolt", ""]
finite = st.floats(allow_nan=False, allow_infinity=False)
reasonable = st.floats(-1e30, 1e30)


def same(a, b):
    return float(a) == float(b) and get_dimensions(a) == get_dimensions(b)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("20 ms", 20 * ms),
        ("20ms", 20 * ms),
        ("  -70   mV ", -70 * mV),
        ("0.1 /ms", 0.1 / ms),
        ("0.1 1/ms", 0.1 / ms),
        ("2.375e-4 1 / ms", 2.375e-4 / ms),
        ("0.1 ms**-0.5", 0.1 * ms**-0.5),
        ("0.1 ms^-0.5", 0.1 * ms**-0.5),
        ("3*mV", 3 * mV),
        ("100 Hz", 100 * Hz),
        (".5 kHz", 0.5 * kHz),
        ("1e-3 nS/pF", 1e-3 * nS / pF),
        ("1 uF/cm**2", 1 * uF / cm**2),
        ("+1. Mohm", 1 * Mohm),
        ("2 um", 2 * um),
        ("3 mvolt", 3 * mV),
        ("3 second", 3 * second),
        ("8 us*V/ms", 8 * us * volt / ms),
        ("5", 5.0),
        ("1 ms/us", float(1 * ms / us)),
    ],
)
def test_text_means_what_the_python_expression_means(text, expected):
    assert same(parse_quantity(text), expected)


def test_dimensionless_quantities_are_floats():
    assert type(parse_quantity("5")) is float
    assert type(parse_quantity("5 ms/ms")) is float


@given(number=reasonable)
def test_every_number_means_what_the_python_expression_means(number):
    assert same(parse_quantity(f"{number!r} ms"), number * ms)
    assert same(parse_quantity(f"{number!r} /ms"), number / ms)
    assert same(parse_quantity(f"{number!r} ms**-0.5"), number * ms**-0.5)
    assert same(parse_quantity(f"{number!r} nS/pF"), number * nS / pF)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "at its end: expected a number"),
        ("ms", "at 'ms' (column 1): expected a number"),
        ("20 mss", "at 'mss' (column 4): unknown unit 'mss'; did you mean 'ms'?"),
        ("3 mv", "unknown unit 'mv'; did you mean 'mV' or 'MV'?"),
        ("3 hz", "unknown unit 'hz'; did you mean 'Hz'?"),
        ("3 μs", "unknown unit 'μs'; did you mean 'us' or 'uS'?"),
        ("3 \N{MICRO SIGN}s", "did you mean 'us' or 'uS'?"),
        ("1 ms mV", "at 'mV' (column 6): expected '*' or '/' and a unit"),
        ("1 ms/", "at '/' (column 5): expected '*' or '/' and a unit"),
        ("1 1", "at '1' (column 3)"),
        ("1 ms**", "at '**' (column 5)"),
        ("1 ms**10", "at '10' (column 7): exponents go from -9"),
        ("1 ms; import os", "at '; import os' (column 5)"),
        ("nan ms", "expected a number"),
        ("٣ ms", "expected a number"),
        ("1e999 ms", "too large"),
        ("1 GV**9*GV**9*GV**9*GV**9", "too large"),
    ],
)
def test_unreadable_text_is_explained(text, message):
    with pytest.raises(ValueError) as error:  # noqa: PT011
        parse_quantity(text)
    assert message in str(error.value)
    assert repr(text) in str(error.value)


def test_an_error_says_what_is_allowed():
    with pytest.raises(
        ValueError, match=r"write a number and a unit such as '20 ms'.*units are s, V"
    ):
        parse_quantity("twenty ms")


@given(st.one_of(st.text(), st.from_regex(r"-?\d+(\.\d+)?(e\d+)? ?[1*/^mnskHVz .0-9-]*")))
@example("1 fs**9*fs**9*fs**9*fs**9")
@example("1 ms**" + "9" * 400)
@example("1" * 5000)
def test_any_text_is_a_quantity_or_a_value_error(text):
    try:
        value = parse_quantity(text)
    except ValueError:
        return
    assert math.isfinite(float(value))


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (0.1 / ms, "/ms", "0.1 /ms"),
        (100 * Hz, "/ms", "0.1 /ms"),
        (20 * ms, "ms", "20 ms"),
        (0.02 * second, "ms", "20 ms"),
        (0.1 * ms**-0.5, "ms**-0.5", "0.1 ms**-0.5"),
        (2.375e-4 / ms, "1/ms", "0.0002375 1/ms"),
        (-70 * mV, "mV", "-70 mV"),
        (-0.0 * mV, "mV", "0 mV"),
        (1e-9 * volt, "mV", "1e-06 mV"),
        (5, "", "5"),
        (0.3, "", "0.3"),
    ],
)
def test_formatted_with_few_digits(value, unit, expected):
    assert format_quantity(value, unit) == expected


@given(number=reasonable, unit=st.sampled_from(UNITS))
def test_what_was_written_in_the_unit_is_written_back_exactly(number, unit):
    value = parse_quantity(f"{number!r} {unit}")
    assert same(parse_quantity(format_quantity(value, unit)), value)


@given(digits=st.integers(-(10**9), 10**9), places=st.integers(0, 9), unit=st.sampled_from(UNITS))
def test_no_digit_is_added(digits, places, unit):
    number = digits / 10**places
    assert format_quantity(parse_quantity(f"{number!r} {unit}"), unit) == (
        f"{repr(number).removesuffix('.0')} {unit}".strip()
    )


@given(value=finite, unit=st.sampled_from(UNITS))
@example(3.613207601935259e25, "nS/pF")  # no number of nS/pF rounds to it
def test_formatting_is_stable_and_loses_one_rounding_at_most(value, unit):
    quantity = value * (parse_quantity(f"1 {unit}") / float(parse_quantity(f"1 {unit}")))
    try:
        text = format_quantity(quantity, unit)
        read = parse_quantity(text)
    except ValueError:
        assert abs(value) > 1e290  # too large to be written in a small unit
        return
    assert format_quantity(read, unit) == text
    assert float(read) == pytest.approx(value, rel=1e-15, abs=1e-300)


@pytest.mark.parametrize(
    ("value", "unit", "message"),
    [
        (3 * mV, "ms", "the unit 'V' cannot be written in 'ms'"),
        (3, "ms", "no unit cannot be written in 'ms'"),
        (3 * ms, "mss", "unknown unit 'mss'"),
        (math.nan * ms, "ms", "not finite"),
        (math.inf * ms, "ms", "not finite"),
        (1e308 * second, "ms", "too large"),
        (1 * second**27, "fs**9*fs**9*fs**9", "too large"),
    ],
)
def test_what_cannot_be_formatted_is_explained(value, unit, message):
    with pytest.raises(ValueError, match=message):
        format_quantity(value, unit)


def test_the_examples_of_the_docstrings():
    assert doctest.testmod(quantities).failed == 0
