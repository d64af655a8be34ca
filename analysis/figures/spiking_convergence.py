"""The figure of convergence: errors of spiking circuits against psi, and what they look like."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import EngFormatter

from microcircuit.analysis.figures.style import (
    DOUBLE,
    GREY,
    Picture,
    counted,
    explain,
    letter,
    number,
    page,
)
from microcircuit.results import Results

ERRORS = {
    "potentials": "potentials (absolute)",
    "scatter": "scatter of weight changes (relative)",
    "mean_learning": "mean weight change (relative)",
}
"""By the protocol's names."""
SHOWN = 3
"""Presentations in the panel of potentials."""
HERTZ = EngFormatter(unit="Hz")
"""Says 10000 as 10 kHz."""
NEURON = 0


def spiking_convergence_figure(results: Results) -> Picture:
    """Draw a neuron's potential at the lowest and the highest psi, and all errors against psi."""
    figure = page(DOUBLE, 66)
    course, errors = figure.subplots(1, 2, width_ratios=(1.25, 1))
    _draw_course(course, results)
    _draw_errors(errors, results)
    letter([course, errors])
    return Picture(figure, _caption(results))


def _values(results: Results, metric: str) -> np.ndarray:
    return np.asarray(results.metric(metric).value, dtype=float)


def _draw_course(axes: Axes, results: Results) -> None:
    psi = _values(results, "rate_scale")
    spiking, limit = (
        results.record(f"{prefix}hidden_1", "v_soma_course") for prefix in ("", "limit_")
    )
    shown = spiking.index < SHOWN
    time = spiking.time[shown]
    repetitions = spiking.shape[1] // len(psi)
    for color, scale in (("C0", 0), ("C1", len(psi) - 1)):
        potential = spiking[:, scale * repetitions, 0, NEURON][shown]
        axes.plot(time, potential, color=color, linewidth=0.8, label=f"ψ = {HERTZ(psi[scale])}")
    without = limit[:, 0, 0, NEURON][shown]
    axes.plot(time, without, color="black", linewidth=1.0, label="without spikes")
    axes.set_xlabel("Time (ms)")
    axes.set_ylabel("Somatic potential (dimensionless)")
    explain(axes, ncols=3)


def _draw_errors(axes: Axes, results: Results) -> None:
    psi = _values(results, "rate_scale")
    for n, (name, label) in enumerate(ERRORS.items()):
        values = _values(results, f"error.{name}")
        slope = results.metric(f"slope.{name}").value
        axes.plot(psi, values, color=f"C{n}", marker="o", label=f"{label}: slope {slope:.2f}")
    lowest = 0.5 * _values(results, "error.potentials")[0]
    guide = lowest * np.sqrt(psi[0] / psi)
    axes.plot(psi, guide, color=GREY, linestyle="--", linewidth=0.8, label="slope -1/2")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("ψ (Hz)")
    axes.set_ylabel("Error (dimensionless)")
    explain(axes)


def _caption(results: Results) -> str:
    psi = _values(results, "rate_scale")
    repetitions = results.record("hidden_1", "v_soma_course").shape[1] // len(psi)
    first, last = (number(_values(results, "error.potentials")[n]) for n in (0, -1))
    slopes = {name: results.metric(f"slope.{name}").value for name in ERRORS}
    return (
        "A spiking circuit and its limit without spikes, from the same weights, shown the same. "
        "Left: the potential of a hidden neuron in the first presentations. Right: errors against "
        "ψ, spikes per second where the rate is 1; "
        f"{counted(repetitions, 'repetition')} at each. Somatic potentials are {first} from the "
        f"limit's at ψ = {HERTZ(psi[0])} and {last} at {HERTZ(psi[-1])}, root mean square, in the "
        f"units of potentials: a slope of {slopes['potentials']:.2f}. Weight changes, as parts of "
        "the limit's, scatter with a "
        f"slope of {slopes['scatter']:.2f}, and their mean comes closer with one of "
        f"{slopes['mean_learning']:.2f}: shot noise falls as ψ to -1/2, its variance as 1/ψ."
    )
