"""Self-prediction of integrate-and-fire neurons: what is recorded and what is made of it."""

from dataclasses import replace

import numpy as np
import pytest
from brian2 import ms

from microcircuit.progress import no_progress
from microcircuit.protocols.lif import MODEL, Lif
from microcircuit.simulation import DeviceSettings, simulate

SIZES = {"input": 6, "hidden_1": 5, "interneuron_1": 3, "output": 3}


@pytest.fixture
def results(tmp_path):
    model = replace(MODEL, areas=(6, 5, 3))
    protocol = Lif(presentations=3, duration=200 * ms)
    numpy = DeviceSettings(name="numpy")
    with simulate(
        protocol, model, seed=2, output=tmp_path / "a", device=numpy, progress=no_progress
    ) as results:
        yield results


def test_only_weights_of_interneurons_learn(results):
    for name in results.projections():
        w = results.weights(name)
        assert np.array_equal(w[0], w[-1]) == ("interneuron" not in name), name


def test_rates_and_cvs_are_those_of_the_spikes(results):
    for population, size in SIZES.items():
        spikes = results.spikes(population)
        assert len(spikes.time)
        rates, cvs = (results.metric(f"{population}.{name}").value for name in ("rates", "cvs"))
        assert rates.shape == cvs.shape == (size,)
        np.testing.assert_allclose(
            rates, np.bincount(spikes.index, minlength=size) / 0.6, rtol=1e-9
        )
        assert results.metric(f"{population}.rate").value == pytest.approx(rates.mean())
        for neuron, cv in enumerate(cvs):
            intervals = np.diff(spikes.time[spikes.index == neuron])
            assert np.isnan(cv) == (len(intervals) < 2)
            if len(intervals) > 1:
                assert cv == pytest.approx(np.std(intervals) / np.mean(intervals))
        assert results.metric(f"{population}.cv").value == pytest.approx(np.nanmean(cvs))


def test_cvs_agree_with_elephant(results):
    analysis = pytest.importorskip("microcircuit.analysis.spikes")
    trains = pytest.importorskip("microcircuit.analysis.trains")
    for population in SIZES:
        theirs = analysis.interval_cvs(trains.spike_trains(results, population))
        ours = results.metric(f"{population}.cvs").value
        np.testing.assert_allclose(ours[: len(theirs)], theirs, rtol=1e-6)


def test_deviations_are_means_of_the_potential(results):
    deviation = results.record("hidden_1", "deviation")
    trace = results.record("hidden_1", "v_apical")
    sampled = trace.data.reshape(3, 200, 5).mean(axis=1) - float(MODEL.v_rest)
    np.testing.assert_allclose(deviation[:, 0, 0], sampled, atol=2e-4)
    squares = 1e6 * (deviation.data**2).mean(axis=(1, 2, 3))
    for when, value in (("first", squares[0]), ("last", squares[-1])):
        metric = results.metric(f"hidden_1.deviation_squared.{when}")
        assert (metric.units, metric.value) == ("mV^2", pytest.approx(value))
    top_down = results.record("hidden_1", "top_down").data[1:, 0, 0]
    left = deviation[1:, 0, 0].var(axis=0).mean() / top_down.var(axis=0).mean()
    assert results.metric("hidden_1.varying_left").value == pytest.approx(left)
