"""Every figure, of short simulated runs."""

import re
import subprocess
import sys
import warnings
from contextlib import contextmanager

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from microcircuit.analysis import figures
from microcircuit.analysis.figures import FIGURES, draw
from microcircuit.analysis.figures.bars import CLASSES, LABELS, LINEAR, patterns
from microcircuit.analysis.figures.general import general_figure
from microcircuit.analysis.figures.series import Series, draw_noisy, keep_to_means
from microcircuit.analysis.figures.style import (
    DOUBLE,
    MM_PER_INCH,
    SINGLE,
    explain,
    number,
    page,
    paper_style,
    plain_ticks_if_few,
)
from microcircuit.protocols import PROTOCOLS
from microcircuit.protocols.bars import CLASSES as PROTOCOL_CLASSES
from microcircuit.protocols.bars import bars
from microcircuit.results import Metric, Results, open_results

ONE_HIDDEN, TWO_HIDDEN = (4, 3, 2), (4, 3, 3, 2)
RUNS = [
    ("self-prediction", *ONE_HIDDEN),
    ("self-prediction", *TWO_HIDDEN),
    ("association", *TWO_HIDDEN),
    ("regression", *TWO_HIDDEN),
    ("bars", *ONE_HIDDEN),
    ("alignment", *TWO_HIDDEN),
    ("spiking-convergence", *TWO_HIDDEN),
    ("segregated-mnist",),
    ("segregated-mnist", 5),
    ("segregated-mnist", 5, 4),
    ("segregated-traces",),
    ("segregated-traces", 5),
    ("segregated-traces", 5, 4),
    ("rules", 5),
    ("rules", 5, 4),
]
COUNTS = {
    "Presentations",
    "Training patterns",
    "Pattern (box: its class)",
    "Epochs",
    "Layer of weights (last: output)",
    "Training images",
    "Learning",
    "Neuron of hidden layer 1",
    "Output neuron, by its digit",
    "Spikes of some neurons",
    "Population",
}
"""Labels of axes that count or tell apart; all others name a unit."""
UNIT = re.compile(r"\((dimensionless|degrees|s|ms|Hz|%)\)$")
CODE = re.compile(r"\w_\w|\bv soma|^C\d|None|nan", re.IGNORECASE)
"""What a name in the code looks like, and what missing values do."""


@pytest.fixture(params=RUNS, ids=lambda run: f"{run[0]}-{len(run)}")
def results(request, run):
    with open_results(run(*request.param)) as results:
        yield results


@pytest.fixture(scope="session")
def picture_of():
    """Make a run's picture, once in a session."""
    made = {}

    def once(results):
        if results.path not in made:
            with paper_style():
                made[results.path] = FIGURES[results.config["protocol"]["name"]](results)
                made[results.path].figure.draw_without_rendering()
        return made[results.path]

    return once


@pytest.fixture
def picture(results, picture_of):
    return picture_of(results)


@contextmanager
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def texts(figure):
    return [text.get_text() for text in figure.findobj(Text) if text.get_visible()]


def test_every_protocol_has_a_figure():
    assert set(FIGURES) == set(PROTOCOLS)


def test_files(results, tmp_path):
    with no_warnings():
        (drawn,) = draw(results, tmp_path / "new" / "folder")
    name = results.config["protocol"]["name"]
    tables = ["table.md", "table.tex"] if name == "rules" else []
    assert [path.name for path in drawn.paths] == [f"{name}.png", f"{name}.pdf", *tables]
    png, pdf = (path.read_bytes() for path in drawn.paths[:2])
    assert png.startswith(b"\x89PNG\r\n")
    assert png.endswith(b"IEND\xaeB`\x82")
    assert pdf.startswith(b"%PDF-")
    assert pdf.endswith(b"%%EOF\n")
    assert min(len(png), len(pdf)) > 10_000
    assert sorted((tmp_path / "new" / "folder").iterdir()) == sorted(drawn.paths)


def test_axes_have_labels_and_units(picture):
    figure = picture.figure
    panels = [axes for axes in figure.axes if axes.get_title(loc="left")]
    assert [axes.get_title(loc="left") for axes in panels] == list("abcdef"[: len(panels)])
    assert len(panels) >= 2
    for axes in figure.axes:
        for label in (axes.get_xlabel(), axes.get_ylabel()):
            assert not label or label in COUNTS or UNIT.search(label), label
    assert all(
        axes.get_ylabel() or axes.get_yticklabels()[0].get_text() == CLASSES[0] for axes in panels
    )
    assert all(axes.get_xlabel() or axes.get_shared_x_axes().get_siblings(axes) for axes in panels)


def test_words_are_for_strangers(picture):
    legends = [axes.get_legend() for axes in picture.figure.axes if axes.get_legend()]
    legends += picture.figure.legends
    assert legends
    for legend in legends:
        assert all(len(text.get_text()) > 5 for text in legend.get_texts())
    for text in [*texts(picture.figure), picture.caption]:
        assert not CODE.search(text.replace("\\mathdefault", "")), text


def test_width_is_that_of_a_journals_columns(picture):
    width = picture.figure.get_figwidth() * MM_PER_INCH
    assert width == pytest.approx(SINGLE) or width == pytest.approx(DOUBLE)


def test_areas_are_told_apart(run, picture_of):
    for name in ("self-prediction", "association", "alignment"):
        with open_results(run(name, *TWO_HIDDEN)) as results:
            shown = " ".join(texts(picture_of(results).figure)).replace("\n", " ")
        assert "hidden area 1" in shown
        assert "hidden area 2" in shown


@pytest.mark.parametrize("scale", ["linear", "log"])
@pytest.mark.parametrize("below", [False, True])
def test_legends_have_room(scale, below):
    with paper_style():
        figure = page(SINGLE, 60)
        axes = figure.subplots()
        axes.set_yscale(scale)
        for name in ("one line", "another line"):
            (line,) = axes.plot([1, 2, 3], [0.1, 40.0, 2.0], label=name)
        explain(axes, below=below)
        figure.draw_without_rendering()
    legend, points = (
        axes.get_legend().get_window_extent(),
        axes.transData.transform(line.get_xydata()),
    )
    if below:
        assert axes.bbox.y0 < legend.y0 < legend.y1 < points[:, 1].min()
    else:
        assert points[:, 1].max() < legend.y0 < legend.y1 < axes.bbox.y1


def test_ticks_within_a_decade_are_plain():
    axes = page(SINGLE, 60).subplots()
    axes.set_yscale("log")
    axes.plot([1, 2], [1.5, 6.0])
    plain_ticks_if_few(axes)
    axes.figure.draw_without_rendering()
    shown = {tick.get_text() for tick in axes.get_yticklabels(which="both")}
    assert {"2", "5"} < shown
    assert not any("times" in text for text in shown)


def test_logarithmic_axes_end_not_far_below_means():
    axes = page(SINGLE, 60).subplots()
    axes.set_yscale("log")
    values = np.ones(1000)
    values[700] = 1e-63
    keep_to_means(axes, [draw_noisy(axes, Series(np.arange(1000), values), color="C0")])
    low, high = axes.get_ylim()
    assert 1e-4 < low < 1e-3
    assert 1 < high < 10


def test_alignment_with_spikes(run, picture_of):
    with open_results(run("alignment", *TWO_HIDDEN, signal="spikes")) as results:
        figure, caption, _ = picture_of(results)
    assert "fixed point" not in caption
    assert "mean potentials in the second half of presentations" in caption
    transposed, _ = figure.axes
    low, high = transposed.get_ylim()
    assert high <= 180
    angles = [line.get_ydata() for line in transposed.lines if "λ" not in line.get_label()]
    assert all((low < values).all() and (values < high).all() for values in angles)


@pytest.mark.parametrize(("end", "learnt"), [(0.5, True), (1.5, False)])
def test_regression_says_what_is_not_learnt(run, monkeypatch, end, learnt):
    metric = Results.metric

    def changed(results, name):
        better = [metric(results, f"test_error.{of}").value for of in ("start", "constant")]
        return Metric(end * min(better)) if name == "test_error.deep" else metric(results, name)

    monkeypatch.setattr(Results, "metric", changed)
    with open_results(run("regression", *ONE_HIDDEN)) as results, paper_style():
        figure, caption, _ = FIGURES["regression"](results)
    assert ("without having learnt" in caption) is not learnt
    (deep, *_) = figure.axes[0].get_legend().get_texts()
    assert ("not learnt" in deep.get_text()) is not learnt


def test_shot_noise_of_self_prediction(run, picture_of):
    with open_results(run("self-prediction", *TWO_HIDDEN, signal="spikes")) as results:
        figure, caption, _ = picture_of(results)
        floors = [results.metric(f"hidden_{k}.v_apical_squared.shot_noise").value for k in (1, 2)]
    drawn = {line.get_label(): line.get_ydata()[0] for line in figure.axes[0].lines}
    assert [drawn[f"its shot noise, hidden area {k}"] for k in (1, 2)] == floors
    assert f"nobody can predict, is {number(floors[0])} in hidden area 1" in caption
    with open_results(run("self-prediction", *TWO_HIDDEN)) as results:
        assert "shot noise" not in picture_of(results).caption.lower()


def test_rates_of_spikes_are_in_khz(run, picture_of):
    with open_results(run("spiking-convergence", *TWO_HIDDEN)) as results:
        figure, caption, _ = picture_of(results)
    labels = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert labels[:2] == ["ψ = 1 kHz", "ψ = 10 kHz"]
    assert "at 10 kHz" in caption


def test_same_file_gives_the_same_figure(run, tmp_path):
    with open_results(run("self-prediction", *ONE_HIDDEN)) as results:
        first = [path.read_bytes() for path in draw(results, tmp_path)[0].paths]
        with matplotlib.rc_context({"lines.linewidth": 9, "savefig.dpi": 30}):
            again = [path.read_bytes() for path in draw(results, tmp_path)[0].paths]
    assert again == first


def test_simulator_and_windows_are_not_needed(run, tmp_path):
    code = (
        "import sys\n"
        "from microcircuit.analysis.figures import draw\n"
        "from microcircuit.results import open_results\n"
        f"with open_results({str(run('alignment', *TWO_HIDDEN))!r}) as results:\n"
        f"    draw(results, {str(tmp_path)!r})\n"
        "print([m for m in ('brian2', 'pydantic', 'matplotlib.pyplot') if m in sys.modules])"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.strip() == "[]"
    assert (tmp_path / "alignment.png").exists()


def test_failure_leaves_the_old_figure(run, tmp_path, monkeypatch):
    def fail(self, path, **options):
        path.write_bytes(b"half")
        raise OSError("no space left")

    with open_results(run("bars", *ONE_HIDDEN)) as results:
        (before,) = draw(results, tmp_path)
        png = before.paths[0].read_bytes()
        monkeypatch.setattr(Figure, "savefig", fail)
        with pytest.raises(OSError, match="no space"):
            draw(results, tmp_path)
    assert before.paths[0].read_bytes() == png
    assert sorted(tmp_path.iterdir()) == sorted(before.paths)


def test_run_of_a_protocol_that_is_not_ours(run, tmp_path):
    with open_results(run("user's", *ONE_HIDDEN)) as results, no_warnings():
        (drawn,) = draw(results, tmp_path)
        figure = general_figure(results).figure
    assert drawn.paths[0].name == "my-own-experiment.png"
    assert "My own experiment" in drawn.caption
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == ["Hidden 1", "Hidden 1", "Interneuron 1"]
    labels = {axes.get_ylabel() for axes in figure.axes}
    assert "V apical squared\n(dimensionless)" in labels


def test_run_that_diverged(run, tmp_path):
    with open_results(run("diverged", *ONE_HIDDEN)) as results, no_warnings():
        assert results.status == "diverged"
        assert not results.metrics()
        (drawn,) = draw(results, tmp_path)
        message = results.message
    assert message in drawn.caption
    assert drawn.paths[1].stat().st_size > 5_000


@pytest.mark.parametrize("count", [0, 1])
def test_run_that_diverged_at_once(run, tmp_path, monkeypatch, count):
    with open_results(run("self-prediction", *ONE_HIDDEN)) as results, no_warnings():
        (drawn,) = _diverged_after(count, results, monkeypatch, tmp_path)
    assert all(path.exists() for path in drawn.paths)


def _diverged_after(count, results, monkeypatch, folder):
    """Draw a run as if it had ended after so many presentations, in values that are no numbers."""

    class Cut:
        def __init__(self, record):
            self.shape = (count, *record.shape[1:])
            self.data = np.full(self.shape, np.nan)
            self.index = record.index[:count]
            self.dimensions, self.units = record.dimensions, record.units

    record = Results.record
    monkeypatch.setattr(Results, "status", "diverged")
    monkeypatch.setattr(Results, "record", lambda *names: Cut(record(*names)))
    return draw(results, folder)


def test_bars_are_those_of_the_protocol():
    images, labels = bars()
    np.testing.assert_array_equal(patterns().reshape(8, 9), images)
    np.testing.assert_array_equal(LABELS, labels)
    assert CLASSES == PROTOCOL_CLASSES


def test_best_linear_readout_of_bars():
    """One that gets all but one right; all can't be, as rows and columns have the same sum."""
    images = patterns().reshape(8, 9)
    assert (images[:3].sum(axis=0) == images[3:6].sum(axis=0)).all()
    vertical = np.tile([1.0, 1.0, -5.0], 3)
    diagonal = 3 * np.array([1, -1.25, 1, -1.25, 1, -1.25, 1, -1.25, 1])
    readout = np.array([-vertical, vertical, diagonal])
    assert np.sum(np.argmax(images @ readout.T, axis=1) == LABELS) == LINEAR


def test_registry_can_be_read():
    assert all(callable(figure) and figure.__doc__ for figure in figures.FIGURES.values())
