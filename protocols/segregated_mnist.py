"""Learning to classify digits with segregated dendrites (Guerguiev et al. 2017).

Images of digits are shown one by one, each in a forward phase and a target phase, at whose end all
weights change. Now and then a copy of the network, whose weights don't change, is tested with
longer forward phases; the class is that whose output neurons have the highest mean potential. As
often, the errors in hidden layers are compared with those that backpropagation would find for the
same images, and the feedback with what theory asks of it.

By default images and runs are small. The paper's networks had 500, or 500 and 100 hidden neurons
and saw all of MNIST 60 times: 3.2 % of its test images were classified wrongly with two hidden
layers.

Durations, and the inverse Gaussian numbers that make phases longer, are those of the authors' code.
There the network's state is set to zero before each test image. Here it is not, for nothing is left
of the image before when averages start. Errors are compared with backprop's on the weights that
made them; there on weights that have changed already in the layers above.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from brian2 import Quantity, ms
from pydantic import PositiveInt

from microcircuit.circuit import CircuitError
from microcircuit.experiment import Experiment, Probe, evenly
from microcircuit.models.guerguiev2017 import Guerguiev2017, build_circuit, draw_weights
from microcircuit.parameters import POSITIVE, In, parameters
from microcircuit.protocols.data import CLASSES, Data, Images
from microcircuit.protocols.measures import angles, backprop_errors
from microcircuit.protocols.segregated import (
    PHASES,
    classification_errors,
    extra_times,
    feedback_eigenvalue,
    forward_phases,
    loss_record,
    phase_pairs,
    plateau_lags,
)
from microcircuit.protocols.stimuli import shuffled
from microcircuit.records import Mean
from microcircuit.results import Metric, Results

MODEL = Guerguiev2017()
"""One hidden layer of 500 neurons, as in most of the paper's figures."""
DATA = Data()
"""Digits of 8 x 8 pixels."""

SHUFFLES, SHUFFLING_SEED = 5, 0
"""How often feedback is shuffled, for comparison."""

Time = Annotated[Quantity, In("ms"), POSITIVE]


@parameters
class SegregatedMnist:
    """Images in random order, with tests in between.

    Parameters
    ----------
    images : int
        Training images that are shown. Their order is drawn anew whenever all have been.
    phase : Quantity
        Shortest duration of a phase.
    random_phases : bool
        Add the whole part of an inverse Gaussian number of ms, of mean 2 and shape 1 and at most
        50, to each phase.
    test_phase : Quantity
        Duration of a test's forward phase.
    settling : Quantity
        The beginning of it that does not count.
    tests : int
        How many there are, beside the one at the start.
    test_images : int or None
        Test images that are shown, the first ones; all of them without a number.
    probe_images : int
        Training images, the first ones, on which errors are compared with backprop's.
    """

    name: ClassVar[str] = "segregated-mnist"

    images: PositiveInt = 60_000
    phase: Time = 50 * ms
    random_phases: bool = True
    test_phase: Time = 250 * ms
    settling: Time = 30 * ms
    tests: PositiveInt = 10
    test_images: PositiveInt | None = None
    probe_images: PositiveInt = 100

    def __post_init__(self) -> None:
        """Refuse tests in which nothing counts."""
        if not self.settling < self.test_phase:
            raise ValueError(
                f"settling = {self.settling} is no shorter than test_phase = {self.test_phase}"
            )

    def experiment(self, model: Guerguiev2017, data: Data, seed: int) -> Experiment:
        """Return the experiment.

        Raises
        ------
        CircuitError
            There are fewer images than are to be shown, or phases too short to average over.
        DataError
            The images can't be had.
        """
        images = data.load()
        tested = self._tested(images)
        order = shuffled(seed, len(images.training))

        def training(start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
            which = order(start, stop)
            return images.training[which], images.training_labels[which]

        positions = tuple(PHASES * image for image in evenly(self.images, self.tests))
        weights = draw_weights(model, images.training.shape[1], CLASSES, seed)
        return Experiment(
            circuit=build_circuit(model, weights),
            schedule=phase_pairs(
                model,
                images=self.images,
                duration=self.phase,
                show=training,
                extra=extra_times() if self.random_phases else None,
                lags=plateau_lags(model, seed, "plateaus"),
            ),
            records=(loss_record(model), *self._probe_records(model)),
            live="output.loss",
            snapshots=positions,
            probes=self._probes(model, images, tested, positions, seed),
            metrics=Measures(model, images.test_labels[:tested]).of,
        )

    def _tested(self, images: Images) -> int:
        """Return how many images are tested."""
        for name, asked, there in (
            ("test_images", self.test_images or 1, len(images.test)),
            ("probe_images", self.probe_images, len(images.training)),
        ):
            if asked > there:
                raise CircuitError(f"protocol.{name} = {asked}: there are {there} such images")
        return self.test_images or len(images.test)

    def _probes(
        self,
        model: Guerguiev2017,
        images: Images,
        tested: int,
        positions: tuple[int, ...],
        seed: int,
    ) -> tuple[Probe, ...]:
        """Return the tests, and the comparison with backprop."""
        test = forward_phases(
            model,
            images=tested,
            duration=self.test_phase,
            show=lambda start, stop: (images.test[start:stop], images.test_labels[start:stop]),
        )
        comparison = phase_pairs(
            model,
            images=self.probe_images,
            duration=self.phase,
            show=lambda start, stop: (
                images.training[start:stop],
                images.training_labels[start:stop],
            ),
            lags=plateau_lags(model, seed, "plateaus of the probe"),
        )
        return (
            Probe(name="test", schedule=test, at=positions, records=("output.v_soma",)),
            Probe(name="backprop", schedule=comparison, at=positions),
        )

    def _probe_records(self, model: Guerguiev2017) -> tuple[Mean, ...]:
        """Record the tests' potentials, and what errors are computed from."""
        hidden = [(f"hidden_{k}", name) for k in model.hidden_layers for name in ("error", "slope")]
        return (
            Mean(
                name="v_soma",
                population="output",
                expression="v_soma",
                last=self.test_phase - self.settling,
                probes_only=True,
            ),
            *(
                Mean(
                    name=name,
                    population=population,
                    expression=name,
                    last=model.dt,
                    probes_only=True,
                )
                for population, name in (*hidden, ("output", "error"), ("output", "v_soma_forward"))
            ),
        )


@dataclass(frozen=True)
class Measures:
    """Metrics of a run.

    Parameters
    ----------
    model : Guerguiev2017
        That was run.
    labels : array [image]
        Of the images that were tested.
    """

    model: Guerguiev2017
    labels: np.ndarray

    def of(self, results: Results) -> Mapping[str, Metric]:
        """Return the metrics of every test, and those of the last one by themselves."""
        v_soma = results.probe("test", "output", "v_soma").data[:, :, 0, 0]
        errors = classification_errors(v_soma, self.labels, self.model.neurons_per_class)
        found = _with_last("test_error", errors, "%", "test images classified wrongly, per test")
        if self.model.hidden:
            about = "mean angle of the errors in hidden layer {} to backprop's, per probe"
            for k, values in self._angles(results).items():
                found |= _with_last(f"angle_{k}", values, "degrees", about.format(k))
            about = "largest eigenvalue of (I - U)^T (I - U), U = J_beta J_gamma{}, per probe"
            ours, shuffled = self._eigenvalues(results)
            found |= _with_last("eigenvalue", ours, "1", about.format(""))
            with_others = about.format(", feedback shuffled among hidden neurons")
            found |= _with_last("eigenvalue_shuffled", shuffled, "1", with_others)
        return found

    def _angles(self, results: Results) -> dict[int, np.ndarray]:
        """Return the mean angle [probe] of each hidden layer."""
        output, hidden = self._seen(results, "output", "error"), self.model.hidden_layers
        errors = {k: self._seen(results, f"hidden_{k}", "error") for k in hidden}
        slopes = {k: self._seen(results, f"hidden_{k}", "slope") for k in hidden}
        weights = {k + 1: results.weights(f"bottom_up_{k + 1}").data[:, 0] for k in hidden}
        found: dict[int, list[float]] = {k: [] for k in hidden}
        for probe in range(len(output)):
            wanted = backprop_errors(
                output[probe],
                {k: values[probe] for k, values in slopes.items()},
                {k: values[probe] for k, values in weights.items()},
            )
            for k in hidden:
                found[k].append(float(angles(errors[k][probe], wanted[k]).mean()))
        return {k: np.array(values) for k, values in found.items()}

    def _eigenvalues(self, results: Results) -> np.ndarray:
        """Return the eigenvalue for the last hidden layer, and with shuffled feedback, [2, probe].

        Each hidden neuron gets the feedback weights of another one: random weights of the same size
        that learning has not been about.
        """
        last = len(self.model.hidden)
        v_output = self._seen(results, "output", "v_soma_forward")
        forward, backward = (
            results.weights(name).data[:, 0] / float(ms)
            for name in (f"bottom_up_{last + 1}", f"top_down_{last}")
        )
        found = []
        for to_output, back, v in zip(forward, backward, v_output, strict=True):
            random = np.random.default_rng(SHUFFLING_SEED)
            shuffled = [random.permutation(back) for _ in range(SHUFFLES)]
            ours, *others = (
                feedback_eigenvalue(self.model, to_output, feedback, v)
                for feedback in (back, *shuffled)
            )
            found.append((ours, np.mean(others)))
        return np.array(found).T

    @staticmethod
    def _seen(results: Results, population: str, name: str) -> np.ndarray:
        """Return a record [probe, image, neuron] at the end of target phases."""
        return results.probe("backprop", population, name).data[:, PHASES - 1 :: PHASES, 0, 0]


def _with_last(name: str, values: np.ndarray, units: str, description: str) -> dict[str, Metric]:
    return {
        name: Metric(values, units, description),
        f"{name}.last": Metric(float(values[-1]), units, f"{description.rpartition(',')[0]}, last"),
    }
