"""Protocols of segregated dendrites: what they show when, and what they make of records."""

from dataclasses import replace

import numpy as np
import pytest
from brian2 import ms
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from microcircuit.circuit import CircuitError
from microcircuit.models.guerguiev2017 import Guerguiev2017
from microcircuit.parameters import ParameterError
from microcircuit.protocols import segregated_mnist, segregated_traces
from microcircuit.protocols.data import Data, Images
from microcircuit.protocols.measures import angles, backprop_errors
from microcircuit.protocols.segregated import (
    BLOCK,
    LONGEST_EXTRA,
    classification_errors,
    extra_times,
    feedback_eigenvalue,
    plateau_lags,
    targets,
)
from microcircuit.protocols.segregated_mnist import DATA, Measures, SegregatedMnist
from microcircuit.protocols.segregated_traces import SegregatedTraces
from microcircuit.protocols.stimuli import shuffled

SMALL = Guerguiev2017(hidden=(8, 6))
JITTERING = replace(SMALL, plateau_jitter=3 * ms)
TRAINING, TEST, PIXELS = 40, 20, 16


@pytest.fixture(autouse=True)
def few(monkeypatch):
    """Few images of 4 x 4 pixels, the first pixel of each of its own."""
    random = np.random.default_rng(0)
    pixels = random.random((TRAINING + TEST, PIXELS))
    labels = np.arange(TRAINING + TEST) % 10
    images = Images(pixels[:TRAINING], labels[:TRAINING], pixels[TRAINING:], labels[TRAINING:])
    monkeypatch.setattr(Data, "load", lambda self: images)
    return images


def mnist(model=SMALL, seed=1, **changes):
    given = {"images": 100, "probe_images": 30} | changes
    return SegregatedMnist(**given).experiment(model, DATA, seed)


# ------------------------------------------------------------------------ schedules


@pytest.fixture(scope="module")
def jittering_schedules():
    """Of the run and its probes; made once, as hypothesis asks them many times."""
    with pytest.MonkeyPatch.context() as patch:
        random = np.random.default_rng(1)
        images = Images(random.random((7, 4)), np.arange(7), random.random((9, 4)), np.arange(9))
        patch.setattr(Data, "load", lambda self: images)
        experiment = mnist(JITTERING, images=1000, probe_images=7)
        return experiment.schedule, *(probe.schedule for probe in experiment.probes)


@given(st.tuples(*[st.integers(0, 1997)] * 3).map(sorted))
def test_any_way_of_asking_gives_the_same(jittering_schedules, cuts):
    training, *probes = jittering_schedules
    start, middle, stop = cuts[0], cuts[1] + 1, cuts[2] + 2
    assert_pure(training, start, middle, stop)
    for schedule in probes:
        count = schedule.presentations
        start, middle = start % (count - 1), 1 + start % (count - 1)
        assert_pure(schedule, start, middle, count)


def assert_pure(schedule, start, middle, stop):
    whole, one, two = (
        schedule.draw(*edges) for edges in ((start, stop), (start, middle), (middle, stop))
    )
    assert len(whole.steps) == stop - start
    assert np.array_equal(whole.steps, [*one.steps, *two.steps])
    assert np.array_equal(whole.learning, [*one.learning, *two.learning])
    assert set(whole.inputs) == set(schedule.inputs)
    for key, values in whole.inputs.items():
        assert np.array_equal(values, np.concatenate([one.inputs[key], two.inputs[key]])), key


def test_every_image_has_a_forward_and_then_a_target_phase(few):
    stretch = mnist().schedule.draw(0, 2 * TRAINING)
    pattern = stretch.inputs["input.pattern"]
    assert np.array_equal(pattern[::2], pattern[1::2])
    assert stretch.learning.tolist() == [False, True] * TRAINING
    shown = np.argmax(pattern[::2, None, 0] == few.training[None, :, 0], axis=1)
    assert sorted(shown) == list(range(TRAINING))  # an epoch
    excitatory, inhibitory = (
        stretch.inputs[f"output.{name}"] / 1000 for name in ("g_excitatory", "g_inhibitory")
    )
    assert not np.any(excitatory[::2])
    assert not np.any(inhibitory[::2])
    assert excitatory[1::2].argmax(axis=1).tolist() == few.training_labels[shown].tolist()
    assert (excitatory[1::2].sum(axis=1) == 1).all()
    assert (excitatory[1::2] + inhibitory[1::2] == 1).all()


def test_order_differs_from_epoch_to_epoch_and_with_the_seed():
    order = shuffled(3, 25)
    epochs = order(0, 75).reshape(3, 25)
    assert all(sorted(epoch) == list(range(25)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 3
    assert not np.array_equal(order(0, 25), shuffled(4, 25)(0, 25))


def test_targets_of_several_neurons_for_each_class():
    found = targets(np.array([1, 9]), 2)
    assert found.shape == (2, 20)
    assert np.flatnonzero(found[0]).tolist() == [2, 3]
    assert np.flatnonzero(found[1]).tolist() == [18, 19]


def test_phases_are_longer_by_inverse_gaussian_times():
    extra = extra_times()(0, 200_000)
    assert extra.min() == 0
    assert extra.max() == LONGEST_EXTRA
    # Mean 2 and shape 1; scipy has mean mu*scale and shape scale.
    law = stats.invgauss(mu=2, scale=1)
    survival = law.sf(np.arange(1, LONGEST_EXTRA + 1))
    # The variance is 8: the mean's standard error is 0.0063.
    assert extra.mean() == pytest.approx(survival.sum(), abs=0.03)
    for whole in (0, 1, 4, 20):
        expected = law.cdf(whole + 1) - law.cdf(whole)
        error = np.sqrt(expected * (1 - expected) / len(extra))
        assert np.mean(extra == whole) == pytest.approx(expected, abs=5 * error)
    # How often the limit cuts, as its docstring says.
    assert law.sf(LONGEST_EXTRA + 1) == pytest.approx(1 / 40_000, rel=0.2)


def test_schedule_has_these_times_in_steps_and_knows_its_longest():
    schedule = mnist(replace(SMALL, dt=0.5 * ms), images=2 * BLOCK).schedule
    stretch = schedule.draw(0, 3 * BLOCK)
    assert schedule.longest == 200
    assert np.array_equal(stretch.steps, 100 + 2 * extra_times()(0, 3 * BLOCK))
    steady = mnist(random_phases=False).schedule
    assert (set(steady.draw(0, 200).steps), steady.longest) == ({50}, 50)


def test_plateaus_jitter_by_whole_milliseconds_of_a_normal_number():
    lag = plateau_lags(JITTERING, 3, "training")["hidden_1.plateau_lag"](0, 3000)
    assert lag.shape == (3000, 8)
    for whole in range(5):
        expected = 2 * (stats.norm.cdf((whole + 1) / 3) - stats.norm.cdf(whole / 3))
        error = np.sqrt(expected * (1 - expected) / lag.size)
        assert np.mean(lag == whole) == pytest.approx(expected, abs=5 * error)
    assert lag.max() == 5
    stretch = mnist(JITTERING).schedule.draw(0, 50)
    seconds = stretch.inputs["hidden_2.plateau_lag"]
    assert seconds.shape == (50, 6)
    assert set(np.rint(1e6 * np.unique(seconds)) / 1000) == {0, 1, 2, 3, 4, 5}
    assert not any("lag" in key for key in mnist().schedule.inputs)


# ------------------------------------------------------------------------ experiments


def test_tests_are_forward_phases_of_test_images_alone(few):
    experiment = mnist(JITTERING, test_images=5)
    test, _ = experiment.probes
    stretch = test.schedule.draw(0, 5)
    assert test.schedule.presentations == 5
    assert np.array_equal(stretch.inputs["input.pattern"], few.test[:5])
    assert set(stretch.steps) == {250}
    assert not np.any(stretch.learning)
    others = [values for key, values in stretch.inputs.items() if key != "input.pattern"]
    assert len(others) == 4
    assert not np.any(np.concatenate(others, axis=1))
    assert mnist().probes[0].schedule.presentations == TEST
    (v_soma,) = (r for r in experiment.records if r.name == "v_soma")
    assert v_soma.last == 220 * ms


def test_comparison_with_backprop_has_both_phases_of_the_first_training_images(few):
    _, comparison = mnist().probes
    stretch = comparison.schedule.draw(0, 60)
    assert np.array_equal(stretch.inputs["input.pattern"][1::2], few.training[:30])
    assert set(stretch.steps) == {50}
    assert np.any(stretch.inputs["output.g_excitatory"][1::2])


def test_tests_come_between_images():
    experiment = mnist(images=99, tests=4)
    assert experiment.snapshots == tuple(2 * image for image in (0, 25, 50, 74, 99))
    assert {probe.at for probe in experiment.probes} == {experiment.snapshots}
    assert experiment.total == 198


def test_only_the_loss_is_recorded_in_the_run():
    run = [r.name for r in mnist().records if not r.probes_only]
    assert run == ["loss"]
    without = mnist(replace(SMALL, hidden=()))
    assert {r.population for r in without.records} == {"output"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"test_images": TEST + 1}, "protocol.test_images = 21: there are 20"),
        ({"probe_images": TRAINING + 1}, "protocol.probe_images = 41: there are 40"),
        ({"phase": 10 * ms}, "a phase of 10. ms is too short"),
    ],
)
def test_experiments_that_make_no_sense_are_refused(changes, message):
    with pytest.raises(CircuitError, match=message):
        mnist(**changes)
    with pytest.raises(CircuitError, match=r"too short.*25"):
        mnist(JITTERING, phase=22 * ms)


@pytest.mark.parametrize(
    "changes", [{"images": 0}, {"tests": 0}, {"settling": "250 ms"}, {"test_images": 0}]
)
def test_parameters_that_make_no_sense_are_refused(changes):
    with pytest.raises(ParameterError, match=next(iter(changes))):
        SegregatedMnist(**changes)


def test_traces_are_of_a_network_that_does_not_learn(few):
    experiment = SegregatedTraces().experiment(SMALL, DATA, 1)
    stretch = experiment.schedule.draw(0, 6)
    assert experiment.total == 6
    assert not np.any(stretch.learning)
    assert np.array_equal(stretch.inputs["input.pattern"][::2], few.training[:3])
    assert np.any(stretch.inputs["output.g_excitatory"][1::2])
    names = {(r.population, r.name) for r in experiment.records}
    traces = {("hidden_1", name) for name in ("v_soma", "v_basal", "v_apical")}
    assert names == {
        *{("output", "loss"), ("output", "v_soma")},
        *traces,
        *((layer, "spikes") for layer in SMALL.layers),
    }
    with pytest.raises(CircuitError, match=r"protocol.images = 41: there are 40"):
        SegregatedTraces(images=41).experiment(SMALL, DATA, 1)


def test_traces_of_rates_and_of_an_output_alone():
    rates = SegregatedTraces().experiment(replace(SMALL, signal="rates"), DATA, 1)
    assert not any(r.name == "spikes" for r in rates.records)
    alone = SegregatedTraces().experiment(replace(SMALL, hidden=()), DATA, 1)
    assert {r.population for r in alone.records} == {"input", "output"}


@pytest.mark.parametrize("module", [segregated_mnist, segregated_traces])
def test_models_are_those_of_the_paper(module):
    assert module.MODEL.hidden == (500,)
    assert Data() == module.DATA
    assert "Guerguiev" in module.__doc__


# ------------------------------------------------------------------------ measures


def test_classes_are_those_of_the_highest_mean_potential():
    v_soma = np.array([[[1, 5, 3, 4], [0, 0, 1, -2]], [[1, 5, 3, 2], [0, 0, -1, -2]]])
    # Two neurons a class: means 3, 3.5 and 0, -0.5; then 3, 2.5 and 0, -1.5.
    assert classification_errors(v_soma, np.array([1, 0]), 2).tolist() == [0, 50]
    assert classification_errors(v_soma, np.array([1, 2]), 1).tolist() == [0, 50]


def test_angles():
    one = np.array([[1.0, 0, 0], [1, 1, 0], [2, 0, 0], [0, 0, 0]])
    other = np.array([[0, 3.0, 0], [1, 0, 0], [-1, 0, 0], [1, 0, 0]])
    assert angles(one, other) == pytest.approx([90, 45, 180, 90])
    assert angles(1e-9 * one[1], 1e9 * one[1]) == pytest.approx(0, abs=1e-5)


def test_backprop_errors():
    weights = {2: np.array([[1.0, 2], [3, 4], [0, 1]]), 3: np.array([[1.0, -1, 2]])}
    slopes = {1: np.array([[1.0, 10]]), 2: np.array([[1.0, 2, 0.5]])}
    found = backprop_errors(np.array([[2.0]]), slopes, weights)
    # W_3^T 2 = (2, -2, 4), times slopes (2, -4, 2); W_2^T of that = (-10, -10).
    assert found[2].tolist() == [[2, -4, 2]]
    assert found[1].tolist() == [[-10, -100]]


def test_feedback_eigenvalue():
    model = Guerguiev2017(rate_max=0.4 / ms, g_leak=0.1 / ms, g_dendrite=0.3 / ms)
    # At a potential of zero: s = 1/2, s' = 1/4, so J_beta = 0.4/4 * 0.75 W = 0.075 W.
    forward, backward = np.array([[1.0, 0], [0, 2]]), np.array([[10.0, 0], [0, 20]])
    # Plateaus at potentials 0.2*10 and 0.2*20.
    slope = [np.exp(-v) / (1 + np.exp(-v)) ** 2 for v in (2, 4)]
    u = 0.075 * 1 * slope[0] * 10, 0.075 * 2 * slope[1] * 20
    expected = max((1 - value) ** 2 for value in u)
    found = feedback_eigenvalue(model, forward, backward, np.zeros((1, 2)))
    assert found == pytest.approx(expected, rel=1e-12)
    assert feedback_eigenvalue(model, forward, 0 * backward, np.zeros((3, 2))) == 1
    # Of U, not of its parts, is the mean taken.
    v_output = np.array([[0.0, 0], [30, 30]])
    halved = feedback_eigenvalue(model, forward, backward, v_output)
    assert halved == pytest.approx(max((1 - value / 2) ** 2 for value in u), rel=1e-9)


class Stored:
    """Results of a run that never was: two probes, three test images, two for the comparison."""

    def __init__(self, probes, weights):
        self._probes, self._weights = probes, weights

    def probe(self, name, population, variable):
        return Numbers(np.asarray(self._probes[name, population, variable])[:, :, None, None])

    def weights(self, projection):
        return Numbers(np.asarray(self._weights[projection])[:, None])


class Numbers:
    def __init__(self, data):
        self.data = data


def test_metrics():
    model = Guerguiev2017(hidden=(2,))
    ignored = [99.0, 99.0]  # at the end of forward phases

    def pairs(*values):
        return [[row for value in of for row in (ignored, value)] for of in values]

    probes = {
        ("test", "output", "v_soma"): [[[1, 0], [1, 0], [1, 0]], [[1, 0], [0, 1], [1, 0]]],
        ("backprop", "output", "error"): pairs([[1, 0], [1, 0]], [[1, 0], [0, 1]]),
        ("backprop", "output", "v_soma_forward"): pairs([[0, 0], [0, 0]], [[0, 0], [0, 0]]),
        ("backprop", "hidden_1", "error"): pairs([[1, 0], [0, 1]], [[1, 1], [0, 1]]),
        ("backprop", "hidden_1", "slope"): pairs([[1, 1], [1, 1]], [[1, 1], [2, 1]]),
    }
    up = 1e-3 * np.array([np.eye(2), np.eye(2)])
    down = 1e-3 * np.array([np.zeros((2, 2)), np.eye(2)])
    found = Measures(model, np.array([0, 1, 1])).of(
        Stored(probes, {"bottom_up_2": up, "top_down_1": down})
    )
    assert set(found) == {
        name + end
        for name in ("test_error", "angle_1", "eigenvalue", "eigenvalue_shuffled")
        for end in ("", ".last")
    }
    assert found["test_error"].value == pytest.approx([200 / 3, 100 / 3])
    assert found["test_error.last"].value == found["test_error"].value[-1]
    # Backprop's errors are (1, 0), (1, 0); then (1, 0), (0, 1).
    assert found["angle_1"].value == pytest.approx([45, 22.5])
    assert found["angle_1.last"].units == "degrees"
    k_d, slope = 0.6 / 0.7, np.exp(-0.1) / (1 + np.exp(-0.1)) ** 2
    gain = 0.2 / 4 * k_d * slope
    assert found["eigenvalue"].value == pytest.approx([1, (1 - gain) ** 2])
    # Of two neurons' weights, which are back in place in some of the five draws.
    shuffled = found["eigenvalue_shuffled"].value
    swapped = 5 * (shuffled[1] - (1 - gain) ** 2) / (4 * gain)
    assert shuffled[0] == pytest.approx(1)
    assert swapped == pytest.approx(round(swapped))
    assert 1 <= round(swapped) <= 5


def test_metrics_without_a_hidden_layer():
    probes = {("test", "output", "v_soma"): [[[1, 0]]]}
    found = Measures(Guerguiev2017(hidden=()), np.array([1])).of(Stored(probes, {}))
    assert {name: metric.value for name, metric in found.items()} == {
        "test_error": np.array([100.0]),
        "test_error.last": 100.0,
    }
