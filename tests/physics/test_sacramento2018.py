"""What the paper derives for its circuit: fixed points, mixing factors, self-prediction."""

from dataclasses import replace

import numpy as np
import pytest
from brian2 import ms

from microcircuit.devices import NumpyProgram
from microcircuit.models.sacramento2018 import Sacramento2018, build_circuit, draw_weights
from microcircuit.records import Mean
from microcircuit.schedule import Presentations
from microcircuit.state import initial_state, parameter_values, with_overrides
from microcircuit.structure import Structure

INPUTS = "input.pattern", "output.v_target", "output.g_teacher"
SETTLING = 1500
"""Steps of 0.1 ms: 50 time constants of the input's filter, the slowest there is; e^-50 = 2e-22."""
SETTLED = 1e-9
"""Potentials are of order 1 and computed to 1e-16; the paper's equations hold to rounding."""


def teaching(model, g_teacher=0.0):
    """One pattern with a target, without learning."""
    rng = np.random.default_rng(5)
    return Presentations(
        steps=np.array([SETTLING]),
        inputs={
            "input.pattern": rng.uniform(0, 1, (1, model.areas[0])),
            "output.v_target": rng.uniform(-1, 1, (1, model.areas[-1])),
            "output.g_teacher": np.array([float(g_teacher)]),
        },
        learning=np.zeros(1, dtype=bool),
    )


def settle(model, g_teacher):
    """Show the pattern; the variables of each area in the last step."""
    circuit = build_circuit(model, draw_weights(model, 3))
    wanted = {"output": ("v_soma", "v_basal")}
    for k in model.hidden:
        wanted[f"hidden_{k}"] = "v_soma", "v_basal", "v_apical", "v_top_down"
        wanted[f"interneuron_{k}"] = "v_soma", "v_dendrite"
    records = tuple(
        Mean(name=name, population=population, expression=name, last=model.dt)
        for population, names in wanted.items()
        for name in names
    )
    structure = Structure(
        circuit=circuit, inputs=INPUTS, records=records, longest=SETTLING, capacity=1
    )
    shown = teaching(model, g_teacher)
    parameters = parameter_values(structure, circuit, 0)
    rows = NumpyProgram(structure).run(initial_state(circuit), parameters, shown, 0).records
    return {
        (population, name): rows[f"record_{population}_{name}"][0]
        for population, names in wanted.items()
        for name in names
    }


def model_with(areas, transfer, **changes):
    return Sacramento2018(areas=areas, transfer=transfer, sigma=0 * ms**-0.5, **changes)


@pytest.mark.parametrize("transfer", ["logistic", "soft-rectifier"])
@pytest.mark.parametrize("areas", [(6, 8, 4), (6, 8, 5, 4), (6, 8, 7, 5, 4)], ids=str)
def test_self_predicting_apical_dendrites_are_silent(areas, transfer):
    """Without noise and teacher, in every hidden area, though the top-down input is not."""
    model = model_with(areas, transfer, start="self-predicting")
    found = settle(model, 0 / ms)
    for k in model.hidden:
        assert np.max(np.abs(found[f"hidden_{k}", "v_apical"])) < SETTLED
        assert np.max(np.abs(found[f"hidden_{k}", "v_top_down"])) > 1e-3
        # Because each interneuron has the potential of the neuron that it predicts.
        above = found[model.pyramidal[k + 1], "v_soma"]
        np.testing.assert_allclose(found[f"interneuron_{k}", "v_soma"], above, atol=SETTLED)


@pytest.mark.parametrize("areas", [(6, 8, 4), (6, 8, 5, 4)], ids=str)
def test_fixed_point_with_a_teacher(areas):
    """The soma mixes what the dendrite predicts with what nudges it, by the factors lambda."""
    conductances = {
        "g_leak": 0.15 / ms,
        "g_basal": 0.9 / ms,
        "g_apical": 0.5 / ms,
        "g_dendrite": 1.1 / ms,
        "g_somatic": 0.7 / ms,
    }
    model = model_with(areas, "logistic", **conductances)
    found = settle(model, model.g_somatic)
    factor_hidden = 0.5 / (0.15 + 0.9 + 0.5)
    factor_output = 0.7 / (0.15 + 0.9 + 0.7)
    factor_interneuron = 0.7 / (0.15 + 1.1 + 0.7)
    assert model.mixing_factors() == pytest.approx(
        {"hidden": factor_hidden, "output": factor_output, "interneuron": factor_interneuron}
    )
    for k in model.hidden:
        area = f"hidden_{k}"
        predicted = 0.9 / (0.15 + 0.9 + 0.5) * found[area, "v_basal"]
        nudged = predicted + factor_hidden * found[area, "v_apical"]
        np.testing.assert_allclose(found[area, "v_soma"], nudged, atol=SETTLED)
        assert np.max(np.abs(found[area, "v_apical"])) > 0.1

        area, above = f"interneuron_{k}", found[model.pyramidal[k + 1], "v_soma"]
        predicted = 1.1 / (0.15 + 1.1) * found[area, "v_dendrite"]
        mixed = (1 - factor_interneuron) * predicted + factor_interneuron * above
        np.testing.assert_allclose(found[area, "v_soma"], mixed, atol=SETTLED)

    predicted = 0.9 / (0.15 + 0.9) * found["output", "v_basal"]
    mixed = (1 - factor_output) * predicted + factor_output * teaching(model).inputs[
        "output.v_target"
    ][0]
    np.testing.assert_allclose(found["output", "v_soma"], mixed, atol=SETTLED)


def test_learning_to_predict_silences_the_apical_dendrite(drill, drill_program):
    """A short version of Fig S1 in a small circuit: only the interneurons' weights learn."""
    circuit = drill.circuit()
    fixed = dict.fromkeys(
        [f"{name}.learning_rate" for name in ("bottom_up_1", "bottom_up_2", "top_down_1")], 0.0
    )
    parameters = with_overrides(drill.parameters(circuit), fixed)
    rng, state, step, squares = np.random.default_rng(1), drill.state(circuit), 0, []
    for _ in range(3):
        shown = drill.plastic(100, 1000)
        inputs = {
            "input.pattern": rng.uniform(0, 1, (100, 6)),
            "output.v_target": np.zeros((100, 4)),
            "output.g_teacher": np.zeros(100),
        }
        chunk = drill_program.run(state, parameters, replace(shown, inputs=inputs), step)
        state, step = chunk.state, step + 100_000
        squares.append(chunk.records["record_hidden_1_v_apical_squared"])
    squares = np.concatenate(squares)
    # Seen: a fall by a factor of 81.
    assert squares[-50:].mean() < squares[:10].mean() / 10
