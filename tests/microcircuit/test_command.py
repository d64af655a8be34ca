import sys

import pytest

from microcircuit.command import Outcome, run_command


def test_success_gives_what_was_printed(tmp_path):
    outcome = run_command(["sh", "-c", "pwd; echo noise >&2"], folder=tmp_path)
    assert outcome == Outcome(True, str(tmp_path))


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (["sh", "-c", "echo partly; echo no space >&2; exit 3"], "no space"),
        (["sh", "-c", "exit 3"], "ended with status 3"),
        (["no-such-program"], "no-such-program: No such file or directory"),
    ],
)
def test_failure_gives_its_reason(command, reason):
    assert run_command(command) == Outcome(False, reason)


def test_hanging_program_is_ended():
    command = [sys.executable, "-c", "import time; time.sleep(60)"]
    assert run_command(command, timeout=0.2) == Outcome(False, "no answer within 0.2 s")


def test_first_line():
    assert Outcome(True, "one\ntwo").first_line == "one"
    assert Outcome(True, "").first_line == ""
