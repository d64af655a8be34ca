"""What is recorded while a circuit runs."""

from dataclasses import dataclass

from brian2 import Quantity

from microcircuit.checks import check_name, steps
from microcircuit.circuit import Circuit, CircuitError
from microcircuit.expressions import unit_name


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
class Spikes:
    """All spikes of a population, in ``/spikes/<population>/{time, index}``; for short runs.

    Parameters
    ----------
    population : str
        With spikes, in a circuit with one replicate and a batch of one.
    """

    population: str

    name = "spikes"


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
    probes_only : bool
        Leave it out of the run itself, where there are many presentations.
    """

    name: str
    population: str
    expression: str
    last: Quantity | None = None
    across_neurons: bool = False
    probes_only: bool = False

    @property
    def key(self) -> str:
        """What experiments call it: ``"population.record"``."""
        return f"{self.population}.{self.name}"


Record = Trace | Mean | Spikes


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
        if isinstance(record, Spikes):
            _check_spikes(record, circuit)
            continue
        record_units(record, circuit)
        time = record.interval if isinstance(record, Trace) else record.last
        if time is not None:
            steps(time, circuit.dt)


def _check_spikes(record: Spikes, circuit: Circuit) -> None:
    if circuit.population(record.population).spikes is None:
        raise CircuitError(f"record spikes of {record.population!r}: it does not spike")
    if circuit.replicates * circuit.batch > 1:
        raise CircuitError(
            f"record spikes of {record.population!r}: only with one replicate and a batch of one"
        )


def record_units(record: Trace | Mean, circuit: Circuit) -> str:
    """Return the unit of a recorded expression, ``"1"`` for a pure number.

    Raises
    ------
    CircuitError
        The expression adds what has different units, or can't be parsed.
    """
    where = f"record {record.name!r} of {record.population!r}"
    population = circuit.population(record.population)
    return unit_name(population.expression_dimensions(where, record.expression))
