"""The figure of self-prediction: interneurons learn to cancel the top-down input."""

from matplotlib.axes import Axes

from microcircuit.analysis.figures.cancellation import draw_apical, draw_interneurons
from microcircuit.analysis.figures.series import hidden_areas, named_area
from microcircuit.analysis.figures.style import (
    DOUBLE,
    Picture,
    changed,
    counted,
    letter,
    listed,
    number,
    page,
)
from microcircuit.results import Results


def self_prediction_figure(results: Results) -> Picture:
    """Draw the apical potential, beside what there is to cancel, and the interneurons' error."""
    figure = page(DOUBLE, 66)
    apical, interneurons = figure.subplots(1, 2)
    for axes in (apical, interneurons):
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlabel("Presentations")
    draw_apical(apical, results)
    draw_interneurons(interneurons, results)
    _annotate(apical, _changes(results, "hidden", "v_apical_squared"))
    _annotate(interneurons, _changes(results, "interneuron", "error_squared"))
    letter([apical, interneurons])
    return Picture(figure, _caption(results))


def _changes(results: Results, population: str, record: str) -> list[str]:
    """Return how the record of each hidden area changed, such as ``falls 13-fold``."""
    names = [f"{population}_{k}.{record}.fall" for k in hidden_areas(results)]
    return [changed(float(results.metric(name).value)) for name in names]


def _annotate(axes: Axes, changes: list[str]) -> None:
    """Add the changes to the legend's lines, and draw it."""
    handles, labels = axes.get_legend_handles_labels()
    told = iter(changes)
    labels = [label if "alone" in label else f"{label}: {next(told)}" for label in labels]
    axes.legend(handles, labels, loc="lower left")


def _caption(results: Results) -> str:
    shown = results.record("hidden_1", "v_apical_squared").shape[0]
    apical = _changes(results, "hidden", "v_apical_squared")
    told = []
    for k, change in zip(hidden_areas(results), apical, strict=True):
        first, last = (
            number(float(results.metric(f"hidden_{k}.v_apical_squared.{when}").value))
            for when in ("first", "last")
        )
        told.append(f"{change}{named_area(results, k, ' in {}')}, from {first} to {last}")
    return (
        f"Over {counted(shown, 'presentation')} the mean squared apical potential {listed(told)} "
        "(means over the first hundredth and the last twentieth of the run), as interneurons come "
        "to cancel the top-down input, whose mean square alone is drawn in grey. The squared error "
        "with which interneurons predict the next area "
        f"{listed(_changes(results, 'interneuron', 'error_squared'))}."
    )
