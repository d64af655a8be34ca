"""The figure of spikes: what is drawn is what was recorded and computed."""

import numpy as np
import pytest
from matplotlib.collections import EventCollection

from microcircuit.analysis.figures.spikes import RASTER, TRIGGERS, draw_spikes, spikes_figure
from microcircuit.analysis.figures.style import paper_style
from microcircuit.analysis.spikes import correlogram, interval_cvs, rates, triggered_average
from microcircuit.analysis.trains import presentations, spike_trains, trace
from microcircuit.results import open_results

POPULATIONS = "input", "hidden_1", "output"


@pytest.fixture
def watched(run):
    with open_results(run("segregated-traces", 5)) as results:
        yield results


def drawn(results):
    """The picture, and its panels by their letters."""
    with paper_style():
        picture = spikes_figure(results)
        picture.figure.draw_without_rendering()
    return picture, {axes.get_title(loc="left"): axes for axes in picture.figure.axes}


def test_raster_has_spikes_of_every_population(watched):
    _, panels = drawn(watched)
    rows = [c for c in panels["a"].collections if isinstance(c, EventCollection)]
    some = np.linspace(0, 63, RASTER).round().astype(int)
    trains = spike_trains(watched, "input")
    expected = [trains[n] for n in some]
    expected += spike_trains(watched, "hidden_1") + spike_trains(watched, "output")
    assert len(rows) == len(expected) == RASTER + 5 + 10
    for row, train in zip(rows, expected, strict=True):
        np.testing.assert_array_equal(row.get_positions(), train.magnitude)
    names = [label.get_text() for label in panels["a"].get_yticklabels()]
    assert names == ["input", "hidden 1", "output"]
    colors = [label.get_color() for label in panels["a"].get_yticklabels()]
    assert len(set(colors)) == 3
    (onsets,) = (c for c in panels["a"].collections if not isinstance(c, EventCollection))
    marked = [segment[0][0] for segment in onsets.get_segments()]
    np.testing.assert_array_equal(marked, presentations(watched).start[1:])


def test_raster_ends_early_in_long_runs(write_spikes):
    times = [[100.0, 1500.0], [10.0]]
    picture, panels = drawn(write_spikes({"cells": times}, ends=(2000.0,)))
    rows = [row.get_positions() for row in panels["a"].collections[:2]]
    assert rows == [[100.0], [10.0]]
    assert panels["a"].get_xlim() == (0, 1000)
    assert "in the first 1,000 ms" in picture.caption


def test_shares_are_those_of_rates_and_intervals(watched):
    _, panels = drawn(watched)
    for letter, of_trains in (("b", rates), ("c", interval_cvs)):
        curves = [line for line in panels[letter].lines if len(line.get_xdata()) > 2]
        for line, name in zip(curves, POPULATIONS, strict=True):
            values = of_trains(spike_trains(watched, name))
            known = np.unique(values[np.isfinite(values)])
            np.testing.assert_allclose(np.unique(line.get_xdata()[1:]), known)


def test_correlograms_and_triggered_potentials(watched):
    picture, panels = drawn(watched)
    reach = presentations(watched).end[-1] // 4
    assert reach < 50
    for line, name in zip(panels["d"].lines, POPULATIONS, strict=False):
        found = correlogram(spike_trains(watched, name), reach=reach)
        np.testing.assert_array_equal(line.get_ydata(), found.ratio)
    # Zoomed in on what chance gives.
    low, high = panels["d"].get_ylim()
    shown = [line.get_ydata() for line in panels["d"].lines]
    assert [1, 1] in [list(values) for values in shown]
    assert low < min(map(np.min, shown))
    assert max(map(np.max, shown)) < high
    trains, signal = spike_trains(watched, "hidden_1"), trace(watched, "hidden_1", "v_apical")
    assert sum(map(len, trains)) < TRIGGERS
    own = signal - signal.magnitude.mean(axis=0) * signal.units
    found = triggered_average(own, trains, reach)
    np.testing.assert_array_equal(panels["e"].lines[0].get_ydata(), found.mean)
    assert f"potential about {found.spikes} spikes of hidden 1" in picture.caption
    assert "64 neurons of input, 5 neurons of hidden 1 and 10 neurons of output" in picture.caption


def test_runs_without_apical_potentials_have_no_such_panel(write_spikes):
    picture, panels = drawn(write_spikes({"cells": [[1.0, 2.0, 9.0], [4.0]], "none": [[]]}))
    assert set(panels) == set("abcd")
    assert "apical" not in picture.caption


def test_many_spikes_are_averaged_in_part(write_spikes):
    times = np.arange(0.0, 1000.0, 0.4)
    values = {("cells", "v_apical"): np.random.default_rng(0).normal(size=(10000, 2))}
    picture, panels = drawn(write_spikes({"cells": [times, times]}, traces=values))
    shown = int(picture.caption.split(" spikes of cells, each")[0].split()[-1].replace(",", ""))
    assert 0.8 * TRIGGERS < shown < 1.1 * TRIGGERS
    assert panels["e"].get_ylabel().endswith("(mV)")


def test_files_are_beside_each_other(watched, tmp_path):
    paths = draw_spikes(watched, tmp_path).paths
    assert [path.name for path in paths] == ["spikes.png", "spikes.pdf"]
    assert all(path.exists() for path in paths)
