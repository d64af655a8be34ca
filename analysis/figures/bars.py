"""The figure of the bars task: which pattern drives which output, and how fast it is learnt."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.ticker import PercentFormatter

from microcircuit.analysis.figures.series import draw_noisy, over_presentations
from microcircuit.analysis.figures.style import (
    DOUBLE,
    Picture,
    count_axis,
    counted,
    letter,
    number,
    page,
    reference_line,
)
from microcircuit.results import Results

SIDE = 3
CLASSES = ("horizontal", "vertical", "diagonal")
LABELS = np.repeat([0, 1, 2], [3, 3, 2])
"""Class of each pattern, in the order of the protocol's tests."""
LINEAR = 7
"""Patterns that a linear readout can get right. Not all: rows and columns have the same sum, so no
linear function is positive for all rows and negative for all columns."""


def patterns() -> np.ndarray:
    """Return the images [8, 3, 3] in the order of the protocol's tests."""
    one = np.eye(SIDE)
    rows = [np.outer(row, np.ones(SIDE)) for row in one]
    return np.stack([*rows, *(row.T for row in rows), one, one[::-1]])


def bars_figure(results: Results) -> Picture:
    """Draw the patterns with the outputs that they drive, the accuracy and the output's error."""
    figure = page(DOUBLE, 58)
    outputs, accuracy, error = figure.subplots(1, 3, width_ratios=(1.35, 1, 1))
    _draw_outputs(outputs, results)
    _draw_accuracy(accuracy, results)
    _draw_error(error, results)
    letter([outputs, accuracy, error])
    return Picture(figure, _caption(results))


def _draw_outputs(axes: Axes, results: Results) -> None:
    """Draw a column for each pattern: its image, and below it the output potentials."""
    potentials = results.probe("test", "output", "v_soma")[-1, :, 0, 0]
    largest = np.abs(potentials).max()
    matrix = axes.imshow(potentials.T, cmap="PuOr_r", vmin=-largest, vmax=largest)
    for p, (image, label) in enumerate(zip(patterns(), LABELS, strict=True)):
        inside = (p - 0.38, p + 0.38, -0.8, -1.56)
        axes.imshow(image, cmap="Greys", vmin=0, vmax=1.2, extent=inside)
        axes.add_patch(Rectangle((p - 0.38, -1.56), 0.76, 0.76, fill=False, linewidth=0.4))
        axes.add_patch(Rectangle((p - 0.47, label - 0.47), 0.94, 0.94, fill=False, linewidth=1.2))
    axes.set_xlim(-0.5, len(LABELS) - 0.5)
    axes.set_ylim(len(CLASSES) - 0.5, -1.65)
    axes.set_xticks([])
    axes.set_yticks(range(len(CLASSES)), CLASSES)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("Pattern (box: its class)")
    axes.set_anchor("N")
    axes.figure.colorbar(
        matrix,
        cax=axes.inset_axes((0.15, -0.24, 0.7, 0.05)),
        orientation="horizontal",
        label="Output potential after learning (dimensionless)",
    )


def _draw_accuracy(axes: Axes, results: Results) -> None:
    presentations = results.probe("test", "output", "v_soma").index
    axes.plot(presentations, results.metric("accuracy").value, color="C0", marker="o")
    reference_line(axes, LINEAR / len(LABELS), "best linear readout")
    axes.legend(loc="lower right")
    axes.set_ylim(0, 1.04)
    axes.yaxis.set_major_formatter(PercentFormatter(1, symbol=""))
    axes.set_ylabel("Test accuracy (%)")
    count_axis(axes, "Presentations")


def _draw_error(axes: Axes, results: Results) -> None:
    axes.set_yscale("log")
    error = over_presentations(results.record("output", "dendritic_error_squared"))
    draw_noisy(axes, error, color="C1")
    axes.set_ylabel("Mean squared error of output\n(dimensionless)")
    count_axis(axes, "Presentations")


def _caption(results: Results) -> str:
    accuracy = np.asarray(results.metric("accuracy").value)
    presentations = results.probe("test", "output", "v_soma").index
    error = over_presentations(results.record("output", "dendritic_error_squared")).y
    stretch = max(1, len(error) // 20)
    reached = f"{100 * accuracy[-1]:.3g} %"
    first = int(presentations[np.flatnonzero(accuracy == accuracy[-1])[0]])
    return (
        f"After {counted(len(error), 'presentation')} {reached} of the {len(LABELS)} patterns are "
        f"told apart, so many for the first time after {first:,}; a linear readout can tell "
        f"{LINEAR} at most. The squared error of what the output's basal dendrites predict is "
        f"{number(error[:stretch].mean())} in the first and {number(error[-stretch:].mean())} in "
        "the last twentieth of the run."
    )
