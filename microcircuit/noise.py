"""White noise that depends on nothing but seed, neuron and time step.

Brian2's own generators are consumed in sequence, so the noise a neuron sees depends on every
neuron before it, on the target, and on where a run was cut. Here each normal number is computed
from a counter (time step, neuron, stream) and a key, by Philox-4x32 with ten rounds (Salmon et al.
2011, doi:10.1145/2063384.2063405), and the Box-Muller transform. So a run in chunks, a resumed
run, a replicate among many and a run on another device all see the same noise.

`euler` is Brian2's explicit Euler method with its ``randn()`` replaced by this function; equations
keep their literal ``xi``. A group needs two variables for it beside its equations: ``noise_key``,
64 bits, and ``noise_index``, the neuron's own number, of type `index_type`.

The C++ form is made for loops that a compiler turns into vectors (`microcircuit.elementary`), and
is computed in the precision of the program. In single precision it differs from `counter_normal` by
1e-7 or so, and more where the radius is next to zero.
"""

from collections.abc import Mapping

import numpy as np
from brian2 import Equations, Function, prefs
from brian2.devices.cpp_standalone.codeobject import CPPStandaloneCodeObject
from brian2.stateupdaters.base import StateUpdateMethod
from brian2.stateupdaters.explicit import euler as brian2_euler

from microcircuit import elementary

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


def counter_normal(
    key: np.ndarray, step: np.ndarray, index: np.ndarray, stream: np.ndarray
) -> np.ndarray:
    """Return standard normal numbers for a key and a counter.

    Parameters
    ----------
    key : array of int64
        From the seed, one per population and replicate.
    step : array of int64
        Time step.
    index : array of int
        Number of the neuron in its replicate.
    stream : array of int
        Number of the noise term in the equations.

    Returns
    -------
    array of float64
        Independent N(0, 1); at most 6.8 in size, as 32 bits go into the radius.
    """
    radius, angle, _, _ = _words(key, step, index, stream)
    # cos(2 pi angle/2^32) from the distance to the nearest zero of the cosine, which is exact.
    from_zero = 2.0**30 - np.minimum(angle, np.uint64(2**32) - angle)
    cosine = np.sin(2.0 * np.pi * 2.0**-32 * from_zero)
    return np.sqrt(-2.0 * np.log((radius + 0.5) * 2.0**-32)) * cosine


def counter_uniforms(key: np.ndarray, step: int, index: np.ndarray, stream: int) -> np.ndarray:
    """Return uniform numbers between 0 and 1, four for each counter.

    Parameters
    ----------
    key, step, index, stream
        As for `counter_normal`; they broadcast.

    Returns
    -------
    array of float64 [..., 4, index]
        From the four words of the counter with each index.
    """
    words = np.stack(_words(key, step, index, stream), axis=-2)
    return (words + 0.5) * 2.0**-32


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


def index_type() -> type[np.integer]:
    """Return the type of ``noise_index`` that suits the precision Brian2 is set to.

    It is as wide as the real numbers, so that all of a loop's vectors have the same length.
    """
    return np.int64 if prefs.core.default_float_dtype == np.float64 else np.int32


_CPP = """
template <typename Index>
static inline __attribute__((always_inline)) auto _counter_normal(
    int64_t key, int64_t step, Index index, int32_t stream)
{
    typedef std::conditional_t<sizeof(Index) == sizeof(double), double, float> Real;
    using philox::Word;
    Word c0 = (uint32_t)step, c1 = (uint32_t)(step >> 32), c2 = index, c3 = stream;
    philox::scramble(c0, c1, c2, c3, key);
    const Word angle = c1 & philox::LOW, turned = (0 - c1) & philox::LOW;
    const Word from_nearest = angle < turned ? angle : turned;
    const std::make_signed_t<Word> from_zero = (1 << 30) - from_nearest;
    return std::sqrt(-2 * elementary::log_of_normal(philox::uniform<Real>(c0)))
        * elementary::sine_of_quarters((Real)from_zero * Real(0x1p-30));
}
"""
"""Real numbers are as wide as the index."""

brian2_counter_normal = Function(
    counter_normal,
    arg_units=[1, 1, 1, 1],
    arg_names=["key", "step", "index", "stream"],
    return_unit=1,
    stateless=True,
)
brian2_counter_normal.implementations.add_implementation(
    CPPStandaloneCodeObject,
    _CPP,
    name="_counter_normal",
    dependencies=elementary.library("philox", elementary.LIBRARY),
)
brian2_counter_normal.implementations.add_numpy_implementation(counter_normal)

NAMESPACE = {"counter_normal": brian2_counter_normal}
"""What a group's namespace must hold for `euler`, beside `elementary.NAMESPACE`."""


class CounterEuler(StateUpdateMethod):
    """Explicit Euler (Euler-Maruyama with noise) on `counter_normal`."""

    def __call__(
        self,
        equations: Equations,
        variables: Mapping | None = None,
        method_options: Mapping | None = None,
    ) -> str:
        """Return the abstract code of one time step; see Brian2's `StateUpdateMethod`."""
        code = brian2_euler(equations, variables, method_options)
        # Brian2 keeps them in a set, whose order is another in each process.
        streams = sorted(equations.stochastic_variables)
        draws = [
            f"{name} = {elementary.PREFIX}sqrt(dt)*"
            f"counter_normal(noise_key, t_in_timesteps, noise_index, {stream})"
            for stream, name in enumerate(streams)
        ]
        step = [line for line in code.splitlines() if "randn()" not in line]
        return "\n".join([*draws, *step])


euler = CounterEuler()
