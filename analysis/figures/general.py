"""The figure of any run: what was recorded of whole populations, against presentations."""

import numpy as np
from matplotlib.axes import Axes

from microcircuit.analysis.figures.series import Series, draw_noisy, over_presentations
from microcircuit.analysis.figures.style import DOUBLE, SINGLE, Picture, count_axis, letter, page
from microcircuit.results import Record, Results

COLUMNS = 3
PANEL_HEIGHT = 48.0
DECADES = 30
"""Values that span this factor are drawn on a logarithmic axis."""


def general_figure(results: Results) -> Picture:
    """Draw every mean across neurons against presentations, a panel each."""
    records = {
        key: record
        for key in results.records()
        if (record := results.record(*key)).dimensions == ("presentation", "replicate", "batch")
    }
    columns = min(COLUMNS, max(1, len(records)))
    rows = -(-len(records) // columns) or 1
    figure = page(SINGLE if columns == 1 else DOUBLE, PANEL_HEIGHT * rows)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, ((population, name), record) in zip(grid, records.items(), strict=False):
        _draw_record(axes, record, population, name)
    for axes in grid[len(records) :]:
        axes.remove()
    letter(grid[: len(records)])
    return Picture(figure, _caption(results, records))


def _draw_record(axes: Axes, record: Record, population: str, name: str) -> None:
    series = over_presentations(record)
    if _spans_decades(series):
        axes.set_yscale("log")
    draw_noisy(axes, series, color="C0")
    axes.set_title(_words(population))
    count_axis(axes, "Presentations")
    unit = "dimensionless" if record.units == "1" else record.units
    axes.set_ylabel(f"{_words(name)}\n({unit})")


def _spans_decades(series: Series) -> bool:
    seen = series.y[np.isfinite(series.y)]
    return bool(len(seen)) and seen.min() > 0 and seen.max() > DECADES * seen.min()


def _words(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _caption(results: Results, records: dict[tuple[str, str], Record]) -> str:
    networks = max((record.shape[1] for record in records.values()), default=1)
    protocol = _words(results.config["protocol"]["name"].replace("-", " "))
    whole = "" if results.status == "complete" else f"The run {results.status}: {results.message} "
    over = "" if networks == 1 else f", mean over {networks} networks"
    return (
        f"{whole}{protocol}: what was recorded of whole populations, against presentations{over}. "
        "Light: single presentations; dark: means over short stretches."
    )
