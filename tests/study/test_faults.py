"""Whatever is killed, filled up or broken: one more ``study run``, and all is there, once."""

import json
import os
import resource
import signal
from pathlib import Path

import pandas as pd
import pytest

from microcircuit.results import open_results
from microcircuit.study.folder import StudyFolder

LONG = 600
"""Presentations of a point that takes a while."""
GRID = """
[grid]
"model.sigma" = [0.0, 0.1]
seed = "1-6"
"""
POINTS = 12
WILD, DEADLY = 0.04, 0.07
"""As in conftest.py."""


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """The tables of studies that nothing befell, by design."""
    return {}


@pytest.fixture
def table_of(study, expected):
    def undisturbed(design):
        if design not in expected:
            made = study(design, name="undisturbed")
            assert made.call("run").returncode == 0
            expected[design] = made.table()
        return expected[design]

    return undisturbed


def assert_same(first, second):
    """To the last bit: a point depends on its configuration alone."""
    pd.testing.assert_frame_equal(first, second, check_exact=True)


def finish(made):
    """One more call, that has nothing to complain of."""
    done = made.call("run")
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def count_finished(made):
    """How often each point was finished, from its log."""
    return [(point / "log.txt").read_text().count("finished") for point in made.points]


def test_killed_workers_are_replaced(study, table_of):
    """In the same call; those that died are named in the logs of their points."""
    made = study(GRID)
    with made.started() as running:
        made.kill_workers(2)
        assert running.wait(120) == 0
    assert_same(table_of(GRID), made.table())
    assert count_finished(made) == [1] * POINTS
    logs = "".join((point / "log.txt").read_text() for point in made.points)
    assert "died" in logs


def test_killed_parent_takes_its_workers_along(study, table_of):
    made = study(GRID)
    with made.started() as running:
        made.until(made.attempts)
        workers = {note["pid"] for note in made.attempts()}
        running.kill()
        running.wait()
        made.until(lambda: not any(Path(f"/proc/{pid}/cmdline").exists() for pid in workers))
    assert made.finished() < POINTS
    assert not made.attempts()
    assert made.call("status").returncode == 1
    finish(made)
    assert_same(table_of(GRID), made.table())
    assert count_finished(made) == [1] * POINTS


def test_interrupt_puts_points_down(study):
    """Ctrl-C: unfinished points are said to be, and nobody is blamed."""
    made = study(GRID, presentations=20 * LONG)
    with made.started() as running:
        made.until(made.attempts)
        running.send_signal(signal.SIGINT)
        told, _ = running.communicate(timeout=60)
        assert running.returncode == 130, told
    assert not made.attempts()
    assert made.finished() == 0
    logs = "".join(file.read_text() for file in made.folder.glob("points/*/log.txt"))
    assert "interrupted" in logs
    assert "died" not in logs


def test_deadly_and_divergent_points_are_reported_and_do_not_stop_others(
    study, mixed, table_of, tmp_path
):
    made = study(mixed(12))
    made.let_die(DEADLY, tmp_path)
    done = made.call("run")
    assert done.returncode == 1
    assert "10 complete, 1 diverged, 1 failed" in done.stdout
    assert "1 failed: the process that ran it died each time it was tried" in done.stdout
    table = made.table().set_index("model.sigma (ms**-0.5)")
    assert table.loc[DEADLY, "status"] == "failed"
    assert table.loc[WILD, "status"] == "diverged"
    assert "diverged" in table.loc[WILD, "error"]
    assert table.drop([WILD, DEADLY])["hidden_1.v_apical_squared.last"].notna().all()
    # Cured, it alone is run again.
    (tmp_path / "sitecustomize.py").unlink()
    finish(made)
    assert_same(table_of(mixed(12)), made.table())
    assert count_finished(made) == [1] * 12


def test_package_in_the_current_folder_is_not_run(study, tmp_path):
    """Such as that of a checkout, which may be another version than what is installed."""
    (tmp_path / "microcircuit").mkdir()
    (tmp_path / "microcircuit" / "__init__.py").write_text("raise ImportError('another')")
    done = study("[grid]\nseed = [1]\n", presentations=1).call("run", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_last_words_of_workers_that_die_at_once_are_told(study, tmp_path):
    code = (
        "import os, sys\nif 'work' in sys.orig_argv: os.write(2, b'First\\nGone\\n'), os._exit(1)"
    )
    (tmp_path / "sitecustomize.py").write_text(code, encoding="utf-8")
    made = study("[grid]\nseed = [1]\n", presentations=1)
    made.environment["PYTHONPATH"] = str(tmp_path)
    for command in ("run", "status"):
        done = made.call(command)
        assert done.returncode == 1
        assert done.stdout.count("A worker's last words: Gone\n") == 1
        assert "First" not in done.stdout


def test_fail_fast_stops_at_the_first_failure(study, mixed, tmp_path):
    """That of the first point; others would go on for minutes, so there is much to be stopped."""
    made = study(mixed(12), presentations=100 * LONG)
    made.let_die(0.01, tmp_path)
    assert made.call("run", "--fail-fast").returncode == 1
    counts = StudyFolder(made.folder)
    statuses = [counts.status(point)[0] for point in counts.points]
    assert statuses.count("failed") == 1
    assert "waiting" in statuses


INTERRUPTED = """
import os, signal
import microcircuit.study.work as work

def interrupted(tasks, program):
    try:
        os.kill(os.getpid(), signal.SIGTERM)
    except KeyboardInterrupt:
        raise ValueError("an interrupt in another guise")

work.simulate_together = interrupted
"""


def test_interrupt_that_a_library_has_turned_into_an_error_is_no_failure(study, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(INTERRUPTED, encoding="utf-8")
    made = study("[grid]\nseed = [1, 2]\n", presentations=1)
    made.environment["PYTHONPATH"] = str(tmp_path)
    assert made.call("run").returncode == 1
    counts = StudyFolder(made.folder)
    assert {counts.status(point)[0] for point in counts.points} == {"waiting"}
    assert all("interrupted" in (p / "log.txt").read_text() for p in made.points)


def test_two_calls_at_once_share_the_work(study, table_of):
    made = study(GRID)
    with made.started() as first, made.started() as second:
        assert first.wait(120) == second.wait(120) == 0
    assert_same(table_of(GRID), made.table())
    assert count_finished(made) == [1] * POINTS


def test_a_call_takes_over_from_one_that_is_killed(study, table_of):
    made = study(GRID)
    with made.started() as first:
        made.until(made.attempts)
        with made.started() as second:
            made.until(lambda: made.finished() > 0)
            first.kill()
            assert second.wait(120) == 0
    assert_same(table_of(GRID), made.table())
    # None twice; one may have been killed between its file and its log.
    assert max(count_finished(made)) == 1


def test_full_disk_fails_points_until_there_is_space(study, table_of):
    """A limit on the size of files stands in for a disk that is full."""
    made = study(GRID)

    def no_space():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, resource.RLIM_INFINITY))

    done = made.call("run", preexec_fn=no_space)
    assert done.returncode == 1
    assert "12 failed" in done.stdout
    assert "File too large" in done.stdout
    assert made.finished() == 0
    finish(made)
    assert_same(table_of(GRID), made.table())


def test_broken_results_are_set_aside_and_made_again(study, table_of):
    """What dead processes, or a failing disk, may leave."""
    made = study(GRID)
    finish(made)
    empty, half, cut, unfinished = (point / "run.h5" for point in made.points[3:7])
    empty.write_bytes(b"")
    half.write_bytes(b"\x89HDF\r\n\x1a\n half")
    cut.write_bytes(cut.read_bytes()[:4000])
    unfinished.rename(unfinished.with_suffix(".h5.part"))
    assert made.call("status").returncode == 1
    finish(made)
    for broken in (empty, half, cut):
        assert len(list(broken.parent.glob("run.h5.broken-*"))) == 1
    assert_same(table_of(GRID), made.table())


def test_result_of_another_point_is_no_result(study):
    made = study(GRID)
    finish(made)
    first, second = made.points[:2]
    (second / "run.h5").write_bytes((first / "run.h5").read_bytes())
    finish(made)
    configs = []
    for point in (first, second):
        with open_results(point) as results:
            configs.append(results.config)
    assert configs[0]["seed"] != configs[1]["seed"]


def test_folder_of_another_version_is_left_alone(study):
    made = study("[grid]\nseed = [1]", presentations=2)
    finish(made)
    manifest = made.folder / "study.json"
    content = json.loads(manifest.read_text())
    for change, told in (
        ({"provenance": content["provenance"] | {"package_version": "0.0.1"}}, "begun by another"),
        ({"format_version": 99}, "has format 99"),
    ):
        manifest.write_text(json.dumps(content | change))
        before = manifest.read_bytes()
        done = made.call("run")
        assert done.returncode == 2
        assert told in done.stderr
        assert manifest.read_bytes() == before
    manifest.write_text("{")
    assert "does not describe a study" in made.call("status").stderr


def test_folder_with_other_things_in_it_is_refused(study):
    made = study(GRID)
    made.folder.mkdir()
    (made.folder / "thesis.txt").touch()
    done = made.call("run")
    assert done.returncode == 2
    assert "not empty and holds no study" in done.stderr
    assert os.listdir(made.folder) == ["thesis.txt"]


def test_a_study_that_grows_runs_what_is_new(study):
    made = study('[grid]\nseed = "1-3"', presentations=5)
    finish(made)
    times = {point: (point / "run.h5").stat().st_mtime_ns for point in made.points}
    made.file.write_text(made.file.read_text().replace("1-3", "1-5"))
    assert "5 points, 5 complete" in finish(made)
    assert len(made.points) == 5
    assert all((point / "run.h5").stat().st_mtime_ns == when for point, when in times.items())
