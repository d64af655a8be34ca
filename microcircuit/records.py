"""What is recorded while a circuit runs."""

from dataclasses import dataclass

from brian2 import Quantity, second
from brian2.units.fundamentalunits import have_same_dimensions
from brian2.core.namespace import DEFAULT_UNITS
from brian2.core.variables import Variable
from brian2.parsing.expressions import parse_expression_dimensions
from brian2.units.fundamentalunits import DIMENSIONLESS, DimensionMismatchError, get_unit
from brian2.utils.stringtools import get_identifiers

from microcircuit.circuit import Circuit, CircuitError, check_name
from microcircuit.naming import unknown


@dataclass(frozen=True, kw_only=True)
class Trace:
    """Samples of an expression at a fixed interval, one value a neuron.

    Samples are taken after all compartments are driven and before anything is updated, so all
    variables belong to the same time. Stored in single precision.

    Parameters
    ----------
    name : str
        Under which it is stored, in ``/records/<population>/<name>``.
    population : str
        Whose variables the expression uses.
    expression : str
        Such as ``"v_apical"``.
    interval : Quantity
        Time between samples, a whole number of steps.
    """

    name: str
    population: str
    expression: str
    interval: Quantity


@dataclass(frozen=True, kw_only=True)
class Mean:
    """The mean of an expression over each presentation, or over its last stretch.

    Parameters
    ----------
    name : str
        Under which it is stored, in ``/records/<population>/<name>``.
    population : str
        Whose variables the expression uses.
    expression : str
        Such as ``"v_apical**2"``.
    last : Quantity, optional
        Average over this stretch before the end; the whole presentation without it. One time step
        gives the value in the last step.
    across_neurons : bool
        Average over the population too: one value a presentation instead of N.
    """

    name: str
    population: str
    expression: str
    last: Quantity | None = None
    across_neurons: bool = False


Record = Trace | Mean


def check_records(records: tuple[Record, ...], circuit: Circuit) -> None:
    """Check that a circuit has what is to be recorded.

    Raises
    ------
    CircuitError
        An unknown population or variable, a name used twice, an interval that is no time.
    """
    seen = set()
    for record in records:
        check_name("record", record.name)
        if (record.population, record.name) in seen:
            raise CircuitError(f"record {record.population}.{record.name} is asked for twice")
        seen.add((record.population, record.name))
        population = circuit.population(record.population)
        known = {*population.parsed, *population.parameters}
        for name in sorted(get_identifiers(record.expression) - known):
            raise CircuitError(
                f"record {record.name!r} of {record.population!r}: "
                + unknown("variable", name, known)
            )
        time = record.interval if isinstance(record, Trace) else record.last
        if time is not None and not (
            have_same_dimensions(time, second) and time > 0 * second
        ):
            raise CircuitError(f"record {record.name!r}: needs a time above zero, got {time}")
        record_units(record, circuit)


def record_units(record: Record, circuit: Circuit) -> str:
    """Return the unit of a recorded expression, ``"1"`` for a pure number.

    Raises
    ------
    CircuitError
        The expression adds what has different units, or can't be parsed.
    """
    population = circuit.population(record.population)
    names = get_identifiers(record.expression) - set(DEFAULT_UNITS)
    variables = {name: Variable(name, population.dimensions(name)) for name in names}
    try:
        dimensions = parse_expression_dimensions(record.expression, variables)
    except (DimensionMismatchError, SyntaxError) as error:
        raise CircuitError(f"record {record.name!r} of {record.population!r}: {error}") from error
    return "1" if dimensions is DIMENSIONLESS else str(get_unit(dimensions))
