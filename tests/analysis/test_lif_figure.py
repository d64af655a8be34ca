"""The figure of integrate-and-fire neurons: what is drawn is what was recorded."""

from dataclasses import replace

import numpy as np
import pytest
from brian2 import ms

from microcircuit.analysis.figures import FIGURES
from microcircuit.analysis.figures.style import paper_style
from microcircuit.progress import no_progress
from microcircuit.protocols.lif import MODEL, Lif
from microcircuit.simulation import DeviceSettings, simulate

SIZES = {"input": 6, "hidden_1": 5, "hidden_2": 4, "interneuron_1": 4, "interneuron_2": 3}
NUMPY = {"device": DeviceSettings(name="numpy"), "progress": no_progress}


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    model, folder = replace(MODEL, areas=(6, 5, 4, 3)), tmp_path_factory.mktemp("lif")
    protocol = Lif(presentations=5, duration=100 * ms)
    with simulate(protocol, model, seed=2, output=folder / "a", **NUMPY) as results:
        yield results


@pytest.fixture(scope="module")
def picture(results):
    with paper_style():
        picture = FIGURES["lif"](results)
        picture.figure.draw_without_rendering()
    return picture


@pytest.fixture(scope="module")
def panels(picture):
    """By their letters, and those of the last presentations beside them."""
    axes = picture.figure.axes
    return {a.get_title(loc="left"): a for a in axes if a.get_title(loc="left")} | {
        "last a": axes[3],
        "last c": axes[5],
    }


def test_all_spikes_of_the_first_and_the_last_presentations_are_drawn(results, panels):
    populations = (*SIZES, "output")
    for panel, start, end in (("a", 0, 200), ("last a", 300, 500)):
        rasters = [line for line in panels[panel].lines if line.get_marker() == "|"]
        bottom = 0
        for line, name in zip(rasters, populations, strict=True):
            spikes = results.spikes(name)
            inside = (spikes.time >= start) & (spikes.time < end)
            np.testing.assert_array_equal(line.get_xdata(), spikes.time[inside] / 1e3)
            np.testing.assert_array_equal(line.get_ydata(), bottom + spikes.index[inside])
            bottom += SIZES.get(name, 3) + 4
        assert panels[panel].get_xlim() == (start / 1e3, end / 1e3)


def test_potentials_are_in_mv(results, panels):
    deviation = results.record("hidden_1", "deviation")[0, 0, 0]
    neuron = np.abs(deviation).argmax()
    potential = results.record("hidden_1", "v_apical").data[:, 0, 0, neuron] * 1e3
    for panel, shown in (("c", potential[:200]), ("last c", potential[300:])):
        drawn = panels[panel].lines[0].get_ydata()
        np.testing.assert_allclose(drawn, shown, rtol=1e-6)


def test_rates_and_deviations(results, picture, panels):
    dots = [line for line in panels["d"].lines if line.get_marker() == "o"]
    for line, name in zip(dots, (*SIZES, "output"), strict=True):
        np.testing.assert_array_equal(line.get_ydata(), results.metric(f"{name}.rates").value)
    squares = [
        1e6 * (results.record(f"hidden_{k}", "deviation").data ** 2).mean(axis=(1, 2, 3))
        for k in (1, 2)
    ]
    lines = [line for line in panels["f"].lines if len(line.get_xdata()) == 5]
    assert any(np.allclose(line.get_ydata(), np.mean(squares, axis=0)) for line in lines)
    assert "-fold in hidden area 1, from" in picture.caption
    assert "5 patterns" in picture.caption
    assert "vertical lines where one ends and the next begins" in picture.caption
    assert "light: single presentations" in picture.caption


def test_a_run_of_one_presentation_without_spikes(tmp_path):
    protocol = Lif(presentations=1, duration=2 * ms)
    model = replace(MODEL, areas=(2, 2, 1))
    with simulate(protocol, model, output=tmp_path / "a", **NUMPY) as results, paper_style():
        FIGURES["lif"](results).figure.draw_without_rendering()
