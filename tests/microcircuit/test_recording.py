"""Times and numbers of records are right wherever a run is cut into chunks."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from brian2 import ms
from hypothesis import given
from hypothesis import strategies as st

from microcircuit.checks import steps
from microcircuit.circuit import Circuit, Population
from microcircuit.devices import Program
from microcircuit.recorder import recorder_name, rows
from microcircuit.recording import SAMPLE, Recording, live_value
from microcircuit.records import Mean, Trace
from microcircuit.schedule import Presentations, Schedule
from microcircuit.structure import Structure

CELLS = Circuit(
    populations=(Population(name="cells", size=1, equations="dv/dt = -v/(5*ms) : 1"),), dt=0.1 * ms
)
LONGEST = 12


class Clockwork(Program):
    """Records the number of the step, and of the presentation, as the kernels say they do."""

    def _execute(self, values, outputs):
        onset, count = values["presenter.onset"], int(values["presenter.count"][0])
        stop = min(self.stop, count)
        found = {
            "presenter.diverged": np.array([int(stop < count)]),
            "presenter.presentation": np.array([stop - 1]),
            "cells.v": np.array([np.nan]),
        }
        for record in self.structure.records:
            table = np.full(rows(record, self.structure), np.nan)
            if isinstance(record, Trace):
                every = steps(record.interval, self.structure.circuit.dt)
                sampled = [s for s in range(onset[0], onset[stop]) if s % every == 0]
            else:
                sampled = range(stop)
            table[: len(sampled)] = sampled
            found[f"{recorder_name(record)}.table"] = table
        return found


def structure(every):
    records = (
        Trace(name="step", population="cells", expression="v", interval=every * 0.1 * ms),
        Mean(name="number", population="cells", expression="v"),
    )
    return Structure(circuit=CELLS, inputs=(), records=records, longest=LONGEST, capacity=40)


def record(durations, cuts, every, *, stop=40):
    """Record a run that is cut before the given presentations; the datasets by path."""
    program = Clockwork(structure(every))
    program.stop = stop
    recording, taken, step = Recording(program.structure), [], 0
    for start, end in pairwise(sorted({0, len(durations), *cuts})):
        stretch = Presentations(
            steps=np.array(durations[start:end]),
            inputs={},
            learning=np.ones(end - start, dtype=bool),
        )
        chunk = program.run({}, {}, stretch, step)
        recording.add(chunk, stretch, first_step=step, position=start)
        step += int(np.sum(stretch.steps))
        if start % 2:  # now and then a checkpoint takes what there is
            taken.append(recording.take())
    taken.append(recording.take())
    paths = {dataset.path for part in taken for dataset in part}
    return {
        path: np.concatenate([v for part in taken for d, v in part.items() if d.path == path])
        for path in paths
    }


@given(
    durations=st.lists(st.integers(1, LONGEST), min_size=1, max_size=30),
    cuts=st.sets(st.integers(1, 29)),
    every=st.integers(1, 2 * LONGEST),
)
def test_cuts_change_nothing(durations, cuts, every):
    cuts = {cut for cut in cuts if cut < len(durations)}
    found = record(durations, cuts, every)
    onsets = np.cumsum([0, *durations])
    sampled = np.arange(0, onsets[-1], every)
    np.testing.assert_array_equal(found["records/cells/step/data"].ravel(), sampled)
    np.testing.assert_allclose(found["records/cells/step/time"], sampled * 0.1, rtol=1e-12)
    # Each sample belongs to the presentation whose onset it has reached.
    number = [int(np.sum(onsets[1:] <= step)) for step in sampled]
    np.testing.assert_array_equal(found["records/cells/step/index"], number)
    np.testing.assert_array_equal(found["records/cells/number/index"], np.arange(len(durations)))
    np.testing.assert_allclose(found["records/cells/number/time"], onsets[1:] * 0.1, rtol=1e-12)


def test_what_diverged_is_recorded_to_the_end_of_its_presentation():
    found = record([10, 12, 11, 10], (), 7, stop=2)
    assert found["records/cells/step/data"].ravel().tolist() == [0, 7, 14, 21]
    assert found["records/cells/step/index"].tolist() == [0, 0, 1, 1]
    assert found["records/cells/number/data"].ravel().tolist() == [0, 1]


def test_datasets_are_described():
    program = Clockwork(structure(7))
    program.stop = 1
    stretch = Presentations(steps=np.array([10]), inputs={}, learning=np.ones(1, dtype=bool))
    recording = Recording(program.structure)
    chunk = program.run({}, {}, stretch, 0)
    recording.add(chunk, stretch, first_step=0, position=0)
    datasets = {dataset.path: dataset for dataset in recording.take()}
    trace, mean = datasets["records/cells/step/data"], datasets["records/cells/number/data"]
    assert trace.dimensions == ("time", "replicate", "batch", "neuron")
    assert trace.dtype == "float32"
    assert trace.description == "v, sampled every 0.7 ms"
    assert mean.dimensions == ("presentation", "replicate", "batch", "neuron")
    assert mean.dtype == "float64"
    assert mean.description == "mean of v over each presentation"
    assert datasets["records/cells/step/time"].units == "ms"
    assert not recording.take()


def test_weights_and_probes(drill, drill_program):
    circuit, recording = drill.circuit(), Recording(drill.structure)
    state, parameters = drill.state(circuit), drill.parameters(circuit)
    chunks = [drill_program.run(state, parameters, drill.stretch(a, a + 2), 0) for a in (0, 2)]
    recording.add_weights(state, step=0, position=0)
    recording.add_weights(chunks[0].state, step=130, position=2)
    (probe,) = drill.protocol(probes=2).experiment(drill.model, 0).probes
    recording.add_probe(replace(probe, name="test"), chunks, position=2)
    few = replace(probe, name="few", records=("output.rate",))
    recording.add_probe(few, chunks, position=2)
    found = {dataset.path: values for dataset, values in recording.take().items()}
    weights = np.stack([state["top_down_1.w"], chunks[0].state["top_down_1.w"]])
    np.testing.assert_array_equal(found["weights/top_down_1/w"], weights)
    np.testing.assert_allclose(found["weights/top_down_1/time"], [0, 13], rtol=1e-12)
    assert found["weights/top_down_1/index"].tolist() == [0, 2]
    # A probe holds the means of all its presentations, not the traces.
    assert found["probes/test/output/rate/data"].shape == (1, 4, 1, 1, 4)
    assert found["probes/test/hidden_1/v_apical_squared/data"].shape == (1, 4, 1, 1)
    assert found["probes/test/output/rate/index"].tolist() == [2]
    # Or those that it names.
    stored = {path for path in found if path.startswith("probes/few/")}
    assert stored == {"probes/few/output/rate/data", "probes/few/output/rate/index"}
    assert not any("v_apical/" in path for path in found)


def test_live_value(drill, drill_program):
    circuit = drill.circuit()
    chunk = drill_program.run(drill.state(circuit), drill.parameters(circuit), drill.stretch(), 0)
    expected = chunk.records["record_hidden_1_v_apical_squared"].mean()
    assert live_value("hidden_1.v_apical_squared", chunk) == pytest.approx(expected, rel=1e-15)


def sampled(position, *, presentations, batch=1):
    """The samples that a recording takes of patterns that number presentations, by path."""
    circuit = Circuit(
        populations=(
            Population(name="cells", size=2, equations="dv/dt = (x - v)/(5*ms) : 1\nx : 1"),
        ),
        dt=0.1 * ms,
        replicates=3,
        batch=batch,
    )
    schedule = Schedule(
        presentations=presentations,
        longest=1,
        inputs=("cells.x",),
        draw=lambda start, stop: Presentations(
            steps=np.ones(stop - start, dtype=int),
            inputs={"cells.x": np.arange(start, stop)[:, None] + np.array([0, 0.5])},
            learning=np.ones(stop - start, dtype=bool),
        ),
    )
    recording = Recording(
        Structure(circuit=circuit, inputs=schedule.inputs, records=(), longest=1, capacity=1)
    )
    recording.add_stimuli(schedule, position=position)
    return {dataset.path: values for dataset, values in recording.take().items()}


@pytest.mark.parametrize(
    ("position", "presentations", "batch", "first", "count"),
    [
        (0, 100, 1, 0, SAMPLE),
        (30, 100, 1, 30, SAMPLE),
        (90, 100, 1, 100 - SAMPLE, SAMPLE),
        (100, 100, 1, 100 - SAMPLE, SAMPLE),
        (2, 3, 1, 0, 3),
        (10, 100, SAMPLE // 2, 10, 2),
        (10, 100, 10 * SAMPLE, 10, 1),
    ],
)
def test_sample_of_stimuli(position, presentations, batch, first, count):
    found = sampled(position, presentations=presentations, batch=batch)
    numbers = np.arange(first, first + count)
    np.testing.assert_array_equal(found["stimuli/cells/x/index"], [numbers])
    data = found["stimuli/cells/x/data"]
    assert data.shape == (1, count, 3, batch, 2)
    np.testing.assert_array_equal(data[0, :, 2, -1, 0], numbers)
    np.testing.assert_array_equal(data[0, :, 0, 0, 1], numbers + 0.5)
