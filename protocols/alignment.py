"""Angles between the circuit's weight updates and backprop's (Sacramento et al. 2018, theory).

Random networks in the self-predicting state are shown one pattern with a teacher, and run with
their full dynamics to the fixed point. There the basal plasticity of each area is compared with
the gradient of the network that the circuit implements (`microcircuit.analysis`). The theory: with
top-down weights that are the transpose of the bottom-up ones, the angle between the two vanishes
with the mixing factor lambda, how far a teacher or an apical dendrite pulls a soma; with random
top-down weights the hidden updates are those of feedback alignment, about orthogonal at first.

Input rates are uniform in (0, 1) and weights in (-1, 1). The published theory does not fix the
targets; at small lambda the angle grows linearly with how far they are from the output. Drawn
around the output with a standard deviation of 0.5, they give the angles that were measured before
us with another implementation (0.79, 0.77, 0.60 degrees in areas 1-3 at lambda = 0.1).

All networks, mixing factors and both kinds of feedback run as replicates of one simulation.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Annotated, ClassVar, Literal

import numpy as np
from brian2 import Quantity, ms
from pydantic import Field, PositiveFloat, PositiveInt

from microcircuit import seeding
from microcircuit.circuit import CircuitError
from microcircuit.experiment import Experiment
from microcircuit.models.sacramento2018 import (
    Sacramento2018,
    build_circuit,
    draw_weights,
    feedforward,
)
from microcircuit.parameters import POSITIVE, In, parameters
from microcircuit.protocols.sacramento import always, mean_square, readout, teaching_schedule
from microcircuit.records import Mean
from microcircuit.replicates import stack
from microcircuit.results import Metric, Results

MODEL = Sacramento2018(
    areas=(30, 20, 15, 10),
    transfer="logistic",
    sigma=0 * ms**-0.5,
    start="self-predicting",
    eta_to_interneuron=(0 / ms,),
    eta_from_interneuron=(0 / ms,),
)
"""30-20-15-10 without noise or learning; conductances follow from the mixing factor."""

MixingFactor = Annotated[float, Field(gt=0, lt=1)]
FEEDBACKS: tuple[Literal["random", "symmetric"], ...] = ("random", "symmetric")


@parameters
class Alignment:
    """Many networks, each with one pattern and target, at several mixing factors.

    Parameters
    ----------
    networks : int
        Random networks at each mixing factor and kind of feedback.
    mixing_factors : tuple of float
        lambda of all somata, hidden, output and interneurons, between 0 and 1.
    displacement : float
        Targets are normally distributed around the potentials that the output has by itself, with
        this standard deviation.
    presentations : int
        Pairs of pattern and target for each network; the angles are averaged over them.
    duration : Quantity
        Of a presentation; long enough to reach the fixed point (see the metric ``drift``).
    """

    name: ClassVar[str] = "alignment"

    networks: PositiveInt = 20
    mixing_factors: tuple[MixingFactor, ...] = (0.5, 0.3, 0.1, 0.03, 0.01)
    displacement: PositiveFloat = 0.5
    presentations: PositiveInt = 20
    duration: Annotated[Quantity, In("ms"), POSITIVE] = 100 * ms

    def __post_init__(self) -> None:
        """Refuse to compare nothing."""
        if not self.mixing_factors:
            raise ValueError("mixing_factors is empty: give at least one")

    def experiment(self, model: Sacramento2018, seed: int) -> Experiment:
        """Return the experiment; its replicates are the product of feedback, factor, network.

        Raises
        ------
        CircuitError
            The model sets what this protocol varies or holds fixed.
        """
        _refuse_changes(model)
        cases = list(product(FEEDBACKS, self.mixing_factors, range(self.networks)))
        models = [
            with_mixing_factor(replace(model, feedback=feedback), factor)
            for feedback, factor, _ in cases
        ]
        # The same networks, patterns and displacements at every factor and kind of feedback.
        weights = [
            draw_weights(mixed, seeding.key(seed, "networks", network))
            for mixed, (_, _, network) in zip(models, cases, strict=True)
        ]
        patterns, displacements = (
            np.stack([drawn[network] for _, _, network in cases], axis=1)
            for drawn in self._stimuli(model, seed)
        )
        outputs = [
            feedforward(mixed, drawn, patterns[:, replicate])[-1]
            for replicate, (mixed, drawn) in enumerate(zip(models, weights, strict=True))
        ]
        targets = np.stack(outputs, axis=1) + displacements
        schedule = teaching_schedule(
            model,
            presentations=self.presentations,
            duration=self.duration,
            stimuli=lambda start, stop: (
                patterns[start:stop, :, None],
                targets[start:stop, :, None],
            ),
            taught=always,
            g_teacher=np.array([float(mixed.g_somatic) for mixed in models]),
        )
        return Experiment(
            circuit=stack([build_circuit(m, w) for m, w in zip(models, weights, strict=True)]),
            schedule=schedule,
            records=self._records(model),
            live="output.error_squared",
            snapshots=(0, self.presentations),
            metrics=lambda results: _metrics(results, cases),
        )

    def _stimuli(self, model: Sacramento2018, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Draw patterns and displacements, [network, P, inputs] and [network, P, outputs]."""
        shapes = [(self.presentations, size) for size in (model.areas[0], model.areas[-1])]
        streams = [seeding.generator(seed, "stimuli", n) for n in range(self.networks)]
        drawn = [(s.uniform(0, 1, shapes[0]), s.normal(0, 1, shapes[1])) for s in streams]
        patterns, displacements = (np.stack(values) for values in zip(*drawn, strict=True))
        return patterns, self.displacement * displacements

    def _records(self, model: Sacramento2018) -> tuple[Mean, ...]:
        """Record the fixed point, and how much it still moves."""
        last = {"last": readout(model, self.duration, settled=model.dt)}
        return (
            Mean(name="rate", population="input", expression="rate", **last),
            *(
                Mean(name=name, population=area, expression=name, **last)
                for area in model.pyramidal[1:]
                for name in ("v_soma", "v_predicted")
            ),
            Mean(name="v_target", population="output", expression="v_target", **last),
            mean_square("v_target - v_soma", "output", "error_squared"),
            *(
                Mean(
                    name="v_soma_late",
                    population=area,
                    expression="v_soma",
                    last=self.duration / 10,
                )
                for area in model.pyramidal[1:]
                if model.signal != "spikes"
            ),
        )


SET_HERE = (
    *("g_apical", "g_somatic", "feedback", "start", "sigma"),
    *("eta_bottom_up", "eta_to_interneuron", "eta_from_interneuron", "eta_top_down"),
)
"""Parameters of the model that are the protocol's business: varied, or fixed for the comparison."""


def _refuse_changes(model: Sacramento2018) -> None:
    for name in SET_HERE:
        if getattr(model, name) != getattr(MODEL, name):
            raise CircuitError(
                f"model.{name} = {getattr(model, name)}: the alignment protocol sets it, from "
                "its mixing factors and for networks that neither learn nor have noise"
            )


def with_mixing_factor(model: Sacramento2018, factor: float) -> Sacramento2018:
    """Return the model with all its mixing factors set, through g_apical and g_somatic.

    lambda = g_A/(g_lk+g_B+g_A) gives g_A = lambda/(1-lambda) (g_lk+g_B), and likewise g_som.
    """
    odds = factor / (1 - factor)
    return replace(
        model,
        g_apical=odds * (model.g_leak + model.g_basal),
        g_somatic=odds * (model.g_leak + model.g_dendrite),
    )


def _metrics(results: Results, cases: Sequence[tuple[str, float, int]]) -> Mapping[str, Metric]:
    """Label the replicates, and say how far from its fixed point the slowest neuron was.

    With spikes there is none, and nothing is said.
    """
    drifts = [
        np.max(np.abs(results.record(name, variable).data - results.record(name, "v_soma").data))
        for name, variable in results.records()
        if variable == "v_soma_late"
    ]
    metrics = {
        "feedback_symmetric": Metric(
            np.array([case[0] == "symmetric" for case in cases], dtype=np.int64),
            description="1 where top-down weights are the attenuated transpose, per replicate",
        ),
        "mixing_factor": Metric(
            np.array([case[1] for case in cases]), description="lambda of each replicate"
        ),
    }
    if drifts:
        metrics["drift"] = Metric(
            float(np.max(drifts)),
            description="largest change of a soma over the last tenth of a presentation",
        )
    return metrics
