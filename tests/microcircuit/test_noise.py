"""Noise is the published generator, normal, independent, and the same on every device."""

import numpy as np
import pytest

from microcircuit import seeding
from microcircuit.noise import counter_normal, philox

DRAWS = 1_000_000
SIGMAS = 5
"""Standard errors that a statistic may be off; the numbers are fixed: it will never be."""


def words(*values):
    return tuple(np.array(value, dtype=np.uint64) for value in values)


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        ((0, 0, 0, 0), (0, 0), "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            "d16cfe09 94fdcceb 5001e420 24126ea1",
        ),
    ],
    ids=["zeros", "ones", "digits of pi"],
)
def test_philox_gives_the_known_answers(counter, key, expected):
    """Of Random123, kat_vectors, philox4x32 with 10 rounds."""
    assert " ".join(f"{word:08x}" for word in philox(words(*counter), words(*key))) == expected


def normals(*, key=12345, step=0, index=0, stream=0):
    return counter_normal(np.asarray(key), np.asarray(step), np.asarray(index), np.asarray(stream))


@pytest.mark.parametrize("along", ["step", "index", "key"])
def test_moments_are_those_of_a_normal_distribution(along):
    """Along whatever the numbers are drawn; standard errors are those of a normal sample."""
    x = normals(**{along: np.arange(DRAWS)})
    error = 1 / np.sqrt(DRAWS)
    assert abs(np.mean(x)) < SIGMAS * error
    assert abs(np.mean(x**2) - 1) < SIGMAS * np.sqrt(2) * error
    assert abs(np.mean(x**3)) < SIGMAS * np.sqrt(15) * error
    assert abs(np.mean(x**4) - 3) < SIGMAS * np.sqrt(96) * error
    assert 4 < np.max(np.abs(x)) < 6.8  # of a million; the radius ends at 6.66


@pytest.mark.parametrize(
    "other",
    [{"step": 1}, {"index": 1}, {"stream": 1}, {"key": 12346}, {"key": 12345 + 2**32}],
    ids=str,
)
def test_streams_are_independent(other):
    """Neither the numbers nor their sizes have anything in common; neighbours are the hard case."""
    along = "index" if "step" in other or "key" in other else "step"
    ours = {along: np.arange(DRAWS)}
    x, y = normals(**ours), normals(**{**ours, **other})
    for a, b, spread in ((x, y, 1.0), (x**2 - 1, y**2 - 1, 2.0)):
        assert abs(np.mean(a * b)) < SIGMAS * spread / np.sqrt(DRAWS)


def test_time_steps_beyond_32_bits_are_told_apart():
    assert normals(step=5) != normals(step=5 + 2**32)


def noise_of_one_step(drill, program, step, seed):
    """What one time step adds to the somata: the difference that sigma makes, over its scale."""
    circuit = drill.circuit()
    stretch = drill.stretch(0, 1)
    stretch = type(stretch)(steps=np.array([1]), inputs=stretch.inputs, learning=stretch.learning)
    parameters = drill.parameters(circuit, seed)
    quiet = {
        key: 0 * value if key.endswith(".sigma") else value for key, value in parameters.items()
    }
    noisy = program.run(drill.state(circuit), parameters, stretch, step).state
    silent = program.run(drill.state(circuit), quiet, stretch, step).state
    return {
        name: (noisy[key] - silent[key]).ravel()
        / (float(drill.model.sigma) * np.sqrt(float(drill.model.dt)))
        for name in ("hidden_1", "output")
        for key in (f"{name}.v_soma",)
    }


@pytest.mark.parametrize("device", ["cpp", "numpy"])
@pytest.mark.parametrize("step", [0, 123456789])
def test_every_neuron_sees_its_own_normal_number(drill, compiled, device, step):
    """White noise adds sigma sqrt(dt) N(0, 1) in a step, the number of (seed, name, step, neuron).

    A potential of order 1 holds 1e-3 of noise to 16 digits: a difference of 1e-11 is rounding.
    """
    found = noise_of_one_step(drill, compiled(drill.structure, device), step, seed=9)
    for name, size in (("hidden_1", 8), ("output", 4)):
        key = seeding.key(9, "noise", name, 0)
        expected = normals(key=key, step=step, index=np.arange(size))
        np.testing.assert_allclose(found[name], expected, atol=1e-11)
