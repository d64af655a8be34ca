"""Figures of segregated dendrites: what is drawn is what was recorded."""

from dataclasses import replace

import numpy as np
import pytest
from brian2 import ms
from matplotlib.colors import to_hex
from scipy.special import expit

from microcircuit.analysis.figures import FIGURES
from microcircuit.analysis.figures.segregated_time import NEURON_COLORS, RASTER
from microcircuit.analysis.figures.segregated_traces import IMAGES
from microcircuit.analysis.figures.style import paper_style
from microcircuit.analysis.phases import (
    mean_rates,
    phases,
    plateaus,
    setting,
    taught,
    traces,
)
from microcircuit.models.guerguiev2017 import Guerguiev2017
from microcircuit.progress import no_progress
from microcircuit.protocols.data import Data
from microcircuit.protocols.segregated_traces import SegregatedTraces
from microcircuit.records import Trace
from microcircuit.results import open_results
from microcircuit.simulation import DeviceSettings, simulate

HIDDEN = 5, 4
SHOWN, TESTS = 4, 2
"""Images and tests of the short runs."""


def drawn(results):
    """The picture, and its panels by their letters."""
    with paper_style():
        picture = FIGURES[results.config["protocol"]["name"]](results)
        picture.figure.draw_without_rendering()
    panels = {axes.get_title(loc="left"): axes for axes in picture.figure.axes}
    return picture, panels


def curves(axes):
    """Its lines, but for those that mark something at a place."""
    return [line for line in axes.lines if len(line.get_xdata()) > 2]


@pytest.fixture
def mnist(run):
    with open_results(run("segregated-mnist", *HIDDEN)) as results:
        yield results


@pytest.fixture
def watched(run):
    with open_results(run("segregated-traces", *HIDDEN)) as results:
        yield results


# ----------------------------------------------------------------------------- phases


class Telling(SegregatedTraces):
    """Traces, with the plateaus as the circuit itself has them."""

    def experiment(self, model, data, seed):
        experiment = super().experiment(model, data, seed)
        own = Trace(name="plateau", population="hidden_1", expression="plateau", interval=1 * ms)
        return replace(experiment, records=(*experiment.records, own))


@pytest.mark.parametrize("jitter", [0, 3])
def test_plateaus_are_those_of_the_circuit(tmp_path, jitter):
    model = Guerguiev2017(hidden=(20,), averaging=6 * ms, plateau_jitter=jitter * ms)
    protocol = Telling(images=3, phase=12 * ms)
    options = {"device": DeviceSettings(name="numpy"), "progress": no_progress}
    with simulate(protocol, model, Data(), output=tmp_path / "a", **options) as results:
        record = results.record("hidden_1", "plateau")
        # It is renewed at the end of a phase, and kept until the end of the next one.
        own = np.array([record[np.flatnonzero(record.index == p)[0], 0, 0] for p in range(1, 6)])
        found = plateaus(results, 3)
    assert found.shape == (6, 20)
    assert np.ptp(own, axis=0).min() > 0
    np.testing.assert_allclose(found[:5], own, rtol=1e-6)


def test_phases_follow_each_other(watched):
    shown = phases(watched, SHOWN)
    assert shown.start[0] == 0
    np.testing.assert_array_equal(shown.start[1:], shown.end[:-1])
    steps = np.bincount(watched.record("output", "v_soma").index)
    np.testing.assert_array_equal(shown.end - shown.start, steps)
    assert shown.duration == steps.sum()
    np.testing.assert_array_equal(phases(watched, 2).end, shown.end[:4])
    assert len(traces(watched, "output", "v_soma", 2)) == steps[:4].sum()


def test_taught_neurons_are_those_of_the_images(watched):
    labels = Data().load().training_labels[:SHOWN]
    np.testing.assert_array_equal(taught(watched, SHOWN), labels[:, None] == np.arange(10))


def test_rates_are_spikes_over_time(watched):
    for population, size in {"input": 64, "hidden_1": 5, "hidden_2": 4, "output": 10}.items():
        spikes = watched.spikes(population)
        for images in (2, SHOWN):
            duration = phases(watched, images).duration
            counts = [np.sum((spikes.index == n) & (spikes.time < duration)) for n in range(size)]
            found = mean_rates(watched, population, images)
            np.testing.assert_allclose(found, 1000 * np.array(counts) / duration)


def test_rates_without_spikes_follow_from_potentials(run):
    with open_results(run("segregated-traces", 5, signal="rates")) as results:
        v_soma = results.record("hidden_1", "v_soma").data[:, 0, 0]
        expected = 200 * expit(v_soma.astype(float)).mean(axis=0)
        np.testing.assert_allclose(mean_rates(results, "hidden_1", SHOWN), expected)


def test_settings_are_in_ms(watched, monkeypatch):
    assert (setting(watched, "averaging"), setting(watched, "rate_max")) == (5, 0.2)
    config = {"model": {"averaging": "0.005 s"}}
    monkeypatch.setattr(type(watched), "config", config)
    with pytest.raises(ValueError, match=r"model\.averaging is stored in 's'"):
        setting(watched, "averaging")


# --------------------------------------------------------------------------- learning


def test_learning_is_drawn_against_images(mnist):
    picture, panels = drawn(mnist)
    line, guessing = panels["a"].lines
    np.testing.assert_array_equal(line.get_xdata(), [0, 2, 4])
    np.testing.assert_array_equal(line.get_ydata(), mnist.metric("test_error").value)
    assert guessing.get_ydata()[0] == 90
    assert "After 4 images" in picture.caption
    assert "of 3 test images" in picture.caption
    assert "hidden layers of 5-4 neurons and random feedback" in picture.caption


def test_loss_is_that_of_target_phases(mnist):
    _, panels = drawn(mnist)
    raw = panels["b"].lines[0]
    loss = mnist.record("output", "loss").data[:, 0, 0]
    assert (loss[::2] == 0).all()
    np.testing.assert_array_equal(raw.get_xdata(), [1, 2, 3, 4])
    np.testing.assert_allclose(raw.get_ydata(), 1000 * np.sqrt(loss[1::2]))


def test_feedback_is_held_against_what_theory_asks(mnist):
    _, panels = drawn(mnist)
    *angles, orthogonal = panels["c"].lines
    for k, line in enumerate(angles, start=1):
        np.testing.assert_array_equal(line.get_ydata(), mnist.metric(f"angle_{k}").value)
    assert len(angles) == len(HIDDEN)
    assert orthogonal.get_ydata()[0] == 90
    shuffled, eigenvalue, bound = panels["d"].lines
    for line, metric in ((shuffled, "eigenvalue_shuffled"), (eigenvalue, "eigenvalue")):
        np.testing.assert_array_equal(line.get_ydata(), mnist.metric(metric).value)
    assert bound.get_ydata()[0] == 1
    assert panels["d"].get_ylim()[1] > eigenvalue.get_ydata().max()


def test_fields_are_weights_from_the_pixels(mnist):
    _, panels = drawn(mnist)
    weights = 1000 * mnist.weights("bottom_up_1").data[[0, -1], 0]
    images = np.array([image.get_array() for image in panels["e"].images])
    assert len(images) == 2 * HIDDEN[0]
    np.testing.assert_allclose(images, weights.reshape(-1, 8, 8))
    low, high = panels["e"].images[0].get_clim()
    assert low == -high < 0


def test_fields_are_those_that_changed_most(run):
    with open_results(run("segregated-mnist", 12)) as results:
        _, panels = drawn(results)
        first, last = results.weights("bottom_up_1").data[[0, -1], 0]
    moved = np.linalg.norm(last - first, axis=1)
    named = [int(label.get_text()) - 1 for label in panels["e"].get_xticklabels()]
    assert named == sorted(named)
    assert set(named) == set(np.argsort(moved)[-8:])


def test_fields_without_hidden_layers_are_the_digits(run):
    with open_results(run("segregated-mnist", neurons_per_class=2)) as results:
        picture, panels = drawn(results)
        weights = 1000 * results.weights("bottom_up_1")[-1, 0, ::2]
    assert set(panels) - {""} == set("abc")
    assert [label.get_text() for label in panels["c"].get_xticklabels()] == list("0123456789")
    images = np.array([image.get_array() for image in panels["c"].images[10:]])
    np.testing.assert_allclose(images, weights.reshape(10, 8, 8))
    assert "without hidden layers" in picture.caption
    assert "backprop" not in picture.caption


def test_symmetric_feedback_lies_on_the_diagonal(run):
    with open_results(run("segregated-mnist", 12, feedback="symmetric")) as results:
        picture, panels = drawn(results)
    for line in panels["f"].lines:
        np.testing.assert_allclose(line.get_xdata(), line.get_ydata(), rtol=1e-9)
    assert "goes from 1.00 to 1.00 (f)" in picture.caption
    assert "symmetric feedback" in picture.caption


# ----------------------------------------------------------------------------- traces


def test_target_phases_are_shaded(watched):
    _, panels = drawn(watched)
    shown = phases(watched, IMAGES)
    for name in "abcd":
        spans = [(p.get_x(), p.get_x() + p.get_width()) for p in panels[name].patches]
        np.testing.assert_allclose(spans, np.transpose(shown)[1::2])
        assert panels[name].get_xlim() == (0, shown.end[-1])
    names = [text.get_text() for text in panels["a"].texts]
    assert names == IMAGES * ["forward", "target"]
    insets = [inset.images[0].get_array() for inset in panels["a"].child_axes]
    pixels = Data().load().training[:IMAGES]
    np.testing.assert_allclose(insets, pixels.reshape(-1, 8, 8))


def test_raster_has_spikes_of_the_images_shown(watched):
    _, panels = drawn(watched)
    end = phases(watched, IMAGES).end[-1]
    names = [label.get_text() for label in panels["a"].get_yticklabels()]
    assert names == ["input", "hidden 1", "hidden 2", "output"]
    pairs = zip(("input", "hidden_1", "hidden_2", "output"), curves(panels["a"]), strict=True)
    for population, line in pairs:
        assert len(np.unique(line.get_ydata())) <= RASTER
        times = watched.spikes(population).time
        if population != "input":
            np.testing.assert_array_equal(line.get_xdata(), times[times < end])
        assert set(line.get_xdata()) <= set(times[times < end])


def test_neurons_are_those_whose_plateaus_change_most(watched):
    picture, panels = drawn(watched)
    of_phases = plateaus(watched, IMAGES)
    changes = np.abs(of_phases[1::2] - of_phases[::2])
    order = np.argsort(-changes.mean(axis=0))[:3]
    labelled = [a for a in picture.figure.axes if a.get_ylabel().startswith("Neuron")]
    assert [int(a.get_ylabel().split()[1]) - 1 for a in labelled] == order.tolist()
    for axes, neuron in zip(labelled, order, strict=True):
        for line, name in zip(curves(axes), ("v_basal", "v_soma", "v_apical"), strict=True):
            expected = traces(watched, "hidden_1", name, IMAGES)[:, neuron]
            np.testing.assert_array_equal(line.get_ydata(), expected)
    by_color = {color: [] for color in NEURON_COLORS}
    for line in panels["c"].lines:
        if line.get_color() in by_color:
            by_color[line.get_color()].append(line.get_ydata()[0])
    np.testing.assert_allclose([*by_color.values()], of_phases[:, order].T)
    assert f"{changes.mean():.3f} on average and {changes.max():.2f} at most" in picture.caption


def test_output_of_the_digit_stands_out(run):
    with open_results(run("segregated-traces", 5, neurons_per_class=2)) as results:
        _, panels = drawn(results)
        right = taught(results, IMAGES)
        v_soma = traces(results, "output", "v_soma", IMAGES)
        shown = phases(results, IMAGES)
    assert right.sum(axis=1).tolist() == [2, 2, 2]
    with paper_style():
        own = [line for line in panels["d"].lines if to_hex(line.get_color()) == to_hex("C6")]
    assert len(own) == 2 * IMAGES
    neuron = np.flatnonzero(right[1])[0]
    start, end = int(shown.start[2]), int(shown.end[3])
    np.testing.assert_array_equal(own[2].get_ydata(), v_soma[start:end, neuron])
    assert [text.get_text() for text in panels["d"].get_legend().get_texts()] == [
        "other digits",
        "the image's digit",
    ]


def test_plateaus_of_all_neurons_are_compared(watched):
    _, panels = drawn(watched)
    of_phases = plateaus(watched, IMAGES)
    images = curves(panels["e"])
    for image, line in enumerate(images):
        np.testing.assert_allclose(line.get_xdata(), of_phases[2 * image])
        np.testing.assert_allclose(line.get_ydata(), of_phases[2 * image + 1])


def test_rates_are_told_beside_their_bound(watched):
    picture, panels = drawn(watched)
    bound = [line for line in panels["f"].lines if line.get_linestyle() == "--"]
    assert [line.get_ydata()[0] for line in bound] == [200]
    for name, words in (("input", "input"), ("hidden_2", "hidden 2"), ("output", "output")):
        assert f"{mean_rates(watched, name, IMAGES).mean():.3g} Hz in {words}" in picture.caption
    assert "above 200 Hz, which spikes may exceed by chance" in picture.caption
    assert "the output zigzags, which is numerical: the time step of 1 ms" in picture.caption
    assert "time constant of 0.59 ms" in picture.caption


def test_rates_have_no_raster(run):
    with open_results(run("segregated-traces", 5, signal="rates")) as results:
        picture, panels = drawn(results)
    assert set(panels) - {""} == set("abcde")
    assert not any(axes.get_ylabel().startswith("Spikes") for axes in picture.figure.axes)
    assert "input" not in picture.caption
    assert "by chance" not in picture.caption


def test_jitter_and_slow_outputs_are_told(run):
    with open_results(run("segregated-traces", 5, plateau_jitter="3 ms", dt="0.5 ms")) as results:
        picture, _ = drawn(results)
    assert "or up to 5 ms before its end" in picture.caption
    assert "zigzag" not in picture.caption
