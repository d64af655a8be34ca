"""Random input patterns, drawn in blocks that depend on the seed and their number alone."""

from collections.abc import Callable
from functools import lru_cache

import numpy as np

from microcircuit import seeding

BLOCK = 1024
"""Patterns in a block; part of the definition of the random patterns."""


def uniform_patterns(
    seed: int, name: str, size: int, low: float, high: float
) -> Callable[[int, int], np.ndarray]:
    """Return a function that draws uniform patterns on demand.

    Parameters
    ----------
    seed : int
        The run's seed.
    name : str
        Name of the stream, such as ``"training"``.
    size : int
        Number of inputs.
    low, high : float
        Range of the values.

    Returns
    -------
    callable (start, stop) -> array [stop - start, size]
        The patterns start <= p < stop; the same for any way of asking.
    """

    @lru_cache(maxsize=2)
    def block(number: int) -> np.ndarray:
        return seeding.generator(seed, "stimuli", name, number).uniform(low, high, (BLOCK, size))

    def draw(start: int, stop: int) -> np.ndarray:
        numbers = range(start // BLOCK, (stop - 1) // BLOCK + 1)
        return np.concatenate([block(number) for number in numbers])[
            start - numbers.start * BLOCK : stop - numbers.start * BLOCK
        ]

    return draw
