"""What is presented when: durations, stimuli, and whether the circuit learns meanwhile.

A schedule may be far longer than memory: it is drawn in stretches, on demand, and a stretch depends
only on where it starts and stops, never on what was drawn before. So a run can be cut, resumed and
extended without changing what is presented.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from microcircuit.checks import CircuitError
from microcircuit.circuit import Circuit
from microcircuit.naming import unknown


@dataclass(frozen=True, kw_only=True)
class Presentations:
    """A stretch of P presentations.

    Parameters
    ----------
    steps : array of int, shape [P]
        Duration of each in time steps.
    inputs : mapping of str to array
        For each driven variable, ``"population.variable"``: shape [P, N] or [P, R, B, N] for a
        variable of the neurons, [P] or [P, R] for a parameter.
    learning : array of bool, shape [P]
        False freezes all weights during that presentation.
    """

    steps: np.ndarray
    inputs: Mapping[str, np.ndarray]
    learning: np.ndarray

    def __post_init__(self) -> None:
        """Check that there is a learning flag for each presentation."""
        if np.shape(self.learning) != np.shape(self.steps):
            raise CircuitError(
                f"{np.size(self.steps)} presentations need as many learning flags, "
                f"got shape {np.shape(self.learning)}"
            )


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """The whole sequence of presentations of a run.

    Parameters
    ----------
    presentations : int
        How many.
    longest : int
        Most time steps that one of them takes.
    inputs : tuple of str
        The variables that are set at the onset of each presentation, ``"population.variable"``.
    draw : callable (start, stop) -> Presentations
        The presentations start <= p < stop. Pure: the same arguments give the same arrays.
    """

    presentations: int
    longest: int
    inputs: tuple[str, ...]
    draw: Callable[[int, int], Presentations] = field(repr=False)

    def __post_init__(self) -> None:
        """Validate the counts."""
        if self.presentations < 1 or self.longest < 1:
            raise CircuitError(
                f"a schedule needs at least one presentation of at least one step, got "
                f"{self.presentations} of {self.longest}"
            )

    def check(self, circuit: Circuit) -> None:
        """Check the driven variables and the first presentation against a circuit.

        Raises
        ------
        CircuitError
            An unknown variable, or an array of the wrong shape.
        """
        for key in self.inputs:
            input_shape(circuit, key)
            if tuple(key.split(".")) in circuit.driven:
                raise CircuitError(
                    f"schedule: {key!r} is driven by a projection, which would overwrite it"
                )
        tables(circuit, self.inputs, self.draw(0, 1), 1)


def input_shape(circuit: Circuit, key: str) -> tuple[int, ...]:
    """Return the shape of one presentation's values of a driven variable: [R, B, N] or [R].

    Raises
    ------
    CircuitError
        There is no such population, or the schedule can't set that variable.
    """
    population, _, variable = key.partition(".")
    group = circuit.population(population)
    if variable in group.settable:
        return circuit.replicates, circuit.batch, group.size
    if variable in group.parameters:
        return (circuit.replicates,)
    raise CircuitError(
        f"schedule: {key!r}: "
        + unknown("input", variable, [*group.settable, *group.parameters])
        + "; a stimulus is declared as a parameter, such as 'pattern : 1'"
    )


def input_size(circuit: Circuit, key: str) -> int:
    """Return how many numbers an onset sets; a parameter has a copy a neuron with replicates."""
    shape = input_shape(circuit, key)
    if len(shape) == 3 or circuit.replicates == 1:
        return int(np.prod(shape))
    return circuit.replicates * circuit.batch * circuit.population(key.split(".")[0]).size


def in_full(values: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return values of P presentations, maybe alike for all replicates and the batch, for each.

    Parameters
    ----------
    values : array of shape [P, N] or [P, R, B, N], for a parameter [P] or [P, R]
    shape : tuple of int
        As `input_shape` gives it.

    Returns
    -------
    array of shape [P, *shape]
    """
    alike = tuple(range(1, 2 + len(shape) - values.ndim))
    return np.broadcast_to(np.expand_dims(values, alike), (len(values), *shape))


def tables(
    circuit: Circuit, keys: tuple[str, ...], stretch: Presentations, capacity: int
) -> dict[str, np.ndarray]:
    """Return each driven variable's values as a table [capacity, input_size], padded with zeros.

    Raises
    ------
    CircuitError
        An array is missing, has another shape than the circuit needs, or is not finite.
    """
    count = len(stretch.steps)
    if set(stretch.inputs) != set(keys):
        raise CircuitError(
            f"the schedule declares the inputs {sorted(keys)} but gives {sorted(stretch.inputs)}"
        )
    result = {}
    for key in keys:
        shape = input_shape(circuit, key)
        values = np.asarray(stretch.inputs[key])
        if not np.issubdtype(values.dtype, np.floating):
            values = values.astype(float)
        neuronal = len(shape) == 3
        allowed = [(count, *shape), (count, shape[-1])] if neuronal else [(count, *shape), (count,)]
        if values.shape not in allowed:
            raise CircuitError(
                f"stimulus {key!r}: {count} presentations need shape {allowed[1]} or {allowed[0]}, "
                f"got {values.shape}"
            )
        if not np.all(np.isfinite(values)):
            raise CircuitError(f"stimulus {key!r} holds values that are not finite")
        flat = in_full(values, shape).reshape(count, -1)
        size = input_size(circuit, key)
        table = np.zeros((capacity, size), dtype=flat.dtype)
        alike = size // flat.shape[1]
        table[:count] = flat if alike == 1 else np.repeat(flat, alike, axis=1)
        result[key] = table
    return result
