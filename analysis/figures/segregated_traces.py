"""The figure of segregated dendrites at work: spikes, potentials and plateaus in both phases."""

from collections.abc import Callable
from functools import partial
from math import isqrt
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.gridspec import GridSpecBase, SubplotSpec

from microcircuit.analysis.figures.style import (
    DOUBLE,
    GREY,
    SHADE,
    Picture,
    counted,
    letter,
    listed,
    page,
    reference_line,
)
from microcircuit.analysis.phases import (
    PER_IMAGE,
    SECOND,
    Phases,
    mean_rates,
    phases,
    plateaus,
    setting,
    traces,
)
from microcircuit.results import Results

IMAGES = 3
"""Shown at most, the first ones."""
EXAMPLES = 3
"""Hidden neurons whose potentials are drawn."""
NEURON_COLORS = ("C2", "C3", "C4")
"""Of the examples."""
RASTER = 25
"""Neurons of each population in the raster at most."""
GAP = 4
"""Between populations there."""
COMPARTMENTS = {
    "v_basal": ("basal potential", "C5"),
    "v_soma": ("somatic potential", "C0"),
    "v_apical": ("apical potential", "C1"),
}
"""What is drawn of a hidden neuron, from back to front."""
LEGEND = 0.3
"""Room for one, as a fraction of what there is without."""
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
    left, right = figure.add_gridspec(1, 2, width_ratios=(2.3, 1))
    timed, others = (
        [figure.add_subplot(cell) for cell in _column(where, panels)]
        for where, panels in ((left, over_time), (right, overall))
    )
    _mark_time(timed, results, images)
    drawn = [*zip([*over_time, *overall], [*timed, *others], strict=True)]
    for panel, axes in drawn:
        panel.draw(axes, results, images)
    figure.align_ylabels(timed)
    letter(axes for panel, axes in drawn if panel.lettered)
    return Picture(figure, _caption(results, images))


def _column(where: SubplotSpec, panels: list[Panel]) -> GridSpecBase:
    heights = [panel.height for panel in panels]
    return where.subgridspec(len(panels), 1, height_ratios=heights)


def _over_time(results: Results, images: int) -> list[Panel]:
    """Return the panels that share their time, from above."""
    neurons = _examples(results, images)
    return [
        *[Panel(1.6, _draw_raster)] * bool(results.spiking()),
        *(
            Panel(1.0, partial(_draw_neuron, neurons=neurons, which=n), lettered=n == 0)
            for n in range(len(neurons))
        ),
        *[Panel(1.0, partial(_draw_plateaus, neurons=neurons))] * bool(len(neurons)),
        Panel(1.1, _draw_output),
    ]


def _overall(results: Results) -> list[Panel]:
    hidden = bool(results.config["model"]["hidden"])
    return [*[Panel(1.0, _draw_change)] * hidden, Panel(1.3, _draw_rates)]


def _explain(axes: Axes, where: str) -> None:
    """Put a legend in a row above or below the lines."""
    low, high = axes.get_ylim()
    room = LEGEND * (high - low)
    axes.set_ylim((low, high + room) if "upper" in where else (low - room, high))
    axes.legend(loc=where, ncols=3)


def _examples(results: Results, images: int) -> np.ndarray:
    """Return the hidden neurons whose plateaus change most between phases, most first."""
    if not results.config["model"]["hidden"]:
        return np.array([], dtype=int)
    changes = np.abs(_changes(plateaus(results, images))).mean(axis=0)
    return np.argsort(-changes, kind="stable")[:EXAMPLES]


def _changes(of_phases: np.ndarray) -> np.ndarray:
    """Return by how much plateaus change from the forward to the target phase, [image, neuron]."""
    return of_phases[1::PER_IMAGE] - of_phases[::PER_IMAGE]


def _taught(results: Results, images: int) -> np.ndarray:
    """Return which output neurons are pushed up in target phases, [image, neuron]."""
    excitation = results.stimulus("output", "g_excitatory")[0, :, 0, 0]
    return excitation[1 : PER_IMAGE * images : PER_IMAGE] > 0


def _digits(results: Results, images: int) -> np.ndarray:
    return _taught(results, images).argmax(axis=1) // results.config["model"]["neurons_per_class"]


def _mark_time(timed: list[Axes], results: Results, images: int) -> None:
    """Let panels share their time; shade target phases; put names and images above the first."""
    shown = phases(results, images)
    for axes in timed:
        if axes is not timed[-1]:
            axes.sharex(timed[-1])
            axes.tick_params(labelbottom=False)
        for start, end in zip(shown.start[1::2], shown.end[1::2], strict=True):
            axes.axvspan(start, end, color=SHADE, linewidth=0, zorder=-2)
        for edge in shown.start[2::2]:
            axes.axvline(edge, color="0.3", linewidth=0.6, zorder=-1)
    timed[-1].set_xlim(shown.start[0], shown.end[-1])
    timed[-1].set_xlabel("Time (ms)")
    _name_phases(timed[0], results, shown)


def _name_phases(axes: Axes, results: Results, shown: Phases) -> None:
    above = axes.get_xaxis_transform()
    pixels = results.stimulus("input", "pattern")[0, : len(shown.start) : PER_IMAGE, 0, 0]
    side = isqrt(pixels.shape[1])
    for phase, middle in enumerate((shown.start + shown.end) / 2):
        name = ("forward", "target")[phase % PER_IMAGE]
        axes.text(middle, 1.02, name, transform=above, ha="center", va="bottom", fontsize=6.5)
    for image, edge in zip(pixels, shown.end[::PER_IMAGE], strict=True):
        width = shown.duration / 8
        inset = axes.inset_axes((edge - width / 2, 1.14, width, 0.34), transform=above)
        inset.imshow(image.reshape(side, side), cmap="Greys", vmin=0, vmax=1)
        inset.set_xticks([])
        inset.set_yticks([])
        inset.spines[:].set_visible(True)
        inset.spines[:].set_linewidth(0.4)


def _draw_raster(axes: Axes, results: Results, images: int) -> None:
    """Draw spikes of some neurons of every population, the input at the bottom."""
    end, bottom, places, names = phases(results, images).end[-1], 0, [], []
    for n, population in enumerate(_populations(results)):
        spikes = results.spikes(population)
        some = _some(len(mean_rates(results, population, images)))
        row = np.searchsorted(some, spikes.index).clip(max=len(some) - 1)
        drawn = (some[row] == spikes.index) & (spikes.time < end)
        at = bottom + row[drawn]
        axes.plot(spikes.time[drawn], at, "|", color=f"C{n % 2 * 6}", markersize=2.2, mew=0.5)
        places.append(bottom + (len(some) - 1) / 2)
        names.append(_named(population))
        bottom += len(some) + GAP
    axes.set_ylim(-GAP / 2, bottom - GAP / 2)
    axes.set_yticks(places, names)
    axes.tick_params(axis="y", length=0)
    axes.set_ylabel("Spikes of some neurons")


def _populations(results: Results) -> list[str]:
    hidden = range(1, len(results.config["model"]["hidden"]) + 1)
    return ["input", *(f"hidden_{k}" for k in hidden), "output"]


def _named(population: str) -> str:
    return population.replace("_", " ")


def _some(count: int) -> np.ndarray:
    """Return numbers of neurons spread evenly over a population."""
    return np.linspace(0, count - 1, min(RASTER, count)).round().astype(int)


def _time(results: Results, steps: int) -> np.ndarray:
    return results.record("output", "v_soma").time[:steps]


def _draw_neuron(
    axes: Axes, results: Results, images: int, *, neurons: np.ndarray, which: int
) -> None:
    """Draw the potentials of one of the examples; a legend with the first."""
    neuron = neurons[which]
    for name, (label, line) in COMPARTMENTS.items():
        potential = traces(results, "hidden_1", name, images)[:, neuron]
        axes.plot(_time(results, len(potential)), potential, color=line, label=label, linewidth=0.9)
    if which == 0:
        _explain(axes, "upper left")
    axes.set_ylabel(f"Neuron {neuron + 1}\n(dimensionless)", color=NEURON_COLORS[which])


def _draw_plateaus(axes: Axes, results: Results, images: int, *, neurons: np.ndarray) -> None:
    """Draw the examples' plateaus at the end of phases, as long as what they average."""
    shown, averaged = phases(results, images), setting(results, "averaging")
    values = plateaus(results, images)
    for color, neuron in zip(NEURON_COLORS, neurons, strict=False):
        for end, level in zip(shown.end, values[:, neuron], strict=True):
            axes.plot((end - averaged, end), (level, level), color=color, linewidth=2.2)
    axes.set_ylabel("Plateau potential\n(dimensionless)")


def _draw_output(axes: Axes, results: Results, images: int) -> None:
    """Draw all potentials of the output; those that belong to the image's digit stand out."""
    v_soma = traces(results, "output", "v_soma", images)
    time = _time(results, len(v_soma))
    axes.plot(time, v_soma[:, :1], color=GREY, linewidth=0.6, alpha=0.6, label="other digits")
    axes.plot(time, v_soma[:, 1:], color=GREY, linewidth=0.6, alpha=0.6)
    shown = phases(results, images)
    label = "neuron of the image's digit"
    for image, right in enumerate(_taught(results, images)):
        inside = time >= shown.start[PER_IMAGE * image]
        inside &= time < shown.end[PER_IMAGE * image + 1]
        axes.plot(time[inside], v_soma[inside][:, right], color="C6", label=label)
        label = ""
    _explain(axes, "lower left")
    axes.set_ylabel("Output soma\n(dimensionless)")


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
            label=f"image of a {digit}",
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
        return _populations(results)
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
    _explain(axes, "upper left")
    axes.set_ylim(bottom=0)
    axes.set_xlim(-0.6, len(names) - 0.4)
    axes.set_xticks(range(len(names)), [_named(name).replace(" ", "\n") for name in names])
    axes.set_xlabel("Population")
    axes.set_ylabel("Firing rate (Hz)")


def _caption(results: Results, images: int) -> str:
    shown, model = phases(results, images), results.config["model"]
    names = _rated(results)
    rates = [f"{mean_rates(results, name, images).mean():.3g} Hz" for name in names]
    told = [f"{rate} in {_named(name)}" for rate, name in zip(rates, names, strict=True)]
    drawn = counted(images, "training image")
    of_all = results.config["protocol"]["images"]
    some = f"the first {drawn}" if of_all > images else drawn
    feedback = f", with {model['feedback']} feedback" if model["hidden"] else ""
    chance = ", which spikes may exceed by chance" if results.spiking() else ""
    return (
        f"A network that has learnt nothing{feedback}, shown {some}, {shown.duration:.0f} ms in "
        "all. In target phases (shaded) currents push the output towards the image's digit. "
        f"{_caption_of_plateaus(results, images)}The mean rate is {listed(told)}; no neuron is "
        f"driven above {SECOND * setting(results, 'rate_max'):.3g} Hz{chance}."
    )


def _caption_of_plateaus(results: Results, images: int) -> str:
    if not results.config["model"]["hidden"]:
        return ""
    values = plateaus(results, images)
    changes = _changes(values)
    return (
        "Neurons are those whose plateau potentials change most. A plateau potential is the "
        "logistic function of the apical potential's mean over the last "
        f"{setting(results, 'averaging'):.3g} ms of a phase; over all of hidden layer 1 they are "
        f"{values.min():.2f} to {values.max():.2f}, and change by {np.abs(changes).mean():.3f} on "
        f"average and {np.abs(changes).max():.2f} at most from the forward to the target phase. "
    )
