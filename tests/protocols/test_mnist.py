"""Minibatches of digits with tests in between: what is shown, and what is made of records."""

from dataclasses import replace

import numpy as np
import pytest
from brian2 import ms
from hypothesis import given
from hypothesis import strategies as st

from microcircuit.circuit import CircuitError
from microcircuit.devices import Program
from microcircuit.experiment import Experiment
from microcircuit.models.sacramento2018_mnist import SacramentoMnist
from microcircuit.parameters import ParameterError
from microcircuit.progress import no_progress
from microcircuit.protocols import baselines
from microcircuit.protocols.baselines import train
from microcircuit.protocols.data import Data, Images
from microcircuit.protocols.minibatches import Shown, Split
from microcircuit.protocols.mnist import DATA, MODEL, Mnist
from microcircuit.protocols.mnist_measures import Measures
from microcircuit.simulation import DeviceSettings, simulate

TRAINING, TEST, PIXELS = 48, 14, 9
"""44 images to learn from and 4 for validation, in minibatches of 5."""
SMALL = SacramentoMnist(
    hidden=(6, 4), batch=5, eta_bottom_up=(0.5, 0.2, 0.1), forward_scale=1, top_down_scale=2
)
FULL = replace(SMALL, dynamics="full", duration=2 * ms, settling=1 * ms)


def few():
    """Few images of 3 x 3 pixels, the first pixel of each of its own."""
    random = np.random.default_rng(0)
    pixels = random.random((TRAINING + TEST, PIXELS)).astype(np.float32)
    labels = np.arange(TRAINING + TEST) % 10
    return Images(pixels[:TRAINING], labels[:TRAINING], pixels[TRAINING:], labels[TRAINING:])


@pytest.fixture
def images(monkeypatch):
    found = few()
    monkeypatch.setattr(Data, "load", lambda self: found)
    return found


def mnist(model=SMALL, seed=1, **changes):
    given = {"epochs": 3, "probe_images": 7, "baseline_epochs": 0} | changes
    return Mnist(**given).experiment(model, DATA, seed)


def numbers(stretch, pixels):
    """Which images are shown, [P, B]."""
    shown = stretch.inputs["input.pattern"][:, 0, :, 0]
    return np.argmax(shown[..., None] == pixels[:, 0], axis=-1)


# ------------------------------------------------------------------ schedules


@pytest.fixture(scope="module")
def schedules():
    """Of the run and its probes; made once, as hypothesis asks them many times."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Data, "load", lambda self: few())
        experiment = mnist(epochs=100)
        return experiment.schedule, *(probe.schedule for probe in experiment.probes)


@given(st.tuples(*[st.integers(0, 797)] * 3).map(sorted))
def test_any_way_of_asking_gives_the_same(schedules, cuts):
    training, *probes = schedules
    assert_pure(training, cuts[0], cuts[1] + 1, cuts[2] + 2)
    for schedule in probes:
        if schedule.presentations > 1:
            count = schedule.presentations
            assert_pure(schedule, 0, 1 + cuts[0] % (count - 1), count)


def assert_pure(schedule, start, middle, stop):
    whole, one, two = (
        schedule.draw(*edges) for edges in ((start, stop), (start, middle), (middle, stop))
    )
    assert len(whole.steps) == len(whole.learning) == stop - start
    for key, values in whole.inputs.items():
        assert np.array_equal(values, np.concatenate([one.inputs[key], two.inputs[key]])), key


def test_an_epoch_shows_each_training_image_once_and_no_other(images):
    schedule = mnist().schedule
    assert schedule.presentations == 3 * 8
    shown = [numbers(schedule.draw(8 * k, 8 * k + 8), images.training).ravel() for k in range(3)]
    # Of 44 images 40 make whole minibatches; the last four of 48 are for validation.
    assert all(len(set(epoch)) == 40 and max(epoch) < 44 for epoch in shown)
    assert len({tuple(epoch) for epoch in shown}) == 3
    assert len({frozenset(epoch) for epoch in shown}) > 1
    assert set(np.concatenate(shown)) == set(range(44))
    other = numbers(mnist(seed=2).schedule.draw(0, 8), images.training)
    assert not np.array_equal(other.ravel(), shown[0])


def test_the_teacher_holds_the_output_at_the_right_classs_target(images):
    stretch = mnist(rate_right=0.9, rate_wrong=0.2).schedule.draw(0, 8)
    v_target = stretch.inputs["output.v_target"][:, 0]
    labels = images.training_labels[numbers(stretch, images.training)]
    assert np.array_equal(v_target.argmax(axis=-1), labels)
    rates = np.sort(1 / (1 + np.exp(-v_target)), axis=-1)
    assert rates[..., -1] == pytest.approx(np.full((8, 5), 0.9))
    assert rates[..., :-1] == pytest.approx(np.full((8, 5, 9), 0.2))
    assert set(stretch.inputs["output.mixing"]) == {SMALL.mixing_output}
    assert set(stretch.steps) == {1}


def test_images_are_drawn_in_single_precision(images):
    assert mnist().schedule.draw(0, 2).inputs["input.pattern"].dtype == np.float32


def test_rates_fall_from_epoch_to_epoch_and_hidden_areas_wait(images):
    stretch = mnist(decay=0.5, settling_images=23).schedule.draw(0, 24)
    left = np.repeat([1, 0.5, 0.25], 8)
    for name in ("output", "interneuron_1", "interneuron_2"):
        assert np.array_equal(stretch.inputs[f"{name}.pace"], left)
    hidden = np.where(np.arange(24) < 5, 0, left)  # 25 images in five minibatches
    for name in ("hidden_1", "hidden_2"):
        assert np.array_equal(stretch.inputs[f"{name}.pace"], hidden)


def test_images_for_three_purposes_are_different_ones(images):
    split = Split.of(images)
    first = [set(part.pixels[:, 0]) for part in (split.training, split.validation, split.test)]
    assert [len(part) for part in first] == [44, 4, 14]
    assert len(set.union(*first)) == 62
    known, unknown = (np.zeros((count, 1)) for count in (60_000, 10_000))
    parts = Split.of(Images(known, known[:, 0], unknown, unknown[:, 0]))
    found = [len(part) for part in (parts.training, parts.validation, parts.test)]
    assert found == [55_000, 5_000, 10_000]


# ------------------------------------------------------------------ probes


def test_tests_show_all_images_without_a_teacher(images):
    experiment = mnist(epochs=2, tests_per_epoch=2)
    test, validation, taught = experiment.probes
    stretch = test.schedule.draw(0, 3)
    assert test.schedule.presentations == 3
    assert numbers(stretch, images.test).ravel().tolist() == [*range(14), 0]
    assert not stretch.inputs["output.mixing"].any()
    shown = numbers(validation.schedule.draw(0, 1), images.training).ravel()
    assert shown.tolist() == [44, 45, 46, 47, 44]
    assert taught.schedule.presentations == 2
    assert taught.schedule.draw(0, 2).inputs["output.mixing"].all()
    assert {probe.at for probe in experiment.probes} == {(0, 4, 8, 12, 16)}


def test_what_is_recorded(images):
    experiment = mnist(comparisons=2)
    assert experiment.snapshots == (0, 12, 24)
    assert [r.name for r in experiment.records if not r.probes_only] == ["error_squared"]
    wide = [r for r in experiment.records if not r.across_neurons]
    assert [(r.population, r.name) for r in wide] == [("output", "v_soma")]


@pytest.mark.parametrize("model", [SMALL, FULL], ids=["two-step", "full"])
def test_both_forms_run(images, model, tmp_path):
    protocol = Mnist(epochs=1, comparisons=1, probe_images=5, baseline_epochs=1)
    assert isinstance(protocol.experiment(model, DATA, 1), Experiment)
    device = DeviceSettings(name="numpy")
    options = {"device": device, "output": tmp_path, "progress": no_progress}
    with simulate(protocol, model, DATA, **options) as results:
        found = results.metrics()
    assert len(found["test_error"].value) == 2
    assert {"baseline_backprop.last", "baseline_shallow.last", "apical_1.taught"} <= set(found)
    assert ("angle_1" in found) == (model is SMALL)
    if model is SMALL:
        assert found["apical_2.test"].value[0] < 1e-20 < found["apical_2.taught"].value[0]
        assert found["interneuron_error_1.test"].value[0] < 1e-20


# ------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("model", "changes", "message"),
    [
        (replace(SMALL, batch=45), {}, "model.batch = 45: there are 44 training images"),
        (SMALL, {"probe_images": 45}, "protocol.probe_images = 45: there are 44"),
    ],
)
def test_experiments_that_make_no_sense_are_refused(images, model, changes, message):
    with pytest.raises(CircuitError, match=message):
        mnist(model, **changes)


@pytest.mark.parametrize(
    "changes",
    [{"epochs": 0}, {"decay": 1.1}, {"rate_right": 0.1}, {"rate_wrong": 0.0}, {"comparisons": 0}],
)
def test_parameters_that_make_no_sense_are_refused(changes):
    with pytest.raises(ParameterError, match=next(iter(changes))):
        Mnist(**changes)


# ------------------------------------------------------------------ measures


class Stored:
    """Results of a run that never was."""

    def __init__(self, probes):
        self._probes = probes

    def probe(self, name, population, variable):
        return Numbers(self._probes[name])


class Numbers:
    index = np.array([0, 2, 4])

    def __init__(self, data):
        self.data = data


def test_the_test_with_the_lowest_validation_error_is_chosen():
    shown = Shown(pixels=np.zeros((3, 1)), labels=np.array([0, 1, 2]))
    split = Split(training=shown, validation=shown, test=shown)
    measures = Measures(
        model=SMALL,
        images=split,
        compared=shown,
        targets=np.eye(10),
        batches=2,
        baseline_epochs=0,
        seed=0,
    )

    def answered(*tests):
        """Potentials [test, P, R, B, class] in two minibatches of two; one image too many."""
        return np.eye(10)[np.array([[*test, 9] for test in tests])].reshape(3, 2, 1, 2, 10)

    probes = {
        "test": answered([0, 1, 0], [0, 0, 0], [0, 1, 2]),
        "validation": answered([0, 0, 0], [0, 1, 2], [0, 1, 0]),
    }
    found = measures._errors(Stored(probes))
    assert found["test_error"].value == pytest.approx([100 / 3, 200 / 3, 0])
    assert found["validation_error"].value == pytest.approx([200 / 3, 0, 100 / 3])
    assert found["epoch"].value.tolist() == [0, 1, 2]
    assert (found["epoch.chosen"].value, found["test_error.last"].value) == (1, 0)
    assert found["test_error.chosen"].value == pytest.approx(200 / 3)


def test_baselines_learn_digits():
    split = Split.of(Data().load())
    targets = np.where(np.eye(10) > 0, 0.8, 0.1)
    (*_, deep), (*_, shallow) = (
        train(hidden, split, targets, epochs=20, batch=10, seed=1) for hidden in ((40,), ())
    )
    assert deep < 7 < shallow < 12


def test_baselines_descend_the_cross_entropy():
    random = np.random.default_rng(0)
    weights = [random.normal(size=shape) for shape in ((4, 6), (3, 5))]  # biases last
    pixels, aims = random.random((2, 5)), random.random((2, 3))

    def loss():
        rates = baselines._rates(weights, pixels)[-1]
        return -np.sum(aims * np.log(rates) + (1 - aims) * np.log(1 - rates)) / 2

    for array, gradient in zip(weights, baselines._gradients(weights, pixels, aims), strict=True):
        for place in ((1, 2), (0, -1)):
            value, sides = array[place], []
            for step in (1e-6, -1e-6):
                array[place] = value + step
                sides.append(loss())
            array[place] = value
            assert gradient[place] == pytest.approx((sides[0] - sides[1]) / 2e-6, rel=1e-6)


# ------------------------------------------------------------------ learning


def test_default_model_is_the_papers():
    assert (MODEL.hidden, MODEL.batch, MODEL.dynamics) == ((500, 500), 10, "two-step")
    assert Data() == DATA


def test_digits_are_learnt_quickly(tmp_path, monkeypatch):
    monkeypatch.setattr(Program, "chunk_seconds", 60)  # numpy takes long to start a chunk
    model = SacramentoMnist(
        hidden=(60,),
        eta_bottom_up=(4.0, 0.4),
        forward_scale=(2.0, 0.1),
        top_down_scale=100.0,
    )
    protocol = Mnist(epochs=10, decay=0.85, comparisons=2, baseline_epochs=0)
    device = DeviceSettings(name="numpy", precision="single")
    options = {"seed": 1, "device": device, "output": tmp_path, "progress": no_progress}
    with simulate(protocol, model, DATA, **options) as results:
        found = results.metrics()
    assert found["test_error.last"].value < 6
    assert found["angle_1"].value[0] > 80 > 60 > found["angle_1.last"].value
    lag, nudge = (found[f"interneuron_error_1.{kind}"].value[-1] for kind in ("test", "taught"))
    assert lag < 0.05 * nudge
