"""A population as data: a group of identical neurons and the Brian2 equations they follow."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from numbers import Integral
from types import MappingProxyType

import numpy as np
from brian2 import Equations, Hz, Quantity, get_dimensions, second
from brian2.equations.equations import (
    DIFFERENTIAL_EQUATION,
    FLOAT,
    PARAMETER,
    SUBEXPRESSION,
    SingleEquation,
)
from brian2.units.fundamentalunits import Dimension

from microcircuit.checks import CircuitError, check_name, check_units
from microcircuit.expressions import CPP_KEYWORDS, LIBRARY, ExpressionError, dimensions_of
from microcircuit.naming import unknown
from microcircuit.spikes import Average, Kernel, Poisson, Threshold

FLAGS = {
    DIFFERENTIAL_EQUATION: (),
    SUBEXPRESSION: ("constant over dt",),
    PARAMETER: ("constant", "linked"),
}
"""What an equation may be marked with, by its kind."""


MAPPINGS = "parameters", "initial", "links", "limits", "traces", "averages", "updates"
"""Attributes of a population that are frozen with it."""

type Value = float | Quantity | np.ndarray
"""A number or an array of numbers, with or without a unit."""


def _frozen(mapping: Mapping) -> Mapping:
    return MappingProxyType(dict(mapping))


def assignments(code: str) -> list[tuple[str, str]]:
    """Return the variable and the expression of each line of a block of assignments.

    Of a line that is none, the line and nothing.
    """
    found = []
    for line in code.splitlines():
        text = line.split("#")[0].strip()
        if text:
            match = re.fullmatch(r"(\w+)\s*=(?!=)\s*(.+)", text)
            found.append((match[1], match[2]) if match else (text, ""))
    return found


def _statements(equations: str) -> Iterable[tuple[int, str]]:
    """Yield each equation with the number of its first line; an equation ends with its unit."""
    start, pending = 1, ""
    for number, line in enumerate(equations.splitlines(), start=1):
        code = line.split("#")[0].strip()
        if not code:
            continue
        if not pending:
            start = number
        pending = f"{pending} {code}".strip()
        if re.search(r":\s*\S+(\s*\([^)]*\))?$", code):
            yield start, pending
            pending = ""
    if pending:
        yield start, pending


def _parse(population: str, equations: str) -> Equations:
    """Parse with Brian2; an error names the population and the line."""
    try:
        return Equations(equations)
    except Exception as whole:  # Brian2 raises many kinds, SyntaxError among them
        for number, statement in _statements(equations):
            try:
                Equations(statement)
            except Exception as error:
                raise CircuitError(
                    f"population {population!r}, equations line {number}: Brian2 can't parse "
                    f"'{statement}': {error}"
                ) from error
        raise CircuitError(f"population {population!r}, equations: {whole}") from whole


@dataclass(frozen=True, kw_only=True)
class Population:
    """A group of identical neurons.

    Parameters
    ----------
    name : str
        Unique in the circuit.
    size : int
        Number of neurons N.
    equations : str
        Brian2 equations. Compartments that projections drive and values that the schedule sets
        are declared as parameters (``v_basal : 1``); a nonlinear rate is marked
        ``(constant over dt)``, so that it is computed once per neuron and step.
    parameters : mapping of str to float or Quantity or array of shape [R]
        Values of the names that the equations use but don't declare. They are set at run time,
        so changing one never compiles anything.
    initial : mapping of str to float or array, optional
        Starting values of state variables, broadcast to ``[R, B, N]``; zero where not given.
    links : mapping of str to (population, variable), optional
        Variables declared ``(linked)``, read one to one from another population of the same size.
    limits : mapping of str to (low, high), optional
        Bounds outside which a run counts as diverged and is stopped. Every variable with a
        differential equation is checked to be finite in any case.
    spikes : Poisson or Threshold, optional
        How the neurons spike; without it they don't.
    traces : mapping of str to SynapticKernel or ExponentialKernel, optional
        Variables that hold what the neuron's own spikes evoke, in the units of the kernel.
    averages : mapping of str to Average, optional
        Variables that hold means over the end of a presentation.

    updates : mapping of str to str, optional
        Blocks of assignments, such as ``"v_soma = v_basal"``, by the name under which a circuit's
        sweeps call them.

        The variables of traces, averages and updates are declared as parameters (``psp : Hz``).

    Raises
    ------
    CircuitError
        Equations that Brian2 can't parse (naming the line), an unknown name in them, units that
        don't fit, a name that generated code can't have, or a value for something that does not
        exist.
    """

    name: str
    size: int
    equations: str
    parameters: Mapping[str, Value] = field(default_factory=dict)
    initial: Mapping[str, Value] = field(default_factory=dict)
    links: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    limits: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    spikes: Poisson | Threshold | None = None
    traces: Mapping[str, Kernel] = field(default_factory=dict)
    averages: Mapping[str, Average] = field(default_factory=dict)
    updates: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Validate; see `Raises`."""
        check_name("population", self.name)
        whole = isinstance(self.size, Integral) and not isinstance(self.size, bool)
        if not whole or self.size < 1:
            raise CircuitError(
                f"population {self.name!r}: size must be a whole number of at least 1, "
                f"got {self.size!r}"
            )
        for attribute in MAPPINGS:
            object.__setattr__(self, attribute, _frozen(getattr(self, attribute)))
        self._check_names()
        self._check_equations()
        self._check_values()
        self._check_spikes()
        for name, average in self.averages.items():
            self._check_average(name, average)
        for name, code in self.updates.items():
            check_name(f"population {self.name!r}: update", name)
            for variable, expression in assignments(code):
                self._check_assignment(name, variable, expression)

    @cached_property
    def parsed(self) -> Equations:
        """The equations, parsed by Brian2."""
        return _parse(self.name, self.equations)

    @property
    def states(self) -> tuple[str, ...]:
        """Names of the variables that have a differential equation, in their order."""
        return tuple(sorted(self.parsed.diff_eq_names))

    @property
    def settable(self) -> frozenset[str]:
        """Variables that are declared but not computed: compartments and stimuli."""
        return self._declared - {*self.traces, *self.averaged, *self.updated}

    @property
    def averaged(self) -> tuple[str, ...]:
        """Variables that averages renew: they keep their values between presentations."""
        pairs = [(name, average.before) for name, average in self.averages.items()]
        return tuple(name for pair in pairs for name in pair if name is not None)

    @property
    def updated(self) -> tuple[str, ...]:
        """Variables that updates assign; they keep their values as well."""
        blocks = map(assignments, self.updates.values())
        return tuple(sorted({variable for block in blocks for variable, _ in block}))

    @property
    def _declared(self) -> frozenset[str]:
        return frozenset(
            name
            for name, equation in self.parsed.items()
            if equation.type == PARAMETER and "linked" not in equation.flags
        )

    @property
    def stored(self) -> frozenset[str]:
        """Variables that are kept in an array, one number a neuron; others are computed if used."""
        return frozenset(
            name
            for name, equation in self.parsed.items()
            if equation.var_type == FLOAT
            and (equation.type != SUBEXPRESSION or "constant over dt" in equation.flags)
        )

    def dimensions(self, name: str) -> Dimension:
        """Physical dimensions of a variable or parameter.

        Raises
        ------
        CircuitError
            The population has no such name.
        """
        if name in self.parsed:
            return self.parsed[name].dim
        if name in self.parameters:
            return get_dimensions(self.parameters[name])
        raise CircuitError(
            f"population {self.name!r}: "
            + unknown("variable", name, [*self.parsed, *self.parameters])
        )

    def expression_dimensions(self, where: str, expression: str) -> Dimension:
        """Physical dimensions of an expression in variables and parameters.

        Parameters
        ----------
        where : str
            What the expression is, for the error message.
        expression : str
            In Brian2's language.

        Raises
        ------
        CircuitError
            It can't be parsed, uses unknown names or random functions, or mixes units.
        """
        variables = {name: self.dimensions(name) for name in (*self.parsed, *self.parameters)}
        noise = dict.fromkeys(self.parsed.stochastic_variables, (second**-0.5).dim)
        try:
            return dimensions_of(expression, {**variables, **noise})
        except ExpressionError as error:
            raise CircuitError(f"{where}: {error}") from error

    def _check_names(self) -> None:
        for name in [*self.parsed, *self.parameters]:
            where = f"population {self.name!r}: variable"
            check_name(where, name)
            if name in LIBRARY | CPP_KEYWORDS:
                raise CircuitError(
                    f"{where} name {name!r} is the name of a function or unit, or a word of C++"
                )
        for name in self.parameters:
            if name in self.parsed:
                raise CircuitError(
                    f"population {self.name!r}: {name!r} is declared in the equations and given "
                    "as a parameter as well"
                )

    def _check_equations(self) -> None:
        where = f"population {self.name!r}"
        try:
            self.parsed.check_flags(FLAGS)
        except ValueError as error:
            raise CircuitError(f"{where}: {error}") from error
        if self.parsed.stochastic_type == "multiplicative":
            raise CircuitError(f"{where}: noise may only be added, not multiplied with a variable")
        for name, equation in self.parsed.items():
            self._check_equation(f"{where}, equation of {name}", name, equation)

    def _check_equation(self, where: str, name: str, equation: SingleEquation) -> None:
        if equation.type == PARAMETER:
            if equation.var_type != FLOAT:
                raise CircuitError(f"{where}: holds a real number, not a {equation.var_type}")
            return
        got = self.expression_dimensions(where, equation.expr.code)
        differential = equation.type == DIFFERENTIAL_EQUATION
        check_units(where, got, equation.dim / second.dim if differential else equation.dim)

    def _check_values(self) -> None:
        linked = {name for name, eq in self.parsed.items() if "linked" in eq.flags}
        if linked != set(self.links):
            raise CircuitError(
                f"population {self.name!r}: variables marked (linked) are {sorted(linked)}, "
                f"links are given for {sorted(self.links)}"
            )
        starting = {*self.states, *self.settable}
        for kind, names, known in (
            ("initial", self.initial, starting),
            ("limits", self.limits, self.stored),
        ):
            for name in names:
                if name not in known:
                    raise CircuitError(
                        f"population {self.name!r}, {kind}: "
                        + unknown("stored variable", name, known)
                    )
        for name, (low, high) in self.limits.items():
            if not low < high:
                raise CircuitError(f"population {self.name!r}: limits of {name} need low < high")
        for name, value in {**self.parameters, **self.initial}.items():
            if not np.all(np.isfinite(np.asarray(value, dtype=float))):
                raise CircuitError(f"population {self.name!r}: {name} is not finite: {value}")

    def _check_spikes(self) -> None:
        where = f"population {self.name!r}"
        if self.traces and self.spikes is None:
            raise CircuitError(f"{where}: traces are of spikes, and it has none")
        if isinstance(self.spikes, Poisson):
            self._check_variable(f"{where}, spikes: rate", self.spikes.rate, self.stored, Hz.dim)
        elif self.spikes is not None:
            self._check_threshold(f"{where}, spikes", self.spikes)
        for name, kernel in self.traces.items():
            self._check_variable(f"{where}, traces", name, self._declared, kernel.dimensions)

    def _check_threshold(self, where: str, spikes: Threshold) -> None:
        variable, states = spikes.variable, self.states
        if variable not in states:
            raise CircuitError(f"{where}: " + unknown("differential equation", variable, states))
        for role, name in (("above", spikes.above), ("reset", spikes.reset)):
            self._check_variable(
                f"{where}: {role}", name, frozenset(self.parameters), self.dimensions(variable)
            )

    def _check_average(self, name: str, average: Average) -> None:
        where = f"population {self.name!r}, average {name}"
        dimensions = self.expression_dimensions(where, average.of)
        for variable in filter(None, (name, average.before)):
            if self.averaged.count(variable) > 1 or variable in self.traces:
                raise CircuitError(f"{where}: {variable!r} holds something else as well")
            self._check_variable(where, variable, self._declared, dimensions)
        if average.lag is not None:
            self._check_variable(f"{where}: lag", average.lag, self.stored, second.dim)

    def _check_assignment(self, update: str, variable: str, expression: str) -> None:
        where = f"population {self.name!r}, update {update!r}"
        if not expression:
            raise CircuitError(f"{where}: {variable!r} is no assignment such as 'v = x + y'")
        if variable in {*self.traces, *self.averaged}:
            raise CircuitError(f"{where}: {variable!r} holds something else as well")
        dimensions = self.expression_dimensions(f"{where}: {variable}", expression)
        self._check_variable(where, variable, self._declared, dimensions)

    def _check_variable(
        self, where: str, name: str, known: frozenset[str], dimensions: Dimension
    ) -> None:
        if name not in known:
            raise CircuitError(f"{where}: " + unknown("variable", name, known))
        check_units(f"{where}: {name}", self.dimensions(name), dimensions)
