"""What the protocols of the Sacramento 2018 circuit share: teaching schedules and records."""

from collections.abc import Callable, Mapping

import numpy as np
from brian2 import Quantity, ms

from microcircuit.checks import steps
from microcircuit.models.sacramento2018 import Sacramento2018
from microcircuit.records import Mean
from microcircuit.schedule import Presentations, Schedule

TEACHING_INPUTS = ("input.pattern", "output.v_target", "output.g_teacher")
"""What a schedule with a teacher sets."""


def teaching_schedule(
    model: Sacramento2018,
    *,
    presentations: int,
    duration: Quantity,
    stimuli: Callable[[int, int], tuple[np.ndarray, np.ndarray]],
    taught: Callable[[np.ndarray], np.ndarray],
    g_teacher: np.ndarray | None = None,
) -> Schedule:
    """Return a schedule of patterns, each with a target and a teacher that may be silent.

    Parameters
    ----------
    model : Sacramento2018
        For dt, and the conductance g_som of the teacher.
    presentations : int
        How many.
    duration : Quantity
        Of each.
    stimuli : callable (start, stop) -> (patterns, targets)
        Input rates [P, inputs] or [P, R, B, inputs] and target potentials of the output likewise.
    taught : callable
        From numbers of presentations to bool: is the teacher there?
    g_teacher : array [R], optional
        The teacher's conductance in SI units, where replicates differ; else the model's g_som.
    """
    each = steps(duration, model.dt)
    conductance = float(model.g_somatic) if g_teacher is None else g_teacher

    def draw(start: int, stop: int) -> Presentations:
        patterns, targets = stimuli(start, stop)
        return Presentations(
            steps=np.full(stop - start, each),
            inputs={
                "input.pattern": patterns,
                "output.v_target": targets,
                "output.g_teacher": np.multiply.outer(
                    taught(np.arange(start, stop)).astype(float), conductance
                ),
            },
            learning=np.ones(stop - start, dtype=bool),
        )

    return Schedule(presentations=presentations, longest=each, inputs=TEACHING_INPUTS, draw=draw)


def always(numbers: np.ndarray) -> np.ndarray:
    """Teach in every presentation."""
    return np.ones(len(numbers), dtype=bool)


def never(numbers: np.ndarray) -> np.ndarray:
    """Teach in none."""
    return np.zeros(len(numbers), dtype=bool)


def mean_square(expression: str, population: str, name: str, last: Quantity | None = None) -> Mean:
    """Record the mean square of an expression over neurons and each presentation."""
    return Mean(
        name=name,
        population=population,
        expression=f"({expression})**2",
        last=last,
        across_neurons=True,
    )


def error_records(model: Sacramento2018) -> tuple[Mean, ...]:
    """Record the mean squares that say how far the circuit is from the self-predicting state.

    They are ``v_apical_squared`` of each hidden area and ``error_squared`` of its interneurons,
    the distance of their somata from the neurons that they predict.
    """
    return tuple(
        record
        for k in model.hidden
        for record in (
            mean_square("v_apical", f"hidden_{k}", "v_apical_squared"),
            mean_square("v_nudge - v_soma", f"interneuron_{k}", "error_squared"),
        )
    )


def apical_shot_noise(
    model: Sacramento2018,
    weights: Mapping[str, np.ndarray],
    rates: Mapping[str, np.ndarray],
    area: int,
) -> float:
    """Return the variance of apical potentials that remains when nothing but spikes fluctuates.

    A trace of Poisson spikes with the rate psi phi has the mean phi and the variance
    phi/(psi (2 tau_s - dt)), and those of different neurons are independent. Neurons that rest
    after a spike are less noisy.

    Parameters
    ----------
    model : Sacramento2018
        For psi, tau_s and dt.
    weights : mapping of str to array [post, pre]
        Of ``top_down_k`` and ``interneuron_to_pyramidal_k``.
    rates : mapping of str to array [neuron]
        Mean phi of the next area and of the interneurons, by their populations.
    area : int
        k.
    """
    sources = {
        f"top_down_{area}": model.pyramidal[area + 1],
        f"interneuron_to_pyramidal_{area}": f"interneuron_{area}",
    }
    per_rate = 1 / float(model.rate_scale * (2 * model.tau_synapse - model.dt))
    variance = sum(weights[name] ** 2 @ rates[source] for name, source in sources.items())
    return float(per_rate * np.mean(variance))


def silent_noise(model: Sacramento2018) -> dict[str, float]:
    """Return the parameters of a probe without noise."""
    somata = [*model.pyramidal[1:], *(f"interneuron_{k}" for k in model.hidden)]
    return {f"{population}.sigma": 0.0 for population in somata}


SETTLED = 1 * ms
"""Test records average over this last stretch of a presentation."""


def readout(model: Sacramento2018, duration: Quantity, settled: Quantity = SETTLED) -> Quantity:
    """Return the stretch before the end of a presentation over which tests average.

    Spikes never settle: with them it is the second half of the presentation.

    Parameters
    ----------
    model : Sacramento2018
        Its `signal` and dt.
    duration : Quantity
        Of a presentation.
    settled : Quantity
        The stretch without spikes.
    """
    if model.signal != "spikes":
        return settled
    return max(1, steps(duration, model.dt) // 2) * model.dt
