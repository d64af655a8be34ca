"""Runs: killed and resumed to the bit, stopped by divergence or a full disk, probed on the side."""

import multiprocessing
import resource
import time
from contextlib import contextmanager
from dataclasses import replace

import h5py
import numpy as np
import pytest
from brian2 import ms, second

from microcircuit import simulation
from microcircuit.circuit import CircuitError
from microcircuit.experiment import Probe
from microcircuit.progress import no_progress
from microcircuit.recording import SAMPLE
from microcircuit.recovery import inspect
from microcircuit.results import open_results
from microcircuit.simulation import DeviceSettings, DivergenceError, simulate, structure_of
from microcircuit.state import with_overrides
from microcircuit.storage import FolderInUseError, RunFolder, StorageError
from microcircuit.together import Together

# Children compute and are killed, or end without the handlers of threads that were not forked.
pytestmark = pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")

PRESENTATIONS = 100
PROBES = 4


@pytest.fixture(autouse=True)
def prepared(drill, drill_program, monkeypatch):
    """Compiled before, and not even looked up again: a killed run should have time to run."""

    def program(structure):
        assert structure.inputs == drill.structure.inputs
        assert structure.records == drill.structure.records
        assert structure.capacity == drill.structure.capacity
        return drill_program

    monkeypatch.setitem(simulation.DEVICES, "cpp", program)
    # Short chunks, and a checkpoint after each, so that there is much to interrupt.
    stop = simulation.Run._stop
    monkeypatch.setattr(simulation.Run, "_stop", lambda run, pace: stop(run, min(pace, 7)))


def settings(name="cpp"):
    return DeviceSettings(name=name, checkpoint_interval=1e-6 * second)


def go(drill, output, *, presentations=PRESENTATIONS, probes=PROBES, resume=False, **options):
    return simulate(
        drill.protocol(presentations=presentations, probes=probes),
        options.pop("model", drill.model),
        seed=options.pop("seed", 3),
        device=options.pop("device", settings()),
        output=output,
        resume=resume,
        progress=options.pop("progress", no_progress),
        **options,
    )


def arrays(path):
    """All datasets of a result, and its attributes but for the times and what made it."""
    found = {}

    def visit(name, item):
        if isinstance(item, h5py.Dataset):
            found[name] = item[()]

    with h5py.File(path / "run.h5") as file:
        file.visititems(visit)
        found["message"] = file.attrs["message"]
        found["status"] = file.attrs["status"]
    return found


def assert_identical(first, second):
    assert first.keys() == second.keys()
    for key, value in first.items():
        np.testing.assert_array_equal(value, second[key], err_msg=key)


@pytest.fixture(scope="session")
def reference(drill, drill_program, tmp_path_factory):
    """A run that nothing has disturbed, in chunks as long as the engine likes."""
    path = tmp_path_factory.mktemp("reference")
    go(drill, path, device=DeviceSettings()).close()
    return arrays(path)


def test_what_is_in_a_run(drill, reference):
    assert reference["status"] == "complete"
    assert reference["records/hidden_1/v_apical_squared/data"].shape == (PRESENTATIONS, 1, 1)
    assert reference["records/output/rate/data"].shape == (PRESENTATIONS, 1, 1, 4)
    assert reference["weights/bottom_up_1/w"].shape == (5, 1, 8, 6)
    assert reference["weights/bottom_up_1/index"].tolist() == [0, 25, 50, 75, 100]
    assert reference["probes/quiet/output/rate/data"].shape == (PROBES, 3, 1, 1, 4)
    assert reference["stimuli/output/g_teacher/data"].shape == (5, SAMPLE, 1)
    total = int(np.sum(drill.stretch(0, PRESENTATIONS).steps))
    assert len(reference["records/hidden_1/v_apical/data"]) == -(-total // 7)


def test_stimuli_are_those_about_each_snapshot(drill, reference):
    schedule = drill.protocol(presentations=PRESENTATIONS).experiment(drill.model, 3).schedule
    shown = schedule.draw(0, PRESENTATIONS).inputs["input.pattern"]
    index = reference["stimuli/input/pattern/index"]
    np.testing.assert_array_equal(index[:, 0], [0, 25, 50, 68, 68])
    np.testing.assert_array_equal(np.diff(index), 1)
    np.testing.assert_array_equal(
        reference["stimuli/input/pattern/data"][:, :, 0, 0], shown[index], strict=True
    )


# ------------------------------------------------------------------------ killed, resumed


@contextmanager
def forked(work):
    """A process that has everything imported and prepared, so that only the run takes time."""
    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    try:
        yield process
    finally:
        process.kill()
        process.join()


def finished(path):
    return (path / "run.h5").exists()


@pytest.mark.parametrize("seed", range(3))
def test_killed_run_ends_in_the_same_bits(drill, reference, tmp_path, seed):
    """Kills at random moments, until the run is through.

    Lives become longer, so that a busy machine gets there too.
    """
    run, rng, kills = tmp_path / "run", np.random.default_rng(seed), 0
    while not finished(run):
        resume = (run / "checkpoint" / "run.json").exists()
        with forked(lambda: go(drill, run, resume=resume)) as process:  # noqa: B023
            process.join(rng.uniform(0.02, 0.3) * (1 + kills / 10))
            assert process.exitcode in (None, 0)
            kills += process.exitcode is None
        assert kills < 200  # by then a life lasts three seconds
    assert kills
    assert_identical(arrays(run), reference)


def test_other_configuration_is_refused_and_the_run_stays(drill, reference, tmp_path):
    run = tmp_path / "run"
    with forked(lambda: go(drill, run)) as process:
        wait_for_a_checkpoint(run)
        process.kill()
    for change in (
        {"seed": 4},
        {"presentations": PRESENTATIONS + 1},
        {"model": replace(drill.model, sigma=0.2 * ms**-0.5)},
        {"device": settings("numpy")},
    ):
        with pytest.raises(StorageError, match="another configuration"):
            go(drill, run, resume=True, **change)
    go(drill, run, resume=True).close()
    assert_identical(arrays(run), reference)


def wait_for_a_checkpoint(run):
    deadline = time.monotonic() + 60
    while not list(run.glob("checkpoint/state-*.npz")):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_folder_that_is_taken(drill, tmp_path):
    go(drill, tmp_path, presentations=2).close()
    with pytest.raises(FolderInUseError, match="finished run"):
        go(drill, tmp_path, presentations=2)
    with pytest.raises(StorageError, match="complete"):
        go(drill, tmp_path, presentations=2, resume=True)


def test_error_in_between_leaves_a_run_to_resume(drill, reference, tmp_path, monkeypatch):
    class PulledPlugError(Exception):
        pass

    @contextmanager
    def failing(done, total, label):
        class Bar:
            def update(self, position, live):
                if position > 50:
                    raise PulledPlugError

        yield Bar()

    with pytest.raises(PulledPlugError):
        go(drill, tmp_path, progress=failing)
    go(drill, tmp_path, resume=True).close()
    assert_identical(arrays(tmp_path), reference)


@pytest.mark.parametrize("probing", [False, True])
@pytest.mark.parametrize("after", [0, 25])
def test_interrupt_saves_what_was_done(drill, reference, tmp_path, monkeypatch, probing, after):
    """But for what waits for a probe: it would be resumed as if that had been run."""
    computed, done = Together.run, [0]
    rarely = DeviceSettings(checkpoint_interval=3600 * second)

    def interrupted(together, requests):
        probe = bool(requests[0].overrides)
        if probe == probing and sum(done) >= after:
            raise KeyboardInterrupt
        if not probe:
            done.append(len(requests[0].stretch.steps))
        return computed(together, requests)

    with monkeypatch.context() as patch:
        patch.setattr(Together, "run", interrupted)
        with pytest.raises(KeyboardInterrupt):
            go(drill, tmp_path, device=rarely)
    assert sum(done) >= after
    assert inspect(tmp_path).position == (0 if probing else sum(done))
    go(drill, tmp_path, resume=True, device=rarely).close()
    assert_identical(arrays(tmp_path), reference)


# ------------------------------------------------------------------------------ full disk


def on_a_full_disk(drill, run, moment, queue):
    """Run on a disk that is full from the first call of a method of RunFolder on."""
    method = getattr(RunFolder, moment)

    def full(folder, **arguments):
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
        return method(folder, **arguments)

    setattr(RunFolder, moment, full)
    try:
        go(drill, run)
    except StorageError as error:
        queue.put(str(error))


@pytest.mark.parametrize("moment", ["save", "finish"])
def test_full_disk_leaves_a_run_to_resume(drill, reference, tmp_path, moment):
    run, context = tmp_path / "run", multiprocessing.get_context("fork")
    queue = context.Queue()
    process = context.Process(target=on_a_full_disk, args=(drill, run, moment, queue))
    process.start()
    message = queue.get(timeout=60)
    process.join()
    assert "free space and resume with: microcircuit run --resume" in message
    assert not finished(run)
    go(drill, run, resume=True).close()
    assert_identical(arrays(run), reference)


# ------------------------------------------------------------------------------ divergence


@pytest.fixture
def unstable(drill):
    """Apical inhibition that learns so fast that it overshoots, ever more."""
    return replace(drill.model, eta_from_interneuron=(100 / ms,))


def test_divergence_is_told_and_the_data_kept(drill, unstable, tmp_path):
    with pytest.raises(DivergenceError) as caught:
        go(drill, tmp_path, model=unstable)
    results = open_results(tmp_path)
    assert results.status == "diverged"
    assert results.message in str(caught.value)
    assert str(tmp_path / "run.h5") in str(caught.value)
    record = results.record("hidden_1", "v_apical_squared")
    done, time_ms = len(record.data), record.time[-1]
    assert 1 < done < PRESENTATIONS
    assert results.message == (
        f"population 'hidden_1' diverged: v_soma is not a number or beyond [-10000, 10000] "
        f"at the end of presentation {done}, t = {time_ms:g} ms (the first population found so)."
    )
    assert np.isfinite(record.data[:-1]).all()
    assert results.metrics() == {}
    results.close()


def test_divergence_does_not_depend_on_chunks(drill, unstable, tmp_path):
    for name, device in (("short", settings()), ("long", DeviceSettings())):
        with pytest.raises(DivergenceError):
            go(drill, tmp_path / name, model=unstable, device=device)
    assert_identical(arrays(tmp_path / "short"), arrays(tmp_path / "long"))


def test_run_killed_after_it_diverged_is_finished_as_diverged(
    drill, unstable, tmp_path, monkeypatch
):
    """The last checkpoint knows: nothing is computed again."""
    with monkeypatch.context() as patch:
        patch.setattr(simulation.RunFolder, "finish", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            go(drill, tmp_path / "run", model=unstable)
    with pytest.raises(DivergenceError, match="'hidden_1' diverged"):
        go(drill, tmp_path / "run", model=unstable, resume=True)
    with pytest.raises(DivergenceError):
        go(drill, tmp_path / "other", model=unstable)
    assert_identical(arrays(tmp_path / "run"), arrays(tmp_path / "other"))


def test_probe_that_diverges_at_once(drill, tmp_path, monkeypatch):
    """Before the run has a single record."""

    def change(experiment):
        wild = {"output.g_leak": -1e6}
        return replace(experiment, probes=(replace(experiment.probes[0], parameters=wild),))

    monkeypatch.setattr(drill.protocol, "experiment", wrapped(drill.protocol.experiment, change))
    with pytest.raises(DivergenceError, match="diverged in the probe 'quiet'"):
        go(drill, tmp_path, presentations=20)
    assert open_results(tmp_path).status == "diverged"


def wrapped(method, change):
    return lambda *arguments, **named: change(method(*arguments, **named))


# ---------------------------------------------------------------------------------- probes


def test_probes_do_not_change_the_run(drill, reference, tmp_path):
    go(drill, tmp_path, probes=0).close()
    without = arrays(tmp_path)
    assert not any(key.startswith("probes/") for key in without)
    assert_identical(
        {key: value for key, value in reference.items() if not key.startswith("probes/")}, without
    )


def test_probe_sees_the_weights_of_the_moment(drill, drill_program, reference):
    """From the starting potentials, without noise, and without learning."""
    experiment = drill.protocol(presentations=PRESENTATIONS, probes=PROBES).experiment(
        drill.model, 3
    )
    probe = experiment.probes[0]
    assert probe.at == (0, 33, 67, 100)
    state = drill.state(experiment.circuit)
    for name in drill.model.pyramidal[1:]:
        assert not state[f"{name}.v_soma"].any()
    for key in state:
        if key.endswith(".w"):
            state[key] = reference[f"weights/{key.removesuffix('.w')}/w"][-1]
    parameters = with_overrides(drill.parameters(experiment.circuit, 3), probe.parameters)
    stretch = replace(probe.schedule.draw(0, 3), learning=np.zeros(3, dtype=bool))
    rows = drill_program.run(state, parameters, stretch, 0).records["record_output_rate"]
    np.testing.assert_array_equal(
        reference["probes/quiet/output/rate/data"][-1].reshape(3, 4), rows
    )
    first = reference["probes/quiet/output/rate/data"][0].reshape(3, 4)
    assert np.all(first != rows)


# -------------------------------------------------------------------------------- structure


def test_long_presentations_get_shorter_chunks(drill):
    experiment = drill.protocol().experiment(drill.model, 0)

    def capacity(longest):
        schedule = replace(experiment.schedule, longest=longest)
        return structure_of(replace(experiment, schedule=schedule, probes=())).capacity

    assert capacity(2) == simulation.LARGEST_CHUNK
    assert capacity(1000) == simulation.CHUNK_STEPS // 1000
    assert capacity(10**7) == 1


WRONG_EXPERIMENTS = {
    "an unknown live record": ({"live": "hidden_1.v_apical"}, "unknown live record"),
    "snapshots out of order": ({"snapshots": (5, 3)}, "positions must ascend"),
    "a snapshot after the end": ({"snapshots": (0, 21)}, "within 0..20"),
}


@pytest.mark.parametrize(("changes", "message"), WRONG_EXPERIMENTS.values(), ids=WRONG_EXPERIMENTS)
def test_wrong_experiment(drill, changes, message):
    with pytest.raises(CircuitError, match=message):
        replace(drill.protocol().experiment(drill.model, 0), **changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"at": (30,)}, "within 0..20"),
        ({"parameters": {"output.sigmma": 0.0}}, "probe 'quiet': 'output.sigmma' is no parameter"),
        ({"parameters": {"outptu.sigma": 0.0}}, "unknown population 'outptu'"),
    ],
)
def test_wrong_probe(drill, changes, message):
    experiment = drill.protocol(probes=2).experiment(drill.model, 0)
    probe: Probe = replace(experiment.probes[0], **changes)
    with pytest.raises(CircuitError, match=message):
        replace(experiment, probes=(probe,))


def test_nothing_is_written_for_an_experiment_that_makes_no_sense(drill, tmp_path):
    with pytest.raises(CircuitError, match=r"stimulus 'input.pattern'"):
        go(drill, tmp_path / "run", model=replace(drill.model, areas=(5, 8, 4)))
    assert not (tmp_path / "run").exists()


def test_run_without_a_compiler(drill, tmp_path):
    numpy = DeviceSettings(name="numpy")
    with go(drill, tmp_path, presentations=4, probes=0, device=numpy) as run:
        assert run.status == "complete"
        assert run.provenance["device"] == "numpy"
        assert run.provenance["compiler"] == "none"
