"""Physical quantities as text: ``"20 ms"`` to a Brian2 quantity and back.

Configuration files and the command line hold quantities as text. They are read by the small
grammar below, never evaluated, and every accepted text means what the same Python expression
means, bit for bit: ``parse_quantity("0.1 ms**-0.5") == 0.1 * ms**-0.5``.

    quantity = number [["*"] unit]            20 ms      5       3*mV
    unit     = ["1"] factor {factor}          /ms        1/ms    nS/pF
    factor   = ["*" | "/"] name [power]       factors are applied from left to right
    power    = ("**" | "^") exponent          ms**-0.5
"""

import difflib
import math
import re
from dataclasses import dataclass

from brian2.units import allunits
from brian2.units.fundamentalunits import (
    DIMENSIONLESS,
    Dimension,
    Quantity,
    Unit,
    get_dimensions,
    get_unit,
)

__all__ = ["format_quantity", "parse_quantity", "unit_of"]

_PREFIXES = ("", "f", "p", "n", "u", "m", "c", "k", "M", "G")
_SYMBOLS = {
    "s": "second",
    "V": "volt",
    "A": "amp",
    "S": "siemens",
    "F": "farad",
    "Hz": "hertz",
    "ohm": "ohm",
    "m": "metre",
}
# Both spellings, since Brian2 prints "mV" but writes "mvolt" in a repr.
_UNITS: dict[str, Unit] = {
    prefix + spelling: getattr(allunits, prefix + name)
    for symbol, name in _SYMBOLS.items()
    for spelling in (symbol, name)
    for prefix in _PREFIXES
}
_ALLOWED = (
    "write a number and a unit such as '20 ms', '0.1 /ms' or '0.1 ms**-0.5'; "
    f"units are {', '.join(_SYMBOLS)}, with a prefix {' '.join(_PREFIXES[1:])} or none"
)

_NUMBER = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*", re.ASCII)
_ONE = re.compile(r"1\s*(?=/)")
_FACTOR = re.compile(
    r"(?P<operator>[*/]?)\s*(?P<name>[^\W\d]\w*)\s*"
    r"(?:(?:\*\*|\^)\s*(?P<exponent>[+-]?\d+(?:\.\d+)?)\s*)?"
)
_LARGEST_EXPONENT = 9  # keeps every factor, and so every division, within the range of floats


@dataclass(frozen=True)
class _Factor:
    """One factor of a unit, in SI units, and whether it divides."""

    scale: float
    dimension: Dimension
    divides: bool


def parse_quantity(text: str) -> Quantity | float:
    """Read a quantity from text such as ``"20 ms"``, ``"0.1 /ms"`` or ``"5"``.

    Parameters
    ----------
    text : str
        A number and, unless it is dimensionless, a unit.

    Returns
    -------
    Quantity or float
        What the same Python expression gives; a float if it has no dimension.

    Raises
    ------
    ValueError
        If `text` is not a quantity; says where, and what is allowed.

    Examples
    --------
    >>> parse_quantity("20 ms")
    20. * msecond
    >>> parse_quantity("0.1 /ms")
    100. * hertz
    """
    number = _NUMBER.match(text)
    if number is None:
        raise _unreadable(text, 0, "expected a number")
    factors = _read_unit(text, number.end())
    value = _scaled(float(number[1]), factors)
    if not math.isfinite(value):
        raise ValueError(f"cannot read {text!r} as a quantity: it is too large")
    dimension = _dimension(factors)
    if dimension == DIMENSIONLESS:
        return value
    return Quantity.with_dimensions(value, dimension)


def format_quantity(value: Quantity | float, unit: str) -> str:
    """Write a scalar quantity in a unit, with as few digits as tell it apart.

    Parameters
    ----------
    value : Quantity or float
        A finite scalar with the dimension of `unit`.
    unit : str
        As `parse_quantity` reads it, without a number: ``"ms"``, ``"/ms"``; ``""`` for a
        dimensionless value.

    Returns
    -------
    str
        Text that `parse_quantity` reads as `value` exactly, if any does: for some floats that
        were not themselves written in `unit`, no number times `unit` rounds to them. The text
        is then read as a neighbouring float, which is itself written exactly.

    Raises
    ------
    ValueError
        If `unit` is unknown, or `value` is not finite or cannot be written in it.

    Examples
    --------
    >>> from brian2 import ms
    >>> format_quantity(0.1 / ms, "/ms")
    '0.1 /ms'
    """
    factors = _read_unit(unit, 0)
    if get_dimensions(value) != _dimension(factors):
        raise ValueError(f"a value with {unit_of(value)} cannot be written in {unit!r}")
    number = _number_for(float(value), factors)
    # A second time, so that a value which no number gives and its neighbour have the same text.
    number = _number_for(_scaled(number, factors), factors)
    if not math.isfinite(number):
        raise ValueError(f"the value is not finite, or too large to be written in {unit!r}")
    return f"{repr(number).removesuffix('.0')} {unit}".strip()


def unit_of(value: Quantity | float) -> str:
    """Say in words which unit a value has: ``"the unit 'V'"`` or ``"no unit"``."""
    dimension = get_dimensions(value)
    return "no unit" if dimension == DIMENSIONLESS else f"the unit '{get_unit(dimension)}'"


def _number_for(target: float, factors: list[_Factor]) -> float:
    """Return the shortest number that the factors scale to `target`, or one nearby."""
    scale = _scaled(1.0, factors)
    ratio = target / scale if scale else math.inf
    return next((n for n in _candidates(ratio) if _scaled(n, factors) == target), ratio)


def _candidates(ratio: float) -> list[float]:
    """Return floats at and next to `ratio`, which is itself rounded; the shortest first."""
    below = above = ratio = ratio + 0.0  # no negative zero
    neighbours = []
    for _ in range(4):
        below, above = math.nextafter(below, -math.inf), math.nextafter(above, math.inf)
        neighbours += [below, above]
    return [float(f"{ratio:.15g}"), float(f"{ratio:.16g}"), ratio, *neighbours]


def _scaled(number: float, factors: list[_Factor]) -> float:
    """Apply the factors one by one, as Python would, so that the rounding is the same too."""
    for factor in factors:
        number = number / factor.scale if factor.divides else number * factor.scale
    return number


def _dimension(factors: list[_Factor]) -> Dimension:
    dimension = DIMENSIONLESS
    for factor in factors:
        dimension = dimension / factor.dimension if factor.divides else dimension * factor.dimension
    return dimension


def _read_unit(text: str, start: int) -> list[_Factor]:
    """Read the factors of the unit that is `text` from the index `start` on."""
    one = _ONE.match(text, start)
    position = one.end() if one else start
    factors: list[_Factor] = []
    while position < len(text):
        match = _FACTOR.match(text, position)
        if match is None or (factors and not match["operator"]):
            raise _unreadable(text, position, "expected '*' or '/' and a unit")
        factors.append(_read_factor(text, match))
        position = match.end()
    return factors


def _read_factor(text: str, match: re.Match[str]) -> _Factor:
    name, exponent = match["name"], float(match["exponent"] or 1)
    if name not in _UNITS:
        raise _unreadable(text, match.start("name"), f"unknown unit {name!r}{_suggestion(name)}")
    if abs(exponent) > _LARGEST_EXPONENT:
        limit = f"exponents go from -{_LARGEST_EXPONENT} to {_LARGEST_EXPONENT}"
        raise _unreadable(text, match.start("exponent"), limit)
    power = _UNITS[name] ** exponent
    return _Factor(float(power), get_dimensions(power), match["operator"] == "/")


def _suggestion(name: str) -> str:
    """Name the nearest known units, first those that differ in case or by a Greek mu (mv, μs)."""
    folded = name.casefold().replace("\u03bc", "u")
    nearest = [unit for unit in _UNITS if unit.casefold() == folded]
    nearest = nearest or difflib.get_close_matches(name, _UNITS, n=1)
    return f"; did you mean {' or '.join(map(repr, nearest))}?" if nearest else ""


def _unreadable(text: str, position: int, reason: str) -> ValueError:
    where = f"at {text[position:]!r} (column {position + 1})" if text[position:] else "at its end"
    return ValueError(f"cannot read {text!r} as a quantity: {where}: {reason} ({_ALLOWED})")
