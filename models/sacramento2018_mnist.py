"""The digit classifier of Sacramento et al. (2018): what its two forms share.

Parameters and starting weights of `microcircuit.models.sacramento2018_two_step`, in which the paper
ran MNIST and where the recipe is explained, and of `microcircuit.models.sacramento2018_full`, the
same classifier with the dynamics of equations (1)-(10).
"""

from typing import Annotated, Literal

import numpy as np
from brian2 import Hz, Quantity, ms
from pydantic import BeforeValidator, Field, NonNegativeFloat, PositiveFloat, PositiveInt

from microcircuit import seeding
from microcircuit.models.sacramento2018 import CITATION
from microcircuit.parameters import NON_NEGATIVE, POSITIVE, In, parameters

__all__ = ["CITATION", "SacramentoMnist", "draw_weights", "of_area"]


CLASSES = 10
"""Neurons of the output, one a digit."""
HIDDEN_PROJECTIONS = "top_down", "pyramidal_to_interneuron", "interneuron_to_pyramidal"
"""Beside bottom-up ones and biases."""


def _many(value: object) -> object:
    return value if isinstance(value, tuple | list) else (value,)


Factor = Annotated[float, Field(gt=0, lt=1)]
Rates = Annotated[tuple[NonNegativeFloat, ...], BeforeValidator(_many)]
Scales = Annotated[tuple[PositiveFloat, ...], BeforeValidator(_many)]
Time = Annotated[Quantity, In("ms"), POSITIVE]
Conductance = Annotated[Quantity, In("/ms"), POSITIVE]


@parameters
class SacramentoMnist:
    """Parameters of the classifier, in either form.

    The defaults are our recipe for 784-500-500-10. Rates are those of the two-step form, changes
    per minibatch; the full form has its conductances and its rates per ms from the same numbers
    (`microcircuit.models.sacramento2018_full`).

    Parameters
    ----------
    dynamics : "two-step" or "full"
        Two sweeps a presentation, or equations (1)-(10).
    signal : "rates" or "spikes"
        What neurons tell each other, see `microcircuit.models.sacramento2018`; spikes need the full
        form.
    hidden : tuple of int
        Neurons of each hidden area.
    batch : int
        Images in a minibatch.
    mixing_hidden, mixing_output, mixing_interneuron : float
        lambda, lambda_N and lambda_I: how far somata are nudged.
    eta_bottom_up : tuple of float
        eta_k of all areas but the input, or one for all.
    tracking : float
        eta^IP_k lambda_I / eta_k+1; at 1 interneurons track exactly.
    eta_from_interneuron, eta_top_down : float
        Of (9) and (10), for all hidden areas; at zero these weights are fixed.
    frozen_hidden : bool
        The weights between hidden areas stay as they are.
    forward_scale : tuple of float
        Standard deviation of the bottom-up weights of each area times the root of their number, or
        one for all.
    centred : bool
        The bottom-up weights of each neuron have the mean zero at the start, in all areas but the
        first: inputs to these are rates, and all positive.
    top_down_scale : tuple of float
        Top-down weights of each hidden area are uniform in plus or minus this.
    start : "self-predicting" or "random"
        W^IP_k,k = W^PP_k+1,k and W^PI_k,k = -W^PP_k,k+1, or both drawn by themselves.
    to_interneuron_scale, from_interneuron_scale : float
        Of a random start, as `forward_scale` and `top_down_scale`.
    duration, settling : Quantity
        Of the full form: of a presentation, and of its beginning in which nothing is learnt.
    dt : Quantity
        Of the full form: Euler step.
    tau_weights : Quantity or None
        Of the full form: low-pass filter of the plasticity.
    g_leak, g_dendritic : Quantity
        Of the full form: leak, and g_B = g_D; the others follow from the mixing factors.
    rate_scale : Quantity
        Of the full form with spikes: psi.
    """

    dynamics: Literal["two-step", "full"] = "two-step"
    signal: Literal["rates", "spikes"] = "rates"
    hidden: tuple[PositiveInt, ...] = (500, 500)
    batch: PositiveInt = 10
    mixing_hidden: Factor = 0.1
    mixing_output: Factor = 0.2
    mixing_interneuron: Factor = 0.1
    eta_bottom_up: Rates = (1.0, 0.03, 0.03)
    tracking: NonNegativeFloat = 1.0
    eta_from_interneuron: NonNegativeFloat = 0.0
    eta_top_down: NonNegativeFloat = 0.0
    frozen_hidden: bool = False
    forward_scale: Scales = (1.0, 1.0, 0.1)
    centred: bool = False
    top_down_scale: Scales = (2.0, 100.0)
    start: Literal["self-predicting", "random"] = "self-predicting"
    to_interneuron_scale: PositiveFloat = 0.1
    from_interneuron_scale: PositiveFloat = 3.0
    duration: Time = 30 * ms
    settling: Annotated[Quantity, In("ms"), NON_NEGATIVE] = 20 * ms
    dt: Time = 0.1 * ms
    tau_weights: Time | None = 30 * ms
    g_leak: Conductance = 0.1 / ms
    g_dendritic: Conductance = 1 / ms
    rate_scale: Annotated[Quantity, In("Hz"), POSITIVE] = 1000 * Hz

    def __post_init__(self) -> None:
        """Check how many numbers there are, and what they are for."""
        hidden = len(self.hidden)
        if not hidden:
            raise ValueError("hidden = (): needs a hidden area at least")
        for name, count in (
            ("eta_bottom_up", hidden + 1),
            ("forward_scale", hidden + 1),
            ("top_down_scale", hidden),
        ):
            given = len(getattr(self, name))
            if given not in (1, count):
                raise ValueError(f"{name}: give one number for all areas or {count}; got {given}")
        if self.signal == "spikes" and self.dynamics == "two-step":
            raise ValueError(
                "signal = 'spikes': the two-step form has no time in which to spike: set "
                "dynamics = 'full' as well"
            )
        if self.frozen_hidden and hidden < 2:
            raise ValueError("frozen_hidden: a single hidden area has no weights to another one")
        if not self.settling < self.duration:
            raise ValueError(
                f"settling = {self.settling} is no shorter than duration = {self.duration}"
            )

    @property
    def areas(self) -> range:
        """Numbers of all areas but the input, 1..N."""
        return range(1, len(self.hidden) + 2)

    @property
    def hidden_areas(self) -> range:
        """Numbers of the hidden areas, 1..N-1."""
        return self.areas[:-1]

    @property
    def pyramidal(self) -> tuple[str, ...]:
        """Names of the pyramidal populations of areas 0..N."""
        return "input", *(f"hidden_{k}" for k in self.hidden_areas), "output"

    def eta(self, area: int) -> float:
        """Return eta_k, of bottom-up weights."""
        frozen = self.frozen_hidden and area in self.hidden_areas[1:]
        return 0.0 if frozen else of_area(self.eta_bottom_up, area)

    def eta_to_interneuron(self, area: int) -> float:
        """Return eta^IP_k, from that of the neurons that the interneurons stand for."""
        return self.tracking * self.eta(area + 1) / self.mixing_interneuron


def of_area(values: tuple[float, ...], area: int) -> float:
    """Return the value of an area, counted from 1, where a single one is for all."""
    return values[0] if len(values) == 1 else values[area - 1]


def draw_weights(model: SacramentoMnist, inputs: int, seed: int) -> dict[str, np.ndarray]:
    """Draw the starting weights of all projections, [post, pre]; biases are zero.

    Each projection has a stream of its own, so that one start does not shift another.

    Parameters
    ----------
    model : SacramentoMnist
        Sizes, scales and start.
    inputs : int
        Pixels.
    seed : int
        The run's seed.
    """
    sizes = (inputs, *model.hidden, CLASSES)

    def uniform(name: str, post: int, pre: int, scale: float) -> np.ndarray:
        return scale * seeding.generator(seed, "weights", name).uniform(-1, 1, (post, pre))

    def normalised(name: str, post: int, pre: int, scale: float) -> np.ndarray:
        return uniform(name, post, pre, scale * np.sqrt(3 / pre))

    weights = {}
    for k in model.areas:
        name, scale = f"bottom_up_{k}", of_area(model.forward_scale, k)
        weights[name] = normalised(name, sizes[k], sizes[k - 1], scale)
        if model.centred and k > 1:
            weights[name] -= weights[name].mean(axis=1, keepdims=True)
        weights[f"bias_{k}"] = np.zeros((sizes[k], 1))
    for k in model.hidden_areas:
        below, above = sizes[k], sizes[k + 1]
        down, up, back = (f"{name}_{k}" for name in HIDDEN_PROJECTIONS)
        weights[down] = uniform(down, below, above, of_area(model.top_down_scale, k))
        if model.start == "self-predicting":
            weights[up] = weights[f"bottom_up_{k + 1}"]
            weights[back] = -weights[down]
        else:
            weights[up] = normalised(up, above, below, model.to_interneuron_scale)
            weights[back] = uniform(back, below, above, model.from_interneuron_scale)
        weights[f"bias_to_interneuron_{k}"] = np.zeros((above, 1))
    return weights
