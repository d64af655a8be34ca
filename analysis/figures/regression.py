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
    explain,
    letter,
    listed,
    number,
    page,
    plain_ticks_if_few,
    reference_line,
)
from microcircuit.analysis.weights import feedback_angles
from microcircuit.results import Results

DEEP, SHALLOW = 0, 1
"""The protocol's replicates."""
LABELS = "deep: all areas learn", "shallow: hidden area fixed"
NOT_LEARNT = "deep: all areas plastic, task not learnt"
"""Label of the deep circuit where that is so."""
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
        draw(axes, results, replicate=DEEP)
        explain(axes)
        plain_ticks_if_few(axes)
    for axes in panels.flat:
        count_axis(axes, "Training patterns")
    letter(panels.flat)
    return Picture(figure, _caption(results))


def _test_error(results: Results, of: str) -> float:
    return float(results.metric(f"test_error.{of}").value)


def _learnt(results: Results) -> bool:
    """Say whether the deep circuit ends with less error than it began, and than a constant has."""
    before, constant = (_test_error(results, of) for of in ("start", "constant"))
    return _test_error(results, "deep") < min(before, constant)


def _draw_test_error(axes: Axes, results: Results) -> None:
    record = results.probe("test", "output", "rate_error_squared")
    errors = record.data.mean(axis=(1, 3))
    labels = LABELS if _learnt(results) else (NOT_LEARNT, LABELS[SHALLOW])
    for circuit, label in enumerate(labels):
        axes.plot(record.index, errors[:, circuit], color=f"C{circuit}", marker="o", label=label)
    reference_line(axes, _test_error(results, "constant"), "the best constant")
    ratio = f"shallow over deep: {_test_error(results, 'ratio'):.3g}"
    axes.plot(record.index[[-1, -1]], errors[-1], color=GREY, linewidth=0.8, zorder=0, label=ratio)
    axes.set_ylim(bottom=0)
    axes.set_ylabel("Mean squared test error of\noutput rates (dimensionless)")
    explain(axes)


def _draw_angles(axes: Axes, results: Results) -> None:
    for k in hidden_areas(results):
        presentations, angles = feedback_angles(results, k)
        for circuit in (DEEP, SHALLOW):
            name = named_area(results, k) if circuit == DEEP else ""
            marker = MARKERS[(k - 1) % len(MARKERS)]
            color = f"C{circuit}"
            axes.plot(presentations, angles[:, circuit], color=color, marker=marker, label=name)
    reference_line(axes, ORTHOGONAL, "orthogonal")
    axes.legend()
    axes.set_ylabel("Angle of forward weights to\ntransposed feedback (degrees)")


def _caption(results: Results) -> str:
    learnt = results.config["protocol"]["presentations"]
    deep, shallow, ratio = (_test_error(results, of) for of in ("deep", "shallow", "ratio"))
    turns = [feedback_angles(results, k)[1][[0, -1], DEEP] for k in hidden_areas(results)]
    return (
        f"After {counted(learnt, 'pattern')} the test error is {number(deep)} where all areas "
        f"learn and {number(shallow)} where the hidden area's bottom-up weights are fixed, "
        f"{ratio:.3g} times as much. {_failure(results)}Learning turns the forward "
        "weights of the deep circuit relative to the transposed feedback weights, from "
        f"{listed([f'{a:.0f}° to {b:.0f}°' for a, b in turns])}. Below: self-prediction in the "
        "deep circuit while the teacher is there (light: single presentations)."
    )


def _failure(results: Results) -> str:
    """Say that the deep circuit has not learnt, where that is so."""
    if _learnt(results):
        return ""
    record = results.probe("test", "output", "rate_error_squared")
    errors = record.data.mean(axis=(1, 3))[:, DEEP]
    before, constant = (number(_test_error(results, of)) for of in ("start", "constant"))
    lowest, when = number(errors.min()), counted(int(record.index[errors.argmin()]), "pattern")
    return (
        f"So the deep circuit ends without having learnt the task: its error was {before} before "
        f"learning, {lowest} at its lowest, after {when}, and the best constant output has "
        f"{constant}. "
    )
