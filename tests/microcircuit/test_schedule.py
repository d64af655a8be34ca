"""Schedules become tables of stimuli, and what does not fit is refused before anything runs."""

import numpy as np
import pytest
from brian2 import ms

from microcircuit.circuit import Circuit, CircuitError, Population
from microcircuit.schedule import (
    Presentations,
    Schedule,
    input_shape,
    input_size,
    tables,
)

EQUATIONS = "dv/dt = gain*(drive - v)/tau : 1\ndrive : 1"


def circuit(replicates=1, batch=1):
    cells = Population(
        name="cells", size=3, equations=EQUATIONS, parameters={"tau": 5 * ms, "gain": 1}
    )
    return Circuit(populations=(cells,), replicates=replicates, batch=batch)


def presentations(count=2, **inputs):
    return Presentations(
        steps=np.full(count, 10),
        inputs={key.replace("__", "."): value for key, value in inputs.items()},
        learning=np.ones(count, dtype=bool),
    )


@pytest.mark.parametrize(("presentations", "longest"), [(0, 10), (10, 0)])
def test_empty_schedule(presentations, longest):
    with pytest.raises(CircuitError, match="at least one presentation"):
        Schedule(presentations=presentations, longest=longest, inputs=(), draw=lambda a, b: None)


def test_shapes():
    wide = circuit(replicates=2, batch=4)
    assert input_shape(wide, "cells.drive") == (2, 4, 3)
    assert input_shape(wide, "cells.gain") == (2,)
    assert input_size(wide, "cells.drive") == 24
    assert input_size(wide, "cells.gain") == 24  # one copy a neuron
    assert input_size(circuit(), "cells.gain") == 1


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("cell.drive", "unknown population 'cell'; did you mean 'cells'"),
        ("cells.driev", "'cells.driev': unknown input 'driev'; did you mean 'drive'"),
        ("cells.v", "unknown input 'v'.*declared as a parameter"),
        ("cells", "unknown input ''"),
    ],
)
def test_unknown_input(key, message):
    schedule = Schedule(presentations=2, longest=10, inputs=(key,), draw=lambda a, b: None)
    with pytest.raises(CircuitError, match=message):
        schedule.check(circuit())


def test_check_draws_the_first_presentation():
    def draw(start, stop):
        return presentations(stop - start, cells__drive=np.ones((stop - start, 2)))

    schedule = Schedule(presentations=2, longest=10, inputs=("cells.drive",), draw=draw)
    with pytest.raises(CircuitError, match=r"need shape \(1, 3\) or \(1, 1, 1, 3\), got \(1, 2\)"):
        schedule.check(circuit())


def test_one_pattern_for_all_replicates_and_the_batch():
    wide, values = circuit(replicates=2, batch=4), np.arange(6.0).reshape(2, 3)
    table = tables(wide, ("cells.drive",), presentations(cells__drive=values), 5)["cells.drive"]
    assert table.shape == (5, 24)
    np.testing.assert_array_equal(table[:2].reshape(2, 8, 3), np.repeat(values[:, None], 8, axis=1))
    assert not table[2:].any()


def test_a_pattern_for_each():
    wide, values = circuit(replicates=2, batch=4), np.random.default_rng(1).random((2, 2, 4, 3))
    table = tables(wide, ("cells.drive",), presentations(cells__drive=values), 2)["cells.drive"]
    np.testing.assert_array_equal(table, values.reshape(2, 24))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([5.0, 6.0], [[5.0] * 6 + [5.0] * 6, [6.0] * 6 + [6.0] * 6]),
        ([[5.0, 7.0], [6.0, 8.0]], [[5.0] * 6 + [7.0] * 6, [6.0] * 6 + [8.0] * 6]),
    ],
    ids=["one for all", "one a replicate"],
)
def test_parameter(values, expected):
    wide = circuit(replicates=2, batch=2)
    stretch = presentations(cells__gain=np.array(values))
    assert tables(wide, ("cells.gain",), stretch, 2)["cells.gain"].tolist() == expected


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, r"declares the inputs \['cells.drive'\] but gives \[\]"),
        ({"cells__drive": np.ones((2, 3)), "cells__gain": np.ones(2)}, "but gives"),
        ({"cells__drive": np.ones((3, 3))}, "2 presentations need shape"),
        ({"cells__drive": np.ones((2, 1, 3))}, r"got \(2, 1, 3\)"),
        ({"cells__drive": np.full((2, 3), np.nan)}, "'cells.drive' holds values.*not finite"),
    ],
)
def test_wrong_stimuli(inputs, message):
    with pytest.raises(CircuitError, match=message):
        tables(circuit(), ("cells.drive",), presentations(**inputs), 2)


def test_every_presentation_needs_a_learning_flag():
    with pytest.raises(CircuitError, match="3 presentations need as many learning flags"):
        Presentations(steps=np.full(3, 10), inputs={}, learning=np.ones(2, dtype=bool))
