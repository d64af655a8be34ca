"""Integrate-and-fire neurons learn to cancel top-down input (circuit of Sacramento et al. 2018).

Self-prediction, as in `microcircuit.protocols.self_prediction`, with the neurons of
`microcircuit.models.sacramento2018_lif`: random weights, random patterns, no teacher, and only the
weights to and from the interneurons learn. All spikes are recorded, and two potentials of the first
hidden area, so a run should not be long.

Spikes make apical potentials fluctuate, whatever interneurons have learnt. So what is to fall is
the square of each neuron's mean deviation from rest over a presentation.
"""

from collections.abc import Mapping
from typing import Annotated, ClassVar

import numpy as np
from brian2 import Quantity, ms
from pydantic import PositiveInt

from microcircuit.checks import steps
from microcircuit.experiment import Experiment, evenly
from microcircuit.models.sacramento2018_lif import Sacramento2018Lif, build_circuit, draw_weights
from microcircuit.parameters import POSITIVE, In, parameters
from microcircuit.protocols.stimuli import uniform_patterns
from microcircuit.records import Mean, Record, Spikes, Trace
from microcircuit.results import Metric, Results
from microcircuit.schedule import Presentations, Schedule

MODEL = Sacramento2018Lif()
"""30-20-10; ours, as is everything about these neurons."""

SAMPLES = 1 * ms
"""Interval of the potentials' samples."""


@parameters
class Lif:
    """Random patterns for integrate-and-fire neurons, without a teacher.

    Parameters
    ----------
    presentations : int
        How many patterns; input rates are uniform up to the model's `rate_scale`.
    duration : Quantity
        How long each is shown.
    """

    name: ClassVar[str] = "lif"

    presentations: PositiveInt = 400
    duration: Annotated[Quantity, In("ms"), POSITIVE] = 500 * ms

    def experiment(self, model: Sacramento2018Lif, seed: int) -> Experiment:
        """Return the experiment."""
        each = steps(self.duration, model.dt)
        patterns = uniform_patterns(seed, "training", model.areas[0], 0, 1)

        def draw(start: int, stop: int) -> Presentations:
            return Presentations(
                steps=np.full(stop - start, each),
                inputs={"input.pattern": patterns(start, stop)},
                learning=np.ones(stop - start, dtype=bool),
            )

        return Experiment(
            circuit=build_circuit(model, draw_weights(model, seed)),
            schedule=Schedule(
                presentations=self.presentations,
                longest=each,
                inputs=("input.pattern",),
                draw=draw,
            ),
            records=_records(model),
            live="hidden_1.v_apical_squared",
            snapshots=evenly(self.presentations, 10),
            metrics=lambda results: _metrics(results, model),
        )


def _records(model: Sacramento2018Lif) -> tuple[Record, ...]:
    """Record all spikes, two potentials, and of each presentation what is left to be learnt."""
    potentials = tuple(
        Trace(name=name, population="hidden_1", expression=name, interval=SAMPLES)
        for name in ("v_soma", "v_apical")
    )
    spikes = tuple(Spikes(population=population) for population in _sizes(model))
    return (*potentials, *spikes, *(r for k in model.in_paper.hidden for r in _errors(k)))


def _errors(k: int) -> tuple[Mean, ...]:
    """Record what is left to be learnt in hidden area k, and what there is to cancel."""
    hidden, top_down = f"hidden_{k}", "i_top_down/(g_leak_dendrite + g_apical)"
    return (
        Mean(name="deviation", population=hidden, expression="v_apical - v_rest"),
        Mean(name="top_down", population=hidden, expression=top_down),
        Mean(
            name="v_apical_squared",
            population=hidden,
            expression="(v_apical - v_rest)**2",
            across_neurons=True,
        ),
    )


def _sizes(model: Sacramento2018Lif) -> dict[str, int]:
    """Return the number of neurons of each population."""
    names = model.in_paper.pyramidal
    interneurons = {f"interneuron_{k}": model.areas[k + 1] for k in model.in_paper.hidden}
    return dict(zip(names, model.areas, strict=True)) | interneurons


def _metrics(results: Results, model: Sacramento2018Lif) -> Mapping[str, Metric]:
    metrics: dict[str, Metric] = {}
    for population, size in _sizes(model).items():
        metrics |= _firing(results, population, size)
    for k in model.in_paper.hidden:
        metrics |= {**_fall(results, f"hidden_{k}"), **_left(results, f"hidden_{k}")}
    return metrics


def _firing(results: Results, population: str, size: int) -> Mapping[str, Metric]:
    """Return rates and CVs over the run, of each neuron and their means."""
    spikes = results.spikes(population)
    end = results.record("hidden_1", "deviation").time[-1]
    trains = [spikes.time[spikes.index == neuron] for neuron in range(size)]
    rates = np.array([1000 * len(train) / end for train in trains])
    cvs = np.array([_cv(train) for train in trains])
    known = cvs[np.isfinite(cvs)]
    return {
        f"{population}.rate": Metric(float(rates.mean()), "Hz", f"mean rate of {population}"),
        f"{population}.cv": Metric(
            float(known.mean()) if len(known) else float("nan"),
            description="mean coefficient of variation of intervals",
        ),
        f"{population}.rates": Metric(rates, "Hz", "of each neuron"),
        f"{population}.cvs": Metric(cvs, description="of each neuron with three spikes or more"),
    }


def _cv(train: np.ndarray) -> float:
    intervals = np.diff(train)
    return float(intervals.std() / intervals.mean()) if len(intervals) > 1 else float("nan")


def _fall(results: Results, hidden: str) -> Mapping[str, Metric]:
    """Compare squared deviations at the beginning and at the end: means over neurons.

    The beginning is a hundredth of the run, for they fall fast, the end a tenth.
    """
    squares = 1e6 * (results.record(hidden, "deviation").data ** 2).mean(axis=(1, 2, 3))
    count = len(squares)
    first = float(squares[: max(1, count // 100)].mean())
    last = float(squares[-max(1, count // 10) :].mean())
    name = f"{hidden}.deviation_squared"
    return {
        f"{name}.first": Metric(first, "mV^2", "mean over the first hundredth of the run"),
        f"{name}.last": Metric(last, "mV^2", "mean over its last tenth"),
        f"{name}.fall": Metric(first / last, description=f"first over last in {hidden}"),
    }


def _left(results: Results, hidden: str) -> Mapping[str, Metric]:
    """Compare what changes from pattern to pattern: a constant input is cancelled more easily."""
    deviation, top_down = (results.record(hidden, name).data for name in ("deviation", "top_down"))
    late = slice(len(deviation) // 2, None)
    before, after = (float(x[late].var(axis=0).mean()) for x in (top_down, deviation))
    left = after / before if before > 0 else float("nan")  # of a single pattern
    return {
        f"{hidden}.varying_left": Metric(
            left, description="variance over patterns, of that of top-down input; second half"
        )
    }
