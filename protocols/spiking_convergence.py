"""The more spikes, the closer to rates: the circuit of Sacramento et al. (2018) as psi grows.

Neurons of the rate psi phi tell others phi through traces of their spikes, with shot noise whose
size falls with 1/sqrt(psi). With weights and learning rates that belong to the traces, what the
circuit does and learns approaches what it would with phi itself in place of spikes. Here both run
side by side, from the same weights, on the same patterns and targets, with all plasticity and
without any other noise: the spiking circuit several times at each psi, and the limit, which is the
model with ``signal="traces"``.

Three errors are measured, each a root mean square:

- of potentials: the distance of somata from the limit's at the ends of presentations;
- scatter: the distance of weight changes from their mean over repetitions;
- of mean learning: the distance of that mean from the limit's changes.

The latter two are fractions of the limit's changes; the last one contains what is left of the
scatter in the mean, its square over the number of repetitions. The first two are shot noise, and
fall with 1/sqrt(psi). What a rule makes of noise on average comes from its variance, and falls with
1/psi: a synapse whose own spikes are part of the error that it learns from lets its weight decay,
as (9) does with those from interneurons, whose spikes no other input cancels.

The experiment is ours: no paper shows it. Network and learning rates are those of the association
task, the start is the self-predicting state, and patterns are uniform in (0, 1).
"""

from collections.abc import Mapping
from dataclasses import replace
from itertools import product
from typing import Annotated, ClassVar

import numpy as np
from brian2 import Hz, Quantity, ms
from pydantic import Field, PositiveFloat, PositiveInt

from microcircuit import seeding
from microcircuit.circuit import Circuit, CircuitError, Population, Projection
from microcircuit.experiment import Experiment
from microcircuit.models.sacramento2018 import (
    Sacramento2018,
    build_circuit,
    draw_weights,
    feedforward,
)
from microcircuit.parameters import POSITIVE, In, parameters
from microcircuit.protocols.sacramento import always, mean_square, teaching_schedule
from microcircuit.records import Mean, Trace
from microcircuit.replicates import stack
from microcircuit.results import Metric, Results
from microcircuit.schedule import Presentations, Schedule

MODEL = Sacramento2018(
    transfer="logistic",
    signal="spikes",
    start="self-predicting",
    sigma=0 * ms**-0.5,
    eta_bottom_up=(1.1875e-3 / ms, 5e-4 / ms),
    eta_to_interneuron=(1.1875e-3 / ms,),
    eta_from_interneuron=(5e-4 / ms,),
)
"""30-20-10 with the learning rates of one association (Fig 1); everything plastic but top-down."""

LIMIT = "limit_"
"""Before the names of what belongs to the circuit without spikes."""

Rate = Annotated[Quantity, In("Hz"), POSITIVE]


@parameters
class SpikingConvergence:
    """Random patterns and targets, for spiking circuits with more and more spikes.

    Parameters
    ----------
    rate_scales : tuple of Quantity
        Values of psi, two or more.
    repetitions : int
        Runs at each, two or more, that differ in their spikes only.
    presentations : int
        Patterns, each with a target.
    duration : Quantity
        Of a presentation.
    displacement : float
        Targets are normally distributed around the potentials that the output has by itself, with
        this standard deviation.
    """

    name: ClassVar[str] = "spiking-convergence"

    rate_scales: tuple[Rate, ...] = (100 * Hz, 316 * Hz, 1000 * Hz, 3162 * Hz, 10000 * Hz)
    repetitions: Annotated[int, Field(ge=2)] = 8
    presentations: PositiveInt = 50
    duration: Annotated[Quantity, In("ms"), POSITIVE] = 100 * ms
    displacement: PositiveFloat = 1.0

    def __post_init__(self) -> None:
        """Refuse what has no slope."""
        if len({float(scale) for scale in self.rate_scales}) < 2:
            raise ValueError("rate_scales: a slope needs two different values at least")

    def experiment(self, model: Sacramento2018, seed: int) -> Experiment:
        """Return the experiment; its replicates are the repetitions at each psi.

        Raises
        ------
        CircuitError
            The model does not spike, sets psi, or has neurons that rest after a spike, for which
            there is no limit.
        """
        if model.signal != "spikes" or not model.spiking_input:
            raise CircuitError(
                f"model.signal = {model.signal!r}, model.spiking_input = {model.spiking_input}: "
                "this protocol compares spikes of all neurons with their limit: leave the values "
                "'spikes' and True"
            )
        if model.rate_scale != MODEL.rate_scale:
            raise CircuitError(
                f"model.rate_scale = {model.rate_scale}: set protocol.rate_scales instead"
            )
        if model.refractory is not None:
            raise CircuitError(
                f"model.refractory = {model.refractory}: neurons that rest after a spike can't "
                "spike ever more often"
            )
        weights = draw_weights(model, seed)
        cases = [scale for scale, _ in product(self.rate_scales, range(self.repetitions))]
        limit = renamed(build_circuit(replace(model, signal="traces"), weights), LIMIT)
        both = [
            _together(build_circuit(replace(model, rate_scale=scale), weights), limit)
            for scale in cases
        ]
        random = seeding.generator(seed, "stimuli")
        patterns = random.uniform(0, 1, (self.presentations, model.areas[0]))
        targets = feedforward(model, weights, patterns)[-1]
        targets = targets + self.displacement * random.normal(0, 1, targets.shape)
        schedule = teaching_schedule(
            model,
            presentations=self.presentations,
            duration=self.duration,
            stimuli=lambda start, stop: (patterns[start:stop], targets[start:stop]),
            taught=always,
        )
        return Experiment(
            circuit=stack(both),
            schedule=_for_both(schedule),
            records=_records(model),
            live="output.error_squared",
            snapshots=(0, self.presentations),
            metrics=lambda results: _metrics(results, model, self.rate_scales, self.repetitions),
        )


def renamed(circuit: Circuit, prefix: str) -> Circuit:
    """Return a circuit whose populations and projections have a prefix before their names."""

    def population(one: Population) -> Population:
        links = {name: (prefix + source, v) for name, (source, v) in one.links.items()}
        return replace(one, name=prefix + one.name, links=links)

    def projection(one: Projection) -> Projection:
        return replace(one, name=prefix + one.name, pre=prefix + one.pre, post=prefix + one.post)

    return replace(
        circuit,
        populations=tuple(map(population, circuit.populations)),
        projections=tuple(map(projection, circuit.projections)),
    )


def _together(first: Circuit, second: Circuit) -> Circuit:
    return replace(
        first,
        populations=first.populations + second.populations,
        projections=first.projections + second.projections,
    )


def _for_both(schedule: Schedule) -> Schedule:
    """Return a schedule that shows the same to both circuits."""

    def draw(start: int, stop: int) -> Presentations:
        shown = schedule.draw(start, stop)
        limit = {LIMIT + key: value for key, value in shown.inputs.items()}
        return replace(shown, inputs={**shown.inputs, **limit})

    inputs = (*schedule.inputs, *(LIMIT + key for key in schedule.inputs))
    return replace(schedule, inputs=inputs, draw=draw)


def _somata(model: Sacramento2018) -> list[str]:
    """Return the populations that have a somatic potential."""
    return [*model.pyramidal[1:], *(f"interneuron_{k}" for k in model.hidden)]


def _records(model: Sacramento2018) -> tuple[Mean | Trace, ...]:
    """Record all potentials at the end of presentations, and those of the first area in time."""
    prefixes = "", LIMIT
    return (
        mean_square("v_target - v_soma", "output", "error_squared"),
        *(
            Mean(name="v_soma", population=prefix + name, expression="v_soma", last=model.dt)
            for prefix in prefixes
            for name in _somata(model)
        ),
        *(
            Trace(
                name=f"{name}_course",
                population=f"{prefix}hidden_1",
                expression=name,
                interval=1 * ms,
            )
            for prefix in prefixes
            for name in ("v_soma", "v_apical")
        ),
    )


def _metrics(
    results: Results, model: Sacramento2018, scales: tuple[Quantity, ...], repetitions: int
) -> Mapping[str, Metric]:
    """Return errors against psi, and their slopes on logarithmic axes."""
    shape = len(scales), repetitions
    potentials = _potential_errors(results, model).reshape(shape)
    changes, limits = (each.reshape(*shape, -1) for each in _changes(results))
    size, mean = np.linalg.norm(limits[:, 0], axis=-1), changes.mean(axis=1, keepdims=True)
    # Of the repetitions' own mean; one less is independent of it.
    scatter = np.sum((changes - mean) ** 2, axis=(1, 2)) / (repetitions - 1)
    errors = {
        "potentials": np.sqrt(np.mean(potentials**2, axis=1)),
        "scatter": np.sqrt(scatter) / size,
        "mean_learning": np.linalg.norm((mean - limits)[:, 0], axis=-1) / size,
    }
    psi = np.array([float(scale) for scale in scales])
    what = {
        "potentials": "distance of somatic potentials from the limit's",
        "scatter": "distance of weight changes from their mean, over the limit's change",
        "mean_learning": "distance of the mean weight change from the limit's, over the latter",
    }
    metrics = {"rate_scale": Metric(psi, "Hz", "psi")}
    for name, values in errors.items():
        slope = np.polyfit(np.log(psi), np.log(values), 1)[0]
        metrics[f"error.{name}"] = Metric(values, description=f"{what[name]}; per psi")
        metrics[f"slope.{name}"] = Metric(
            float(slope), description=f"of error.{name} against psi, both logarithmic"
        )
    return metrics


def _potential_errors(results: Results, model: Sacramento2018) -> np.ndarray:
    """Return the root mean square error of potentials, of shape [replicate]."""
    squares = [
        (results.record(name, "v_soma").data - results.record(LIMIT + name, "v_soma").data) ** 2
        for name in _somata(model)
    ]
    return np.sqrt(np.concatenate(squares, axis=-1).mean(axis=(0, 2, 3)))


def _changes(results: Results) -> tuple[np.ndarray, np.ndarray]:
    """Return what all weights of the spiking circuits and of the limit have changed by.

    Both of shape [replicate, weight].
    """

    def change(name: str) -> np.ndarray:
        first, last = (results.weights(name)[n] for n in (0, -1))
        return (last - first).reshape(len(first), -1)

    names = [name for name in results.projections() if not name.startswith(LIMIT)]
    spiking, limit = ([change(prefix + name) for name in names] for prefix in ("", LIMIT))
    return np.concatenate(spiking, axis=1), np.concatenate(limit, axis=1)
