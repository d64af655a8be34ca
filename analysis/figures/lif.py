"""The figure of integrate-and-fire neurons: spikes and potentials before and after learning."""

from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes

from microcircuit.analysis.figures.segregated_time import named
from microcircuit.analysis.figures.series import Series, draw_noisy, hidden_areas, named_area
from microcircuit.analysis.figures.style import (
    DOUBLE,
    GREY,
    Picture,
    changed,
    counted,
    letter,
    listed,
    number,
    page,
    reference_line,
)
from microcircuit.results import Results

SHOWN = 2
"""Presentations that are drawn in time, at the beginning and at the end."""
GAP = 4
"""Between populations in the raster."""
PEAK = -35.0
"""Up to where spikes are drawn, in mV."""


class Window(NamedTuple):
    """A stretch of time in ms; it is drawn in s."""

    start: float
    end: float

    def holds(self, time: np.ndarray) -> np.ndarray:
        """Say which times are in it."""
        return (time >= self.start) & (time < self.end)


def lif_figure(results: Results) -> Picture:
    """Draw the first and the last presentations above, and below what sums up the run."""
    figure = page(DOUBLE, 150)
    rows = figure.add_gridspec(2, 1, height_ratios=(2.4, 1))
    timed, below = rows[0].subgridspec(3, 2, height_ratios=(2, 1, 1)), rows[1].subgridspec(1, 3)
    first, last = (
        [figure.add_subplot(timed[row, column]) for row in range(3)] for column in range(2)
    )
    neuron = _example(results)
    for column, window in zip((first, last), _windows(results), strict=True):
        _draw_raster(column[0], results, window)
        _draw_soma(column[1], results, window, neuron)
        _draw_apical(column[2], results, window, neuron)
        _share_time(column, results, window)
    for left, right in zip(first, last, strict=True):
        right.sharey(left)
        right.set_ylabel("")
        right.tick_params(labelleft=False)
    figure.align_ylabels(first)
    panels = [figure.add_subplot(below[n]) for n in range(3)]
    _draw_neurons(panels[0], results, "rate")
    panels[0].set_ylabel("Firing rate (Hz)")
    _draw_neurons(panels[1], results, "cv")
    panels[1].set_ylabel("CV of intervals\n(dimensionless)")
    reference_line(panels[1], 1, "")
    _draw_deviation(panels[2], results)
    letter([*first, *panels])
    first[0].set_title("first presentations", fontsize=8)
    last[0].set_title("last presentations", fontsize=8)
    return Picture(figure, _caption(results, neuron))


def populations(results: Results) -> list[str]:
    """List the populations that spike: the input first and the output last."""
    return sorted(results.spiking(), key=lambda name: (name == "output", name != "input", name))


def _ends(results: Results) -> np.ndarray:
    return results.record("hidden_1", "deviation").time


def _windows(results: Results) -> tuple[Window, Window]:
    """Return when the first and the last presentations were."""
    ends = np.append(0.0, _ends(results))
    count = min(SHOWN, len(ends) - 1)
    return Window(0.0, ends[count]), Window(ends[-1 - count], ends[-1])


def _example(results: Results) -> int:
    """Return the hidden neuron whose apical potential is farthest from rest at first."""
    return int(np.abs(results.record("hidden_1", "deviation")[0]).argmax())


def _size(results: Results, population: str) -> int:
    areas = results.config["model"]["areas"]
    kind, _, area = population.partition("_")
    place = {"input": 0, "output": -1}.get(kind)
    return areas[int(area) + (kind == "interneuron") if place is None else place]


def _potential(results: Results, name: str) -> float:
    """Return a potential among the model's parameters, in mV."""
    return float(results.config["model"][name].split()[0])


def _draw_raster(axes: Axes, results: Results, window: Window) -> None:
    bottom, places, names = 0, [], populations(results)
    for n, population in enumerate(names):
        spikes, size = results.spikes(population), _size(results, population)
        inside = window.holds(spikes.time)
        axes.plot(
            spikes.time[inside] / 1e3,
            bottom + spikes.index[inside],
            "|",
            color=f"C{n}",
            markersize=1.6,
            markeredgewidth=0.6,
        )
        places.append(bottom + (size - 1) / 2)
        bottom += size + GAP
    axes.set_ylim(-GAP / 2, bottom - GAP / 2)
    axes.set_yticks(places, [named(name) for name in names])
    axes.tick_params(axis="y", length=0)
    axes.set_ylabel("Spikes of all neurons")


def _draw_trace(
    axes: Axes, results: Results, name: str, window: Window, neuron: int, color: str
) -> None:
    record = results.record("hidden_1", name)
    inside = window.holds(record.time)
    rows = slice(*np.flatnonzero(inside)[[0, -1]] + (0, 1))
    axes.plot(
        record.time[inside] / 1e3, 1e3 * record[rows, 0, 0, neuron], color=color, linewidth=0.7
    )


def _draw_soma(axes: Axes, results: Results, window: Window, neuron: int) -> None:
    """Draw the membrane potential, and spikes as lines above the threshold."""
    threshold, color = (
        _potential(results, "v_threshold"),
        f"C{populations(results).index('hidden_1')}",
    )
    _draw_trace(axes, results, "v_soma", window, neuron, color)
    spikes = results.spikes("hidden_1")
    own = spikes.time[(spikes.index == neuron) & window.holds(spikes.time)]
    axes.vlines(own / 1e3, threshold, PEAK, color=color, linewidth=0.7)
    reference_line(axes, threshold, "")
    axes.set_ylabel("Somatic\npotential (mV)")


def _draw_apical(axes: Axes, results: Results, window: Window, neuron: int) -> None:
    _draw_trace(axes, results, "v_apical", window, neuron, "C4")
    reference_line(axes, _potential(results, "v_rest"), "")
    axes.set_ylabel("Apical\npotential (mV)")


def _share_time(column: list[Axes], results: Results, window: Window) -> None:
    """Let panels share their time, and mark onsets."""
    onsets = _ends(results)[window.holds(_ends(results))]
    for axes in column:
        for onset in onsets[onsets > window.start]:
            axes.axvline(onset / 1e3, color="0.3", linewidth=0.6, zorder=-1)
        if axes is not column[-1]:
            axes.sharex(column[-1])
            axes.tick_params(labelbottom=False)
    column[-1].set_xlim(window.start / 1e3, window.end / 1e3)
    column[-1].set_xlabel("Time (s)")


def _draw_neurons(axes: Axes, results: Results, what: str) -> None:
    """Draw a metric of every neuron, and each population's mean."""
    random, names = np.random.default_rng(0), populations(results)
    for place, population in enumerate(names):
        values = np.asarray(results.metric(f"{population}.{what}s").value)
        aside = place + random.uniform(-0.25, 0.25, len(values))
        axes.plot(aside, values, "o", color=f"C{place}", markersize=2, alpha=0.5, rasterized=True)
        mean = np.asarray(results.metric(f"{population}.{what}").value)
        axes.plot((place - 0.33, place + 0.33), (mean, mean), color="0.2")
    axes.set_ylim(bottom=0)
    axes.set_xlim(-0.6, len(names) - 0.4)
    axes.set_xticks(
        range(len(names)), [named(name).replace("interneuron", "inter-\nneuron") for name in names]
    )


def _squares(results: Results, name: str) -> Series:
    """Return the mean square over neurons of a record in V, in mV^2, over presentations."""
    records = [results.record(f"hidden_{k}", name) for k in hidden_areas(results)]
    squares = [1e6 * (record.data**2).mean(axis=(1, 2, 3)) for record in records]
    return Series(records[0].index + 1, np.mean(squares, axis=0))


def _draw_deviation(axes: Axes, results: Results) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    draw_noisy(axes, _squares(results, "top_down"), color=GREY, label="top-down input alone")
    draw_noisy(axes, _squares(results, "deviation"), color="C4", label="apical potential")
    axes.legend(loc="lower left")
    axes.set_xlabel("Presentations")
    axes.set_ylabel("Squared mean deviation\nfrom rest (mV\u00b2)")


def _caption(results: Results, neuron: int) -> str:
    names, shown = populations(results), len(_ends(results))
    said = {
        what: listed([f"{results.metric(f'{n}.{what}').value:.3g} in {named(n)}" for n in names])
        for what in ("rate", "cv")
    }
    falls = listed([_told(results, k) for k in hidden_areas(results)])
    return (
        f"Integrate-and-fire neurons learn to cancel top-down input in {counted(shown, 'pattern')} "
        "without a teacher; the first and the last of them are drawn, with vertical lines where "
        "one ends and the next begins. a: all spikes. b, c: somatic and apical potential of "
        f"hidden neuron {neuron + 1}, sampled every millisecond; spikes "
        "are drawn as lines, dashed are threshold and rest. d: mean rates of neurons, in Hz: "
        f"{said['rate']}. e: coefficients of variation of intervals: {said['cv']}; that of a "
        "Poisson process is 1, and larger where rates change with the pattern. f: each neuron's "
        "mean deviation over a presentation, squared, mean over neurons (light: single "
        "presentations; dark: means over stretches of them). It "
        f"{falls} (first hundredth, last tenth and second half of the run)."
    )


def _told(results: Results, k: int) -> str:
    first, last, fall = (
        float(results.metric(f"hidden_{k}.deviation_squared.{name}").value)
        for name in ("first", "last", "fall")
    )
    left = results.metric(f"hidden_{k}.varying_left").value
    area = named_area(results, k, " in {}")
    return (
        f"{changed(fall)}{area}, from {number(first)} to {number(last)} mV\u00b2, and {left:.0%} "
        "are left of the variance over patterns that top-down input has"
    )
