"""Noise is the published generator, normal, independent, and the same on every device."""

import ctypes
import shlex
import subprocess

import numpy as np
import pytest
from brian2 import Equations
from brian2.devices.cpp_standalone.codeobject import CPPStandaloneCodeObject

from microcircuit import seeding
from microcircuit.devices import COMPILER_FLAGS, compiler
from microcircuit.elementary import LIBRARY, library
from microcircuit.noise import brian2_counter_normal, counter_normal, euler, philox

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


SOURCE = """
#include <cmath>
#include <cstdint>
#include <type_traits>
namespace {{
{functions}
}}
template <typename Index, typename Real>
static void fill(int64_t key, int64_t step, Index* __restrict index, Real* __restrict x, int n)
{{
    for (int i = 0; i < n; i++)
        x[i] = _counter_normal(key, step, index[i], 3);
}}
extern "C" void double_precision(int64_t key, int64_t step, int64_t* index, double* x, int n)
{{
    fill(key, step, index, x, n);
}}
extern "C" void single_precision(int64_t key, int64_t step, int32_t* index, float* x, int n)
{{
    fill(key, step, index, x, n);
}}
"""


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """The C++ form, compiled as programs are, and what the compiler said of its loops."""
    philox_library = library("philox")
    functions = [*LIBRARY.values(), *philox_library.values(), brian2_counter_normal]
    code = [f.implementations[CPPStandaloneCodeObject].get_code(None) for f in functions]
    folder = tmp_path_factory.mktemp("noise")
    (folder / "noise.cpp").write_text(SOURCE.format(functions="".join(code)))
    command = shlex.split(compiler())
    # Linked without the flags, some of which would change how this process rounds.
    compile_ = [*command, *COMPILER_FLAGS, "-fPIC", "-fopt-info-vec", "-c", "noise.cpp"]
    said = subprocess.run(compile_, cwd=folder, capture_output=True, text=True, check=True).stderr
    subprocess.run([*command, "-shared", "noise.o", "-o", "noise.so"], cwd=folder, check=True)
    return ctypes.CDLL(str(folder / "noise.so")), said


def in_cpp(library, key, step, index, precision):
    real, whole = {"double": (np.float64, np.int64), "single": (np.float32, np.int32)}[precision]
    x, index = np.empty(len(index), real), index.astype(whole)
    pointers = [ctypes.c_void_p(array.ctypes.data) for array in (index, x)]
    fill = getattr(library, f"{precision}_precision")
    fill(ctypes.c_int64(key), ctypes.c_int64(step), *pointers, len(index))
    return x


@pytest.mark.parametrize("key", [0, 12345, 2**63 - 1])
@pytest.mark.parametrize("step", [0, 2**32 + 5])
def test_cpp_in_double_precision(built, key, step):
    """Functions that are off by an ulp or two here and there: a relative error of 1e-15."""
    index = np.arange(DRAWS // 10)
    expected = normals(key=key, step=step, index=index, stream=3)
    np.testing.assert_allclose(
        in_cpp(built[0], key, step, index, "double"), expected, rtol=2e-15, atol=0
    )


def test_cpp_in_single_precision(built):
    """A radius r has an absolute error of 6e-8/r; the smallest of so many is 4e-3."""
    index = np.arange(DRAWS // 10)
    expected = normals(key=7, step=1, index=index, stream=3)
    errors = np.abs(in_cpp(built[0], 7, 1, index, "single") - expected)
    assert np.max(errors) < 2e-5
    assert np.median(errors) < 1e-7


@pytest.mark.parametrize("precision", ["double", "single"])
def test_cpp_gives_the_same_bits_at_every_position(built, precision):
    index = np.arange(80)
    alone = [in_cpp(built[0], 7, 1, index[k : k + 1], precision)[0] for k in index]
    for length in range(1, 41):
        part = slice(37, 37 + length)
        found = in_cpp(built[0], 7, 1, index[part], precision)
        np.testing.assert_array_equal(found, alone[part])


def test_cpp_is_vectorised(built):
    assert built[1].count("loop vectorized") >= 2


def test_noise_terms_are_numbered_by_their_names():
    """Brian2 keeps them in a set, whose order is another in each process."""
    code = euler(Equations("dv/dt = (xi_b + xi_a)*second**-0.5 - v/second : 1"), {})
    draw = "elementary_sqrt(dt)*counter_normal(noise_key, t_in_timesteps, noise_index, {})"
    assert code.splitlines()[:2] == [f"xi_a = {draw.format(0)}", f"xi_b = {draw.format(1)}"]


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
