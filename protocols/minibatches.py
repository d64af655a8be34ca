"""Images in minibatches for the classifier of Sacramento et al. (2018), in either of its forms."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from brian2 import Quantity

from microcircuit.checks import steps
from microcircuit.circuit import Circuit
from microcircuit.models import sacramento2018_full as full
from microcircuit.models import sacramento2018_two_step as two_step
from microcircuit.models.sacramento2018_mnist import SacramentoMnist
from microcircuit.protocols.data import Images
from microcircuit.protocols.stimuli import Stream
from microcircuit.schedule import Presentations, Schedule

VALIDATION = 12
"""One training image in so many is for validation."""

type Paces = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""From numbers of presentations to the parts of the learning rates that are left: of hidden areas,
and of output and interneurons."""


@dataclass(frozen=True, kw_only=True)
class Form:
    """What a protocol must know of a form of the circuit.

    Parameters
    ----------
    circuit : callable
        From the model and its starting weights.
    teacher : str
        The input that is zero without a teacher.
    strength : callable
        From the model to the value of that input with a teacher.
    steps : callable
        From the model to the time steps of a presentation.
    dt : callable
        From the model to the duration of a step.
    interneuron_error, output_error : str
        How far the prediction of an interneuron's dendrite is from the soma that it predicts, and
        the rate that the output's dendrites predict from the target.
    """

    circuit: Callable[[SacramentoMnist, Mapping[str, np.ndarray]], Circuit]
    teacher: str
    strength: Callable[[SacramentoMnist], float]
    steps: Callable[[SacramentoMnist], int]
    dt: Callable[[SacramentoMnist], Quantity]
    interneuron_error: str
    output_error: str


FORMS: dict[str, Form] = {
    "two-step": Form(
        circuit=two_step.two_step_circuit,
        teacher=two_step.TEACHER,
        strength=lambda model: model.mixing_output,
        steps=lambda model: 1,
        dt=lambda model: two_step.STEP,
        interneuron_error="v_nudge - v_dendrite",
        output_error="rate_target - rate_forward",
    ),
    "full": Form(
        circuit=full.full_circuit,
        teacher=full.TEACHER,
        strength=full.teacher_conductance,
        steps=lambda model: steps(model.duration, model.dt),
        dt=lambda model: model.dt,
        interneuron_error="v_nudge - v_predicted",
        output_error="rate_target - rate_predicted",
    ),
}
"""By the model's ``dynamics``."""


@dataclass(frozen=True, kw_only=True)
class Shown:
    """Images and what they are.

    Parameters
    ----------
    pixels : array [image, pixel]
        From 0 to 1.
    labels : array [image]
        The digits.
    """

    pixels: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.labels)

    def __getitem__(self, chosen: slice) -> "Shown":
        """Return some of them."""
        return Shown(pixels=self.pixels[chosen], labels=self.labels[chosen])


@dataclass(frozen=True, kw_only=True)
class Split:
    """Images for three purposes; no image is in two of them."""

    training: Shown
    validation: Shown
    test: Shown

    @classmethod
    def of(cls, images: Images) -> Self:
        """Take the last of the training images for validation."""
        known = Shown(pixels=images.training, labels=images.training_labels)
        kept = len(known) - len(known) // VALIDATION
        return cls(
            training=known[:kept],
            validation=known[kept:],
            test=Shown(pixels=images.test, labels=images.test_labels),
        )


def minibatches(
    model: SacramentoMnist,
    pixels: np.ndarray,
    potentials: np.ndarray,
    *,
    presentations: int | None = None,
    order: Stream | None = None,
    paces: Paces | None = None,
    taught: bool = True,
) -> Schedule:
    """Return a schedule of minibatches.

    Parameters
    ----------
    model : SacramentoMnist
        For the size of a minibatch, and the form of the circuit.
    pixels, potentials : array [image, pixel], [image, class]
        Images, and the teacher's potentials for them.
    presentations : int, optional
        How many minibatches. Without it as many as it takes to show all images once, the first ones
        again at the end where they fill no minibatch.
    order : callable, optional
        Numbers of the images; one after the other without it.
    paces : callable, optional
        Of learning; one without it.
    taught : bool, optional
        Whether the teacher is there.
    """
    form, size, count = FORMS[model.dynamics], model.batch, len(pixels)
    strength = form.strength(model) if taught else 0.0
    hidden = [f"hidden_{k}.pace" for k in model.hidden_areas]
    others = ["output.pace", *(f"interneuron_{k}.pace" for k in model.hidden_areas)]
    each = form.steps(model)

    def draw(start: int, stop: int) -> Presentations:
        numbers, ones = np.arange(start, stop), np.ones(stop - start)
        which = order or (lambda first, last: np.arange(first, last) % count)
        drawn = which(start * size, stop * size)
        pace = paces(numbers) if paces else (ones, ones)
        shape = stop - start, 1, size, -1
        return Presentations(
            steps=np.full(stop - start, each),
            inputs={
                "input.pattern": pixels[drawn].reshape(shape),
                "output.v_target": potentials[drawn].reshape(shape),
                form.teacher: strength * ones,
                **dict.fromkeys(hidden, pace[0]),
                **dict.fromkeys(others, pace[1]),
            },
            learning=np.ones(stop - start, dtype=bool),
        )

    return Schedule(
        presentations=presentations or -(-count // size),
        longest=each,
        inputs=("input.pattern", "output.v_target", form.teacher, *hidden, *others),
        draw=draw,
    )
