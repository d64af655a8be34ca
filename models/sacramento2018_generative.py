"""A microcircuit that denoises and generates digits: Sacramento et al. (2018), disinhibited.

J. Sacramento, R. Ponte Costa, Y. Bengio, W. Senn (2018), "Dendritic error backpropagation in deep
cortical microcircuits"; https://doi.org/10.48550/arXiv.1801.00062

What the paper's abstract says, and all that we know of it: the learnt top-down weights are a
generative model, and a disinhibitory mechanism that lets them through makes the network denoise
its input and generate images. There are neither equations nor code. So what follows is ours.

Areas 0, 1, 2 are the input, a hidden area and the output. The last two, with their interneurons,
are those of `microcircuit.models.sacramento2018_two_step`. The input area is like the hidden one:
its somata have basal and apical dendrites, and there is an interneuron for each hidden neuron. One
presentation is one time step, with a gate d that is zero while the circuit learns::

    1. up      v_B,0 = logit(pixel)      u_0 = c_0 v_B,0 + m lambda_0 v_A,0'      r_0 = phi(u_0)
               v_B,1 = W^PP_1,0 r_0 + b_1, and so on, interneurons at their own predictions
    2. down    u_2   = (1 - lambda_2) v_B,2 + lambda_2 u_trgt
               u^I_k = (1 - lambda_I) v^I_k + lambda_I u_k+1              k = 1, 0
               v_A,k = W^PP_k,k+1 phi(u_k+1) + (1 - d) W^PI_k,k phi(u^I_k)
               u_k   = c_k v_B,k + lambda_k v_A,k
    3. learn   (7) to (10) in area 1; in area 0 as there, but for (7), and
               W^PP_0,1 += eta <(r_0 - phi(W^PP_0,1 phi(u_1))) phi(u_1)^T>                     (10)

==================  ==============================  =========================================
symbol              here                            meaning
==================  ==============================  =========================================
d                   disinhibition                   0: interneurons cancel; 1: they are off
lambda_0            mixing of ``input``             what apical dendrites do to the pixels
c                   drive                           1; 0 where no input comes
v_A,0'              v_apical_before                 of the last sweep
m                   memory                          1 if that showed the same image, else 0
==================  ==============================  =========================================

So a closed gate leaves pixels as they are, once (9) has made interneurons cancel the top-down
input, and an open one adds to each pixel's log odds what the areas above expect there. More sweeps
can follow, each with the pixels that the last one left.

Assumptions
-----------
- The gate scales the input from interneurons to the apical dendrites away, as vasoactive
  intestinal peptide (VIP) neurons would that silence them, in all areas alike.
- lambda_0 = 0.7: the expected log odds count nearly as much as those of the image. With 0.1, as in
  the hidden area, an open gate does little. Nothing learns from u_0, so it may be large.
- Pixels are log odds at basal dendrites, and kept off 0 and 1 by a margin.
- Without input v_B,0 is zero, the resting potential, and not that of a black image.
- (10) in area 0 learns from r_0, the image itself: with u_0 the network would in part learn to
  expect what it has expected.
- Weights to and from area 0's interneurons learn by (8) and (9) as in the hidden area. W^PP_0,1 and
  W^PI_0,0 start at zero; all else starts self-predicting.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field, PositiveFloat, PositiveInt

from microcircuit.circuit import Circuit, LearningRule, Population, Projection
from microcircuit.models.sacramento2018 import DIVERGED
from microcircuit.models.sacramento2018_mnist import SacramentoMnist
from microcircuit.models.sacramento2018_mnist import draw_weights as draw_classifier
from microcircuit.models.sacramento2018_two_step import (
    DENDRITIC_ERROR,
    PYRAMIDAL,
    RATES,
    UNTAUGHT,
    two_step_circuit,
)
from microcircuit.parameters import parameters

CITATION = """@article{sacramento2018dendriticerror,
  title   = {Dendritic error backpropagation in deep cortical microcircuits},
  author  = {Sacramento, Jo{\\~a}o and Ponte Costa, Rui and Bengio, Yoshua and Senn, Walter},
  journal = {arXiv preprint arXiv:1801.00062},
  year    = {2018},
  doi     = {10.48550/arXiv.1801.00062}
}"""

GATES = "input.disinhibition", "hidden_1.disinhibition"
"""d, which the schedule sets."""

Factor = Annotated[float, Field(gt=0, lt=1)]
Pair = tuple[PositiveFloat, PositiveFloat]

GATED = PYRAMIDAL.replace("+ v_interneuron", "+ (1 - disinhibition)*v_interneuron")
"""Pyramidal neurons of the hidden area, whose inhibition is scaled away."""

INPUT_AREA = """
v_apical = v_top_down + (1 - disinhibition)*v_interneuron : 1
rate_top_down = 1/(1 + exp(-v_top_down))                  : 1
shown   = clip(pattern, margin, 1 - margin)               : 1
v_basal = log(shown/(1 - shown))                          : 1
pattern         : 1
v_soma          : 1
v_top_down      : 1
v_interneuron   : 1
rate            : 1
rate_forward    : 1
v_apical_forward : 1
v_apical_before : 1
"""

INPUT_UP = f"""v_soma = drive*v_basal + memory*mixing*v_apical_before
{RATES}
rate_forward = rate"""
DOWN = f"v_soma = drive*v_basal + mixing*v_apical\n{RATES}"
INPUT_DOWN = f"{DOWN}\nv_apical_before = v_apical"
EXPECTATION_ERROR = "pace*(rate_forward - rate_top_down)"
"""Of (10) in the input area."""

INPUT_APICAL = "top_down_0", "interneuron_to_pyramidal_0"
FIRST_UP = (
    *("pyramidal_to_interneuron_0", "bias_to_interneuron_0", "interneuron_0.up"),
    *(*INPUT_APICAL, "input.untaught"),
)
LAST_DOWN = "interneuron_0.down", *INPUT_APICAL, "input.down"


@parameters
class SacramentoGenerative:
    """Parameters of the circuit; rates are changes per minibatch.

    Parameters
    ----------
    hidden : int
        Neurons of the hidden area.
    batch : int
        Images in a minibatch.
    mixing_input, mixing_hidden, mixing_output, mixing_interneuron : float
        lambda_0, lambda_1, lambda_2 and lambda_I: how far somata are nudged.
    eta_bottom_up : (float, float)
        Of (7), of areas 1 and 2; of (8) they are these over lambda_I.
    eta_from_interneuron, eta_top_down : (float, float)
        Of (9) and (10), of areas 0 and 1. Near 2/|r^I|^2, for area 0 with 200 neurons 0.02 to 0.04,
        (9) no longer settles, and an image is changed behind a closed gate.
    forward_scale : (float, float)
        Standard deviation of the bottom-up weights of areas 1 and 2 times the root of their number.
    top_down_scale : float
        Weights from the output to the hidden area are uniform in plus or minus this.
    margin : float
        Pixels are between this and one less this.
    """

    absent: ClassVar[Mapping[str, str]] = {
        "signal": "the two-step form has no time in which to spike: its neurons have rates"
    }

    hidden: PositiveInt = 200
    batch: PositiveInt = 10
    mixing_input: Annotated[float, Field(gt=0, le=1)] = 0.7
    mixing_hidden: Factor = 0.1
    mixing_output: Factor = 0.3
    mixing_interneuron: Factor = 0.1
    eta_bottom_up: Pair = (3.0, 0.1)
    eta_from_interneuron: Pair = (0.01, 1.0)
    eta_top_down: Pair = (0.05, 0.05)
    forward_scale: Pair = (1.0, 0.1)
    top_down_scale: PositiveFloat = 3.0
    margin: Annotated[float, Field(gt=0, lt=0.5)] = 0.02

    @property
    def classifier(self) -> SacramentoMnist:
        """The circuit without the input area's apical dendrites and interneurons."""
        return SacramentoMnist(
            hidden=(self.hidden,),
            batch=self.batch,
            mixing_hidden=self.mixing_hidden,
            mixing_output=self.mixing_output,
            mixing_interneuron=self.mixing_interneuron,
            eta_bottom_up=self.eta_bottom_up,
            eta_from_interneuron=self.eta_from_interneuron[1],
            eta_top_down=self.eta_top_down[1],
            forward_scale=self.forward_scale,
            top_down_scale=(self.top_down_scale,),
        )


def draw_weights(model: SacramentoGenerative, inputs: int, seed: int) -> dict[str, np.ndarray]:
    """Draw the starting weights of all projections, [post, pre].

    Parameters
    ----------
    model : SacramentoGenerative
        Sizes and scales.
    inputs : int
        Pixels.
    seed : int
        The run's seed.
    """
    weights = draw_classifier(model.classifier, inputs, seed)
    silent = np.zeros((inputs, model.hidden))
    return weights | {
        "pyramidal_to_interneuron_0": weights["bottom_up_1"],
        "bias_to_interneuron_0": weights["bias_1"],
        "top_down_0": silent,
        "interneuron_to_pyramidal_0": silent,
    }


def generative_circuit(model: SacramentoGenerative, weights: Mapping[str, np.ndarray]) -> Circuit:
    """Build the circuit.

    Parameters
    ----------
    model : SacramentoGenerative
        Parameters.
    weights : mapping of str to array [post, pre]
        Of every projection, as `draw_weights` gives them.

    Returns
    -------
    Circuit
        Populations ``input``, ``interneuron_0``, ``hidden_1``, ``interneuron_1``, ``output`` and
        ``bias``, for presentations of one step. The schedule sets ``input.pattern``,
        ``output.v_target``, and what else it likes.
    """
    base = two_step_circuit(model.classifier, weights)
    interneuron = replace(
        base.population("interneuron_1"),
        name="interneuron_0",
        size=model.hidden,
        links={"v_nudge": ("hidden_1", "v_soma")},
    )
    replaced = {
        "input": _input(model, weights["top_down_0"].shape[0]),
        "hidden_1": _gated(base.population("hidden_1")),
    }
    taught = base.sweeps.index("output.down")
    return replace(
        base,
        populations=(*(replaced.get(p.name, p) for p in base.populations), interneuron),
        projections=(
            *map(_from_image, base.projections),
            *_input_projections(model, base, weights),
        ),
        sweeps=(
            *("input.up", *base.sweeps[:taught]),
            *FIRST_UP,
            *base.sweeps[taught:],
            *LAST_DOWN,
        ),
    )


def _input(model: SacramentoGenerative, size: int) -> Population:
    return Population(
        name="input",
        size=size,
        equations=INPUT_AREA,
        parameters={
            "mixing": model.mixing_input,
            "margin": model.margin,
            "disinhibition": 0.0,
            "drive": 1.0,
            "memory": 0.0,
            "pace": 1.0,
        },
        limits={"v_soma": (-DIVERGED, DIVERGED)},
        updates={"up": INPUT_UP, "untaught": UNTAUGHT, "down": INPUT_DOWN},
    )


def _gated(hidden: Population) -> Population:
    return replace(
        hidden,
        equations=GATED,
        parameters={**hidden.parameters, "disinhibition": 0.0, "drive": 1.0},
        updates={**hidden.updates, "down": DOWN},
    )


def _from_image(projection: Projection) -> Projection:
    """Let what comes from the input area carry, and learn from, the rates before feedback."""
    if projection.pre != "input":
        return projection
    assert projection.rule is not None
    rule = replace(projection.rule, pre_factor="rate_forward")
    return replace(projection, signal="rate_forward", rule=rule)


def _input_projections(
    model: SacramentoGenerative, base: Circuit, weights: Mapping[str, np.ndarray]
) -> list[Projection]:
    """Return area 0's projections: like those of area 1, between other populations."""
    ends = {
        "pyramidal_to_interneuron": ("input", "interneuron_0"),
        "bias_to_interneuron": ("bias", "interneuron_0"),
        "interneuron_to_pyramidal": ("interneuron_0", "input"),
        "top_down": ("hidden_1", "input"),
    }
    errors = {
        "interneuron_to_pyramidal": ("-v_apical_forward", model.eta_from_interneuron[0]),
        "top_down": (EXPECTATION_ERROR, model.eta_top_down[0]),
    }
    tracking = DENDRITIC_ERROR, model.classifier.eta(1) / model.mixing_interneuron
    made = []
    for kind, (pre, post) in ends.items():
        like, name = base.projection(f"{kind}_1"), f"{kind}_0"
        assert like.rule is not None
        error, eta = errors.get(kind, tracking)
        rule: LearningRule = replace(like.rule, post_factor=error, learning_rate=eta)
        made.append(replace(like, name=name, pre=pre, post=post, weights=weights[name], rule=rule))
    return made
