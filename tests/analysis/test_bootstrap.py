"""Means and their intervals are those of theory."""

import numpy as np

from microcircuit.analysis.bootstrap import bootstrap


def test_interval_holds_the_mean_and_shrinks_with_seeds():
    values = np.random.default_rng(1).normal(5, 2, (64, 3, 2))
    few, many = bootstrap(values[:4]), bootstrap(values)
    for band in (few, many):
        assert np.all((band.low <= band.mean) & (band.mean <= band.high))
    assert np.all(many.high - many.low < few.high - few.low)
    # A normal distribution's: 2 x 1.96 standard errors, to the accuracy of 64 samples.
    width = 2 * 1.96 * values.std(axis=0) / 8
    np.testing.assert_allclose(many.high - many.low, width, rtol=0.1)


def test_interval_of_one_seed_is_unknown():
    band = bootstrap(np.array([[1.0, np.nan]]))
    np.testing.assert_array_equal(band.mean, [1, np.nan])
    assert np.isnan([band.low, band.high]).all()


def test_interval_of_equal_values_is_nothing():
    band = bootstrap(np.full((3, 1), 0.1))
    np.testing.assert_allclose(band, 0.1, rtol=1e-15)
    assert band.low <= band.mean <= band.high
