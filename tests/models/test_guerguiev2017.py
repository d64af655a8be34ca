"""Starting weights, units and variants of the network; its dynamics are in the transcription."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from brian2 import get_dimensions, ms, second

from microcircuit.circuit import CircuitError
from microcircuit.models.guerguiev2017 import (
    CITATION,
    Guerguiev2017,
    build_circuit,
    draw_weights,
    optimised_moments,
)
from microcircuit.models.sacramento2018 import one_rate
from microcircuit.parameters import ParameterError, resolved

INPUTS, CLASSES = 12, 4


def numbers(model, inputs=INPUTS, classes=CLASSES, seed=1):
    """The starting weights as numbers, in ms."""
    return {k: np.asarray(w / ms) for k, w in draw_weights(model, inputs, classes, seed).items()}


# ------------------------------------------------------------------------ starting weights


@pytest.mark.parametrize("count", [64, 500, 784])
def test_optimised_weights_pass_mean_and_deviation_on(count):
    """From potentials of mean 3 and deviation 3, through rates nu V, to the same."""
    mean, sd = optimised_moments(Guerguiev2017(), count)
    random, nu = np.random.default_rng(count), 0.2 / 4
    below = random.normal(3, 3, (400, count))
    weights = random.normal(mean, sd, (500, count))
    potentials = nu * below @ weights.T + 0.8
    # 500 neurons and 400 patterns: the mean's standard error is about 0.2.
    assert potentials.mean() == pytest.approx(3, abs=0.5)
    assert potentials.std() == pytest.approx(3, rel=0.1)


def test_optimised_start_spreads_as_wide_as_that_of_the_authors():
    """Uniform numbers 3.465 deviations wide to both sides have two deviations."""
    model = Guerguiev2017(hidden=(500, 100))
    weights = numbers(model, inputs=784, classes=10)
    for name, count in (("bottom_up_1", 784), ("bottom_up_2", 500), ("bottom_up_3", 100)):
        mean, sd = optimised_moments(model, count)
        error = 2 * sd / np.sqrt(weights[name].size)
        assert weights[name].mean() == pytest.approx(mean, abs=5 * error), name
        assert weights[name].std() == pytest.approx(3.465 / np.sqrt(3) * sd, rel=0.03), name
        assert np.max(np.abs(weights[name] - mean)) <= 3.465 * sd
    for k in (1, 2, 3):
        assert weights[f"bias_{k}"].shape[1] == 1
        assert np.max(np.abs(weights[f"bias_{k}"] - 0.8)) <= 3.465 * 0.001
    # Feedback is spread as the weights that leave the layer which it reaches.
    for k in (1, 2):
        bounds = weights[f"bottom_up_{k + 1}"].min(), weights[f"bottom_up_{k + 1}"].max()
        feedback = weights[f"top_down_{k}"]
        assert (feedback.min(), feedback.max()) == pytest.approx(bounds, rel=0.02)


def test_centred_start_spreads_as_the_formula_asks_with_feedback_around_zero():
    model = Guerguiev2017(hidden=(500, 100), start="centred")
    weights = numbers(model, inputs=784, classes=10)
    for name, count in (("bottom_up_1", 784), ("bottom_up_2", 500), ("top_down_2", 100)):
        mean, sd = optimised_moments(model, count)
        expected = 0 if name.startswith("top_down") else mean
        assert weights[name].mean() == pytest.approx(
            expected, abs=5 * sd / weights[name].size ** 0.5
        )
        assert weights[name].std() == pytest.approx(sd, rel=0.03), name
        assert np.max(np.abs(weights[name] - expected)) <= 3.465 / 2 * sd


def test_centred_feedback_past_a_layer_is_that_layers_through_random_weights():
    model = Guerguiev2017(hidden=(500, 100), start="centred")
    weights = numbers(model, inputs=784, classes=10)
    through, *_ = np.linalg.lstsq(weights["top_down_2"].T, weights["top_down_1"].T, rcond=None)
    np.testing.assert_allclose(through.T @ weights["top_down_2"], weights["top_down_1"], rtol=1e-9)
    # A sum over the 100 neurons between them, of products of independent numbers.
    expected = 10 * optimised_moments(model, 500)[1] * weights["top_down_2"].std()
    assert weights["top_down_1"].std() == pytest.approx(expected, rel=0.1)
    # Feedback that is not broadcast passes no layer.
    apart = numbers(replace(model, feedback_path="layers"), inputs=784, classes=10)
    assert apart["top_down_1"].shape == (500, 100)
    assert apart["top_down_1"].std() == pytest.approx(optimised_moments(model, 500)[1], rel=0.03)


def test_random_start():
    weights = numbers(Guerguiev2017(hidden=(100, 100), start="random"), classes=100)
    for name, values in weights.items():
        largest = 0.1 if name.startswith("bottom_up") else 1.0
        assert 0.9 * largest < np.max(np.abs(values)) < largest, name


@pytest.mark.parametrize(("path", "sources"), [("broadcast", (8, 8)), ("layers", (6, 8))])
def test_shapes(path, sources):
    model = Guerguiev2017(hidden=(9, 6), feedback_path=path, neurons_per_class=2)
    shapes = {name: w.shape for name, w in numbers(model).items()}
    assert shapes == {
        **{"bottom_up_1": (9, 12), "bottom_up_2": (6, 9), "bottom_up_3": (8, 6)},
        **{"bias_1": (9, 1), "bias_2": (6, 1), "bias_3": (8, 1)},
        **{"top_down_1": (9, sources[0]), "top_down_2": (6, sources[1])},
    }


def test_sparse_feedback_is_the_random_one_with_a_fifth_left_and_five_times_as_large():
    model = Guerguiev2017(hidden=(50, 20))
    random, sparse = (numbers(replace(model, feedback=name)) for name in ("random", "sparse"))
    for k, size in ((1, 50), (2, 20)):
        feedback = sparse[f"top_down_{k}"]
        left = feedback != 0
        assert left.sum() == size * CLASSES - int(0.8 * size * CLASSES)
        np.testing.assert_allclose(feedback[left], 5 * random[f"top_down_{k}"][left], rtol=1e-15)
    np.testing.assert_array_equal(random["bottom_up_1"], sparse["bottom_up_1"])


def test_symmetric_feedback_is_the_transpose_with_noise_or_without():
    model = Guerguiev2017(hidden=(100, 60), feedback="symmetric", feedback_path="layers")
    weights, noisy = numbers(model), numbers(replace(model, feedback="noisy-symmetric"))
    for k in (1, 2):
        transpose = weights[f"bottom_up_{k + 1}"].T
        np.testing.assert_array_equal(weights[f"top_down_{k}"], transpose)
        noise = noisy[f"top_down_{k}"] - transpose
        assert noise.std() == pytest.approx(0.05, rel=0.2)
        assert abs(noise.mean()) < 5 * 0.05 / np.sqrt(noise.size)


def test_one_start_does_not_shift_another():
    model = Guerguiev2017(hidden=(9, 6))
    one, other = numbers(model), numbers(replace(model, feedback_path="layers"))
    for name in ("bottom_up_1", "bottom_up_3", "bias_2", "top_down_2"):
        np.testing.assert_array_equal(one[name], other[name])
    assert not np.any(numbers(model, seed=2)["bottom_up_1"] == one["bottom_up_1"])


# ------------------------------------------------------------------------ circuits

FEEDBACKS = ("random", "sparse", "symmetric", "noisy-symmetric")
VARIANTS = [
    {"hidden": hidden, "signal": signal, "feedback": feedback, "feedback_path": path}
    for hidden, signal, feedback, path in product(
        ((), (8,), (8, 6)), ("spikes", "rates"), FEEDBACKS, ("broadcast", "layers")
    )
    if len(hidden) < 2 or path == "layers" or "symmetric" not in feedback
] + [
    {"hidden": (8, 6), "eta_feedback": 0.1 * ms**2, "signal": signal, **changes}
    for signal, changes in product(
        ("spikes", "rates"),
        (
            {},
            {"feedback_path": "layers"},
            {"plateau_jitter": 3 * ms, "g_apical": 0.05 / ms},
            {"start": "random", "neurons_per_class": 3},
            {"start": "centred"},
        ),
    )
]


@pytest.mark.parametrize("changes", VARIANTS, ids=str)
def test_every_variant_is_a_circuit(changes):
    model = Guerguiev2017(**changes)
    circuit = build_circuit(model, draw_weights(model, INPUTS, CLASSES, 1))
    assert {p.name for p in circuit.populations} == {"bias", *model.layers}
    sizes = [circuit.population(name).size for name in model.layers]
    assert sizes == [INPUTS, *model.hidden, CLASSES * model.neurons_per_class]
    settable = circuit.population("output").settable
    assert {"g_excitatory", "g_inhibitory"} <= settable
    for k in model.hidden_layers:
        hidden = circuit.population(f"hidden_{k}")
        assert ("plateau_lag" in hidden.settable) == model.jitters
        rule = circuit.projection(f"top_down_{k}").rule
        learns = model.learns_feedback or "symmetric" in model.feedback
        assert (rule is not None) == learns
    for projection in circuit.projections:
        carries_spikes = model.signal == "spikes" and projection.pre != "bias"
        assert projection.signal == ("spikes" if carries_spikes else "rate")
        assert (projection.kernel is not None) == carries_spikes


def test_units():
    model = Guerguiev2017(hidden=(8,), eta=(0.3 * ms**2, 0.2 * ms**2))
    circuit = build_circuit(model, draw_weights(model, INPUTS, CLASSES, 1))
    for projection in circuit.projections:
        assert get_dimensions(projection.weights) == second.dim
    dimensions = {
        (population, name): circuit.population(population).dimensions(name)
        for population in ("hidden_1", "output")
        for name in ("error", "slope", "rate_forward")
    }
    hertz = (1 / second).dim
    assert dimensions.pop(("output", "error")) == (1 / second**2).dim
    assert set(dimensions.values()) == {hertz}
    # (11) and (12): eta 20/phi_max^2 for the output, eta 20/phi_max below.
    for name in ("bottom_up", "bias"):
        rates = [circuit.projection(f"{name}_{k}").rule.learning_rate for k in (1, 2)]
        assert float(rates[0] / ms**3) == pytest.approx(0.3 * 20 / 0.2, rel=1e-12)
        assert float(rates[1] / ms**4) == pytest.approx(0.2 * 20 / 0.2**2, rel=1e-12)


def test_symmetric_feedback_learns_like_the_weights_that_it_mirrors():
    model = Guerguiev2017(hidden=(8, 6), feedback="symmetric", feedback_path="layers")
    circuit = build_circuit(model, draw_weights(model, INPUTS, CLASSES, 1))
    for k in (1, 2):
        up = circuit.projection(f"bottom_up_{k + 1}").rule
        down = circuit.projection(f"top_down_{k}").rule
        assert (up.post_factor, up.pre_factor) == (down.pre_factor, down.post_factor)
        assert up.learning_rate == down.learning_rate


def test_weights_that_do_not_fit_are_refused():
    model = Guerguiev2017(hidden=(8,))
    weights = draw_weights(replace(model, hidden=(9,)), INPUTS, CLASSES, 1)
    weights["top_down_1"] = draw_weights(model, INPUTS, CLASSES, 1)["top_down_1"]
    with pytest.raises(CircuitError, match="top_down_1"):
        build_circuit(model, weights)


def test_parameters_survive_being_written():
    model = Guerguiev2017(hidden=(), eta=0.1 * ms**2, eta_feedback="0.2 ms**2")
    assert resolved(model)["eta"] == ["0.1 ms**2"]
    assert Guerguiev2017(**resolved(model)) == model
    assert one_rate(model.eta, 3) == 0.1 * ms**2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"eta": (1 * ms**2, 1 * ms**2, 1 * ms**2)}, "eta: give one rate for all layers or 2"),
        ({"hidden": (8, 0)}, r"hidden\[1\] = 0"),
        ({"feedback": "sparse", "eta_feedback": "0.1 ms**2"}, "'sparse' would not last"),
        ({"feedback": "symmetric", "eta_feedback": "0.1 ms**2"}, "'symmetric' would not last"),
        ({"feedback": "noisy-symmetric", "eta_feedback": "0.1 ms**2"}, "would not last"),
        ({"feedback": "symmetric", "hidden": (8, 6)}, "feedback_path = 'layers'"),
        ({"feedback": "noisy-symmetric", "hidden": (8, 6)}, "feedback_path = 'layers'"),
        ({"plateau_jitter": "-1 ms"}, "plateau_jitter"),
        ({"eta": "-1 ms**2"}, "eta"),
        ({"signal": "bursts"}, "signal"),
    ],
)
def test_wrong_parameters(changes, message):
    with pytest.raises(ParameterError, match=message):
        Guerguiev2017(**changes)


def test_paper_is_cited():
    assert "10.7554/eLife.22901" in CITATION
