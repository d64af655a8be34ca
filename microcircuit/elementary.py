"""Elementary functions in C++ that give the same bits wherever a neuron stands in an array.

A compiler evaluates a loop over neurons in vectors and what is left over one by one. With the
system's library those are two implementations of ``exp``, which differ in the last bits, so a
neuron's result depends on its position; or the library has no vectors for a function at all. Here
each function (``kernels/templates/elementary.hpp``) is a few inline lines of additions,
multiplications, divisions and integer operations on the bits, without branches. Compilers vectorise
them with the loop around them, and as each operation is rounded by itself, vectors of any length
and scalars agree to the bit. The compiler must not reorder or contract operations for that; fused
multiplications are written as such where the processor has them.

Equations keep their literal ``exp(...)`` and ``log(1 + exp(...))``: `substituted` renames the
functions for generated code, and `NAMESPACE` is where Brian2 finds them. All others stay with the
library: right, the same at all positions, but not vectorised.

Method
------
exp, expm1
    exp(x) = 2^k exp(r) with k = round(x/ln 2) and r = x - k ln 2, where ln 2 is split in two (Cody
    and Waite 1980, Software Manual for the Elementary Functions). k is rounded by adding 1.5 2^52
    and read from the last bits of that sum. exp(r) = 1 + r + r^2 P(r), |r| <= ln(2)/2.
log, log1p
    x = 2^k (1 + f) with 1 + f from 1/sqrt(2) to sqrt(2), from the bits. With s = f/(2 + f),
    log(1 + f) = 2 atanh(s) = f - f^2/2 + s (f^2/2 + s^2 Q(s^2)): what is rounded is small beside f.
    log1p(x) is log(1 + x), corrected for what rounding 1 + x has lost.
log(1 + exp(x)), as one function: softplus
    max(x, 0) + log(1 + e) with the decay e = exp(-|x|) <= 1, and log(1 + e) = 2 s + s^3 R(s^2) with
    s = e/(2 + e): half the operations, and precise where exp(x) is small beside 1. Its parts are
    functions too (`microcircuit.stages`).
tanh
    -e/(2 + e) with e = expm1(-2 |x|), and the sign of x.
sine of quarters
    sin(pi/2 w) = w S(w^2) for |w| <= 1: for the noise.

P, Q, R and S are minimax polynomials, by a Remez exchange in 300 bits, of relative errors 2^-57.8,
2^-59.3, 2^-59.4 and 2^-61.8 in double and 2^-28.2, 2^-30.1, 2^-27.7 and 2^-27.5 in single
precision.

Errors are at most 0.9 ulp for log, 1.1 for exp, 1.5 for log1p, 2.2 for expm1, 2.7 for tanh and 2.9
for softplus; of its parts 1.1 for the decay and 2.0 for log(1 + e). What is smaller than any normal
number counts as zero: exp(x) is 0 below x = -708.4 (single precision: -87.3), and log of such a
number is -inf.
"""

import re
from importlib.resources import files

import numpy as np
from brian2 import DEFAULT_FUNCTIONS, Function
from brian2.codegen.runtime.numpy_rt import NumpyCodeObject
from brian2.devices.cpp_standalone.codeobject import CPPStandaloneCodeObject
from brian2.utils.stringtools import word_substitute

NAMES = "exp", "log", "expm1", "log1p", "tanh", "sqrt"
"""As equations call them."""

PREFIX = "elementary_"
"""Of their names in generated code."""

_WRAPPER = """
template <typename T>
static inline typename elementary::Promoted<T>::type _elementary_{name}(T x)
{{
    return elementary::{name}<typename elementary::Promoted<T>::type>(x);
}}
"""


def _library() -> dict[str, Function]:
    """Return what implementations in C++ depend on, so that generated code holds it once."""
    function = Function(lambda x: x, arg_units=[1], return_unit=1)
    text = (files("microcircuit.kernels") / "templates" / "elementary.hpp").read_text()
    function.implementations.add_implementation(
        CPPStandaloneCodeObject, text, name="_elementary_library"
    )
    return {"_elementary_library": function}


LIBRARY = _library()
"""The dependency of an implementation in C++ that uses ``elementary::``."""


def softplus(x: np.ndarray) -> np.ndarray:
    """Return log(1 + exp(x)) of an array, without overflow."""
    return np.logaddexp(0, x)


def decay(x: np.ndarray) -> np.ndarray:
    """Return exp(-|x|) of an array."""
    return np.exp(-np.abs(x))


def positive(x: np.ndarray) -> np.ndarray:
    """Return max(x, 0) of an array."""
    return np.maximum(x, 0)


IN_NUMPY = {name: getattr(np, name) for name in NAMES} | {
    "softplus": softplus,
    "decay": decay,
    "log1p_of_fraction": np.log1p,
    "positive": positive,
}
"""What is computed, by name."""


def _function(name: str) -> Function:
    """Return a function that is numpy's on the numpy target and ours in C++."""
    in_numpy = IN_NUMPY[name]
    stock = DEFAULT_FUNCTIONS.get(name, Function(in_numpy, arg_units=[1], return_unit=1))
    # Without sympy's function of that name, which Brian2 would print under its own.
    function = Function(stock.pyfunc, arg_units=stock._arg_units, return_unit=stock._return_unit)
    function.implementations.add_implementation(NumpyCodeObject, in_numpy)
    function.implementations.add_implementation(
        CPPStandaloneCodeObject,
        _WRAPPER.format(name=name),
        name=f"_elementary_{name}",
        dependencies=LIBRARY,
    )
    return function


FUNCTIONS = {name: _function(name) for name in IN_NUMPY}
"""By name."""

NAMESPACE = {PREFIX + name: function for name, function in FUNCTIONS.items()}
"""What a group's namespace must hold, by the names in generated code."""

_SUBSTITUTIONS = {name: PREFIX + name for name in NAMES}


def _balanced(depth: int) -> str:
    """Return the pattern of what has balanced parentheses, so many within each other."""
    return rf"(?:[^()]|\({_balanced(depth - 1)}\))*" if depth else r"[^()]*"


SOFTPLUS = re.compile(rf"\blog\(\s*1\s*\+\s*exp\(({_balanced(5)})\)\s*\)")
"""log(1 + exp(x)) in an expression; its group is x. With more parentheses in x it stays as it is
written, and overflows beyond x = 709."""


def substituted(code: str) -> str:
    """Return an expression, statement or equations with our functions in place of the library's.

    Parameters
    ----------
    code : str
        In Brian2's language.
    """
    return word_substitute(SOFTPLUS.sub(rf"{PREFIX}softplus(\1)", code), _SUBSTITUTIONS)
