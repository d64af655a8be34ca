"""Where programs that are binaries put their arrays, and what becomes of them."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from microcircuit.devices import CppProgram, standalone_program
from microcircuit.devices.standalone_program import (
    SPARE,
    scratch_parent,
    scratch_prefix,
    sweep_scratch,
)

SIZE = 1000
"""Bytes of a chunk."""


@pytest.fixture
def disk(monkeypatch, tmp_path):
    """The usual temporary folder, which nobody has chosen."""
    folder = tmp_path / "disk"
    folder.mkdir()
    monkeypatch.delenv("TMPDIR", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def memory(disk, monkeypatch, tmp_path):
    """A folder in memory, with much room."""
    folder = tmp_path / "memory"
    folder.mkdir()
    monkeypatch.setattr(standalone_program, "MEMORY", folder)
    leave(monkeypatch, 10**12)
    return folder


def leave(monkeypatch, free):
    """Leave so many bytes on every disk."""
    usage = SimpleNamespace(total=10**12, used=10**12 - free, free=free)
    monkeypatch.setattr("shutil.disk_usage", lambda folder: usage)


@pytest.mark.parametrize(
    ("free", "chosen"),
    [(SPARE * SIZE + 1, "memory"), (SPARE * SIZE, "disk"), (0, "disk")],
)
def test_arrays_go_through_memory_where_there_is_room(memory, disk, monkeypatch, free, chosen):
    leave(monkeypatch, free)
    assert scratch_parent(SIZE) == {"memory": memory, "disk": disk}[chosen]


def test_tmpdir_has_the_last_word(memory, monkeypatch, tmp_path):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)  # as in a new process
    assert scratch_parent(SIZE) == tmp_path


def test_a_system_without_such_a_folder(disk, monkeypatch, tmp_path):
    monkeypatch.setattr(standalone_program, "MEMORY", tmp_path / "missing")
    assert scratch_parent(SIZE) == disk


def test_a_folder_of_others(memory, disk, monkeypatch):
    """Root may write everywhere, so the system is asked in another way here."""
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != memory)
    assert scratch_parent(SIZE) == disk


@pytest.mark.parametrize("roomy", [True, False])
def test_a_program_runs_there_and_leaves_nothing(
    drill, drill_program, memory, disk, monkeypatch, tmp_path, roomy
):
    """What it takes is what it is asked for, and there must be much more."""
    program = object.__new__(CppProgram)
    program.__dict__.update(drill_program.__dict__)
    leave(monkeypatch, SPARE * program._size + roomy)
    written = sum(file.bytes for file in program._files.values())
    assert program._size == 2 * written
    log, real = tmp_path / "log", drill_program._folder.absolute() / "main"
    program._folder = tmp_path
    (tmp_path / "main").write_text(f'#!/bin/sh\npwd > "{log}"\nexec "{real}" "$@"\n')
    (tmp_path / "main").chmod(0o755)
    circuit = drill.circuit()
    program.run(drill.state(circuit), drill.parameters(circuit), drill.stretch(0, 1), 0)
    scratch = Path(log.read_text().strip())
    assert scratch.parent == (memory if roomy else disk)
    assert scratch.name.startswith(scratch_prefix(os.getpid()))
    assert not scratch.exists()


@pytest.mark.parametrize("place", ["memory", "disk"])
def test_temporary_folders_of_killed_processes_are_swept_away(memory, disk, place):
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    parent = {"memory": memory, "disk": disk}[place]
    mine, gone = (parent / (scratch_prefix(pid) + "x1") for pid in (os.getpid(), done.pid))
    elsewhere = parent / f"microcircuit-another-host-{done.pid}-x1"
    for folder in (mine, gone, elsewhere):
        folder.mkdir()
        (folder / "array").touch()
    sweep_scratch()
    assert mine.exists()
    assert elsewhere.exists()
    assert not gone.exists()
