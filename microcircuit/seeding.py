"""One seed, named independent streams.

The same seed and name give the same numbers on every device and in every chunk.
"""

import zlib

import numpy as np


def _sequence(seed: int, *names: str | int) -> np.random.SeedSequence:
    # crc32 and not hash(): Python salts the hashes of strings anew in each process.
    key = [name if isinstance(name, int) else zlib.crc32(name.encode()) for name in names]
    return np.random.SeedSequence(seed, spawn_key=key)


def generator(seed: int, *names: str | int) -> np.random.Generator:
    """Return the numpy generator of a named stream.

    Parameters
    ----------
    seed : int
        The run's seed, not negative.
    *names : str or int
        Such as ``"weights"`` or ``"stimuli", 3``.
    """
    return np.random.default_rng(_sequence(seed, *names))


def key(seed: int, *names: str | int) -> int:
    """Return a 63-bit key for counter-based noise (`microcircuit.noise`)."""
    return int(_sequence(seed, *names).generate_state(1, np.uint64)[0] >> np.uint64(1))
