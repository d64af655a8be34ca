"""What every part of a circuit is checked for: names, units and times."""

import keyword
import re

from brian2 import Quantity, second
from brian2.units.fundamentalunits import Dimension, have_same_dimensions

from microcircuit.expressions import unit_name

RESERVED = frozenset({"i", "j", "t", "dt", "N", "xi", "e", "pi", "inf", "lastspike"})
"""Names that Brian2 keeps for itself."""

RESERVED_PREFIX = "elementary_"
"""How the engine's own functions begin (`microcircuit.elementary`)."""


class CircuitError(ValueError):
    """A circuit, schedule or record that can't be simulated, with the reason."""


def check_name(kind: str, name: str) -> None:
    """Check that a name can be used in equations and as a path in a result file.

    Raises
    ------
    CircuitError
        It can't.
    """
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name) or keyword.iskeyword(name):
        raise CircuitError(
            f"{kind} name {name!r}: must start with a letter and hold only letters, digits and '_'"
        )
    if name in RESERVED or name.startswith(RESERVED_PREFIX):
        names = ", ".join([*sorted(RESERVED), f"{RESERVED_PREFIX}*"])
        raise CircuitError(f"{kind} name {name!r} is reserved ({names})")


def check_units(where: str, got: Dimension, expected: Dimension) -> None:
    """Check that units agree.

    Raises
    ------
    CircuitError
        They don't.
    """
    if got != expected:
        raise CircuitError(f"{where} has unit {unit_name(got)}, expected {unit_name(expected)}")


def steps(duration: Quantity, dt: Quantity, what: str = "a duration") -> int:
    """Return a duration in time steps.

    Parameters
    ----------
    duration, dt : Quantity
        Times.
    what : str
        What the duration is, for the error message.

    Raises
    ------
    CircuitError
        It is no time, or not a whole number of at least one step.
    """
    if not have_same_dimensions(duration, second):
        raise CircuitError(f"{what} is a time such as 100*ms, got {duration}")
    count = float(duration / dt)
    if round(count) < 1 or abs(count - round(count)) > 1e-6 * count:
        raise CircuitError(f"{what} of {duration} is not a whole number of steps dt = {dt}")
    return round(count)
