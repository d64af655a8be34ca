"""Elementary functions in C++, compiled as programs are: accurate, alike at all positions, fast."""

import ctypes
import re

import numpy as np
import pytest
from brian2.devices.cpp_standalone.codeobject import CPPStandaloneCodeObject

from microcircuit.elementary import FUNCTIONS, IN_NUMPY, LIBRARY, substituted

NAMES = tuple(FUNCTIONS)

LARGEST_ERROR = {
    "exp": 1.1,
    "log": 0.9,
    "expm1": 2.2,
    "log1p": 1.5,
    "tanh": 2.7,
    "sqrt": 0.5,
    "softplus": 2.9,
    "decay": 1.1,
    "log1p_of_fraction": 2.0,
    "positive": 0,
}
"""In ulp. Seen, with and without fused multiplication and on more numbers, are 1.01, 0.82, 2.16,
1.44, 2.60, 0.5, 2.81, 1.01, 1.97 and 0."""

RANGES = {
    "exp": [(-1, 1), (-87, 88), (-708, 709)],
    "log": [(0, 2), (0.999, 1.001), (0, 1e30)],
    "expm1": [(-1e-3, 1e-3), (-1.2, 1.2), (-50, 80)],
    "log1p": [(-1, 2), (-1e-5, 1e-5), (0, 1e30)],
    "tanh": [(-1e-3, 1e-3), (-1, 1), (-20, 20)],
    "sqrt": [(0, 1), (0, 1e30)],
    "softplus": [(-1, 1), (-40, 40), (-87, 0), (-700, 700)],
    "decay": [(-1, 1), (-87, 87), (-708, 708)],
    "log1p_of_fraction": [(0, 1), (0, 1e-5)],
    "positive": [(-1, 1), (0, 1e30)],
}
"""Where arguments are drawn, evenly; single precision can't hold the results of the widest."""

INF, NAN = np.inf, np.nan
EDGES = {
    "exp": {0: 1, 1e-20: 1, 800: INF, -800: 0, INF: INF, -INF: 0, NAN: NAN},
    "log": {1: 0, 0: -INF, -1: NAN, -INF: NAN, INF: INF, NAN: NAN, 1e-310: -INF},
    "expm1": {0: 0, 1e-20: 1e-20, 800: INF, -800: -1, INF: INF, -INF: -1, NAN: NAN},
    "log1p": {0: 0, 1e-20: 1e-20, -1: -INF, -2: NAN, INF: INF, -INF: NAN, NAN: NAN},
    "tanh": {0: 0, 1e-20: 1e-20, -1e-20: -1e-20, 800: 1, -800: -1, INF: 1, -INF: -1, NAN: NAN},
    "sqrt": {0: 0, 4: 2, -1: NAN, INF: INF, NAN: NAN},
    "softplus": {800: 800, -800: 0, INF: INF, -INF: 0, NAN: NAN},
    "decay": {0: 1, 800: 0, -800: 0, INF: 0, -INF: 0, NAN: NAN},
    "log1p_of_fraction": {0: 0, 1e-20: 1e-20, NAN: NAN},
    "positive": {0: 0, -2: 0, 3: 3, INF: INF, -INF: 0, NAN: 0},
}

DTYPES = np.float64, np.float32

LOOP = """
extern "C" void {name}_{type}(const {type}* __restrict x, {type}* __restrict y, int count)
{{
    for (int i = 0; i < count; i++)
        y[i] = _elementary_{name}(x[i]);
}}
"""


def cpp(function):
    return function.implementations[CPPStandaloneCodeObject].get_code(None)


@pytest.fixture(scope="session")
def library(shared_library):
    """A loop for each function and type."""
    return shared_library(
        "#include <cmath>\n#include <cstdint>\nnamespace {\n"
        + "".join(cpp(function) for function in (*LIBRARY.values(), *FUNCTIONS.values()))
        + "}\n"
        + "".join(LOOP.format(name=n, type=t) for n in NAMES for t in ("double", "float"))
    )


@pytest.fixture(scope="session")
def call(library):
    """Evaluate a function in C++ on an array: ``call("exp", x)``."""

    def evaluate(name, x):
        x = np.ascontiguousarray(x)
        y = np.empty_like(x)
        loop = getattr(
            library.functions, f"{name}_{'double' if x.dtype == np.float64 else 'float'}"
        )
        loop(x.ctypes.data_as(ctypes.c_void_p), y.ctypes.data_as(ctypes.c_void_p), len(x))
        return y

    return evaluate


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_error(call, name, dtype):
    """Against extended precision, in units in the last place."""
    rng = np.random.default_rng(1)
    for low, high in RANGES[name]:
        x = rng.uniform(low, high, 200_000).astype(dtype)
        expected = IN_NUMPY[name](x.astype(np.longdouble))
        with np.errstate(over="ignore"):
            normal = np.isfinite(expected.astype(dtype)) & (abs(expected) >= np.finfo(dtype).tiny)
        ulp = np.spacing(np.abs(expected[normal]).astype(dtype))
        errors = np.abs(call(name, x)[normal] - expected[normal]) / ulp
        assert errors.size > 20_000
        assert np.max(errors) <= LARGEST_ERROR[name]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_edges(call, name, dtype):
    arguments, expected = zip(*EDGES[name].items(), strict=True)
    np.testing.assert_array_equal(call(name, np.array(arguments, dtype)), np.array(expected, dtype))


@pytest.mark.parametrize("dtype", DTYPES)
def test_exp_next_to_the_ends_of_its_range(call, dtype):
    """Four arguments inside of where results are normal numbers, and four beyond."""
    limits = np.finfo(dtype)
    for bound, outwards, beyond in ((limits.max, 1, np.inf), (limits.tiny, -1, 0)):
        end = np.log(bound)
        step = outwards * 4 * np.spacing(np.abs(end))
        inside = np.array([end - step], dtype)
        expected = np.exp(inside.astype(np.longdouble))
        assert np.abs(call("exp", inside) / expected - 1) < 2 * limits.eps
        assert call("exp", np.array([end + step], dtype)) == beyond


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_position_changes_nothing(call, name, dtype):
    """To the bit, in loops of any length: what is left over of vectors is computed one by one."""
    x = np.random.default_rng(2).uniform(0, 3, 80).astype(dtype)
    alone = np.concatenate([call(name, x[k : k + 1]) for k in range(len(x))])
    for length in range(1, 41):
        for start in (0, 1, 37):
            part = slice(start, start + length)
            np.testing.assert_array_equal(call(name, x[part]), alone[part])


def test_loops_are_vectorised(library):
    assert len(library.vectorised) == len(DTYPES) * len(NAMES)


def test_substituted():
    assert substituted("exp(-v/experience) + log1p(log(x))") == (
        "elementary_exp(-v/experience) + elementary_log1p(elementary_log(x))"
    )


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("log(1 + exp(x))", "softplus(x)"),
        ("g*log(1+exp(b*(v - (t)))) : 1", "g*softplus(b*(v - (t))) : 1"),
        ("f(log( 1 + exp(x) ), log(1 + exp(exp(y))))", "f(softplus(x), softplus(exp(y)))"),
        ("log(1 + exp(x)*y)", "log(1 + exp(x)*y)"),
        ("log(1 + exp(x) + exp(y))", "log(1 + exp(x) + exp(y))"),
        ("log(1 + exp(x)", "log(1 + exp(x)"),
        ("mylog(1 + exp(x))", "mylog(1 + exp(x))"),
        ("log(1 + exp(((((((x)))))))", "log(1 + exp(((((((x)))))))"),
    ],
)
def test_log_of_one_plus_exp_is_one_function(code, expected):
    """Where nothing else is in it; what is too deep in parentheses stays as it is."""
    ours = re.sub(r"\b(softplus|exp|log)\b", r"elementary_\1", expected)
    assert substituted(code) == ours
