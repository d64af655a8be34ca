"""Telling bars apart with the full dynamics: horizontal, vertical or diagonal on 3 x 3 pixels.

A small classification task that the full dynamics can learn in seconds, used to test circuits of
this kind. Eight patterns, three rows, three columns and two diagonals, are shown in random order,
each with a teacher on the output neuron of its class. From time to time all eight are tested
without a teacher, noise or learning; the class is the output with the highest potential.

Network and conductances are those of a public implementation of this task; its transfer function,
targets and start are not known to us. Ours are the logistic function, targets of plus or minus one
and weights in (-3, 3). Rows and columns have the same mean image, so no linear readout tells all
eight apart (least squares gets five), and with smaller weights the hidden neurons are too nearly
linear to help. Learning rates: the
implementation's 5e-3, 1e-3 and 2e-3 per ms learn the task too slowly here, as the slope of the
logistic function is at most 1/4; ours are 20, 8 and 8 times as large.
"""

from collections.abc import Mapping
from typing import Annotated, ClassVar

import numpy as np
from brian2 import Hz, Quantity, ms
from pydantic import PositiveInt

from microcircuit import seeding
from microcircuit.circuit import CircuitError
from microcircuit.experiment import Experiment, Probe, evenly
from microcircuit.models.sacramento2018 import Sacramento2018, build_circuit, draw_weights
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
from microcircuit.records import Mean
from microcircuit.results import Metric, Results

MODEL = Sacramento2018(
    areas=(9, 30, 3),
    transfer="logistic",
    start="self-predicting",
    g_leak=0.03 / ms,
    g_basal=0.1 / ms,
    g_dendrite=0.1 / ms,
    g_apical=0.06 / ms,
    g_somatic=0.06 / ms,
    sigma=0 * ms**-0.5,
    eta_bottom_up=(1e-1 / ms, 8e-3 / ms),
    eta_to_interneuron=(1.6e-2 / ms,),
    eta_from_interneuron=(0 / ms,),
    weight_range=3.0,
    rate_scale=2000 * Hz,
)
"""9-30-3 from the self-predicting state; without noise, interneuron-to-apical weights fixed.

With spikes each neuron stands for some twenty: at a psi of 100 or 300 Hz large weights make more of
the shot noise than of the difference between bars.
"""

SIDE = 3
CLASSES = ("horizontal", "vertical", "diagonal")


def bars() -> tuple[np.ndarray, np.ndarray]:
    """Return the patterns [8, 9] of zeros and ones, and the number of the class of each."""
    one = np.eye(SIDE)
    rows = [np.outer(one[k], np.ones(SIDE)) for k in range(SIDE)]
    columns = [row.T for row in rows]
    images = [*rows, *columns, one, one[::-1]]
    return np.array([image.ravel() for image in images]), np.repeat([0, 1, 2], [3, 3, 2])


@parameters
class Bars:
    """Bars in random order, with tests in between.

    Parameters
    ----------
    presentations : int
        Patterns shown with a teacher.
    duration : Quantity
        Of each.
    target : float
        Target potential of the right class; minus this for the others.
    tests : int
        How often all patterns are tested, beside the start.
    """

    name: ClassVar[str] = "bars"

    presentations: PositiveInt = 5000
    duration: Annotated[Quantity, In("ms"), POSITIVE] = 100 * ms
    target: float = 1.0
    tests: PositiveInt = 20

    def __post_init__(self) -> None:
        """Refuse targets that tell no class from another."""
        if not self.target > 0:
            raise ValueError(f"target = {self.target}: must be above 0")

    def experiment(self, model: Sacramento2018, seed: int) -> Experiment:
        """Return the experiment.

        Raises
        ------
        CircuitError
            The model's input is not 9 pixels, or its output not 3 classes.
        """
        if (model.areas[0], model.areas[-1]) != (SIDE**2, len(CLASSES)):
            raise CircuitError(
                f"model.areas = {model.areas}: bars have {SIDE**2} pixels and {len(CLASSES)} "
                f"classes, such as (9, 30, 3)"
            )
        images, labels = bars()
        targets = np.where(labels[:, None] == np.arange(len(CLASSES)), self.target, -self.target)
        order = seeding.generator(seed, "stimuli", "bars").integers(
            len(images), size=self.presentations
        )
        test = teaching_schedule(
            model,
            presentations=len(images),
            duration=self.duration,
            stimuli=lambda start, stop: (images[start:stop], targets[start:stop]),
            taught=never,
        )
        positions = evenly(self.presentations, self.tests)
        return Experiment(
            circuit=build_circuit(model, draw_weights(model, seed)),
            schedule=teaching_schedule(
                model,
                presentations=self.presentations,
                duration=self.duration,
                stimuli=lambda start, stop: (images[order[start:stop]], targets[order[start:stop]]),
                taught=always,
            ),
            records=(
                *error_records(model),
                mean_square("v_target - v_predicted", "output", "dendritic_error_squared"),
                Mean(
                    name="v_soma",
                    population="output",
                    expression="v_soma",
                    last=readout(model, self.duration),
                ),
            ),
            live="output.dendritic_error_squared",
            snapshots=positions,
            probes=(
                Probe(name="test", schedule=test, at=positions, parameters=silent_noise(model)),
            ),
            metrics=_metrics,
        )


def _metrics(results: Results) -> Mapping[str, Metric]:
    """Return the accuracy of every test."""
    v_output = results.probe("test", "output", "v_soma").data[:, :, 0, 0]
    correct = v_output.argmax(axis=-1) == bars()[1]
    accuracy = correct.mean(axis=1)
    return {
        "accuracy": Metric(accuracy, description="fraction of the patterns classified, per test"),
        "accuracy.last": Metric(float(accuracy[-1]), description="in the last test"),
    }
