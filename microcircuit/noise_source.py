"""Brian2 objects for the noise of equations, which keep their literal ``xi``.

`euler` is Brian2's explicit Euler method with its ``randn()`` replaced by variables that a
`NoiseSource` each fills with normal numbers in every step (`microcircuit.noise`).
"""

from collections.abc import Mapping

import numpy as np
from brian2 import Equations, NeuronGroup
from brian2.stateupdaters.base import StateUpdateMethod
from brian2.stateupdaters.explicit import euler as brian2_euler

from microcircuit import elementary
from microcircuit.circuit import Circuit, Population
from microcircuit.companion import Companion

ORDER = 0
"""After the weights have changed, which empties caches, and before the updates."""


class NoiseSource(Companion):
    """Fills a variable of a group with normal numbers in every step; adds that variable.

    Attributes
    ----------
    key : [R] int64
        Of the random numbers, which depend on it, the neuron and the time step only.
    """

    def __init__(self, population: Population, term: str, circuit: Circuit, group: NeuronGroup):
        super().__init__(group, noise_name(population, term))
        self._add_array("key", size=circuit.replicates, dtype=np.int64)
        group.variables.add_array(normal_name(term), size=len(group))
        neurons = circuit.batch * population.size
        self._kernel(
            "noise",
            {"_normal": (group, normal_name(term))},
            order=ORDER,
            replicates=circuit.replicates,
            neurons=neurons,
            quarter=-(-neurons // 4),
            stream=terms(population.parsed).index(term),
        )
        self._enable_group_attributes()


class CounterEuler(StateUpdateMethod):
    """Explicit Euler (Euler-Maruyama with noise) with the numbers of a `NoiseSource` a term."""

    def __call__(
        self,
        equations: Equations,
        variables: Mapping | None = None,
        method_options: Mapping | None = None,
    ) -> str:
        """Return the abstract code of one time step; see Brian2's `StateUpdateMethod`."""
        code = brian2_euler(equations, variables, method_options)
        draws = [
            f"{term} = {elementary.PREFIX}sqrt(dt)*{normal_name(term)}" for term in terms(equations)
        ]
        step = [line for line in code.splitlines() if "randn()" not in line]
        return "\n".join([*draws, *step])


euler = CounterEuler()


def terms(equations: Equations) -> list[str]:
    """Return the noise terms of equations; the place of each is the number of its stream."""
    # Brian2 keeps them in a set, whose order is another in each process.
    return sorted(equations.stochastic_variables)


def noise_name(population: Population, term: str) -> str:
    """Return the name of the source of a noise term."""
    return f"{population.name}_{term}_noise"


def normal_name(term: str) -> str:
    """Return the variable that a source fills."""
    return f"_{term}_normal"
