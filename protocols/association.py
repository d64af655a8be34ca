"""Learning one association (Sacramento et al. 2018, Fig 1).

The circuit starts in the self-predicting state and is shown one input. Then a teacher pulls the
output towards a target. What the interneurons can't explain of it appears at the apical dendrites,
steers basal plasticity in the hidden area, and vanishes as the output comes to produce the target
by itself. In the end the teacher leaves, and the output stays.

Transfer function (logistic), pattern duration and learning rates are those of public
re-implementations; input rates uniform in (0, 1) and target potentials uniform in (-1, 1) are ours.
"""

from collections.abc import Mapping
from typing import Annotated, ClassVar

import numpy as np
from brian2 import Quantity, ms
from pydantic import PositiveInt

from microcircuit import seeding
from microcircuit.experiment import Experiment, evenly
from microcircuit.models.sacramento2018 import Sacramento2018, build_circuit, draw_weights
from microcircuit.parameters import POSITIVE, In, parameters
from microcircuit.protocols.sacramento import error_records, mean_square, teaching_schedule
from microcircuit.records import Spikes, Trace
from microcircuit.results import Metric, Results

MODEL = Sacramento2018(
    transfer="logistic",
    start="self-predicting",
    eta_bottom_up=(1.1875e-3 / ms, 5e-4 / ms),
    eta_to_interneuron=(1.1875e-3 / ms,),
    eta_from_interneuron=(5e-4 / ms,),
)
"""Fig 1: 30-20-10, self-predicting start, everything but the top-down weights plastic."""


@parameters
class Association:
    """One pattern: without a teacher, with one, and without again.

    Parameters
    ----------
    presentations : int
        With the teacher.
    before, after : int
        Presentations without the teacher, ahead of and behind these.
    duration : Quantity
        How long a presentation lasts; the pattern is the same throughout.
    interval : Quantity
        Between samples of the traces.
    """

    name: ClassVar[str] = "association"

    presentations: PositiveInt = 200
    before: PositiveInt = 5
    after: PositiveInt = 5
    duration: Annotated[Quantity, In("ms"), POSITIVE] = 100 * ms
    interval: Annotated[Quantity, In("ms"), POSITIVE] = 2 * ms

    def experiment(self, model: Sacramento2018, seed: int) -> Experiment:
        """Return the experiment."""
        random = seeding.generator(seed, "stimuli", "association")
        pattern = random.uniform(0, 1, model.areas[0])
        target = random.uniform(-1, 1, model.areas[-1])
        total = self.before + self.presentations + self.after

        def taught(numbers: np.ndarray) -> np.ndarray:
            return (numbers >= self.before) & (numbers < total - self.after)

        schedule = teaching_schedule(
            model,
            presentations=total,
            duration=self.duration,
            stimuli=lambda start, stop: (
                np.tile(pattern, (stop - start, 1)),
                np.tile(target, (stop - start, 1)),
            ),
            taught=taught,
        )
        traces = (
            *((f"hidden_{k}", "v_apical") for k in model.hidden),
            *((f"interneuron_{k}", "v_soma") for k in model.hidden),
            ("output", "v_soma"),
            ("output", "v_target"),
            ("output", "g_teacher"),
        )
        circuit = build_circuit(model, draw_weights(model, seed))
        return Experiment(
            circuit=circuit,
            schedule=schedule,
            records=(
                *error_records(model),
                mean_square("v_target - v_soma", "output", "error_squared"),
                mean_square("v_target - v_predicted", "output", "dendritic_error_squared"),
                *(
                    Trace(name=name, population=population, expression=name, interval=self.interval)
                    for population, name in traces
                ),
                *(Spikes(population=p.name) for p in circuit.populations if p.spikes is not None),
            ),
            live="output.dendritic_error_squared",
            snapshots=evenly(total, 10),
            metrics=lambda results: self._metrics(results, model),
        )

    def _metrics(self, results: Results, model: Sacramento2018) -> Mapping[str, Metric]:
        """Compare the phases: the output without the teacher, the apical error with it."""
        error = results.record("output", "error_squared").data.mean(axis=(1, 2))
        metrics = {
            "output.error_squared.before": Metric(
                float(error[self.before - 1]),
                description="output to target, before teaching, without the teacher",
            ),
            "output.error_squared.after": Metric(
                float(error[-1]),
                description="output to target, after teaching, without the teacher",
            ),
        }
        stretch = max(1, self.presentations // 20)
        for k in model.hidden:
            apical = results.record(f"hidden_{k}", "v_apical_squared").data.mean(axis=(1, 2))
            taught = apical[self.before : -self.after]
            for when, value in (("first", taught[0]), ("last", taught[-stretch:].mean())):
                metrics[f"hidden_{k}.v_apical_squared.{when}"] = Metric(
                    float(value), description=f"apical error with the teacher, {when}"
                )
        return metrics
