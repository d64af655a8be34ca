"""A class comes to mind as an image (Sacramento et al. 2018, arXiv 1801.00062).

The abstract of the paper claims that a disinhibited network generates images; how is ours.
`microcircuit.models.sacramento2018_generative` has the mechanism and the list of what is assumed,
`microcircuit.protocols.generative` how the circuit learns.

After learning, the output is clamped to the target rates of one class after the other. No image is
shown: basal dendrites of the input area are silent, and in the first sweep those of the hidden area
too, for nothing has come from below yet. In later sweeps the hidden area is driven from below by
the image that has appeared; apical dendrites have the part `mixing_hidden` in its somata, basal
ones the rest. In the input area lambda_0 is 1, so that its rates are what the top-down weights
expect.

With the gate closed, the control, only the error is left at apical dendrites: the class, less what
interneurons expect from below. Where nothing has come from below that is the class as well, but as
soon as an image has appeared the class is expected, and the next one is not of it.

The judge is an independent classifier that says which digit each image shows; so does the network
itself when it sees its own image.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field, PositiveInt

from microcircuit.experiment import Experiment
from microcircuit.models.sacramento2018_generative import CITATION, SacramentoGenerative
from microcircuit.parameters import parameters
from microcircuit.protocols.data import CLASSES, Data, Images
from microcircuit.protocols.generative import Training, Trial, judge, percent_right
from microcircuit.results import Metric, Results

__all__ = ["CITATION", "DATA", "MODEL", "Generation"]

MODEL = SacramentoGenerative()
"""A hidden area of 200 neurons."""
DATA = Data()
"""Digits of 8 x 8 pixels."""

WITHOUT_INPUT = {"input.drive": 0.0, "input.mixing": 1.0}
"""Of the circuit's parameters."""


@parameters
class Generation(Training):
    """Learning, and then no image but a class.

    Parameters
    ----------
    epochs, decay, rate_right, rate_wrong
        See `microcircuit.protocols.generative.Training`.
    sweeps : int
        How often the image is renewed.
    mixing_hidden : float
        Part of the apical dendrites in the hidden area's somata, from the second sweep on.
    test_images : int
        Test images on which network and judge are tested, the first ones; all if there are fewer.
    """

    name: ClassVar[str] = "generation"

    sweeps: PositiveInt = 5
    mixing_hidden: Annotated[float, Field(gt=0, le=1)] = 0.7
    test_images: PositiveInt = 300

    def experiment(self, model: SacramentoGenerative, data: Data, seed: int) -> Experiment:
        """Return the experiment.

        Raises
        ------
        CircuitError
            There are fewer images than a minibatch holds.
        DataError
            The images can't be had.
        """
        images, classes = data.load(), np.arange(CLASSES)
        generated = Trial(
            model=model,
            pixels=np.zeros((CLASSES, images.training.shape[1])),
            potentials=self.potentials(classes),
            gates=(0.0, 1.0),
            sweeps=self.sweeps,
            clamped=1.0,
            mixing_hidden=self.mixing_hidden,
        )
        labels = images.test_labels[: self.test_images]
        shown = replace(
            generated,
            pixels=images.test[: self.test_images],
            potentials=self.potentials(labels),
            gates=(0.0,),
            sweeps=1,
            clamped=0.0,
            mixing_hidden=None,
        )
        measures = Measures(generated=generated, shown=shown, images=images, labels=labels)
        return self.trained(
            model,
            images,
            seed,
            trials={"generated": (generated, WITHOUT_INPUT), "test": (shown, {})},
            metrics=measures.of,
        )


@dataclass(frozen=True, kw_only=True)
class Measures:
    """Metrics of a run.

    Parameters
    ----------
    generated, shown : Trial
        Of clamped classes, and of test images.
    images : Images
        For the judge, and the mean image of each class.
    labels : array [image]
        Of the test images that were shown.
    """

    generated: Trial
    shown: Trial
    images: Images
    labels: np.ndarray

    def of(self, results: Results) -> Mapping[str, Metric]:
        """Return all metrics."""
        judged, classes = judge(self.images).predict, np.arange(CLASSES)
        seen = self.generated.images(results, "generated")[:, 1:]
        own = self.generated.answers(results, "generated")[-1, -1]
        said = judged(seen.reshape(-1, seen.shape[-1])).reshape(seen.shape[:-1])
        right = (said == classes).sum(axis=-1)
        who = "logistic regression"
        return {
            "class.judged": Metric(said[-1, -1], "1", f"what {who} sees in each class's image"),
            "class.own": Metric(own, "1", "what the network sees in its own image of each class"),
            "recognised": Metric(int(right[-1, -1]), "1", f"images that {who} classifies rightly"),
            "recognised.own": Metric(
                int((own == classes).sum()), "1", "images that the network classifies rightly"
            ),
            "recognised.sweeps": Metric(
                right[-1], "1", f"images that {who} classifies rightly, per sweep"
            ),
            "recognised.sweeps.closed": Metric(
                right[0], "1", f"images that {who} classifies rightly, gate closed, per sweep"
            ),
            **self._likeness(seen[:, -1]),
            "accuracy": percent_right(
                self.shown.answers(results, "test")[0, 0],
                self.labels,
                "test images that the network classifies rightly",
            ),
            "accuracy.judge": percent_right(
                judged(self.shown.pixels), self.labels, f"test images that {who} classifies rightly"
            ),
        }

    def _likeness(self, last: np.ndarray) -> dict[str, Metric]:
        """Return how like each class's mean training image the last images [gate, class] are."""
        pixels, labels = self.images.training, self.images.training_labels
        means = np.stack([pixels[labels == label].mean(axis=0) for label in range(CLASSES)])
        about = "correlation of each class's image with the mean training image of the class"
        return {
            "correlation": Metric(correlations(last[-1], means), "1", about),
            "correlation.closed": Metric(
                correlations(last[0], means), "1", f"{about}, gate closed"
            ),
        }


def correlations(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return the correlation along the last axis; zero with a constant."""
    one, other = (
        values - values.mean(axis=-1, keepdims=True) for values in (np.array(one), np.array(other))
    )
    norms = np.linalg.norm(one, axis=-1) * np.linalg.norm(other, axis=-1)
    dots = (one * other).sum(axis=-1)
    return np.divide(dots, norms, out=np.zeros_like(dots), where=norms > 0)
