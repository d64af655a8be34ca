"""The circuit that denoises and generates against a transcription in plain numpy, and its gate."""

from dataclasses import replace

import numpy as np
import pytest

from microcircuit.devices import DEVICES
from microcircuit.models.sacramento2018_generative import (
    GATES,
    SacramentoGenerative,
    draw_weights,
    generative_circuit,
)
from microcircuit.models.sacramento2018_two_step import TEACHER
from microcircuit.parameters import ParameterError
from microcircuit.records import Mean
from microcircuit.schedule import Presentations
from microcircuit.state import initial_state, parameter_values
from microcircuit.structure import Structure

PIXELS, HIDDEN, CLASSES, BATCH = 7, 5, 10, 3
MODEL = SacramentoGenerative(
    hidden=HIDDEN,
    batch=BATCH,
    eta_bottom_up=(0.5, 0.2),
    eta_from_interneuron=(0.05, 0.3),
    eta_top_down=(0.2, 0.1),
    forward_scale=(1.5, 1.0),
)
RATE = Mean(name="rate", population="input", expression="rate")
PIECES = "top_down_0", "interneuron_to_pyramidal_0"


def phi(v):
    return 1 / (1 + np.exp(-v))


def inverse(rate):
    return np.log(rate / (1 - rate))


def stimuli(count, seed=0):
    random = np.random.default_rng(seed)
    pixels = random.random((count, BATCH, PIXELS)).round(1)
    labels = random.integers(CLASSES, size=(count, BATCH, 1))
    return pixels, inverse(np.where(labels == np.arange(CLASSES), 0.8, 0.1))


def start(seed=3):
    """Starting weights, with some that are not zero at the apical dendrites of the input area."""
    random = np.random.default_rng(seed)
    weights = draw_weights(MODEL, PIXELS, seed)
    expectation = random.uniform(-1, 1, (PIXELS, HIDDEN))
    return weights | dict(zip(PIECES, (expectation, -expectation), strict=True))


def run(weights, pixels, targets, learning, **inputs):
    """Final weights, and the rates of the input area [presentation, image, pixel]."""
    count = len(pixels)
    shown = {"input.pattern": pixels[:, None], "output.v_target": targets[:, None]}
    shown |= {key: np.broadcast_to(np.asarray(v, float), count) for key, v in inputs.items()}
    circuit = generative_circuit(MODEL, weights)
    structure = Structure(
        circuit=circuit, inputs=tuple(shown), records=(RATE,), longest=1, capacity=count
    )
    stretch = Presentations(
        steps=np.ones(count, dtype=int), inputs=shown, learning=np.full(count, learning)
    )
    values = parameter_values(structure, circuit, 0)
    chunk = DEVICES["numpy"](structure).run(initial_state(circuit), values, stretch, 0)
    learnt = {p.name: chunk.state[f"{p.name}.w"][0] for p in circuit.projections}
    return learnt, chunk.records["record_input_rate"].reshape(count, BATCH, PIXELS)


def untaught(weights, pixels, gate, memory=0.0):
    _, rates = run(
        weights,
        pixels,
        np.zeros((len(pixels), BATCH, CLASSES)),
        learning=False,
        **{TEACHER: 0, "input.memory": memory, **dict.fromkeys(GATES, gate)},
    )
    return rates


# ------------------------------------------------------------------ a transcription


def transcribed(weights, pixels, targets, *, gate, drive, memory, pace):
    """Weights and rates of the input area, as the docstring of the model has them."""
    w = {name: array.copy() for name, array in weights.items()}
    lam_0, lam_1, lam_2 = MODEL.mixing_input, MODEL.mixing_hidden, MODEL.mixing_output
    lam_i, seen, v_a0 = MODEL.mixing_interneuron, [], 0.0
    for p, (pixel, target) in enumerate(zip(pixels, targets, strict=True)):
        d, c, one = gate[p], drive[p], np.ones((BATCH, 1))

        def apical(k, above, between, d=d):
            below = (1 - d) * between @ w[f"interneuron_to_pyramidal_{k}"].T
            return above @ w[f"top_down_{k}"].T + below

        image = inverse(np.clip(pixel, MODEL.margin, 1 - MODEL.margin))
        r_0 = phi(c * image + memory[p] * lam_0 * v_a0)
        v_1 = r_0 @ w["bottom_up_1"].T + w["bias_1"][:, 0]
        r_1 = phi(v_1)
        v_2 = r_1 @ w["bottom_up_2"].T + w["bias_2"][:, 0]
        r_2 = phi(v_2)
        v_i0 = r_0 @ w["pyramidal_to_interneuron_0"].T + w["bias_to_interneuron_0"][:, 0]
        v_i1 = r_1 @ w["pyramidal_to_interneuron_1"].T + w["bias_to_interneuron_1"][:, 0]
        before_0, before_1 = apical(0, r_1, phi(v_i0)), apical(1, r_2, phi(v_i1))
        u_2 = (1 - lam_2) * v_2 + lam_2 * target
        u_i1 = (1 - lam_i) * v_i1 + lam_i * u_2
        u_1 = c * v_1 + lam_1 * apical(1, phi(u_2), phi(u_i1))
        u_i0 = (1 - lam_i) * v_i0 + lam_i * u_1
        v_a0 = apical(0, phi(u_1), phi(u_i0))
        seen.append(phi(c * image + lam_0 * v_a0))

        eta_1, eta_2 = (pace[p] * eta for eta in MODEL.eta_bottom_up)
        pi_0, pi_1 = MODEL.eta_from_interneuron
        td_0, td_1 = (pace[p] * eta for eta in MODEL.eta_top_down)
        expected_0, expected_1 = (
            phi(phi(u) @ w[f"top_down_{k}"].T) for k, u in ((0, u_1), (1, u_2))
        )
        changes = {
            "bottom_up_1": (eta_1, phi(u_1) - r_1, r_0),
            "bias_1": (eta_1, phi(u_1) - r_1, one),
            "bottom_up_2": (eta_2, phi(u_2) - r_2, r_1),
            "bias_2": (eta_2, phi(u_2) - r_2, one),
            "pyramidal_to_interneuron_0": (eta_1 / lam_i, phi(u_i0) - phi(v_i0), r_0),
            "bias_to_interneuron_0": (eta_1 / lam_i, phi(u_i0) - phi(v_i0), one),
            "pyramidal_to_interneuron_1": (eta_2 / lam_i, phi(u_i1) - phi(v_i1), r_1),
            "bias_to_interneuron_1": (eta_2 / lam_i, phi(u_i1) - phi(v_i1), one),
            "interneuron_to_pyramidal_0": (pi_0, -before_0, phi(v_i0)),
            "interneuron_to_pyramidal_1": (pi_1, -before_1, phi(v_i1)),
            "top_down_0": (td_0, r_0 - expected_0, phi(u_1)),
            "top_down_1": (td_1, phi(u_1) - expected_1, phi(u_2)),
        }
        for name, (eta, post, pre) in changes.items():
            w[name] += eta * post.T @ pre / BATCH
    return w, np.array(seen)


def test_circuit_does_what_the_transcription_does():
    weights, (pixels, targets) = start(), stimuli(6)
    gate, drive, memory, pace = (
        np.array(values)
        for values in (
            [0, 0, 0.3, 1, 1, 0],
            [1, 1, 1, 0.4, 0, 1],
            [0, 0, 1, 1, 0.5, 0],
            [1, 0.5, 0, 0.25, 1, 2],
        )
    )
    paced = ("input", "interneuron_0", "hidden_1", "interneuron_1", "output")
    found, rates = run(
        weights,
        pixels,
        targets,
        learning=True,
        **dict.fromkeys(GATES, gate),
        **{"input.drive": drive, "hidden_1.drive": drive, "input.memory": memory},
        **{f"{name}.pace": pace for name in paced},
    )
    expected, seen = transcribed(
        weights, pixels, targets, gate=gate, drive=drive, memory=memory, pace=pace
    )
    assert set(found) == set(expected)
    for name, array in expected.items():
        np.testing.assert_allclose(found[name], array, rtol=0, atol=1e-9, err_msg=name)
        assert not np.allclose(array, weights[name]), name
    np.testing.assert_allclose(rates, seen, rtol=0, atol=1e-9)


# ------------------------------------------------------------------ the gate


def test_closed_gate_leaves_the_image_as_it_is_and_an_open_one_lets_expectations_in():
    weights, (pixels, _) = start(), stimuli(4)
    image = np.clip(pixels, MODEL.margin, 1 - MODEL.margin)
    closed, half, opened = (untaught(weights, pixels, gate) for gate in (0, 0.5, 1))
    np.testing.assert_allclose(closed, image, rtol=0, atol=1e-12)
    v_1 = image @ weights["bottom_up_1"].T + weights["bias_1"][:, 0]
    v_2 = phi(v_1) @ weights["bottom_up_2"].T + weights["bias_2"][:, 0]
    v_1 = v_1 + MODEL.mixing_hidden * phi(v_2) @ weights["top_down_1"].T
    expected = phi(v_1) @ weights["top_down_0"].T
    added = inverse(opened) - inverse(image)
    np.testing.assert_allclose(added, MODEL.mixing_input * expected, rtol=0, atol=1e-9)
    assert ((half - image) * (opened - half) > 0).mean() > 0.95  # from the one to the other


def test_later_sweeps_see_the_image_that_the_one_before_has_left():
    weights, (pixels, _) = start(), stimuli(1)
    rates = untaught(weights, np.repeat(pixels, 3, axis=0), 1, memory=[0, 1, 1])
    steps = np.abs(np.diff(rates, axis=0)).max(axis=(1, 2))
    assert steps[0] > 1e-3
    again = untaught(weights, np.repeat(pixels, 3, axis=0), 1, memory=[0, 1, 0])
    np.testing.assert_allclose(again[:2], rates[:2], rtol=0, atol=0)
    np.testing.assert_allclose(again[2], rates[0], rtol=0, atol=1e-12)


def test_a_clamped_class_reaches_the_pixels_without_an_image():
    weights, (_, targets) = start(), stimuli(1)
    _, rates = run(
        weights,
        np.zeros((1, BATCH, PIXELS)),
        targets,
        learning=False,
        **{TEACHER: 1, **dict.fromkeys(GATES, 1), "input.mixing": 1, "hidden_1.mixing": 1},
        **{"input.drive": 0, "hidden_1.drive": 0},
    )
    hidden = phi(phi(targets[0]) @ weights["top_down_1"].T)
    expected = phi(hidden @ weights["top_down_0"].T)
    np.testing.assert_allclose(rates[0], expected, rtol=0, atol=1e-12)


# ------------------------------------------------------------------ starting weights


def test_start_is_self_predicting():
    weights = draw_weights(MODEL, PIXELS, 1)
    for k in (0, 1):
        back = weights[f"interneuron_to_pyramidal_{k}"]
        assert np.array_equal(back, -weights[f"top_down_{k}"])
        up = weights[f"pyramidal_to_interneuron_{k}"]
        assert np.array_equal(up, weights[f"bottom_up_{k + 1}"])
    assert not weights["top_down_0"].any()


@pytest.mark.parametrize("change", [{"margin": 0.5}, {"mixing_input": 1.1}, {"hidden": 0}])
def test_parameters_that_make_no_sense_are_refused(change):
    with pytest.raises(ParameterError, match=next(iter(change))):
        replace(MODEL, **change)
