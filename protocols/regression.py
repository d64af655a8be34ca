"""Learning a nonlinear function (Sacramento et al. 2018, Fig 2).

A teacher network with fixed random weights, 30-20-10, defines the targets; the circuit, 30-50-10,
starts from random weights and learns from random patterns, with top-down weights fixed and all
others plastic. Beside it learns a shallow circuit, with the same start, whose hidden area's
bottom-up weights stay as they are. With a learning rate of its own it comes close to the best
readout of that hidden area: the gap between the two is what the hidden area gains by learning.

The teacher: u_trgt = 10 W21 phi(2 W10 r0) with weights and inputs r0 uniform in (-1, 1), target
rate phi(u_trgt). The test error is the mean squared error of the output rates on unseen patterns,
without noise, teacher or learning.

The paper shows 10^7 patterns (``presentations=10_000_000``). So that the default of 30,000 learns
something in minutes, learning rates are fifty times those of the re-implementations (1.1875e-3,
5e-4, 1.1875e-3 and 5.9375e-3 per ms for hidden, output, to and from interneurons), and 170 times
in the hidden area: with a smaller ratio of hidden to output it learns too, but later and less.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Annotated, ClassVar

import numpy as np
from brian2 import Hz, Quantity, ms
from pydantic import PositiveInt

from microcircuit import seeding
from microcircuit.circuit import CircuitError
from microcircuit.experiment import Experiment, Probe, evenly
from microcircuit.models.sacramento2018 import (
    Sacramento2018,
    build_circuit,
    draw_weights,
    transfer,
)
from microcircuit.parameters import POSITIVE, In, parameters
from microcircuit.protocols.sacramento import (
    always,
    error_records,
    mean_square,
    never,
    readout,
    silent_noise,
    teaching_schedule,
)
from microcircuit.protocols.stimuli import uniform_patterns
from microcircuit.replicates import stack
from microcircuit.results import Metric, Results

MODEL = Sacramento2018(
    areas=(30, 50, 10),
    sigma=0.3 * ms**-0.5,
    eta_bottom_up=(0.2 / ms, 0.025 / ms),
    eta_to_interneuron=(0.06 / ms,),
    eta_from_interneuron=(0.3 / ms,),
    rate_scale=10_000 * Hz,
    spiking_input=False,
)
"""Fig 2: 30-50-10 with the soft rectifier, random start, top-down fixed, all else plastic.

phi is of the order of 0.005 to 0.1 here, so with this psi neurons spike 50 to 1,000 times a second.
Input rates may be negative, and are not sent as spikes.
"""

DEEP, SHALLOW = 0, 1
"""The replicates: the circuit, and the one whose hidden area does not learn."""


@parameters
class Regression:
    """Random patterns with the targets of a random network.

    Parameters
    ----------
    presentations : int
        Patterns to learn from; 10^7 in the paper.
    duration : Quantity
        How long each is shown.
    teacher_hidden : int
        Hidden neurons of the teacher network.
    eta_shallow : Quantity
        Learning rate of the shallow circuit's output and of its interneurons' input.
    tests : int
        How often the test error is measured, beside the start.
    test_patterns : int
        Unseen patterns in each test.
    """

    name: ClassVar[str] = "regression"

    presentations: PositiveInt = 30_000
    duration: Annotated[Quantity, In("ms"), POSITIVE] = 100 * ms
    teacher_hidden: PositiveInt = 20
    eta_shallow: Annotated[Quantity, In("/ms"), POSITIVE] = 3 / ms
    tests: PositiveInt = 20
    test_patterns: PositiveInt = 100

    def experiment(self, model: Sacramento2018, seed: int) -> Experiment:
        """Return the experiment.

        Raises
        ------
        CircuitError
            The input is to spike, whose rates are negative as well.
        """
        if model.signal == "spikes" and model.spiking_input:
            raise CircuitError(
                "model.spiking_input = True: this task has negative input rates, which no spikes "
                "could carry"
            )
        weights = draw_weights(model, seed)
        frozen = replace(
            model,
            eta_bottom_up=(*(0 / ms for _ in model.hidden), self.eta_shallow),
            eta_to_interneuron=(self.eta_shallow,),
        )
        circuit = stack([build_circuit(m, weights) for m in (model, frozen)])
        target = teacher_network(model, self.teacher_hidden, seed)

        def stimuli(name: str) -> Callable[[int, int], tuple[np.ndarray, np.ndarray]]:
            patterns = uniform_patterns(seed, name, model.areas[0], -1, 1)
            return lambda start, stop: (patterns(start, stop), target(patterns(start, stop)))

        tested = target(
            uniform_patterns(seed, "test", model.areas[0], -1, 1)(0, self.test_patterns)
        )
        test = teaching_schedule(
            model,
            presentations=self.test_patterns,
            duration=self.duration,
            stimuli=stimuli("test"),
            taught=never,
        )
        positions = evenly(self.presentations, self.tests)
        return Experiment(
            circuit=circuit,
            schedule=teaching_schedule(
                model,
                presentations=self.presentations,
                duration=self.duration,
                stimuli=stimuli("training"),
                taught=always,
            ),
            records=(
                *error_records(model),
                # How much there is to cancel at the apical dendrites.
                *(
                    mean_square("v_top_down", f"hidden_{k}", "v_top_down_squared")
                    for k in model.hidden
                ),
                mean_square(
                    "rate - rate_target",
                    "output",
                    "rate_error_squared",
                    last=readout(model, self.duration),
                ),
            ),
            live="output.rate_error_squared",
            snapshots=positions,
            probes=(
                Probe(name="test", schedule=test, at=positions, parameters=silent_noise(model)),
            ),
            metrics=lambda results: _metrics(results, transfer(model, tested)),
        )


def teacher_network(
    model: Sacramento2018, hidden: int, seed: int
) -> Callable[[np.ndarray], np.ndarray]:
    """Return the function to be learnt, from input rates [P, inputs] to potentials [P, outputs]."""
    random = seeding.generator(seed, "teacher")
    first = random.uniform(-1, 1, (hidden, model.areas[0]))
    second = random.uniform(-1, 1, (model.areas[-1], hidden))
    return lambda patterns: 10 * transfer(model, 2 * patterns @ first.T) @ second.T


def _metrics(results: Results, targets: np.ndarray) -> Mapping[str, Metric]:
    """Return the last test errors of both circuits, and the factor between them.

    Parameters
    ----------
    results : Results
        Of the run.
    targets : array [P, outputs]
        Target rates of the test patterns.
    """
    error = results.probe("test", "output", "rate_error_squared").data.mean(axis=(1, 3))
    deep, shallow = error[-1, DEEP], error[-1, SHALLOW]
    return {
        "test_error.start": Metric(float(error[0, DEEP]), description="before learning"),
        "test_error.deep": Metric(float(deep), description="all bottom-up weights learn"),
        "test_error.shallow": Metric(float(shallow), description="only the output's learn"),
        "test_error.constant": Metric(
            float(targets.var(axis=0).mean()),
            description="of the mean target rate, whatever the pattern",
        ),
        "test_error.ratio": Metric(float(shallow / deep), description="shallow over deep"),
    }
