"""The command line, on runs of a few time steps, with figures that only pretend."""

import errno
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest
from typer.testing import CliRunner

from microcircuit import (
    computation,
    devices,
    doctor,
    errors,
    progress,
    reporting,
    segments,
    simulation,
)
from microcircuit.cli import app
from microcircuit.doctor import Check
from microcircuit.protocols.self_prediction import MODEL, SelfPrediction
from microcircuit.results import open_results

SHORT = [
    *("--device", "numpy"),
    *("--set", "protocol.presentations=2"),
    *("--set", "protocol.duration=1 ms"),
]
CAPTION = "Learning, in [brackets]."


@dataclass
class Drawn:
    paths: list[Path]
    caption: str = CAPTION


def draw(results, folder):
    drawn = Drawn([folder / "figure.png", folder / "figure.pdf"])
    for path in drawn.paths:
        path.write_text(results.status, encoding="utf-8")
    return [drawn]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """Work in an empty folder; what is compiled would lie in the folder returned."""
    figures = ModuleType("figures")
    figures.draw = draw
    monkeypatch.setitem(sys.modules, "microcircuit.analysis.figures", figures)
    monkeypatch.setenv("MICROCIRCUIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "200")
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "cache"


def call(*arguments, exit_code=0):
    finished = CliRunner().invoke(app, arguments)
    assert finished.exit_code == exit_code, (finished.output, finished.exception)
    return finished.output


def contents(folder):
    with open_results(folder) as results:
        return [results.record(*name).data.tolist() for name in results.records()]


# -------------------------------------------------------------------------------- run


def test_run_says_what_where_and_what_it_shows():
    output = call("run", "self-prediction", *SHORT, "--seed", "3", "-o", "runs/a")
    assert output.startswith("self-prediction, seed 3, on numpy: 2 presentations, into runs/a\n")
    assert "runs/a/run.h5: complete, 2 presentations" in output
    assert "runs/a/figure.png, runs/a/figure.pdf" in output
    assert CAPTION in output
    assert "hidden_1.v_apical_squared.fall" in output
    with open_results("runs/a") as results:
        assert (results.config["seed"], results.config["device"]["name"]) == (3, "numpy")
    assert Path("runs/a/figure.pdf").read_text(encoding="utf-8") == "complete"


def test_run_has_a_folder_for_every_protocol_and_seed():
    call("run", "self-prediction", *SHORT)
    call("run", "self-prediction", *SHORT, "--seed", "3")
    assert sorted(path.name for path in Path("runs").iterdir()) == [
        "self-prediction-0",
        "self-prediction-3",
    ]


def test_command_line_wins_over_the_file():
    Path("my.toml").write_text(
        'seed = 3\n[protocol]\nname = "self-prediction"\n[model]\nareas = [3, 2, 1]\n'
        'sigma = "0 ms**-0.5"\n',
        encoding="utf-8",
    )
    call("run", "--config", "my.toml", *SHORT, "--set", "model.areas=[4, 3, 2]", "-o", "a")
    with open_results("a") as results:
        assert results.config["seed"] == 3
        assert results.config["model"]["areas"] == [4, 3, 2]
        assert results.config["model"]["sigma"] == "0 ms**-0.5"


BAD = {
    "unknown protocol": (["self-predicton"], "did you mean 'self-prediction'?"),
    "no protocol": ([], "no protocol: name one"),
    "unknown section": (["self-prediction", "--set", "modl.dt=1"], "did you mean 'model'?"),
    "unknown key": (
        ["self-prediction", "--set", "protocol.presentatons=3"],
        "protocol.presentatons: unknown key 'presentatons'; did you mean 'presentations'?",
    ),
    "malformed assignment": (["self-prediction", "--set", "seed"], "'seed' is not an assignment"),
    "assignment without a section": (["self-prediction", "--set", "seed=1"], "not a section"),
    "wrong unit": (
        ["self-prediction", "--set", "model.g_leak=3 mV"],
        "model.g_leak = '3 mV': has the unit 'V'; expected the unit '/ms'",
    ),
    "no unit": (["self-prediction", "--set", "protocol.duration=3"], "has no unit"),
    "negative learning rate": (
        ["self-prediction", "--set", "model.eta_bottom_up=-1e-3 /ms"],
        "must not be negative",
    ),
    "negative dt": (
        ["self-prediction", "--set", "model.dt=-0.1 ms"],
        "model.dt = '-0.1 ms': must be greater than 0",
    ),
    "dt that does not fit": (
        ["self-prediction", "--set", "protocol.duration=1.25 ms"],
        "not a whole number of steps",
    ),
    "no presentations": (["self-prediction", "--set", "protocol.presentations=0"], "greater"),
    "unknown device": (
        ["self-prediction", "--device", "gpu"],
        "should be 'cpp', 'cuda' or 'numpy'",
    ),
    "spikes without time": (
        ["denoising", "--set", "model.signal=spikes"],
        "model.signal: the two-step form has no time in which to spike",
    ),
    "spikes as ever": (
        ["lif", "--set", "model.signal=spikes"],
        "model.signal: these neurons have spikes",
    ),
    "spikes on CUDA": (
        ["bars", "--set", "model.signal=spikes", "--device", "cuda"],
        "the device 'cuda' has no spikes",
    ),
    "negative seed": (["self-prediction", "--seed", "-1"], "seed = -1"),
    "missing file": (["--config", "none.toml"], "none.toml: cannot be read"),
}


@pytest.mark.parametrize(("arguments", "message"), BAD.values(), ids=BAD.keys())
@pytest.mark.parametrize("command", ["run", "show"])
def test_bad_input_is_explained_before_anything_is_made(command, arguments, message, cache):
    output = call(command, *arguments, exit_code=errors.BAD_INPUT)
    assert output.startswith("Error: ")
    assert message in output
    assert not cache.exists()
    assert not Path("runs").exists()


@pytest.mark.parametrize("text", ["this is not TOML", "[protocol\n", "\x00"])
def test_file_that_is_not_toml(text):
    Path("my.toml").write_text(text, encoding="utf-8")
    output = call("run", "--config", "my.toml", exit_code=errors.BAD_INPUT)
    assert "my.toml: is not TOML" in output


def test_all_problems_are_told_at_once():
    changes = ("--set", "model.dt=0 ms", "--set", "protocol.durations=1")
    output = call("run", "self-prediction", *changes, exit_code=errors.BAD_INPUT)
    assert "model.dt" in output
    assert "protocol.durations" in output


def test_folder_with_a_run_is_left_alone(cache):
    call("run", "self-prediction", *SHORT, "-o", "a")
    before = contents("a")
    output = call("run", "self-prediction", "--seed", "4", "-o", "a", exit_code=errors.BAD_INPUT)
    assert "a holds a finished run: choose another folder" in output
    assert contents("a") == before
    assert not cache.exists()


def test_divergence_is_a_failure_that_cannot_be_resumed():
    unstable = ("--device", "numpy", "--set", "model.dt=5 ms", "-o", "a")
    output = call("run", "self-prediction", *unstable, exit_code=errors.FAILED)
    assert "population 'hidden_1' diverged: v_soma" in output
    assert "kept in a/run.h5" in output
    assert "is over: population 'hidden_1'" in call("run", "--resume", "a", exit_code=errors.FAILED)
    assert "numpy: diverged" in call("show", "a")


def test_full_disk_is_a_failure(monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(segments, "write_segment", full)
    output = call("run", "self-prediction", *SHORT, "-o", "a", exit_code=errors.FAILED)
    assert "No space left on device" in output
    assert "microcircuit run --resume a" in output


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (devices.ProgramError("it does not compile"), "it does not compile"),
        (OSError(errno.ENOSPC, "No space left on device", "cache"), "No space left on device"),
    ],
)
def test_program_that_cannot_be_made_is_a_failure(error, message, monkeypatch):
    class Broken(devices.CppProgram):
        def __init__(self, structure):
            raise error

    monkeypatch.setitem(simulation.DEVICES, "cpp", Broken)
    output = call("run", "self-prediction", "-o", "a", exit_code=errors.FAILED)
    assert message in output
    assert not Path("a").exists()  # so that the same command can be given again


def test_every_expected_error_exists(monkeypatch):
    monkeypatch.delitem(sys.modules, "microcircuit.analysis.figures")  # some are in the real ones
    for name in errors.EXIT_CODES:
        module, _, cls = name.rpartition(".")
        assert issubclass(getattr(import_module(module), cls), Exception)


# ----------------------------------------------------------------------------- resume


@pytest.fixture
def interrupted(monkeypatch):
    """A run of two presentations, stopped by Ctrl-C when one was saved; returns what it printed."""

    class Interrupting:
        def update(self, position, live):
            if position == 2:
                raise KeyboardInterrupt

    @contextmanager
    def display(done, total, label):
        yield Interrupting()

    with monkeypatch.context() as patch:
        patch.setattr(progress, "progress_bar", display)
        patch.setattr(devices.Program, "chunk_seconds", 0)  # one presentation a chunk
        often = ("--set", "device.checkpoint_interval=1e-9 s")
        return call("run", "self-prediction", *SHORT, *often, "-o", "a", exit_code=130)


def test_interrupted_run_can_be_resumed(interrupted):
    told = "1 of 2 presentations are saved.\nResume with: microcircuit run --resume a\n"
    assert interrupted.endswith(f"Interrupted.\n{told}")
    assert "unfinished, 1 of 2 presentations saved" in call("show", "a")
    assert "microcircuit run --resume a" in call("show", "a")
    output = call("run", "--resume", "a")
    assert "a/run.h5: complete, 2 presentations" in output
    call("run", "self-prediction", *SHORT, "-o", "b")
    assert contents("a") == contents("b")


def test_unfinished_run_has_no_figure(interrupted):
    output = call("figure", "a", exit_code=errors.BAD_INPUT)
    assert "unfinished run: resume with: microcircuit run --resume a" in output


@pytest.mark.parametrize(
    "option", [["--seed", "1"], ["--device", "cpp"], ["--set", "model.dt=1 ms"], ["-o", "b"]]
)
def test_resuming_takes_no_other_options(option, interrupted):
    output = call("run", "--resume", "a", *option, exit_code=errors.BAD_INPUT)
    assert "it takes no other options" in output


def test_resuming_takes_a_protocol_that_agrees(interrupted):
    output = call("run", "bars", "--resume", "a", exit_code=errors.BAD_INPUT)
    assert "the run in a is of 'self-prediction', not of 'bars'" in output
    call("run", "self-prediction", "--resume", "a")


def test_resuming_a_complete_run_does_no_harm():
    call("run", "self-prediction", *SHORT, "-o", "a")
    before = contents("a")
    output = call("run", "--resume", "a")
    assert "the run in a is complete: there is nothing to resume." in output
    assert "figure.png" in output
    assert contents("a") == before


def test_resuming_nothing():
    assert "a holds no run" in call("run", "--resume", "a", exit_code=errors.BAD_INPUT)


# ------------------------------------------------------------------------- computations

FEW = [
    *("--set", 'protocol.rules=["backprop", "sign-symmetry-resampled"]'),
    *("--set", "protocol.epochs=2"),
    *("--set", "protocol.repeats=2"),
    *("--set", "model.hidden=[4, 3]"),
    *("--set", "model.batch=300"),
]
"""Two rules for two epochs each, on digits."""


def test_computation_is_run_as_circuits_are():
    output = call("run", "rules", *FEW)
    assert output.startswith("rules, seed 0: 4 epochs, into runs/rules-0\n")
    assert "runs/rules-0/run.h5: complete, 4 epochs" in output
    assert "figure.png" in output
    assert "test_error.backprop" in output
    shown = call("show", "runs/rules-0")
    assert shown.startswith("rules, seed 0: complete, 4 epochs\n")
    rows = [" ".join(line.split()) for line in shown.splitlines()]
    assert any(row.startswith("backprop.angle 3 x 2 x 3 degrees") for row in rows)
    assert "model.batch 300 10" in rows
    output = call("run", "rules", "-o", "runs/rules-0", exit_code=errors.BAD_INPUT)
    assert "holds a finished run" in output


@pytest.mark.parametrize("epoch", [1, 2, 3])
def test_interrupted_computation_goes_on_bit_for_bit(epoch, monkeypatch):
    class Interrupting:
        def update(self, position, live):
            if position == epoch:
                raise KeyboardInterrupt

    @contextmanager
    def display(done, total, label):
        yield Interrupting()

    with monkeypatch.context() as patch:
        patch.setattr(progress, "progress_bar", display)
        output = call("run", "rules", *FEW, "-o", "a", exit_code=errors.INTERRUPTED)
    assert output.endswith("Resume with: microcircuit run --resume a\n")
    assert f"rules, seed 0: unfinished, {epoch} of 4 epochs saved" in call("show", "a")
    assert "a/run.h5: complete, 4 epochs" in call("run", "--resume", "a")
    call("run", "rules", *FEW, "-o", "b")
    assert contents("a") == contents("b")
    assert "is complete: there is nothing to resume" in call("run", "--resume", "a")


def test_show_says_how_long_a_computation_takes(monkeypatch):
    monkeypatch.setattr(computation, "seconds_per_chunk", lambda _: 2.0)
    output = call("show", "rules", *FEW)
    assert output.startswith("rules, seed 0: 4 epochs\n")
    assert output.endswith("Takes about 8 s on this machine, 2 s for each of the epochs.\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["rules", "--device", "cpp"], "device: the protocol 'rules' has no such section; it has "),
        (["bars", "--set", "data.name=mnist"], "data: the protocol 'bars' has no such section"),
        (["rules", "--set", "data.name=cifar"], "data.name = 'cifar': should be 'digits'"),
        (["rules", "--set", 'protocol.rules=["dpt"]'], "protocol.rules[0] = 'dpt': unknown rule"),
        (["rules", "--set", "model.hidden=[]"], "model: hidden = ()"),
    ],
)
def test_each_protocol_has_its_sections(arguments, message):
    assert message in call("run", *arguments, exit_code=errors.BAD_INPUT)
    assert not Path("runs").exists()


def test_computation_that_diverges_is_a_failure():
    rate = ("--set", "model.learning_rate=1e38", "-o", "a")
    output = call("run", "rules", *FEW, *rate, exit_code=errors.FAILED)
    assert "backprop diverged in epoch 1" in output
    assert "kept in a/run.h5" in output
    assert "is over: backprop" in call("run", "--resume", "a", exit_code=errors.FAILED)


def test_images_that_cannot_be_had_are_told_before_anything_is_made(monkeypatch):
    monkeypatch.setenv("MICROCIRCUIT_DATA", "images")
    Path("images/mnist").mkdir(parents=True)
    Path("images/mnist/train-images-idx3-ubyte.gz").write_bytes(b"not these")
    output = call("run", "rules", "--set", "data.name=mnist", exit_code=errors.FAILED)
    assert "images/mnist/train-images-idx3-ubyte.gz can't be read" in output
    assert not Path("runs").exists()


def test_all_papers_of_the_rules_are_cited():
    output = call("cite", "rules")
    for key in ("bartunov2018", "lillicrap2016", "scellier2017", "stimberg2019brian"):
        assert output.count("{" + key) == 1


# --------------------------------------------------------------------- show and figure


@pytest.mark.parametrize("what", ["a", "a/run.h5"])
def test_show_run(what):
    call("run", "self-prediction", *SHORT, "-o", "a", "--set", "model.areas=[4, 3, 2]")
    lines = call("show", what).splitlines()
    assert lines[0] == "self-prediction, seed 0, on numpy: complete, 2 presentations"
    rows = [" ".join(line.split()) for line in lines]
    assert "model.areas [4, 3, 2] [30, 20, 10]" in rows
    assert not any(row.startswith("model.g_leak") for row in rows)
    for start in (
        "hidden_1.v_apical_squared 2 x 1 x 1",
        "weights of bottom_up_1 3 x 1 x 3 x 4",
        "hidden_1.v_apical_squared.fall",
        "brian2 version",
    ):
        assert any(row.startswith(start) for row in rows)


def test_show_run_of_a_protocol_of_the_users_own():
    class Mine(SelfPrediction):
        name = "mine"

    simulation.simulate(
        Mine(presentations=1, duration="1 ms"),
        MODEL,
        output="a",
        device=simulation.DeviceSettings(name="numpy"),
        progress=progress.no_progress,
    ).close()
    output = call("show", "a")
    assert output.startswith("mine, seed 0")
    assert "model.g_leak" in output


def test_show_protocol_says_what_would_be_run_and_how_long_it_takes():
    output = call("show", "self-prediction", *SHORT, "--set", "model.areas=[4, 3, 2]")
    assert output.startswith("self-prediction, seed 0, on numpy: 2 presentations\n")
    rows = [line.split() for line in output.splitlines()]
    assert ["model.areas", "[4,", "3,", "2]", "[30,", "20,", "10]"] in rows
    assert ["model.g_leak", "0.1", "/ms"] in rows
    assert rows[-1][:2] == ["Takes", "about"]
    assert not list(Path().iterdir())


def test_show_counts_the_tests_of_a_protocol(monkeypatch):
    monkeypatch.setattr(simulation, "seconds_per_presentation", lambda *_: 0.1)
    changes = ("protocol.presentations=100", "protocol.tests=4", "protocol.test_patterns=20")
    options = [word for change in changes for word in ("--set", change)]
    assert "Takes about 20 s" in call("show", "regression", *options)


def test_show_what_does_not_exist():
    output = call("show", "runs/a", exit_code=errors.BAD_INPUT)
    assert "there is no folder 'runs/a'; unknown protocol" in output
    Path("empty").mkdir()
    output = call("show", "empty", exit_code=errors.BAD_INPUT)
    assert "empty holds no finished run" in output


def test_show_takes_no_options_for_a_run():
    call("run", "self-prediction", *SHORT, "-o", "a")
    output = call("show", "a", "--seed", "1", exit_code=errors.BAD_INPUT)
    assert "a is a run: no option can change it" in output


def test_figure_is_drawn_again():
    call("run", "self-prediction", *SHORT, "-o", "a")
    Path("a/figure.png").unlink()
    assert CAPTION in call("figure", "a")
    assert Path("a/figure.png").exists()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 ms"),
        (0.00175, "1.75 ms"),
        (1.74, "1.7 s"),
        (59.4, "59 s"),
        (90, "1 min 30 s"),
        (3600, "1 h"),
        (17 * 3600 + 20 * 60 + 5, "17 h 20 min"),
        (2 * 86400 + 3 * 3600, "2 d 3 h"),
    ],
)
def test_times_as_people_say_them(seconds, text):
    assert reporting.duration(seconds) == text


# ---------------------------------------------------------------------- other commands


def test_list_names_protocols_and_papers():
    output = call("list")
    assert "self-prediction" in output
    assert "Fig S1" in output
    assert "Dendritic cortical microcircuits approximate" in output


@pytest.mark.parametrize(("status", "exit_code"), [("warning", 0), ("problem", 1)])
def test_doctor_fails_where_there_is_a_problem(status, exit_code, monkeypatch):
    checks = [
        Check("Python", "ok", "3.12.1"),
        Check("make", status, "[strange]", "Install `make`."),
    ]
    monkeypatch.setattr(doctor, "examine", lambda *, folder: checks)
    output = call("doctor", exit_code=exit_code)
    assert "make" in output
    assert "[strange]" in output
    assert "Install `make`." in output


def test_doctor_looks_where_programs_are_kept(cache):
    found = {check.name: check for check in doctor.examine(folder=Path.cwd())}
    assert str(cache) in found["disk for compiled programs"].found


@pytest.mark.parametrize("what", [[], ["self-prediction"], ["sacramento2018"]])
def test_cite(what):
    output = call("cite", *what)
    for key in (
        "@inproceedings{sacramento2018",
        "@article{stimberg2019brian,",
        "@software{dendritic_microcircuit,\n  title   = {dendritic-microcircuit: ",
    ):
        assert output.count(key) == 1
    assert output.count("{") == output.count("}")


def test_cite_what_does_not_exist():
    output = call("cite", "sacramento2017", exit_code=errors.BAD_INPUT)
    assert "did you mean 'sacramento2018'?" in output


def test_version():
    assert call("--version") == "microcircuit 0.1.0\n"


def python(code, *arguments):
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False
    )


def test_help_imports_nothing_heavy():
    code = (
        "import sys\nfrom microcircuit.cli import app\napp(['--help'], standalone_mode=False)\n"
        "print({'numpy', 'brian2', 'h5py', 'matplotlib', 'pydantic'} & set(sys.modules))"
    )
    finished = python(code)
    assert "doctor" in finished.stdout
    assert finished.stdout.endswith("set()\n")


def test_expected_error_goes_to_stderr_without_a_traceback():
    code = "from microcircuit.cli import main; main()"
    finished = python(code, "run", "self-prediction", "--set", "model.dt=-1 ms")
    assert finished.returncode == errors.BAD_INPUT
    assert finished.stdout == ""
    assert finished.stderr == "Error: model.dt = '-1 ms': must be greater than 0\n"


def test_unexpected_error_is_not_blamed_on_brian2():
    code = (
        "from microcircuit import cli, simulation\n"
        "def broken(*_, **__): 1/0\n"
        "simulation.simulate = broken\ncli.main()"
    )
    finished = python(code, "run", "self-prediction", *SHORT)
    assert finished.returncode == 1
    assert finished.stderr.endswith("ZeroDivisionError: division by zero\n")
    assert "Brian" not in finished.stderr


def test_interrupt_stops_a_run_within_a_presentation():
    """Brian2 would end the presentation early, and go on as if it were whole."""
    hour = ("--set", "protocol.duration=3600 s")
    code = "from microcircuit.cli import main; main()"
    arguments = [sys.executable, "-c", code, "run", "self-prediction", *SHORT, *hour, "-o", "a"]
    running = subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True)
    try:
        while running.poll() is None and not Path("a/checkpoint/lock").exists():
            time.sleep(0.05)
        time.sleep(2)
        running.send_signal(signal.SIGINT)
        _, told = running.communicate(timeout=20)
    finally:
        running.kill()
    assert running.returncode == errors.INTERRUPTED
    assert "microcircuit run --resume a" in told
