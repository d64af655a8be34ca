"""Random numbers are the published generator's, normal, independent, and the same in C++."""

import ctypes
from importlib.resources import files
from itertools import combinations

import numpy as np
import pytest

from microcircuit.noise import normals, of_neurons, philox, uniforms

COUNTERS = 250_000
DRAWS = 4 * COUNTERS
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


def drawn(numbers=normals, *, key=12345, step=0, index=0, stream=0):
    return numbers(*np.broadcast_arrays(key, step, np.atleast_1d(index), stream))


@pytest.mark.parametrize("along", ["step", "index", "key"])
def test_moments_are_those_of_a_normal_distribution(along):
    """Along whatever the numbers are drawn; standard errors are those of a normal sample."""
    x = drawn(**{along: np.arange(COUNTERS)})
    assert x.shape == (4, COUNTERS)
    error = 1 / np.sqrt(DRAWS)
    assert abs(np.mean(x)) < SIGMAS * error
    assert abs(np.mean(x**2) - 1) < SIGMAS * np.sqrt(2) * error
    assert abs(np.mean(x**3)) < SIGMAS * np.sqrt(15) * error
    assert abs(np.mean(x**4) - 3) < SIGMAS * np.sqrt(96) * error
    assert 4 < np.max(np.abs(x)) < 6.7  # of a million; the radius ends at 6.66


def assert_independent(x, y):
    """Neither the numbers nor their sizes have anything in common."""
    for a, b, spread in ((x, y, 1.0), (x**2 - 1, y**2 - 1, 2.0)):
        assert abs(np.mean(a * b)) < SIGMAS * spread / np.sqrt(x.size)


@pytest.mark.parametrize(
    "other",
    [{"step": 1}, {"index": 1}, {"stream": 1}, {"key": 12346}, {"key": 12345 + 2**32}],
    ids=str,
)
def test_streams_are_independent(other):
    """Neighbours are the hard case."""
    along = "index" if "step" in other or "key" in other else "step"
    ours = {along: np.arange(COUNTERS)}
    assert_independent(drawn(**ours), drawn(**{**ours, **other}))


def test_the_four_numbers_of_a_counter_are_independent():
    """The first two have a radius and an angle in common, and the last two."""
    for x, y in combinations(drawn(step=np.arange(COUNTERS)), 2):
        assert_independent(x, y)


def test_uniform_numbers_are_uniform():
    """Moments of the uniform distribution; their standard errors, at most 1/sqrt(12 n)."""
    x = drawn(uniforms, step=np.arange(COUNTERS))
    for power in (1, 2, 3):
        assert abs(np.mean(x**power) - 1 / (power + 1)) < SIGMAS / np.sqrt(12 * DRAWS)
    assert 0 < np.min(x) < 1e-5
    assert 1 - 1e-5 < np.max(x) < 1


def test_time_steps_beyond_32_bits_are_told_apart():
    assert np.all(drawn(step=5) != drawn(step=5 + 2**32))


@pytest.mark.parametrize("neurons", [1, 4, 10])
def test_quarters_of_the_neurons_have_a_number_each_of_the_same_counters(neurons):
    keys, quarter = np.array([3, 9]), -(-neurons // 4)
    found = of_neurons(normals, keys, 7, neurons, 2)
    for replicate, key in enumerate(keys):
        for neuron in range(neurons):
            four = drawn(key=key, step=7, index=neuron % quarter, stream=2)
            assert found[replicate, neuron] == four[neuron // quarter, 0]


# ------------------------------------------------------------------------------ in C++

SIZES = (1, 1), (1, 10), (1, 50), (1, 3000), (3, 10), (3, 50), (3, 1000), (16, 30)
"""Replicates and neurons: parts of a vector of counters, several vectors, and several blocks."""
STREAM = 3

SOURCE = """
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
{headers}
{functions}
"""
FUNCTION = """
extern "C" void {kind}_{real}_{replicates}_{neurons}(const int64_t* keys, int64_t step, {real}* x)
{{
    noise::Source<noise::{kind}, {real}, {replicates}, {neurons}>(keys).fill(step, {stream}, x);
}}
"""


def source(kinds, reals, sizes):
    templates = files("microcircuit.kernels") / "templates"
    headers = [
        (templates / f"{name}.hpp").read_text() for name in ("elementary", "philox", "noise")
    ]
    functions = [
        FUNCTION.format(kind=kind, real=real, replicates=replicates, neurons=neurons, stream=STREAM)
        for kind in kinds
        for real in reals
        for replicates, neurons in sizes
    ]
    return SOURCE.format(headers="\n".join(headers), functions="\n".join(functions))


@pytest.fixture(scope="session", params=["compiler", "clang"])
def library(shared_library, request):
    """The C++ form, by the compiler of programs and by Clang, which has other names for vectors."""
    command = request.getfixturevalue("clang") if request.param == "clang" else None
    return shared_library(source(("Normal", "Uniform"), ("double", "float"), SIZES), command)


def in_cpp(library, keys, step, neurons, real, kind="Normal"):
    keys = np.asarray(keys, np.int64)
    x = np.full((len(keys), neurons), np.nan, {"double": np.float64, "float": np.float32}[real])
    pointers = [ctypes.c_void_p(array.ctypes.data) for array in (keys, x)]
    fill = getattr(library.functions, f"{kind}_{real}_{len(keys)}_{neurons}")
    fill(pointers[0], ctypes.c_int64(step), pointers[1])
    return x


@pytest.mark.parametrize("first_key", [0, 12345, 2**63 - 16])
@pytest.mark.parametrize("step", [0, 2**32 + 5])
@pytest.mark.parametrize(("replicates", "neurons"), SIZES)
def test_cpp_in_double_precision(library, first_key, step, replicates, neurons):
    """Functions that are off by an ulp or two here and there: a relative error of 1e-15."""
    keys = first_key + np.arange(replicates)
    expected = of_neurons(normals, keys, step, neurons, STREAM)
    found = in_cpp(library, keys, step, neurons, "double")
    np.testing.assert_allclose(found, expected, rtol=2e-15, atol=0)


@pytest.mark.parametrize(("replicates", "neurons"), SIZES)
def test_cpp_in_single_precision(library, replicates, neurons):
    """A radius r has an absolute error of 6e-8/r; the smallest of so many is 2e-2 or so."""
    keys = np.arange(replicates)
    expected = of_neurons(normals, keys, 1, neurons, STREAM)
    errors = np.abs(in_cpp(library, keys, 1, neurons, "float") - expected)
    assert np.max(errors) < 5e-6
    assert np.median(errors) < 2e-7


@pytest.mark.parametrize("real", ["double", "float"])
@pytest.mark.parametrize("neurons", [10, 50])
def test_cpp_gives_each_replicate_the_bits_that_it_has_alone(library, real, neurons):
    together = in_cpp(library, [5, 6, 7], 1, neurons, real)
    for replicate, key in enumerate((5, 6, 7)):
        alone = in_cpp(library, [key], 1, neurons, real)
        np.testing.assert_array_equal(together[replicate], alone[0])


@pytest.mark.parametrize("real", ["double", "float"])
@pytest.mark.parametrize(("replicates", "neurons"), SIZES)
def test_uniform_numbers_in_cpp(library, replicates, neurons, real):
    """To the bit in double precision, which holds all of a word; float rounds twice."""
    keys = 2**63 - 17 + np.arange(replicates)
    expected = of_neurons(uniforms, keys, 2**32 + 5, neurons, STREAM)
    found = in_cpp(library, keys, 2**32 + 5, neurons, real, "Uniform")
    np.testing.assert_allclose(found, expected, rtol=0 if real == "double" else 1.2e-7, atol=0)


@pytest.mark.parametrize("real", ["double", "float"])
@pytest.mark.parametrize(("kind", "loop"), [("Normal", "i < COUNT;"), ("Uniform", "i < SIZE; i++")])
def test_cpp_is_vectorised(shared_library, kind, real, loop):
    """The loops that make numbers of words; the words themselves come in vectors as written."""
    library = shared_library(source([kind], [real], [(1, 3000)]))
    lines = enumerate(library.source.splitlines(), 1)
    assert next(number for number, line in lines if loop in line) in library.vectorised
