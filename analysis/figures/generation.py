"""The figure of generation: an image for each class, and whether it can be recognised."""

import numpy as np
from matplotlib.axes import Axes

from microcircuit.analysis.figures.digits import draw_answers, draw_images, seen
from microcircuit.analysis.figures.rules import SETS
from microcircuit.analysis.figures.style import DOUBLE, Picture, letter, page
from microcircuit.results import Results

SPACE = 0.35
"""Beside each image, for its class."""
CLOSED, OPEN = 0, 1
CLASSES = 10
HEADROOM = 1.35
"""For a legend."""
WIDTH = 0.4
"""Of a bar."""
KINDS = ("", "gate open", "C0"), (".closed", "gate closed", "C1")


def generation_figure(results: Results) -> Picture:
    """Draw the images, how many are recognised, and how like the mean of their class they are."""
    figure = page(DOUBLE, 102)
    grid = figure.add_gridspec(2, 2, height_ratios=(1.75, 1))
    images = figure.add_subplot(grid[0, :])
    right, likeness = (figure.add_subplot(grid[1, half]) for half in (0, 1))
    _draw_images(images, results)
    _draw_recognised(right, results)
    _draw_likeness(likeness, results)
    letter([images, right, likeness])
    return Picture(figure, _caption(results))


def _values(results: Results, metric: str) -> np.ndarray:
    return np.asarray(results.metric(metric).value)


def _sweeps(results: Results) -> int:
    return results.config["protocol"]["sweeps"]


def _draw_images(axes: Axes, results: Results) -> None:
    """Draw a column for each class: its images of the first and of later sweeps."""
    shown = seen(results, "generated", "input", "rate_forward", 2)[:, :, :CLASSES]
    last = _sweeps(results)
    rows = [(OPEN, 1), (OPEN, last), *[(CLOSED, sweep) for sweep in sorted({1, min(2, last)})]]
    names = [f"gate {'open' if gate else 'closed'}, sweep {sweep}" for gate, sweep in rows]
    draw_images(axes, np.stack([shown[gate, sweep] for gate, sweep in rows]), names, SPACE)
    draw_answers(axes, _values(results, "class.judged"), 1, SPACE)
    axes.set_xticks((1 + SPACE) * np.arange(CLASSES), map(str, range(CLASSES)))
    axes.xaxis.tick_top()
    axes.xaxis.set_label_position("top")
    axes.set_xlabel("Class that is clamped")


def _draw_recognised(axes: Axes, results: Results) -> None:
    sweeps = np.arange(1, _sweeps(results) + 1)
    for key, label, color in KINDS:
        found = _values(results, f"recognised.sweeps{key}")
        axes.plot(sweeps, found, color=color, marker="o", label=label)
    axes.legend(loc="upper left", ncols=2)
    axes.set_ylim(0, HEADROOM * CLASSES)
    axes.set_yticks(range(0, CLASSES + 1, 5))
    axes.set_xticks(sweeps)
    axes.set_xlabel("Sweep")
    axes.set_ylabel("Images that logistic\nregression recognises")


def _draw_likeness(axes: Axes, results: Results) -> None:
    for shift, (key, label, color) in zip((-0.5, 0.5), KINDS, strict=True):
        places = np.arange(CLASSES) + shift * WIDTH
        axes.bar(places, _values(results, f"correlation{key}"), WIDTH, color=color, label=label)
    axes.axhline(0, color="black", linewidth=0.6)
    axes.legend(loc="upper left", ncols=2)
    axes.set_xticks(range(CLASSES))
    axes.tick_params(axis="x", length=0)
    axes.set_ylim(min(0, axes.get_ylim()[0]), HEADROOM)
    axes.set_yticks((0, 0.5, 1))
    axes.set_xlabel("Class")
    axes.set_ylabel("Correlation with the\nmean image of the class")


def _caption(results: Results) -> str:
    data, last = results.config["data"]["name"], _sweeps(results)
    found, own = (int(_values(results, f"recognised{key}")) for key in ("", ".own"))
    likeness, closed = (_values(results, f"correlation{key}") for key, *_ in KINDS)
    return (
        f"Images that a network which has learnt to read ({SETS[data]}) makes of each class when "
        "its output is clamped and it sees nothing (a): with interneurons off (gate open) after "
        "the first and the last sweep, and with interneurons on (gate closed), a control, after "
        f"the first two; beside those of sweep {last} what logistic regression sees in them. It "
        f"recognises {found} of {CLASSES} (b), and the network {own}. {_told(results)}The images "
        f"of sweep {last} are like the mean image of their class (c): correlations are "
        f"{likeness.min():.2f} to {likeness.max():.2f}, with the gate closed {closed.min():.2f} to "
        f"{closed.max():.2f}."
    )


def _told(results: Results) -> str:
    """Explain why images behind a closed gate are recognised in every other sweep, if they are."""
    closed = _values(results, "recognised.sweeps.closed")
    half = CLASSES / 2
    if len(closed) < 2 or not closed[::2].min() > half > closed[1::2].max():
        return ""
    return (
        "With the gate closed it recognises those of every other sweep: from an image of the class "
        "interneurons expect the class, and cancel it in the next sweep; from what is left they do "
        "not, and the class comes back. "
    )
