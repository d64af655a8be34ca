"""The figure of the protocol ``mnist``: errors, angles to backprop, and what limits learning."""

import numpy as np
from matplotlib.axes import Axes

from microcircuit.analysis.figures.rules import SETS
from microcircuit.analysis.figures.style import (
    DOUBLE,
    GREY,
    Picture,
    count_axis,
    counted,
    explain,
    letter,
    listed,
    number,
    page,
    plain_ticks,
    reference_line,
)
from microcircuit.results import Results

ORTHOGONAL = 90
BASELINES = {"baseline_backprop": ("backprop", "--"), "baseline_shallow": ("no hidden units", ":")}
"""Networks to compare with, where the run has trained them."""
PROBES = {"taught": ("with teacher", "-"), "test": ("without", "--")}


def mnist_figure(results: Results) -> Picture:
    """Draw errors, angles to backprop, apical potentials and the interneurons' errors."""
    figure = page(DOUBLE, 58)
    draws = [_draw_errors, *[_draw_angles] * _compared(results), _draw_apical, _draw_interneurons]
    panels = list(np.atleast_1d(figure.subplots(1, len(draws))))
    for draw, axes in zip(draws, panels, strict=True):
        draw(axes, results)
        count_axis(axes, "Epochs")
    letter(panels)
    return Picture(figure, _caption(results))


def _values(results: Results, metric: str) -> np.ndarray:
    return np.asarray(results.metric(metric).value)


def _hidden(results: Results) -> range:
    return range(1, len(results.config["model"]["hidden"]) + 1)


def _compared(results: Results) -> bool:
    """Tell whether errors were compared with backprop's: in the two-step form they are."""
    return "angle_1" in results.metrics()


def _draw_errors(axes: Axes, results: Results) -> None:
    epochs = _values(results, "epoch")
    axes.set_yscale("log")
    for metric, label, color in (
        ("validation_error", "validation", "C1"),
        ("test_error", "test", "C0"),
    ):
        axes.plot(epochs, _values(results, metric), color=color, label=label)
    for metric, (label, style) in _baselines(results).items():
        errors = _values(results, metric)
        counts = np.arange(1, len(errors) + 1)
        axes.plot(counts, errors, color=GREY, linestyle=style, label=label)
    axes.legend(loc="upper right")
    plain_ticks(axes)
    axes.set_ylabel("Images classified wrongly (%)")


def _baselines(results: Results) -> dict[str, tuple[str, str]]:
    there = results.metrics()
    return {name: look for name, look in BASELINES.items() if name in there}


def _draw_angles(axes: Axes, results: Results) -> None:
    epochs = _values(results, "epoch.angle")
    for k in _hidden(results):
        label, angles = f"hidden area {k}", _values(results, f"angle_{k}")
        axes.plot(epochs, angles, color=f"C{k + 1}", marker="o", label=label)
    reference_line(axes, ORTHOGONAL, "orthogonal")
    axes.legend(loc="center right", bbox_to_anchor=(1, 0.6))
    axes.set_ylim(0, 100)
    axes.set_ylabel("Angle of errors to\nbackprop's (degrees)")


def _draw_apical(axes: Axes, results: Results) -> None:
    _draw_squares(axes, results, "apical_{}")
    explain(axes)
    axes.set_ylabel("Mean squared apical potential\n(dimensionless)")


def _draw_interneurons(axes: Axes, results: Results) -> None:
    _draw_squares(axes, results, "interneuron_error_{}")
    axes.set_ylabel("Mean squared error of interneurons\n(dimensionless)")


def _draw_squares(axes: Axes, results: Results, metric: str) -> None:
    """Draw a mean square of each hidden area, with and without a teacher."""
    epochs = _values(results, "epoch")
    axes.set_yscale("log")
    for k in _hidden(results):
        for probe, (label, style) in PROBES.items():
            squares = _values(results, f"{metric.format(k)}.{probe}")
            seen = np.where(squares > 0, squares, np.nan)
            name = f"area {k}, {label}"
            axes.plot(epochs, seen, color=f"C{k + 1}", linestyle=style, label=name)


def _caption(results: Results) -> str:
    model, epochs = results.config["model"], _values(results, "epoch")[-1]
    sizes = listed([str(size) for size in model["hidden"]])
    form = "The full dynamics" if model["dynamics"] == "full" else "The two-step form"
    said = (
        f"{form} with hidden areas of {sizes} neurons on {SETS[results.config['data']['name']]}: "
        f"after {counted(round(epochs), 'epoch')} {number(_last(results, 'test_error'))} % of the "
        f"test images are classified wrongly, {number(_last(results, 'test_error.chosen'))} % in "
        "the test that validation chooses"
    )
    others = [
        f"{number(_last(results, name))} % with {label}"
        for name, (label, _) in _baselines(results).items()
    ]
    said += f" ({listed(others)}) (a). " if others else " (a). "
    if _compared(results):
        turns = [f"{_last(results, f'angle_{k}'):.0f}°" for k in _hidden(results)]
        said += f"The errors of hidden areas end at {listed(turns)} to backprop's (b). "
    ratios = [
        _last(results, f"apical_{k}.taught") / _last(results, f"apical_{k}.test")
        for k in _hidden(results)
        if _last(results, f"apical_{k}.test") > 0
    ]
    if ratios:
        many = listed([f"{number(ratio)}" for ratio in ratios])
        said += f"The teacher makes the squared apical potential {many} times as large. "
    return said + "What is zero at the start is not drawn on logarithmic axes."


def _last(results: Results, metric: str) -> float:
    return float(np.atleast_1d(results.metric(metric).value)[-1])
