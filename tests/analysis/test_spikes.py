"""Statistics of spikes, on trains of which they are known."""

import subprocess
import sys
import warnings

import neo
import numpy as np
import pytest
import quantities as pq
from elephant.conversion import BinnedSpikeTrain
from elephant.spike_train_correlation import cross_correlation_histogram

from microcircuit.analysis.spike_files import SpikeError
from microcircuit.analysis.spikes import (
    correlogram,
    fano_factors,
    interval_cvs,
    rates,
    summary,
    triggered_average,
)
from microcircuit.analysis.trains import spike_trains, trace
from microcircuit.results import open_results

RATE, SECONDS, CELLS = 20.0, 20.0, 50
"""In Hz: of Poisson processes; for how long, and how many."""


def trains(times, stop):
    return [neo.SpikeTrain(train, units="ms", t_stop=stop) for train in times]


@pytest.fixture(scope="module")
def poisson():
    random = np.random.default_rng(4)
    counts = random.poisson(RATE * SECONDS, CELLS)
    stop = 1000 * SECONDS
    return trains([np.sort(random.uniform(0, stop, count)) for count in counts], stop)


# ------------------------------------------------------------------- rates and intervals


def test_poisson_processes(poisson):
    """Within four standard errors of what is known of them."""
    spikes = RATE * SECONDS
    assert rates(poisson).shape == (CELLS,)
    np.testing.assert_allclose(rates(poisson), [len(train) / SECONDS for train in poisson])
    # The CV of n exponential intervals: about 1 - 1/n, with a standard deviation of 1/sqrt(n).
    cvs = interval_cvs(poisson)
    assert abs(cvs.mean() - (1 - 1 / spikes)) < 4 / np.sqrt(spikes * CELLS)
    # The Fano factor of K windows: 1 - 1/K, and sqrt(2/K) at more than a few spikes a window.
    for window in (100.0, 500.0):
        windows = 1000 * SECONDS / window
        fano = fano_factors(poisson, window)
        wrong = fano.mean() - (1 - 1 / windows)
        assert abs(wrong) < 4 * np.sqrt((2 + 1 / (RATE * window / 1000)) / windows / CELLS)


def test_regular_trains(write_spikes):
    """In steps of 0.1 ms, where times have rounding errors."""
    regular = 0.1 * np.arange(0, 10000, 100)
    results = write_spikes({"cells": [regular, regular[::2]]}, ends=(0.1 * 10000,))
    found = spike_trains(results, "cells")
    np.testing.assert_allclose(rates(found), [100, 50])
    np.testing.assert_allclose(interval_cvs(found), 0, atol=1e-12)
    np.testing.assert_array_equal(fano_factors(found), 0)


def test_several_spikes_in_a_step():
    burst, pair = trains([[10.0, 10.0, 10.0, 40.0], [5.0, 5.0, 5.0]], 100.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_allclose(rates([burst, pair]), [40, 30])
        cvs = interval_cvs([burst, pair])
    assert cvs[0] == pytest.approx(np.std([0, 0, 30]) / 10)
    assert np.isnan(cvs[1])  # nothing varies, and nothing is there to compare it with


def test_few_spikes_give_no_cv():
    found = interval_cvs(trains([[], [1.0], [1.0, 3.0], [1.0, 3.0, 5.0]], 10.0))
    np.testing.assert_array_equal(found, [np.nan, np.nan, np.nan, 0])


def test_fano_factor_is_of_whole_windows():
    # Three spikes, one and none in windows of 10 ms; what follows is no whole one.
    busy, silent = trains([[0.0, 1.0, 9.0, 10.0, 31.0, 32.0], []], 35.0)
    found = fano_factors([busy, silent], 10.0)
    assert found[0] == pytest.approx(np.var([3, 1, 0]) / np.mean([3, 1, 0]))
    assert np.isnan(found[1])
    assert np.isnan(fano_factors([busy], 20.0)).all()


def test_summary(write_spikes):
    results = write_spikes(
        {
            "output": [[1.0, 2.0, 3.0], [500.0]],
            "hidden_1": [[10.0, 20.0, 30.0, 150.0]],
            "input": [[], [], []],
        },
        ends=(400.0, 1000.0),
    )
    silent, one, two = summary(results)
    assert (silent.population, silent.neurons, silent.spikes, silent.rate) == ("input", 3, 0, 0)
    assert np.isnan([silent.cv, silent.fano]).all()
    assert (silent.cv_neurons, silent.fano_neurons, silent.windows) == (0, 0, 10)
    assert (one.population, one.neurons, one.spikes, one.rate) == ("hidden_1", 1, 4, 4)
    assert one.cv == pytest.approx(np.std([10, 10, 120]) / np.mean([10, 10, 120]))
    counts = [3, 1, *[0] * 8]
    assert one.fano == pytest.approx(np.var(counts) / np.mean(counts))
    assert (two.rate, two.cv, two.cv_neurons, two.fano_neurons) == (2, 0, 1, 2)


def test_summary_of_a_run(run):
    with open_results(run("segregated-traces", 5, 4)) as results:
        for row in summary(results):
            assert row.spikes == len(results.spikes(row.population).time)


# ------------------------------------------------------------------------- correlograms


def test_independent_trains_have_as_many_coincidences_as_chance(poisson):
    found = correlogram(poisson)
    np.testing.assert_array_equal(found.lag, np.arange(-50, 51))
    # Each pair is there twice, so a bin has half as many coincidences that are independent.
    coincidences = (RATE * SECONDS * CELLS) ** 2 / (1000 * SECONDS) / 2
    np.testing.assert_allclose(found.ratio, 1, atol=4.5 / np.sqrt(coincidences))


def test_shifted_copies_peak_at_the_shift(poisson):
    stop = 1000 * SECONDS
    later = trains([train.magnitude[train.magnitude < stop - 7] + 7 for train in poisson], stop)
    one = correlogram(poisson[:1], later[:1])
    assert one.lag[np.argmax(one.ratio)] == 7
    assert one.ratio.max() > 10 * np.delete(one.ratio, np.argmax(one.ratio)).mean()
    both = correlogram([poisson[0], later[0]])
    assert sorted(both.lag[np.argsort(both.ratio)[-2:]]) == [-7, 7]


def test_correlogram_is_the_mean_of_all_pairs(poisson):
    """Which is computed without going through them."""
    some = [train[:60].time_slice(0 * pq.ms, 2000 * pq.ms) for train in poisson[:4]]
    some[0] = trains([np.repeat(some[0].magnitude, 2)], 2000.0)[0]
    binned = [BinnedSpikeTrain(train, bin_size=2 * pq.ms) for train in some]
    pairs = [(a, b) for a in range(4) for b in range(4) if a != b]
    total = sum(
        cross_correlation_histogram(binned[a], binned[b], window=[-10, 10], border_correction=True)[
            0
        ].magnitude[:, 0]
        for a, b in pairs
    )
    chance = sum(len(some[a]) * len(some[b]) for a, b in pairs) / 1000
    found = correlogram(some, width=2.0, reach=20.0)
    np.testing.assert_array_equal(found.lag, np.arange(-20, 21, 2))
    np.testing.assert_allclose(found.ratio, total / chance)


def test_correlogram_needs_two_neurons_and_time():
    alone = trains([[1.0, 2.0], []], 20.0)
    assert np.isnan(correlogram(alone, reach=5.0).ratio).all()
    with pytest.raises(SpikeError, match="need a longer run than 20 bins"):
        correlogram(alone)


# ------------------------------------------------------------- spike-triggered averages

SHAPE = np.sin(np.arange(21)) + 2
"""About a spike, from 1 ms before to 1 ms after it, in steps of 0.1 ms."""


@pytest.fixture
def planted(write_spikes):
    """A trace of three neurons with a shape about each spike but those at the ends: 2, 3 and 0."""
    spikes = [[3, 400, 600], [100, 777, 901, 998], []]
    values = np.zeros((1000, 3))
    for neuron, steps in enumerate(spikes):
        for step in steps:
            if 10 <= step < 990:
                values[step - 10 : step + 11, neuron] = SHAPE * (neuron + 1)
    return write_spikes(
        {"cells": [0.1 * np.array(steps) for steps in spikes]},
        ends=(0.1 * 1000,),
        traces={("cells", "v_apical"): values},
    )


def test_planted_shape_is_found(planted):
    signal = trace(planted, "cells", "v_apical")
    found = triggered_average(signal, spike_trains(planted, "cells"), reach=1.0)
    np.testing.assert_allclose(found.lag, 0.1 * np.arange(-10, 11))
    assert found.spikes == 5
    mean = (2 * 1 + 3 * 2) / 5
    np.testing.assert_allclose(found.mean, mean * SHAPE, rtol=1e-6)
    spread = np.hypot(2 / 5 * (1 - mean), 3 / 5 * (2 - mean))
    np.testing.assert_allclose(found.error, spread * SHAPE, rtol=1e-5)


@pytest.mark.parametrize("count", [12, 17, 200])
def test_every_step_is_met(write_spikes, count):
    """No spike is put a sample aside by a rounding error, and none at the very ends is lost."""
    values = np.arange(float(count))[:, None]
    results = write_spikes(
        {"cells": [0.1 * np.arange(count)]},
        ends=(0.1 * count,),
        traces={("cells", "v_apical"): values},
    )
    signal = trace(results, "cells", "v_apical")
    (train,) = spike_trains(results, "cells")
    for step in range(count):
        found = triggered_average(signal, [train[step : step + 1]], reach=0.3)
        if 3 <= step < count - 3:
            np.testing.assert_array_equal(found.mean, step + np.arange(-3, 4))
        else:
            assert found.spikes == 0
            assert np.isnan(found.mean).all()
        assert np.isnan(found.error).all()


def test_trace_too_short_to_average_is_explained():
    signal = neo.AnalogSignal(np.zeros((9, 1)), units="V", sampling_period=1 * pq.ms)
    with pytest.raises(SpikeError, match="9 samples is too short to average 11"):
        triggered_average(signal, trains([[4.0]], 9.0), reach=5.0)


# ------------------------------------------------------------------------------ the extra


def test_nothing_else_needs_the_extra():
    code = (
        "import sys\n"
        "for name in ('elephant', 'neo', 'pynwb', 'quantities'): sys.modules[name] = None\n"
        "import microcircuit.cli, microcircuit.analysis.figures, microcircuit.analysis.comparison"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr
