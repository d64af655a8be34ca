"""Sweeps: drives and updates in the order that a circuit names, all within a time step."""

from dataclasses import replace

import numpy as np
import pytest
from brian2 import mV

from microcircuit.circuit import Circuit, CircuitError, LearningRule, Population, Projection
from microcircuit.population import assignments
from microcircuit.schedule import Presentations
from microcircuit.state import initial_state, parameter_values
from microcircuit.structure import Structure

SIZES = 7, 5, 3
EQUATIONS = """
total = received + 1 : 1
received : 1
sent     : 1
echo     : 1
"""
STEPS, BATCH = 6, 4


def population(name, size, **changes):
    given = {"equations": EQUATIONS, "parameters": {"gain": 0.5}}
    return Population(name=name, size=size, **(given | changes))


SOURCE = Population(name="source", size=SIZES[0], equations="value : 1")
MIDDLE = population(
    "middle",
    SIZES[1],
    updates={
        "up": "sent = gain*received",
        "down": "sent = sent + echo  # of the top\necho = total",
    },
)
TOP = population("top", SIZES[2], updates={"up": "sent = exp(-received**2)"})


def weights(post, pre):
    return np.random.default_rng([post, pre]).normal(size=(post, pre))


def projection(name, pre, post, target, **changes):
    signal = "value" if pre.name == "source" else "sent"
    given = {"signal": signal, "weights": weights(post.size, pre.size)}
    return Projection(name=name, pre=pre.name, post=post.name, target=target, **(given | changes))


LEARNT = LearningRule(post_factor="echo", pre_factor="sent", learning_rate=1e-3, at_end=True)
FIRST = projection("first", SOURCE, MIDDLE, "received")
SECOND = projection("second", MIDDLE, TOP, "received", rule=LEARNT)
BACK = projection("back", TOP, MIDDLE, "received")
SWEEPS = "first", "middle.up", "second", "top.up", "back", "middle.down", "second", "first"
CIRCUIT = Circuit(
    populations=(SOURCE, MIDDLE, replace(TOP, updates={"up": "sent = received\necho = 2*sent"})),
    projections=(FIRST, SECOND, BACK),
    batch=BATCH,
    sweeps=SWEEPS,
)


def plain(values):
    """What the circuit does, written out, from values [step, batch, neuron]."""
    first, second, back = (np.array(p.weights) for p in CIRCUIT.projections)
    echo = np.zeros((BATCH, SIZES[1]))
    for value in values:
        received = value @ first.T
        sent = 0.5 * received
        top = sent @ second.T
        top_echo = 2 * top
        received = received + top @ back.T  # the second in the sweeps to drive it: it adds
        sent, echo = sent + echo, received + 1
        second = second + 1e-3 * top_echo.T @ sent / BATCH
    return {"second.w": second, "middle.echo": echo, "middle.sent": sent, "top.sent": top}


def run(program, circuit, values, cuts=()):
    structure, state, first = program.structure, initial_state(circuit), 0
    for part in np.split(values, cuts):
        shown = Presentations(
            steps=np.ones(len(part), dtype=int),
            inputs={"source.value": part[:, None]},
            learning=np.ones(len(part), dtype=bool),
        )
        state = program.run(state, parameter_values(structure, circuit, 0), shown, first).state
        first += len(part)
    return state


@pytest.fixture
def values():
    return np.random.default_rng(2).normal(size=(STEPS, BATCH, SIZES[0]))


@pytest.mark.parametrize("device", ["numpy", "cpp"])
def test_against_the_steps_written_out(compiled, device, values):
    """Sums of some ten numbers of order one, over six steps, in another order: 1e-15 was seen."""
    structure = Structure(
        circuit=CIRCUIT, inputs=("source.value",), records=(), longest=1, capacity=STEPS
    )
    program = compiled(structure, device=device)
    state = run(program, CIRCUIT, values)
    for key, expected in plain(values).items():
        np.testing.assert_allclose(state[key][0], expected, rtol=0, atol=1e-12, err_msg=key)
    in_parts = run(program, CIRCUIT, values, cuts=(1, 4))
    for key, value in state.items():
        np.testing.assert_array_equal(in_parts[key], value, err_msg=key)


def test_assignments():
    assert assignments("a = b + 1  # why\n\n c=d==e\nf") == [
        ("a", "b + 1"),
        ("c", "d==e"),
        ("f", ""),
    ]


def test_what_is_assigned_is_state_and_no_input():
    assert MIDDLE.updated == ("echo", "sent")
    assert MIDDLE.settable == {"received"}
    assert {"middle.echo", "middle.sent"} <= set(initial_state(CIRCUIT))


@pytest.mark.parametrize(
    ("updates", "message"),
    [
        ({"up": "sent"}, "update 'up': 'sent' is no assignment"),
        ({"up": "sen = received"}, "variable.*'sen'.*'sent'"),
        ({"up": "total = received"}, "variable.*'total'"),
        ({"up": "sent = receved"}, "receved"),
        ({"up": "sent = received*volt"}, "unit"),
        ({"2up": "sent = received"}, "must start with a letter"),
    ],
)
def test_updates_that_are_refused(updates, message):
    with pytest.raises(CircuitError, match=message):
        population("middle", 5, updates=updates)


@pytest.mark.parametrize(
    ("sweeps", "message"),
    [
        ((), "'first' is missing"),
        (SWEEPS[1:-1], "'first' is missing"),
        ((*SWEEPS, "midle.up"), "step.*'midle.up'.*'middle.up'"),
        ((*SWEEPS, "middle.up"), "'middle.up' is named more than once"),
        (tuple(name for name in SWEEPS if name != "top.up"), "'top.up' is missing"),
    ],
)
def test_sweeps_that_are_refused(sweeps, message):
    with pytest.raises(CircuitError, match=message):
        replace(CIRCUIT, sweeps=sweeps)


def test_a_rate_that_is_stored_can_not_follow_an_update():
    stale = population(
        "middle",
        5,
        equations=EQUATIONS + "rate = 2*sent : 1 (constant over dt)",
        updates=dict(MIDDLE.updates),
    )
    with pytest.raises(CircuitError, match="rate is stored at the start of a step"):
        replace(CIRCUIT, populations=(SOURCE, stale, CIRCUIT.populations[2]))


def test_units_of_updates():
    with pytest.raises(CircuitError, match="unit"):
        population("middle", 5, updates={"up": "sent = gain"}, parameters={"gain": 3 * mV})
