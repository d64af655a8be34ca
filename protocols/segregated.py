"""What the protocols of segregated dendrites share: phases, records and measures.

An image takes two presentations, the forward phase and then the target phase, in which the output
is taught and at whose end weights change. A test is a forward phase alone.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from brian2 import Quantity, ms

from microcircuit import seeding
from microcircuit.checks import steps
from microcircuit.circuit import CircuitError
from microcircuit.models.guerguiev2017 import Guerguiev2017
from microcircuit.protocols.data import CLASSES
from microcircuit.protocols.stimuli import Stream, in_blocks
from microcircuit.records import Mean
from microcircuit.schedule import Presentations, Schedule

TEACHING_INPUTS = ("input.pattern", "output.g_excitatory", "output.g_inhibitory")
"""What every schedule sets; those of models whose plateaus jitter set their times too."""

PER_MS = float(1 / ms)
PHASES = 2
"""Presentations of an image."""

BLOCK = 1024
"""Presentations in a block of random times; part of the definition of the times."""
EXTRA_MEAN, EXTRA_SHAPE = 2, 1
"""Of the inverse Gaussian numbers whose whole part is added to each phase, in ms."""
LONGEST_EXTRA = 50
"""Phases are longer by no more than this, in ms: one in 40,000 is cut by it. The authors have no
such limit, but a program must know its longest presentation."""
LARGEST_LAG = 5
"""Plateaus come no earlier than this before the end of a phase, in ms."""

type Show = Callable[[int, int], tuple[np.ndarray, np.ndarray]]
"""Pixels [P, inputs] and labels [P] of the images start <= p < stop."""


def extra_times() -> Stream:
    """Return by how many ms each phase is longer than the shortest.

    They are the same for all seeds, so that runs with different ones can share a program.
    """

    def block(number: int) -> np.ndarray:
        random = seeding.generator(0, "stimuli", "phases", number)
        drawn = random.wald(EXTRA_MEAN, EXTRA_SHAPE, BLOCK).astype(np.int64)
        return np.minimum(drawn, LONGEST_EXTRA)

    return in_blocks(block, BLOCK)


def plateau_lags(model: Guerguiev2017, seed: int, name: str) -> dict[str, Stream]:
    """Return how many ms before the end of each phase each neuron's plateau comes.

    Parameters
    ----------
    model : Guerguiev2017
        With `plateau_jitter`; without it there is nothing to set.
    seed : int
        The run's seed.
    name : str
        Of the streams, such as ``"training"``.

    Returns
    -------
    dict of str to callable
        For each input ``hidden_k.plateau_lag``, arrays [P, N] of whole numbers.
    """
    deviation = float(model.plateau_jitter / ms)

    def stream(key: str, size: int) -> Stream:
        def block(number: int) -> np.ndarray:
            random = seeding.generator(seed, "stimuli", name, key, number)
            drawn = np.abs(random.normal(0, deviation, (BLOCK, size))).astype(np.int64)
            return np.minimum(drawn, LARGEST_LAG)

        return in_blocks(block, BLOCK)

    return {key: stream(key, size) for key, size in lag_sizes(model).items()}


def lag_sizes(model: Guerguiev2017) -> dict[str, int]:
    """Return the inputs that set the times of plateaus, where they jitter, and their sizes."""
    if not model.jitters:
        return {}
    return {f"hidden_{k}.plateau_lag": model.hidden[k - 1] for k in model.hidden_layers}


def phase_pairs(
    model: Guerguiev2017,
    *,
    images: int,
    duration: Quantity,
    show: Show,
    extra: Stream | None = None,
    lags: Mapping[str, Stream] | None = None,
    learning: bool = True,
) -> Schedule:
    """Return a schedule of a forward and a target phase for each image.

    Parameters
    ----------
    model : Guerguiev2017
        For dt, sizes and which inputs there are.
    images : int
        How many.
    duration : Quantity
        Of a phase.
    show : callable
        The images.
    extra : callable, optional
        By how many ms each phase is longer; by none without it.
    lags : mapping of str to callable, optional
        As `plateau_lags` gives them; plateaus come at the very end of phases without them.
    learning : bool, optional
        Whether weights change, at the end of target phases.

    Raises
    ------
    CircuitError
        Phases that are too short to average over their end.
    """
    shortest = steps(duration, model.dt)
    per_ms = steps(1 * ms, model.dt) if extra or model.jitters else 1
    _check_room(model, duration)

    def draw(start: int, stop: int) -> Presentations:
        numbers = np.arange(start, stop)
        first = start // PHASES
        pixels, labels = show(first, (stop - 1) // PHASES + 1)
        which = numbers // PHASES - first
        longer = extra(start, stop) if extra else np.zeros(stop - start, dtype=np.int64)
        drawn = {key: stream(start, stop) for key, stream in (lags or {}).items()}
        shown = _presentations(
            model,
            steps=shortest + per_ms * longer,
            pixels=pixels[which],
            labels=labels[which],
            taught=numbers % PHASES == PHASES - 1,
            lags=drawn,
        )
        return shown if learning else replace(shown, learning=np.zeros_like(shown.learning))

    return Schedule(
        presentations=PHASES * images,
        longest=shortest + (per_ms * LONGEST_EXTRA if extra else 0),
        inputs=(*TEACHING_INPUTS, *lag_sizes(model)),
        draw=draw,
    )


def forward_phases(
    model: Guerguiev2017, *, images: int, duration: Quantity, show: Show
) -> Schedule:
    """Return a schedule of forward phases alone, for tests.

    Parameters
    ----------
    model, images, duration, show
        As for `phase_pairs`.
    """
    each = steps(duration, model.dt)

    def draw(start: int, stop: int) -> Presentations:
        pixels, labels = show(start, stop)
        return _presentations(
            model,
            steps=np.full(stop - start, each),
            pixels=pixels,
            labels=labels,
            taught=np.zeros(stop - start, dtype=bool),
            lags={},
        )

    return Schedule(
        presentations=images,
        longest=each,
        inputs=(*TEACHING_INPUTS, *lag_sizes(model)),
        draw=draw,
    )


def _presentations(
    model: Guerguiev2017,
    *,
    steps: np.ndarray,
    pixels: np.ndarray,
    labels: np.ndarray,
    taught: np.ndarray,
    lags: Mapping[str, np.ndarray],
) -> Presentations:
    """Return presentations whose conductances are those of equation (6)."""
    target = targets(labels, model.neurons_per_class)
    on = PER_MS * taught[:, None]
    inputs = {
        "input.pattern": pixels,
        "output.g_excitatory": on * target,
        "output.g_inhibitory": on * (1 - target),
    }
    for key, size in lag_sizes(model).items():
        inputs[key] = lags.get(key, np.zeros((len(steps), size))) / PER_MS
    return Presentations(steps=steps, inputs=inputs, learning=taught)


def targets(labels: np.ndarray, neurons_per_class: int) -> np.ndarray:
    """Return one for the output neurons of the right class and zero for the others, [P, N]."""
    one_hot = (labels[:, None] == np.arange(CLASSES)).astype(float)
    return np.repeat(one_hot, neurons_per_class, axis=1)


def _check_room(model: Guerguiev2017, duration: Quantity) -> None:
    needed = model.averaging + (LARGEST_LAG * ms if model.jitters else 0 * ms)
    if duration < needed:
        raise CircuitError(
            f"a phase of {duration} is too short: plateaus and rates are averages over its end, "
            f"which takes {needed}"
        )


def loss_record(model: Guerguiev2017) -> Mean:
    """Record the mean square of the output's error, in spikes per ms, at the end of target phases.

    At the end of forward phases, where there are no errors, it is zero.
    """
    return Mean(
        name="loss",
        population="output",
        expression="(g_excitatory + g_inhibitory)*ms*((rate_mean - rate_forward)*ms)**2",
        last=model.dt,
        across_neurons=True,
    )


def classification_errors(
    v_soma: np.ndarray, labels: np.ndarray, neurons_per_class: int
) -> np.ndarray:
    """Return how many images are classified wrongly, in percent.

    Parameters
    ----------
    v_soma : array [test, image, neuron]
        Mean potentials of the output; the class is that whose neurons have the highest.
    labels : array [image]
        The digits.
    neurons_per_class : int
        Neighbours that stand for the same digit.

    Returns
    -------
    array [test]
    """
    by_class = v_soma.reshape(*v_soma.shape[:2], -1, neurons_per_class).mean(axis=-1)
    return 100 * (by_class.argmax(axis=-1) != labels).mean(axis=1)


def feedback_eigenvalue(
    model: Guerguiev2017, forward: np.ndarray, backward: np.ndarray, v_output: np.ndarray
) -> float:
    """Return the largest eigenvalue of ``(I - U)^T (I - U)``; below 1, feedback teaches.

    U is the mean over images of ``J_beta J_gamma``, how the output's rates follow those of the last
    hidden layer, times how plateaus there follow the output's rates.

    Parameters
    ----------
    model : Guerguiev2017
        For the rate and its slope.
    forward, backward : array [output, hidden], [hidden, output]
        Weights to the output and back, in ms.
    v_output : array [image, output]
        Mean potentials of the output in forward phases.
    """
    rate_max = float(model.rate_max * ms)
    attenuation = float(model.g_dendrite / (model.g_leak + model.g_dendrite))
    logistic = 1 / (1 + np.exp(-v_output))
    plateaus = 1 / (1 + np.exp(-rate_max * logistic @ backward.T))
    slopes = logistic * (1 - logistic), plateaus * (1 - plateaus)
    products = [
        (rate_max * attenuation * to_output[:, None] * forward) @ (to_hidden[:, None] * backward)
        for to_output, to_hidden in zip(*slopes, strict=True)
    ]
    difference = np.eye(len(forward)) - np.mean(products, axis=0)
    return float(np.linalg.norm(difference, ord=2) ** 2)
