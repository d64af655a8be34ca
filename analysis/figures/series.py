"""Series of recorded values: read from a result, averaged, and drawn with their noise in view."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes

from microcircuit.results import Record, Results

BINS, LOG_BINS = 80, 40
"""Points of a smoothed line, on linear and logarithmic axes."""
DEEPEST = 1e-3
"""How far below the lowest mean a logarithmic axis reaches, as a factor."""
MARGIN = 0.05
"""Below and above, as a part of the axis."""
RAW_POINTS = 2000
"""Points of the raw line behind it at most."""


class Series(NamedTuple):
    """Values over presentations or time.

    Attributes
    ----------
    x : array [n]
        Presentations shown, or time.
    y : array [n]
        Values.
    """

    x: np.ndarray
    y: np.ndarray


def hidden_areas(results: Results) -> range:
    """Return the numbers of the hidden areas."""
    return range(1, len(results.config["model"]["areas"]) - 1)


def named_area(results: Results, area: int, words: str = "{}") -> str:
    """Return a name for a hidden area, put into words; nothing where there is only one."""
    return "" if len(hidden_areas(results)) == 1 else words.format(f"hidden area {area}")


def over_presentations(record: Record, replicate: int | None = None) -> Series:
    """Return a record of one value a presentation, as a series from presentation 1.

    Parameters
    ----------
    record : Record
        Of shape ``[presentation, replicate, batch]``.
    replicate : int, optional
        Which; their mean without it.
    """
    data = record.data if replicate is None else record[:, replicate]
    return Series(record.index + 1, data.mean(axis=tuple(range(1, data.ndim))))


def binned(series: Series, *, bins: int, log: bool = False) -> Series:
    """Return the means over stretches of a series; values that are not finite are left out.

    Parameters
    ----------
    series : Series
        With ascending x.
    bins : int
        How many stretches at most.
    log : bool
        Stretches grow in proportion to their position, for logarithmic axes.
    """
    n = len(series.y)
    edges = np.geomspace(1, n + 1, bins + 1) - 1 if log else np.linspace(0, n, bins + 1)
    starts = np.unique(edges.round().astype(int))[:-1]
    if not len(starts):
        return series
    finite = np.isfinite(series.y)
    kept = np.stack([np.where(finite, series.x, 0), np.where(finite, series.y, 0), finite])
    x, y, count = np.add.reduceat(kept, starts, axis=1)
    return Series(
        *(np.divide(s, count, out=np.full(len(s), np.nan), where=count > 0) for s in (x, y))
    )


def draw_noisy(
    axes: Axes,
    series: Series,
    *,
    color: str,
    label: str = "",
    linestyle: str = "-",
    bins: int | None = None,
) -> Series:
    """Draw a series as a light line, with its mean over short stretches on top.

    Parameters
    ----------
    axes : Axes
        Where; on a logarithmic x axis the stretches grow.
    series : Series
        What.
    color, label, linestyle : str
        As in matplotlib.
    bins : int, optional
        Points of the line on top.

    Returns
    -------
    Series
        The means.
    """
    every = max(1, len(series.y) // RAW_POINTS)
    seen = np.where(np.isfinite(series.y), series.y, np.nan)
    # As an image in the PDF: thousands of points that nobody will want to edit.
    axes.plot(
        series.x[::every],
        seen[::every],
        color=color,
        alpha=0.3,
        linewidth=0.5,
        zorder=1,
        rasterized=True,
    )
    log = axes.get_xscale() == "log"
    smooth = binned(series, bins=bins or (LOG_BINS if log else BINS), log=log)
    # A line needs two points.
    marker = "o" if len(smooth.y) == 1 else None
    axes.plot(*smooth, color=color, label=label, linestyle=linestyle, marker=marker)
    return smooth


def keep_to_means(axes: Axes, means: Sequence[Series]) -> None:
    """Let a logarithmic y axis end not far below means, whatever single presentations do.

    Without input, as when neurons are silent, these may be any number of decades below.
    """
    low, high = DEEPEST * min(series.y.min() for series in means), axes.dataLim.y1
    if axes.get_ylim()[0] < low:
        margin = (high / low) ** MARGIN
        axes.set_ylim(low / margin, high * margin)
