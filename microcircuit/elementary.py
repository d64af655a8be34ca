"""Elementary functions in C++ that give the same bits wherever a neuron stands in an array.

A compiler evaluates a loop over neurons in vectors and what is left over one by one. With the
system's library those are two implementations of ``exp``, which differ in the last bits, so a
neuron's result depends on its position; or the library has no vectors for a function at all. Here
each function (``kernels/templates/elementary.hpp``) is a few inline lines of additions,
multiplications, divisions and integer operations on the bits, without branches. Compilers vectorise
them with the loop around them, and as each operation is rounded by itself, vectors of any length
and scalars agree to the bit. The compiler must not reorder or contract operations for that; fused
multiplications are written as such where the processor has them.

Equations keep their literal ``exp(...)``: `substituted` renames the functions for generated code,
and `NAMESPACE` is where Brian2 finds them. All others stay with the library: right, the same at all
positions, but not vectorised.

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
tanh
    -e/(2 + e) with e = expm1(-2 |x|), and the sign of x.
sine of quarters
    sin(pi/2 w) = w S(w^2) for |w| <= 1: for the noise.

P, Q and S are minimax polynomials, by a Remez exchange in 300 bits, of relative errors 2^-57.8,
2^-59.3 and 2^-61.8 in double and 2^-28.2, 2^-30.1 and 2^-27.5 in single precision.

Errors are at most 0.9 ulp for log, 1.1 for exp, 1.5 for log1p, 2.2 for expm1 and 2.7 for tanh. What
is smaller than any normal number counts as zero: exp(x) is 0 below x = -708.4 (single precision:
-87.3), and log of such a number is -inf.
"""

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


def _function(name: str) -> Function:
    """Return a function that is numpy's on the numpy target and ours in C++."""
    stock = DEFAULT_FUNCTIONS[name]
    # Without sympy's function of that name, which Brian2 would print under its own.
    function = Function(stock.pyfunc, arg_units=stock._arg_units, return_unit=stock._return_unit)
    function.implementations.add_implementation(NumpyCodeObject, getattr(np, name))
    function.implementations.add_implementation(
        CPPStandaloneCodeObject,
        _WRAPPER.format(name=name),
        name=f"_elementary_{name}",
        dependencies=LIBRARY,
    )
    return function


FUNCTIONS = {name: _function(name) for name in NAMES}
"""By the names in equations."""

NAMESPACE = {PREFIX + name: function for name, function in FUNCTIONS.items()}
"""What a group's namespace must hold, by the names in generated code."""

SUBSTITUTIONS = {name: PREFIX + name for name in NAMES}
"""For `Equations.substitute`."""


def substituted(code: str) -> str:
    """Return an expression or statement with our functions in place of the library's.

    Parameters
    ----------
    code : str
        In Brian2's language.
    """
    return word_substitute(code, SUBSTITUTIONS)
