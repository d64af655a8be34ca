"""The figure of a run's spikes: raster, rates, intervals, correlograms and triggered potentials.

:mod:`microcircuit.analysis.figures` does not import it, since it needs the extra `spikes`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes

from microcircuit.analysis.figures.files import Drawn, save
from microcircuit.analysis.figures.segregated_time import named
from microcircuit.analysis.figures.style import (
    DOUBLE,
    GREY,
    Picture,
    counted,
    letter,
    listed,
    number,
    page,
    paper_style,
)
from microcircuit.analysis.spikes import (
    BIN,
    FEWEST,
    REACH,
    Trains,
    correlogram,
    interval_cvs,
    rates,
    triggered_average,
)
from microcircuit.analysis.trains import presentations, spike_trains, spiking, trace, traces
from microcircuit.results import Results

LONGEST = 1000.0
"""Time in the raster at most, in ms, from the start of the run."""
RASTER = 40
"""Neurons of each population in the raster at most."""
GAP = 5
"""Between populations there."""
ONSETS = 40
"""Presentations whose onsets are marked there, at most."""
TRIGGERS = 2000
"""Spikes of a population whose potentials are averaged, at most: each takes about a millisecond."""
UPPER, UPPER_EACH, LOWER = 18.0, 14.0, 52.0
"""Heights in mm: of the raster, without its populations and of each, and of the panels below."""
APICAL = "v_apical"
SHOWN_AS = {"1": "dimensionless", "V": "mV"}
"""Units of potentials in the figure, by those in the file."""

type Populations = Mapping[str, Trains]


class Triggered(NamedTuple):
    """What the panel of triggered potentials says of a population, for the caption."""

    population: str
    spikes: int


def draw_spikes(results: Results, folder: str | Path) -> Drawn:
    """Draw a run's spikes into a folder, as ``spikes``; see `spikes_figure`."""
    with paper_style():
        return save(spikes_figure(results), folder, "spikes")


def spikes_figure(results: Results) -> Picture:
    """Draw a raster above, and what the spikes of each population are like below.

    Raises
    ------
    SpikeError
        The run has no spikes.
    """
    populations = {name: spike_trains(results, name) for name in spiking(results)}
    apical = [name for name in populations if (name, APICAL) in traces(results)]
    above = UPPER + UPPER_EACH * len(populations)
    figure = page(DOUBLE, above + LOWER)
    rows = figure.add_gridspec(2, 1, height_ratios=(above, LOWER))
    raster = figure.add_subplot(rows[0])
    below = rows[1].subgridspec(1, 4 if apical else 3)
    panels = [figure.add_subplot(below[n]) for n in range(below.ncols)]
    reach = _reach(results)
    _draw_raster(raster, results, populations)
    _draw_shares(panels[0], {name: rates(trains) for name, trains in populations.items()})
    panels[0].set_xlabel("Mean rate (Hz)")
    _draw_intervals(panels[1], populations)
    _draw_correlograms(panels[2], populations, reach)
    triggered = _draw_triggered(panels[3], results, populations, apical, reach) if apical else []
    letter([raster, *panels])
    return Picture(figure, _caption(results, populations, triggered))


def _reach(results: Results) -> float:
    """Return the largest lag in ms: less in runs that are short."""
    return max(BIN, min(REACH, presentations(results).end[-1] // 4))


def _color(populations: Populations, name: str) -> str:
    return f"C{list(populations).index(name)}"


def _draw_raster(axes: Axes, results: Results, populations: Populations) -> None:
    """Draw the spikes of some neurons of every population, the first at the bottom."""
    shown = presentations(results)
    end, bottom, places = min(LONGEST, shown.end[-1]), 0, []
    for name, trains in populations.items():
        some = np.linspace(0, len(trains) - 1, min(RASTER, len(trains))).round().astype(int)
        rows = [trains[neuron].magnitude for neuron in some]
        axes.eventplot(
            [row[row < end] for row in rows],
            lineoffsets=range(bottom, bottom + len(some)),
            linelengths=0.8,
            linewidths=0.6,
            colors=_color(populations, name),
        )
        places.append(bottom + (len(some) - 1) / 2)
        bottom += len(some) + GAP
    onsets = shown.start[(shown.start > 0) & (shown.start < end)]
    if len(onsets) <= ONSETS:
        axes.vlines(onsets, 0, 1, GREY, "--", transform=axes.get_xaxis_transform(), linewidth=0.6)
    axes.set_xlim(0, end)
    axes.set_ylim(-GAP / 2, bottom - GAP / 2)
    axes.set_yticks(places, map(named, populations))
    for label, name in zip(axes.get_yticklabels(), populations, strict=True):
        label.set_color(_color(populations, name))
    axes.tick_params(axis="y", length=0)
    axes.set_ylabel("Spikes of some neurons")
    axes.set_xlabel("Time (ms)")


def _draw_shares(axes: Axes, values: Mapping[str, np.ndarray]) -> None:
    """Draw the share of each population's neurons with a value up to each one."""
    for place, (name, known) in enumerate(values.items()):
        if len(known):
            axes.ecdf(known, color=f"C{place}", label=named(name))
    axes.set_xlim(left=0)
    axes.set_ylim(0, 1.02)
    axes.set_ylabel("Share of neurons below")


def _draw_intervals(axes: Axes, populations: Populations) -> None:
    cvs = {name: interval_cvs(trains) for name, trains in populations.items()}
    _draw_shares(axes, {name: values[np.isfinite(values)] for name, values in cvs.items()})
    axes.axvline(1, color=GREY, linestyle="--", linewidth=0.8, zorder=0)
    axes.set_xlabel("CV of intervals")


def _draw_correlograms(axes: Axes, populations: Populations, reach: float) -> None:
    for name, trains in populations.items():
        found = correlogram(trains, reach=reach)
        axes.plot(found.lag, found.ratio, color=_color(populations, name), linewidth=0.9)
    # In front: most curves are close to it.
    axes.axhline(1, color="black", linestyle="--", linewidth=0.8, zorder=3)
    axes.set_xlim(-reach, reach)
    axes.set_xlabel("Lag between neurons (ms)")
    axes.set_ylabel("Coincidences / chance")


def _draw_triggered(
    axes: Axes, results: Results, populations: Populations, names: list[str], reach: float
) -> list[Triggered]:
    """Draw mean potentials about spikes, with their standard errors."""
    said, unit = [], results.record(names[0], APICAL).units
    for name in names:
        signal, color = trace(results, name, APICAL), _color(populations, name)
        if unit == "V":
            signal = signal.rescale("mV")
        trains = _fewer(populations[name])
        found = triggered_average(
            signal - signal.magnitude.mean(axis=0) * signal.units, trains, reach
        )
        axes.plot(found.lag, found.mean, color=color, linewidth=0.9)
        low, high = found.mean - found.error, found.mean + found.error
        axes.fill_between(found.lag, low, high, color=color, alpha=0.25, linewidth=0)
        said.append(Triggered(name, found.spikes))
    axes.axhline(0, color=GREY, linestyle="--", linewidth=0.8, zorder=0)
    axes.axvline(0, color=GREY, linewidth=0.6, zorder=0)
    axes.set_xlim(-reach, reach)
    axes.set_xlabel("Time after the spike (ms)")
    axes.set_ylabel(f"Apical potential - mean\n({SHOWN_AS.get(unit, unit)})")
    return said


def _fewer(trains: Trains) -> Trains:
    """Choose as many spikes as are averaged, by chance, where there are more."""
    random, spikes = np.random.default_rng(0), sum(map(len, trains))
    if spikes <= TRIGGERS:
        return trains
    return [train[random.random(len(train)) < TRIGGERS / spikes] for train in trains]


def _caption(results: Results, populations: Populations, triggered: list[Triggered]) -> str:
    end, protocol = presentations(results).end[-1], results.config["protocol"]["name"]
    sizes = [_of(name, len(trains), "neuron") for name, trains in populations.items()]
    most = f", in the first {number(LONGEST)} ms" if end > LONGEST else ""
    text = (
        f"Spikes of {listed(sizes)} in {number(end)} ms of '{protocol}'; colours are those of the "
        f"populations in a. a: at most {RASTER} neurons of each, spread evenly{most}; dashed lines "
        "are onsets of presentations. b: mean rates over the run. c: coefficients of variation of "
        f"intervals, of neurons with {FEWEST} spikes or more; 1 (dashed) is that of Poisson "
        "processes. d: mean cross-correlogram of the pairs of neurons of a population, in bins of "
        f"{BIN:g} ms, over what independent neurons with constant rates would have (dashed)."
    )
    if triggered:
        spikes = listed([_of(said.population, said.spikes, "spike") for said in triggered])
        text += (
            f" e: mean apical potential about {spikes}, each neuron's own, less the neuron's mean "
            "over the run; shaded, the standard error from how neurons differ."
        )
    return text


def _of(population: str, count: int, noun: str) -> str:
    return f"{counted(count, noun)} of {named(population)}"
