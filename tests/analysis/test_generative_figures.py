"""Figures of denoising and generation: what is drawn is what was recorded."""

import numpy as np
import pytest

from microcircuit.analysis.figures import FIGURES
from microcircuit.analysis.figures.style import paper_style
from microcircuit.models.sacramento2018_generative import SacramentoGenerative
from microcircuit.progress import no_progress
from microcircuit.protocols import generative
from microcircuit.protocols.data import Data
from microcircuit.protocols.denoising import Denoising
from microcircuit.protocols.generation import Generation
from microcircuit.results import Metric, Results, open_results
from microcircuit.simulation import DeviceSettings, simulate

MODEL = SacramentoGenerative(hidden=6, batch=50)
GATES = 0.0, 0.5, 1.0
EXAMPLES = 10


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One short run of each protocol."""
    folder = tmp_path_factory.mktemp("runs")
    options = {"device": DeviceSettings(name="numpy"), "progress": no_progress}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(generative, "JUDGED", 100)
        for protocol in (
            Denoising(epochs=1, test_images=30, gates=GATES, sweeps=2),
            Generation(epochs=1, test_images=30, sweeps=3),
        ):
            simulate(protocol, MODEL, Data(), output=folder / protocol.name, **options).close()
    return folder


def drawn(results):
    """The picture, and its panels by their letters."""
    with paper_style():
        picture = FIGURES[results.config["protocol"]["name"]](results)
        picture.figure.draw_without_rendering()
    return picture, {axes.get_title(loc="left"): axes for axes in picture.figure.axes}


def images(axes, rows):
    """The images of a grid [row, column, pixel]."""
    shown = np.array([np.asarray(image.get_array()) for image in axes.images])
    return shown.reshape(rows, -1, shown[0].size)


def test_denoising(folder):
    with open_results(folder / "denoising") as results:
        picture, panels = drawn(results)
        values = {name: metric.value for name, metric in results.metrics().items()}
        rates = results.probe("noisy", "input", "rate_forward").data[0, :, 0]
        clean = results.probe("clean", "input", "rate_forward").data[0, 0, 0]
        potentials = results.probe("noisy", "output", "v_basal").data[0, :, 0]
    assert list(panels) == ["a", "b", "c"]
    # One minibatch has all images: presentations are gates times three looks.
    grid = images(panels["a"], 3)
    for row, expected in enumerate((clean, rates[2], rates[8])):
        np.testing.assert_allclose(grid[row], expected[:EXAMPLES])
    pixels = np.clip(Data().load().test[:EXAMPLES], MODEL.margin, 1 - MODEL.margin)
    np.testing.assert_allclose(grid[0], pixels, rtol=1e-6)
    texts = [int(text.get_text()) for text in panels["a"].texts]
    assert texts[-EXAMPLES:] == potentials[8, :EXAMPLES].argmax(axis=-1).tolist()
    curve, *controls = panels["b"].lines
    np.testing.assert_array_equal(curve.get_xdata(), GATES)
    np.testing.assert_array_equal(curve.get_ydata(), values["squared_error"])
    for line, name in zip(controls, ("mean_image", "other_digit"), strict=True):
        assert line.get_ydata()[0] == values[f"squared_error.{name}"]
    heights = [bar.get_height() for bar in panels["c"].patches]
    kinds = "clean", "closed", "open"
    assert heights == [values[f"{who}.{kind}"] for who in ("accuracy", "judged") for kind in kinds]
    assert f"by {values['reduction']:.0f} %" in picture.caption
    assert "Gaussian noise of 0.3, and what 2 sweeps make" in picture.caption


def test_generation(folder):
    with open_results(folder / "generation") as results:
        picture, panels = drawn(results)
        values = {name: metric.value for name, metric in results.metrics().items()}
        rates = results.probe("generated", "input", "rate_forward").data[0, :, 0, :EXAMPLES]
    assert list(panels) == ["a", "b", "c"]
    # Four looks with the gate closed come before four with it open.
    for row, expected in zip(images(panels["a"], 4), rates[[5, 7, 1, 2]], strict=True):
        np.testing.assert_allclose(row, expected)
    names = [label.get_text() for label in panels["a"].get_yticklabels()]
    assert names == [
        "gate open, sweep 1",
        "gate open, sweep 3",
        "gate closed, sweep 1",
        "gate closed, sweep 2",
    ]
    assert [int(text.get_text()) for text in panels["a"].texts] == values["class.judged"].tolist()
    for line, name in zip(panels["b"].lines, ("", ".closed"), strict=True):
        np.testing.assert_array_equal(line.get_ydata(), values[f"recognised.sweeps{name}"])
    heights = [bar.get_height() for bar in panels["c"].patches]
    assert heights == [*values["correlation"], *values["correlation.closed"]]
    assert f"recognises {values['recognised']} of 10 (b)" in picture.caption


@pytest.mark.parametrize(("closed", "told"), [([10, 0, 9], True), ([10, 8, 9], False)])
def test_taking_turns_is_explained(folder, monkeypatch, closed, told):
    metric = Results.metric

    def changed(results, name):
        return Metric(closed) if name.endswith("sweeps.closed") else metric(results, name)

    monkeypatch.setattr(Results, "metric", changed)
    with open_results(folder / "generation") as results:
        picture, _ = drawn(results)
    assert ("interneurons expect the class, and cancel it" in picture.caption) is told
