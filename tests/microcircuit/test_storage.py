"""Runs survive kills, damage and full disks, and always end in the same bits."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import warnings
from concurrent.futures import ThreadPoolExecutor

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from microcircuit import assembly, recovery, segments
from microcircuit.results import Metric, Results, ResultsError, open_results
from microcircuit.storage import (
    Dataset,
    FolderInUseError,
    RunCompleteError,
    RunFolder,
    StorageError,
)

RATE = Dataset("records/hidden/rate/data", "1", ("time", "neuron"), "float32", "rate")
TIME = Dataset("records/hidden/rate/time", "ms", ("time",), "float64")
INDEX = Dataset("records/hidden/rate/index", "1", ("time",), "int64")
WEIGHTS = Dataset("weights/up/w", "mV", ("time", "post", "pre"), "float64", "weights")

CONFIG = {"model": {"sigma": 0.1, "name": "dendrité"}, "seed": 3, "flags": [1, None, True]}
PROVENANCE = {"git": "abc", "entropy": 2**100, "versions": {"h5py": "3"}}


class Simulator:
    """A toy whose every number depends on all that came before, and on a random stream."""

    def __init__(self, checkpoint):
        self.weights = np.zeros((3, 4))
        self.random = np.random.Generator(np.random.PCG64(7))
        self.done = 0
        if checkpoint is not None:
            self.done = checkpoint.position
            self.weights = checkpoint.state["weights"]
            self.random.bit_generator.state = json.loads(checkpoint.state["file"].item())

    def chunk(self, presentations):
        rates, index = [], np.arange(self.done, self.done + presentations)
        for _ in index:
            self.weights = np.cos(self.weights) + self.random.standard_normal((3, 4))
            rates.append(self.weights.sum(axis=1))
        self.done += presentations
        rate = np.array(rates).reshape(-1, 3).astype("float32")
        snapshot = self.weights[None] if self.done % 2 == 0 else np.empty((0, 3, 4))
        return {RATE: rate, TIME: index * 0.5, INDEX: index, WEIGHTS: snapshot}

    def state(self):
        random = np.array(json.dumps(self.random.bit_generator.state))
        return {"weights": self.weights, "file": random}  # "file": a name that savez knows too


def mean_rate(results):
    return {
        "mean_rate": Metric(float(results.record("hidden", "rate").data.mean()), "Hz", "mean"),
        "last": Metric(results.weights("up")[-1].sum(axis=0), "mV"),
    }


def finish(folder, **changes):
    ending = {"status": "complete", "message": "done", "attributes": {"seconds": 1.5}}
    return folder.finish(**ending | {"metrics": mean_rate} | changes)


def work(path, *, chunks=5, presentations=3, before_finish=lambda folder: None):
    """Do what the simulation does: create or resume, save after each chunk, finish."""
    try:
        folder = RunFolder.create(path, config=CONFIG, provenance=PROVENANCE)
    except FolderInUseError:
        folder = RunFolder.resume(path)
    with folder:
        simulator = Simulator(folder.checkpoint)
        while simulator.done < chunks * presentations:
            data = simulator.chunk(presentations)
            folder.save(position=simulator.done, data=data, state=simulator.state())
        before_finish(folder)
        return finish(folder)


def contents(path):
    """Return every bit of a result: datasets with types, shapes and attributes."""
    found = {}

    def add(name, item):
        found[name] = dict(item.attrs)
        if isinstance(item, h5py.Dataset):
            value = item[()]
            value = value if isinstance(value, bytes) else value.tobytes()
            labels = tuple(dimension.label for dimension in item.dims)
            found[name] = (value, item.shape, item.dtype, labels, item.chunks, str(found[name]))

    with h5py.File(path, "r") as file:
        file.visititems(add)
        return found | {"/": dict(file.attrs)}


def begin(path, *, saves=2):
    """Return the closed folder of a run that was left after some saves."""
    with RunFolder.create(path, config=CONFIG, provenance=PROVENANCE) as folder:
        simulator = Simulator(None)
        for _ in range(saves):
            data = simulator.chunk(3)
            folder.save(position=simulator.done, data=data, state=simulator.state())
    return path / "checkpoint"


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """Return the contents of a run that nothing has disturbed."""
    return contents(work(tmp_path_factory.mktemp("reference") / "run"))


# ------------------------------------------------------------------------------ kills


def test_result_is_what_was_saved(tmp_path, reference):
    simulator = Simulator(None)
    saved = [simulator.chunk(3) for _ in range(5)]
    for dataset in (RATE, TIME, INDEX, WEIGHTS):
        expected = np.concatenate([data[dataset] for data in saved]).astype(dataset.dtype)
        bits, shape, dtype, labels, _, attributes = reference[dataset.path]
        assert (bits, shape, dtype) == (expected.tobytes(), expected.shape, expected.dtype)
        assert labels == dataset.dimensions
        assert repr(dataset.units) in attributes
    assert len(np.frombuffer(reference[WEIGHTS.path][0])) == 2 * 12
    assert not list(tmp_path.iterdir())


def test_every_moment_between_file_operations_can_be_resumed(tmp_path, monkeypatch, reference):
    """What is on disk before each operation is what a kill at that moment would leave."""
    run, copies = tmp_path / "run", tmp_path / "copies"
    moments = []

    def watched(operation):
        def call(*args, **kwargs):
            if run.exists():
                moments.append(copies / str(len(moments)))
                shutil.copytree(run, moments[-1])
            if run.exists() and operation is fsync:
                tear(os.fstat(args[0]))
            return operation(*args, **kwargs)

        return call

    def tear(synced):
        """Halve, in the last copy, the file that was about to be forced to disk."""
        for file in run.rglob("*"):
            if file.is_file() and os.path.samestat(file.stat(), synced):
                os.truncate(moments[-1] / file.relative_to(run), synced.st_size // 2)

    fsync = os.fsync
    with monkeypatch.context() as patch:
        for name in ("fsync", "replace", "unlink", "rmdir"):
            patch.setattr(os, name, watched(getattr(os, name)))
        work(run)
    assert len(moments) > 50
    complete = 0
    for moment in moments:
        result = moment / "run.h5"
        if result.exists():
            complete += 1
            with pytest.raises(RunCompleteError):
                RunFolder.resume(moment)
            assert list(moment.iterdir()) == [result]
        else:
            with pytest.raises(ResultsError):
                open_results(moment)
            work(moment)
        assert contents(result) == reference
    assert complete > 3


def test_kill_9_at_random_moments(tmp_path):
    """Processes that are killed again and again get to the end, with the same bits."""
    script = (
        "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[1]); "
        "import test_storage as t; print('ready', flush=True); "
        "t.work(Path(sys.argv[2]), chunks=60, presentations=20)"
    )
    expected = contents(work(tmp_path / "whole", chunks=60, presentations=20))
    random = np.random.default_rng(0)
    positions, kills = set(), 0
    for run in map(str, range(15)):
        while not (tmp_path / run / "run.h5").exists():
            command = [sys.executable, "-c", script, os.path.dirname(__file__), tmp_path / run]
            states = set(tmp_path.glob(f"{run}/checkpoint/state-*"))
            with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
                process.stdout.readline()
                if kills < 15:
                    # By its progress, not by the clock: nobody knows how busy the machine is.
                    goal = len(states) + random.integers(1, 6)
                    while process.poll() is None and len(states) < goal:
                        time.sleep(0.001)
                        states.update(tmp_path.glob(f"{run}/checkpoint/state-*"))
                    time.sleep(random.uniform(0, 0.005))
                    process.kill()
            kills += process.returncode == -signal.SIGKILL
            assert process.returncode in (0, -signal.SIGKILL)
            positions.update(state.name for state in tmp_path.glob(f"{run}/checkpoint/state-*"))
        assert contents(tmp_path / run / "run.h5") == expected
        if kills == 15:
            break
    assert kills == 15
    assert len(positions) >= 5


def test_failed_assembly_leaves_the_run_ready_to_finish(tmp_path, reference):
    def broken(results):
        raise RuntimeError("no such metric")

    begin(tmp_path / "run", saves=5)
    with RunFolder.resume(tmp_path / "run") as folder:
        with pytest.raises(RuntimeError, match="no such metric"):
            finish(folder, metrics=broken)
        assert not (tmp_path / "run" / "run.h5.part").exists()
        assert folder.checkpoint.position == 15
        assert contents(finish(folder)) == reference


def test_interrupt_waits_for_the_segment_and_no_longer(tmp_path, monkeypatch, reference):
    append, appended = assembly._append, []

    def interrupted(file, columns, segment):
        signal.raise_signal(signal.SIGINT)
        append(file, columns, segment)
        appended.append(segment.name)

    begin(tmp_path / "run", saves=5)
    usual = signal.getsignal(signal.SIGINT)  # Brian2's, where it has been imported
    with RunFolder.resume(tmp_path / "run") as folder:
        with monkeypatch.context() as patch:
            patch.setattr(assembly, "_append", interrupted)
            with pytest.raises(KeyboardInterrupt):
                finish(folder)
        assert appended == ["segment-0-3.npz"]
        assert signal.getsignal(signal.SIGINT) is usual
        assert not (tmp_path / "run" / "run.h5.part").exists()
        with ThreadPoolExecutor() as pool:  # only the main thread may change signal handlers
            assert contents(pool.submit(finish, folder).result()) == reference


# ------------------------------------------------------------------------- segmentation


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 90), min_size=1, max_size=8), st.integers(0, 2**32 - 1))
def test_segmentation_does_not_matter(tmp_path_factory, lengths, seed):
    """One save or many, empty ones among them, give equal bits, chunks and attributes."""
    rows = sum(lengths)
    values = np.random.default_rng(seed).standard_normal((rows, 5, 60))
    wide = Dataset("weights/up/w", "mV", ("time", "post", "pre"), "float64")
    narrow = Dataset("records/a/v/data", "mV", ("time", "neuron"), "float32")

    def run(lengths):
        path = tmp_path_factory.mktemp("runs") / "run"
        with RunFolder.create(path, config={}, provenance={}) as folder:
            at = 0
            for position, length in enumerate(lengths, start=1):
                part = values[at : at + length]
                at += length
                folder.save(position=position, data={wide: part, narrow: part[:, 0]}, state={})
            return contents(finish(folder, metrics=lambda results: {}))

    whole = run([rows])
    assert whole[wide.path][0] == values.tobytes()
    assert run(lengths) == whole


def test_datasets_may_come_late_and_pause(tmp_path):
    with RunFolder.create(tmp_path, config={}, provenance={}) as folder:
        folder.save(position=1, data={}, state={})
        folder.save(position=2, data={TIME: np.arange(2.0)}, state={})
        folder.save(position=3, data={INDEX: np.arange(0)}, state={})
        folder.save(position=4, data={TIME: np.arange(3.0)}, state={})
        path = finish(folder, metrics=lambda results: {})
    with h5py.File(path) as file:
        assert file[TIME.path][()].tolist() == [0, 1, 0, 1, 2]
        assert file[INDEX.path].shape == (0,)


def test_chunks_hold_about_256_kib(tmp_path):
    row, cube = (10,), (2, 784, 500)
    small = Dataset("records/a/v/data", "1", ("time", "neuron"), "float32")
    large = Dataset("weights/up/w", "1", ("time", "replicate", "post", "pre"), "float64")
    with RunFolder.create(tmp_path, config={}, provenance={}) as folder:
        folder.save(
            position=1, data={small: np.ones((3, *row)), large: np.ones((1, *cube))}, state={}
        )
        path = finish(folder, metrics=lambda results: {})
    with h5py.File(path) as file:
        assert file[small.path].chunks == (6553, 10)
        assert file[large.path].chunks == (1, 1, 65, 500)
        assert file[large.path].compression == "gzip"
        assert file[large.path].shuffle


# ------------------------------------------------------------------------ create, resume


def test_create_makes_parents_and_resume_brings_everything_back(tmp_path):
    path = tmp_path / "a" / "b"
    begin(path)
    with RunFolder.resume(path) as folder:
        assert (folder.config, folder.provenance) == (CONFIG, PROVENANCE)
        assert folder.position == folder.checkpoint.position == 6
        simulator = Simulator(None)
        simulator.chunk(6)
        assert folder.checkpoint.state["weights"].tobytes() == simulator.weights.tobytes()


def test_create_refuses_a_folder_with_a_run(tmp_path):
    begin(tmp_path / "my run")
    with pytest.raises(FolderInUseError, match=r"microcircuit run --resume '.*my run'"):
        RunFolder.create(tmp_path / "my run", config={}, provenance={})
    work(tmp_path / "my run")
    before = contents(tmp_path / "my run" / "run.h5")
    with pytest.raises(FolderInUseError, match="choose another folder or remove it"):
        RunFolder.create(tmp_path / "my run", config={}, provenance={})
    assert contents(tmp_path / "my run" / "run.h5") == before
    assert not (tmp_path / "my run" / "checkpoint").exists()


def test_create_sees_a_run_that_was_begun_meanwhile(tmp_path, monkeypatch):
    hold = recovery.hold

    def hold_late(path):
        monkeypatch.setattr(recovery, "hold", hold)
        begin(path)
        return hold(path)

    monkeypatch.setattr(recovery, "hold", hold_late)
    with pytest.raises(FolderInUseError, match="unfinished run"):
        RunFolder.create(tmp_path, config={}, provenance={})
    RunFolder.resume(tmp_path).close()


def test_create_refuses_what_is_not_a_folder_and_what_is_not_json(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="cannot begin a run"):
        RunFolder.create(tmp_path / "file", config={}, provenance={})
    with pytest.raises(TypeError):
        RunFolder.create(tmp_path / "run", config={"a": np.ones(2)}, provenance={})
    assert not (tmp_path / "run").exists()


def test_resume_without_a_run_changes_nothing(tmp_path):
    (tmp_path / "checkpoint").mkdir()
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(StorageError, match="nothing to resume"):
            RunFolder.resume(path)
    assert list(tmp_path.rglob("*")) == [tmp_path / "checkpoint"]


def test_resume_of_a_complete_run(tmp_path):
    result = work(tmp_path / "run")
    with pytest.raises(RunCompleteError, match="complete"):
        RunFolder.resume(tmp_path / "run")
    assert result.exists()


def test_resume_keeps_the_checkpoint_of_an_unreadable_result(tmp_path):
    checkpoint = begin(tmp_path / "run")
    (tmp_path / "run" / "run.h5").write_bytes(b"not HDF5")
    before = sorted(checkpoint.iterdir())
    with pytest.raises(ResultsError, match="cannot be read"):
        RunFolder.resume(tmp_path / "run")
    assert sorted(checkpoint.iterdir()) == before


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format_version": 99}'])
def test_resume_refuses_a_foreign_manifest(tmp_path, content):
    checkpoint = begin(tmp_path)
    (checkpoint / "run.json").write_text(content)
    with pytest.raises(StorageError, match=r"run\.json"):
        RunFolder.resume(tmp_path)


def test_two_processes_cannot_work_on_one_folder(tmp_path):
    begin(tmp_path)
    script = (
        "import sys, time; from microcircuit.storage import RunFolder; "
        "folder = RunFolder.resume(sys.argv[1]); print('held', flush=True); time.sleep(60)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE
    )
    try:
        assert process.stdout.readline() == b"held\n"
        with pytest.raises(FolderInUseError, match="another process"):
            RunFolder.resume(tmp_path)
    finally:
        process.kill()
        process.communicate()
    RunFolder.resume(tmp_path).close()  # the lock has died with its process


def test_a_failed_resume_lets_go_of_the_folder(tmp_path):
    checkpoint = begin(tmp_path)
    manifest = (checkpoint / "run.json").read_bytes()
    (checkpoint / "run.json").write_text("{}")
    with pytest.raises(StorageError) as caught:
        RunFolder.resume(tmp_path)
    (checkpoint / "run.json").write_bytes(manifest)
    RunFolder.resume(tmp_path).close()
    assert caught.tb  # it held the frames, and with them the lock, until here


# ----------------------------------------------------------------------------- damage


def flip(path, *, at):
    content = bytearray(path.read_bytes())
    content[int(at * len(content))] ^= 0xFF
    path.write_bytes(content)


DAMAGE = {
    "empty": lambda path: path.write_bytes(b""),
    "truncated": lambda path: os.truncate(path, path.stat().st_size // 2),
    "first byte": lambda path: flip(path, at=0),
    "in the middle": lambda path: flip(path, at=0.5),
    "zeros": lambda path: path.write_bytes(bytes(path.stat().st_size)),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_damaged_state_falls_back_to_the_one_before(tmp_path, damage, reference):
    checkpoint = begin(tmp_path, saves=2)
    earlier = (checkpoint / "state-6.npz").read_bytes()
    with RunFolder.resume(tmp_path) as folder:
        simulator = Simulator(folder.checkpoint)
        data = simulator.chunk(3)
        folder.save(position=9, data=data, state=simulator.state())
    (checkpoint / "state-6.npz").write_bytes(earlier)  # killed before it was deleted
    damage(checkpoint / "state-9.npz")
    (checkpoint / "state-12.npz.part").touch()
    with pytest.warns(UserWarning, match=r"state-9\.npz is damaged"):
        folder = RunFolder.resume(tmp_path)
    assert folder.position == folder.checkpoint.position == 6
    assert {path.name for path in checkpoint.iterdir()} == {
        "run.json", "lock", "state-6.npz", "segment-0-3.npz", "segment-3-6.npz",
    }  # fmt: skip
    folder.close()
    assert contents(work(tmp_path)) == reference


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_no_readable_state_is_an_error_that_deletes_nothing(tmp_path, damage):
    checkpoint = begin(tmp_path)
    damage(checkpoint / "state-6.npz")
    before = sorted(checkpoint.iterdir())
    with (
        pytest.warns(UserWarning, match="damaged"),
        pytest.raises(StorageError, match=r"no checkpoint in .* is readable"),
    ):
        RunFolder.resume(tmp_path)
    assert sorted(checkpoint.iterdir()) == before


@pytest.mark.parametrize("name", ["segment-0-3.npz", "segment-3-6.npz", "state-6.npz"])
def test_missing_file_is_an_error_that_deletes_nothing(tmp_path, name):
    checkpoint = begin(tmp_path)
    (checkpoint / name).unlink()
    before = sorted(checkpoint.iterdir())
    with pytest.raises(StorageError, match="damaged"):
        RunFolder.resume(tmp_path)
    assert sorted(checkpoint.iterdir()) == before


def test_damaged_segment_stops_the_assembly(tmp_path):
    checkpoint = begin(tmp_path)
    flip(checkpoint / "segment-3-6.npz", at=0.6)
    with (
        pytest.raises(StorageError, match=r"segment-3-6\.npz is damaged"),
        RunFolder.resume(tmp_path) as folder,
    ):
        finish(folder)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint"]


# -------------------------------------------------------------------------- full disk

FULL_DISK = """
import resource, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import numpy as np
import test_storage as t

path, limit, saves = Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])

def shrink(folder):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))

try:
    if saves:
        with t.RunFolder.resume(path) as folder:
            simulator = t.Simulator(folder.checkpoint)
            data = simulator.chunk(3)
            shrink(folder)
            folder.save(position=simulator.done, data=data, state=simulator.state())
    else:
        t.work(path, before_finish=shrink)
except t.StorageError as error:
    print(error)
"""


@pytest.mark.parametrize("limit", [0, 100, 700, 2000, 10000])
@pytest.mark.parametrize("saving", [True, False], ids=["save", "finish"])
def test_full_disk(tmp_path, limit, saving, reference):
    """The kernel refuses to let files grow; in a process of its own, since HDF5 may crash it."""
    run = tmp_path / "run"
    begin(run, saves=2)
    arguments = [os.path.dirname(__file__), str(run), str(limit), str(int(saving))]
    process = subprocess.run(
        [sys.executable, "-c", FULL_DISK, *arguments], capture_output=True, text=True
    )
    assert (process.returncode, process.stderr) == (0, "")
    if saving and limit == 10000:
        assert process.stdout == ""  # it has fitted
    else:
        position = 6 if saving else 15
        what = "presentations 6 to 9" if saving else "run.h5"
        assert f"could not write {what}" in process.stdout
        assert f"at presentation {position}, is intact: free space and resume" in process.stdout
        assert f"microcircuit run --resume {run}" in process.stdout
    assert not list(run.rglob("*.part"))
    assert contents(work(run)) == reference


def test_failed_save_closes_the_folder(tmp_path, monkeypatch, reference):
    def fail(descriptor):
        raise OSError(5, "Input/output error")

    with RunFolder.create(tmp_path, config=CONFIG, provenance=PROVENANCE) as folder:
        simulator = Simulator(None)
        folder.save(position=3, data=simulator.chunk(3), state=simulator.state())
        with monkeypatch.context() as patch:
            patch.setattr(segments.os, "fsync", fail)
            data = simulator.chunk(3)
            with pytest.raises(StorageError, match=r"Input/output error.*intact: resume with"):
                folder.save(position=6, data=data, state=simulator.state())
        with pytest.raises(StorageError, match="closed"):
            folder.save(position=6, data=data, state=simulator.state())
        with pytest.raises(StorageError, match="closed"):
            finish(folder)
    assert contents(work(tmp_path)) == reference


# ---------------------------------------------------------------------------- checking


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"path": "data"}, "path"),
        ({"path": "/records/a"}, "path"),
        ({"path": "records/../a"}, "path"),
        ({"path": "metrics/a"}, "path"),
        ({"dimensions": ()}, "dimension"),
        ({"dtype": "float16"}, "float16"),
    ],
)
def test_dataset_is_checked(change, match):
    valid = {"path": "records/a/v/data", "units": "1", "dimensions": ("time",), "dtype": "int64"}
    Dataset(**valid)
    with pytest.raises(ValueError, match=match):
        Dataset(**valid | change)


NESTED = Dataset(TIME.path + "/deeper", "1", ("time",), "float64")
RENAMED = Dataset(TIME.path, "s", ("time",), "float64")


@pytest.mark.parametrize(
    ("data", "match"),
    [
        ({RATE: np.zeros(3)}, "does not fit"),
        ({RATE: np.zeros((3, 0))}, "does not fit"),
        ({RATE: np.zeros((3, 4))}, r"rows had the shape \(3,\) and now have \(4,\)"),
        ({INDEX: np.zeros(3)}, "float64 cannot be stored as int64"),
        ({RATE: np.zeros((2, 3), complex)}, "complex128 cannot be stored as float32"),
        ({NESTED: np.zeros(3)}, "claim the path"),
        ({RENAMED: np.zeros(3)}, "claim the path"),
    ],
)
def test_what_does_not_fit_is_refused_and_the_run_goes_on(tmp_path, data, match, reference):
    begin(tmp_path)
    with RunFolder.resume(tmp_path) as folder:  # what came before is known from the segments
        with pytest.raises(ValueError, match=match):
            folder.save(position=9, data=data, state={})
        simulator = Simulator(folder.checkpoint)
        folder.save(position=9, data=simulator.chunk(3), state=simulator.state())
    assert contents(work(tmp_path)) == reference


def test_position_must_grow_and_status_be_known(tmp_path):
    begin(tmp_path)
    with RunFolder.resume(tmp_path) as folder:
        with pytest.raises(ValueError, match="position 6"):
            folder.save(position=6, data={}, state={})
        with pytest.raises(ValueError, match="finished"):
            finish(folder, status="finished")
        with pytest.raises(ValueError, match="a/b"):
            finish(folder, metrics=lambda results: {"a/b": Metric(1)})
        finish(folder, status="diverged")


def test_metrics_are_computed_from_the_whole_file(tmp_path):
    seen = {}

    def look(results):
        assert isinstance(results, Results)
        seen.update(results.config, index=results.record("hidden", "rate").index)
        return {}

    begin(tmp_path)
    with RunFolder.resume(tmp_path) as folder, warnings.catch_warnings(action="error"):
        finish(folder, metrics=look)
    assert seen["seed"] == 3
    assert seen["index"].tolist() == list(range(6))
