"""Spikes in result files, and means that only probes record: through whole runs, on numpy."""

from typing import ClassVar

import h5py
import numpy as np
import pytest
from brian2 import ms

from microcircuit import simulation
from microcircuit.circuit import CircuitError
from microcircuit.experiment import Experiment, Probe
from microcircuit.parameters import parameters
from microcircuit.progress import no_progress
from microcircuit.records import Mean, Spikes, Trace
from microcircuit.results import ResultsError, open_results
from microcircuit.schedule import Presentations, Schedule
from microcircuit.simulation import DeviceSettings, Task, compile_for, simulate, simulate_together

NUMPY = DeviceSettings(name="numpy")
RECORDS = (
    Spikes(population="source"),
    Spikes(population="middle"),
    Mean(name="v", population="middle", expression="v", across_neurons=True),
    Mean(name="late", population="middle", expression="v", last=1 * ms, probes_only=True),
    Trace(name="x", population="middle", expression="x", interval=0.1 * ms),
)


@pytest.fixture(scope="module")
def protocol(spiking):
    """The presentations of the circuit, with a test before the first and after the third."""

    def draw(start, stop):
        shown = spiking.shown(0, 1)
        return Presentations(
            steps=shown.steps[start:stop],
            inputs={key: value[start:stop] for key, value in shown.inputs.items()},
            learning=shown.learning[start:stop],
        )

    @parameters
    class Bursts:
        """Spikes."""

        name: ClassVar[str] = "bursts"

        def experiment(self, model, seed, *, live="middle.v"):
            count, structure = len(spiking.durations), spiking.structure(together=False, batch=1)
            schedule, testing = (
                Schedule(
                    presentations=number,
                    longest=structure.longest,
                    inputs=structure.inputs,
                    draw=draw,
                )
                for number in (count, 2)
            )
            return Experiment(
                circuit=spiking.circuit(0, 1),
                schedule=schedule,
                records=RECORDS,
                live=live,
                snapshots=(0, count),
                probes=(Probe(name="test", schedule=testing, at=(0, 3)),),
            )

    return Bursts()


@pytest.fixture(scope="module")
def folder(protocol, drill, tmp_path_factory, spiking):
    """Of a finished run, in chunks of at most three presentations."""
    output = tmp_path_factory.mktemp("spikes") / "run"
    stop = simulation.Run._stop
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(simulation.Run, "_stop", lambda run, pace: stop(run, min(pace, 3)))
        simulate(
            protocol,
            drill.model,
            seed=spiking.seeds[0],
            device=NUMPY,
            output=output,
            progress=no_progress,
        ).close()
    return output


@pytest.fixture
def finished(folder):
    with open_results(folder) as results:
        yield results


@pytest.fixture(scope="module")
def direct(compiled, spiking):
    """The same run by hand, in one chunk."""
    program = compiled(spiking.structure(together=False, batch=1), "numpy")
    return spiking.run(program, 0)


def trains(counts):
    """Step and neuron of each spike, in the order of the steps and then of the neurons."""
    return np.array(
        [
            (step, neuron)
            for step, row in enumerate(counts[:, 0, 0])
            for neuron, count in enumerate(row)
            for _ in range(count)
        ]
    ).T


def test_spikes_of_a_run(finished, direct):
    """All of them, several of a neuron in a step too, across the chunks."""
    assert finished.attributes["status"] == "complete"
    assert finished.spiking() == ["middle", "source"]
    for population in finished.spiking():
        counts = direct[1][f"{population}.spikes"]
        step, neuron = trains(counts)
        found = finished.spikes(population)
        np.testing.assert_array_equal(found.index, neuron)
        np.testing.assert_allclose(found.time, 0.1 * step, rtol=1e-12)
        assert np.max(counts) > 1


def test_spikes_in_the_file(folder):
    with h5py.File(folder / "run.h5") as file:
        assert sorted(file["spikes"]) == ["middle", "source"]
        assert sorted(file["spikes/middle"]) == ["index", "time"]
        time, index = file["spikes/middle/time"], file["spikes/middle/index"]
        assert (time.attrs["units"], index.attrs["units"]) == ("ms", "1")
        assert index.dtype == np.int64
        assert [time.dims[0].label, index.dims[0].label] == ["spike", "spike"]


def test_spikes_that_were_not_recorded(finished):
    with pytest.raises(ResultsError, match="no population with spikes is called 'sink'"):
        finished.spikes("sink")


def test_weights_of_a_run_are_post_by_pre(finished, direct, spiking):
    for name in spiking.shapes:
        w = finished.weights(name)
        np.testing.assert_array_equal(w.data[0, 0], spiking.weights(name)[0], err_msg=name)
        np.testing.assert_array_equal(w.data[-1], direct[0][f"{name}.w"], err_msg=name)


def test_means_of_probes_only(finished):
    """They are in what probes recorded, as all other means are, and not in the run."""
    assert sorted(finished.records()) == [("middle", "v"), ("middle", "x")]
    probed = sorted(finished.probes())
    assert probed == [("test", "middle", "late"), ("test", "middle", "v")]
    assert finished.probe("test", "middle", "late").data.shape == (2, 2, 1, 1, 3)
    # What is shown first is probed first: after the same start the same potentials.
    first = finished.record("middle", "v").data[0]
    np.testing.assert_allclose(finished.probe("test", "middle", "v").data[0, 0], first, rtol=1e-15)


def test_the_live_record_is_not_of_probes_only(protocol, drill):
    with pytest.raises(CircuitError, match=r"unknown live record 'middle.late'.*Known: middle.v"):
        protocol.experiment(drill.model, 0, live="middle.late")


def test_runs_that_share_a_program_keep_their_spikes_apart(
    protocol, drill, tmp_path, finished, spiking
):
    tasks = [
        Task(
            protocol=protocol,
            model=drill.model,
            seed=seed,
            device=NUMPY,
            output=tmp_path / str(seed),
        )
        for seed in spiking.seeds[:2]
    ]
    program = compile_for(tasks[0].experiment(), NUMPY, 2)
    assert not simulate_together(tasks, program)
    found = []
    for task in tasks:
        with h5py.File(task.output / "run.h5") as file:
            found.append([file[f"spikes/source/{name}"][()] for name in ("time", "index")])
    alone = finished.spikes("source")
    np.testing.assert_array_equal(found[0], [alone.time, alone.index])
    assert len(found[1][0]) > 100
    assert not np.array_equal(found[0][0], found[1][0])
