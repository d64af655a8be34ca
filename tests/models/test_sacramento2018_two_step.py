"""The two-step form against a transcription in plain numpy, and what its recipe promises."""

from dataclasses import replace

import numpy as np
import pytest
from brian2 import ms

from microcircuit.devices import DEVICES
from microcircuit.models import sacramento2018_full as full
from microcircuit.models.sacramento2018_mnist import SacramentoMnist, draw_weights
from microcircuit.models.sacramento2018_two_step import TEACHER, present, two_step_circuit
from microcircuit.parameters import ParameterError
from microcircuit.records import Mean
from microcircuit.schedule import Presentations
from microcircuit.state import initial_state, parameter_values
from microcircuit.structure import Structure

INPUTS, CLASSES, BATCH = 7, 10, 3
FIXED = SacramentoMnist(
    hidden=(6, 5),
    batch=BATCH,
    eta_bottom_up=(0.5, 0.2, 0.1),
    forward_scale=1.5,
    top_down_scale=(2.0, 3.0),
)
PLASTIC = replace(
    FIXED, start="random", eta_from_interneuron=0.07, eta_top_down=0.3, tracking=0.6, centred=True
)
ERROR = (("hidden_1", 6), ("hidden_2", 5), ("output", CLASSES))


def phi(v):
    return 1 / (1 + np.exp(-v))


def stimuli(count, seed=0):
    random = np.random.default_rng(seed)
    pixels = random.random((count, BATCH, INPUTS))
    labels = random.integers(CLASSES, size=(count, BATCH, 1))
    rates = np.where(labels == np.arange(CLASSES), 0.8, 0.1)
    return pixels, np.log(rates / (1 - rates))


def run(circuit, pixels, targets, teacher, *, steps=1, records=(), **inputs):
    """Final state and records of presentations, each of some steps."""
    count = len(pixels)
    shown = {"input.pattern": pixels[:, None], "output.v_target": targets[:, None]}
    shown |= {key: np.broadcast_to(value, (count,)) for key, value in (teacher | inputs).items()}
    structure = Structure(
        circuit=circuit, inputs=tuple(shown), records=records, longest=steps, capacity=count
    )
    stretch = Presentations(
        steps=np.full(count, steps), inputs=shown, learning=np.ones(count, dtype=bool)
    )
    values = parameter_values(structure, circuit, 0)
    return DEVICES["numpy"](structure).run(initial_state(circuit), values, stretch, 0)


def two_step(model, weights, pixels, targets, *, mixing=None, records=(), **inputs):
    mixing = model.mixing_output if mixing is None else mixing
    circuit = two_step_circuit(model, weights)
    return run(circuit, pixels, targets, {TEACHER: mixing}, records=records, **inputs)


# ------------------------------------------------------------------ a transcription


def transcribed(model, start, pixels, targets, paces=None):
    """Weights, after minibatches that are presented one after the other: the docstring's 1 to 3."""
    w = {name: array.copy() for name, array in start.items()}
    lam, lam_i, lam_n = model.mixing_hidden, model.mixing_interneuron, model.mixing_output
    for p, (x, target) in enumerate(zip(pixels, targets, strict=True)):
        pace = paces[p] if paces is not None else 1
        v, r = {}, {0: x}
        for k in (1, 2, 3):
            v[k] = r[k - 1] @ w[f"bottom_up_{k}"].T + w[f"bias_{k}"][:, 0]
            r[k] = phi(v[k])
        v_i = {
            k: r[k] @ w[f"pyramidal_to_interneuron_{k}"].T + w[f"bias_to_interneuron_{k}"][:, 0]
            for k in (1, 2)
        }
        v_a0 = {
            k: r[k + 1] @ w[f"top_down_{k}"].T + phi(v_i[k]) @ w[f"interneuron_to_pyramidal_{k}"].T
            for k in (1, 2)
        }
        u, u_i = {3: (1 - lam_n) * v[3] + lam_n * target}, {}
        for k in (2, 1):
            u_i[k] = (1 - lam_i) * v_i[k] + lam_i * u[k + 1]
            down = phi(u[k + 1]) @ w[f"top_down_{k}"].T
            u[k] = v[k] + lam * (down + phi(u_i[k]) @ w[f"interneuron_to_pyramidal_{k}"].T)
        change = {}

        def learn(name, eta, post, pre, change=change, pace=pace):
            change[name] = pace * eta * post.T @ pre / BATCH

        one = np.ones((BATCH, 1))
        for k in (1, 2, 3):
            learn(f"bottom_up_{k}", model.eta_bottom_up[k - 1], phi(u[k]) - r[k], r[k - 1])
            learn(f"bias_{k}", model.eta_bottom_up[k - 1], phi(u[k]) - r[k], one)
        for k in (1, 2):
            eta, error = model.tracking * model.eta_bottom_up[k] / lam_i, phi(u_i[k]) - phi(v_i[k])
            learn(f"pyramidal_to_interneuron_{k}", eta, error, r[k])
            learn(f"bias_to_interneuron_{k}", eta, error, one)
            learn(
                f"interneuron_to_pyramidal_{k}",
                model.eta_from_interneuron,
                -v_a0[k],
                phi(v_i[k]),
                pace=1,
            )
            predicted = phi(phi(u[k + 1]) @ w[f"top_down_{k}"].T)
            learn(f"top_down_{k}", model.eta_top_down, phi(u[k]) - predicted, phi(u[k + 1]))
        for name, array in change.items():
            w[name] += array
    return w


@pytest.mark.parametrize("model", [FIXED, PLASTIC], ids=["fixed", "plastic"])
def test_circuit_learns_like_the_transcription(model):
    weights = draw_weights(model, INPUTS, 3)
    pixels, targets = stimuli(6)
    pace = np.array([1, 0.5, 0, 0.25, 1, 2])
    inputs = {
        f"{name}.pace": pace for name in ("hidden_1", "hidden_2", "interneuron_1", "interneuron_2")
    }
    found = two_step(model, weights, pixels, targets, **inputs, **{"output.pace": pace}).state
    expected = transcribed(model, weights, pixels, targets, pace)
    for name, array in expected.items():
        np.testing.assert_allclose(found[f"{name}.w"][0], array, rtol=0, atol=1e-9, err_msg=name)
        fixed = model is FIXED and name.startswith(("top_down", "interneuron_to_pyramidal"))
        assert np.array_equal(array, weights[name]) == fixed


@pytest.mark.parametrize("model", [FIXED, PLASTIC], ids=["fixed", "plastic"])
def test_numpy_statement_is_what_the_circuit_does(model):
    weights = draw_weights(model, INPUTS, 3)
    pixels, targets = stimuli(1)
    records = tuple(
        Mean(name=name, population=population, expression=expression)
        for population, _ in ERROR
        for name, expression in (("rate_forward",) * 2, ("error", "rate - rate_forward"))
    )
    found = two_step(model, weights, pixels, targets, records=records).records
    there = present(model, weights, pixels[0], targets[0])
    for (population, size), rates, errors in zip(ERROR, there.rates[1:], there.errors, strict=True):
        for name, expected in (("rate_forward", rates), ("error", errors)):
            rows = found[f"record_{population}_{name}"].reshape(BATCH, size)
            np.testing.assert_allclose(rows, expected, rtol=0, atol=1e-12)


# ------------------------------------------------------------------ the self-predicting state

APICAL = tuple(
    Mean(name="v_apical", population=f"hidden_{k}", expression="v_apical") for k in (1, 2)
)


def largest(chunk, name):
    return max(np.abs(rows).max() for key, rows in chunk.records.items() if name in key)


def test_nothing_is_left_at_apical_dendrites_without_a_teacher():
    weights = draw_weights(FIXED, INPUTS, 3)
    pixels, targets = stimuli(5)
    untaught = two_step(FIXED, weights, pixels, targets, mixing=0, records=APICAL)
    assert largest(untaught, "v_apical") < 1e-12
    for name, array in weights.items():
        np.testing.assert_allclose(untaught.state[f"{name}.w"][0], array, rtol=0, atol=1e-12)
    taught = two_step(FIXED, weights, pixels, targets, records=APICAL)
    assert largest(taught, "v_apical") > 0.01


def lag(tracking):
    """Distance of interneurons' predictions from untaught somata, over how far these are nudged."""
    model = replace(FIXED, tracking=tracking, mixing_interneuron=0.1, top_down_scale=10.0)
    weights = draw_weights(model, INPUTS, 3)
    pixels, targets = stimuli(200)
    learnt = {
        key.removesuffix(".w"): array[0]
        for key, array in two_step(model, weights, pixels, targets).state.items()
        if key.endswith(".w")
    }
    x, target = stimuli(1, seed=1)
    there = present(model, learnt, x[0], target[0])
    found = []
    for k in (1, 2):
        predicted = there.rates[k] @ learnt[f"pyramidal_to_interneuron_{k}"].T
        predicted += learnt[f"bias_to_interneuron_{k}"].T
        v_basal = np.log(there.rates[k + 1] / (1 - there.rates[k + 1]))
        rates = there.rates[k + 1] + there.errors[k]
        nudge = np.log(rates / (1 - rates)) - v_basal
        found.append(np.linalg.norm(predicted - v_basal) / np.linalg.norm(nudge))
    return np.array(found)


def test_interneurons_track_what_learns_as_long_as_their_rates_match():
    assert (lag(1.0) < 0.1).all()
    assert (lag(0.2) > 3 * lag(1.0)).all()


# ------------------------------------------------------------------ starting weights


def test_starting_weights():
    model = SacramentoMnist(hidden=(300, 200), forward_scale=(1, 4, 0.1), centred=True)
    weights = draw_weights(model, 100, 1)
    for k, (fan_in, scale) in enumerate(((100, 1), (300, 4), (200, 0.1)), start=1):
        assert weights[f"bottom_up_{k}"].std() * np.sqrt(fan_in) == pytest.approx(scale, rel=0.05)
        assert not weights[f"bias_{k}"].any()
    assert np.abs(weights["bottom_up_1"].mean(axis=1)).max() > 1e-3
    for k in (2, 3):
        assert np.abs(weights[f"bottom_up_{k}"].mean(axis=1)).max() < 1e-15
    assert np.abs(weights["top_down_2"]).max() == pytest.approx(100, rel=0.01)
    assert np.array_equal(weights["interneuron_to_pyramidal_1"], -weights["top_down_1"])
    assert np.array_equal(weights["pyramidal_to_interneuron_2"], weights["bottom_up_3"])


def test_random_start_shares_its_other_weights():
    one, other = (
        draw_weights(FIXED, INPUTS, 3),
        draw_weights(replace(FIXED, start="random"), INPUTS, 3),
    )
    for k in (1, 2):
        assert np.array_equal(one[f"bottom_up_{k}"], other[f"bottom_up_{k}"])
        assert np.array_equal(one[f"top_down_{k}"], other[f"top_down_{k}"])
        back = other[f"interneuron_to_pyramidal_{k}"]
        assert not np.allclose(back, -one[f"top_down_{k}"])
        assert 1 < np.abs(back).max() < 3


def test_frozen_weights_are_those_between_hidden_areas():
    model = replace(FIXED, frozen_hidden=True)
    circuit = two_step_circuit(model, draw_weights(model, INPUTS, 3))
    plastic = {p.name for p in circuit.projections if p.rule is not None}
    assert plastic == {
        *("bottom_up_1", "bias_1", "bottom_up_3", "bias_3"),
        *("pyramidal_to_interneuron_2", "bias_to_interneuron_2"),
    }


# ------------------------------------------------------------------ the full form

FULL = replace(
    FIXED,
    dynamics="full",
    mixing_hidden=0.02,
    mixing_output=0.02,
    mixing_interneuron=0.02,
    top_down_scale=1.0,
    duration=40 * ms,
    settling=39 * ms,
    dt=0.2 * ms,
    tau_weights=None,
)


def learnt(state, start, scale=None):
    """Changes of the weights of all projections."""
    return {
        name: (state[f"{name}.w"][0] - (scale or {}).get(name, 1) * array)
        for name, array in start.items()
    }


def test_full_dynamics_settle_and_learn_like_two_steps():
    # Little is learnt in the one presentation, and the learning window is its settled end.
    model = replace(FULL, eta_bottom_up=1e-3)
    weights = draw_weights(model, INPUTS, 3)
    pixels, targets = stimuli(1)
    teacher = {full.TEACHER: full.teacher_conductance(model)}
    circuit = full.full_circuit(model, weights)
    dendrites = {f"bottom_up_{k}": 1 / full.attenuation(model, k) for k in (1, 2, 3)}
    dendrites |= {f"pyramidal_to_interneuron_{k}": 1 / full.attenuation(model, 3) for k in (1, 2)}
    found = learnt(run(circuit, pixels, targets, teacher, steps=200).state, weights, dendrites)
    expected = learnt(two_step(model, weights, pixels, targets).state, weights)
    for name, scale in dendrites.items():
        # The loop through the apical dendrites is of higher order in the mixing factors.
        change = expected[name]
        error = np.linalg.norm(found[name] / scale - change) / np.linalg.norm(change)
        assert error < 0.1, (name, error)
        bias = name.replace("bottom_up", "bias").replace("pyramidal_to", "bias_to")
        error = np.linalg.norm(found[bias] / scale - expected[bias])
        assert error < 0.1 * np.linalg.norm(expected[bias]), bias


def test_full_form_has_rules_only_where_it_learns():
    circuit = full.full_circuit(FULL, draw_weights(FULL, INPUTS, 3))
    fixed = {p.name for p in circuit.projections if p.rule is None}
    assert fixed == {
        f"{name}_{k}" for name in ("top_down", "interneuron_to_pyramidal") for k in (1, 2)
    }
    plastic = replace(FULL, eta_top_down=0.1, eta_from_interneuron=0.1)
    circuit = full.full_circuit(plastic, draw_weights(FULL, INPUTS, 3))
    factors = {p.name: p.rule.post_factor for p in circuit.projections}
    assert factors["interneuron_to_pyramidal_1"] == "-v_apical"
    assert factors["top_down_1"] == "pace*(rate - rate_top_down)"
    mixing = full.full_parameters(FULL, INPUTS, CLASSES).mixing_factors()
    assert (mixing["hidden"], mixing["interneuron"]) == (pytest.approx(0.02), pytest.approx(0.02))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hidden": ()}, "hidden area at least"),
        ({"eta_bottom_up": (1, 2)}, "eta_bottom_up: give one number for all areas or 3; got 2"),
        ({"top_down_scale": (1, 2, 3)}, "top_down_scale: give one number for all areas or 2"),
        ({"hidden": (5,), "eta_bottom_up": 1, "frozen_hidden": True}, "frozen_hidden|one number"),
        ({"mixing_hidden": 1.0}, "mixing_hidden"),
        ({"settling": 30 * ms}, "settling = 30. ms is no shorter"),
        ({"eta_top_down": -1}, "eta_top_down"),
    ],
)
def test_parameters_that_make_no_sense_are_refused(changes, message):
    with pytest.raises(ParameterError, match=message):
        SacramentoMnist(**changes)
