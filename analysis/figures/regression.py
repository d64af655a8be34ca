"""The figure of the regression task: deep against shallow learning."""

from matplotlib.axes import Axes

from microcircuit.analysis.figures.series import (
    area_name,
    draw_noisy,
    hidden_areas,
    over_presentations,
)
from microcircuit.analysis.figures.style import (
    DOUBLE,
    GREY,
    Picture,
    counted,
    letter,
    number,
    page,
)
from microcircuit.analysis.weights import feedback_angles
from microcircuit.results import Results

CIRCUITS = {
    0: ("deep: all areas learn", "C0"),
    1: ("shallow: only the output learns", "C1"),
}
"""The replicates of the protocol."""
DEEP, SHALLOW = CIRCUITS
MARKERS = "osD^"


def regression_figure(results: Results) -> Picture:
    """Draw the test error, the alignment of forward weights, and the self-prediction errors."""
    figure = page(DOUBLE, 62)
    panels = figure.subplots(1, 3)
    for axes in panels:
        axes.set_xlabel("Training patterns")
    _draw_test_error(panels[0], results)
    _draw_angles(panels[1], results)
    _draw_self_prediction(panels[2], results)
    letter(panels)
    return Picture(figure, _caption(results))


def _draw_test_error(axes: Axes, results: Results) -> None:
    record = results.probe("test", "output", "rate_error_squared")
    errors = record.data.mean(axis=(1, 3))
    axes.set_yscale("log")
    for circuit, (label, color) in CIRCUITS.items():
        axes.plot(record.index, errors[:, circuit], color=color, marker="o", label=label)
    ratio = float(results.metric("test_error.ratio").value)
    axes.annotate(
        f"{ratio:.3g}×",
        xy=(1, 0.5),
        xycoords="axes fraction",
    )
    axes.set_ylabel("Test error: mean squared rate error (dimensionless)")
    axes.legend()


def _draw_angles(axes: Axes, results: Results) -> None:
    for k in hidden_areas(results):
        presentations, angles = feedback_angles(results, k)
        for circuit, (label, color) in CIRCUITS.items():
            axes.plot(presentations, angles[:, circuit], color=color, marker=MARKERS[k - 1])
    axes.set_ylabel("Angle of forward weights to transposed feedback (degrees)")


def _draw_self_prediction(axes: Axes, results: Results) -> None:
    axes.set_yscale("log")
    for k in hidden_areas(results):
        apical = over_presentations(results.record(f"hidden_{k}", "v_apical_squared"), DEEP)
        error = over_presentations(results.record(f"interneuron_{k}", "error_squared"), DEEP)
        draw_noisy(axes, error, color="C3", label="interneurons' error of prediction")
        draw_noisy(axes, apical, color="C2", label=f"apical potential, {area_name(results, k)}")
    axes.set_ylabel("Mean square (dimensionless)")
    axes.legend()


def _caption(results: Results) -> str:
    return "todo"
