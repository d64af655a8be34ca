"""A worker that dies is replaced, as long as it was at work."""

import json
import platform
import signal
import sys

import pytest

from microcircuit.study import supervise

CALL = "call-1"


@pytest.fixture
def worker(tmp_path, monkeypatch):
    """Make workers run a script, with the number of the worker, instead of a study."""

    def script(code):
        file = tmp_path / "worker.py"
        file.write_text(code, encoding="utf-8")
        popen, started = supervise.subprocess.Popen, []

        def start(command):
            assert command[-3:] == [str(tmp_path), "--call", CALL]
            started.append(popen([sys.executable, str(file), str(len(started)), str(tmp_path)]))
            return started[-1]

        monkeypatch.setattr(supervise.subprocess, "Popen", start)
        return started

    return script


DIE = "import os, signal, sys; os.kill(os.getpid(), signal.{}) if {} else None"
BEGIN = """
import json, os, pathlib, platform, sys
point = pathlib.Path(sys.argv[2], "points", sys.argv[1])
point.mkdir(parents=True)
note = {"pid": os.getpid(), "host": platform.node(), "call": "call-1"}
(point / "attempt.json").write_text(json.dumps(note))
"""


def test_worker_that_ends_is_the_last(worker, tmp_path):
    started = worker("")
    assert supervise.keep_working(tmp_path, CALL) == 0
    assert len(started) == 1


def test_worker_that_died_over_a_point_is_replaced(worker, tmp_path, capfd):
    deaths = 2 * supervise.MOST_IDLE_DEATHS
    started = worker(BEGIN + DIE.format("SIGKILL", f"int(sys.argv[1]) < {deaths}"))
    assert supervise.keep_working(tmp_path, CALL) == 0
    assert len(started) == deaths + 1
    assert capfd.readouterr().err.count("was killed by signal 9") == deaths


def test_workers_that_die_before_they_begin_are_not_replaced_for_ever(worker, tmp_path, capfd):
    started = worker(DIE.format("SIGABRT", "True"))
    assert supervise.keep_working(tmp_path, CALL) == -signal.SIGABRT
    assert len(started) == supervise.MOST_IDLE_DEATHS
    assert "died before they began anything" in capfd.readouterr().err


@pytest.mark.parametrize("ended_by", ["SIGTERM", "SIGINT"])
def test_worker_that_is_told_to_end_is_not_replaced(ended_by, worker, tmp_path):
    started = worker(
        "import signal; signal.signal(signal.SIGINT, signal.SIG_DFL)\n"
        + DIE.format(ended_by, "True")
    )
    assert supervise.keep_working(tmp_path, CALL) < 0
    assert len(started) == 1


def test_note_that_cannot_be_read_is_no_note(tmp_path):
    point = tmp_path / "points" / "a"
    point.mkdir(parents=True)
    (point / "attempt.json").write_text("{")
    assert not supervise._had_begun(tmp_path, CALL, 7)
    note = {"pid": 7, "host": platform.node(), "call": CALL}
    (point / "attempt.json").write_text(json.dumps(note))
    assert supervise._had_begun(tmp_path, CALL, 7)
    assert not supervise._had_begun(tmp_path, "another", 7)


def test_worker_does_not_outlive_its_supervisor(worker, tmp_path, monkeypatch):
    """On Slurm an exception comes when the job's time is nearly up."""
    started = worker("import time; time.sleep(60)")

    def time_is_up(*_):
        raise TimeoutError

    signal.signal(signal.SIGALRM, time_is_up)
    signal.setitimer(signal.ITIMER_REAL, 0.5)
    with pytest.raises(TimeoutError):
        supervise.keep_working(tmp_path, CALL)
    assert started[0].poll() == -signal.SIGTERM
