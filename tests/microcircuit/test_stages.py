"""Expressions in stages: what is evaluated first, and that nothing changes by it."""

import numpy as np
import pytest
from brian2 import Equations, ms

from microcircuit import elementary
from microcircuit.circuit import Circuit, LearningRule, Population, Projection
from microcircuit.schedule import Presentations
from microcircuit.stages import inlined, stages
from microcircuit.state import initial_state, parameter_values
from microcircuit.structure import Structure

EQUATIONS = """
dv/dt = (a - v)/(10*ms) : 1
a = b + 2*b             : 1
b = log(1 + exp(v))     : 1
c = 3*a                 : 1 (constant over dt)
d = c - b               : 1
n = 2.7*v               : integer
"""


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("v", "v"),
        ("b*v", "(log(1 + exp(v)))*v"),
        ("c + x", "c + x"),
        ("d", "(c - (log(1 + exp(v))))"),
        ("n + b", "n + (log(1 + exp(v)))"),
        ("a", "((log(1 + exp(v))) + 2*(log(1 + exp(v))))"),
    ],
)
def test_subexpressions_are_put_in_unless_they_are_stored(expression, expected):
    assert inlined(expression, Equations(EQUATIONS)) == expected


def test_what_has_no_soft_rectifier_is_one_stage():
    assert stages("y", "x - exp(2*x)") == ({}, "x - elementary_exp(2*x)")


def test_each_soft_rectifier_has_an_argument_and_a_decay():
    first, last = stages("y", "g*log(1 + exp(tanh(x))) - log(1 + exp(2*z))")
    assert list(first.items()) == [
        ("_y_argument_0", "elementary_tanh(x)"),
        ("_y_decay_0", "elementary_decay(_y_argument_0)"),
        ("_y_argument_1", "2*z"),
        ("_y_decay_1", "elementary_decay(_y_argument_1)"),
    ]
    one, other = (
        f"(elementary_positive(_y_argument_{n}) + elementary_log1p_of_fraction(_y_decay_{n}))"
        for n in (0, 1)
    )
    assert last == f"g*{one} - {other}"


@pytest.mark.parametrize("expression", ["log(1 + exp(3*x))", "x*log(1 + exp(log(1 + exp(x))))"])
def test_stages_compute_the_expression(expression):
    """To a few roundings; where exp(x) is small beside 1, extended precision is no better."""
    x = np.linspace(-4, 30, 120)
    functions = {
        elementary.PREFIX + name: function for name, function in elementary.IN_NUMPY.items()
    }
    values = {"x": x}
    first, last = stages("y", expression)
    for name, code in first.items():
        values[name] = eval(code, functions, values)
    expected = eval(expression, {"log": np.log, "exp": np.exp}, {"x": x.astype(np.longdouble)})
    np.testing.assert_allclose(
        eval(last, functions, values), expected.astype(float), rtol=1e-12, atol=0
    )


# ------------------------------------------------------------------------------ in a program

PRE, POST, STEPS = 11, 21, 3
NEURON = """
dv/dt = (x + 1 - v)/tau               : 1
twice = 2*same                        : 1 (constant over dt)
same = rate                           : 1
rate = gain*log(1 + exp(3*(v - 1)))   : 1 (constant over dt)
guess = gain*log(1 + exp(bias/tau*v*ms)) : 1
x : 1
"""
"""A stored variable needs another, which is defined after it, by way of one that is not stored."""
GAIN, BIAS, TAU = np.array([0.5, 0.8]), np.array([1.5, 0.7]), np.array([10.0, 20.0])


def softplus(x):
    return np.log1p(np.exp(x))


@pytest.mark.parametrize("device", ["cpp", "numpy"])
def test_rates_and_factors_are_those_of_the_equations(compiled, device):
    """In every step, for each replicate: an Euler step of the rule, in a few lines of numpy."""
    rng = np.random.default_rng(2)
    start, weights = rng.uniform(0, 2, (2, 1, POST)), rng.uniform(-0.1, 0.1, (2, POST, PRE))
    inputs = rng.uniform(0, 1, (2, 1, PRE))
    circuit = Circuit(
        populations=(
            Population(name="source", size=PRE, equations="r : 1", initial={"r": inputs}),
            Population(
                name="target",
                size=POST,
                equations=NEURON,
                parameters={"gain": GAIN, "bias": BIAS, "tau": TAU * ms},
                initial={"v": start},
            ),
        ),
        projections=(
            Projection(
                name="w",
                pre="source",
                post="target",
                signal="r",
                target="x",
                weights=weights,
                rule=LearningRule(
                    post_factor="twice - guess", pre_factor="r", learning_rate=0.1 / ms
                ),
            ),
        ),
        replicates=2,
    )
    structure = Structure(circuit=circuit, inputs=(), records=(), longest=STEPS, capacity=1)
    shown = Presentations(steps=np.array([STEPS]), inputs={}, learning=np.array([True]))
    values = parameter_values(structure, circuit, [1, 2])
    end = compiled(structure, device).run(initial_state(circuit), values, shown, 0).state

    v, w, dt = start[:, 0], weights.copy(), float(circuit.dt / ms)
    gain, bias, tau = GAIN[:, None], BIAS[:, None], TAU[:, None]
    for _ in range(STEPS):
        x = np.einsum("rji,ri->rj", w, inputs[:, 0])
        factor = 2 * gain * softplus(3 * (v - 1)) - gain * softplus(bias / tau * v)
        w += dt * 0.1 * factor[:, :, None] * inputs
        v = v + dt * (x + 1 - v) / tau
    np.testing.assert_allclose(end["target.v"][:, 0], v, rtol=1e-12)
    np.testing.assert_allclose(end["w.w"], w, rtol=1e-11)
