"""Integrate-and-fire neurons: compartments, spikes, what they think of their rates, the circuit."""

from dataclasses import replace

import numpy as np
import pytest
from brian2 import Hz, ms, mV, nS, pA

from microcircuit.circuit import Circuit
from microcircuit.models import sacramento2018
from microcircuit.models.sacramento2018_lif import Sacramento2018Lif, build_circuit, draw_weights
from microcircuit.parameters import ParameterError
from microcircuit.records import Mean
from microcircuit.schedule import Presentations
from microcircuit.state import initial_state, parameter_values
from microcircuit.structure import Structure

MODEL = Sacramento2018Lif(areas=(3, 4, 2))


def population(name, model=MODEL, **parameters):
    found = build_circuit(model, draw_weights(model, 0)).population(name)
    return replace(found, parameters={**found.parameters, **parameters})


def run(populations, records, inputs, duration, device, compiled):
    """Means over the second half of each presentation; inputs are {key: [presentation, neuron]}."""
    counts = [np.size(p.parameters["v_rest"]) for p in populations]
    circuit = Circuit(populations=populations, replicates=max(counts))
    count, steps = len(next(iter(inputs.values()))), round(float(duration / circuit.dt))
    structure = Structure(
        circuit=circuit,
        inputs=tuple(inputs),
        records=tuple(
            Mean(name=name, population=p, expression=name, last=duration / 2) for p, name in records
        ),
        longest=steps,
        capacity=count,
    )
    stretch = Presentations(
        steps=np.full(count, steps), inputs=inputs, learning=np.ones(count, dtype=bool)
    )
    program, values = compiled(structure, device), parameter_values(structure, circuit, 1)
    found = program.run(initial_state(circuit), values, stretch, 0).records
    return {
        (p, name): found[f"record_{p}_{name}"].reshape(count, circuit.replicates, -1)
        for p, name in records
    }


# --------------------------------------------------------------------------- compartments

SILENT = {"sigma": 0 * mV * ms**-0.5, "v_threshold": 0 * mV}
DENDRITES = {
    "hidden_1": {"v_basal": (MODEL.g_basal, "i_basal"), "v_apical": (MODEL.g_apical, "i_top_down")},
    "output": {"v_basal": (MODEL.g_basal, "i_basal")},
    "interneuron_1": {"v_dendrite": (MODEL.g_dendrite, "i_dendrite")},
}
CURRENTS = 150 * pA, -80 * pA


@pytest.mark.parametrize("name", DENDRITES)
def test_compartments_settle_where_currents_add_to_zero(compiled, name):
    cells = population(name, **SILENT)
    others = (population("output", **SILENT),) if name == "interneuron_1" else ()
    coupled = DENDRITES[name]
    inputs = {
        f"{name}.{current}": np.full((1, cells.size), float(value))
        for (_, current), value in zip(coupled.values(), CURRENTS, strict=False)
    }
    records = [(name, variable) for variable in ("v_soma", *coupled, "v_predicted")]
    found = run((cells, *others), records, inputs, 400 * ms, "numpy", compiled)
    # Conductances [nS] times deviations from rest are the currents [pA] into each compartment.
    g = np.diag([MODEL.g_leak / nS, *[MODEL.g_leak_dendrite / nS] * len(coupled)])
    for place, (conductance, _) in enumerate(coupled.values(), start=1):
        g[0, 0] += conductance / nS
        g[place, place] += conductance / nS
        g[0, place] = g[place, 0] = -conductance / nS
    expected = np.linalg.solve(g, [0, *(current / pA for current in CURRENTS[: len(coupled)])])
    seen = [(found[record] - float(MODEL.v_rest)) * 1e3 for record in records]
    for values, deviation in zip(seen[:-1], expected, strict=True):
        np.testing.assert_allclose(values, deviation, rtol=1e-6)
    # The prediction is the attenuated dendrite of the paper.
    area = {"hidden_1": 1, "output": 2, "interneuron_1": 2}[name]
    np.testing.assert_allclose(seen[-1], MODEL.in_paper.attenuation(area) * expected[1], rtol=1e-6)


def test_a_soma_gets_currents_through_coupling_and_leak_in_series(compiled):
    """As the paper's, whose dendrite is at W r at once."""
    cells = population("output", **SILENT)
    records = [("output", "v_soma")]
    current = np.full((1, 2), float(150 * pA))
    found = run((cells,), records, {"output.i_basal": current}, 400 * ms, "numpy", compiled)
    series = 1 / (1 / MODEL.g_basal + 1 / MODEL.g_leak_dendrite)
    alone = 150 * pA / MODEL.g_leak_dendrite
    deviation = series * alone / (MODEL.g_leak + series)
    expected = float(MODEL.v_rest + deviation)
    np.testing.assert_allclose(found["output", "v_soma"], expected, rtol=1e-9)


# --------------------------------------------------------------------------------- spikes


@pytest.mark.parametrize("device", ["cpp", "numpy"])
def test_rates_without_noise_follow_from_the_membrane(compiled, device):
    """A soma by itself, from just above the threshold to far above it."""
    rest = np.array([-49.9, -49, -47, -40, -20]) * mV
    cells = population("output", v_rest=rest, g_basal=0 * nS, sigma=0 * mV * ms**-0.5)
    found = run(
        (cells,),
        [("output", "trace")],
        {"output.target": np.zeros((1, 2))},
        8000 * ms,
        device,
        compiled,
    )
    period = 1 / (found["output", "trace"][0, :, 0] * MODEL.rate_scale)
    tau, dt = MODEL.c_soma / MODEL.g_leak, MODEL.dt
    passage = tau * np.log((rest - MODEL.v_reset) / (rest - MODEL.v_threshold))
    # Euler steps are of relative size dt/(2 tau), and a neuron spikes at the end of one.
    error = dt + passage * float(dt / (2 * tau))
    # A window may hold a part of an interval.
    error += (MODEL.refractory + passage) ** 2 / (4000 * ms)
    assert np.all(np.abs(period - MODEL.refractory - passage) < error)


def test_neurons_estimate_their_rates(compiled):
    """Driven by constant currents, with noise: phi of the prediction is the rate."""
    model = replace(MODEL, areas=(3, 400, 400))
    names = "hidden_1", "output"
    currents = np.arange(-400, 301, 100) * 1e-12
    found = run(
        tuple(population(name, model) for name in names),
        [(name, variable) for name in names for variable in ("trace", "rate_predicted")],
        {f"{name}.i_basal": np.repeat(currents[:, None], 400, axis=1) for name in names},
        2000 * ms,
        "cpp",
        compiled,
    )
    for name in names:
        rate, predicted = (
            float(model.rate_scale) * found[name, variable].mean(axis=(1, 2))
            for variable in ("trace", "rate_predicted")
        )
        assert np.all(np.diff(rate) > 0)
        # They are means over 400 s, so of an error of 0.3 Hz at most.
        np.testing.assert_allclose(predicted, rate, rtol=0, atol=2)
        assert rate[0] < 3
        assert rate[-1] > 40


@pytest.mark.parametrize("target", [0.25, 1.0])
def test_a_teacher_brings_the_output_to_its_rate(compiled, target):
    model = replace(MODEL, areas=(3, 4, 50))
    cells = population("output", model, i_teaching=2000 * pA)
    found = run(
        (cells,),
        [("output", "trace")],
        {"output.target": np.full((1, 50), target)},
        2000 * ms,
        "numpy",
        compiled,
    )
    assert found["output", "trace"].mean() == pytest.approx(target, abs=0.08)


# -------------------------------------------------------------------------------- circuit


def test_it_is_the_circuit_of_the_paper():
    model = replace(MODEL, areas=(3, 4, 5, 2))
    ours = build_circuit(model, draw_weights(model, 1))
    paper = sacramento2018.Sacramento2018(areas=model.areas, signal="spikes")
    weights = sacramento2018.draw_weights(paper, 1)
    theirs = sacramento2018.build_circuit(paper, weights)
    assert [(p.name, p.size) for p in ours.populations] == [
        (p.name, p.size) for p in theirs.populations
    ]
    for projection in theirs.projections:
        same = ours.projection(projection.name)
        assert (same.pre, same.post) == (projection.pre, projection.post)
        onto_apical = same.target in ("i_top_down", "i_interneuron")
        size = model.apical_range if onto_apical else model.weight_range
        np.testing.assert_allclose(same.weights / size, weights[same.name])
        assert (same.rule is None) == (projection.rule is None)


def test_conductances_of_the_paper_are_those_over_the_capacitance():
    paper = MODEL.in_paper
    assert float(paper.g_leak * ms) == pytest.approx(10 / 200)
    assert paper.attenuation(1) == pytest.approx(10 / (10 + 10 + 2.5))
    assert paper.attenuation(2) == pytest.approx(10 / 20)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"areas": (3, 2)}, "needs an input, a hidden and an output area"),
        ({"v_reset": -50 * mV}, "v_reset must be below v_threshold"),
        ({"c_soma": "0 pF"}, "c_soma.*must be greater than 0"),
        ({"g_leak": "10 mV"}, "g_leak.*expected the unit 'nS'"),
        ({"rate_scale": 0 * Hz}, "rate_scale.*must be greater than 0"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_wrong_parameters(changes, message):
    with pytest.raises(ParameterError, match=message):
        Sacramento2018Lif(**changes)
