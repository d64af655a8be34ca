"""Learning to classify digits with apical errors (Sacramento et al. 2018, Fig 3).

Images are shown in minibatches, in a new order in each epoch, with a teacher on the output. The
last twelfth of the training images is for validation: 5,000 of MNIST. After each epoch a copy of
the circuit that does not learn sees validation and test images without a teacher; the class is the
output with the highest potential. It also sees some training images with the teacher, for the size
of apical potentials and of the interneurons' errors.

As often as weights are stored, the errors from which hidden areas learn are compared, image by
image, with those that backpropagation would make of the output's error and the same weights. Those
of the circuit are computed from the weights, by `present`; for the two-step form alone.

The paper's test errors, on MNIST: 1.96 % (784-500-500-10), 2.11 % with the weights between hidden
areas frozen, 2.48 % (784-1000-10, top-down weights plastic, random start), 1.53 % with backprop,
8.4 % with a single layer. The default images are small; ``examples/mnist_*.toml`` have MNIST.

Learning rates fall by the same factor from epoch to epoch, but for that of weights from
interneurons, which follow the others. With random weights these learn by themselves first, together
with those to interneurons and the output: a random start blows up the hidden areas otherwise.
"""

from dataclasses import replace
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field, NonNegativeInt, PositiveInt
from scipy.special import logit

from microcircuit.circuit import CircuitError
from microcircuit.experiment import Experiment, Probe, evenly
from microcircuit.models.sacramento2018_mnist import CITATION, SacramentoMnist, draw_weights
from microcircuit.parameters import parameters
from microcircuit.protocols.data import CLASSES, Data
from microcircuit.protocols.minibatches import FORMS, Paces, Shown, Split, minibatches
from microcircuit.protocols.mnist_measures import Measures
from microcircuit.protocols.sacramento import mean_square
from microcircuit.protocols.stimuli import shuffled
from microcircuit.records import Mean, Record
from microcircuit.schedule import Schedule

__all__ = ["CITATION", "DATA", "MODEL", "Mnist"]

MODEL = SacramentoMnist()
"""Two hidden areas of 500 neurons, in the two-step form."""
DATA = Data()
"""Digits of 8 x 8 pixels."""

Rate = Annotated[float, Field(gt=0, lt=1)]


@parameters
class Mnist:
    """Epochs of images, with tests in between.

    Parameters
    ----------
    epochs : int
        How often all training images are shown.
    decay : float
        Of learning rates, from epoch to epoch.
    settling_images : int
        Images at the beginning in which weights to hidden areas do not learn, neither from below
        nor from above.
    rate_right, rate_wrong : float
        Target rates of the output: of the neuron of the right class, and of the others.
    tests_per_epoch : int
        How many tests there are, beside the one at the start.
    comparisons : int
        How often weights are stored and errors compared, beside the start.
    probe_images : int
        Training images, the first ones, that are shown with a teacher in tests, and on which errors
        are compared.
    baseline_epochs : int
        Epochs of networks of the same sizes, and without hidden units, that learn with backprop
        when the run is finished (`microcircuit.protocols.baselines`); none if zero.
    """

    name: ClassVar[str] = "mnist"

    epochs: PositiveInt = 20
    decay: Annotated[float, Field(gt=0, le=1)] = 0.95
    settling_images: NonNegativeInt = 0
    rate_right: Rate = 0.8
    rate_wrong: Rate = 0.1
    tests_per_epoch: PositiveInt = 1
    comparisons: PositiveInt = 5
    probe_images: PositiveInt = 100
    baseline_epochs: NonNegativeInt = 20

    def __post_init__(self) -> None:
        """Refuse targets that tell no class from another."""
        if not self.rate_wrong < self.rate_right:
            raise ValueError(
                f"rate_right = {self.rate_right}: must be above rate_wrong = {self.rate_wrong}"
            )

    def experiment(self, model: SacramentoMnist, data: Data, seed: int) -> Experiment:
        """Return the experiment.

        Raises
        ------
        CircuitError
            There are fewer images than a minibatch holds, or than are to be compared.
        DataError
            The images can't be had.
        """
        images = Split.of(data.load())
        count, pixels = images.training.pixels.shape
        batches = count // model.batch
        for name, asked in (
            ("model.batch", model.batch),
            ("protocol.probe_images", self.probe_images),
        ):
            if asked > count:
                raise CircuitError(f"{name} = {asked}: there are {count} training images")
        schedule = minibatches(
            model,
            images.training.pixels,
            self.potentials(images.training.labels),
            presentations=self.epochs * batches,
            order=shuffled(seed, count, batches * model.batch),
            paces=self._paces(model, batches),
        )
        measures = Measures(
            model=model,
            images=images,
            compared=images.training[: self.probe_images],
            targets=self.potentials(np.arange(CLASSES)),
            batches=batches,
            baseline_epochs=self.baseline_epochs,
            seed=seed,
        )
        return Experiment(
            circuit=FORMS[model.dynamics].circuit(model, draw_weights(model, pixels, seed)),
            schedule=schedule,
            records=_records(model),
            live="output.error_squared",
            snapshots=evenly(schedule.presentations, self.comparisons),
            probes=self._probes(model, images, schedule.presentations),
            metrics=measures.of,
        )

    def potentials(self, labels: np.ndarray) -> np.ndarray:
        """Return the teacher's potentials u_trgt for labels, [image, class]."""
        right = labels[:, None] == np.arange(CLASSES)
        return logit(np.where(right, self.rate_right, self.rate_wrong))

    def _paces(self, model: SacramentoMnist, batches: int) -> Paces:
        def paces(numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            left = self.decay ** (numbers // batches)
            return left * (numbers * model.batch >= self.settling_images), left

        return paces

    def _probes(self, model: SacramentoMnist, images: Split, total: int) -> tuple[Probe, ...]:
        at = evenly(total, self.epochs * self.tests_per_epoch)
        shown = {
            "test": images.test,
            "validation": images.validation,
            "taught": images.training[: self.probe_images],
        }

        def schedule(some: Shown, *, taught: bool) -> Schedule:
            return minibatches(model, some.pixels, self.potentials(some.labels), taught=taught)

        return tuple(
            Probe(name=name, schedule=schedule(some, taught=name == "taught"), at=at)
            for name, some in shown.items()
        )


def _records(model: SacramentoMnist) -> tuple[Record, ...]:
    """Record the error of the output; of tests its potentials, apical ones and interneurons."""
    form = FORMS[model.dynamics]
    # Spikes never settle: they are averaged over all of the time in which weights learn.
    spiking = model.signal == "spikes"
    last = model.duration - model.settling if spiking else form.dt(model)
    inner = [
        record
        for k in model.hidden_areas
        for record in (
            mean_square("v_apical", f"hidden_{k}", "v_apical_squared", last),
            mean_square(form.interneuron_error, f"interneuron_{k}", "error_squared", last),
        )
    ]
    potential = Mean(name="v_soma", population="output", expression="v_soma", last=last)
    return (
        mean_square(form.output_error, "output", "error_squared", last),
        *(replace(record, probes_only=True) for record in (*inner, potential)),
    )
