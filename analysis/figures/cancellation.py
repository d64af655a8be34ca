"""Panels that show how well interneurons predict the next area and cancel its top-down input."""

from matplotlib.axes import Axes

from microcircuit.analysis.figures.series import (
    draw_noisy,
    hidden_areas,
    keep_to_means,
    named_area,
    over_presentations,
)
from microcircuit.analysis.figures.style import GREY
from microcircuit.results import Results

LINE_STYLES = ("-", "--", ":", "-.")
"""Of the grey lines of hidden areas 1, 2, ..."""


def draw_apical(axes: Axes, results: Results, replicate: int | None = None) -> None:
    """Draw mean squared apical potentials and, where it was recorded, what there is to cancel.

    On a logarithmic axis.

    Parameters
    ----------
    axes : Axes
        Where.
    results : Results
        With ``v_apical_squared`` of every hidden area, and maybe ``v_top_down_squared``.
    replicate : int, optional
        Which; their mean without it.
    """
    axes.set_yscale("log")
    means = []
    for k in hidden_areas(results):
        where = named_area(results, k, ", {}")
        if (f"hidden_{k}", "v_top_down_squared") in results.records():
            top_down = results.record(f"hidden_{k}", "v_top_down_squared")
            mean = draw_noisy(
                axes,
                over_presentations(top_down, replicate),
                color=GREY,
                label=f"top-down input alone{where}",
                linestyle=LINE_STYLES[(k - 1) % len(LINE_STYLES)],
            )
            means.append(mean)
        apical = over_presentations(results.record(f"hidden_{k}", "v_apical_squared"), replicate)
        means.append(draw_noisy(axes, apical, color=f"C{k - 1}", label=f"apical potential{where}"))
    keep_to_means(axes, means)
    axes.set_ylabel("Mean squared potential\n(dimensionless)")


def draw_interneurons(axes: Axes, results: Results, replicate: int | None = None) -> None:
    """Draw the interneurons' mean squared errors; axis and parameters as in `draw_apical`."""
    axes.set_yscale("log")
    means = []
    for k in hidden_areas(results):
        error = over_presentations(results.record(f"interneuron_{k}", "error_squared"), replicate)
        label = f"interneurons{named_area(results, k, ', {}')}"
        means.append(draw_noisy(axes, error, color=f"C{k - 1}", label=label))
    keep_to_means(axes, means)
    axes.set_ylabel("Mean squared error of prediction\n(dimensionless)")
