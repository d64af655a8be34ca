"""Random numbers that depend on nothing but seed, neuron and time step.

Brian2's own generators are consumed in sequence, so the noise a neuron sees depends on every
neuron before it, on the target, and on where a run was cut. Here four random words are computed
from a counter (time step, index, stream) and a key, by Philox-4x32 with ten rounds (Salmon et al.
2011, doi:10.1145/2063384.2063405), and become four uniform numbers or, by the Box-Muller transform,
four normal ones. So a run in chunks, a resumed run, a replicate among many and a run on another
device all see the same noise.

The four numbers belong to the neurons of the four quarters of a replicate: neuron n of N has number
n//Q of the counter with index n mod Q, where Q = ceil(N/4).

This is what the numpy device runs, and what kernels in C++ and CUDA are compared with
(``kernels/templates``: philox.hpp, noise.hpp, noise.cu). They compute normal numbers in the
precision of the program. In single precision they differ from these by 1e-7 or so, and more where
the radius is next to zero.
"""

from collections.abc import Callable

import numpy as np

MULTIPLIERS = 0xD2511F53, 0xCD9E8D57
KEY_STEPS = 0x9E3779B9, 0xBB67AE85
ROUNDS = 10
_MASK = np.uint64(0xFFFFFFFF)


def philox(
    counter: tuple[np.ndarray, ...], key: tuple[np.ndarray, np.ndarray]
) -> tuple[np.ndarray, ...]:
    """Philox-4x32-10, vectorised.

    Parameters
    ----------
    counter : four arrays of uint64 that hold 32-bit words
        They broadcast against each other and the key.
    key : two arrays of uint64 that hold 32-bit words

    Returns
    -------
    four arrays of uint64
        32 random bits each.
    """
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(ROUNDS):
        p0, p1 = np.uint64(MULTIPLIERS[0]) * c0, np.uint64(MULTIPLIERS[1]) * c2
        c0, c1, c2, c3 = (
            (p1 >> np.uint64(32)) ^ c1 ^ k0,
            p1 & _MASK,
            (p0 >> np.uint64(32)) ^ c3 ^ k1,
            p0 & _MASK,
        )
        k0, k1 = (k0 + np.uint64(KEY_STEPS[0])) & _MASK, (k1 + np.uint64(KEY_STEPS[1])) & _MASK
    return c0, c1, c2, c3


def uniforms(
    key: np.ndarray, step: np.ndarray | int, index: np.ndarray, stream: np.ndarray | int
) -> np.ndarray:
    """Return uniform numbers between 0 and 1, four for each counter.

    Parameters
    ----------
    key : array of int64
        From the seed, one per population and replicate.
    step : array of int64
        Time step.
    index : array of int
        See above.
    stream : array of int
        Number of the noise term in the equations, or of another use.

    Returns
    -------
    array of float64 [..., 4, index]
        From the four words of each counter; the arguments broadcast.
    """
    return (np.stack(_words(key, step, index, stream), axis=-2) + 0.5) * 2.0**-32


def normals(
    key: np.ndarray, step: np.ndarray | int, index: np.ndarray, stream: np.ndarray | int
) -> np.ndarray:
    """Return standard normal numbers, four for each counter.

    Parameters
    ----------
    key, step, index, stream
        As for `uniforms`.

    Returns
    -------
    array of float64 [..., 4, index]
        Independent N(0, 1); at most 6.7 in size, as 32 bits go into the radius.
    """
    words = _words(key, step, index, stream)
    numbers = []
    for radius, angle in (words[:2], words[2:]):
        length = np.sqrt(-2.0 * np.log((radius + 0.5) * 2.0**-32))
        numbers += [length * _cosine(angle), length * _cosine((angle - np.uint64(2**30)) & _MASK)]
    return np.stack(numbers, axis=-2)


def of_neurons(
    numbers: Callable[[np.ndarray, int, np.ndarray, int], np.ndarray],
    keys: np.ndarray,
    step: int,
    neurons: int,
    stream: int,
) -> np.ndarray:
    """Return a number for each neuron.

    Parameters
    ----------
    numbers : callable
        `uniforms` or `normals`.
    keys : [R] array of int64
        Of the replicates.
    step : int
        Time step.
    neurons : int
        In a replicate, those of all presentations of the batch included.
    stream : int
        See `uniforms`.

    Returns
    -------
    array of float64 [R, neurons]
    """
    quarter = -(-neurons // 4)
    found = numbers(np.asarray(keys)[:, np.newaxis], step, np.arange(quarter), stream)
    return found.reshape(len(keys), -1)[:, :neurons]


def _cosine(angle: np.ndarray) -> np.ndarray:
    """Return cos(2 pi angle/2^32), from the distance to its nearest zero, which is exact."""
    from_zero = 2.0**30 - np.minimum(angle, np.uint64(2**32) - angle)
    return np.sin(2.0 * np.pi * 2.0**-32 * from_zero)


def _words(
    key: np.ndarray, step: np.ndarray | int, index: np.ndarray, stream: np.ndarray | int
) -> tuple[np.ndarray, ...]:
    """Return the four random words of each counter."""
    words = [np.asarray(value).astype(np.int64).astype(np.uint64) for value in (key, step)]
    key_words = words[0] & _MASK, words[0] >> np.uint64(32)
    counter = (
        words[1] & _MASK,
        words[1] >> np.uint64(32),
        np.asarray(index).astype(np.uint64),
        np.asarray(stream).astype(np.uint64),
    )
    return philox(tuple(np.broadcast_arrays(*counter)), key_words)
