"""The figure of a comparison: circuits against backprop and feedback alignment."""

import textwrap
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from microcircuit.analysis.bootstrap import CONFIDENCE, bootstrap
from microcircuit.analysis.comparison import MEASURES, Group, RuleAngle
from microcircuit.analysis.comparison_table import table, texts
from microcircuit.analysis.figures.rules import LOOKS
from microcircuit.analysis.figures.style import (
    DOUBLE,
    GREY,
    Picture,
    count_axis,
    letter,
    listed,
    page,
    reference_line,
)

HEIGHT = 100.0
"""Of a group's four panels, in mm."""
TOGETHER = 62.0
"""Of the panel of circuits and rules."""
TITLE, LABEL = (120, 6), (36, 3)
"""Letters in a line of a group's name, and lines at most, above its panels and in a legend."""
ORTHOGONAL = 90.0
MOST_POINTS = 1500
"""Of an area in the scatter."""
BACKPROP, FEEDBACK_ALIGNMENT, WEIGHTS = MEASURES[0], MEASURES[1], MEASURES[-2]


def comparison_figure(groups: Sequence[Group], rules: Sequence[RuleAngle] = ()) -> Picture:
    """Draw, for each group, angles over training, the last updates and the weights' alignment.

    With the table, as ``compare.md`` and ``compare.tex``.

    Parameters
    ----------
    groups : sequence of Group
        Circuits.
    rules : sequence of RuleAngle, optional
        Drawn beside all circuits, in a panel on top.
    """
    figure = page(DOUBLE, HEIGHT * len(groups) + TOGETHER * bool(rules))
    heights = [TOGETHER] * bool(rules) + [HEIGHT] * len(groups)
    parts = figure.subfigures(len(heights), 1, squeeze=False, height_ratios=heights).ravel()
    panels: list[Axes] = []
    if rules:
        panels.append(parts[0].subplots())
        _draw_together(panels[0], groups, rules)
    for group, part in zip(groups, parts[-len(groups) :], strict=True):
        grid = part.subplots(2, 2)
        _draw_group(group, grid)
        if len(groups) > 1:
            part.suptitle(_wrapped(group.name, *TITLE), fontsize=8)
        panels.extend(grid.flat)
    letter(panels)
    return Picture(figure, _caption(groups, rules), texts(list(map(table, groups))))


def _wrapped(name: str, width: int, most: int) -> str:
    """Break a name into lines, at best where a parameter ends."""
    parts = (part.replace(" ", "\N{NO-BREAK SPACE}") for part in name.split(", "))
    lines = textwrap.fill(
        ", ".join(parts), width, max_lines=most, placeholder=" ...", break_on_hyphens=False
    )
    return lines.replace("\N{NO-BREAK SPACE}", " ")


def _draw_together(axes: Axes, groups: Sequence[Group], rules: Sequence[RuleAngle]) -> None:
    """Draw the angles of circuits and rules, means over hidden areas, over the whole training."""
    for k, group in enumerate(groups):
        at = group.first.presentations / group.first.presentations[-1]
        hidden = bootstrap(
            np.stack([run.measures[BACKPROP][:, :-1].mean(axis=1) for run in group.runs])
        )
        if np.isfinite(hidden.mean).any():
            label = _wrapped(f"circuit: {group.name}", *LABEL)
            axes.plot(at, hidden.mean, "o-", color=f"C{k}", label=label)
            axes.fill_between(at, hidden.low, hidden.high, color=f"C{k}", alpha=0.2, linewidth=0)
    for rule in rules:
        look = LOOKS[rule.rule]
        at = rule.epochs / rule.epochs[-1]
        axes.plot(at, rule.angle, look.linestyle, color=look.color, linewidth=1, label=look.label)
    reference_line(axes, ORTHOGONAL, "orthogonal")
    axes.set_xlabel("Part of the training")
    axes.set_ylabel("Update's angle to backprop,\nmean of hidden areas (degrees)")
    axes.set_ylim(bottom=-4)
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))


def _draw_group(group: Group, panels: np.ndarray) -> None:
    (backprop, feedback), (updates, weights) = panels
    for axes, measure, what in (
        (backprop, BACKPROP, "Update's angle\nto backprop"),
        (feedback, FEEDBACK_ALIGNMENT, "Update's angle to\nfeedback alignment"),
        (weights, WEIGHTS, "Forward weights' angle\nto feedback"),
    ):
        _draw_angles(axes, group, measure)
        axes.set_ylabel(f"{what} (degrees)")
        if axes.lines and axes is not feedback:
            axes.legend()
    _draw_updates(updates, group)


def _draw_angles(axes: Axes, group: Group, measure: str) -> None:
    """Draw an angle over training, for each area, with its confidence band."""
    band, at = group.band(measure), group.first.presentations
    for k, area in enumerate(group.first.areas):
        mean, low, high = (values[:, k] for values in band)
        if not np.isfinite(mean).any():
            continue
        axes.plot(at, mean, color=f"C{k}", marker="o", label=area)
        axes.fill_between(at, low, high, color=f"C{k}", alpha=0.25, linewidth=0)
    count_axis(axes, "Presentations")
    if not axes.lines:
        _say_nothing(axes)
        return
    reference_line(axes, ORTHOGONAL, "orthogonal")
    axes.set_ylim(bottom=0)


def _draw_updates(axes: Axes, group: Group) -> None:
    """Draw components of the mean update at the last snapshot, in units of each area."""
    axes.set_xlabel("Backprop's mean update (over its root mean square)")
    axes.set_ylabel("Circuit's mean update\n(over its root mean square)")
    if not group.first.last:
        _say_nothing(axes)
        return
    for k, (area, pair) in enumerate(zip(group.first.areas, group.first.last, strict=True)):
        # Evenly through the matrix, the same ones each time.
        every = -(-pair.circuit.size // MOST_POINTS)
        x, y = (side.ravel()[::every] / np.sqrt(np.mean(side**2)) for side in pair)
        axes.plot(x, y, ".", color=f"C{k}", markersize=2.5, alpha=0.4, label=area, rasterized=True)
    axes.axline(
        (0, 0), slope=1, color=GREY, linestyle="--", linewidth=0.8, zorder=0, label="in proportion"
    )
    axes.legend(markerscale=2)


def _say_nothing(axes: Axes) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    axes.text(
        0.5,
        0.5,
        "no teacher, no error:\nnothing to compare with",
        transform=axes.transAxes,
        ha="center",
        va="center",
        color=GREY,
    )


def _caption(groups: Sequence[Group], rules: Sequence[RuleAngle]) -> str:
    several = any(len(group.runs) > 1 for group in groups)
    bands = f", with {CONFIDENCE:.0%} bootstrap confidence bands over seeds" if several else ""
    told = " ".join(filter(None, map(_told, groups)))
    beside = (
        "The panel on top has reference rules beside the circuits, each on its own task. "
        if rules
        else ""
    )
    seed = f" (seed {groups[0].first.seed})" if several and len(groups) == 1 else ""
    return (
        "Angles between the weight updates of the circuit at its fixed point and those of backprop "
        "and of feedback alignment on the same weights and patterns, means over patterns"
        f"{bands}; components of the mean updates at the last snapshot{seed}; and the angle of "
        f"the forward weights to the transposed feedback weights. {beside}{told}".strip()
    )


def _told(group: Group) -> str:
    """Say from where to where the angle to backprop goes, in each area."""
    angles = group.band(BACKPROP).mean
    known = np.flatnonzero(np.isfinite(angles).all(axis=1))
    if not len(known):
        return f"{group.name} has no teacher, so there is no backprop update to compare with."
    turns = [
        f"{angles[known[0], k]:.0f} to {angles[known[-1], k]:.0f}° in {area}"
        for k, area in enumerate(group.first.areas)
    ]
    return f"{group.name}: the angle to backprop goes from {listed(turns)}."
