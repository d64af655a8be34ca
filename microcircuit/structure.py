"""All that a program's generated code depends on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from microcircuit.circuit import Circuit
from microcircuit.records import Record

Precision = Literal["double", "single"]

DTYPES: Mapping[Precision, type[np.floating]] = {"double": np.float64, "single": np.float32}


@dataclass(frozen=True, kw_only=True)
class Structure:
    """All that generated code depends on; circuits that differ in nothing else share a program.

    Parameters
    ----------
    circuit : Circuit
        Its numbers are ignored, but for sizes and dt.
    inputs : tuple of str
        Variables that the schedule sets.
    records : tuple of Record
        What is recorded.
    longest : int
        Most steps in a presentation.
    capacity : int
        Most presentations in a chunk.
    precision : "double" or "single"
        Of all real variables.
    """

    circuit: Circuit
    inputs: tuple[str, ...]
    records: tuple[Record, ...]
    longest: int
    capacity: int
    precision: Precision = "double"

    def neurons(self, population: str) -> int:
        """Return the number of neurons over all replicates and the batch."""
        circuit = self.circuit
        return circuit.replicates * circuit.batch * circuit.population(population).size

    def checks(self) -> list[tuple[str, str, float, float]]:
        """Return what is watched for divergence: (population, variable, low, high)."""
        found = []
        largest = float(np.finfo(DTYPES[self.precision]).max)
        for population in self.circuit.populations:
            for name in sorted({*population.states, *population.limits}):
                low, high = population.limits.get(name, (-largest, largest))
                found.append((population.name, name, float(low), float(high)))
        return found
