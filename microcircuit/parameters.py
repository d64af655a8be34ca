"""Parameters as declared data: names, units, bounds and defaults, checked on construction.

A model or protocol declares its parameters once, and they can then be given in Python or as
text, are validated the same way, and can be written back:

>>> from typing import Annotated
>>> from brian2 import Quantity, ms, mV
>>> @parameters
... class Leak:
...     '''A membrane.'''
...     tau: Annotated[Quantity, In("ms"), POSITIVE] = 20 * ms
...     v_rest: Annotated[Quantity, In("mV")] = -70 * mV
>>> resolved(Leak(tau="0.01 s"))
{'tau': '10 ms', 'v_rest': '-70 mV'}
"""

import dataclasses
import functools
import math
import numbers
from collections.abc import Mapping
from copy import copy
from typing import Any, NamedTuple, dataclass_transform, get_args, get_type_hints

import pydantic.dataclasses
from brian2.units.fundamentalunits import Quantity, get_dimensions
from pydantic import AfterValidator, ConfigDict, GetCoreSchemaHandler, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails, core_schema

from microcircuit.naming import unknown
from microcircuit.quantities import format_quantity, parse_quantity, unit_of

__all__ = [
    "NON_NEGATIVE",
    "POSITIVE",
    "In",
    "ParameterError",
    "Problem",
    "in_own_units",
    "parameters",
    "resolved",
]

_LONGEST_SHOWN = 80  # characters of a wrong value


class Problem(NamedTuple):
    """What is wrong with one parameter: its key, and the text that follows the key."""

    key: str
    text: str


class ParameterError(ValueError):
    """Parameters that are not valid, with every problem found.

    Parameters
    ----------
    problems : tuple of Problem
        One for each key.
    """

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__(problems)
        self.problems = problems

    def lines(self, section: str = "") -> list[str]:
        """Describe each problem in one line, its key preceded by `section` and a dot."""
        return [
            (".".join(filter(None, (section, key))) + text).removeprefix(": ")
            for key, text in self.problems
        ]

    def __str__(self) -> str:
        """Return the problems, one a line."""
        return "\n".join(self.lines())


def _positive(value: Any) -> Any:
    if not value > 0:
        raise ValueError("must be greater than 0")
    return value


def _non_negative(value: Any) -> Any:
    if not value >= 0:
        raise ValueError("must not be negative")
    return value


POSITIVE = AfterValidator(_positive)
NON_NEGATIVE = AfterValidator(_non_negative)


@dataclasses.dataclass(frozen=True)
class In:
    """The unit in which a quantity is declared, read and written.

    A field declared as ``Annotated[Quantity, In("ms")]`` takes a Brian2 quantity or text, of
    the unit's dimension, scalar and finite. Add `POSITIVE` or `NON_NEGATIVE` after the unit to
    bound it, and ``| None`` after the whole to make it optional.

    Parameters
    ----------
    unit : str
        As in `microcircuit.quantities.format_quantity`; ``""`` if dimensionless, and only then
        a plain number will do.

    Raises
    ------
    ValueError
        If the unit is unknown.
    """

    unit: str

    def __post_init__(self) -> None:
        """Read the unit, so that a mistake in it shows where it is declared."""
        parse_quantity(self._example)

    @property
    def _example(self) -> str:
        return f"1 {self.unit}".strip()

    @property
    def _expected(self) -> str:
        if not self.unit:
            return "expected a plain number"
        return f"expected the unit '{self.unit}', such as '{self._example}'"

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        """Tell pydantic how to read and write such a field."""
        write = core_schema.plain_serializer_function_ser_schema(
            functools.partial(format_quantity, unit=self.unit)
        )
        return core_schema.no_info_plain_validator_function(self._read, serialization=write)

    def _read(self, given: Any) -> Quantity | float:
        value = parse_quantity(given) if isinstance(given, str) else given
        if isinstance(value, bool) or not isinstance(value, Quantity | numbers.Real):
            raise ValueError(f"is not a quantity; {self._expected}")
        if get_dimensions(value) != get_dimensions(parse_quantity(self._example)):
            raise ValueError(f"has {unit_of(value)}; {self._expected}")
        if getattr(value, "shape", ()) != ():
            raise ValueError("is an array; expected a single quantity")
        if not _is_finite(value):
            raise ValueError("is not finite")
        # What is held is exactly what its text says, so that `resolved` loses nothing.
        return parse_quantity(format_quantity(value, self.unit))


def _is_finite(value: Quantity | float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an int beyond the range of floats
        return False


_CONFIG = ConfigDict(arbitrary_types_allowed=True, validate_default=True, allow_inf_nan=False)


@dataclass_transform(frozen_default=True, kw_only_default=True)
def parameters[T](cls: type[T]) -> type[T]:
    """Make a class of annotated fields a frozen, keyword-only, validated dataclass.

    Parameters
    ----------
    cls : type
        Its fields may have any type that pydantic validates, and quantities as `In` describes
        them. For a condition on several fields, raise `ValueError` in ``__post_init__``. A class
        variable ``absent`` may say, by name, why there is no field that users will look for.

    Returns
    -------
    type
        The dataclass. Construction, and so `dataclasses.replace`, raises `ParameterError`.
    """
    for name, default in list(vars(cls).items()):
        if isinstance(default, Quantity):
            # Quantities have no hash, which dataclasses take for a sign of a mutable default.
            setattr(cls, name, dataclasses.field(default_factory=functools.partial(copy, default)))
    made: Any = pydantic.dataclasses.dataclass(frozen=True, kw_only=True, config=_CONFIG)(cls)
    validate = made.__init__
    known = [field.name for field in dataclasses.fields(made)]
    absent = getattr(made, "absent", {})

    @functools.wraps(validate)
    def construct(self: Any, /, **values: Any) -> None:
        problems = [
            Problem(key, f": {absent.get(key) or unknown('key', key, known)}")
            for key in values
            if key not in known
        ]
        try:
            validate(self, **{key: value for key, value in values.items() if key in known})
        except ValidationError as error:
            problems += [_problem(details) for details in error.errors(include_url=False)]
        if problems:
            raise ParameterError(tuple(problems))

    made.__init__ = construct
    return made


def _problem(details: ErrorDetails) -> Problem:
    """Put one of pydantic's errors in our words."""
    message = details["msg"].removeprefix("Value error, ").removeprefix("Input ")
    if not details["loc"]:  # raised by __post_init__, about no field in particular
        return Problem("", f": {message}")
    # Names after the first are of types that a union tried, of no interest to the user.
    name, *rest = details["loc"]
    key = f"{name}" + "".join(f"[{part}]" for part in rest if isinstance(part, int))
    if details["type"] == "missing":
        return Problem(key, ": is missing")
    return Problem(key, f" = {_shown(details['input'])}: {message}")


def _shown(given: Any) -> str:
    text = str(given) if isinstance(given, Quantity) else repr(given)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}..."


def in_own_units(cls: type, values: Mapping[str, object]) -> dict[str, object]:
    """Return values with the unit of its parameter added to each plain number.

    Parameters
    ----------
    cls : type
        Made by `parameters`.
    values : mapping
        Of some of its parameters, as text or plain data; lists may hold numbers too.
    """
    hints = get_type_hints(cls, include_extras=True)

    def with_unit(value: object, unit: str) -> object:
        if isinstance(value, list):
            return [with_unit(entry, unit) for entry in value]
        number = isinstance(value, numbers.Real) and not isinstance(value, bool)
        return f"{value} {unit}" if number else value

    units = {name: _unit(hints[name]) for name in values if name in hints}
    return {
        name: with_unit(value, units[name]) if units.get(name) else value
        for name, value in values.items()
    }


def _unit(hint: Any) -> str:
    """Return the unit that a field's type declares, anywhere in it."""
    declared = [part.unit for part in getattr(hint, "__metadata__", ()) if isinstance(part, In)]
    inner = (_unit(argument) for argument in get_args(hint))
    return next(filter(None, (*declared, *inner)), "")


def resolved(parameters_object: Any) -> dict[str, Any]:
    """Return parameters as plain data, from which the same parameters can be constructed.

    Parameters
    ----------
    parameters_object : object
        An instance of a class made by `parameters`.

    Returns
    -------
    dict
        Quantities as text in their declared units, tuples as lists; ready for JSON.
        ``type(p)(**resolved(p)) == p``.
    """
    adapter = TypeAdapter(type(parameters_object))
    return adapter.dump_python(parameters_object, mode="json")
