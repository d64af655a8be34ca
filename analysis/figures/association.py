"""The figure of one association: without a teacher, with one, and without again."""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes

from microcircuit.analysis.figures.series import (
    Series,
    draw_noisy,
    hidden_areas,
    named_area,
    over_presentations,
)
from microcircuit.analysis.figures.style import (
    DOUBLE,
    SHADE,
    Picture,
    counted,
    letter,
    listed,
    number,
    page,
)
from microcircuit.results import Results

PHASES = ("Before", "Teacher on", "After")
WIDTHS = (1.0, 3.4, 1.0)
"""Of the phases, which last very different times."""
SMOOTHED = 0.05
"""The lines on top are means over about this time, in s."""
MS_PER_S = 1e3


class Phase(NamedTuple):
    """A stretch of time, in s."""

    start: float
    stop: float

    def cut(self, series: Series) -> Series:
        """Return the part of a series that lies in it."""
        inside = (series.x >= self.start) & (series.x <= self.stop)
        return Series(series.x[inside], series.y[inside])


def association_figure(results: Results) -> Picture:
    """Draw output potentials, apical potentials and squared errors, phase by phase."""
    phases = _phases(results)
    rows = ["output", *(f"hidden_{k}" for k in hidden_areas(results)), "errors"]
    figure = page(DOUBLE, 38 * len(rows) + 10)
    grid = figure.subplots(len(rows), len(phases), sharey="row", sharex="col", width_ratios=WIDTHS)
    for column, (phase, name) in enumerate(zip(phases, PHASES, strict=True)):
        _draw_outputs(grid[0, column], results, phase)
        for k in hidden_areas(results):
            _draw_apical(grid[k, column], results, phase, k)
        _draw_errors(grid[-1, column], results, phase)
        grid[0, column].set_title(name)
        grid[-1, column].set_xlabel("Time (s)")
    _arrange(grid, phases)
    return Picture(figure, _caption(results))


def _phases(results: Results) -> list[Phase]:
    """Return the stretches before, with and after the teacher."""
    protocol = results.config["protocol"]
    ends = results.record("output", "error_squared").time / MS_PER_S
    bounds = [0.0, ends[protocol["before"] - 1], ends[-1 - protocol["after"]], ends[-1]]
    return [Phase(*stretch) for stretch in pairwise(bounds)]


def _arrange(grid: np.ndarray, phases: list[Phase]) -> None:
    for row in grid:
        row[1].set_facecolor(SHADE)
        for axes in row[1:]:
            axes.tick_params(axis="y", which="both", left=False)
            axes.spines["left"].set_visible(False)
        row[-1].legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    for axes, phase in zip(grid[0], phases, strict=True):
        axes.set_xlim(phase.start, phase.stop)
    grid[0, 0].set_ylabel("Output potential\n(dimensionless)")
    for axes in grid[1:-1, 0]:
        axes.set_ylabel("Apical potential\n(dimensionless)")
    grid[-1, 0].set_ylabel("Mean square\n(dimensionless)")
    letter(grid[:, 0])


def _three(values: np.ndarray) -> np.ndarray:
    """Return the indices of the lowest, the middle and the highest value."""
    order = np.argsort(values)
    return np.unique(order[[0, len(order) // 2, -1]])


def _neuron(results: Results, population: str, variable: str, index: int) -> Series:
    record = results.record(population, variable)
    return Series(record.time / MS_PER_S, record[:, 0, 0, index])


def _bins(phase: Phase) -> int:
    return max(1, round((phase.stop - phase.start) / SMOOTHED))


def _draw_outputs(axes: Axes, results: Results, phase: Phase) -> None:
    targets = results.record("output", "v_target")[0, 0, 0]
    for color, index in enumerate(_three(targets)):
        potential = phase.cut(_neuron(results, "output", "v_soma", int(index)))
        label = f"output neuron {index + 1}"
        draw_noisy(axes, potential, color=f"C{color}", label=label, bins=_bins(phase))
        axes.axhline(targets[index], color=f"C{color}", linestyle="--", linewidth=0.8)
    axes.plot([], [], color="0", linestyle="--", linewidth=0.8, label="their targets")


def _draw_apical(axes: Axes, results: Results, phase: Phase, area: int) -> None:
    """Draw the neurons that the teacher hits in opposite ways, and one between."""
    apical = results.record(f"hidden_{area}", "v_apical")
    onset = np.searchsorted(apical.index, results.config["protocol"]["before"])
    early = apical[onset : onset + 1 + apical.shape[0] // 100, 0, 0].mean(axis=0)
    for color, index in enumerate(_three(early)):
        potential = phase.cut(_neuron(results, f"hidden_{area}", "v_apical", int(index)))
        label = f"hidden neuron {index + 1}{named_area(results, area, ',\n{}')}"
        draw_noisy(axes, potential, color=f"C{color + 3}", label=label, bins=_bins(phase))
    axes.axhline(0, color="0.3", linewidth=0.5, zorder=0)


def _draw_errors(axes: Axes, results: Results, phase: Phase) -> None:
    axes.set_yscale("log")
    curves = [
        ("output", "error_squared", "target minus output"),
        ("output", "dendritic_error_squared", "target minus basal\nprediction of output"),
        *(
            (
                f"hidden_{k}",
                "v_apical_squared",
                f"apical potential{named_area(results, k, ',\n{}')}",
            )
            for k in hidden_areas(results)
        ),
    ]
    for color, (population, variable, label) in enumerate(curves):
        record = results.record(population, variable)
        values = over_presentations(record).y
        # A presentation's value is drawn in its middle.
        middles = (record.time - np.diff(record.time, prepend=0) / 2) / MS_PER_S
        curve = phase.cut(Series(middles, values))
        axes.plot(*curve, color=f"C{color}", label=label, marker="." if len(curve.x) < 20 else None)


def _caption(results: Results) -> str:
    taught = results.config["protocol"]["presentations"]
    before, after = (
        number(float(results.metric(f"output.error_squared.{when}").value))
        for when in ("before", "after")
    )
    apical = [
        " to ".join(
            number(float(results.metric(f"hidden_{k}.v_apical_squared.{when}").value))
            for when in ("first", "last")
        )
        for k in hidden_areas(results)
    ]
    return (
        f"Over {counted(taught, 'presentation')} with a teacher (shaded) the output is "
        "pulled to its target; without the teacher its mean squared error is "
        f"{before} before and {after} after. "
        "The mean squared apical potential, the error in the hidden area, goes from "
        f"{listed(apical)} while the teacher is there. Light: raw traces; dark: means over "
        f"{SMOOTHED * MS_PER_S:.0f} ms; each phase has its own time scale."
    )
