"""Deep learning with segregated dendrites.

J. Guerguiev, T. P. Lillicrap, B. A. Richards (2017), "Towards deep learning with segregated
dendrites", eLife 6:e22901; https://doi.org/10.7554/eLife.22901

Layers k = 1..M of Poisson neurons above an input: hidden ones, and an output. A hidden neuron has a
soma, a basal dendrite that the layer below drives, and an apical dendrite that the output drives.
Every image is shown in two phases: a forward phase, and a target phase in which currents push the
output towards its target. At the end of each phase every hidden neuron has a plateau potential, a
nonlinear function of its mean apical potential. How much it changes between the phases is the
error from which basal synapses learn, by themselves, at the end of the target phase.

Equations (potentials have no unit, time is in ms; s is the logistic function, a bar stands for the
mean over the last 20 ms of a phase, f and t for the forward and the target phase)::

    kernel          kappa(t) = (exp(-t/tau_L) - exp(-t/tau_s))/(tau_L - tau_s), 0 < t <= 10 ms   (1)
    synapses        PSP_j(t) = sum of kappa(t - t') over the spikes t' of neuron j               (2)
    dendrites       B_k = W_k PSP_k-1 + b_k,  A_k = Y_k PSP_M                                    (3)
    hidden soma     dC/dt = -g_L C + g_B (B - C) + g_A (A - C)                                   (4)
    output soma     dC/dt = -g_L C + g_D (B - C) + I                                             (5)
    teaching        I = g_E (E_E - C) + g_I (E_I - C), g_E = target, g_I = 1 - target, 0 in f    (6)
    spikes          Poisson, of rate phi = phi_max s(C)                                          (7)
    plateaus        alpha_f = s(Abar_f), alpha_t = s(Abar_t)                                     (8)
    output error    E_M = (phibar_t - phi_max s(Cbar_f)) k_D phi_max s'(Cbar_f)                  (9)
    hidden error    E_k = (alpha_t - alpha_f) k_B phi_max s'(Cbar_f)                            (10)
    output weights  dW_M = eta 20/phi_max^2 E_M PSPbar_f^T,  db_M = eta 20/phi_max^2 E_M        (11)
    hidden weights  dW_k = eta 20/phi_max E_k PSPbar_f^T,    db_k = eta 20/phi_max E_k          (12)
    feedback        dY_k = eta_Y (phi_max s(Cbar_f) - alpha_f) s'(Abar_f) PSPbar_f,M^T          (13)

with k_B = g_B/(g_L+g_B+g_A) and k_D = g_D/(g_L+g_D). (13) is off unless `eta_feedback` is above
zero. Rates are in Hz and weights in ms, so that potentials have no unit; a bias is the weight of a
neuron with the constant rate 1/ms.

==================  ==============================  =========================================
symbol              here                            meaning
==================  ==============================  =========================================
C, B, A             v_soma, v_basal, v_apical       compartments
PSP                 psp                             a neuron's own spikes through the kernel
phi, phi_max        rate, rate_max                  firing rate and the highest one
Cbar_f, Abar_f      v_soma_forward,                 means of the forward phase, in the target
                    v_apical_forward                phase
PSPbar_f            psp_forward
phi_max s(Cbar_f)   rate_forward                    rate at the mean potential
phibar_t            rate_mean                       mean rate of this phase
alpha_f, alpha_t    plateau_forward, plateau        plateau potentials
k phi_max s'        slope                           of the rate, against the dendrite's potential
E                   error
g_L, g_B, g_A, g_D  g_leak, g_basal, g_apical,      conductances, per ms
                    g_dendrite
g_E, g_I            g_excitatory, g_inhibitory      of the teaching current I, ``i_teacher``
E_E, E_I            e_excitatory, e_inhibitory      their reversal potentials
tau_s, tau_L        tau_rise, tau_decay             of the kernel
W_k, b_k, Y_k       bottom_up_k, bias_k, top_down_k
==================  ==============================  =========================================

Numbers are those of the authors' code. So are the kernel's memory, the factors 20, rule (13), in
which the rate is a number per ms, the variants of feedback and the start that is called optimised.
There uniform numbers are 3.465 standard deviations wide to both sides, so that weights spread twice
as wide as the formula asks; that is kept. An output whose potential starts high learns late, as the
slope of its rate is small: the more so the smaller the last hidden layer is. In their earlier code
(March 2017) weights have the spread of the formula and feedback is around zero; what is broadcast
past a layer is that layer's feedback, times random weights like those between the two layers. That
start is called centred here. docs/results/guerguiev2017.md has what either gives; in which of the
two the published figures were made we don't know.

Deviations and assumptions
--------------------------
- Spikes reach every layer in the next step. The authors compute layers one after the other, so that
  in their code spikes pass upwards within a step, and only feedback waits for the next one.
- Potentials are averaged as they are at the start of a step, the authors' as they are at its end.
- A spike that arrived before weights change goes on with the old ones, for the kernel's 10 ms.
- With ``signal="rates"`` nothing spikes, and rates take the place of PSPs in the same dynamics.
  The authors' rate mode is algebraic: steady states, in phases of two steps.
- Noise on symmetric feedback is drawn once; the authors draw it anew with every image, and layer by
  layer a single number for all weights.
- Feedback that is symmetric is so from the start and learns with the transposed rule; the authors
  copy the weights after each image. That is the same, but for rounding.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import numpy as np
from brian2 import Quantity, ms
from pydantic import BeforeValidator, PositiveInt

from microcircuit import seeding
from microcircuit.circuit import Circuit, LearningRule, Population, Projection
from microcircuit.models.sacramento2018 import one_rate
from microcircuit.parameters import NON_NEGATIVE, POSITIVE, In, parameters
from microcircuit.spikes import Average, Poisson, SynapticKernel

CITATION = """@article{guerguiev2017towards,
  title   = {Towards deep learning with segregated dendrites},
  author  = {Guerguiev, Jordan and Lillicrap, Timothy P. and Richards, Blake A.},
  journal = {eLife},
  volume  = {6},
  pages   = {e22901},
  year    = {2017},
  doi     = {10.7554/eLife.22901}
}"""

INPUT = """
rate = rate_max*pattern : Hz (constant over dt)
pattern : 1
"""

BIAS = """
rate : Hz
"""

HIDDEN = """
dv_soma/dt = -g_leak*v_soma + g_basal*(v_basal - v_soma) + g_apical*(v_apical - v_soma) : 1
v_basal         = v_feedforward + v_bias                  : 1
rate            = rate_max/(1 + exp(-v_soma))             : Hz (constant over dt)
rate_forward    = rate_max/(1 + exp(-v_soma_forward))     : Hz
plateau         = 1/(1 + exp(-v_apical_mean))             : 1
plateau_forward = 1/(1 + exp(-v_apical_forward))          : 1
attenuation     = g_basal/(g_leak + g_basal + g_apical)   : 1
slope = attenuation*rate_forward*(1 - rate_forward/rate_max) : Hz
error           = (plateau - plateau_forward)*slope       : Hz
v_feedforward    : 1
v_bias           : 1
v_apical         : 1
v_soma_mean      : 1
v_soma_forward   : 1
v_apical_mean    : 1
v_apical_forward : 1
"""
"""Equations (4), (7), (8), (10); the error holds in the last step of a target phase."""

FEEDBACK_ERROR = """
feedback_error = (rate_forward*ms - plateau_forward)*plateau_forward*(1 - plateau_forward) : 1
"""
"""The postsynaptic factor of (13)."""

OUTPUT = """
dv_soma/dt = -g_leak*v_soma + g_dendrite*(v_basal - v_soma) + i_teacher : 1
v_basal      = v_feedforward + v_bias                     : 1
i_excitatory = g_excitatory*(e_excitatory - v_soma)       : Hz
i_inhibitory = g_inhibitory*(e_inhibitory - v_soma)       : Hz
i_teacher    = i_excitatory + i_inhibitory                : Hz
rate         = rate_max/(1 + exp(-v_soma))                : Hz (constant over dt)
rate_forward = rate_max/(1 + exp(-v_soma_forward))        : Hz
attenuation  = g_dendrite/(g_leak + g_dendrite)           : 1
slope = attenuation*rate_forward*(1 - rate_forward/rate_max) : Hz
error        = (rate_mean - rate_forward)*slope           : Hz**2
v_feedforward  : 1
v_bias         : 1
g_excitatory   : Hz
g_inhibitory   : Hz
v_soma_mean    : 1
v_soma_forward : 1
rate_mean      : Hz
"""
"""Equations (5), (6), (7), (9)."""

PSP = {"spikes": "psp : Hz\n", "rates": "psp = rate : Hz\n"}
"""What synapses see of a neuron."""

PSP_MEANS = """
psp_mean    : Hz
psp_forward : Hz
"""

PLATEAU_LAG = """
plateau_lag : second
"""

SCALE = 20
"""The authors' factor in (11) and (12)."""

V_MEAN, V_SD, BIAS_MEAN, BIAS_SD, WIDTH = 3.0, 3.0, 0.8, 0.001, 3.465
"""Of the optimised start: dendritic potentials, biases, and uniform numbers per deviation."""
RANDOM_RANGE = {"bottom_up": 0.1, "bias": 1.0, "top_down": 1.0}
"""Of the random start, in ms."""
SILENT, GAIN = 0.8, 5
"""Sparse feedback: the fraction of weights that are zero, and by what the others are multiplied."""
SYMMETRY_NOISE = 0.05
"""Standard deviation in ms."""

DIVERGED = 1e4
"""A somatic potential of this size counts as diverged; healthy ones are of the order of 10."""

Conductance = Annotated[Quantity, In("/ms"), POSITIVE]
Time = Annotated[Quantity, In("ms"), POSITIVE]
Rate = Annotated[Quantity, In("ms**2"), NON_NEGATIVE]


def _one_or_many(value: Any) -> Any:
    return value if isinstance(value, tuple | list) else (value,)


Rates = Annotated[tuple[Rate, ...], BeforeValidator(_one_or_many)]
"""One learning rate for each layer, or a single one for all of them."""


@parameters
class Guerguiev2017:
    """Parameters of the network.

    The defaults are those of the authors' code.

    Parameters
    ----------
    hidden : tuple of int
        Sizes of the hidden layers; there may be none.
    neurons_per_class : int
        Output neurons that stand for one class.
    signal : "spikes" or "rates"
        What neurons send.
    dt : Quantity
        Euler step.
    rate_max : Quantity
        phi_max.
    tau_rise, tau_decay, memory : Quantity
        Of the synaptic kernel; older spikes than `memory` are forgotten.
    g_leak, g_basal, g_dendrite : Quantity
        Conductances: leak, basal dendrite, dendrite of the output.
    g_apical : Quantity
        From the apical dendrite to the soma: none, or 0.05 /ms where it is only attenuated.
    e_excitatory, e_inhibitory : float
        Reversal potentials of the teaching current.
    averaging : Quantity
        The stretch before the end of a phase over which everything is averaged.
    eta : tuple of Quantity
        Learning rates of (11) and (12), one a layer from below or one for all.
    eta_feedback : Quantity
        Of (13); zero keeps feedback fixed.
    feedback : "random", "sparse", "symmetric" or "noisy-symmetric"
        Weights onto apical dendrites: random, random with 80 % of them zero, the transpose of those
        that go the other way, or that with noise.
    feedback_path : "broadcast" or "layers"
        From the output to each hidden layer, or to each from the next layer.
    plateau_jitter : Quantity
        Standard deviation of how long before the end of a phase each neuron's plateau comes: the
        size of a normal number, cut to whole ms and to 5 ms. The authors take 3 ms, or none.
    start : "optimised", "centred" or "random"
        Weights of such a mean and spread that potentials are in the middle of the transfer
        function; those with half the spread, and feedback around zero; or small ones around zero.
    """

    hidden: tuple[PositiveInt, ...] = (500,)
    neurons_per_class: PositiveInt = 1
    signal: Literal["spikes", "rates"] = "spikes"
    dt: Time = 1 * ms
    rate_max: Conductance = 0.2 / ms
    tau_rise: Time = 3 * ms
    tau_decay: Time = 10 * ms
    memory: Time = 10 * ms
    g_leak: Conductance = 0.1 / ms
    g_basal: Conductance = 0.6 / ms
    g_apical: Annotated[Quantity, In("/ms"), NON_NEGATIVE] = 0 / ms
    g_dendrite: Conductance = 0.6 / ms
    e_excitatory: float = 8.0
    e_inhibitory: float = -8.0
    averaging: Time = 20 * ms
    eta: Rates = (0.21 * ms**2,)
    eta_feedback: Rate = 0 * ms**2
    feedback: Literal["random", "sparse", "symmetric", "noisy-symmetric"] = "random"
    feedback_path: Literal["broadcast", "layers"] = "broadcast"
    plateau_jitter: Annotated[Quantity, In("ms"), NON_NEGATIVE] = 0 * ms
    start: Literal["optimised", "centred", "random"] = "optimised"

    def __post_init__(self) -> None:
        """Check how many learning rates there are, and what goes with what."""
        layers = len(self.hidden) + 1
        if len(self.eta) not in (1, layers):
            raise ValueError(
                f"eta: give one rate for all layers or {layers}, one a layer; got {len(self.eta)}"
            )
        if self.learns_feedback and self.feedback != "random":
            raise ValueError(
                f"feedback = {self.feedback!r} would not last where eta_feedback is above 0: "
                "learn feedback that starts 'random', or set eta_feedback to 0"
            )
        if self.symmetric and self.feedback_path == "broadcast" and len(self.hidden) > 1:
            raise ValueError(
                f"feedback = {self.feedback!r} that is broadcast past a hidden layer would be a "
                "product of the weights above, which no local rule learns: set "
                "feedback_path = 'layers'"
            )

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the populations of layers 0..M, from the input to the output."""
        return "input", *(f"hidden_{k}" for k in self.hidden_layers), "output"

    @property
    def hidden_layers(self) -> range:
        """Numbers of the hidden layers, 1..M-1."""
        return range(1, len(self.hidden) + 1)

    @property
    def symmetric(self) -> bool:
        """Whether feedback starts and learns as the transpose of the weights from below."""
        return self.feedback in ("symmetric", "noisy-symmetric")

    @property
    def learns_feedback(self) -> bool:
        """Whether rule (13) is on."""
        return self.eta_feedback > 0 * ms**2

    @property
    def jitters(self) -> bool:
        """Whether plateaus come at times of their own, which the schedule sets."""
        return self.plateau_jitter > 0 * ms

    @property
    def kernel(self) -> SynapticKernel:
        """What a spike evokes, kappa."""
        return SynapticKernel(tau_rise=self.tau_rise, tau_decay=self.tau_decay, memory=self.memory)

    def feedback_source(self, k: int) -> int:
        """Return the number of the layer that drives the apical dendrites of layer k."""
        return k + 1 if self.feedback_path == "layers" else len(self.hidden) + 1


def optimised_moments(model: Guerguiev2017, count: int) -> tuple[float, float]:
    """Return mean and standard deviation of weights, in ms, from so many presynaptic neurons.

    Where potentials have the mean 3 and the deviation 3 in the layer below, and rates are
    nu V, linear in them, they are to have the same mean and deviation in the layer above.
    """
    nu, second_moment = float(model.rate_max * ms) / 4, V_SD**2 + V_MEAN**2
    mean = (V_MEAN - BIAS_MEAN) / (nu * count * V_MEAN)
    square = (
        second_moment
        + nu**2 * (count - count**2) * mean**2 * V_MEAN**2
        - 2 * count * nu * BIAS_MEAN * V_MEAN * mean
        - BIAS_MEAN**2
    ) / (count * nu**2 * second_moment)
    return mean, float(np.sqrt(square - mean**2))


def draw_weights(model: Guerguiev2017, inputs: int, classes: int, seed: int) -> dict[str, Quantity]:
    """Draw the starting weights of all projections, [post, pre], in ms.

    Parameters
    ----------
    model : Guerguiev2017
        Sizes of hidden layers, `start`, `feedback` and its path.
    inputs, classes : int
        Of the task.
    seed : int
        Each projection has a stream of its own, so that one start does not shift another.
    """

    def uniform(name: str, post: int, pre: int, count: int) -> np.ndarray:
        draw = seeding.generator(seed, "weights", name).uniform(-1, 1, (post, pre))
        kind = name.rpartition("_")[0]
        if model.start == "random":
            return RANDOM_RANGE[kind] * draw
        mean, sd = (BIAS_MEAN, BIAS_SD) if kind == "bias" else optimised_moments(model, count)
        if model.start == "optimised":
            return mean + WIDTH * sd * draw
        return (0 if kind == "top_down" else mean) + WIDTH / 2 * sd * draw

    sizes = inputs, *model.hidden, classes * model.neurons_per_class
    weights = {}
    for k in range(1, len(sizes)):
        weights[f"bottom_up_{k}"] = uniform(f"bottom_up_{k}", sizes[k], sizes[k - 1], sizes[k - 1])
        weights[f"bias_{k}"] = uniform(f"bias_{k}", sizes[k], 1, 1)
    feedback: dict[str, np.ndarray] = {}
    for k in reversed(model.hidden_layers):
        name, source = f"top_down_{k}", model.feedback_source(k)
        if model.symmetric:
            feedback[name] = weights[f"bottom_up_{k + 1}"].T
        elif model.start == "centred" and source > k + 1:
            above = feedback[f"top_down_{k + 1}"]
            feedback[name] = uniform(name, sizes[k], sizes[k + 1], sizes[k]) @ above
        else:
            feedback[name] = uniform(name, sizes[k], sizes[source], sizes[k])
    for name, drawn in reversed(feedback.items()):
        weights[name] = _altered(model, drawn, seeding.generator(seed, "feedback", name))
    return {name: value * ms for name, value in weights.items()}


def _altered(model: Guerguiev2017, weights: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return feedback weights with noise, or with most of them silent, if the model has it so."""
    if model.feedback == "noisy-symmetric":
        return weights + random.normal(0, SYMMETRY_NOISE, weights.shape)
    if model.feedback == "sparse":
        silent = random.permutation(weights.size)[: int(SILENT * weights.size)]
        sparse = GAIN * weights.ravel()
        sparse[silent] = 0
        return sparse.reshape(weights.shape)
    return weights


def build_circuit(model: Guerguiev2017, weights: Mapping[str, Quantity]) -> Circuit:
    """Build the circuit.

    Parameters
    ----------
    model : Guerguiev2017
        Parameters.
    weights : mapping of str to array Quantity [post, pre]
        Starting weights of every projection, as `draw_weights` gives them.

    Returns
    -------
    Circuit
        Populations ``input``, ``bias``, ``hidden_k``, ``output``. The schedule sets
        ``input.pattern``, ``output.g_excitatory``, ``output.g_inhibitory`` and, where plateaus
        jitter, ``hidden_k.plateau_lag``. Rules act at the end of presentations with learning: those
        are the target phases, each after its forward phase.

    Raises
    ------
    CircuitError
        Weights that don't fit the layers.
    """
    top = len(model.hidden) + 1
    bias = Population(name="bias", size=1, equations=BIAS, initial={"rate": 1 / ms})
    populations = [_input(model, np.shape(weights["bottom_up_1"])[1]), bias]
    projections = []
    for k in range(1, top + 1):
        size = np.shape(weights[f"bottom_up_{k}"])[0]
        populations.append(_output(model, size) if k == top else _hidden(model, k, size))
        projections += _feedforward_projections(model, weights, k)
    projections += [_top_down(model, weights[f"top_down_{k}"], k) for k in model.hidden_layers]
    return Circuit(populations=tuple(populations), projections=tuple(projections), dt=model.dt)


def _sender(model: Guerguiev2017) -> dict[str, Any]:
    """Return what makes a population spike, and keep a trace of its own spikes."""
    if model.signal == "rates":
        return {}
    return {"spikes": Poisson(rate="rate"), "traces": {"psp": model.kernel}}


def _mean_psp(model: Guerguiev2017) -> dict[str, Average]:
    return {"psp_mean": Average(of="psp", last=model.averaging, before="psp_forward")}


def _mean_soma(model: Guerguiev2017) -> dict[str, Average]:
    return {"v_soma_mean": Average(of="v_soma", last=model.averaging, before="v_soma_forward")}


def _input(model: Guerguiev2017, size: int) -> Population:
    return Population(
        name="input",
        size=size,
        equations=INPUT + PSP[model.signal] + PSP_MEANS,
        parameters={"rate_max": model.rate_max},
        averages=_mean_psp(model),
        **_sender(model),
    )


def _hidden(model: Guerguiev2017, k: int, size: int) -> Population:
    apical = Average(
        of="v_apical",
        last=model.averaging,
        before="v_apical_forward",
        lag="plateau_lag" if model.jitters else None,
    )
    return Population(
        name=f"hidden_{k}",
        size=size,
        equations=HIDDEN
        + PSP[model.signal]
        + PSP_MEANS
        + (FEEDBACK_ERROR if model.learns_feedback else "")
        + (PLATEAU_LAG if model.jitters else ""),
        parameters={
            "rate_max": model.rate_max,
            "g_leak": model.g_leak,
            "g_basal": model.g_basal,
            "g_apical": model.g_apical,
        },
        averages=_mean_soma(model) | {"v_apical_mean": apical} | _mean_psp(model),
        limits={"v_soma": (-DIVERGED, DIVERGED)},
        **_sender(model),
    )


def _output(model: Guerguiev2017, size: int) -> Population:
    rate = {"rate_mean": Average(of="rate", last=model.averaging)}
    return Population(
        name="output",
        size=size,
        equations=OUTPUT + PSP[model.signal] + (PSP_MEANS if model.learns_feedback else ""),
        parameters={
            "rate_max": model.rate_max,
            "g_leak": model.g_leak,
            "g_dendrite": model.g_dendrite,
            "e_excitatory": model.e_excitatory,
            "e_inhibitory": model.e_inhibitory,
        },
        averages=_mean_soma(model) | rate | (_mean_psp(model) if model.learns_feedback else {}),
        limits={"v_soma": (-DIVERGED, DIVERGED)},
        **_sender(model),
    )


def _learning_rate(model: Guerguiev2017, k: int) -> Quantity:
    """Return the factor of (11) for the output, of (12) for a hidden layer."""
    power = 2 if k == len(model.hidden) + 1 else 1
    return one_rate(model.eta, k - 1) * SCALE / model.rate_max**power


def _feedforward_projections(
    model: Guerguiev2017, weights: Mapping[str, Quantity], k: int
) -> list[Projection]:
    """Return the projections onto the basal dendrites of layer k, from below and of the bias."""
    rule = {"post_factor": "error", "learning_rate": _learning_rate(model, k), "at_end": True}
    return [
        Projection(
            name=f"bottom_up_{k}",
            pre=model.layers[k - 1],
            post=model.layers[k],
            target="v_feedforward",
            weights=weights[f"bottom_up_{k}"],
            rule=LearningRule(pre_factor="psp_forward", **rule),
            **_carried(model),
        ),
        Projection(
            name=f"bias_{k}",
            pre="bias",
            post=model.layers[k],
            signal="rate",
            target="v_bias",
            weights=weights[f"bias_{k}"],
            rule=LearningRule(pre_factor="rate", **rule),
        ),
    ]


def _top_down(model: Guerguiev2017, weights: Quantity, k: int) -> Projection:
    """Return the projection onto the apical dendrites of hidden layer k."""
    rule = None
    if model.learns_feedback:
        rule = LearningRule(
            post_factor="feedback_error",
            pre_factor="psp_forward",
            learning_rate=model.eta_feedback,
            at_end=True,
        )
    elif model.symmetric:
        rule = LearningRule(
            post_factor="psp_forward",
            pre_factor="error",
            learning_rate=_learning_rate(model, k + 1),
            at_end=True,
        )
    return Projection(
        name=f"top_down_{k}",
        pre=model.layers[model.feedback_source(k)],
        post=model.layers[k],
        target="v_apical",
        weights=weights,
        rule=rule,
        **_carried(model),
    )


def _carried(model: Guerguiev2017) -> dict[str, Any]:
    """Return what a projection carries."""
    if model.signal == "rates":
        return {"signal": "rate"}
    return {"signal": "spikes", "kernel": model.kernel}
