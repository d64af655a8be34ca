"""The figure of segregated dendrites at work: spikes, potentials and plateaus in both phases."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import SubplotSpec

from microcircuit.analysis.figures.segregated_time import (
    draw_neuron,
    draw_output,
    draw_plateaus,
    draw_raster,
    mark_time,
    named,
    populations,
)
from microcircuit.analysis.figures.style import (
    DOUBLE,
    GREY,
    Picture,
    counted,
    explain,
    letter,
    listed,
    page,
    reference_line,
)
from microcircuit.analysis.phases import (
    PER_IMAGE,
    SECOND,
    mean_rates,
    phases,
    plateaus,
    setting,
    taught,
)
from microcircuit.results import Results

IMAGES = 3
"""Shown at most, the first ones."""
EXAMPLES = 3
"""Hidden neurons whose potentials are drawn."""
TEACHING = 1.0
"""Conductance of the teaching current in all, per ms."""
AUTHORS_STEP = 1.0
"""In ms."""
FEW = 4
"""Populations whose names have room beside each other."""
ROW_HEIGHT, HEADER = 22.0, 22.0
"""In mm: of a row of height 1, and of all above and below the rows."""


class Panel(NamedTuple):
    """What is drawn in a column of panels.

    Attributes
    ----------
    height : float
        Relative to the others of the column.
    draw : callable
        From axes, results, and how many images to show.
    lettered : bool
        Whether the caption speaks of it.
    """

    height: float
    draw: Callable[[Axes, Results, int], None]
    lettered: bool = True


def segregated_traces_figure(results: Results) -> Picture:
    """Draw what happens in time, on the left; plateaus and rates of all neurons, on the right."""
    images = min(IMAGES, results.config["protocol"]["images"])
    over_time, overall = _over_time(results, images), _overall(results)
    rows = sum(panel.height for panel in over_time)
    figure = page(DOUBLE, ROW_HEIGHT * rows + HEADER)
    grid = figure.add_gridspec(1, 2, width_ratios=(2.3, 1))
    timed = _column(figure, grid[0], over_time)
    others = _column(figure, grid[1], overall)
    mark_time(timed, results, images)
    drawn = [*zip([*over_time, *overall], [*timed, *others], strict=True)]
    for panel, axes in drawn:
        panel.draw(axes, results, images)
    figure.align_ylabels(timed)
    letter(axes for panel, axes in drawn if panel.lettered)
    return Picture(figure, _caption(results, images))


def _column(figure: Figure, where: SubplotSpec, panels: list[Panel]) -> list[Axes]:
    grid = where.subgridspec(len(panels), 1, height_ratios=[panel.height for panel in panels])
    return [figure.add_subplot(grid[n]) for n in range(len(panels))]


def _over_time(results: Results, images: int) -> list[Panel]:
    """Return the panels that share their time, from above."""
    neurons = _examples(results, images)
    return [
        *[Panel(1.6, draw_raster)] * bool(results.spiking()),
        *(
            Panel(1.0, partial(draw_neuron, neurons=neurons, which=n), lettered=n == 0)
            for n in range(len(neurons))
        ),
        *[Panel(1.0, partial(draw_plateaus, neurons=neurons))] * bool(len(neurons)),
        Panel(1.1, draw_output),
    ]


def _overall(results: Results) -> list[Panel]:
    hidden = bool(results.config["model"]["hidden"])
    return [*[Panel(1.0, _draw_change)] * hidden, Panel(1.3, _draw_rates)]


def _examples(results: Results, images: int) -> np.ndarray:
    """Return the hidden neurons whose plateaus change most between phases, most first."""
    if not results.config["model"]["hidden"]:
        return np.array([], dtype=int)
    changes = np.abs(_changes(plateaus(results, images))).mean(axis=0)
    return np.argsort(-changes, kind="stable")[:EXAMPLES]


def _changes(of_phases: np.ndarray) -> np.ndarray:
    """Return by how much plateaus change from the forward to the target phase, [image, neuron]."""
    return of_phases[1::PER_IMAGE] - of_phases[::PER_IMAGE]


def _digits(results: Results, images: int) -> np.ndarray:
    return taught(results, images).argmax(axis=1) // results.config["model"]["neurons_per_class"]


def _draw_change(axes: Axes, results: Results, images: int) -> None:
    """Draw the plateaus of the target phase against those of the forward phase."""
    values = plateaus(results, images)
    forward, target = values[::PER_IMAGE], values[1::PER_IMAGE]
    for image, digit in enumerate(_digits(results, images)):
        axes.plot(
            forward[image],
            target[image],
            "o",
            color=f"C{image}",
            markersize=1.6,
            alpha=0.5,
            label=f"image {image + 1}, a {digit}",
            rasterized=True,
        )
    ends = values.min(), values.max()
    axes.plot(ends, ends, color=GREY, linestyle="--", linewidth=0.8, label="no error")
    axes.legend(loc="upper left", markerscale=2)
    axes.set_aspect("equal")
    axes.set_anchor("N")
    axes.set_xlabel("Plateau in the forward phase\n(dimensionless)")
    axes.set_ylabel("Plateau in the target phase\n(dimensionless)")


def _rated(results: Results) -> list[str]:
    """Return the populations whose rates are known; the input's are where it spikes."""
    if results.spiking():
        return populations(results)
    return ["hidden_1", "output"] if results.config["model"]["hidden"] else ["output"]


def _draw_rates(axes: Axes, results: Results, images: int) -> None:
    """Draw the rate of every neuron, and each population's mean."""
    random, names = np.random.default_rng(0), _rated(results)
    dots: dict[str, Any] = {"markersize": 1.6, "alpha": 0.4, "rasterized": True}
    for place, population in enumerate(names):
        rates = mean_rates(results, population, images)
        aside = place + random.uniform(-0.25, 0.25, len(rates))
        axes.plot(aside, rates, "o", color="C0", **dots)
        axes.plot((place - 0.33, place + 0.33), [rates.mean()] * 2, color="C6")
    reference_line(axes, SECOND * setting(results, "rate_max"), "highest rate in the model")
    axes.set_ylim(bottom=0)
    explain(axes)
    axes.set_ylim(bottom=0)
    axes.set_xlim(-0.6, len(names) - 0.4)
    apart = "\n" if len(names) > FEW else " "
    axes.set_xticks(range(len(names)), [named(name).replace(" ", apart) for name in names])
    axes.set_xlabel("Population")
    axes.set_ylabel("Firing rate (Hz)")


def _caption(results: Results, images: int) -> str:
    shown, model = phases(results, images), results.config["model"]
    names = _rated(results)
    rates = [f"{mean_rates(results, name, images).mean():.3g} Hz" for name in names]
    told = [f"{rate} in {named(name)}" for rate, name in zip(rates, names, strict=True)]
    drawn = counted(images, "training image")
    of_all = results.config["protocol"]["images"]
    some = f"the first {drawn}" if of_all > images else drawn
    feedback = f", with {model['feedback']} feedback" if model["hidden"] else ""
    chance = ", which spikes may exceed by chance" if results.spiking() else ""
    return (
        f"A network that has learnt nothing{feedback}, shown {some}, {shown.duration:.0f} ms in "
        "all. In target phases (shaded) currents push the output towards the image's digit. "
        f"{_caption_of_plateaus(results, images)}The mean rate is {listed(told)}; no neuron is "
        f"driven above {SECOND * setting(results, 'rate_max'):.3g} Hz{chance}.{_zigzag(results)}"
    )


def _zigzag(results: Results) -> str:
    """Return why taught outputs do, if they do."""
    leak, dendrite, dt = (setting(results, name) for name in ("g_leak", "g_dendrite", "dt"))
    constant = 1 / (leak + dendrite + TEACHING)
    if dt <= constant:
        return ""
    whose = ", that of the authors' code," if dt == AUTHORS_STEP else ""
    return (
        " At the start of target phases the output zigzags, which is numerical: the time step of "
        f"{dt:g} ms{whose} is longer than the output's time constant of {constant:.2g} ms with the "
        "teaching conductances."
    )


def _caption_of_plateaus(results: Results, images: int) -> str:
    if not results.config["model"]["hidden"]:
        return ""
    values = plateaus(results, images)
    changes = _changes(values)
    jitters = setting(results, "plateau_jitter") > 0
    jitter = ", or up to 5 ms before its end" if jitters else ""
    return (
        "Neurons that are shown are those whose plateau potentials change most; lines of these "
        "differ in width so that all can be seen. A plateau potential is the logistic function "
        "of the apical potential's mean over the last "
        f"{setting(results, 'averaging'):.3g} ms of a phase{jitter}; in hidden layer 1 they are "
        f"{values.min():.2f} to {values.max():.2f}, and change by {np.abs(changes).mean():.3f} on "
        f"average and {np.abs(changes).max():.2f} at most from the forward to the target phase. "
    )
