"""Means with percentile bootstrap confidence intervals (Efron 1979, doi:10.1214/aos/1176344552)."""

from typing import NamedTuple

import numpy as np

CONFIDENCE = 0.95
RESAMPLES = 2000


class Band(NamedTuple):
    """A mean and its confidence interval.

    Attributes
    ----------
    mean, low, high : array
        The interval is NaN where there was only one value.
    """

    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray


def bootstrap(values: np.ndarray) -> Band:
    """Return means over the first axis with their confidence intervals.

    Parameters
    ----------
    values : array [sample, ...]
        NaN where there is no value.
    """
    mean = values.mean(axis=0)
    if len(values) == 1:
        return Band(mean, np.full_like(mean, np.nan), np.full_like(mean, np.nan))
    drawn = np.random.default_rng(0).integers(len(values), size=(RESAMPLES, len(values)))
    counts = np.apply_along_axis(np.bincount, 1, drawn, minlength=len(values))
    means = np.tensordot(counts / len(values), values, axes=1)
    tail = 100 * (1 - CONFIDENCE) / 2
    low, high = np.percentile(means, [tail, 100 - tail], axis=0)
    # Means of equal values can differ in their last bit.
    return Band(mean, np.minimum(low, mean), np.maximum(high, mean))
