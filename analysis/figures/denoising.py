"""The figure of denoising: images with the gate closed and open, their errors and classes."""

import numpy as np
from matplotlib.axes import Axes

from microcircuit.analysis.figures.digits import draw_answers, draw_images, seen
from microcircuit.analysis.figures.rules import SETS
from microcircuit.analysis.figures.style import (
    DOUBLE,
    Picture,
    counted,
    letter,
    number,
    page,
    reference_line,
)
from microcircuit.results import Results

EXAMPLES = 10
SPACE = 0.35
"""Beside each image, for its class."""
CONTROLS: dict[str, tuple[str, tuple[float, tuple[float, float]]]] = {
    "mean_image": ("mean image", (0, (4, 2))),
    "other_digit": ("expected for another digit", (0, (1, 1.5))),
}
"""What they are called, and how their lines are dashed."""
HEADROOM = 1.6
"""For a legend."""
WIDTH = 0.38
"""Of a bar."""


def denoising_figure(results: Results) -> Picture:
    """Draw examples, the squared error over the gate, and how many images are recognised."""
    figure = page(DOUBLE, 84)
    grid = figure.add_gridspec(2, 2, height_ratios=(1.05, 1))
    examples = figure.add_subplot(grid[0, :])
    error, classes = (figure.add_subplot(grid[1, half]) for half in (0, 1))
    _draw_examples(examples, results)
    _draw_error(error, results)
    _draw_classes(classes, results)
    letter([examples, error, classes])
    return Picture(figure, _caption(results))


def _value(results: Results, metric: str) -> float:
    return float(results.metric(metric).value)


def _draw_examples(axes: Axes, results: Results) -> None:
    """Draw the first images: without noise, and with it, before and after the gate opens."""
    gates = len(results.config["protocol"]["gates"])
    clean = seen(results, "clean", "input", "rate_forward", 2)[0, 0, :EXAMPLES]
    noisy = seen(results, "noisy", "input", "rate_forward", gates)[[0, -1], -1, :EXAMPLES]
    names = ("test image", "noisy, gate closed", "noisy, gate open")
    draw_images(axes, np.stack([clean, *noisy]), names, SPACE)
    answers = [
        seen(results, "clean", "output", "v_basal", 2)[0, 0],
        *seen(results, "noisy", "output", "v_basal", gates)[[0, -1], -1],
    ]
    for row, values in enumerate(answers):
        draw_answers(axes, values[:EXAMPLES].argmax(axis=-1), row, SPACE)


def _draw_error(axes: Axes, results: Results) -> None:
    gates = np.asarray(results.metric("gate").value)
    errors = np.asarray(results.metric("squared_error").value)
    axes.plot(gates, errors, color="C0", marker="o")
    for name, (label, dashes) in CONTROLS.items():
        reference_line(axes, _value(results, f"squared_error.{name}"), label)
        axes.lines[-1].set_linestyle(dashes)
    axes.legend(loc="upper right", title="one sweep, at the apical dendrites:")
    axes.set_ylim(0, HEADROOM * axes.get_ylim()[1])
    axes.set_xticks(gates)
    axes.set_xlabel("Gate (0: closed, 1: open)")
    axes.set_ylabel("Squared error per pixel\n(dimensionless)")


def _draw_classes(axes: Axes, results: Results) -> None:
    names = ("clean", "closed", "open")
    for shift, (metric, label, color) in enumerate(
        (("accuracy", "the network", "C1"), ("judged", "logistic regression", "C2"))
    ):
        heights = [_value(results, f"{metric}.{name}") for name in names]
        places = np.arange(len(names)) + (shift - 0.5) * WIDTH
        bars = axes.bar(places, heights, WIDTH, color=color, label=label)
        axes.bar_label(bars, fmt="%.1f", fontsize=6)
    axes.set_xticks(range(len(names)), ("without noise", "gate closed", "gate open"))
    axes.tick_params(axis="x", length=0)
    axes.set_ylim(0, 130)
    axes.set_yticks(range(0, 101, 25))
    axes.legend(loc="upper left", ncols=2)
    axes.set_ylabel("Classified rightly (%)")


def _caption(results: Results) -> str:
    protocol, data = results.config["protocol"], results.config["data"]["name"]
    fall, sweeps = _value(results, "reduction"), counted(protocol["sweeps"], "sweep")
    controls = [number(_value(results, f"squared_error.{name}")) for name in CONTROLS]
    closed, opened = (f"{_value(results, f'accuracy.{gate}'):.1f} %" for gate in ("closed", "open"))
    return (
        f"Test images ({SETS[data]}) with Gaussian noise of {protocol['noise']:g}, and what "
        f"{sweeps} make of them with interneurons on (gate closed) and off (gate open); beside "
        "each image the class that the network gives it (a). An open gate lowers the squared "
        f"distance from the image without noise by {fall:.0f} %, from "
        f"{number(_value(results, 'squared_error.closed'))} to "
        f"{number(_value(results, 'squared_error.open'))} per pixel (b); that of the noisy images "
        f"is {number(_value(results, 'squared_error.noisy'))}. The mean training image "
        f"in the place of what the network expects lowers it to {controls[0]}, what it expects "
        f"for another digit to {controls[1]}. The network classifies {closed} of the noisy images "
        f"rightly with the gate closed, {opened} with it open (c)."
    )
