"""Self-prediction (Sacramento et al. 2018, Fig S1): interneurons learn to cancel top-down input.

Starting from random weights, the circuit is shown random patterns and no teacher. Only the weights
to and from the interneurons learn. As the interneurons come to predict the next area, and their
input to cancel the top-down input, the apical potential falls towards silence: then whatever is
left there once a teacher appears is an error. Spikes leave their shot noise there, which nobody
can predict: with them the metric ``v_apical_squared.shot_noise`` says how much that is.

Input rates are uniform in (0, 1); a pattern lasts 100 ms (public re-implementations).
"""

from collections.abc import Mapping
from typing import Annotated, ClassVar

import numpy as np
from brian2 import Quantity, ms
from pydantic import PositiveInt

from microcircuit.checks import steps
from microcircuit.experiment import Experiment, evenly
from microcircuit.models.sacramento2018 import Sacramento2018, build_circuit, draw_weights
from microcircuit.parameters import POSITIVE, In, parameters
from microcircuit.protocols.sacramento import apical_shot_noise, error_records, mean_square
from microcircuit.protocols.stimuli import uniform_patterns
from microcircuit.records import Mean
from microcircuit.results import Metric, Results
from microcircuit.schedule import Presentations, Schedule

MODEL = Sacramento2018(transfer="logistic")
"""Fig S1: 30-20-10, random start, only the interneurons' weights learn.

The transfer function is the logistic one, as in the public re-implementations of this task. With
the soft rectifier of Fig 2 rates stay near 0.005 and nothing is learnt in 1,000 patterns.
"""


@parameters
class SelfPrediction:
    """Random patterns without a teacher.

    Parameters
    ----------
    presentations : int
        How many patterns.
    duration : Quantity
        How long each is shown.
    """

    name: ClassVar[str] = "self-prediction"

    presentations: PositiveInt = 1000
    duration: Annotated[Quantity, In("ms"), POSITIVE] = 100 * ms

    def experiment(self, model: Sacramento2018, seed: int) -> Experiment:
        """Return the experiment."""
        circuit = build_circuit(model, draw_weights(model, seed))
        each = steps(self.duration, model.dt)
        patterns = uniform_patterns(seed, "training", model.areas[0], 0, 1)

        def draw(start: int, stop: int) -> Presentations:
            return Presentations(
                steps=np.full(stop - start, each),
                inputs={"input.pattern": patterns(start, stop)},
                learning=np.ones(stop - start, dtype=bool),
            )

        return Experiment(
            circuit=circuit,
            schedule=Schedule(
                presentations=self.presentations,
                longest=each,
                inputs=("input.pattern",),
                draw=draw,
            ),
            # How much there is to cancel, beside how much is left.
            records=(
                *error_records(model),
                *(
                    mean_square("v_top_down", f"hidden_{k}", "v_top_down_squared")
                    for k in model.hidden
                ),
                *(_rate_records(model) if _is_poisson(model) else ()),
            ),
            live="hidden_1.v_apical_squared",
            snapshots=evenly(self.presentations, 10),
            metrics=lambda results: _metrics(results, model),
        )


def _is_poisson(model: Sacramento2018) -> bool:
    """Whether there are spikes whose noise is known: those of neurons that never rest."""
    return model.signal == "spikes" and model.refractory is None


def _rate_records(model: Sacramento2018) -> tuple[Mean, ...]:
    """Record the mean rates of what drives apical dendrites."""
    above = {name for k in model.hidden for name in (model.pyramidal[k + 1], f"interneuron_{k}")}
    return tuple(Mean(name="rate", population=name, expression="rate") for name in sorted(above))


def _metrics(results: Results, model: Sacramento2018) -> Mapping[str, Metric]:
    """Compare the first hundredth and the last twentieth of the run, at least one presentation.

    The beginning is short, as most of the fall takes a few dozen presentations.
    """
    metrics = {}
    for k in model.hidden:
        for population, name in (
            (f"hidden_{k}", "v_apical_squared"),
            (f"interneuron_{k}", "error_squared"),
        ):
            values = results.record(population, name).data.mean(axis=(1, 2))
            start, end = max(1, len(values) // 100), max(1, len(values) // 20)
            first, last = values[:start].mean(), values[-end:].mean()
            for when, value, count in (("first", first, start), ("last", last, end)):
                metrics[f"{population}.{name}.{when}"] = Metric(
                    float(value), description=f"mean over the {when} {count} presentations"
                )
            metrics[f"{population}.{name}.fall"] = Metric(
                float(first / last), description=f"first over last {name} of {population}"
            )
        if _is_poisson(model):
            metrics[f"hidden_{k}.v_apical_squared.shot_noise"] = Metric(
                _shot_noise(results, model, k, end),
                description=f"its part that is shot noise, in the last {end} presentations",
            )
    return metrics


def _shot_noise(results: Results, model: Sacramento2018, k: int, count: int) -> float:
    """Return the variance of apical potentials from spikes alone, with the weights at the end."""
    names = f"top_down_{k}", f"interneuron_to_pyramidal_{k}"
    weights = {name: results.weights(name)[-1][0] for name in names}
    rates = {
        name: results.record(name, "rate")[-count:].mean(axis=(0, 1, 2))
        for name in (model.pyramidal[k + 1], f"interneuron_{k}")
    }
    return apical_shot_noise(model, weights, rates, k)
