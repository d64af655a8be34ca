"""The commands ``spikes`` and ``export``, on a run of a few time steps."""

import re
import sys
from pathlib import Path

import pynwb
import pytest
from brian2 import ms
from typer.testing import CliRunner

from microcircuit import errors
from microcircuit.cli import app
from microcircuit.models.guerguiev2017 import Guerguiev2017
from microcircuit.progress import no_progress
from microcircuit.protocols.data import Data
from microcircuit.protocols.segregated_traces import SegregatedTraces
from microcircuit.results import open_results
from microcircuit.simulation import DeviceSettings, simulate


@pytest.fixture(autouse=True)
def work(tmp_path, monkeypatch):
    """Work in an empty folder, in which runs may be made."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")


def call(*arguments, exit_code=0):
    finished = CliRunner().invoke(app, arguments)
    assert finished.exit_code == exit_code, (finished.output, finished.exception)
    return finished.output


def make(folder, **changes):
    model = Guerguiev2017(hidden=(5,), averaging=5 * ms, **changes)
    options = {"device": DeviceSettings(name="numpy"), "output": folder, "progress": no_progress}
    simulate(SegregatedTraces(images=4, phase=30 * ms), model, Data(), **options).close()


def files(folder):
    return sorted(path.name for path in Path(folder).iterdir())


def test_spikes_are_summed_up_and_drawn():
    make("a")
    with open_results("a") as results:
        counts = {name: len(results.spikes(name).time) for name in results.spiking()}
    output = call("spikes", "a")
    rows = [line.split() for line in output.splitlines()]
    for name, size in (("input", "64"), ("hidden_1", "5"), ("output", "10")):
        (row,) = (row for row in rows if row[:1] == [name])
        assert row[1:3] == [size, f"{counts[name]:,}"]
        assert re.fullmatch(r"\d\.\d+ \(\d+\)", " ".join(row[6:8]))  # the Fano factor
    assert "CVs are of neurons with 3 spikes or more" in output
    assert "in 2 windows of 100 ms" in output
    assert "Figure   a/spikes.png, a/spikes.pdf" in output
    assert files("a") == ["run.h5", "spikes.pdf", "spikes.png"]


def test_export_goes_by_the_suffix():
    make("a")
    Path("out").mkdir()
    assert "Written  out/a.nwb" in call("export", "a", "out/a.nwb")
    assert pynwb.validate(path="out/a.nwb") == []
    assert "Written  out/a.mat" in call("export", "a/run.h5", "out/a.mat")
    assert files("out") == ["a.mat", "a.nwb"]
    with pynwb.NWBHDF5IO("out/a.nwb", "r") as io:
        assert list(io.read().related_publications) == ["doi:10.7554/eLife.22901"]
    assert "is there already" in call("export", "a", "out/a.nwb", exit_code=errors.BAD_INPUT)
    told = call("export", "a", "out/a.csv", exit_code=errors.BAD_INPUT)
    assert "out/a.csv must end in .nwb, or in .mat" in told
    assert files("out") == ["a.mat", "a.nwb"]


@pytest.mark.parametrize("suffix", ["nwb", "mat"])
def test_export_makes_no_folder(suffix):
    make("a")
    told = call("export", "a", f"none/a.{suffix}", exit_code=errors.BAD_INPUT)
    assert f"none/a.{suffix}: there is no folder none" in told
    assert files(".") == ["a"]


def test_run_without_spikes_is_explained(monkeypatch):
    for name in ("spikes", "trains", "nwb"):  # they need the extra, and it takes none to hear this
        monkeypatch.setitem(sys.modules, f"microcircuit.analysis.{name}", None)
    make("rates", signal="rates")
    for command in (["spikes", "rates"], ["export", "rates", "a.nwb"]):
        told = call(*command, exit_code=errors.BAD_INPUT)
        assert "rates/run.h5 holds no spikes" in told
        assert "segregated-traces" in told
    assert files("rates") == ["run.h5"]
    assert files(".") == ["rates"]


def test_study_is_not_a_run():
    Path("a").mkdir()
    Path("a", "study.json").touch()
    for command in (["spikes", "a"], ["export", "a", "b.nwb"], ["show", "a"]):
        told = call(*command, exit_code=errors.BAD_INPUT)
        assert "a holds a study: its points are runs, in a/points" in told


def test_folder_without_a_run_is_explained():
    assert "a holds no finished run" in call("spikes", "a", exit_code=errors.BAD_INPUT)
    assert "a holds no finished run" in call("export", "a", "b.nwb", exit_code=errors.BAD_INPUT)
