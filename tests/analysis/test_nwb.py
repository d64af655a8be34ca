"""Exported NWB: valid, whole, and the run's own spikes, traces and presentations."""

import json

import numpy as np
import pynwb
import pytest

from microcircuit.analysis.nwb import write_nwb
from microcircuit.analysis.spike_files import SpikeError
from microcircuit.results import open_results

TRAINS = [[0.1, 5.0], [], [2.0, 2.0, 2.0, 7.5]]


@pytest.fixture
def small(write_spikes):
    """Two presentations; one population with a trace in every step of 0.5 ms."""
    return write_spikes(
        {"output": [[1.0]], "hidden_1": TRAINS},
        ends=(4.0, 10.0),
        traces={("hidden_1", "v_apical"): np.arange(60.0).reshape(20, 3)},
        interval=0.5,
    )


@pytest.fixture
def exported(small, tmp_path):
    """The small run in a file, read again."""
    path = tmp_path / "small.nwb"
    write_nwb(small, path, papers=["doi:10.1000/1"])
    assert pynwb.validate(path=path) == []
    with pynwb.NWBHDF5IO(path, "r") as io:
        yield io.read()


def test_session_is_the_run(exported, small):
    assert exported.session_start_time.isoformat() == "2025-03-01T10:00:00+00:00"
    assert "my-spikes, seed 3, complete, by hand" in exported.session_description
    assert exported.protocol == "my-spikes"
    assert json.loads(exported.scratch["config"].data) == small.config
    assert json.loads(exported.scratch["provenance"].data) == small.provenance


def test_file_says_what_made_it(exported):
    assert [tuple(made) for made in exported.was_generated_by] == [
        ("dendritic-microcircuit", "0.1.0"),
        ("Brian2", "2.10.1"),
        ("PyNWB", pynwb.__version__),
    ]
    assert list(exported.related_publications) == ["doi:10.1000/1"]


def test_units_are_all_neurons(exported):
    table = exported.units.to_dataframe()
    assert table.population.tolist() == [*["hidden_1"] * 3, "output"]
    assert table.neuron.tolist() == [0, 1, 2, 0]
    for found, times in zip(table.spike_times, [*TRAINS, [1.0]], strict=True):
        np.testing.assert_allclose(found, np.array(times) / 1000)
    for intervals in table.obs_intervals:
        np.testing.assert_allclose(intervals, [[0, 0.01]])


def test_traces_and_presentations(exported):
    series = exported.acquisition["hidden_1_v_apical"]
    np.testing.assert_array_equal(series.data[()], np.arange(60.0).reshape(20, 3))
    assert (series.unit, series.rate, series.starting_time) == ("V", pytest.approx(2000), 0)
    trials = exported.trials.to_dataframe()
    np.testing.assert_allclose(trials.start_time, [0, 0.004])
    np.testing.assert_allclose(trials.stop_time, [0.004, 0.01])
    assert trials.presentation.tolist() == [0, 1]


def test_run_is_valid(run, tmp_path):
    path = tmp_path / "run.nwb"
    with open_results(run("segregated-traces", 5, 4)) as results:
        write_nwb(results, path)
        spikes = sum(len(results.spikes(name).time) for name in results.spiking())
    assert pynwb.validate(path=path) == []
    with pynwb.NWBHDF5IO(path, "r") as io:
        file = io.read()
        assert len(file.units.to_dataframe()) == 64 + 5 + 4 + 10
        assert len(file.units.spike_times.data) == spikes
        assert file.acquisition["hidden_1_v_soma"].unit == "dimensionless"


def test_silent_run_is_valid(write_spikes, tmp_path):
    write_nwb(write_spikes({"cells": [[], [1.0]]}), tmp_path / "nearly.nwb")
    values = {("cells", "v"): np.zeros((1, 2))}
    write_nwb(write_spikes({"cells": [[], []]}, traces=values), tmp_path / "silent.nwb")
    for name in ("nearly", "silent"):
        assert pynwb.validate(path=tmp_path / f"{name}.nwb") == []


def test_identifier_is_that_of_the_run(small, write_spikes, tmp_path):
    later = write_spikes({"cells": [[1.0]]}, started="10:00:01")
    found = []
    for name, results in (("a", small), ("b", small), ("c", later)):
        write_nwb(results, tmp_path / f"{name}.nwb")
        with pynwb.NWBHDF5IO(tmp_path / f"{name}.nwb", "r") as io:
            found.append(io.read().identifier)
    assert found[0] == found[1] != found[2]


def test_nothing_is_overwritten(small, tmp_path):
    path = tmp_path / "taken.nwb"
    path.write_text("mine")
    with pytest.raises(SpikeError, match=r"taken\.nwb is there already"):
        write_nwb(small, path)
    assert path.read_text() == "mine"


def test_other_suffix_is_explained(small, tmp_path):
    with pytest.raises(SpikeError, match=r"run\.h5 must end in \.nwb"):
        write_nwb(small, tmp_path / "run.h5")


def test_nothing_is_left_of_what_fails(small, tmp_path, monkeypatch):
    write = pynwb.NWBHDF5IO.write

    def fail(io, file):
        write(io, file)
        raise OSError("disk full")

    monkeypatch.setattr(pynwb.NWBHDF5IO, "write", fail)
    (tmp_path / "new").mkdir()
    with pytest.raises(OSError, match="disk full"):
        write_nwb(small, tmp_path / "new" / "run.nwb")
    assert list((tmp_path / "new").iterdir()) == []


def test_folder_that_is_not_there_is_explained(small, tmp_path):
    with pytest.raises(SpikeError, match=r"run\.nwb: there is no folder .*new"):
        write_nwb(small, tmp_path / "new" / "run.nwb")
    assert not (tmp_path / "new").exists()
