import dataclasses
import doctest
import json
import math
import pickle
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

import numpy as np
import pytest
from brian2 import Hz, Quantity, ms, mV, second, volt
from brian2.units.fundamentalunits import get_dimensions
from hypothesis import given
from hypothesis import strategies as st
from pydantic import NonNegativeFloat, PositiveInt

from microcircuit import parameters as module
from microcircuit.parameters import (
    NON_NEGATIVE,
    POSITIVE,
    In,
    ParameterError,
    Problem,
    in_own_units,
    parameters,
    resolved,
)


@parameters
class Example:
    """Parameters of every kind."""

    areas: tuple[PositiveInt, ...] = (30, 20, 10)
    g_leak: Annotated[Quantity, In("/ms"), POSITIVE] = 0.1 / ms
    tau_weights: Annotated[Quantity, In("ms"), POSITIVE] | None = 30 * ms
    sigma: Annotated[Quantity, In("ms**-0.5"), NON_NEGATIVE] = 0.1 * ms**-0.5
    v_rest: Annotated[Quantity, In("mV")] = mV
    delays: tuple[Annotated[Quantity, In("ms"), POSITIVE], ...] = (1 * ms, 2 * ms)
    ratio: Annotated[Quantity, In("")] = 3
    learning_rate: NonNegativeFloat = 0.5
    transfer: Literal["soft-rectifier", "logistic"] = "soft-rectifier"


@parameters
class Window:
    """Parameters with a condition on two of them, and one that has no default."""

    end: Annotated[Quantity, In("ms")]
    start: Annotated[Quantity, In("ms")] = 0 * ms

    def __post_init__(self):
        if self.start >= self.end:
            raise ValueError("start must be before end")


def lines(cls=Example, **values):
    with pytest.raises(ParameterError) as error:
        cls(**values)
    return str(error.value).splitlines()


def test_defaults_are_quantities_of_the_declared_dimension():
    example = Example()
    assert example.g_leak == 100 * Hz
    assert get_dimensions(example.sigma) == get_dimensions(1 / second**0.5)
    assert type(example.v_rest) is Quantity
    assert type(example.ratio) is float


def test_text_and_quantities_give_the_same_parameters():
    assert Example(g_leak="0.3 /ms", tau_weights="0.02 s", delays=["5 ms"]) == Example(
        g_leak=0.3 / ms, tau_weights=20 * ms, delays=(5 * ms,)
    )


def test_parameters_are_frozen_and_keyword_only():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Example().g_leak = 1 / ms
    with pytest.raises(TypeError):
        Example((1, 2))


def test_replace_validates_again():
    example = dataclasses.replace(Example(areas=[2, 1]), tau_weights=None)
    assert example.areas == (2, 1)
    assert example.tau_weights is None
    with pytest.raises(ParameterError, match="tau_weights = '3 mV'"):
        dataclasses.replace(example, tau_weights="3 mV")


def test_parameters_survive_pickling():
    example = Example(g_leak=0.3 / ms)
    assert pickle.loads(pickle.dumps(example)) == example


@pytest.mark.parametrize(
    ("values", "line"),
    [
        (
            {"tau_weights": 3 * mV},
            "tau_weights = 3. mV: has the unit 'V'; expected the unit 'ms', such as '1 ms'",
        ),
        (
            {"tau_weights": "3 mV"},
            "tau_weights = '3 mV': has the unit 'V'; expected the unit 'ms', such as '1 ms'",
        ),
        (
            {"sigma": 0.1},
            "sigma = 0.1: has no unit; expected the unit 'ms**-0.5', such as '1 ms**-0.5'",
        ),
        ({"ratio": "1 mV"}, "ratio = '1 mV': has the unit 'V'; expected a plain number"),
        ({"ratio": True}, "ratio = True: is not a quantity; expected a plain number"),
        ({"ratio": 10**400}, f"ratio = {'1' + 79 * '0'}...: is not finite"),
        ({"g_leak": "0 /ms"}, "g_leak = '0 /ms': must be greater than 0"),
        ({"sigma": "-1 ms**-0.5"}, "sigma = '-1 ms**-0.5': must not be negative"),
        ({"g_leak": math.inf * Hz}, "g_leak = inf YHz: is not finite"),
        ({"v_rest": math.nan * volt}, "v_rest = nan V: is not finite"),
        ({"v_rest": [1, 2] * mV}, "v_rest = [1. 2.] mV: is an array; expected a single quantity"),
        (
            {"v_rest": None},
            "v_rest = None: is not a quantity; expected the unit 'mV', such as '1 mV'",
        ),
        ({"delays": ["1 ms", "-2 ms"]}, "delays[1] = '-2 ms': must be greater than 0"),
        ({"areas": (3, 0)}, "areas[1] = 0: should be greater than 0"),
        ({"areas": 3}, "areas = 3: should be a valid tuple"),
        ({"learning_rate": math.nan}, "learning_rate = nan: should be a finite number"),
        ({"transfer": "relu"}, "transfer = 'relu': should be 'soft-rectifier' or 'logistic'"),
    ],
)
def test_a_wrong_value_is_explained_in_one_line(values, line):
    assert lines(**values) == [line]


def test_unreadable_text_is_explained():
    (line,) = lines(tau_weights="3 mss")
    assert line.startswith("tau_weights = '3 mss': cannot read '3 mss' as a quantity: at 'mss'")
    assert "did you mean 'ms'?" in line


def test_an_unknown_key_is_named_with_the_nearest_known_one():
    (line,) = lines(sigm=1)
    assert line.startswith("sigm: unknown key 'sigm'; did you mean 'sigma'? Known: areas, delays")


@pytest.mark.parametrize("key", ["self", "__dataclass_self__", "", "a b", "__init__"])
def test_no_key_confuses_construction(key):
    assert len(lines(**{key: 1})) == 1


def test_all_problems_are_reported_together():
    assert [line.split()[0] for line in lines(areas=[0], sigm=1, g_leak=3)] == [
        "sigm:",
        "areas[0]",
        "g_leak",
    ]


def test_a_key_without_default_must_be_given():
    assert lines(Window) == ["end: is missing"]


def test_a_condition_on_several_keys():
    assert Window(end="1 ms").start == 0 * ms
    assert lines(Window, end="1 ms", start="2 ms") == ["start must be before end"]


def test_lines_can_name_the_section():
    error = ParameterError((Problem("a", " = 1: is wrong"), Problem("", ": is inconsistent")))
    assert error.lines("model") == ["model.a = 1: is wrong", "model: is inconsistent"]
    assert pickle.loads(pickle.dumps(error)).problems == error.problems


def test_a_default_is_validated_too():
    @parameters
    class Wrong:
        """A default of the wrong dimension."""

        tau: Annotated[Quantity, In("ms")] = 3 * mV

    assert lines(Wrong)[0].startswith("tau = 3. mV: has the unit 'V'")


def test_what_is_absent_for_a_reason_is_told_so():
    @parameters
    class Still:
        absent: ClassVar[Mapping[str, str]] = {"speed": "it does not move"}

        size: int = 1

    with pytest.raises(ParameterError, match=r"^speed: it does not move$"):
        Still(speed=3)
    assert resolved(Still()) == {"size": 1}


def test_a_subclass_adds_parameters():
    @parameters
    class More(Example):
        """One more."""

        tau: Annotated[Quantity, In("ms")] = 5 * ms

    more = More(g_leak="0.2 /ms")
    assert (more.tau, more.g_leak) == (5 * ms, 0.2 / ms)


def test_an_unknown_unit_shows_where_it_is_declared():
    with pytest.raises(ValueError, match="unknown unit 'mss'"):
        In("mss")


def test_resolved_is_plain_data():
    plain = resolved(Example(tau_weights=None))
    assert plain == {
        "areas": [30, 20, 10],
        "g_leak": "0.1 /ms",
        "tau_weights": None,
        "sigma": "0.1 ms**-0.5",
        "v_rest": "1 mV",
        "delays": ["1 ms", "2 ms"],
        "ratio": "3",
        "learning_rate": 0.5,
        "transfer": "soft-rectifier",
    }
    assert json.loads(json.dumps(plain)) == plain


@pytest.mark.parametrize(
    ("name", "given", "text"),
    [
        ("g_leak", 0.3, "0.3 /ms"),
        ("g_leak", 2, "2 /ms"),
        ("v_rest", -1e-05, "-1e-05 mV"),
        ("v_rest", np.float32(0.5), "0.5 mV"),
        ("tau_weights", 20, "20 ms"),  # optional
        ("delays", [1, 2.5], ["1 ms", "2.5 ms"]),  # in a tuple
        ("delays", ["1 s", 2], ["1 s", "2 ms"]),
    ],
)
def test_plain_numbers_are_given_the_parameters_unit(name, given, text):
    assert in_own_units(Example, {name: given}) == {name: text}


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("tau_weights", None),
        ("tau_weights", "0.02 s"),
        ("tau_weights", True),
        ("ratio", 3),
        ("areas", [3, 2]),
        ("learning_rate", 0.5),
        ("transfer", "logistic"),
        ("absent", 1),
    ],
)
def test_what_needs_no_unit_is_left_alone(name, given):
    assert in_own_units(Example, {name: given}) == {name: given}


@given(st.floats(-1e12, 1e12))
def test_a_plain_number_means_what_it_says(value):
    example = Example(**in_own_units(Example, {"v_rest": value}))
    assert example.v_rest == Example(v_rest=f"{value!r} mV").v_rest
    assert float(example.v_rest) == pytest.approx(1e-3 * value, rel=1e-15)


positive = st.floats(1e-12, 1e12)
examples = st.builds(
    Example,
    areas=st.lists(st.integers(1)),
    g_leak=positive.map(lambda x: x * Hz),  # most have no exact number of 1/ms
    tau_weights=st.none() | positive.map(lambda x: x * second),
    sigma=st.floats(0, 1e12).map(lambda x: x / second**0.5),
    v_rest=st.floats(-1e12, 1e12).map(lambda x: x * volt),
    delays=st.lists(positive.map(lambda x: f"{x} s"), max_size=3),
    ratio=st.integers(-10, 10) | st.floats(-1, 1).map(np.float32),
    learning_rate=st.floats(0, 1e300),
    transfer=st.sampled_from(["soft-rectifier", "logistic"]),
)


@given(examples)
def test_what_is_resolved_constructs_the_same_parameters(example):
    again = Example(**resolved(example))
    assert again == example
    assert resolved(again) == resolved(example)


@given(positive)
def test_validation_changes_a_value_by_one_rounding_at_most(value):
    assert float(Example(g_leak=value * Hz).g_leak) == pytest.approx(value, rel=1e-15)
    assert Example(g_leak=value / ms).g_leak == value / ms


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.dates(),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(), values, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(list(resolved(Example()))) | st.text(), anything))
def test_whatever_is_given_either_is_valid_or_is_explained(values):
    try:
        example = Example(**values)
    except ParameterError:
        return
    assert Example(**resolved(example)) == example


def test_the_examples_of_the_docstrings():
    assert doctest.testmod(module).failed == 0
