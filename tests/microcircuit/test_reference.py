"""The dense projection does what stock Brian2 synapses do, to rounding.

Both compute the same sums in another order, so they differ in the last bits. The circuit forgets
its potentials within milliseconds and learning follows an error, so rounding is not amplified:
1e-10, relative to the largest value, is far above what was seen in 2,000 steps (1e-15) and far
below what any difference in the order of events within a step would cause (1e-4 of dt/tau).
"""

from dataclasses import replace

import numpy as np
import pytest
from brian2 import ms

from microcircuit.circuit import Circuit, CircuitError, LearningRule, Population, Projection
from microcircuit.devices import CppProgram, NumpyProgram
from microcircuit.reference import ReferenceProgram
from microcircuit.spikes import Poisson, SynapticKernel

TOLERANCE = 1e-10
STEPS = 2000
MOVED = 0.05
"""Largest change of a weight that must be exceeded; weights start within plus or minus 1."""


def on_cpp(structure):
    return ReferenceProgram(structure, CppProgram)


def on_numpy(structure):
    return ReferenceProgram(structure, NumpyProgram)


def run_both(ours, theirs, drill, circuit, structure):
    stretch = drill.plastic(count=STEPS // 100, steps=100)
    parameters = drill.parameters(circuit, seed=5)
    state = drill.state(circuit)
    return state, *(program.run(state, parameters, stretch, 0) for program in (ours, theirs))


def assert_same(start, ours, theirs, largest_difference):
    for key, expected in theirs.state.items():
        assert largest_difference(expected, ours.state[key]) < TOLERANCE, key
    for key, expected in theirs.records.items():
        assert len(expected)
        # Traces are stored in single precision: of all else, only the last bit may differ.
        limit = TOLERANCE if expected.dtype == np.float64 else np.finfo(np.float32).eps
        assert largest_difference(expected, ours.records[key]) <= limit, key
    for key, weights in start.items():
        if key.endswith(".w"):
            assert np.max(np.abs(ours.state[key] - weights)) > MOVED, key


def test_cpp(drill, drill_program, compiled, largest_difference):
    """All rules plastic, filtered and not, with noise: trajectories, weights and filters."""
    stock = compiled(drill.structure, program=on_cpp)
    circuit = drill.circuit()
    runs = run_both(drill_program, stock, drill, circuit, drill.structure)
    assert_same(*runs, largest_difference)


def test_numpy(drill, compiled, largest_difference):
    ours = compiled(drill.structure, "numpy")
    stock = compiled(drill.structure, program=on_numpy)
    runs = run_both(ours, stock, drill, drill.circuit(), drill.structure)
    assert_same(*runs, largest_difference)


def test_refuses_presentations_without_learning(drill, compiled):
    stock = compiled(drill.structure, program=on_numpy)
    circuit = drill.circuit()
    with pytest.raises(CircuitError, match="can't freeze weights"):
        stock.run(drill.state(circuit), drill.parameters(circuit), drill.stretch(), 0)


def small(*rules, unit="1", **changes):
    cells = Population(
        name="cells",
        size=2,
        equations=f"dv/dt = (x - v)/tau : {unit}\nx : {unit}",
        parameters={"tau": 5 * ms},
    )
    projections = tuple(
        Projection(
            name=f"loop_{number}",
            pre="cells",
            post="cells",
            signal="v",
            target="x",
            weights=np.ones((2, 2)),
            rule=rule,
        )
        for number, rule in enumerate(rules)
    )
    return Circuit(populations=(cells,), projections=projections, **changes)


def spiking():
    """A projection that carries spikes."""
    cells = Population(
        name="cells", size=2, equations="rate : Hz\nx : 1", spikes=Poisson(rate="rate")
    )
    loop = Projection(
        name="loop_0",
        pre="cells",
        post="cells",
        signal="spikes",
        target="x",
        weights=np.ones((2, 2)) * ms,
        kernel=SynapticKernel(tau_rise=3 * ms, tau_decay=10 * ms, memory=60 * ms),
    )
    return Circuit(populations=(cells,), projections=(loop,))


def learning(**changes):
    return LearningRule(post_factor="v", pre_factor="v", learning_rate=1 / ms, **changes)


@pytest.mark.parametrize(
    ("circuit", "message"),
    [
        (small(None, replicates=2), "no replicates and no batch"),
        (small(None, batch=2), "no replicates and no batch"),
        (small(None, None), "'loop_1'.*can't add to 'x' of 'cells'"),
        (small(learning(window=(0 * ms, 1 * ms))), "'loop_0'.*no learning window"),
        (small(learning(bounds=(-1, 1))), "'loop_0'.*no bounds"),
        (small(None, unit="volt"), "'loop_0'.*without unit"),
        (spiking(), "'loop_0'.*no kernel that forgets"),
    ],
    ids=["replicates", "batch", "two on a compartment", "window", "bounds", "unit", "spikes"],
)
def test_refuses_what_synapses_can_not_do(drill, circuit, message):
    structure = replace(drill.structure, circuit=circuit, inputs=(), records=())
    with pytest.raises(CircuitError, match=message):
        ReferenceProgram(structure, NumpyProgram)
