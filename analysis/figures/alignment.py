"""The figure of alignment: the angle between the circuit's updates and backprop's."""

import numpy as np
from matplotlib.axes import Axes

from microcircuit.analysis.alignment import Alignment, alignment, table
from microcircuit.analysis.figures.style import (
    DOUBLE,
    GREY,
    Picture,
    counted,
    letter,
    listed,
    page,
    plain_ticks_if_few,
    reference_line,
)
from microcircuit.results import Results

SIDE_STEP = 1.08
"""Dots of different areas lie side by side, their mixing factors multiplied by this."""
ORTHOGONAL, STRAIGHT = 90.0, 180.0


def alignment_figure(results: Results) -> Picture:
    """Draw the angle against the mixing factor, for transposed and for random feedback."""
    angles = alignment(results)
    figure = page(DOUBLE, 72)
    symmetric, random = figure.subplots(1, 2)
    symmetric.set_yscale("log")
    for axes, kind in ((symmetric, True), (random, False)):
        axes.set_xscale("log")
        _draw_areas(axes, angles, symmetric=kind)
        axes.set_xlabel("Mixing factor λ (dimensionless)")
        axes.set_ylabel("Angle to backprop's update (degrees)")
    symmetric.set_title("Top-down weights: transpose of bottom-up")
    random.set_title("Top-down weights: random")
    _draw_guide(symmetric, angles)
    reference_line(random, ORTHOGONAL, "orthogonal")
    random.set_ylim(bottom=0)
    # The areas are the same in both panels.
    legends = [axes.get_legend_handles_labels() for axes in (random, symmetric)]
    named = {label: line for lines in legends for line, label in zip(*lines, strict=True)}
    figure.legend(named.values(), named, loc="outside lower center", ncols=len(named))
    letter([symmetric, random])
    return Picture(figure, _caption(angles, results.config["model"]["signal"]))


def _draw_areas(axes: Axes, angles: Alignment, *, symmetric: bool) -> None:
    for k, name in enumerate(angles.areas):
        aside = SIDE_STEP ** (k - (len(angles.areas) - 1) / 2)
        for factor in angles.factors:
            networks = angles.networks(factor, symmetric=symmetric)[:, k]
            at = np.full(len(networks), factor * aside)
            axes.plot(at, networks, ".", color=f"C{k}", alpha=0.25, markersize=3)
        mean = [angles.mean(factor, symmetric=symmetric)[k] for factor in angles.factors]
        axes.plot(angles.factors * aside, mean, color=f"C{k}", marker="o", label=name)


def _draw_guide(axes: Axes, angles: Alignment) -> None:
    """Draw what an angle in proportion to the mixing factor looks like, below the others.

    Where theirs grow less, the line leaves the panel.
    """
    factors, highest = angles.factors, min(STRAIGHT, axes.get_ylim()[1])
    lowest = angles.networks(factors[0], symmetric=True).min()
    line = 0.6 * lowest * factors / factors[0]
    axes.plot(factors, line, color=GREY, linestyle=":", linewidth=1.0, label="in proportion to λ")
    axes.set_ylim(top=highest)
    plain_ticks_if_few(axes)


def _caption(angles: Alignment, signal: str) -> str:
    smallest, largest = angles.factors[0], angles.factors[-1]
    networks = len(angles.networks(smallest, symmetric=True))
    by_factor = [
        listed([f"{degrees:.3g}" for degrees in angles.mean(factor, symmetric=True)])
        for factor in (largest, smallest)
    ]
    hidden = angles.mean(smallest, symmetric=False)[:-1]
    # Noise of spikes keeps a circuit from coming to rest.
    where = (
        "from its mean potentials in the second half of presentations"
        if signal == "spikes"
        else "at its fixed point"
    )
    return (
        f"Angle between the weight updates of the circuit {where} and those of backprop "
        f"on the same weights, {counted(networks, 'network')} (dots) and their mean (lines). "
        f"With transposed feedback it is {by_factor[0]}° in {listed(angles.areas)} at a "
        f"mixing factor of {largest:g}, and {by_factor[1]}° at {smallest:g}; with random feedback "
        f"{listed([f'{degrees:.0f}' for degrees in hidden])}° in hidden areas at {smallest:g}."
        f"\n\n{table(angles)}"
    )
