"""The figure of learning with segregated dendrites: errors, feedback, and what neurons look for."""

from math import isqrt
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes

from microcircuit.analysis.figures.rules import SETS
from microcircuit.analysis.figures.series import Series, draw_noisy
from microcircuit.analysis.figures.style import (
    DOUBLE,
    GREY,
    Picture,
    count_axis,
    counted,
    explain,
    letter,
    listed,
    page,
    plain_ticks,
    reference_line,
)
from microcircuit.results import Results

PHASES = 2
"""Presentations of an image; the last one is the target phase."""
MS, HZ = 1e3, 1e3
"""A second in ms, and a spike per ms in Hz."""
ORTHOGONAL = 90.0
CONVERGES = 1.0
"""Errors shrink where the eigenvalue is below."""
FEW = 10.0
"""Test error in %; below, a logarithmic axis shows more."""
FIELDS = 8
"""Hidden neurons whose weights are shown."""
CLASSES = 10
DOTS = 3000
"""Synapses shown at most where forward weights are drawn against feedback."""
SATURATED = 99.5
"""Percentile of weights from which on colours are the strongest."""


def segregated_mnist_figure(results: Results) -> Picture:
    """Draw test errors, the loss, how well feedback teaches, and weights from the images."""
    figure = page(DOUBLE, 98)
    grid, hidden = figure.add_gridspec(2, 1), bool(_hidden_layers(results))
    draws = [_draw_test_error, _draw_loss, *[_draw_angles, _draw_eigenvalue] * hidden]
    upper = grid[0].subgridspec(1, len(draws))
    panels = [figure.add_subplot(upper[n]) for n in range(len(draws))]
    widths = (2.5, 1)[: 1 + hidden]
    lower = grid[1].subgridspec(1, len(widths), width_ratios=widths)
    panels += [figure.add_subplot(lower[n]) for n in range(len(widths))]
    draws += [_draw_fields, *[_draw_feedback] * hidden]
    for draw, axes in zip(draws, panels, strict=True):
        draw(axes, results)
    letter(panels)
    return Picture(figure, _caption(results))


def _hidden_layers(results: Results) -> range:
    return range(1, len(results.config["model"]["hidden"]) + 1)


def _tested(results: Results) -> np.ndarray:
    """Return how many images had been learnt from at each test."""
    return results.probe("test", "output", "v_soma").index // PHASES


def _values(results: Results, metric: str) -> np.ndarray:
    return np.asarray(results.metric(metric).value)


def _draw_test_error(axes: Axes, results: Results) -> None:
    errors = _values(results, "test_error")
    last = f"last: {errors[-1]:.1f} %"
    axes.plot(_tested(results), errors, color="C0", marker="o", label=last)
    reference_line(axes, 100 * (1 - 1 / CLASSES), "guessing")
    axes.legend(loc="upper right", bbox_to_anchor=(1, 0.88))
    axes.set_ylim(0, 100)
    if 0 < errors.min() < FEW:
        axes.set_yscale("log")
        axes.set_ylim(0.8 * errors.min(), 100)
        plain_ticks(axes)
    axes.set_ylabel("Test error (%)")
    count_axis(axes, "Training images")


def _loss(results: Results) -> Series:
    """Return the root mean square error of the output's rates over images, in Hz."""
    record = results.record("output", "loss")
    in_target_phases = record.index % PHASES == PHASES - 1
    data = record.data[in_target_phases]
    loss = data.mean(axis=tuple(range(1, data.ndim)))
    return Series(record.index[in_target_phases] // PHASES + 1, HZ * np.sqrt(loss))


def _draw_loss(axes: Axes, results: Results) -> None:
    draw_noisy(axes, _loss(results), color="C1")
    axes.set_ylim(bottom=0)
    axes.set_ylabel("Root of the loss: RMS error\nof output rates (Hz)")
    count_axis(axes, "Training images")


def _draw_angles(axes: Axes, results: Results) -> None:
    for k in _hidden_layers(results):
        angles = _values(results, f"angle_{k}")
        axes.plot(
            _tested(results), angles, color=f"C{k + 1}", marker="o", label=f"hidden layer {k}"
        )
    reference_line(axes, ORTHOGONAL, "orthogonal")
    axes.legend(loc="lower left")
    axes.set_ylim(0, max(100, axes.get_ylim()[1]))
    axes.set_ylabel("Angle of errors to\nbackprop's (degrees)")
    count_axis(axes, "Training images")


def _draw_eigenvalue(axes: Axes, results: Results) -> None:
    for metric, label, style in (
        ("eigenvalue_shuffled", "feedback shuffled", "--"),
        ("eigenvalue", "as it is", "-"),
    ):
        values = _values(results, metric)
        axes.plot(_tested(results), values, color="C4", marker="o", linestyle=style, label=label)
    reference_line(axes, CONVERGES, "teaches if below")
    axes.set_ylim(0, max(CONVERGES, axes.get_ylim()[1]))
    explain(axes)
    axes.set_ylabel("Largest eigenvalue\n(dimensionless)")
    count_axis(axes, "Training images")


class Fields(NamedTuple):
    """Weights from the images onto some neurons, before and after learning, in ms."""

    neurons: np.ndarray
    weights: np.ndarray
    """[2, neuron, row, column]."""


def _fields(results: Results) -> Fields:
    """Return the fields of the hidden neurons that changed most; of one output neuron a class."""
    weights = MS * results.weights("bottom_up_1")[[0, -1], 0]
    if _hidden_layers(results):
        moved = np.linalg.norm(weights[1] - weights[0], axis=1)
        neurons = np.sort(np.argsort(moved, kind="stable")[::-1][:FIELDS])
    else:
        neurons = np.arange(0, weights.shape[1], results.config["model"]["neurons_per_class"])
    side = isqrt(weights.shape[2])
    return Fields(neurons, weights[:, neurons].reshape(2, len(neurons), side, side))


def _draw_fields(axes: Axes, results: Results) -> None:
    """Draw a column for each neuron: an image of its weights before, and one after learning."""
    neurons, weights = _fields(results)
    strongest = np.percentile(np.abs(weights), SATURATED)
    for row, column in np.ndindex(weights.shape[:2]):
        field = axes.imshow(
            weights[row, column],
            cmap="PuOr_r",
            vmin=-strongest,
            vmax=strongest,
            extent=(column - 0.46, column + 0.46, row + 0.46, row - 0.46),
        )
    axes.set_xlim(-0.5, len(neurons) - 0.5)
    axes.set_ylim(1.5, -0.5)
    hidden = bool(_hidden_layers(results))
    names = neurons + 1 if hidden else np.arange(len(neurons))
    axes.set_xticks(range(len(neurons)), names)
    axes.set_yticks((0, 1), ("before", "after"), rotation=90, va="center")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("Neuron of hidden layer 1" if hidden else "Output neuron, by its digit")
    axes.set_ylabel("Learning")
    axes.set_anchor("N")
    bar = axes.inset_axes((1.01, 0.02, 0.015, 0.96))
    axes.figure.colorbar(field, cax=bar, label="Weight from the pixel (ms)")


def _feedback(results: Results) -> tuple[np.ndarray, np.ndarray]:
    """Return forward weights [2, synapse], before and after, and feedback [2, synapse], in ms.

    Between the last hidden layer and the output.
    """
    last = len(_hidden_layers(results))
    forward, backward = (
        MS * results.weights(name)[[0, -1], 0]
        for name in (f"bottom_up_{last + 1}", f"top_down_{last}")
    )
    return forward.reshape(2, -1), backward.transpose(0, 2, 1).reshape(2, -1)


def _correlations(results: Results) -> list[float]:
    """Return those of forward weights and feedback, before and after learning; 0 of constants."""
    found = []
    for one, other in zip(*_feedback(results), strict=True):
        one, other = one - one.mean(), other - other.mean()
        norms = np.linalg.norm(one) * np.linalg.norm(other)
        found.append(float(one @ other / norms) if norms > 0 else 0.0)
    return found


def _draw_feedback(axes: Axes, results: Results) -> None:
    """Draw forward weights against feedback, with those of the start behind."""
    forward, backward = _feedback(results)
    every = -(-forward.shape[1] // DOTS)
    for when, color, label in ((0, GREY, "before learning"), (1, "C2", "after learning")):
        axes.plot(
            backward[when, ::every],
            forward[when, ::every],
            "o",
            color=color,
            markersize=1.2,
            alpha=0.5,
            rasterized=True,
            label=label,
        )
    explain(axes, markerscale=3)
    axes.set_xlabel("Weight back (ms)")
    axes.set_ylabel("Weight to the output (ms)")


FEEDBACK = {
    "random": "random",
    "sparse": "sparse random",
    "symmetric": "symmetric",
    "noisy-symmetric": "symmetric but for noise",
}
SIGNALS = {"spikes": "spiking", "rates": "rate-coding"}


def _caption(results: Results) -> str:
    protocol, data = results.config["protocol"], results.config["data"]["name"]
    errors, loss = _values(results, "test_error"), _loss(results).y
    stretch = max(1, len(loss) // 20)
    tests = len(results.probe("test", "output", "v_soma")[0])
    return (
        f"{_network(results)} on {SETS[data]}. After {counted(protocol['images'], 'image')} "
        f"{errors[-1]:.1f} % of {counted(tests, 'test image')} are classified wrongly, "
        f"{errors[0]:.1f} % before learning (a). The RMS error of the output's rates is "
        f"{loss[:stretch].mean():.3g} Hz in the first and {loss[-stretch:].mean():.3g} Hz in the "
        f"last twentieth of the run (b; light: single images). {_caption_of_hidden(results)}"
    )


def _network(results: Results) -> str:
    model = results.config["model"]
    sizes = "-".join(map(str, model["hidden"]))
    feedback = FEEDBACK[model["feedback"]]
    kind = SIGNALS[model["signal"]]
    if not model["hidden"]:
        return f"A {kind} network without hidden layers"
    layers = "a hidden layer" if len(model["hidden"]) == 1 else "hidden layers"
    return f"A {kind} network with {layers} of {sizes} neurons and {feedback} feedback"


def _caption_of_hidden(results: Results) -> str:
    layers = _hidden_layers(results)
    if not layers:
        return "Below: weights from the pixels to the output, before and after learning (c)."
    turns = [
        f"{angles[0]:.0f}° to {angles[-1]:.0f}°"
        for angles in (_values(results, f"angle_{k}") for k in layers)
    ]
    where = "the hidden layer" if len(turns) == 1 else "hidden layers 1, 2, ..."
    eigenvalues, (before, after) = _values(results, "eigenvalue"), _correlations(results)
    shuffled = _values(results, "eigenvalue_shuffled")
    return (
        f"The angle of errors in {where} to backprop's goes from {listed(turns)} (c); the largest "
        "eigenvalue of (I - U)ᵀ(I - U), below 1 where feedback teaches, from "
        f"{eigenvalues[0]:.2g} to {eigenvalues[-1]:.2g}, {shuffled[-1]:.2g} if feedback is "
        "shuffled among hidden neurons (d). Weights from the pixels onto the "
        "hidden neurons whose weights changed most (e). The correlation of weights to the output "
        f"with those back goes from {before:.2f} to {after:.2f} (f)."
    )
