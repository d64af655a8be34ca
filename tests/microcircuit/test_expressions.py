"""Expressions are checked for names and units."""

import pytest
from brian2 import volt

from microcircuit.expressions import ExpressionError, dimensions_of, unit_name

VARIABLES = {"v": volt.dim, "n": (volt / volt).dim}


@pytest.mark.parametrize(
    ("expression", "unit"),
    [
        ("v", "V"),
        ("2*mV", "V"),
        ("v**2", "V^2"),
        ("n*exp(v/mV)", "1"),
        ("clip(v, 0*mV, 1*mV)", "V"),
        ("t", "s"),
        ("2*pi*i/N", "1"),
        ("v > 1*mV and n < 2", "1"),
    ],
)
def test_unit(expression, unit):
    assert unit_name(dimensions_of(expression, VARIABLES)) == unit


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("v + n", "inconsistent units"),
        ("exp(v)", "'exp\\(v\\)'.*units"),
        ("vv", "unknown name 'vv'; did you mean 'v'.*in 'vv'"),
        ("v*", "invalid syntax"),
        ("", "invalid syntax"),
        ("v**n", "not constant"),
        ("sin", "it is a function"),
        ("sin(n, n)", "2 parameters, needs 1"),
        ("v(2)", "v does not"),
        ("v[0]", "Unsupported"),
        ("lambda: 1", "unknown name 'lambda'"),
        ("randn()", "randn.*use the noise xi"),
    ],
)
def test_wrong_expression(expression, message):
    with pytest.raises(ExpressionError, match=message):
        dimensions_of(expression, VARIABLES)
