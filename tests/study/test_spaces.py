"""Ranges and choices: what is sampled from them, and what is no range."""

import math

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from microcircuit.config import ConfigError
from microcircuit.quantities import parse_quantity
from microcircuit.study.spaces import (
    DIGITS,
    Range,
    contains,
    extremes,
    pick,
    read_space,
    sampled,
)

KEY = "model.a"
MIDDLE = 0.5
NEAR = 20 * 10.0**-DIGITS
"""Of a range's width: how far rounding may move a sample."""


def span(low, high, scale="linear"):
    return read_space({"low": low, "high": high, "scale": scale}, KEY)


def told(given):
    with pytest.raises(ConfigError) as error:
        read_space(given, KEY)
    return str(error.value)


@pytest.mark.parametrize(
    ("low", "high", "scale", "fractions", "values"),
    [
        (0.0, 2.0, "linear", (0, 0.25, 0.5), [0.0, 0.5, 1.0]),
        (0, 2.0, "linear", (0, 0.25), [0.0, 0.5]),
        (1, 3, "linear", (0, 0.3, 0.34, 0.7, 0.999), [1, 1, 2, 3, 3]),
        (-2, -1, "linear", (0, 0.5), [-2, -1]),
        (0.01, 1.0, "log", (0, 0.5), [0.01, 0.1]),
        (1, 100, "log", (0, 0.5, 0.999), [1, 10, 100]),
        ("1 ms", "3ms", "linear", (0, 0.5), ["1.0 ms", "2.0 ms"]),
        ("1e-3 /ms", "0.1 /ms", "log", (0, 0.5), ["0.001 /ms", "0.01 /ms"]),
        ("1/ms", "2/ms", "linear", (0.5,), ["1.5 /ms"]),
    ],
)
def test_values_at_fractions_of_a_range(low, high, scale, fractions, values):
    found = [span(low, high, scale).at(fraction) for fraction in fractions]
    assert found == values
    assert [type(one) for one in found] == [type(one) for one in values]


def test_choices_have_equal_parts():
    assert [pick(["a", "b", "c"], f) for f in (0, 0.33, 0.34, 0.67, 0.999)] == list("aabcc")


def test_sampled_values_can_be_read():
    assert span(0.0, 1.0).at(1 / 3) == 0.333333
    assert span(1000.0, 1000.001).at(1 / 3) == pytest.approx(1000 + 0.001 / 3, abs=1e-8)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "model.a: is empty, so there is nothing to choose from"),
        (3, "model.a = 3: must be a list of choices, or a range { low = 0.01"),
        ({"low": 1}, "must be a list of choices, or a range"),
        ({"low": 1, "high": 2, "scal": "log"}, "unknown key 'scal'; did you mean 'scale'?"),
        ({"low": 1, "high": 2, "scale": "lin"}, "model.a.scale = 'lin': must be \"linear\" or"),
        ({"low": "1 ms", "high": "2 mV"}, "'1 ms' and '2 mV' differ in their unit"),
        ({"low": "1 ms", "high": 2}, "'1 ms' and 2 differ in their unit"),
        ({"low": 2, "high": 1}, "needs low < high, got 2 and 1"),
        ({"low": "1 ms", "high": "1 ms"}, "needs low < high, got '1 ms' and '1 ms'"),
        ({"low": 0, "high": 1, "scale": "log"}, "needs 0 < low < high, got 0 and 1"),
        ({"low": -1.0, "high": 1, "scale": "log"}, "needs 0 < low < high"),
        ({"low": -1e308, "high": 1e308}, "-1e+308 and 1e+308 are too far apart"),
        ({"low": "x", "high": 1}, "model.a.low = 'x': must be a number, with a unit or without"),
        ({"low": "1.2.3 ms", "high": 1}, "model.a.low = '1.2.3 ms': must be a number"),
        ({"low": 1, "high": True}, "model.a.high = True: must be a number"),
        ({"low": 1, "high": math.nan}, "model.a.high = nan: must be a number"),
        ({"low": 1, "high": "9e999 ms"}, "model.a.high = '9e999 ms': must be a number"),
        ({"low": 1, "high": 10**400}, "must be a number"),
        ({"low": [1], "high": 2}, "model.a.low = [1]: must be a number"),
    ],
)
def test_what_is_no_range_is_explained(given, message):
    assert message in told(given)


# Subnormal numbers have too few digits for samples between them.
finite = st.floats(-1e300, 1e300, allow_subnormal=False)


@st.composite
def ranges(draw):
    logarithmic = draw(st.booleans())
    kind = st.integers(-(10**15), 10**15) if draw(st.booleans()) else finite
    if logarithmic:
        kind = kind.map(abs).filter(bool)
    low, high = sorted(draw(st.tuples(kind, kind)))
    # Floats that are nearer leave no room for samples between them.
    assume(high - low > 1e-9 * max(abs(low), abs(high)) * isinstance(low, float))
    unit = draw(st.sampled_from(["", " ms"])) if isinstance(low, float) else ""
    ends = (f"{low!r}{unit}", f"{high!r}{unit}") if unit else (low, high)
    return span(*ends, "log" if logarithmic else "linear")


def read_back(value):
    """What a configuration makes of a value, in ms if it has a unit."""
    return float(parse_quantity(value)) * 1e3 if isinstance(value, str) else value


@given(ranges(), st.floats(0, 1, exclude_max=True))
@example(span(0, 1), 1 - 2**-53)
@example(span(10**15, 10**15 + 1), 1 - 2**-53)
@example(span(1e-300, 1e300, "log"), 0.999)
@example(span(0.12345678, 0.12345679), 0.5)
@example(span(1000000.5, 1000001.5), 0.01)
def test_samples_lie_within_their_range(space, fraction):
    value = space.at(fraction)
    assert contains(space, value)
    number = space.number(value)
    assert space.low <= number <= space.high
    assert number == pytest.approx(read_back(value), rel=1e-14)
    if space.whole:
        assert isinstance(value, int)
    else:
        assert share(space, value) == pytest.approx(fraction, abs=NEAR)


@given(st.lists(ranges(), min_size=1, max_size=3), st.integers(1, 40), st.integers(0, 5))
def test_a_latin_hypercube_has_one_sample_in_each_part_of_each_range(spaces, count, draw):
    named = {f"model.{number}": space for number, space in enumerate(spaces)}
    found = sampled(named, count, draw, evenly=True)
    assert len(found) == count
    for key, space in named.items():
        if space.whole:
            continue
        shares = sorted(share(space, changes[key]) for changes in found)
        for part, one in enumerate(shares):
            assert part / count - NEAR <= one <= (part + 1) / count + NEAR


def share(space, value):
    """How far into a range a value lies, from 0 to 1."""
    number = space.number(value)
    if space.logarithmic:
        low, high = math.log(space.low), math.log(space.high)
        return (math.log(number) - low) / (high - low)
    return (number - space.low) / (space.high - space.low)


@given(st.integers(-1000, 1000), st.integers(1, 20), st.integers(1, 5), st.integers(0, 5))
def test_a_latin_hypercube_has_every_whole_number_and_choice_equally_often(low, many, times, draw):
    named = {"model.a": span(low, low + many), "model.b": list(range(many + 1))}
    found = sampled(named, (many + 1) * times, draw, evenly=True)
    for key, first in (("model.a", low), ("model.b", 0)):
        each = [changes[key] for changes in found]
        assert [each.count(first + k) for k in range(many + 1)] == [times] * (many + 1)


def test_random_samples_are_independent():
    named = {"model.a": span(0.0, 1.0), "model.b": span(0.0, 1.0)}
    found = sampled(named, 2000, 0, evenly=False)
    first, second = ([changes[key] for changes in found] for key in named)
    assert sum(one < MIDDLE for one in first) == pytest.approx(1000, abs=100)
    assert sum(a < b for a, b in zip(first, second, strict=True)) == pytest.approx(1000, abs=100)


@pytest.mark.parametrize(
    ("space", "inside", "outside"),
    [
        (span(1, 3), [1, 2, 3, 2.0], [0, 4, "2 ms", "x", None, True]),
        (span(0.5, 1.0), [0.5, 0.7, 1], [0.4, math.nan, "0.7 ms"]),
        (span("1 ms", "2 ms"), ["1.0 ms", "1.5 ms"], [1.5, "1.5 mV", "3 ms", [1]]),
        (["a", 3], ["a", 3], ["b", 4, None]),
    ],
)
def test_what_a_space_contains(space, inside, outside):
    assert all(contains(space, value) for value in inside)
    assert not any(contains(space, value) for value in outside)


def test_extremes_have_every_choice_and_both_ends():
    found = extremes({"model.a": span("1 ms", "2 ms"), "model.b": ["x", "y", "z"]})
    assert found == (
        {"model.a": "1.0 ms", "model.b": "x"},
        {"model.a": "2.0 ms", "model.b": "x"},
        {"model.a": "1.0 ms", "model.b": "y"},
        {"model.a": "1.0 ms", "model.b": "z"},
    )


def test_a_range_is_spelled_and_read_alike():
    space = Range(low=1.0, high=2.0, unit="ms", logarithmic=False, whole=False)
    assert space.spelled(1.23456789) == "1.23457 ms"
    assert space.number("1.23457 ms") == 1.23457
