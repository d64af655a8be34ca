"""The microcircuit of Sacramento et al. (2018) with integrate-and-fire neurons, in mV, pA, nS, pF.

An example of other equations for the same circuit: populations, projections and rules (7) to (9)
are those of `microcircuit.models.sacramento2018`, but a neuron is a leaky integrate-and-fire soma
with compartments that are coupled to it by conductances.

Equations::

    soma, hidden    C du/dt   = g_L (E - u) + g_B (v_B - u) + g_A (v_A - u) + C sigma xi        (1)
    soma, inter     C du^I/dt = g_L (E - u^I) + g_D (v^I - u^I) + i^I + C sigma xi              (2)
    spikes          where u > v_th; then u = v_r for t_ref
    basal           C_d dv_B/dt = g_d (E - v_B) + g_B (u - v_B) + W^PP_k,k-1 r_k-1              (3)
    apical          C_d dv_A/dt = g_d (E - v_A) + g_A (u - v_A) + W^PP_k,k+1 r_k+1 + W^PI r^I   (4)
    interneuron     C_d dv^I/dt = g_d (E - v^I) + g_D (u^I - v^I) + W^IP r_k                    (5)
    output soma     as (1), with i_N = i_tch (target - s_N) in place of the apical current      (6)
    nudging         i^I = i_som (s_k+1 - s^I)
    synapses        tau_s dr/dt = -r + S/psi, and the same with tau_som for s                   (11)
    prediction      C dvhat_B/dt = (g_L + g_A) (E - vhat_B) + g_B (v_B - vhat_B)                (12)
                    in the output area without g_A, in interneurons with g_D and v^I
    rate            phi(v) = gamma/psi log(1 + exp(beta (v - theta)))
    bottom-up       dW^PP_k,k-1/dt = eta (r_k - phi(vhat_B,k)) r_k-1^T                          (7)
    to inter        dW^IP/dt       = eta (r^I - phi(vhat^I)) r_k^T                              (8)
    from inter      dW^PI/dt       = eta (E - v_A) (r^I)^T                                      (9)

S is a neuron's train of spikes. Weights are currents into a dendrite. The right-hand sides of (7)
to (9) are low-pass filtered with tau_w. Top-down weights are fixed.

==================  ==============================  =========================================
symbol              here                            meaning
==================  ==============================  =========================================
u, u^I              v_soma                          potential of a soma
v_B, v_A, v^I       v_basal, v_apical, v_dendrite   of its compartments
vhat                v_predicted                     the soma's, as its dendrite predicts it
E                   v_rest                          rest of all compartments
v_th, v_r, t_ref    v_threshold, v_reset,           spikes
                    refractory
C, C_d              c_soma, c_dendrite              capacitances
g_L, g_d            g_leak, g_leak_dendrite         leak of the soma, of a dendrite
g_B, g_A, g_D       g_basal, g_apical, g_dendrite   coupling of soma and dendrite
r, s                trace, slow                     of spikes, with tau_synapse, tau_somatic
psi                 rate_scale                      rate at which the means of r and s are 1
phi(vhat)           rate_predicted                  soft rectifier with gamma, beta, theta
W r                 i_basal, i_top_down,            synaptic currents
                    i_interneuron, i_dendrite
i_N, i^I            i_teacher, i_nudge              somatic currents
i_tch, i_som        i_teaching, i_somatic           their sizes
==================  ==============================  =========================================

The circuit of the paper
------------------------
With potentials (u - E)/U, weights over U g_d and conductances over C, (1), (2), (12) and the rules
are those of the paper (`Sacramento2018Lif.in_paper`). What is new is

- the spikes: phi, which is the neuron in the paper, here is only its own estimate of its rate;
- that dendrites have a capacitance, a leak and the soma's pull. At rest the paper's v_B = W r is

      v_B - E = (W r + g_B (u - E))/(g_d + g_B),

  so a soma gets the currents into its dendrite through g_B and g_d in series. The pull on v_A
  counts as an error in (9); it is small, as g_A is small beside g_d;
- that nudging and teaching depend on spikes, since a potential that is reset says little of a rate:
  a slow synapse from one neuron of the next area, and an afterhyperpolarisation of the same size.

Assumptions
-----------
- All numbers are textbook values or chosen by us such that neurons fire irregularly at some tens of
  Hz; no paper is behind them. Capacitances, leaks, threshold and refractory period are those of
  textbooks; 10 and 100 ms are time constants of fast and slow synapses. The coupling conductances,
  currents, weights and learning rates are ours.
- E is that of an up state, with the background input of a cortex at work, which is not simulated
  but for E and the noise sigma.
- gamma, beta and theta are fitted to these neurons, driven by a constant current into the basal
  dendrite: up to 40 Hz they are right within 2 Hz. Others need other ones.
- A neuron excites by some synapses and inhibits by others, as in the paper. Synaptic input is a
  current, not a conductance.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, ClassVar

from brian2 import Hz, Quantity, ms, mV, nS, pA, pF
from pydantic import PositiveInt

from microcircuit.circuit import Circuit, LearningRule, Population, Projection
from microcircuit.models import sacramento2018
from microcircuit.models.sacramento2018 import CITATION, Sacramento2018
from microcircuit.parameters import NON_NEGATIVE, POSITIVE, In, parameters
from microcircuit.spikes import ExponentialKernel, Poisson, Threshold

__all__ = ["CITATION", "Sacramento2018Lif", "build_circuit", "draw_weights"]

PYRAMIDAL = """
dv_soma/dt   = (g_leak*(v_rest - v_soma) + i_basal_soma + i_apical_soma)/c_soma + sigma*xi : volt
dv_basal/dt  = (g_leak_dendrite*(v_rest - v_basal) - i_basal_soma + i_basal)/c_dendrite    : volt
dv_apical/dt = (g_leak_dendrite*(v_rest - v_apical) - i_apical_soma + i_apical)/c_dendrite : volt
i_basal_soma  = g_basal*(v_basal - v_soma)   : amp
i_apical_soma = g_apical*(v_apical - v_soma) : amp
i_apical      = i_top_down + i_interneuron   : amp
i_basal       : amp
i_top_down    : amp
i_interneuron : amp
dv_predicted/dt = ((g_leak + g_apical)*(v_rest - v_predicted)
                   + g_basal*(v_basal - v_predicted))/c_soma : volt
"""
"""Equations (1), (3), (4), (12): a pyramidal neuron of a hidden area."""

OUTPUT = """
dv_soma/dt  = (g_leak*(v_rest - v_soma) + i_basal_soma + i_teacher)/c_soma + sigma*xi  : volt
dv_basal/dt = (g_leak_dendrite*(v_rest - v_basal) - i_basal_soma + i_basal)/c_dendrite : volt
i_basal_soma = g_basal*(v_basal - v_soma)  : amp
i_teacher    = i_teaching*(target - slow)  : amp
i_basal : amp
target  : 1
dv_predicted/dt = (g_leak*(v_rest - v_predicted) + g_basal*(v_basal - v_predicted))/c_soma : volt
"""
"""Equations (3), (6), (12): without an apical compartment, with a teacher."""

INTERNEURON = """
dv_soma/dt     = (g_leak*(v_rest - v_soma) + i_dendrite_soma + i_nudge)/c_soma + sigma*xi : volt
dv_dendrite/dt = (g_leak_dendrite*(v_rest - v_dendrite) - i_dendrite_soma
                  + i_dendrite)/c_dendrite : volt
i_dendrite_soma = g_dendrite*(v_dendrite - v_soma) : amp
i_nudge         = i_somatic*(slow_nudge - slow)    : amp
i_dendrite  : amp
slow_nudge  : 1 (linked)
dv_predicted/dt = (g_leak*(v_rest - v_predicted)
                   + g_dendrite*(v_dendrite - v_predicted))/c_soma : volt
"""
"""Equations (2), (5), (12); slow_nudge is that of one pyramidal neuron of the next area."""

RATE = """
rate_predicted = gamma*log(1 + exp(beta*(v_predicted - theta)))/rate_scale : 1
trace : 1
slow  : 1
"""
"""phi of the prediction: (7) and (8) learn from how the neuron's own trace differs from it."""

INPUT = """
spike_rate = rate_scale*pattern : Hz (constant over dt)
pattern : 1
trace   : 1
"""
"""Poisson neurons."""

DENDRITIC_ERROR = "trace - rate_predicted"
APICAL_ERROR = "v_rest - v_apical"

SHARED = (
    *("c_soma", "c_dendrite", "g_leak", "g_leak_dendrite", "sigma", "rate_scale"),
    *("v_rest", "v_threshold", "v_reset", "gamma", "beta", "theta"),
)
"""Parameters of all integrate-and-fire neurons."""

DIVERGED = -1.0, 1.0
"""Somatic potentials beyond, in volts, count as diverged."""

Capacitance = Annotated[Quantity, In("pF"), POSITIVE]
Conductance = Annotated[Quantity, In("nS"), POSITIVE]
Current = Annotated[Quantity, In("pA"), NON_NEGATIVE]
Potential = Annotated[Quantity, In("mV")]
Time = Annotated[Quantity, In("ms"), POSITIVE]
Rate = Annotated[Quantity, In("pA/ms"), NON_NEGATIVE]


@parameters
class Sacramento2018Lif:
    """Parameters of the circuit; where they come from is under Assumptions in the module.

    Parameters
    ----------
    areas : tuple of int
        Sizes from input to output, with one hidden area or more.
    c_soma, c_dendrite : Quantity
        Capacitances.
    g_leak, g_leak_dendrite : Quantity
        Leak conductances of somata and dendrites.
    g_basal, g_apical, g_dendrite : Quantity
        Between a soma and its basal or apical compartment, or an interneuron's dendrite.
    v_rest, v_threshold, v_reset : Quantity
        Rest of all compartments; where a soma spikes, and from where it goes on.
    refractory : Quantity
        How long it stays there.
    sigma : Quantity
        Noise of the soma: alone, its potential has the standard deviation sigma sqrt(tau/2).
    gamma, beta, theta : Quantity
        Of phi, fitted to neurons with the default conductances and noise.
    rate_scale : Quantity
        psi, the rate that counts as 1; that of inputs where a pattern is 1.
    tau_synapse, tau_somatic : Quantity
        Of synaptic currents and traces; of the somatic currents that nudge and teach.
    i_somatic : Quantity
        Nudging current of interneurons for a difference of 1, that is of psi.
    weight_range, apical_range : Quantity
        Random weights are uniform in plus or minus this; those onto apical dendrites in plus or
        minus the second.
    tau_weights : Quantity or None
        Low-pass filter of the plasticity.
    eta_bottom_up, eta_to_interneuron : Quantity
        Learning rates of (7) and (8); at zero the weights are fixed.
    eta_from_interneuron : Quantity
        Learning rate of (9).
    dt : Quantity
        Euler step.
    """

    absent: ClassVar[Mapping[str, str]] = {"signal": "these neurons have spikes, and no rates"}

    areas: tuple[PositiveInt, ...] = (30, 20, 10)
    c_soma: Capacitance = 200 * pF
    c_dendrite: Capacitance = 50 * pF
    g_leak: Conductance = 10 * nS
    g_leak_dendrite: Conductance = 20 * nS
    g_basal: Conductance = 10 * nS
    g_apical: Conductance = 2.5 * nS
    g_dendrite: Conductance = 10 * nS
    v_rest: Potential = -57 * mV
    v_threshold: Potential = -50 * mV
    v_reset: Potential = -60 * mV
    refractory: Time = 2 * ms
    sigma: Annotated[Quantity, In("mV*ms**-0.5"), NON_NEGATIVE] = 2 * mV * ms**-0.5
    gamma: Annotated[Quantity, In("Hz"), POSITIVE] = 14 * Hz
    beta: Annotated[Quantity, In("/mV"), POSITIVE] = 0.48 / mV
    theta: Potential = -58.6 * mV
    rate_scale: Annotated[Quantity, In("Hz"), POSITIVE] = 40 * Hz
    tau_synapse: Time = 10 * ms
    tau_somatic: Time = 100 * ms
    i_somatic: Current = 200 * pA
    weight_range: Annotated[Quantity, In("pA"), POSITIVE] = 200 * pA
    apical_range: Annotated[Quantity, In("pA"), POSITIVE] = 80 * pA
    tau_weights: Time | None = 30 * ms
    eta_bottom_up: Rate = 0 * pA / ms
    eta_to_interneuron: Rate = 0.3 * pA / ms
    eta_from_interneuron: Annotated[Quantity, In("nS/ms"), NON_NEGATIVE] = 0.005 * nS / ms
    dt: Time = 0.1 * ms

    def __post_init__(self) -> None:
        """Check the number of areas and the order of potentials."""
        if len(self.areas) < 3:
            raise ValueError(
                f"areas = {self.areas}: needs an input, a hidden and an output area at least"
            )
        if not self.v_reset < self.v_threshold:
            raise ValueError(
                f"v_reset must be below v_threshold, got {self.v_reset} and {self.v_threshold}"
            )

    @property
    def kernel(self) -> ExponentialKernel:
        """What a spike evokes, (11)."""
        return ExponentialKernel(tau=self.tau_synapse, rate=self.rate_scale)

    @property
    def slow_kernel(self) -> ExponentialKernel:
        """What it evokes in somata that are nudged or taught."""
        return ExponentialKernel(tau=self.tau_somatic, rate=self.rate_scale)

    @property
    def in_paper(self) -> Sacramento2018:
        """The circuit in the terms of the paper: areas, conductances over C, random weights."""
        return Sacramento2018(
            areas=self.areas,
            g_leak=self.g_leak / self.c_soma,
            g_basal=self.g_basal / self.c_soma,
            g_apical=self.g_apical / self.c_soma,
            g_dendrite=self.g_dendrite / self.c_soma,
            tau_weights=self.tau_weights,
            dt=self.dt,
        )


def draw_weights(model: Sacramento2018Lif, seed: int) -> dict[str, Quantity]:
    """Draw the starting weights of all projections, [post, pre], uniform in the model's ranges.

    They are those of `microcircuit.models.sacramento2018.draw_weights`, as currents.
    """
    drawn = sacramento2018.draw_weights(model.in_paper, seed)
    apical = "top_down_", "interneuron_to_pyramidal_"
    return {
        name: weights * (model.apical_range if name.startswith(apical) else model.weight_range)
        for name, weights in drawn.items()
    }


def build_circuit(model: Sacramento2018Lif, weights: Mapping[str, Quantity]) -> Circuit:
    """Build the circuit.

    Parameters
    ----------
    model : Sacramento2018Lif
        Parameters.
    weights : mapping of str to array Quantity [post, pre]
        Starting weights of every projection, as `draw_weights` gives them.

    Returns
    -------
    Circuit
        Populations ``input``, ``hidden_k``, ``interneuron_k``, ``output``, and projections, with
        the names of `microcircuit.models.sacramento2018`. The schedule sets ``input.pattern`` and,
        for a teacher, ``output.target`` and ``output.i_teaching``.

    Raises
    ------
    CircuitError
        Weights that don't fit the areas.
    """
    populations, projections = [_input(model)], []
    for k in model.in_paper.hidden:
        populations += [_hidden(model, k), _interneurons(model, k)]
        projections += [_bottom_up(model, weights, k), *_around_interneurons(model, weights, k)]
    populations.append(_output(model))
    projections.append(_bottom_up(model, weights, len(model.areas) - 1))
    return Circuit(populations=tuple(populations), projections=tuple(projections), dt=model.dt)


def _projection(
    model: Sacramento2018Lif,
    weights: Quantity,
    name: str,
    *,
    pre: str,
    post: str,
    target: str,
    post_factor: str = "",
    rate: Quantity | None = None,
) -> Projection:
    """Return a projection of spikes, with weights that are fixed if there is no learning rate."""
    rule = None
    if rate is not None:
        rule = LearningRule(
            post_factor=post_factor, pre_factor="trace", learning_rate=rate, tau=model.tau_weights
        )
    return Projection(
        name=name,
        pre=pre,
        post=post,
        signal="spikes",
        target=target,
        weights=weights,
        rule=rule,
        kernel=model.kernel,
    )


def _bottom_up(model: Sacramento2018Lif, weights: Mapping[str, Quantity], k: int) -> Projection:
    """Equation (7)."""
    pre, post = model.in_paper.pyramidal[k - 1 : k + 1]
    return _projection(
        model,
        weights[f"bottom_up_{k}"],
        f"bottom_up_{k}",
        pre=pre,
        post=post,
        target="i_basal",
        post_factor=DENDRITIC_ERROR,
        rate=model.eta_bottom_up,
    )


def _around_interneurons(
    model: Sacramento2018Lif, weights: Mapping[str, Quantity], k: int
) -> list[Projection]:
    """Return projections to and from interneurons, (8) and (9), and what they are to cancel."""
    hidden, interneuron, above = f"hidden_{k}", f"interneuron_{k}", model.in_paper.pyramidal[k + 1]
    to, back, down = f"pyramidal_to_{interneuron}", f"interneuron_to_pyramidal_{k}", f"top_down_{k}"
    return [
        _projection(
            model,
            weights[to],
            to,
            pre=hidden,
            post=interneuron,
            target="i_dendrite",
            post_factor=DENDRITIC_ERROR,
            rate=model.eta_to_interneuron,
        ),
        _projection(
            model,
            weights[back],
            back,
            pre=interneuron,
            post=hidden,
            target="i_interneuron",
            post_factor=APICAL_ERROR,
            rate=model.eta_from_interneuron,
        ),
        _projection(model, weights[down], down, pre=above, post=hidden, target="i_top_down"),
    ]


def _input(model: Sacramento2018Lif) -> Population:
    return Population(
        name="input",
        size=model.areas[0],
        equations=INPUT,
        parameters={"rate_scale": model.rate_scale},
        spikes=Poisson(rate="spike_rate"),
        traces={"trace": model.kernel},
    )


def _hidden(model: Sacramento2018Lif, k: int) -> Population:
    own = {"g_basal": model.g_basal, "g_apical": model.g_apical}
    return _neurons(model, f"hidden_{k}", model.areas[k], PYRAMIDAL, own)


def _output(model: Sacramento2018Lif) -> Population:
    own = {"g_basal": model.g_basal, "i_teaching": 0 * pA}
    return _neurons(model, "output", model.areas[-1], OUTPUT, own)


def _interneurons(model: Sacramento2018Lif, k: int) -> Population:
    own = {"g_dendrite": model.g_dendrite, "i_somatic": model.i_somatic}
    links = {"slow_nudge": (model.in_paper.pyramidal[k + 1], "slow")}
    size = model.areas[k + 1]
    return _neurons(model, f"interneuron_{k}", size, INTERNEURON, own, links=links)


def _neurons(
    model: Sacramento2018Lif,
    name: str,
    size: int,
    equations: str,
    own: Mapping[str, Quantity],
    *,
    links: Mapping[str, tuple[str, str]] | None = None,
) -> Population:
    """Return integrate-and-fire neurons, at rest, with the parameters of all and their own."""
    spikes = Threshold(
        variable="v_soma", above="v_threshold", reset="v_reset", refractory=model.refractory
    )
    population = Population(
        name=name,
        size=size,
        equations=equations + RATE,
        parameters={**{key: getattr(model, key) for key in SHARED}, **own},
        links=links or {},
        limits={"v_soma": DIVERGED},
        spikes=spikes,
        traces={"trace": model.kernel, "slow": model.slow_kernel},
    )
    return replace(population, initial=dict.fromkeys(population.states, model.v_rest))
