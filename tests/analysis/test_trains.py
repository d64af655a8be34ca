"""Runs as Neo objects: every spike, every neuron, traces with their units and times."""

import sys
from importlib import import_module

import h5py
import neo
import numpy as np
import pytest
import quantities as pq

from microcircuit.analysis.spike_files import SpikeError
from microcircuit.analysis.trains import (
    interval,
    neo_block,
    presentations,
    spike_trains,
    spiking,
    trace,
    traces,
    write_mat,
)
from microcircuit.results import ResultsError, open_results

TRAINS = [[0.1, 5.0], [], [2.0, 2.0, 2.0, 7.5], []]
"""Of four neurons; the third spikes three times in a step."""


@pytest.fixture
def small(write_spikes):
    """Two populations in two presentations, one with a trace in every step of 0.5 ms."""
    values = np.arange(80.0).reshape(20, 4)
    return write_spikes(
        {"output": [[1.0]], "hidden_1": TRAINS},
        ends=(4.0, 10.0),
        traces={("hidden_1", "v_apical"): values},
        interval=0.5,
    )


def test_block_has_all_of_a_run(small):
    block = neo_block(small)
    assert (block.name, block.annotations) == (
        "my-spikes, seed 3",
        {"protocol": "my-spikes", "seed": 3},
    )
    (segment,) = block.segments
    names = [train.name for train in segment.spiketrains]
    assert names == ["hidden_1 0", "hidden_1 1", "hidden_1 2", "hidden_1 3", "output 0"]
    for train, times in zip(segment.spiketrains, [*TRAINS, [1.0]], strict=True):
        np.testing.assert_array_equal(train.magnitude, times)
        assert (train.t_start, train.t_stop) == (0 * pq.ms, 10 * pq.ms)
    assert segment.spiketrains[2].annotations == {"population": "hidden_1", "neuron": 2}
    (signal,) = segment.analogsignals
    assert signal.annotations["population"] == "hidden_1"
    (epoch,) = segment.epochs
    np.testing.assert_array_equal(epoch.times.rescale("ms").magnitude, [0, 4])
    np.testing.assert_array_equal(epoch.durations.rescale("ms").magnitude, [4, 6])


def test_trace_has_its_unit_and_times(small):
    signal = trace(small, "hidden_1", "v_apical")
    assert signal.units == pq.V
    np.testing.assert_allclose(signal.times.rescale("ms").magnitude, 0.5 * np.arange(20))
    np.testing.assert_array_equal(signal.magnitude, np.arange(80.0).reshape(20, 4))
    assert signal.array_annotations["neuron"].tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("units", "expected"),
    [("1", pq.dimensionless), ("V s", pq.V * pq.s), ("(V s)^-1", 1 / (pq.V * pq.s)), ("Hz", pq.Hz)],
)
def test_units_are_those_that_brian_writes(small, units, expected):
    path = small.path
    small.close()
    with h5py.File(path, "r+") as file:
        file["records/hidden_1/v_apical/data"].attrs["units"] = units
    with open_results(path) as results:
        found = trace(results, "hidden_1", "v_apical").units
    assert (found / expected).simplified == pq.dimensionless


def test_times_have_no_rounding_errors(write_spikes):
    steps = np.arange(0, 300, 3)
    times = 0.1 * steps
    assert (times != np.round(times, 9)).any()
    (train,) = spike_trains(write_spikes({"cells": [times]}, ends=(0.1 * 303,)), "cells")
    np.testing.assert_array_equal(train.magnitude, steps / 10)
    assert train.t_stop == 30.3 * pq.ms


def test_spikes_after_the_last_presentation_are_left_out(write_spikes):
    """What diverges has spikes of a presentation without an end."""
    (train,) = spike_trains(
        write_spikes({"cells": [[1.0, 9.9, 10.0, 12.0]]}, ends=(10.0,)), "cells"
    )
    assert train.magnitude.tolist() == [1.0, 9.9]


def test_single_sample_stands_for_all_that_follows(write_spikes):
    values = {("cells", "v"): np.ones((1, 1))}
    results = write_spikes({"cells": [[1.0]]}, ends=(10.0,), traces=values)
    assert interval(results, results.record("cells", "v")) == 10


def test_neurons_are_counted_with_those_that_are_silent(run, write_spikes):
    with open_results(run("segregated-traces", 5, 4)) as results:
        sizes = {name: results.spikes(name).neurons for name in results.spiking()}
        assert sizes == {"input": 64, "hidden_1": 5, "hidden_2": 4, "output": 10}
        assert spiking(results) == ["input", "hidden_1", "hidden_2", "output"]
        assert len(traces(results)) == 4
    results = write_spikes({"cells": [[], [1.0], []], "silent": [[]]})
    assert [len(train) for train in spike_trains(results, "cells")] == [0, 1, 0]
    assert [len(train) for train in spike_trains(results, "silent")] == [0]


def test_block_of_a_run_has_its_spikes(run):
    with open_results(run("segregated-traces", 5, 4)) as results:
        block = neo_block(results)
        shown = presentations(results)
        assert len(shown.start) == 8
        for population in results.spiking():
            spikes = results.spikes(population)
            trains = [
                t
                for t in block.segments[0].spiketrains
                if t.annotations["population"] == population
            ]
            for neuron, train in enumerate(trains):
                np.testing.assert_allclose(train.magnitude, spikes.time[spikes.index == neuron])
            assert trains[0].t_stop == shown.end[-1] * pq.ms
        (signal,) = (s for s in block.segments[0].analogsignals if s.name == "hidden_1 v_apical")
        expected = results.record("hidden_1", "v_apical")[:, 0, 0]
        np.testing.assert_array_equal(signal.magnitude, expected)


def test_matlab_file_is_read_by_neo(small, tmp_path):
    (tmp_path / "new").mkdir()
    write_mat(small, tmp_path / "new" / "run.mat")
    (segment,) = neo.io.NeoMatlabIO(str(tmp_path / "new" / "run.mat")).read_block().segments
    assert [len(train) for train in segment.spiketrains] == [2, 0, 4, 0, 1]
    np.testing.assert_array_equal(segment.spiketrains[2].magnitude, TRAINS[2])
    assert segment.spiketrains[2].annotations == {"population": "hidden_1", "neuron": 2}
    assert segment.analogsignals[0].shape == (20, 4)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["run.mat"]


def test_run_without_spikes_says_what_holds_them(run):
    with open_results(run("segregated-traces", 5, signal="rates")) as results:
        with pytest.raises(SpikeError, match=r"no spikes.*segregated-traces.*records\.Spikes"):
            neo_block(results)
        with pytest.raises(ResultsError, match="no population with spikes is called 'input'"):
            spike_trains(results, "input")


def test_run_without_ends_of_presentations_is_explained(small):
    path = small.path
    small.close()
    with h5py.File(path, "r+") as file:
        del file["records/output"]
    with (
        open_results(path) as results,
        pytest.raises(SpikeError, match="does not say when presentations ended"),
    ):
        spike_trains(results, "output")


@pytest.mark.parametrize(
    ("module", "missing"),
    [("trains", "neo"), ("spikes", "elephant"), ("nwb", "pynwb")],
)
def test_missing_extra_says_how_to_install_it(monkeypatch, module, missing):
    name = f"microcircuit.analysis.{module}"
    for loaded in [*sys.modules]:
        if loaded == name or loaded.split(".")[0] == missing:
            monkeypatch.delitem(sys.modules, loaded)
    monkeypatch.setitem(sys.modules, missing, None)
    wanted = rf"need {missing}.*: pip install 'dendritic-microcircuit\[spikes\]'"
    with pytest.raises(SpikeError, match=wanted):
        import_module(name)
