"""What is recorded while a circuit runs."""

from dataclasses import dataclass

from brian2 import Quantity

from microcircuit.circuit import Circuit, CircuitError
from microcircuit.expressions import unit_name
from microcircuit.population import check_name
from microcircuit.schedule import steps


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
        An unknown population or variable, a name used twice, an interval that is not a whole
        number of steps.
    """
    seen = set()
    for record in records:
        check_name("record", record.name)
        # Not a pair: names with '_' could give two recorders of the same name.
        key = f"{record.population}_{record.name}"
        if key in seen:
            raise CircuitError(f"record {record.population}.{record.name}: its name is taken")
        seen.add(key)
        record_units(record, circuit)
        time = record.interval if isinstance(record, Trace) else record.last
        if time is not None:
            steps(time, circuit.dt)


def record_units(record: Record, circuit: Circuit) -> str:
    """Return the unit of a recorded expression, ``"1"`` for a pure number.

    Raises
    ------
    CircuitError
        The expression adds what has different units, or can't be parsed.
    """
    where = f"record {record.name!r} of {record.population!r}"
    population = circuit.population(record.population)
    return unit_name(population.expression_dimensions(where, record.expression))
