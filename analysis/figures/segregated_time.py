"""Panels of segregated dendrites over time: spikes, potentials and plateaus, phase by phase."""

from math import isqrt
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from microcircuit.analysis.figures.style import GREY, SHADE, explain
from microcircuit.analysis.phases import (
    PER_IMAGE,
    Phases,
    mean_rates,
    phases,
    plateaus,
    setting,
    taught,
    traces,
)
from microcircuit.results import Results

NEURON_COLORS = ("C2", "C3", "C4")
"""Of hidden neurons."""
RASTER = 25
"""Neurons of each population in the raster at most."""
GAP = 4
"""Between populations there."""
COMPARTMENTS = {
    "v_basal": ("basal potential", "C5"),
    "v_soma": ("somatic potential", "C0"),
    "v_apical": ("apical potential", "C1"),
}
"""What is drawn of a hidden neuron, from back to front."""
PLATEAUS = 4.2, 2.6, 1.0
"""Widths of the examples' lines, so that those of the same height show behind each other."""


def mark_time(timed: list[Axes], results: Results, images: int) -> None:
    """Let panels share their time; shade target phases; put names and images above the first."""
    shown = phases(results, images)
    for axes in timed:
        if axes is not timed[-1]:
            axes.sharex(timed[-1])
            axes.tick_params(labelbottom=False)
        for start, end in zip(shown.start[1::2], shown.end[1::2], strict=True):
            axes.axvspan(start, end, color=SHADE, linewidth=0, zorder=-2)
        for edge in shown.start[2::2]:
            axes.axvline(edge, color="0.3", linewidth=0.6, zorder=-1)
    timed[-1].set_xlim(shown.start[0], shown.end[-1])
    timed[-1].set_xlabel("Time (ms)")
    _name_phases(timed[0], results, shown)


def _name_phases(axes: Axes, results: Results, shown: Phases) -> None:
    above = axes.get_xaxis_transform()
    pixels = results.stimulus("input", "pattern")[0, : len(shown.start) : PER_IMAGE, 0, 0]
    side = isqrt(pixels.shape[1])
    for phase, middle in enumerate((shown.start + shown.end) / 2):
        name = ("forward", "target")[phase % PER_IMAGE]
        axes.text(middle, 1.02, name, transform=above, ha="center", va="bottom", fontsize=6.5)
    for image, edge in zip(pixels, shown.end[::PER_IMAGE], strict=True):
        width = shown.duration / 8
        inset = axes.inset_axes((edge - width / 2, 1.14, width, 0.34), transform=above)
        inset.imshow(image.reshape(side, side), cmap="Greys", vmin=0, vmax=1)
        inset.set_xticks([])
        inset.set_yticks([])
        inset.spines[:].set_visible(True)
        inset.spines[:].set_linewidth(0.4)


def draw_raster(axes: Axes, results: Results, images: int) -> None:
    """Draw spikes of some neurons of every population, the input at the bottom."""
    end, bottom, places, names = phases(results, images).end[-1], 0, [], []
    for population in populations(results):
        spikes = results.spikes(population)
        some = _some(len(mean_rates(results, population, images)))
        row = np.searchsorted(some, spikes.index).clip(max=len(some) - 1)
        drawn = (some[row] == spikes.index) & (spikes.time < end)
        at = bottom + row[drawn]
        axes.plot(spikes.time[drawn], at, "|", color="0.2", markersize=2.2, mew=0.5)
        places.append(bottom + (len(some) - 1) / 2)
        names.append(named(population))
        bottom += len(some) + GAP
    axes.set_ylim(-GAP / 2, bottom - GAP / 2)
    axes.set_yticks(places, names)
    axes.tick_params(axis="y", length=0)
    axes.set_ylabel("Spikes of some neurons")


def draw_neuron(
    axes: Axes, results: Results, images: int, *, neurons: np.ndarray, which: int
) -> None:
    """Draw the potentials of one of the examples; a legend with the first."""
    neuron = neurons[which]
    for name, (label, line) in COMPARTMENTS.items():
        potential = traces(results, "hidden_1", name, images)[:, neuron]
        axes.plot(_time(results, len(potential)), potential, color=line, label=label, linewidth=0.9)
    if which == 0:
        explain(axes, ncols=3)
    axes.set_ylabel(f"Neuron {neuron + 1}\n(dimensionless)", color=NEURON_COLORS[which])


def draw_plateaus(axes: Axes, results: Results, images: int, *, neurons: np.ndarray) -> None:
    """Draw the examples' plateaus at the end of phases, as long as what they average."""
    shown, averaged = phases(results, images), setting(results, "averaging")
    values = plateaus(results, images)
    for color, width, neuron in zip(NEURON_COLORS, PLATEAUS, neurons, strict=False):
        look: dict[str, Any] = {"color": color, "linewidth": width, "solid_capstyle": "butt"}
        for end, level in zip(shown.end, values[:, neuron], strict=True):
            axes.plot((end - averaged, end), (level, level), **look)
    axes.margins(y=0.15)
    axes.set_ylabel("Plateau potential\n(dimensionless)")


def draw_output(axes: Axes, results: Results, images: int) -> None:
    """Draw all potentials of the output; those that belong to the image's digit stand out."""
    v_soma = traces(results, "output", "v_soma", images)
    time = _time(results, len(v_soma))
    others = axes.plot(time, v_soma, color=GREY, linewidth=0.6, alpha=0.6)
    shown = phases(results, images)
    for image, right in enumerate(taught(results, images)):
        inside = time >= shown.start[PER_IMAGE * image]
        inside &= time < shown.end[PER_IMAGE * image + 1]
        own = axes.plot(time[inside], v_soma[inside][:, right], color="C6")
    others[0].set_label("other digits")
    own[0].set_label("the image's digit")
    explain(axes, below=True, ncols=3)
    axes.set_ylabel("Output soma\n(dimensionless)")


def populations(results: Results) -> list[str]:
    """Return the names of the populations of neurons, from below."""
    hidden = range(1, len(results.config["model"]["hidden"]) + 1)
    return ["input", *(f"hidden_{k}" for k in hidden), "output"]


def named(population: str) -> str:
    """Return how a population is called in a figure."""
    return population.replace("_", " ")


def _some(count: int) -> np.ndarray:
    """Return numbers of neurons spread evenly over a population."""
    return np.linspace(0, count - 1, min(RASTER, count)).round().astype(int)


def _time(results: Results, steps: int) -> np.ndarray:
    return results.record("output", "v_soma").time[:steps]
