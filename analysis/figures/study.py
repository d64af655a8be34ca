"""A study's figure, from its table: a metric against one parameter, or a map of two."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis, XAxis
from matplotlib.ticker import MaxNLocator

from microcircuit.analysis.bootstrap import CONFIDENCE, bootstrap
from microcircuit.analysis.figures.style import (
    DOUBLE,
    SINGLE,
    Picture,
    counted,
    listed,
    number,
    page,
)

LOG_RATIO = 30
"""Largest over smallest value from which an axis may be logarithmic."""
CROWDED = 4
"""Largest over middle value from which it is: else few values lie where a logarithm makes room."""
MOST_TOLD = 64
"""Cells of a map with their numbers in them."""
MOST_TICKS = 12
"""Of a map's axis with numbers; what has no order is always named."""
LINE_LETTERS = 40
"""Of all names along a horizontal axis; more are written slantwise."""

type Columns = Mapping[str, np.ndarray]


class StudyFigureError(ValueError):
    """There is nothing to draw, or no such column."""


class Curve(NamedTuple):
    """A metric for each value of a parameter.

    Attributes
    ----------
    values : array [n]
        Of the parameter; numbers ascend, all else is in the order of the study.
    mean, low, high : array [n]
        Mean over all points with that value, and its confidence interval, NaN for a single point.
    """

    values: np.ndarray
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray


def study_figure(
    table: Columns,
    *,
    parameters: Sequence[str],
    metrics: Sequence[str],
    metric: str | None,
    against: Sequence[str],
) -> Picture:
    """Draw a metric of a study's points that are complete.

    Parameters
    ----------
    table : mapping of str to array
        The columns of the study's table, `status` among them.
    parameters, metrics : sequence of str
        Which columns are what.
    metric : str or None
        What to show; the first that is a number if None.
    against : sequence of str
        No more than two parameters, with or without their unit; those that were varied first if
        there are none.

    Returns
    -------
    Picture
        Means with bootstrap confidence intervals against one parameter, or a map of two; samples of
        which nearly every value is different are drawn as they are.

    Raises
    ------
    StudyFigureError
        No point has a result, or there is no such metric or parameter.
    """
    complete = np.asarray(table["status"]) == "complete"
    if not complete.any():
        raise StudyFigureError("no point is complete: there is nothing to draw yet")
    numeric = [name for name in metrics if np.issubdtype(table[name].dtype, np.number)]
    chosen = _column(metric, numeric, "metric") if metric else next(iter(numeric), None)
    if chosen is None:
        raise StudyFigureError("no metric of this study is a number: there is nothing to draw")
    if len(against) > 2:
        raise StudyFigureError(f"a figure has two parameters at most, not {len(against)}")
    varied = [name for name in parameters if len(set(table[name][complete])) > 1]
    axes = [_column(name, parameters, "parameter") for name in against] or varied[:2]
    if len(set(axes)) < len(axes):
        raise StudyFigureError(f"{axes[0]!r} can't be on both axes")
    y = table[chosen][complete].astype(float)
    if not np.isfinite(y).any():
        raise StudyFigureError(f"{chosen!r} is a number at no point: there is nothing to draw")
    values = [table[name][complete] for name in axes] or [table["seed"][complete]]
    rest = [name for name in varied if name not in axes]
    if len(values) == 2:
        return _map(values, y, axes, chosen, rest)
    return _line(values[0], y, (axes or ["seed"])[0], chosen, rest)


def _column(name: str, columns: Sequence[str], kind: str) -> str:
    for column in columns:
        if name in (column, column.partition(" (")[0]):
            return column
    raise StudyFigureError(f"no {kind} is called {name!r}; there are: {', '.join(columns)}")


def curve(x: np.ndarray, y: np.ndarray) -> Curve:
    """Return the mean of y for each value of x, with its bootstrap confidence interval.

    Parameters
    ----------
    x : array [n]
        Values of a parameter.
    y : array [n]
        The metric; what is not finite is left out.
    """
    values, places = _levels(x)
    rows = np.full((len(values), 3), np.nan)
    for place, row in enumerate(rows):
        found = y[(places == place) & np.isfinite(y)]
        if len(found):
            row[:] = bootstrap(found)
    return Curve(values, *rows.T)


def _levels(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the values that there are, and for each value which one it is."""
    if _is_numeric(values):
        return np.unique(values, return_inverse=True)
    place = {one: n for n, one in enumerate(dict.fromkeys(values.tolist()))}
    return np.array(list(place), dtype=object), np.array([place[one] for one in values.tolist()])


def _is_numeric(values: np.ndarray) -> bool:
    return np.issubdtype(values.dtype, np.number)


def _spread(values: np.ndarray) -> bool:
    """Tell whether values are better seen on a logarithmic axis."""
    if not _is_numeric(values):
        return False
    finite = values[np.isfinite(values.astype(float))].astype(float)
    if not len(finite) or finite.min() <= 0:
        return False
    low, middle, high = np.percentile(finite, [0, 50, 100], method="lower")
    return bool(high / low >= LOG_RATIO and high / middle >= CROWDED)


def _is_sampled(values: np.ndarray) -> bool:
    """Tell whether nearly every value is another one, as in a random design."""
    return _is_numeric(values) and len(np.unique(values)) > max(8, len(values) / 2)


def _line(x: np.ndarray, y: np.ndarray, name: str, metric: str, rest: list[str]) -> Picture:
    figure = page(SINGLE, 66)
    axes = figure.subplots()
    axes.set_xlabel(name)
    axes.set_ylabel(metric)
    if _spread(x) and name != "seed":
        axes.set_xscale("log")
    if _spread(y):
        axes.set_yscale("log")
    points = counted(len(y), "point")
    over = f" Other parameters differ too: {listed(rest)}." if rest else ""
    if name == "seed" or _is_sampled(x):
        axes.plot(x, y, "o", markersize=3, alpha=0.7)
        if np.issubdtype(x.dtype, np.integer):
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        caption = f"{metric} of {points} against {name}.{over}"
        return Picture(figure, caption)
    found = curve(x, y)
    ordered = _is_numeric(x) and len(found.values) > 1
    at, seen = (found.values, x) if ordered else (np.arange(len(found.values)), _levels(x)[1])
    axes.plot(seen, y, "o", markersize=2, alpha=0.25, color="C0", zorder=1)
    if ordered:
        axes.fill_between(at, found.low, found.high, alpha=0.25, color="C0", linewidth=0)
        axes.plot(at, found.mean, marker="o", markersize=3, color="C0")
    else:
        # Nothing lies between values without an order.
        reach = found.mean - found.low, found.high - found.mean
        axes.errorbar(at, found.mean, reach, fmt="o", color="C0")
        axes.set_xlim(-0.5, len(at) - 0.5)
        _name_ticks(axes.xaxis, found.values)
    order = np.argsort(found.mean)[: np.isfinite(found.mean).sum()]
    lowest, highest = (
        f"{number(found.mean[k])} at {_name(found.values[k])}" for k in order[[0, -1]]
    )
    return Picture(
        figure,
        f"{metric} against {name}: mean of {points} and {CONFIDENCE:.0%} bootstrap confidence "
        f"interval of the mean; each point is a dot. From {lowest} to {highest}.{over}",
    )


def _name(value: object, digits: int = 6) -> str:
    return f"{value:.{digits}g}" if isinstance(value, int | float | np.number) else str(value)


def _name_ticks(axis: Axis, values: np.ndarray) -> None:
    """Write values at places 0, 1, 2, ... of an axis, as many as can be read."""
    step = -(-len(values) // MOST_TICKS) if _is_numeric(values) else 1
    names = [_name(value, 3) for value in values[::step]]
    if len(set(names)) < len(names):
        names = [_name(value) for value in values[::step]]
    slant = isinstance(axis, XAxis) and sum(map(len, names)) > LINE_LETTERS
    how: dict[str, Any] = (
        {"rotation": 30, "ha": "right", "rotation_mode": "anchor"} if slant else {}
    )
    axis.set_ticks(range(0, len(values), step), labels=names, **how)


def _map(
    values: list[np.ndarray], y: np.ndarray, names: list[str], metric: str, rest: list[str]
) -> Picture:
    figure = page(DOUBLE * 0.6, 80)
    axes = figure.subplots()
    axes.set_xlabel(names[0])
    axes.set_ylabel(names[1])
    norm = "log" if _spread(y) else "linear"
    over = f" Other parameters differ too: {listed(rest)}." if rest else ""
    points = counted(len(y), "point")
    if any(map(_is_sampled, values)):
        for set_scale, one in zip((axes.set_xscale, axes.set_yscale), values, strict=True):
            if _spread(one):
                set_scale("log")
        x_at, y_at = (one if _is_numeric(one) else _levels(one)[1] for one in values)
        drawn = axes.scatter(x_at, y_at, c=y, norm=norm, cmap="viridis", s=14)
        for axis, one in zip((axes.xaxis, axes.yaxis), values, strict=True):
            if not _is_numeric(one):
                _name_ticks(axis, _levels(one)[0])
        figure.colorbar(drawn, ax=axes, label=metric)
        return Picture(figure, f"{metric} of {points} by {names[0]} and {names[1]}.{over}")
    (xs, x_at), (ys, y_at) = map(_levels, values)
    sums, counts = np.zeros((2, len(ys), len(xs)))
    finite = np.isfinite(y)
    np.add.at(sums, (y_at[finite], x_at[finite]), y[finite])
    np.add.at(counts, (y_at[finite], x_at[finite]), 1)
    means = np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)
    image = axes.imshow(means, origin="lower", aspect="auto", norm=norm, cmap="viridis")
    _name_ticks(axes.xaxis, xs)
    _name_ticks(axes.yaxis, ys)
    figure.colorbar(image, ax=axes, label=metric)
    if means.size <= MOST_TOLD:
        _tell_cells(axes, means, image.norm)
    return Picture(
        figure,
        f"{metric} by {names[0]} and {names[1]}: mean over {points} in all, "
        f"{number(np.nanmin(means))} to {number(np.nanmax(means))}.{over}",
    )


def _tell_cells(axes: Axes, means: np.ndarray, norm: Any) -> None:
    """Write each cell's number into it, in a colour that can be read."""
    for (row, column), mean in np.ndenumerate(means):
        if np.isfinite(mean):
            color = "white" if norm(mean) < 0.5 else "black"
            text = number(mean)
            axes.text(column, row, text, ha="center", va="center", color=color, fontsize=6)
