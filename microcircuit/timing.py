"""What may depend on what within a time step; `microcircuit.network` has the schedule."""

from collections.abc import Mapping

from brian2.equations.equations import SUBEXPRESSION

from microcircuit.checks import CircuitError
from microcircuit.population import Population

STORED = "constant over dt"


def refuse_stale(populations: Mapping[str, Population], driven: set[tuple[str, str]]) -> None:
    """Refuse variables stored at the start of a step that depend on what is driven later in it.

    They would be a step behind, and at the start of a chunk there is no step before.

    Parameters
    ----------
    populations : mapping of str to Population
        By name.
    driven : set of (population, variable)
        The compartments that projections drive.

    Raises
    ------
    CircuitError
        There is such a variable.
    """

    def source(population: str, name: str) -> str | None:
        """Return the driven compartment that a variable is computed from, if any."""
        if (population, name) in driven:
            return f"{population}.{name}"
        owner = populations[population]
        if name in owner.links:
            return source(*owner.links[name])
        equation = owner.parsed.get(name)
        if equation is None or equation.type != SUBEXPRESSION or STORED in equation.flags:
            return None
        return first(population, equation.identifiers)

    def first(population: str, names: set[str]) -> str | None:
        return next(filter(None, (source(population, name) for name in sorted(names))), None)

    for population in populations.values():
        for name, equation in population.parsed.items():
            if STORED not in equation.flags:
                continue
            found = first(population.name, equation.identifiers)
            if found is not None:
                raise CircuitError(
                    f"population {population.name!r}: {name} is stored at the start of a step "
                    f"({STORED}) but computed from {found}, which is driven later: leave the mark "
                    "out, or compute it from state variables"
                )
