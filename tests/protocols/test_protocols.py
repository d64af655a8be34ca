"""What each protocol shows and records; what comes out of it is in tests/physics."""

import dataclasses
import importlib
from dataclasses import replace

import numpy as np
import pytest
from brian2 import Hz, kHz, ms
from scipy.signal import lfilter

from microcircuit.circuit import CircuitError
from microcircuit.computation import Computation
from microcircuit.experiment import Experiment
from microcircuit.models.sacramento2018 import Sacramento2018, draw_weights, feedforward
from microcircuit.parameters import ParameterError
from microcircuit.protocols import PROTOCOLS
from microcircuit.protocols.alignment import FEEDBACKS, Alignment, with_mixing_factor
from microcircuit.protocols.alignment import MODEL as ALIGNMENT_MODEL
from microcircuit.protocols.association import MODEL as ASSOCIATION_MODEL
from microcircuit.protocols.association import Association
from microcircuit.protocols.bars import MODEL as BARS_MODEL
from microcircuit.protocols.bars import Bars, bars
from microcircuit.protocols.regression import DEEP, SHALLOW, Regression, teacher_network
from microcircuit.protocols.regression import MODEL as REGRESSION_MODEL
from microcircuit.protocols.sacramento import TEACHING_INPUTS, apical_shot_noise
from microcircuit.protocols.spiking_convergence import MODEL as CONVERGENCE_MODEL
from microcircuit.protocols.spiking_convergence import SpikingConvergence

CIRCUITS = [name for name, entry in PROTOCOLS.items() if "device" in entry.sections]


@pytest.mark.parametrize("name", PROTOCOLS)
def test_every_protocol_makes_an_experiment_with_its_defaults(name):
    sections = PROTOCOLS[name].defaults()
    assert tuple(sections) == ("protocol", *PROTOCOLS[name].sections)
    assert (type(sections["protocol"]), sections["model"]) == PROTOCOLS[name].load()
    assert sections["protocol"].name == name
    given = {key: sections[key] for key in ("model", "data") if key in sections}
    made = sections["protocol"].experiment(**given, seed=1)
    assert isinstance(made, Experiment if name in CIRCUITS else Computation)
    assert made.total > 0


@pytest.mark.parametrize("name", CIRCUITS)
def test_what_is_shown_can_be_counted_and_is_not_nothing(name):
    cls, _ = PROTOCOLS[name].load()
    fields = {field.name for field in dataclasses.fields(cls)}
    count = next(count for count in ("presentations", "images", "epochs") if count in fields)
    assert getattr(cls(**{count: 7}), count) == 7
    with pytest.raises(ParameterError, match=f"{count} = 0"):
        cls(**{count: 0})


@pytest.mark.parametrize("name", PROTOCOLS)
def test_modules_are_documented(name):
    module = importlib.import_module(f"microcircuit.protocols.{PROTOCOLS[name].module}")
    papers = "Sacramento", "Guerguiev", "Bartunov"
    assert name == "bars" or any(paper in module.__doc__ for paper in papers)


def test_association_has_its_teacher_in_the_middle_phase_only():
    protocol = Association(presentations=4, before=2, after=3)
    schedule = protocol.experiment(ASSOCIATION_MODEL, seed=1).schedule
    stretch = schedule.draw(0, schedule.presentations)
    teacher = stretch.inputs["output.g_teacher"] * float(1 * ms)
    assert teacher.tolist() == pytest.approx([0, 0, 0.8, 0.8, 0.8, 0.8, 0, 0, 0])
    assert np.ptp(stretch.inputs["input.pattern"], axis=0).max() == 0


def test_regression_refuses_to_send_negative_rates_as_spikes():
    model = dataclasses.replace(REGRESSION_MODEL, signal="spikes")
    Regression(presentations=3).experiment(model, seed=1)
    with pytest.raises(CircuitError, match="negative input rates"):
        Regression(presentations=3).experiment(
            dataclasses.replace(model, spiking_input=True), seed=1
        )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"signal": "rates"}, "compares spikes"),
        ({"spiking_input": False}, "compares spikes"),
        ({"refractory": 2 * ms}, "refractory"),
    ],
)
def test_convergence_needs_spikes_that_have_a_limit(change, message):
    model = dataclasses.replace(CONVERGENCE_MODEL, **change)
    with pytest.raises(CircuitError, match=message):
        SpikingConvergence().experiment(model, seed=1)


def test_convergence_shows_both_circuits_the_same():
    protocol = SpikingConvergence(rate_scales=(1 * kHz, 4 * kHz), repetitions=3, presentations=5)
    experiment = protocol.experiment(CONVERGENCE_MODEL, seed=1)
    shown = experiment.schedule.draw(0, 5).inputs
    for key in TEACHING_INPUTS:
        np.testing.assert_array_equal(shown[key], shown[f"limit_{key}"])
    circuit = experiment.circuit
    for name in ("bottom_up_1", "interneuron_to_pyramidal_1"):
        limit = circuit.projection(f"limit_{name}")
        np.testing.assert_array_equal(circuit.projection(name).weights, limit.weights)
        assert limit.signal == "trace"
    rates = circuit.population("output").parameters["rate_scale"]
    assert (rates / kHz).tolist() == [1, 1, 1, 4, 4, 4]
    with pytest.raises(ParameterError, match="two different values"):
        SpikingConvergence(rate_scales=(1 * kHz, 1 * kHz))


def test_shot_noise_is_the_variance_of_apical_potentials_driven_by_spikes():
    """Against traces that are drawn and low-passed here."""
    model = Sacramento2018(
        areas=(2, 2, 3), signal="spikes", rate_scale=400 * Hz, tau_synapse=1 * ms
    )
    weights, rates = draw_weights(model, 3), {"output": [0.2, 0.9, 0.5], "interneuron_1": [1, 0, 2]}
    rates = {name: np.array(values, dtype=float) for name, values in rates.items()}
    random, (psi, tau, dt), potential = np.random.default_rng(1), (0.4, 1.0, 0.1), 0
    for name, source in (("top_down_1", "output"), ("interneuron_to_pyramidal_1", "interneuron_1")):
        spikes = random.poisson(psi * rates[source] * dt, (200_000, 3)) / (psi * tau)
        traces = lfilter([1], [1, -(1 - dt / tau)], spikes, axis=0)
        potential = potential + traces @ weights[name].T
    # 200,000 steps of 0.1 ms hold 20,000 time constants: 1/sqrt of that is 0.7 %; four of these.
    expected = apical_shot_noise(model, weights, rates, 1)
    assert potential.var(axis=0).mean() == pytest.approx(expected, rel=0.03)


def test_regression_shows_the_teacher_networks_targets_to_a_deep_and_a_shallow_circuit():
    experiment = Regression(presentations=3).experiment(REGRESSION_MODEL, seed=1)
    stretch = experiment.schedule.draw(0, 3)
    assert set(stretch.inputs) == set(TEACHING_INPUTS)
    target = teacher_network(REGRESSION_MODEL, 20, seed=1)
    patterns = stretch.inputs["input.pattern"]
    assert np.array_equal(stretch.inputs["output.v_target"], target(patterns))
    hidden, output = (
        np.asarray(experiment.circuit.projection(f"bottom_up_{k}").rule.learning_rate)
        for k in (1, 2)
    )
    assert hidden[DEEP] > 0 == hidden[SHALLOW]
    assert output[SHALLOW] > output[DEEP] > 0
    for projection in experiment.circuit.projections:
        assert np.array_equal(projection.weights[DEEP], projection.weights[SHALLOW])


def test_regression_tests_on_unseen_patterns_without_noise_or_teacher():
    experiment = Regression(presentations=200).experiment(REGRESSION_MODEL, seed=1)
    (probe,) = experiment.probes
    tests = probe.schedule.draw(0, 100)
    training = experiment.schedule.draw(0, 200).inputs["input.pattern"]
    assert not (tests.inputs["input.pattern"][:, None] == training[None]).any()
    assert not np.any(tests.inputs["output.g_teacher"])
    assert set(probe.parameters.values()) == {0.0}
    noisy = {p.name for p in experiment.circuit.populations if "sigma" in p.parameters}
    assert set(probe.parameters) == {f"{name}.sigma" for name in noisy}


def test_bars_are_three_rows_three_columns_and_two_diagonals():
    images, labels = bars()
    assert labels.tolist() == [0, 0, 0, 1, 1, 1, 2, 2]
    assert len(np.unique(images, axis=0)) == 8
    assert (images.sum(axis=1) == 3).all()
    # No linear readout can do it: rows and columns have the same mean image.
    assert np.allclose(images[:3].mean(axis=0), images[3:6].mean(axis=0))


def test_bars_need_nine_inputs_and_three_outputs():
    with pytest.raises(CircuitError, match=r"9 pixels and 3 classes"):
        Bars().experiment(replace(BARS_MODEL, areas=(9, 30, 4)), seed=1)


def test_alignment_compares_the_same_networks_at_every_factor_and_feedback():
    protocol = Alignment(networks=2, mixing_factors=(0.3, 0.1), presentations=3)
    experiment = protocol.experiment(ALIGNMENT_MODEL, seed=1)
    assert experiment.circuit.replicates == len(FEEDBACKS) * 2 * 2
    first = np.asarray(experiment.circuit.projection("bottom_up_1").weights)
    assert all(np.array_equal(first[r], first[r % 2]) for r in range(8))
    assert not np.array_equal(first[0], first[1])


def test_alignment_displaces_targets_from_the_output_itself():
    protocol = Alignment(networks=40, mixing_factors=(0.1,), presentations=5)
    stretch = protocol.experiment(ALIGNMENT_MODEL, seed=1).schedule.draw(0, 5)
    patterns, targets = stretch.inputs["input.pattern"], stretch.inputs["output.v_target"]
    model = with_mixing_factor(ALIGNMENT_MODEL, 0.1)
    experiment = protocol.experiment(ALIGNMENT_MODEL, seed=1)
    forward = {
        f"bottom_up_{k}": np.asarray(experiment.circuit.projection(f"bottom_up_{k}").weights)[0]
        for k in (1, 2, 3)
    }
    displaced = targets[:, 0, 0] - feedforward(model, forward, patterns[:, 0, 0])[-1]
    # Fifty normal numbers of standard deviation 0.5; their own is within 0.2 with room to spare.
    assert abs(displaced.std() - 0.5) < 0.2


def test_mixing_factor_sets_all_three():
    factors = with_mixing_factor(ALIGNMENT_MODEL, 0.3).mixing_factors()
    assert list(factors.values()) == pytest.approx([0.3, 0.3, 0.3], rel=1e-12)


def test_alignment_refuses_no_or_impossible_mixing_factors():
    with pytest.raises(ParameterError, match="empty"):
        Alignment(mixing_factors=())
    with pytest.raises(ParameterError, match="mixing_factors"):
        Alignment(mixing_factors=(1.0,))


def test_random_and_symmetric_feedback_share_their_other_weights():
    one, other = (
        draw_weights(replace(ALIGNMENT_MODEL, feedback=feedback), 3) for feedback in FEEDBACKS
    )
    assert all(np.array_equal(one[f"bottom_up_{k}"], other[f"bottom_up_{k}"]) for k in (1, 2, 3))
    assert not np.array_equal(one["top_down_1"], other["top_down_1"])


@pytest.mark.parametrize("change", [{"g_apical": "0.3 /ms"}, {"eta_bottom_up": "1 /ms"}])
def test_alignment_refuses_parameters_that_it_sets_itself(change):
    model = replace(ALIGNMENT_MODEL, **change)
    with pytest.raises(CircuitError, match=f"model.{next(iter(change))}"):
        Alignment().experiment(model, seed=1)
