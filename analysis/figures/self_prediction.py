"""The figure of self-prediction: interneurons learn to cancel the top-down input."""

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
    fold,
    letter,
    listed,
    number,
    page,
)
from microcircuit.results import Results

LINE_STYLES = ("-", "--", ":", "-.")


def self_prediction_figure(results: Results) -> Picture:
    """Draw the apical potential, beside what there is to cancel, and the interneurons' error."""
    figure = page(DOUBLE, 68)
    apical, interneurons = figure.subplots(1, 2)
    for axes in (apical, interneurons):
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlabel("Presentations")
    _draw_apical(apical, results)
    _draw_interneurons(interneurons, results)
    letter([apical, interneurons])
    return Picture(figure, _caption(results))


def _fall(results: Results, record: str) -> str:
    return fold(float(results.metric(f"{record}.fall").value))


def _draw_apical(axes: Axes, results: Results) -> None:
    for k in hidden_areas(results):
        where = area_name(results, k)
        top_down = over_presentations(results.record(f"hidden_{k}", "v_top_down_squared"))
        left = over_presentations(results.record(f"hidden_{k}", "v_apical_squared"))
        fall = _fall(results, f"hidden_{k}.v_apical_squared")
        draw_noisy(axes, top_down, color=GREY, label=f"top-down input alone, {where}")
        draw_noisy(axes, left, color=f"C{k - 1}", label=f"apical potential, {where}: falls {fall}")
    axes.set_ylabel("Mean squared potential (dimensionless)")
    axes.legend(loc="lower left")


def _draw_interneurons(axes: Axes, results: Results) -> None:
    for k in hidden_areas(results):
        error = over_presentations(results.record(f"interneuron_{k}", "error_squared"))
        fall = _fall(results, f"interneuron_{k}.error_squared")
        draw_noisy(
            axes, error, color=f"C{k - 1}", label=f"interneurons, {area_name(results, k)}: falls {fall}"
        )
    axes.set_ylabel("Mean squared error of prediction (dimensionless)")
    axes.legend(loc="lower left")


def _caption(results: Results) -> str:
    shown = results.record("hidden_1", "v_apical_squared").shape[0]
    falls = []
    for k in hidden_areas(results):
        first, last = (
            float(results.metric(f"hidden_{k}.v_apical_squared.{when}").value)
            for when in ("first", "last")
        )
        fall = _fall(results, f"hidden_{k}.v_apical_squared")
        falls.append(f"{fall} in {area_name(results, k)}, from {number(first)} to {number(last)}")
    errors = [_fall(results, f"interneuron_{k}.error_squared") for k in hidden_areas(results)]
    return (
        f"The mean squared apical potential falls {listed(falls)} over "
        f"{counted(shown, 'presentation')} (means of the first and last twentieth), as "
        "interneurons come to cancel the top-down input (grey: what it would be without them). "
        f"Their squared error in predicting the next area falls {listed(errors)}."
    )
