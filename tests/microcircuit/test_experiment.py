"""Experiments whose parts don't fit together, or whose tests must not see what was before."""

from dataclasses import replace

import numpy as np
import pytest
from brian2 import ms

from microcircuit.circuit import Circuit, CircuitError, LearningRule, Population, Projection
from microcircuit.devices import DEVICES, NumpyProgram
from microcircuit.experiment import Experiment, Probe
from microcircuit.progress import no_progress
from microcircuit.records import Mean
from microcircuit.schedule import Presentations, Schedule
from microcircuit.simulation import simulate

NOTHING = Schedule(
    presentations=6,
    longest=10,
    inputs=(),
    draw=lambda start, stop: Presentations(
        steps=np.full(stop - start, 10), inputs={}, learning=np.ones(stop - start, dtype=bool)
    ),
)
GROWING = Circuit(populations=(Population(name="cells", size=2, equations="dw/dt = 1/ms : 1"),))
MEAN = Mean(name="w", population="cells", expression="w", across_neurons=True)


class Growing:
    """A state variable that has the name of the weights of a projection."""

    name = "growing"

    def experiment(self, model, seed):
        probe = Probe(name="test", schedule=NOTHING, at=(0, 3, 6))
        return Experiment(
            circuit=GROWING,
            schedule=NOTHING,
            records=(MEAN,),
            live="cells.w",
            snapshots=(),
            probes=(probe,),
        )


def test_probes_start_from_the_initial_state_whatever_it_is_called(tmp_path, monkeypatch):
    monkeypatch.setattr("microcircuit.simulation.to_dict", lambda config: {})
    monkeypatch.setitem(DEVICES, "cpp", NumpyProgram)
    results = simulate(Growing(), None, output=tmp_path / "run", progress=no_progress)
    seen = results.probe("test", "cells", "w").data
    assert seen.shape[0] == 3
    assert np.array_equal(seen[0], seen[1])
    assert np.array_equal(seen[0], seen[2])


def windowed(window):
    rule = LearningRule(post_factor="v", pre_factor="v", learning_rate=1 / ms, window=window)
    cells = Population(name="cells", size=1, equations="dv/dt = (x - v)/ms : 1\nx : 1")
    loop = Projection(
        name="loop", pre="cells", post="cells", signal="v", target="x", weights=[[0]], rule=rule
    )
    mean = Mean(name="v", population="cells", expression="v", across_neurons=True)
    return Experiment(
        circuit=Circuit(populations=(cells,), projections=(loop,)),
        schedule=NOTHING,
        records=(mean,),
        live="cells.v",
        snapshots=(),
    )


def test_window_that_opens_after_every_presentation_is_refused():
    windowed((0.5 * ms, 2 * ms))  # ten steps of 0.1 ms are 1 ms
    with pytest.raises(CircuitError, match="would never learn"):
        windowed((1 * ms, 2 * ms))


def test_window_is_whole_steps():
    with pytest.raises(CircuitError, match="not a whole number of steps"):
        windowed((0 * ms, 0.25 * ms))


def test_schedule_may_not_set_what_a_projection_drives():
    experiment = windowed((0 * ms, 1 * ms))
    with pytest.raises(CircuitError, match=r"'cells\.x' is driven by a projection"):
        replace(experiment, schedule=replace(NOTHING, inputs=("cells.x",)))


def test_probe_may_not_store_what_is_not_recorded():
    experiment = windowed((0 * ms, 1 * ms))
    probe = Probe(name="test", schedule=NOTHING, at=(), records=("cells.v",))
    assert replace(experiment, probes=(probe,)).probes == (probe,)
    with pytest.raises(CircuitError, match=r"probe 'test': unknown record 'cells\.w'"):
        replace(experiment, probes=(replace(probe, records=("cells.w",)),))
