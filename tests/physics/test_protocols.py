"""The published behaviour, from whole protocols on C++: what the theory says must come out."""

from dataclasses import replace

import numpy as np
import pytest
from brian2 import Hz

from microcircuit.analysis.alignment import alignment
from microcircuit.progress import no_progress
from microcircuit.protocols import PROTOCOLS
from microcircuit.simulation import simulate


@pytest.fixture
def run(tmp_path):
    """Run a protocol with its defaults, but for the changes given to the model and to itself."""

    def simulated(name, model=None, **changes):
        defaults = PROTOCOLS[name].defaults()
        protocol = replace(defaults["protocol"], **changes)
        defaults["model"] = replace(defaults["model"], **(model or {}))
        inputs = [defaults[key] for key in ("model", "data") if key in defaults]
        return simulate(protocol, *inputs, output=tmp_path / name, progress=no_progress)

    return simulated


def test_self_prediction_silences_the_apical_dendrite(run):
    results = run("self-prediction")
    # The paper shows that both fall; the apical potential is to do so tenfold in 1,000 patterns.
    assert results.metric("hidden_1.v_apical_squared.fall").value > 10
    assert results.metric("interneuron_1.error_squared.fall").value > 5


def test_integrate_and_fire_interneurons_cancel_top_down_input(run):
    results = run("lif")
    # Seeds 0 to 2 give falls of 9 to 22; spikes by chance leave some of the input.
    assert results.metric("hidden_1.deviation_squared.fall").value > 5
    # They give 18 to 39 %; if interneurons did not follow the output, 100 % and more.
    assert results.metric("hidden_1.varying_left").value < 0.6
    for population in ("hidden_1", "interneuron_1", "output"):
        assert 10 < results.metric(f"{population}.rate").value < 40
        assert 0.7 < results.metric(f"{population}.cv").value < 1.8


def test_association_moves_the_output_to_its_target_and_the_apical_error_vanishes(run):
    results = run("association")
    before, after = (
        results.metric(f"output.error_squared.{when}").value for when in ("before", "after")
    )
    assert after < before / 100
    first, last = (
        results.metric(f"hidden_1.v_apical_squared.{when}").value for when in ("first", "last")
    )
    assert last < first / 10


def test_bars_are_all_told_apart(run):
    results = run("bars")
    accuracy = results.metric("accuracy").value
    assert accuracy[0] < 0.6
    assert accuracy[-1] == 1


def test_spikes_silence_the_apical_dendrite_down_to_their_shot_noise(run):
    spikes = {"signal": "spikes", "rate_scale": 1000 * Hz}
    results = run("self-prediction", model=spikes, presentations=400)
    first, last, noise = (
        results.metric(f"hidden_1.v_apical_squared.{name}").value
        for name in ("first", "last", "shot_noise")
    )
    assert first > 3 * noise
    # Rates fluctuate as well, with the spikes that drive them: seeds 0 to 2 give 1.12 to 1.16.
    assert noise < last < 1.4 * noise


def test_bars_are_all_told_apart_with_spikes(run):
    results = run("bars", model={"signal": "spikes"}, presentations=2500, tests=10)
    accuracy = results.metric("accuracy").value
    assert accuracy[0] < 0.6
    assert accuracy[-1] == 1


def test_spiking_circuits_approach_rates_as_shot_noise_falls(run):
    results = run("spiking-convergence", presentations=20, repetitions=4)
    # Over two decades of psi; -1/2 in theory.
    assert -0.6 < results.metric("slope.potentials").value < -0.4
    assert np.ptp(np.log10(results.metric("rate_scale").value)) == pytest.approx(2)
    # What is learnt comes closer, too, and on average faster than noise falls.
    assert results.metric("slope.scatter").value < -0.4
    assert results.metric("slope.mean_learning").value < -0.6


def test_regression_with_a_hidden_area_beats_shallow_learning_twofold(run):
    results = run("regression", presentations=20_000, tests=1)
    assert results.metric("test_error.ratio").value > 2
    # And not because the shallow circuit has learnt nothing.
    shallow, constant = (
        results.metric(f"test_error.{name}").value for name in ("shallow", "constant")
    )
    assert shallow < 0.9 * constant


PUBLISHED = {
    0.3: (2.6, 2.7, 2.1),
    0.1: (0.79, 0.77, 0.60),
    0.03: (0.23, 0.22, 0.20),
    0.01: (0.07, 0.07, 0.06),
}
"""Mean angle in degrees in areas 1-3, symmetric feedback, measured by an independent program."""


def test_updates_align_with_backprop_as_the_mixing_factor_vanishes(run):
    results = run("alignment")
    # Far from where the fixed point is still being approached: angles are of relative size 1e-3.
    assert results.metric("drift").value < 1e-9
    found = alignment(results)
    for factor, angles in PUBLISHED.items():
        # Other networks, patterns and targets than the published ones: 20 % is what was asked for.
        assert found.mean(factor, symmetric=True) == pytest.approx(angles, rel=0.2)
        random = found.mean(factor, symmetric=False)
        # In 300 and more dimensions random directions are 90 +- 3 degrees apart; mean of twenty.
        assert random[:-1] == pytest.approx([90, 90], abs=5)
        assert random[-1] == pytest.approx(angles[-1], rel=0.2)
    # Linear in lambda where lambda is small.
    ratio = found.mean(0.03, symmetric=True) / found.mean(0.01, symmetric=True)
    assert np.all(np.abs(ratio - 3) < 0.15)


def test_segregated_dendrites_learn_digits_from_errors_that_turn_towards_backprops(run):
    results = run("segregated-mnist", images=12_000, tests=1)
    before, after = results.metric("test_error").value
    # Seeds 0 to 2 give 26 to 31 %; guessing gives 90 %.
    assert before > 75
    assert after < 40
    # They give 75 to 78 degrees; random errors 90.
    before, after = results.metric("angle_1").value
    assert before > 85
    assert after < 82
