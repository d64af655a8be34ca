"""Noisy digits are sharpened when interneurons are off (Sacramento et al. 2018, arXiv 1801.00062).

The abstract of the paper claims that a disinhibited network denoises its input; how, and with which
images, is ours. `microcircuit.models.sacramento2018_generative` has the mechanism and the list of
what is assumed, `microcircuit.protocols.generative` how the circuit learns.

After learning, test images with pixels + N(0, noise), clipped to [0, 1], are shown with the gate at
several values, from closed to open. We measure the squared distance of the input area's rates from
the pixels without noise, and how many images are classified rightly by the network itself and by an
independent judge. Two controls put something else at the apical dendrites, with the same weight and
in one sweep: the log odds of the mean training image, and what the network expects for the image of
another digit.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field, PositiveFloat, PositiveInt
from scipy.special import expit, logit

from microcircuit import seeding
from microcircuit.experiment import Experiment
from microcircuit.models.sacramento2018_generative import CITATION, SacramentoGenerative
from microcircuit.parameters import parameters
from microcircuit.protocols.data import Data, Images
from microcircuit.protocols.generative import Training, Trial, judge, percent_right
from microcircuit.results import Metric, Results

__all__ = ["CITATION", "DATA", "MODEL", "Denoising"]

MODEL = SacramentoGenerative()
"""A hidden area of 200 neurons."""
DATA = Data()
"""Digits of 8 x 8 pixels."""

Gate = Annotated[float, Field(ge=0, le=1)]


@parameters
class Denoising(Training):
    """Learning, and then noisy images with the gate closed, and open.

    Parameters
    ----------
    epochs, decay, rate_right, rate_wrong
        See `microcircuit.protocols.generative.Training`.
    noise : float
        Standard deviation of what is added to pixels.
    test_images : int
        Test images that are shown, the first ones; all if there are fewer.
    gates : tuple of float
        Values of the gate, ascending from 0, closed, to 1, open.
    sweeps : int
        How often the pixels are renewed.
    """

    name: ClassVar[str] = "denoising"

    noise: PositiveFloat = 0.3
    test_images: PositiveInt = 300
    gates: tuple[Gate, ...] = (0.0, 0.25, 0.5, 0.75, 1.0)
    sweeps: PositiveInt = 3

    def __post_init__(self) -> None:
        """Check that there is something to compare."""
        Training.__post_init__(self)
        if (self.gates[:1], self.gates[-1:]) != ((0,), (1,)) or list(self.gates) != sorted(
            set(self.gates)
        ):
            raise ValueError(f"gates = {self.gates}: must ascend from 0 to 1")

    def experiment(self, model: SacramentoGenerative, data: Data, seed: int) -> Experiment:
        """Return the experiment.

        Raises
        ------
        CircuitError
            There are fewer images than a minibatch holds.
        DataError
            The images can't be had.
        """
        images = data.load()
        clean = images.test[: self.test_images]
        labels = images.test_labels[: self.test_images]
        noisy = Trial(
            model=model,
            pixels=with_noise(clean, self.noise, seed),
            potentials=self.potentials(labels),
            gates=self.gates,
            sweeps=self.sweeps,
        )
        shown = replace(noisy, pixels=clean, gates=(0.0, 1.0))
        measures = Measures(noisy=noisy, clean=shown, images=images, labels=labels)
        return self.trained(
            model,
            images,
            seed,
            trials={"noisy": (noisy, {}), "clean": (shown, {})},
            metrics=measures.of,
        )


def with_noise(pixels: np.ndarray, noise: float, seed: int) -> np.ndarray:
    """Return pixels with Gaussian noise, clipped to [0, 1]."""
    random = seeding.generator(seed, "stimuli", "noise")
    return np.clip(pixels + random.normal(0, noise, pixels.shape), 0, 1)


def squared_error(images: np.ndarray, clean: np.ndarray) -> np.ndarray:
    """Return the mean square over images and pixels, the last two axes, of their distance."""
    return np.mean((images - clean) ** 2, axis=(-2, -1))


@dataclass(frozen=True, kw_only=True)
class Measures:
    """Metrics of a run.

    Parameters
    ----------
    noisy, clean : Trial
        Of the same images with noise and without.
    images : Images
        For the judge, and the mean image.
    labels : array [image]
        Of those that were tested.
    """

    noisy: Trial
    clean: Trial
    images: Images
    labels: np.ndarray

    def of(self, results: Results) -> Mapping[str, Metric]:
        """Return all metrics."""
        seen = self.noisy.images(results, "noisy")
        errors = squared_error(seen, self.clean.pixels)
        closed, opened = errors[[0, -1], -1]
        where = "squared distance from the pixels without noise, mean over pixels and images"
        return {
            "gate": Metric(np.array(self.noisy.gates), "1", "0 closed, 1 open"),
            "squared_error": Metric(errors[:, -1], "1", f"{where}, per value of the gate"),
            "squared_error.sweeps": Metric(errors[-1, 1:], "1", f"{where}, gate open, per sweep"),
            "squared_error.noisy": Metric(
                float(errors[0, 0]), "1", f"{where}, of the noisy images themselves"
            ),
            "squared_error.closed": Metric(float(closed), "1", f"{where}, gate closed"),
            "squared_error.open": Metric(float(opened), "1", f"{where}, gate open"),
            "reduction": Metric(
                float(100 * (1 - opened / closed)),
                "%",
                "by which the squared error is smaller with the gate open than with it closed",
            ),
            **self._controls(seen, where),
            **self._clean(results, where),
            **self._classes(results, seen),
        }

    def _controls(self, seen: np.ndarray, where: str) -> dict[str, Metric]:
        """Return errors with something else at the apical dendrites, in one sweep."""
        model, trained = self.noisy.model, self.images
        margin = model.margin
        v_basal, mean = (
            logit(np.clip(pixels, margin, 1 - margin))
            for pixels in (self.noisy.pixels, trained.training.mean(axis=0))
        )
        expected = logit(seen[-1, 1]) - v_basal
        others = expected[_of_another_digit(self.labels)]
        return {
            f"squared_error.{name}": Metric(
                float(squared_error(expit(v_basal + added), self.clean.pixels)),
                "1",
                f"{where}, one sweep with {what} at the apical dendrites",
            )
            for name, added, what in (
                ("mean_image", model.mixing_input * mean, "the mean training image"),
                ("other_digit", others, "what is expected for another digit"),
            )
        }

    def _clean(self, results: Results, where: str) -> dict[str, Metric]:
        """Return what the gate does to images without noise."""
        errors = squared_error(self.clean.images(results, "clean"), self.clean.pixels)[:, -1]
        return {
            f"squared_error.clean.{name}": Metric(
                float(error), "1", f"{where}, these shown, gate {name}"
            )
            for name, error in zip(("closed", "open"), errors, strict=True)
        }

    def _classes(self, results: Results, seen: np.ndarray) -> dict[str, Metric]:
        """Return how many images are classified rightly, by the network and by the judge."""
        answers = self.noisy.answers(results, "noisy")[:, -1]
        known = self.clean.answers(results, "clean")[0, 0]
        judged, size = judge(self.images).predict, seen.shape[-1]
        found = {}
        for name, own, pixels in (
            ("clean", known, self.clean.pixels),
            ("closed", answers[0], seen[0, -1]),
            ("open", answers[-1], seen[-1, -1]),
        ):
            what = "images without noise" if name == "clean" else f"noisy images, gate {name},"
            found[f"accuracy.{name}"] = percent_right(
                own, self.labels, f"{what} that the network classifies rightly"
            )
            found[f"judged.{name}"] = percent_right(
                judged(pixels.reshape(-1, size)),
                self.labels,
                f"{what} that logistic regression classifies rightly",
            )
        return found


def _of_another_digit(labels: np.ndarray) -> np.ndarray:
    """Return for each image the next one, in a circle, of another digit; itself without one."""
    count = len(labels)
    numbers = np.arange(count)
    found = numbers.copy()
    for step in reversed(range(1, count)):
        other = (numbers + step) % count
        found = np.where(labels[other] != labels, other, found)
    return found
