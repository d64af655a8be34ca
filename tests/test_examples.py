"""The example scripts and the README's Python, in shortened form and without a compiler."""

import dataclasses
import re
import runpy
from pathlib import Path

import pytest
from brian2 import ms
from typer.testing import CliRunner

from microcircuit import computation, simulation
from microcircuit import config as configuration
from microcircuit.cli import app
from microcircuit.cli.options import resolved
from microcircuit.progress import no_progress
from microcircuit.protocols import PROTOCOLS
from microcircuit.results import open_results
from microcircuit.simulation import DeviceSettings
from microcircuit.study import design, plan

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
STUDIES = [ROOT / "examples" / name for name in ("segregated_variants.toml", "study.toml")]
CONFIGURATIONS = sorted({*(ROOT / "examples").glob("*.toml")} - {*STUDIES})
README = (ROOT / "README.md").read_text(encoding="utf-8")
PYTHON = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
SHORT = {
    "presentations": 2,
    "repetitions": 2,
    "duration": "2 ms",
    "before": 1,
    "after": 1,
    "tests": 1,
    "test_patterns": 1,
    "networks": 1,
    "epochs": 1,
    "images": 1,
    "phase": 20 * ms,
    "test_phase": 2 * ms,
    "settling": 1 * ms,
    "test_images": 1,
    "probe_images": 1,
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Work in an empty folder, where whatever is simulated is short and needs no compiler."""
    simulate, compute = simulation.simulate, computation.compute

    def short(protocol):
        fields = {field.name for field in dataclasses.fields(protocol)}
        changes = {key: value for key, value in SHORT.items() if key in fields}
        return dataclasses.replace(protocol, **changes)

    def simulated(protocol, *inputs, **options):
        device = DeviceSettings(name="numpy")
        return simulate(short(protocol), *inputs, device=device, progress=no_progress, **options)

    def computed(protocol, *inputs, **options):
        return compute(short(protocol), *inputs, progress=no_progress, **options)

    monkeypatch.setattr(simulation, "simulate", simulated)
    monkeypatch.setattr(computation, "compute", computed)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_example(example, folder, capsys):
    runpy.run_path(str(example))
    result = open_results(folder / "runs" / example.stem.replace("_", "-"))
    assert (result.status, result.config["protocol"]["name"].replace("-", "_")) == (
        "complete",
        example.stem,
    )
    assert list(result.path.parent.glob("*.png"))
    assert capsys.readouterr().out


def test_every_protocol_has_an_example():
    assert {path.stem for path in EXAMPLES} == {name.replace("-", "_") for name in PROTOCOLS}


def test_configuration_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = ROOT / "examples/self_prediction.toml"
    short = ["--set", "protocol.presentations=1", "--set", "protocol.duration=1 ms"]
    arguments = ["run", "--config", str(file), "-o", "run", "--device", "numpy", *short]
    finished = CliRunner().invoke(app, arguments)
    assert finished.exit_code == 0, finished.output
    with open_results("run") as results:
        assert results.config["model"]["areas"] == [30, 40, 10]
        assert results.config["model"]["tau_weights"] is None


@pytest.mark.parametrize("file", CONFIGURATIONS, ids=lambda path: path.stem)
def test_configuration_file_is_valid_and_says_how_to_run_it(file):
    given = configuration.load(None, file=file)
    assert resolved(given).protocol == given.protocol
    first, *_ = file.read_text(encoding="utf-8").splitlines()
    assert first.startswith(f"# microcircuit run --config examples/{file.name}")


def test_python_of_the_readme(folder):
    names = {"__name__": "readme"}
    for code in PYTHON:
        exec(compile(code, "README.md", "exec"), names)
    experiment = names["HardSigmoid"]().experiment(names["MODEL"], 0)
    equations = experiment.circuit.population("hidden_1").equations
    assert "clip(0.5 + v_soma/4, 0, 1)" in equations
    assert "clip(0.5 + v_predicted/4, 0, 1)" in equations


def test_study_of_variants_changes_one_thing_at_a_time():
    study = design.read(ROOT / "examples/segregated_variants.toml")
    first, *others = plan.points_of(study, study.combinations, resolved)
    for point in others:
        changed = [key for key in first.given if point.given[key] != first.given[key]]
        assert len(changed) == 1, point.given


def test_configuration_files_of_the_readme():
    texts = re.findall(r"```toml\n(.*?)```", README, re.DOTALL)
    for text, name in zip(texts, ("self_prediction.toml", "study.toml"), strict=True):
        assert text == (ROOT / "examples" / name).read_text(encoding="utf-8")
