"""The figure of the regression task: deep against shallow learning."""

from matplotlib.axes import Axes

from microcircuit.analysis.figures.cancellation import draw_apical, draw_interneurons
from microcircuit.analysis.figures.series import hidden_areas, named_area
from microcircuit.analysis.figures.style import (
    DOUBLE,
    GREY,
    Picture,
    count_axis,
    counted,
    letter,
    listed,
    number,
    page,
    reference_line,
)
from microcircuit.analysis.weights import feedback_angles
from microcircuit.results import Results

DEEP, SHALLOW = 0, 1
"""The protocol's replicates."""
CIRCUITS = {DEEP: ("deep: all areas learn", "C0"), SHALLOW: ("shallow: hidden area fixed", "C1")}
MARKERS = "osD^v"
"""Of hidden areas 1, 2, ..."""
ORTHOGONAL = 90.0


def regression_figure(results: Results) -> Picture:
    """Draw the test error, the angle of weights to feedback, and the self-prediction errors."""
    figure = page(DOUBLE, 112)
    (test, angles), (apical, interneurons) = panels = figure.subplots(2, 2)
    _draw_test_error(test, results)
    _draw_angles(angles, results)
    for axes, draw in ((apical, draw_apical), (interneurons, draw_interneurons)):
        axes.set_yscale("log")
        draw(axes, results, replicate=DEEP)
        axes.legend()
    for axes in panels.flat:
        count_axis(axes, "Training patterns")
    letter(panels.flat)
    return Picture(figure, _caption(results))


def _draw_test_error(axes: Axes, results: Results) -> None:
    record = results.probe("test", "output", "rate_error_squared")
    errors = record.data.mean(axis=(1, 3))
    for circuit, (label, color) in CIRCUITS.items():
        axes.plot(record.index, errors[:, circuit], color=color, marker="o", label=label)
    ratio = float(results.metric("test_error.ratio").value)
    middle = errors[-1].mean()
    axes.plot(record.index[[-1, -1]], errors[-1], color=GREY, linewidth=0.8, zorder=0)
    axes.annotate(
        f"factor {ratio:.3g}",
        (record.index[-1], middle),
        (-4, 0),
        textcoords="offset points",
        ha="right",
        va="center",
    )
    axes.set_ylim(bottom=0)
    axes.set_ylabel("Mean squared test error of\noutput rates (dimensionless)")
    axes.legend(loc="lower left")


def _draw_angles(axes: Axes, results: Results) -> None:
    for k in hidden_areas(results):
        presentations, angles = feedback_angles(results, k)
        for circuit, (_, color) in CIRCUITS.items():
            name = named_area(results, k) if circuit == DEEP else ""
            marker = MARKERS[(k - 1) % len(MARKERS)]
            axes.plot(presentations, angles[:, circuit], color=color, marker=marker, label=name)
    reference_line(axes, ORTHOGONAL, "orthogonal")
    axes.legend()
    axes.set_ylabel("Angle of forward weights to\ntransposed feedback (degrees)")


def _caption(results: Results) -> str:
    learnt = results.config["protocol"]["presentations"]
    deep, shallow, ratio = (
        float(results.metric(f"test_error.{name}").value) for name in ("deep", "shallow", "ratio")
    )
    turns = [feedback_angles(results, k)[1][[0, -1], DEEP] for k in hidden_areas(results)]
    return (
        f"After {counted(learnt, 'pattern')} the test error is {number(deep)} where all areas "
        f"learn and {number(shallow)} where the hidden area's bottom-up weights are fixed, "
        f"{ratio:.3g} times as much. Learning turns the forward weights of the deep circuit "
        f"relative to the transposed feedback weights, from "
        f"{listed([f'{a:.0f}° to {b:.0f}°' for a, b in turns])}. Below: self-prediction in the "
        "deep circuit while the teacher is there."
    )
