"""White noise that depends on nothing but seed, neuron and time step.

Brian2's own generators are consumed in sequence, so the noise a neuron sees depends on every
neuron before it, on the target, and on where a run was cut. Here each normal number is computed
from a counter (time step, neuron, stream) and a key, by Philox-4x32 with ten rounds (Salmon et al.
2011, doi:10.1145/2063384.2063405), and the Box-Muller transform. So a run in chunks, a resumed
run, a replicate among many and a run on another device all see the same noise.

`euler` is Brian2's explicit Euler method with its ``randn()`` replaced by this function; equations
keep their literal ``xi``. A group needs two variables for it beside its equations: ``noise_key``,
64 bits, and ``noise_index``, the neuron's own number.
"""

import itertools
import re
from collections.abc import Mapping

import numpy as np
from brian2 import Equations, Function
from brian2.devices.cpp_standalone.codeobject import CPPStandaloneCodeObject
from brian2.stateupdaters.base import StateUpdateMethod
from brian2.stateupdaters.explicit import euler as brian2_euler

_MULTIPLIERS = 0xD2511F53, 0xCD9E8D57
_KEY_STEPS = 0x9E3779B9, 0xBB67AE85
_ROUNDS = 10
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
    for _ in range(_ROUNDS):
        p0, p1 = np.uint64(_MULTIPLIERS[0]) * c0, np.uint64(_MULTIPLIERS[1]) * c2
        c0, c1, c2, c3 = (
            (p1 >> np.uint64(32)) ^ c1 ^ k0,
            p1 & _MASK,
            (p0 >> np.uint64(32)) ^ c3 ^ k1,
            p0 & _MASK,
        )
        k0, k1 = (k0 + np.uint64(_KEY_STEPS[0])) & _MASK, (k1 + np.uint64(_KEY_STEPS[1])) & _MASK
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
    words = [np.asarray(value).astype(np.int64).astype(np.uint64) for value in (key, step)]
    key_words = words[0] & _MASK, words[0] >> np.uint64(32)
    counter = (
        words[1] & _MASK,
        words[1] >> np.uint64(32),
        np.asarray(index).astype(np.uint64),
        np.asarray(stream).astype(np.uint64),
    )
    radius, angle, _, _ = philox(np.broadcast_arrays(*counter), key_words)
    scale = 2.0**-32
    return np.sqrt(-2.0 * np.log((radius + 0.5) * scale)) * np.cos(2.0 * np.pi * scale * angle)


_CPP = f"""
static inline double _counter_normal(int64_t key, int64_t step, int32_t index, int32_t stream)
{{
    uint32_t c0 = (uint32_t)step, c1 = (uint32_t)(step >> 32), c2 = index, c3 = stream;
    uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
    for (int round = 0; round < {_ROUNDS}; round++)
    {{
        const uint64_t p0 = (uint64_t){_MULTIPLIERS[0]}U * c0;
        const uint64_t p1 = (uint64_t){_MULTIPLIERS[1]}U * c2;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)p1;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)p0;
        k0 += {_KEY_STEPS[0]}U;
        k1 += {_KEY_STEPS[1]}U;
    }}
    const double scale = 1.0 / 4294967296.0;
    const double radius = sqrt(-2.0 * log(((double)c0 + 0.5) * scale));
    return radius * cos(6.283185307179586 * scale * (double)c1);
}}
"""

brian2_counter_normal = Function(
    counter_normal,
    arg_units=[1, 1, 1, 1],
    arg_names=["key", "step", "index", "stream"],
    return_unit=1,
    stateless=True,
)
brian2_counter_normal.implementations.add_implementation(
    CPPStandaloneCodeObject, code=_CPP, name="_counter_normal"
)
brian2_counter_normal.implementations.add_numpy_implementation(counter_normal)

NAMESPACE = {"counter_normal": brian2_counter_normal}
"""What a group's namespace must hold for `euler`."""


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
        stream = itertools.count()
        return re.sub(
            r"randn\(\)",
            lambda _: f"counter_normal(noise_key, t_in_timesteps, noise_index, {next(stream)})",
            code,
        )


euler = CounterEuler()
