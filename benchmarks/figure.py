"""The figure: costs against size, batch, replicates and steps, beside peers and limits."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from benchmarks import targets
from benchmarks.circuits import variant_name
from benchmarks.costs import (
    batches,
    memory_limit,
    product_limit,
    squares,
    stacked,
    synapse_cost,
    synapses,
)
from benchmarks.plan import REFERENCE, SMALL
from benchmarks.results import Measurement, Results
from benchmarks.timing import Spread
from microcircuit.analysis.figures.style import page, paper_style

type Style = dict[str, Any]
type Place = Literal["upper left", "upper right"]

DOUBLE, SINGLE, NEST, SMALLER, STOCK = "C0", "C1", "C2", "C4", "0.35"
LABELS = {"double": "float64", "single": "float32"}
COLOURS = {"double": DOUBLE, "single": SINGLE}
MEMORY: Style = {"linestyle": (0, (3, 1.5)), "linewidth": 0.9}
PRODUCT: Style = {"linestyle": (0, (1, 1)), "linewidth": 0.9}
TARGET: Style = {"marker": "v", "markerfacecolor": "none", "markeredgewidth": 0.8, "markersize": 5}
MOVING = "moving the weights alone"
NAME = "{}x{}".format(*REFERENCE)


def draw(results: Results, path: Path) -> None:
    """Draw the figure.

    Parameters
    ----------
    results : Results
        Panels of what was not measured stay empty.
    path : Path
        Of the image; its suffix says of which format.
    """
    with paper_style():
        figure = page(180, 125)
        panels = _sizes, _batches, _replicates, _steps_of_sizes, _steps, _circuits
        # Rows of their own: the long labels of the last panel should not narrow the one above.
        grid = figure.add_gridspec(2, 1)
        axes = [ax for k in (0, 1) for ax in figure.add_subfigure(grid[k]).subplots(1, 3)]
        for letter, panel, ax in zip("abcdef", panels, axes, strict=True):
            panel(ax, results)
            ax.set_title(letter, loc="left", fontweight="bold")
        figure.savefig(path)


def _series(
    ax: Axes,
    x: Sequence[float],
    values: Sequence[Sequence[float] | None],
    **style: Any,
) -> None:
    """Draw medians, with bars from the smallest to the largest; leave out what is missing."""
    known = [(a, Spread.of(v)) for a, v in zip(x, values, strict=True) if v is not None]
    if not known:
        return
    medians = [s.median for _, s in known]
    errors = [
        [s.median - s.low for _, s in known],
        [s.high - s.median for _, s in known],
    ]
    ax.errorbar([a for a, _ in known], medians, errors, elinewidth=0.7, **style)


def _limit(
    ax: Axes, x: Sequence[float], values: Sequence[Sequence[float] | None], **style: Any
) -> None:
    """Draw medians of a limit, as a line without marks."""
    known = [(a, Spread.of(v).median) for a, v in zip(x, values, strict=True) if v is not None]
    if known:
        ax.plot(*zip(*known, strict=True), **(MEMORY | style))


def _legend(ax: Axes, place: Place, neutral: Mapping[str, Style] | None = None) -> None:
    """Add a legend of what is drawn, and of styles that several colours share."""
    handles, _ = ax.get_legend_handles_labels()
    if handles:
        shared = [
            Line2D([], [], color=STOCK, label=label, **style)
            for label, style in (neutral or {}).items()
        ]
        ax.legend(handles=[*handles, *shared], loc=place)


def _sizes(ax: Axes, results: Results) -> None:
    """Cost of a synapse against the number of synapses."""
    nest, stock = results.select("nest"), squares(results, maker="stock")
    _series(ax, _counts(nest), _costs(nest), color=NEST, marker="D", linestyle="", label="NEST")
    _series(ax, _counts(stock), _costs(stock), color=STOCK, marker="s", label="stock Brian2")
    for precision, label in LABELS.items():
        ours, colour = squares(results, precision=precision), COLOURS[precision]
        _series(ax, _counts(ours), _costs(ours), color=colour, marker="o", label=f"ours, {label}")
        _limit(ax, _counts(ours), [memory_limit(results, m) for m in ours], color=colour)
        ax.plot(REFERENCE[0] * REFERENCE[1], targets.SYNAPSE[precision], color=colour, **TARGET)
    ax.set(
        xscale="log",
        yscale="log",
        xlabel="synapses",
        ylabel="CPU time of a synapse and step (ns)",
    )
    if stock:
        _room_above(ax, 1 if nest else 1.5)
    _legend(ax, "upper left", {MOVING: MEMORY, "target": TARGET | {"linestyle": ""}})


def _room_above(ax: Axes, decades: float) -> None:
    """Extend a logarithmic axis, for the legend."""
    ax.set_ylim(top=ax.get_ylim()[1] * 10**decades)


def _batches(ax: Axes, results: Results) -> None:
    """Cost of a synapse and presentation against the batch."""
    bottoms = []
    for precision, label in LABELS.items():
        found, colour = batches(results, *REFERENCE, precision), COLOURS[precision]
        sizes = [int(m.about["batch"]) for m in found]
        _series(ax, sizes, _costs(found), color=colour, marker="o", label=f"ours, {label}")
        product = product_limit(results, precision)
        if product is not None:
            _limit(ax, sizes, [product] * len(sizes), color=colour, **PRODUCT)
            bottoms.append(Spread.of(product).median / 2)
        _limit(ax, sizes, [memory_limit(results, m) for m in found], color=colour)
    ax.set(
        xscale="log",
        yscale="log",
        xlabel="presentations in a batch",
        ylabel="CPU time of a synapse,\nstep and presentation (ns)",
    )
    if bottoms:
        ax.set_ylim(bottom=min(bottoms))
        _room_above(ax, 0.5)
    _legend(ax, "upper right", {MOVING: MEMORY, "numpy's matrix product": PRODUCT})


def _replicates(ax: Axes, results: Results) -> None:
    """Cost of a synapse against the number of replicates."""
    for shape, colour in ((REFERENCE, DOUBLE), (SMALL, SMALLER)):
        found = stacked(results, *shape)
        counts = [int(m.about["replicates"]) for m in found]
        name = "{}x{}".format(*shape)
        _series(ax, counts, _costs(found), color=colour, marker="o", label=f"ours, {name}")
        limits = [memory_limit(results, m) for m in found]
        _limit(ax, counts, limits, color=colour)
    ax.set(
        xlabel="replicates",
        ylabel="CPU time of a synapse and step (ns)",
    )
    ax.set_xscale("log", base=2)
    ax.xaxis.set_major_formatter("{x:.0f}")
    ax.set_ylim(0, 1.35 * ax.get_ylim()[1])  # room for the legend
    _legend(ax, "upper left", {MOVING: MEMORY})


def _steps_of_sizes(ax: Axes, results: Results) -> None:
    """Cost of a step against all synapses, beside a straight line through the reference."""
    sizes = squares(results)
    _proportional(ax, sizes)
    for found, marker, colour, label in (
        (sizes, "o", DOUBLE, "sizes"),
        (stacked(results, *REFERENCE), "x", SINGLE, f"replicates of {NAME}"),
    ):
        seconds = [[1e6 * s for s in m.seconds] for m in found]
        style = {"markeredgewidth": 1} if marker == "x" else {}
        _series(
            ax,
            _counts(found),
            seconds,
            color=colour,
            marker=marker,
            linestyle="",
            label=label,
            **style,
        )
    ax.set(
        xscale="log",
        yscale="log",
        xlabel="synapses, in all replicates",
        ylabel="CPU time of a step (µs)",
    )
    if sizes:
        _room_above(ax, 1.7)
    _legend(ax, "upper left")


def _proportional(ax: Axes, sizes: Sequence[Measurement]) -> None:
    reference = next((m for m in sizes if synapses(m) == REFERENCE[0] * REFERENCE[1]), None)
    if reference is not None:
        slope = 1e6 * Spread.of(reference.seconds).median / synapses(reference)
        ends = [synapses(sizes[0]), max(synapses(m) for m in sizes)]
        ax.plot(ends, [slope * x for x in ends], color="0.6", **MEMORY, label="proportional")


def _steps(ax: Axes, results: Results) -> None:
    """Cost of a run against its steps."""
    found = results.select("steps")
    steps = [int(m.details["steps"]) / 1000 for m in found]
    if found:
        slope = Spread.of(found[-1].seconds).median / steps[-1]
        ends = [0, steps[-1]]
        ax.plot(ends, [slope * x for x in ends], color="0.6", **MEMORY, label="proportional")
        seconds = [m.seconds for m in found]
        _series(ax, steps, seconds, color=DOUBLE, marker="o", linestyle="", label=f"ours, {NAME}")
        _legend(ax, "upper left")
    ax.set(xlim=(0, None), ylim=(0, None), xlabel="thousand steps", ylabel="CPU time of a run (s)")


def _circuits(ax: Axes, results: Results) -> None:
    """Cost of whole circuits."""
    found = list(reversed(results.select("circuit")))
    for place, m in enumerate(found):
        copies = int(m.about["replicates"]) * int(m.about["batch"])
        cost = Spread.of(m.seconds, 1 / float(m.details["dt"]) / copies)
        colour = STOCK if m.about["maker"] == "stock" else DOUBLE
        errors = [[cost.median - cost.low], [cost.high - cost.median]]
        ax.errorbar(cost.median, place, xerr=errors, color=colour, marker="o", elinewidth=0.7)
        target = _circuit_target(m)
        if target is not None:
            ax.plot(target, place, color=STOCK, **TARGET)
    ax.set_yticks(range(len(found)), [_circuit_name(m) for m in found], fontsize=5)
    ax.set(xscale="log", xlabel="CPU s for a simulated s,\nreplicate and presentation")
    ax.set_ylim(-0.6, len(found) - 0.4)
    ax.grid(axis="x", linewidth=0.3)


def _circuit_target(m: Measurement) -> float | None:
    about = m.about
    if about["maker"] == "stock" or about["batch"] != 1:
        return None
    if about["size"] == "mnist":
        return targets.MNIST
    return targets.REGRESSION if about["replicates"] == 1 else targets.REPLICATE


def _circuit_name(m: Measurement) -> str:
    about = m.about
    parts = ["30-50-10" if about["size"] == "regression" else "784-500-500-10"]
    if about["size"] == "mnist":
        parts.append(variant_name(about))
    elif about["precision"] == "single":
        parts.append(LABELS["single"])
    if not about["noisy"]:
        parts.append("no noise")
    if about["maker"] == "stock":
        parts.append("stock Brian2")
    parts += [
        f"{letter} = {about[key]}"
        for letter, key in (("R", "replicates"), ("B", "batch"))
        if about[key] != 1
    ]
    return ", ".join(parts)


def _counts(found: Sequence[Measurement]) -> list[int]:
    return [synapses(m) for m in found]


def _costs(found: Sequence[Measurement]) -> list[list[float] | None]:
    return [synapse_cost(m) for m in found]
