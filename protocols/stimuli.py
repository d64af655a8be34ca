"""Random patterns and orders, drawn in blocks that depend on the seed and their number alone."""

from collections.abc import Callable
from functools import lru_cache

import numpy as np

from microcircuit import seeding

type Stream = Callable[[int, int], np.ndarray]
"""Rows start <= p < stop; the same for any way of asking."""

BLOCK = 1024
"""Patterns in a block; part of the definition of the random patterns."""


def in_blocks(make: Callable[[int], np.ndarray], length: int) -> Stream:
    """Return a stream that is made of blocks, each when it is needed.

    Parameters
    ----------
    make : callable
        From the number of a block to its rows, of which there are `length`. Pure.
    length : int
        Rows in a block.
    """
    block = lru_cache(maxsize=2)(make)

    def draw(start: int, stop: int) -> np.ndarray:
        numbers = range(start // length, (stop - 1) // length + 1)
        rows = np.concatenate([block(number) for number in numbers])
        return rows[start - numbers.start * length : stop - numbers.start * length]

    return draw


def shuffled(seed: int, count: int, shown: int | None = None) -> Stream:
    """Return the order in which so many images are shown, another one in each epoch.

    Parameters
    ----------
    seed : int
        The run's seed.
    count : int
        Images.
    shown : int, optional
        How many of them an epoch has; others each time. All of them without it.
    """
    length = shown or count
    return in_blocks(
        lambda epoch: seeding.generator(seed, "stimuli", "training", epoch).permutation(count)[
            :length
        ],
        length,
    )


def uniform_patterns(seed: int, name: str, size: int, low: float, high: float) -> Stream:
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
    return in_blocks(
        lambda number: seeding.generator(seed, "stimuli", name, number).uniform(
            low, high, (BLOCK, size)
        ),
        BLOCK,
    )
