"""The figure of self-prediction: interneurons learn to cancel the top-down input."""

from matplotlib.axes import Axes

from microcircuit.analysis.figures.cancellation import draw_apical, draw_interneurons
from microcircuit.analysis.figures.series import hidden_areas, named_area
from microcircuit.analysis.figures.style import (
    DOUBLE,
    Picture,
    changed,
    counted,
    explain,
    letter,
    listed,
    number,
    page,
    plain_ticks_if_few,
)
from microcircuit.results import Results

CHANGING = "apical potential", "interneurons"
"""How the labels of what learning changes begin."""


def self_prediction_figure(results: Results) -> Picture:
    """Draw the apical potential, beside what there is to cancel, and the interneurons' error."""
    figure = page(DOUBLE, 66)
    apical, interneurons = figure.subplots(1, 2)
    for axes in (apical, interneurons):
        axes.set_xscale("log")
        axes.set_xlabel("Presentations")
    draw_apical(apical, results)
    draw_interneurons(interneurons, results)
    _draw_shot_noise(apical, results)
    _annotate(apical, _changes(results, "hidden", "v_apical_squared"))
    _annotate(interneurons, _changes(results, "interneuron", "error_squared"))
    letter([apical, interneurons])
    return Picture(figure, _caption(results))


def _changes(results: Results, population: str, record: str) -> list[str]:
    """Return how the record of each hidden area changed, such as ``falls 13-fold``."""
    names = [f"{population}_{k}.{record}.fall" for k in hidden_areas(results)]
    return [changed(float(results.metric(name).value)) for name in names]


def _annotate(axes: Axes, changes: list[str]) -> None:
    """Add the changes to the labels of what changed, and draw a legend."""
    told = iter(changes)
    for line, label in zip(*axes.get_legend_handles_labels(), strict=True):
        if label.startswith(CHANGING):
            line.set_label(f"{label}: {next(told)}")
    explain(axes, below=True)
    plain_ticks_if_few(axes)


def _shot_noise(results: Results) -> dict[int, float]:
    """Return what is shot noise of the apical potentials at the end, by area; of spikes only."""
    names = {k: f"hidden_{k}.v_apical_squared.shot_noise" for k in hidden_areas(results)}
    there = results.metrics()
    return {k: float(there[name].value) for k, name in names.items() if name in there}


def _draw_shot_noise(axes: Axes, results: Results) -> None:
    for k, floor in _shot_noise(results).items():
        label = f"its shot noise{named_area(results, k, ', {}')}"
        # In front of single presentations, in the colour of their area but darker than they are.
        axes.axhline(floor, color=f"C{k - 1}", linestyle="--", linewidth=0.8, label=label)


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
    noise = [
        f"{number(floor)}{named_area(results, k, ' in {}')}"
        for k, floor in _shot_noise(results).items()
    ]
    left = (
        " The part that is shot noise of spikes, which nobody can predict, is "
        f"{listed(noise)} in the end (dashed)."
        if noise
        else ""
    )
    return (
        f"Over {counted(shown, 'presentation')} the mean squared apical potential {listed(told)} "
        "(means over the first hundredth and the last twentieth of the run; light: single "
        "presentations), as interneurons come to cancel the top-down input, whose mean square "
        f"alone is drawn in grey.{left} The squared error with which interneurons predict "
        f"the next area {listed(_changes(results, 'interneuron', 'error_squared'))}."
    )
