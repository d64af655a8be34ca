"""Dendritic error backpropagation in a cortical microcircuit.

J. Sacramento, R. Ponte Costa, Y. Bengio, W. Senn (2018), "Dendritic cortical microcircuits
approximate the backpropagation algorithm", Advances in Neural Information Processing Systems 31;
https://doi.org/10.48550/arXiv.1810.11393

Areas k = 0..N: an input area, hidden areas and an output area. A pyramidal neuron has a soma, a
basal and an apical compartment. In each hidden area there is one interneuron for each pyramidal
neuron of the next area; it learns to predict that neuron, and to cancel its top-down input. What
is not cancelled at the apical dendrite is the error that steers basal plasticity.

Equations (C_m = 1, v_rest = 0; potentials have no unit, time is in ms)::

    pyramidal soma    du_k/dt = -g_lk u_k + g_B (v_B,k - u_k) + g_A (v_A,k - u_k) + sigma xi    (1)
    interneuron soma  du^I_k/dt = -g_lk u^I_k + g_D (v^I_k - u^I_k) + i^I_k + sigma xi          (2)
    basal             v_B,k = W^PP_k,k-1 phi(u_k-1)                                             (3)
    apical            v_A,k = W^PP_k,k+1 phi(u_k+1) + W^PI_k,k phi(u^I_k)                       (4)
    interneuron       v^I_k = W^IP_k,k phi(u_k)                                                 (5)
    output soma       as (1), with i_N = g_som (u_trgt - u_N) in place of the apical current    (6)
    nudging           i^I_k = g_som (u_k+1 - u^I_k)
    bottom-up         dW^PP_k,k-1/dt = eta (phi(u_k) - phi(vhat_B,k)) r_k-1^T                   (7)
    to interneuron    dW^IP_k,k/dt   = eta (phi(u^I_k) - phi(vhat^I_k)) r_k^T                   (8)
    from interneuron  dW^PI_k,k/dt   = eta (v_rest - v_A,k) (r^I_k)^T                           (9)
    top-down          dW^PP_k,k+1/dt = eta (phi(u_k) - phi(W_k,k+1 r_k+1)) r_k+1^T             (10)

with the somatic prediction of a dendrite, its attenuated potential:
vhat_B,k = g_B/(g_lk+g_B+g_A) v_B,k in hidden areas, g_B/(g_lk+g_B) v_B,N in the output area,
vhat^I_k = g_D/(g_lk+g_D) v^I_k. The right-hand sides of (7)-(9) are low-pass filtered with tau_w.

==================  ==============================  =========================================
symbol              here                            meaning
==================  ==============================  =========================================
u                   v_soma                          somatic potential
v_B, v_A            v_basal, v_apical               compartments of a pyramidal neuron
v^I                 v_dendrite                      dendrite of an interneuron
vhat                v_predicted                     attenuated dendritic potential
phi(u)              rate                            transfer function
phi(vhat)           rate_predicted                  rate that the dendrite predicts
g_lk, g_B, g_A      g_leak, g_basal, g_apical       conductances, per ms as C_m = 1
g_D, g_som          g_dendrite, g_somatic           interneuron's dendrite; nudging
u_trgt              v_target                        teacher's potential
i_N                 i_teacher                       g_teacher is g_som, or 0 without a teacher
i^I                 i_nudge                         nudging by a neuron of the next area
W^PP_k,k-1          bottom_up_k
W^PP_k,k+1          top_down_k
W^IP_k,k            pyramidal_to_interneuron_k
W^PI_k,k            interneuron_to_pyramidal_k
tau_w               tau_weights                     filter of (7)-(9)
r_0                 rate of ``input``               stimulus, low-passed with tau_input
psi                 rate_scale                      spikes per second where phi is 1
r of spikes         trace                           low-passed with tau_synapse
==================  ==============================  =========================================

Spikes
------
What one neuron tells another, r = phi(u) in (3)-(5) and (7)-(10), may be carried by spikes
(``signal="spikes"``): Poisson trains S of rate psi phi(u), if wanted with a refractory period, and
in each synapse a trace of them::

    tau_s dr/dt = -r + S/psi                                                                    (11)

Its mean is phi(u), so weights and learning rates need not change with psi; with a trace of S itself
weights would be divided by psi, the rates of (7), (8) and (10) by psi^3 and that of (9) by psi^2.
The weight that a spike finds is the one that counts for it. What a neuron learns from of its own,
phi(u_k) and phi(vhat), are functions of its potentials as before, and so is nudging. But dendritic
potentials fluctuate now, and the soma smooths them. So a dendrite predicts the soma through the
membrane, as in Urbanczik and Senn (2014), https://doi.org/10.1016/j.neuron.2013.11.030: vhat is
what the potential would be without the currents that teach::

    dvhat_k/dt = -(g_lk+g_A) vhat_k + g_B (v_B,k - vhat_k), in the output area without g_A      (12)
    dvhat^I_k/dt = -g_lk vhat^I_k + g_D (v^I_k - vhat^I_k)

It settles where the attenuated potential is. Without it, what spikes of one neuron do to v_B counts
as an error of that neuron's synapses, and all weights shrink. With ``signal="traces"`` phi(u) takes
the place of S/psi in (11): the limit of large psi, but for how much weights change within tau_s.
tau_s = 3 ms and psi of the order of 100 Hz are those of a public port of this circuit to NEST, not
of a paper.

Deviations and assumptions
--------------------------
- ``sigma xi`` is white noise as (1) and (2) write it, of size sigma sqrt(dt) per step. The public
  implementations add dt sigma N(0,1) instead: at dt = 0.1 ms that is 0.316 of ours.
- The attenuation of the interneuron does not contain g_som, as in the paper.
- (10) is not filtered; the paper names (7)-(9) only.
- The input's low-pass of 3 ms, the conductances and the range of the random weights come from four
  public re-implementations that agree, not from the paper's text.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal

import numpy as np
from brian2 import Hz, Quantity, ms
from pydantic import BeforeValidator, PositiveFloat, PositiveInt

from microcircuit import seeding
from microcircuit.circuit import Circuit, LearningRule, Population, Projection
from microcircuit.parameters import NON_NEGATIVE, POSITIVE, In, parameters
from microcircuit.spikes import ExponentialKernel, Poisson

CITATION = """@inproceedings{sacramento2018dendritic,
  title     = {Dendritic cortical microcircuits approximate the backpropagation algorithm},
  author    = {Sacramento, Jo{\\~a}o and Ponte Costa, Rui and Bengio, Yoshua and Senn, Walter},
  booktitle = {Advances in Neural Information Processing Systems 31},
  pages     = {8735--8746},
  year      = {2018},
  doi       = {10.48550/arXiv.1810.11393}
}"""

PYRAMIDAL = """
dv_soma/dt = -g_leak*v_soma + g_basal*(v_basal - v_soma) + i_apical + sigma*xi : 1
i_apical    = g_apical*(v_apical - v_soma)                       : Hz
v_apical    = v_top_down + v_interneuron                         : 1
v_basal       : 1
v_top_down    : 1
v_interneuron : 1
"""
"""Equations (1), (4): a pyramidal neuron of a hidden area."""

OUTPUT = """
dv_soma/dt = -g_leak*v_soma + g_basal*(v_basal - v_soma) + i_teacher + sigma*xi : 1
i_teacher   = g_teacher*(v_target - v_soma)                      : Hz
v_basal  : 1
v_target : 1
"""
"""Equation (1) without an apical compartment, with a teacher."""

INTERNEURON = """
dv_soma/dt = -g_leak*v_soma + g_dendrite*(v_dendrite - v_soma) + i_nudge + sigma*xi : 1
i_nudge     = g_somatic*(v_nudge - v_soma)                       : Hz
v_dendrite : 1
v_nudge    : 1 (linked)
"""
"""Equation (2); v_nudge is the somatic potential of one pyramidal neuron of the next area."""

INPUT = """
drate/dt = (pattern - rate)/tau_input : 1
pattern : 1
"""

STEADY_INPUT = """
rate = pattern : 1 (constant over dt)
pattern : 1
"""
"""Without the low-pass: constant in a presentation, which spares the largest product."""

AT_ONCE = {
    "hidden": "v_predicted = g_basal/(g_leak + g_basal + g_apical)*v_basal : 1\n",
    "output": "v_predicted = g_basal/(g_leak + g_basal)*v_basal            : 1\n",
    "interneuron": "v_predicted = g_dendrite/(g_leak + g_dendrite)*v_dendrite   : 1\n",
}
THROUGH_MEMBRANE = {
    "hidden": """
dv_predicted/dt = -(g_leak + g_apical)*v_predicted + g_basal*(v_basal - v_predicted) : 1
""",
    "output": """
dv_predicted/dt = -g_leak*v_predicted + g_basal*(v_basal - v_predicted) : 1
""",
    "interneuron": """
dv_predicted/dt = -g_leak*v_predicted + g_dendrite*(v_dendrite - v_predicted) : 1
""",
}
PREDICTIONS = {"rates": AT_ONCE, "traces": THROUGH_MEMBRANE, "spikes": THROUGH_MEMBRANE}
"""vhat: the dendrite's potential, attenuated, or (12)."""

RATES = {
    "soft-rectifier": """
rate           = gamma*log(1 + exp(beta*(v_soma - theta)))       : 1 (constant over dt)
rate_predicted = gamma*log(1 + exp(beta*(v_predicted - theta)))  : 1
""",
    "logistic": """
rate           = 1/(1 + exp(-v_soma))                            : 1 (constant over dt)
rate_predicted = 1/(1 + exp(-v_predicted))                       : 1
""",
}
"""phi of the soma and of the dendrite's prediction; (7) and (8) learn from their difference."""

TARGET_RATES = {
    "soft-rectifier": "rate_target = gamma*log(1 + exp(beta*(v_target - theta))) : 1\n",
    "logistic": "rate_target = 1/(1 + exp(-v_target)) : 1\n",
}
"""phi(u_trgt), for records of the output's error; nothing is computed unless it is recorded."""

TOP_DOWN_RATES = {
    "soft-rectifier": "rate_top_down = gamma*log(1 + exp(beta*(v_top_down - theta))) : 1\n",
    "logistic": "rate_top_down = 1/(1 + exp(-v_top_down)) : 1\n",
}
"""phi(W_k,k+1 r_k+1) of rule (10), for circuits whose top-down weights are plastic."""

SIGNALS = {
    "rates": "",
    "traces": "dtrace/dt = (rate - trace)/tau_synapse : 1\n",
    "spikes": """
spike_rate = rate_scale*rate : Hz (constant over dt)
trace : 1
""",
}
"""What other neurons get: phi itself, or r of (11), of rates or of spikes."""

DENDRITIC_ERROR = "rate - rate_predicted"
APICAL_ERROR = "-v_apical"
TOP_DOWN_ERROR = "rate - rate_top_down"

DIVERGED = 1e4
"""A somatic potential of this size counts as diverged; healthy ones are of the order of 1."""

Conductance = Annotated[Quantity, In("/ms"), POSITIVE]
Time = Annotated[Quantity, In("ms"), POSITIVE]
Rate = Annotated[Quantity, In("/ms"), NON_NEGATIVE]


def _one_or_many(value: Any) -> Any:
    return value if isinstance(value, tuple | list) else (value,)


Rates = Annotated[tuple[Rate, ...], BeforeValidator(_one_or_many)]
"""One learning rate for each area, or a single one for all of them."""


@parameters
class Sacramento2018:
    """Parameters of the circuit.

    The defaults are the values that several experiments share; each protocol has its own, complete.

    Parameters
    ----------
    areas : tuple of int
        Sizes from input to output, with one hidden area or more.
    transfer : "soft-rectifier" or "logistic"
        phi; gamma log(1 + exp(beta (u - theta))) in the regression task (Fig 2), logistic on MNIST
        (Fig 3) and, in public re-implementations, for Figs 1 and S1.
    gamma, beta, theta : float
        Of the soft rectifier. Supplement, regression task.
    g_leak, g_basal, g_dendrite, g_apical, g_somatic : Quantity
        Conductances. From four public re-implementations that agree.
    sigma : Quantity
        Noise, Supplement: 0.1 (0.3 for the regression task); see Deviations in the module.
    tau_weights : Quantity or None
        Low-pass filter of the plasticity, Supplement: 30 ms.
    tau_input : Quantity or None
        Low-pass filter of the stimulus, public re-implementations: 3 ms.
    eta_bottom_up, eta_to_interneuron, eta_from_interneuron, eta_top_down : tuple of Quantity
        Learning rates of (7), (8), (9), (10), one an area or one for all; at zero the weights are
        fixed.
    learning_window : (Quantity, Quantity) or None
        Plastic only from the first to the second time after each onset; ours, not the paper's:
        the transient after a switch of inputs dominates late learning otherwise.
    signal : "rates", "traces" or "spikes"
        What neurons tell each other: phi(u) at once, through (11), or as spikes.
    rate_scale : Quantity
        psi, for spikes.
    tau_synapse : Quantity
        Of (11), for spikes and traces.
    refractory : Quantity or None
        How long neurons are silent after a spike. Then they spike less, and traces are smaller.
    spiking_input : bool
        Where the signal is spikes, input neurons spike too; else they send traces of their rates,
        which may be negative.
    start : "random" or "self-predicting"
        All weights uniform, or interneurons that cancel the top-down input exactly.
    feedback : "random" or "symmetric"
        Top-down weights uniform, or the attenuated transpose of the bottom-up weights.
    weight_range : float
        Random weights are uniform in plus or minus this.
    dt : Quantity
        Euler step.
    """

    areas: tuple[PositiveInt, ...] = (30, 20, 10)
    transfer: Literal["soft-rectifier", "logistic"] = "soft-rectifier"
    gamma: PositiveFloat = 0.1
    beta: PositiveFloat = 1.0
    theta: float = 3.0
    g_leak: Conductance = 0.1 / ms
    g_basal: Conductance = 1 / ms
    g_dendrite: Conductance = 1 / ms
    g_apical: Conductance = 0.8 / ms
    g_somatic: Conductance = 0.8 / ms
    sigma: Annotated[Quantity, In("ms**-0.5"), NON_NEGATIVE] = 0.1 * ms**-0.5
    tau_weights: Time | None = 30 * ms
    tau_input: Time | None = 3 * ms
    eta_bottom_up: Rates = (0 / ms,)
    eta_to_interneuron: Rates = (2.375e-4 / ms,)
    eta_from_interneuron: Rates = (5e-4 / ms,)
    eta_top_down: Rates = (0 / ms,)
    learning_window: (
        tuple[Annotated[Quantity, In("ms"), NON_NEGATIVE], Annotated[Quantity, In("ms"), POSITIVE]]
        | None
    ) = None
    signal: Literal["rates", "traces", "spikes"] = "rates"
    rate_scale: Annotated[Quantity, In("Hz"), POSITIVE] = 100 * Hz
    tau_synapse: Time = 3 * ms
    refractory: Time | None = None
    spiking_input: bool = True
    start: Literal["random", "self-predicting"] = "random"
    feedback: Literal["random", "symmetric"] = "random"
    weight_range: PositiveFloat = 1.0
    dt: Time = 0.1 * ms

    def __post_init__(self) -> None:
        """Check how many learning rates there are, and the window."""
        if len(self.areas) < 3:
            raise ValueError(
                f"areas = {self.areas}: needs an input, a hidden and an output area at least"
            )
        hidden = len(self.areas) - 2
        for name, count in (
            ("eta_bottom_up", hidden + 1),
            ("eta_to_interneuron", hidden),
            ("eta_from_interneuron", hidden),
            ("eta_top_down", hidden),
        ):
            if len(getattr(self, name)) not in (1, count):
                raise ValueError(
                    f"{name}: give one rate for all areas or {count}, one an area; "
                    f"got {len(getattr(self, name))}"
                )
        self._check_signal()
        window = self.learning_window
        if window is not None and not window[0] < window[1]:
            raise ValueError(f"learning_window needs start < stop, got {window}")

    def _check_signal(self) -> None:
        """Check what spikes and traces need."""
        if self.signal != "rates" and not self.tau_synapse > self.dt:
            raise ValueError(
                f"tau_synapse = {self.tau_synapse}: must be longer than dt = {self.dt}"
            )
        if self.signal != "spikes":
            if self.refractory is not None:
                raise ValueError(
                    f"refractory = {self.refractory}: only neurons that spike can rest; set "
                    "signal = 'spikes'"
                )
        elif self.rate_scale * self.dt > 1:
            raise ValueError(
                f"rate_scale = {self.rate_scale}: at most one spike in a time step, "
                f"{1 / self.dt}; set dt shorter"
            )

    @property
    def hidden(self) -> range:
        """Numbers of the hidden areas, 1..N-1."""
        return range(1, len(self.areas) - 1)

    @property
    def pyramidal(self) -> tuple[str, ...]:
        """Names of the pyramidal populations of areas 0..N."""
        return "input", *(f"hidden_{k}" for k in self.hidden), "output"

    @property
    def kernel(self) -> ExponentialKernel:
        """What a spike evokes, (11)."""
        return ExponentialKernel(tau=self.tau_synapse, rate=self.rate_scale)

    def signal_of(self, population: str) -> str:
        """Return what a population sends."""
        if population == "input" and self.signal == "spikes" and not self.spiking_input:
            return "traces"
        return self.signal

    def attenuation(self, area: int) -> float:
        """vhat_B / v_B of a pyramidal area: g_B/(g_lk+g_B+g_A), in the output area with g_A = 0."""
        g_apical = 0 / ms if area == len(self.areas) - 1 else self.g_apical
        return float(self.g_basal / (self.g_leak + self.g_basal + g_apical))

    def mixing_factors(self) -> dict[str, float]:
        """Lambda of hidden areas, output area and interneurons: how far the soma is nudged."""
        rest = self.g_leak + self.g_basal
        return {
            "hidden": float(self.g_apical / (rest + self.g_apical)),
            "output": float(self.g_somatic / (rest + self.g_somatic)),
            "interneuron": float(self.g_somatic / (self.g_leak + self.g_dendrite + self.g_somatic)),
        }


def one_rate(rates: tuple[Quantity, ...], index: int) -> Quantity:
    """Return the learning rate of an area, counted from 0, where a single one is for all."""
    return rates[0] if len(rates) == 1 else rates[index]


def draw_weights(model: Sacramento2018, seed: int) -> dict[str, np.ndarray]:
    """Draw the starting weights of all projections, [post, pre].

    Parameters
    ----------
    model : Sacramento2018
        Sizes, ranges, `start` and `feedback`.
    seed : int
        Each projection has a stream of its own, so that one start does not shift another.
    """

    def uniform(name: str, post: int, pre: int) -> np.ndarray:
        draw = seeding.generator(seed, "weights", name).uniform(-1, 1, (post, pre))
        return model.weight_range * draw

    sizes, last = model.areas, len(model.areas) - 1
    weights = {
        f"bottom_up_{k}": uniform(f"bottom_up_{k}", sizes[k], sizes[k - 1])
        for k in range(1, last + 1)
    }
    for k in model.hidden:
        forward = weights[f"bottom_up_{k + 1}"]
        attenuated = model.attenuation(k + 1) * forward
        top_down = uniform(f"top_down_{k}", sizes[k], sizes[k + 1])
        weights[f"top_down_{k}"] = attenuated.T if model.feedback == "symmetric" else top_down
        names = f"pyramidal_to_interneuron_{k}", f"interneuron_to_pyramidal_{k}"
        if model.start == "self-predicting":
            dendrite = float((model.g_leak + model.g_dendrite) / model.g_dendrite)
            weights[names[0]] = dendrite * attenuated
            weights[names[1]] = -weights[f"top_down_{k}"]
        else:
            weights[names[0]] = uniform(names[0], sizes[k + 1], sizes[k])
            weights[names[1]] = uniform(names[1], sizes[k], sizes[k + 1])
    return weights


def transfer(model: Sacramento2018, v: np.ndarray) -> np.ndarray:
    """Return phi(v), in numpy."""
    if model.transfer == "logistic":
        return 1 / (1 + np.exp(-v))
    return model.gamma * np.logaddexp(0, model.beta * (v - model.theta))


def feedforward(
    model: Sacramento2018, weights: Mapping[str, np.ndarray], patterns: np.ndarray
) -> list[np.ndarray]:
    """Return the somatic potentials of areas 1..N in the self-predicting state, with no teacher.

    There v_A = 0, so each area follows its basal dendrites: u_k = vhat_B,k.

    Parameters
    ----------
    model : Sacramento2018
        Parameters.
    weights : mapping of str to array [post, pre]
        At least the bottom-up ones.
    patterns : array [P, inputs]
        Input rates.
    """
    potentials, rates = [], patterns
    for k in range(1, len(model.areas)):
        potentials.append(model.attenuation(k) * rates @ weights[f"bottom_up_{k}"].T)
        rates = transfer(model, potentials[-1])
    return potentials


def build_circuit(model: Sacramento2018, weights: Mapping[str, np.ndarray]) -> Circuit:
    """Build the circuit.

    Parameters
    ----------
    model : Sacramento2018
        Parameters.
    weights : mapping of str to array [post, pre]
        Starting weights of every projection, as `draw_weights` gives them.

    Returns
    -------
    Circuit
        Populations ``input``, ``hidden_k``, ``interneuron_k``, ``output``. The schedule sets
        ``input.pattern``, ``output.v_target`` and ``output.g_teacher``.

    Raises
    ------
    CircuitError
        Weights that don't fit the areas.
    """
    populations = [_input(model)]
    projections = []
    for k in model.hidden:
        populations += [_hidden(model, k), _interneuron(model, k)]
        projections += _hidden_projections(model, weights, k)
    populations.append(_output(model))
    projections.append(_bottom_up(model, weights, len(model.areas) - 1))
    return Circuit(populations=tuple(populations), projections=tuple(projections), dt=model.dt)


def _sending(model: Sacramento2018, population: Population) -> Population:
    """Return a population with what it needs to send its signal."""
    signal = model.signal_of(population.name)
    constants: dict[str, dict[str, object]] = {
        "rates": {},
        "traces": {"tau_synapse": model.tau_synapse},
        "spikes": {"rate_scale": model.rate_scale},
    }
    sender = replace(
        population,
        equations=population.equations + SIGNALS[signal],
        parameters={**population.parameters, **constants[signal]},
    )
    if signal != "spikes":
        return sender
    spikes = Poisson(rate="spike_rate", refractory=model.refractory)
    return replace(sender, spikes=spikes, traces={"trace": model.kernel})


def _input(model: Sacramento2018) -> Population:
    steady = model.tau_input is None
    return _sending(
        model,
        Population(
            name="input",
            size=model.areas[0],
            equations=STEADY_INPUT if steady else INPUT,
            parameters={} if steady else {"tau_input": model.tau_input},
        ),
    )


def _shared(model: Sacramento2018) -> dict[str, object]:
    """Return the parameters that every soma uses."""
    common: dict[str, object] = {"g_leak": model.g_leak, "sigma": model.sigma}
    if model.transfer == "soft-rectifier":
        common |= {"gamma": model.gamma, "beta": model.beta, "theta": model.theta}
    return common


def _hidden(model: Sacramento2018, k: int) -> Population:
    plastic = one_rate(model.eta_top_down, k - 1) > 0 / ms
    return _sending(
        model,
        Population(
            name=f"hidden_{k}",
            size=model.areas[k],
            equations=PYRAMIDAL
            + PREDICTIONS[model.signal]["hidden"]
            + RATES[model.transfer]
            + (TOP_DOWN_RATES[model.transfer] if plastic else ""),
            parameters=_shared(model) | {"g_basal": model.g_basal, "g_apical": model.g_apical},
            limits={"v_soma": (-DIVERGED, DIVERGED)},
        ),
    )


def _output(model: Sacramento2018) -> Population:
    return _sending(
        model,
        Population(
            name="output",
            size=model.areas[-1],
            equations=OUTPUT
            + PREDICTIONS[model.signal]["output"]
            + RATES[model.transfer]
            + TARGET_RATES[model.transfer],
            parameters=_shared(model) | {"g_basal": model.g_basal, "g_teacher": 0 / ms},
            limits={"v_soma": (-DIVERGED, DIVERGED)},
        ),
    )


def _interneuron(model: Sacramento2018, k: int) -> Population:
    return _sending(
        model,
        Population(
            name=f"interneuron_{k}",
            size=model.areas[k + 1],
            equations=INTERNEURON
            + PREDICTIONS[model.signal]["interneuron"]
            + RATES[model.transfer],
            parameters=_shared(model)
            | {"g_dendrite": model.g_dendrite, "g_somatic": model.g_somatic},
            links={"v_nudge": (model.pyramidal[k + 1], "v_soma")},
            limits={"v_soma": (-DIVERGED, DIVERGED)},
        ),
    )


def _projection(
    model: Sacramento2018,
    weights: Mapping[str, np.ndarray],
    name: str,
    *,
    pre: str,
    post: str,
    target: str,
    post_factor: str,
    rate: Quantity,
    tau: Quantity | None,
) -> Projection:
    """Return a projection that carries what its neurons send, and learns from the same."""
    signal = model.signal_of(pre)
    return Projection(
        name=name,
        pre=pre,
        post=post,
        signal={"rates": "rate", "traces": "trace", "spikes": "spikes"}[signal],
        target=target,
        weights=weights[name],
        kernel=model.kernel if signal == "spikes" else None,
        rule=LearningRule(
            post_factor=post_factor,
            pre_factor="rate" if signal == "rates" else "trace",
            learning_rate=rate,
            tau=tau,
            window=model.learning_window,
        ),
    )


def _bottom_up(model: Sacramento2018, weights: Mapping[str, np.ndarray], k: int) -> Projection:
    """Equation (7)."""
    return _projection(
        model,
        weights,
        f"bottom_up_{k}",
        pre=model.pyramidal[k - 1],
        post=model.pyramidal[k],
        target="v_basal",
        post_factor=DENDRITIC_ERROR,
        rate=one_rate(model.eta_bottom_up, k - 1),
        tau=model.tau_weights,
    )


def _hidden_projections(
    model: Sacramento2018, weights: Mapping[str, np.ndarray], k: int
) -> list[Projection]:
    """Return all projections onto area k: equations (7) to (10)."""
    hidden, interneuron, above = f"hidden_{k}", f"interneuron_{k}", model.pyramidal[k + 1]
    eta_top_down = one_rate(model.eta_top_down, k - 1)
    top_down = _projection(
        model,
        weights,
        f"top_down_{k}",
        pre=above,
        post=hidden,
        target="v_top_down",
        post_factor=TOP_DOWN_ERROR,
        rate=eta_top_down,
        tau=None,
    )
    return [
        _bottom_up(model, weights, k),
        _projection(
            model,
            weights,
            f"pyramidal_to_interneuron_{k}",
            pre=hidden,
            post=interneuron,
            target="v_dendrite",
            post_factor=DENDRITIC_ERROR,
            rate=one_rate(model.eta_to_interneuron, k - 1),
            tau=model.tau_weights,
        ),
        _projection(
            model,
            weights,
            f"interneuron_to_pyramidal_{k}",
            pre=interneuron,
            post=hidden,
            target="v_interneuron",
            post_factor=APICAL_ERROR,
            rate=one_rate(model.eta_from_interneuron, k - 1),
            tau=model.tau_weights,
        ),
        top_down if eta_top_down > 0 / ms else replace(top_down, rule=None),
    ]
