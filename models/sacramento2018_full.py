"""The digit classifier of Sacramento et al. (2018) with the full dynamics, equations (1)-(10).

The circuit is that of `microcircuit.models.sacramento2018`, with minibatches, and a neuron of rate
1 in the place of biases. Its conductances follow from the mixing factors: with g_B = g_D and
g_A = lambda/(1-lambda) (g_lk+g_B), and likewise g_som of interneurons and teacher, somata settle
where the second sweep of `microcircuit.models.sacramento2018_two_step` puts them, if weights of
dendrites are larger by the attenuation: u_k = vhat_B,k + lambda v_A,k with
vhat_B,k = g_B/(g_lk+g_B+g_A) v_B,k. Rates per ms are such that weights learn in a presentation, or
in the part of it that comes after settling, as much as in one step of the two-step form.

What differs: presynaptic rates are those after the teacher, also in (9), and areas 1..N-1 are
nudged while they drive the areas above. So errors pass through a loop, which the two-step form
does not have.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from brian2 import Quantity, ms

from microcircuit.circuit import Circuit, LearningRule, Population, Projection
from microcircuit.models.sacramento2018 import Sacramento2018, build_circuit
from microcircuit.models.sacramento2018_mnist import SacramentoMnist

TEACHER = "output.g_teacher"
"""g_som of the teacher, which the schedule sets to zero where there is none."""


def full_parameters(model: SacramentoMnist, inputs: int, classes: int) -> Sacramento2018:
    """Return the parameters of the full dynamics.

    Parameters
    ----------
    model : SacramentoMnist
        Of the classifier.
    inputs, classes : int
        Neurons of the first and the last area.
    """
    total = model.g_leak + model.g_dendritic
    hidden, last = model.hidden_areas, model.areas[-1]
    learning = model.duration - model.settling

    def per_ms(etas: list[float], gains: list[float]) -> tuple[Quantity, ...]:
        return tuple(eta * gain / learning for eta, gain in zip(etas, gains, strict=True))

    unchanged = [1.0 for _ in hidden]
    gains = {k: 1 / attenuation(model, k) for k in model.areas}
    return Sacramento2018(
        areas=(inputs, *model.hidden, classes),
        transfer="logistic",
        g_leak=model.g_leak,
        g_basal=model.g_dendritic,
        g_dendrite=model.g_dendritic,
        g_apical=odds(model.mixing_hidden) * total,
        g_somatic=odds(model.mixing_interneuron) * total,
        sigma=0 * ms**-0.5,
        tau_weights=model.tau_weights,
        tau_input=None,
        eta_bottom_up=per_ms([model.eta(k) for k in model.areas], list(gains.values())),
        eta_to_interneuron=per_ms(
            [model.eta_to_interneuron(k) for k in hidden], [gains[last] for _ in hidden]
        ),
        eta_from_interneuron=per_ms([model.eta_from_interneuron for _ in hidden], unchanged),
        eta_top_down=per_ms([model.eta_top_down for _ in hidden], unchanged),
        learning_window=(model.settling, model.duration),
        signal=model.signal,
        rate_scale=model.rate_scale,
        dt=model.dt,
    )


def odds(mixing: float) -> float:
    """Return g_A / (g_lk + g_B) for a mixing factor."""
    return mixing / (1 - mixing)


def attenuation(model: SacramentoMnist, area: int) -> float:
    """Return vhat_B / v_B of an area; of the last one it is that of interneurons too."""
    dendrite = float(model.g_dendritic / (model.g_leak + model.g_dendritic))
    return dendrite * (1 - model.mixing_hidden) if area in model.hidden_areas else dendrite


def teacher_conductance(model: SacramentoMnist) -> float:
    """Return the teacher's g_som in SI units."""
    return float(odds(model.mixing_output) * (model.g_leak + model.g_dendritic))


def full_circuit(model: SacramentoMnist, weights: Mapping[str, np.ndarray]) -> Circuit:
    """Build the circuit.

    Parameters
    ----------
    model : SacramentoMnist
        Parameters.
    weights : mapping of str to array [post, pre]
        Of every projection, those of the two-step form.

    Returns
    -------
    Circuit
        The schedule sets ``input.pattern``, ``output.v_target``, ``output.g_teacher`` and the
        ``pace`` of each population that learns.
    """
    last = model.areas[-1]
    scaled = dict(weights)
    for k in model.areas:
        for name in (f"bottom_up_{k}", f"bias_{k}"):
            scaled[name] = weights[name] / attenuation(model, k)
    for k in model.hidden_areas:
        for name in (f"pyramidal_to_interneuron_{k}", f"bias_to_interneuron_{k}"):
            scaled[name] = weights[name] / attenuation(model, last)
    full = full_parameters(model, weights["bottom_up_1"].shape[1], len(weights[f"bias_{last}"]))
    circuit = build_circuit(full, scaled)
    bias = Population(name="bias", size=1, equations="rate : 1", initial={"rate": 1})
    biases = [
        _bias(circuit.projection(name), number, scaled)
        for number, names in (
            ("bias", [f"bottom_up_{k}" for k in model.areas]),
            (
                "bias_to_interneuron",
                [f"pyramidal_to_interneuron_{k}" for k in model.hidden_areas],
            ),
        )
        for name in names
    ]
    return replace(
        circuit,
        populations=(*(_paced(p) for p in circuit.populations), bias),
        projections=tuple(_with_pace(p) for p in (*circuit.projections, *biases)),
        batch=model.batch,
    )


def _bias(weights_of: Projection, kind: str, weights: Mapping[str, np.ndarray]) -> Projection:
    """Return a bias that learns as the weights of the same dendrite do, and never spikes."""
    name = f"{kind}_{weights_of.name.rpartition('_')[2]}"
    rule = weights_of.rule and replace(weights_of.rule, pre_factor="rate")
    return replace(
        weights_of,
        name=name,
        pre="bias",
        signal="rate",
        kernel=None,
        weights=weights[name],
        rule=rule,
    )


def _paced(population: Population) -> Population:
    if population.name == "input":
        return population
    return replace(population, parameters={**population.parameters, "pace": 1.0})


def _with_pace(projection: Projection) -> Projection:
    """Return a projection whose rule follows the schedule's pace, or without one at rate zero."""
    rule = projection.rule
    if rule is None or not float(np.max(np.asarray(rule.learning_rate))):
        return replace(projection, rule=None)
    paced = projection.name.startswith("interneuron_to_pyramidal")
    return projection if paced else replace(projection, rule=_slowed(rule))


def _slowed(rule: LearningRule) -> LearningRule:
    return replace(rule, post_factor=f"pace*({rule.post_factor})")
