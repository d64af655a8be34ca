"""What the protocols ``denoising`` and ``generation`` share: learning, tests, an independent judge.

Both train the circuit of `microcircuit.models.sacramento2018_generative` in the same way: images in
minibatches, in a new order in each epoch, with a teacher on the output and the gate closed. All
learning rates but those of weights from interneurons fall by the same factor from epoch to epoch.
Tests follow at the end, on a copy that does not learn. There a minibatch is shown in several
presentations, its looks, each of one sweep up and one down, of which all but the first go on from
the pixels that the one before has left. What counts is what is there after the sweep up: the image,
and what the network makes of it.

The judge is logistic regression on clean training images, from scikit-learn.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Protocol

import numpy as np
from pydantic import Field, PositiveInt
from scipy.special import logit

from microcircuit.circuit import CircuitError
from microcircuit.experiment import Experiment, Probe
from microcircuit.models.sacramento2018_generative import (
    GATES,
    SacramentoGenerative,
    draw_weights,
    generative_circuit,
)
from microcircuit.models.sacramento2018_two_step import TEACHER
from microcircuit.parameters import parameters
from microcircuit.protocols.data import CLASSES, Images
from microcircuit.protocols.sacramento import mean_square
from microcircuit.protocols.stimuli import shuffled
from microcircuit.records import Mean, Record
from microcircuit.results import Metric, Results
from microcircuit.schedule import Presentations, Schedule

RECORDS: tuple[Record, ...] = (
    mean_square("rate_target - rate_forward", "output", "error_squared"),
    mean_square("rate_forward - rate_top_down", "input", "expectation_error_squared"),
    mean_square("v_apical_forward", "input", "v_apical_squared"),
    Mean(name="rate_forward", population="input", expression="rate_forward", probes_only=True),
    Mean(name="v_basal", population="output", expression="v_basal", probes_only=True),
)
"""Errors of learning; of tests the image that is there before a sweep down, and what the output
makes of it."""

PACES = tuple(f"{name}.pace" for name in ("input", "interneuron_0", "hidden_1", "interneuron_1"))
INPUTS = (
    *("input.pattern", "output.v_target", TEACHER, *GATES, "input.memory"),
    *("hidden_1.drive", "hidden_1.mixing", *PACES, "output.pace"),
)
"""What every schedule sets."""

JUDGED = 10_000
"""Training images that the judge sees at most."""
ITERATIONS = 200
"""Of its fit, at most."""

Rate = Annotated[float, Field(gt=0, lt=1)]


class Judge(Protocol):
    """A classifier that knows nothing of the circuit."""

    def predict(self, images: np.ndarray, /) -> np.ndarray:
        """Return the class of each image."""
        ...


@parameters
class Training:
    """How the circuit learns.

    Parameters
    ----------
    epochs : int
        How often all training images are shown.
    decay : float
        Of learning rates, from epoch to epoch.
    rate_right, rate_wrong : float
        Target rates of the output: of the neuron of the right class, and of the others.
    """

    epochs: PositiveInt = 30
    decay: Annotated[float, Field(gt=0, le=1)] = 0.9
    rate_right: Rate = 0.8
    rate_wrong: Rate = 0.1

    def __post_init__(self) -> None:
        """Refuse targets that tell no class from another."""
        if not self.rate_wrong < self.rate_right:
            raise ValueError(
                f"rate_right = {self.rate_right}: must be above rate_wrong = {self.rate_wrong}"
            )

    def potentials(self, labels: np.ndarray) -> np.ndarray:
        """Return the teacher's potentials u_trgt for labels, [image, class]."""
        right = labels[:, None] == np.arange(CLASSES)
        return logit(np.where(right, self.rate_right, self.rate_wrong))

    def schedule(self, model: SacramentoGenerative, images: Images, seed: int) -> Schedule:
        """Return the minibatches of all epochs.

        Raises
        ------
        CircuitError
            There are fewer images than a minibatch holds.
        """
        count, size = len(images.training), model.batch
        batches = count // size
        if not batches:
            raise CircuitError(f"model.batch = {size}: there are {count} training images")
        order = shuffled(seed, count, batches * size)
        targets = self.potentials(np.arange(CLASSES))

        def draw(start: int, stop: int) -> Presentations:
            which = order(start * size, stop * size)
            pace = self.decay ** (np.arange(start, stop) // batches)
            return _presentations(
                model,
                images.training[which],
                targets[images.training_labels[which]],
                dict.fromkeys((*PACES, "output.pace"), pace),
            )

        return _schedule(self.epochs * batches, draw)

    def trained(
        self,
        model: SacramentoGenerative,
        images: Images,
        seed: int,
        *,
        trials: Mapping[str, tuple["Trial", Mapping[str, float]]],
        metrics: Callable[[Results], Mapping[str, Metric]],
    ) -> Experiment:
        """Return an experiment that learns, and then makes trials with changed parameters."""
        schedule = self.schedule(model, images, seed)
        end = (schedule.presentations,)
        weights = draw_weights(model, images.training.shape[1], seed)
        return Experiment(
            circuit=generative_circuit(model, weights),
            schedule=schedule,
            records=RECORDS,
            live="output.error_squared",
            snapshots=end,
            probes=tuple(
                Probe(name=name, schedule=trial.schedule(), at=end, parameters=changes)
                for name, (trial, changes) in trials.items()
            ),
            metrics=metrics,
        )


def _schedule(presentations: int, draw: Callable[[int, int], Presentations]) -> Schedule:
    return Schedule(presentations=presentations, longest=1, inputs=INPUTS, draw=draw)


def _presentations(
    model: SacramentoGenerative,
    pixels: np.ndarray,
    potentials: np.ndarray,
    changes: Mapping[str, np.ndarray],
) -> Presentations:
    """Return presentations of minibatches as while the circuit learns, but for changes [P]."""
    count = len(pixels) // model.batch
    usual = dict.fromkeys((*PACES, "output.pace", "hidden_1.drive"), 1.0)
    usual |= dict.fromkeys((*GATES, "input.memory"), 0.0)
    usual |= {TEACHER: model.mixing_output, "hidden_1.mixing": model.mixing_hidden}
    return Presentations(
        steps=np.ones(count, dtype=int),
        inputs={
            "input.pattern": pixels.reshape(count, 1, model.batch, -1),
            "output.v_target": potentials.reshape(count, 1, model.batch, -1),
            **{key: np.full(count, value) for key, value in usual.items()},
            **changes,
        },
        learning=np.ones(count, dtype=bool),
    )


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A test of some images, once with each of some values of the gate.

    Parameters
    ----------
    model : SacramentoGenerative
        For the size of a minibatch.
    pixels, potentials : array [image, pixel], [image, class]
        What is shown, and the teacher's potentials.
    gates : tuple of float
        Values of d.
    sweeps : int
        How often the pixels are renewed; there is one presentation more.
    clamped : float, optional
        Of generation, the part of the teacher in the output; no teacher without it. Then basal
        dendrites of the hidden area are silent in the first presentation, in which nothing has come
        from below.
    mixing_hidden : float, optional
        Of generation, the part of the apical dendrites in the hidden area in later presentations.
    """

    model: SacramentoGenerative
    pixels: np.ndarray
    potentials: np.ndarray
    gates: tuple[float, ...]
    sweeps: int
    clamped: float = 0.0
    mixing_hidden: float | None = None

    @property
    def batches(self) -> int:
        """Minibatches that hold all images."""
        return -(-len(self.pixels) // self.model.batch)

    @property
    def looks(self) -> int:
        """Presentations of a minibatch with a value of the gate."""
        return self.sweeps + 1

    def schedule(self) -> Schedule:
        """Return the schedule: for each value of the gate, minibatches one after the other."""
        return _schedule(len(self.gates) * self.batches * self.looks, self._draw)

    def images(self, results: Results, probe: str) -> np.ndarray:
        """Return the pixels [gate, look, image, pixel], before each sweep and after the last."""
        return self._rows(results, probe, "input", "rate_forward")

    def answers(self, results: Results, probe: str) -> np.ndarray:
        """Return the class [gate, look, image] that the output has, of each look."""
        return self._rows(results, probe, "output", "v_basal").argmax(axis=-1)

    def _rows(self, results: Results, probe: str, population: str, name: str) -> np.ndarray:
        data = results.probe(probe, population, name)[-1]
        shape = len(self.gates), self.batches, self.looks, self.model.batch, data.shape[-1]
        rows = data.reshape(shape).swapaxes(1, 2)
        return rows.reshape(*rows.shape[:2], -1, shape[-1])[:, :, : len(self.pixels)]

    def _draw(self, start: int, stop: int) -> Presentations:
        numbers, size = np.arange(start, stop), self.model.batch
        looks = numbers % self.looks
        first = size * (numbers // self.looks % self.batches)
        which = (first[:, None] + np.arange(size)).ravel() % len(self.pixels)
        gate = np.array(self.gates)[numbers // (self.looks * self.batches)]
        changes = {
            TEACHER: np.full(len(numbers), self.clamped),
            "input.memory": (looks > 0).astype(float),
            **dict.fromkeys(GATES, gate),
        }
        if self.mixing_hidden is not None:
            mixing = np.where(looks > 0, self.mixing_hidden, 1.0)
            changes |= {"hidden_1.mixing": mixing, "hidden_1.drive": 1 - mixing}
        return _presentations(self.model, self.pixels[which], self.potentials[which], changes)


def judge(images: Images) -> Judge:
    """Return logistic regression that has learnt clean training images, `JUDGED` at most."""
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(max_iter=ITERATIONS, tol=1e-3)
    return model.fit(images.training[:JUDGED], images.training_labels[:JUDGED])


def percent_right(answers: np.ndarray, labels: np.ndarray, description: str) -> Metric:
    """Return how many answers are right as a metric."""
    return Metric(float(100 * (answers == labels).mean()), "%", description)
