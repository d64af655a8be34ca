import json
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from importlib import metadata

import numpy as np
import pytest

from microcircuit import provenance

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


def git(folder, *arguments):
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.org"]
    command = ["git", *identity, *arguments]
    return subprocess.check_output(command, cwd=folder, text=True).strip()


@pytest.fixture
def checkout(tmp_path):
    (tmp_path / "code.py").write_text("answer = 42\n", encoding="utf-8")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", "code.py")
    git(tmp_path, "commit", "--quiet", "--message", "First")
    return tmp_path


def test_collected_facts_are_true_and_survive_json():
    before = datetime.now(UTC).replace(microsecond=0)
    facts = provenance.collect(compiler=None, flags=["-O2", "-DNAME=a b"], device="numpy")
    assert json.loads(json.dumps(facts)) == facts
    assert facts["numpy_version"] == np.__version__
    assert facts["brian2_version"] == metadata.version("brian2")
    assert facts["python_version"] == ".".join(map(str, sys.version_info[:3]))
    assert facts["compiler"] == facts["compiler_version"] == "none"
    assert facts["flags"] == "-O2 '-DNAME=a b'"
    assert facts["device"] == "numpy"
    assert before <= datetime.fromisoformat(facts["started"]) <= datetime.now(UTC)
    assert all(value != "" for value in facts.values())


def test_compiler_version_is_its_first_line(tmp_path):
    compiler = tmp_path / "c++"
    compiler.write_text('#!/bin/sh\necho "$1 $2 12.2"\necho more\n', encoding="utf-8")
    compiler.chmod(0o755)
    facts = provenance.collect(compiler=f"{compiler} wrapped", flags=[], device="cpp")
    assert facts["compiler_version"] == "wrapped --version 12.2"
    assert facts["flags"] == ""


def test_nvcc_tells_its_version_late(tmp_path):
    nvcc = tmp_path / "nvcc"
    lines = "nvcc: NVIDIA (R) Cuda compiler driver\nCuda compilation tools, release 13.0, V13.0.88"
    nvcc.write_text(f"#!/bin/sh\necho '{lines}'\n", encoding="utf-8")
    nvcc.chmod(0o755)
    facts = provenance.collect(compiler=str(nvcc), flags=[], device="cuda")
    assert facts["compiler_version"] == "Cuda compilation tools, release 13.0, V13.0.88"


def test_missing_package_is_named_so(monkeypatch):
    monkeypatch.setattr(provenance, "DISTRIBUTION", "no-such-distribution")
    facts = provenance.collect(compiler=None, flags=[], device="numpy")
    assert facts["package_version"] == "not installed"


@needs_git
def test_git_tells_commit_and_changes(checkout):
    commit = git(checkout, "rev-parse", "HEAD")
    code = checkout / "code.py"
    assert provenance._git(code) == {"git_sha": commit, "git_dirty": "no"}
    code.write_text("answer = 43\n", encoding="utf-8")
    assert provenance._git(code) == {"git_sha": commit, "git_dirty": "yes"}


@needs_git
def test_file_inside_a_foreign_checkout_is_not_taken_for_its_commit(checkout):
    installed = checkout / "site-packages" / "code.py"
    installed.parent.mkdir()
    installed.touch()
    assert provenance._git(installed)["git_sha"] == "not a git checkout"


def test_no_git_no_commit(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")
    expected = {"git_sha": "not a git checkout", "git_dirty": "unknown"}
    assert provenance._git(tmp_path / "code.py") == expected


def test_peak_memory_grows_by_what_is_allocated():
    code = (
        "from microcircuit.provenance import peak_memory_bytes\n"
        "before = peak_memory_bytes()\n"
        # A new process starts with the peak of the one that made it.
        "block = b'x' * (before + 200_000_000)\n"
        "print(peak_memory_bytes() - before)\n"
    )
    grown = int(subprocess.check_output([sys.executable, "-c", code], text=True))
    assert 150e6 < grown < 300e6
