"""A circuit as data: populations, projections and learning rules, validated and frozen.

Nothing here is compiled or simulated. A circuit is written once, in Brian2's own equation
language, and the engine turns it into numpy or C++ (`microcircuit.network`).

Shapes
------
Every circuit has two extra dimensions: `replicates` (R independent networks, each with its own
weights, parameters and noise) and `batch` (B presentations in parallel, which share weights).
Neuron arrays are ``[R, B, N]``, weights ``[R, post, pre]``, parameters scalars or ``[R]``.
"""

import keyword
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from numbers import Integral
from types import MappingProxyType

import numpy as np
from brian2 import Equations, Quantity, get_dimensions, ms, second
from brian2.equations.equations import (
    DIFFERENTIAL_EQUATION,
    FLOAT,
    PARAMETER,
    SUBEXPRESSION,
    SingleEquation,
)
from brian2.units.fundamentalunits import Dimension, have_same_dimensions

from microcircuit.expressions import (
    CPP_KEYWORDS,
    LIBRARY,
    ExpressionError,
    dimensions_of,
    unit_name,
)
from microcircuit.naming import unknown

RESERVED = frozenset({"i", "j", "t", "dt", "N", "xi", "e", "pi", "inf", "lastspike"})
"""Names that Brian2 keeps for itself."""

FLAGS = {
    DIFFERENTIAL_EQUATION: (),
    SUBEXPRESSION: ("constant over dt",),
    PARAMETER: ("constant", "linked"),
}
"""What an equation may be marked with, by its kind."""


class CircuitError(ValueError):
    """A circuit, schedule or record that can't be simulated, with the reason."""


def _frozen(mapping: Mapping) -> Mapping:
    return MappingProxyType(dict(mapping))


def check_name(kind: str, name: str) -> None:
    """Check that a name can be used in equations and as a path in a result file."""
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name) or keyword.iskeyword(name):
        raise CircuitError(
            f"{kind} name {name!r}: must start with a letter and hold only letters, digits and '_'"
        )
    if name in RESERVED:
        names = ", ".join(sorted(RESERVED))
        raise CircuitError(f"{kind} name {name!r} is reserved by Brian2 ({names})")


def _check_units(where: str, got: Dimension, expected: Dimension) -> None:
    if got != expected:
        raise CircuitError(f"{where} has unit {unit_name(got)}, expected {unit_name(expected)}")


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
    parameters: Mapping[str, object] = field(default_factory=dict)
    initial: Mapping[str, object] = field(default_factory=dict)
    links: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    limits: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Validate; see `Raises`."""
        check_name("population", self.name)
        whole = isinstance(self.size, Integral) and not isinstance(self.size, bool)
        if not whole or self.size < 1:
            raise CircuitError(
                f"population {self.name!r}: size must be a whole number of at least 1, "
                f"got {self.size!r}"
            )
        for attribute in ("parameters", "initial", "links", "limits"):
            object.__setattr__(self, attribute, _frozen(getattr(self, attribute)))
        self._check_names()
        self._check_equations()
        self._check_values()

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
        _check_units(where, got, equation.dim / second.dim if differential else equation.dim)

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


@dataclass(frozen=True, kw_only=True)
class LearningRule:
    """A rule of the form ``dw/dt = learning_rate * post_factor pre_factor^T``.

    With a filter the outer product is low-passed before it changes a weight:
    ``tau dD/dt = -D + post_factor pre_factor^T``, ``dw/dt = learning_rate * D``
    (Sacramento et al. 2018, after equation 9).

    Parameters
    ----------
    post_factor, pre_factor : str
        Expressions in the variables of the postsynaptic and presynaptic population.
    learning_rate : Quantity or array Quantity of shape [R]
        Not negative; for dimensionless weights and factors a rate such as ``1e-3 / ms``.
    tau : Quantity, optional
        Time constant of the filter. Without it the product acts at once.
    window : (Quantity, Quantity), optional
        The rule is on from the first to the second time after the onset of each presentation,
        else throughout. Outside, the outer product counts as zero; a filter goes on decaying.
    bounds : (float, float), optional
        Weights are clipped to this interval after each change.
    """

    post_factor: str
    pre_factor: str
    learning_rate: object
    tau: Quantity | None = None
    window: tuple[Quantity, Quantity] | None = None
    bounds: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        """Validate signs, units and order."""
        rate = np.asarray(self.learning_rate, dtype=float)
        if not np.all(np.isfinite(rate)) or np.any(rate < 0):
            raise CircuitError(
                f"learning rate must be finite and not negative, got {self.learning_rate}"
            )
        if self.tau is not None and (
            not have_same_dimensions(self.tau, second) or not self.tau > 0 * second
        ):
            raise CircuitError(f"the filter's tau must be a time above zero, got {self.tau}")
        if self.window is not None:
            start, stop = self.window
            if not all(have_same_dimensions(edge, second) for edge in self.window):
                raise CircuitError(f"a learning window is two times, got {self.window}")
            if not 0 * second <= start < stop:
                raise CircuitError(f"a learning window needs 0 <= start < stop, got {self.window}")
        if self.bounds is not None and not self.bounds[0] < self.bounds[1]:
            raise CircuitError(f"weight bounds need low < high, got {self.bounds}")


@dataclass(frozen=True, kw_only=True)
class Projection:
    """An all-to-all connection: ``target += weights @ signal``.

    Parameters
    ----------
    name : str
        Unique in the circuit, not the name of a population.
    pre, post : str
        Names of the populations.
    signal : str
        The presynaptic variable that is carried.
    target : str
        The postsynaptic compartment. Several projections may drive one; they add.
    weights : array, shape [post, pre] or [R, post, pre]
        Starting weights, finite; with units if target and signal need them.
    rule : LearningRule, optional
        Fixed weights without one.
    """

    name: str
    pre: str
    post: str
    signal: str
    target: str
    weights: np.ndarray
    rule: LearningRule | None = None

    def __post_init__(self) -> None:
        """Validate what can be said without the circuit."""
        check_name("projection", self.name)
        weights = np.asarray(self.weights, dtype=float)
        if not np.all(np.isfinite(weights)):
            raise CircuitError(f"projection {self.name!r}: weights must be finite")


@dataclass(frozen=True, kw_only=True)
class Circuit:
    """Populations and projections that fit together.

    Parameters
    ----------
    populations, projections : tuple
        The parts.
    dt : Quantity
        Time step of the explicit Euler scheme.
    replicates : int
        R, independent copies with their own weights, parameters and noise.
    batch : int
        B, presentations in parallel that share weights; weight changes are averaged over them.

    Raises
    ------
    CircuitError
        Duplicate or unknown names (with the nearest known one), shapes that don't fit, units that
        don't fit, a dt that is not a time above zero.
    """

    populations: tuple[Population, ...]
    projections: tuple[Projection, ...] = ()
    dt: Quantity = field(default_factory=lambda: 0.1 * ms)
    replicates: int = 1
    batch: int = 1

    def __post_init__(self) -> None:
        """Validate; see `Raises`."""
        if not have_same_dimensions(self.dt, second) or not self.dt > 0 * second:
            raise CircuitError(f"dt must be a time above zero such as 0.1*ms, got {self.dt}")
        for name in ("replicates", "batch"):
            if getattr(self, name) < 1:
                raise CircuitError(f"{name} must be at least 1, got {getattr(self, name)}")
        self._check_names()
        for population in self.populations:
            self._check_population(population)
        for projection in self.projections:
            self._check_projection(projection)
        self.update_order()

    def population(self, name: str) -> Population:
        """Return the population of that name.

        Raises
        ------
        CircuitError
            There is none; the message holds the nearest name.
        """
        for population in self.populations:
            if population.name == name:
                return population
        raise CircuitError(unknown("population", name, [p.name for p in self.populations]))

    def projection(self, name: str) -> Projection:
        """Return the projection of that name.

        Raises
        ------
        CircuitError
            There is none; the message holds the nearest name.
        """
        for projection in self.projections:
            if projection.name == name:
                return projection
        raise CircuitError(unknown("projection", name, [p.name for p in self.projections]))

    def update_order(self) -> dict[str, int]:
        """Return the order of state updates: who reads a linked variable comes before its source.

        So every population sees the others as they were at the start of the step.

        Raises
        ------
        CircuitError
            The links form a circle.
        """
        sources = {p.name: {source for source, _ in p.links.values()} for p in self.populations}
        order: dict[str, int] = {}
        while len(order) < len(sources):
            waiting = {name: sources[name] for name in sources if name not in order}
            ready = [name for name in waiting if not any(name in s for s in waiting.values())]
            if not ready:
                raise CircuitError(f"links form a circle among {sorted(waiting)}")
            order |= dict.fromkeys(ready, 1 + max(order.values(), default=0))
        return order

    def _check_names(self) -> None:
        if not self.populations:
            raise CircuitError("a circuit needs a population")
        names = [part.name for part in (*self.populations, *self.projections)]
        for name in names:
            if name == "presenter" or name.startswith("record_"):
                raise CircuitError(f"the name {name!r} is taken by the engine: choose another")
            if names.count(name) > 1:
                raise CircuitError(f"the name {name!r} is used more than once in the circuit")

    def _check_population(self, population: Population) -> None:
        for name, value in population.parameters.items():
            if np.shape(value) not in ((), (self.replicates,)):
                raise CircuitError(
                    f"population {population.name!r}: parameter {name} must be a scalar or hold "
                    f"one value per replicate, shape ({self.replicates},); got {np.shape(value)}"
                )
        shape = (self.replicates, self.batch, population.size)
        for name, value in population.initial.items():
            self._check_broadcast(f"population {population.name!r}: initial {name}", value, shape)
            _check_units(
                f"population {population.name!r}: initial {name}",
                get_dimensions(value),
                population.dimensions(name),
            )
        for name, (source, variable) in population.links.items():
            where = f"population {population.name!r}: link {name}"
            linked = self.population(source)
            if linked.size != population.size:
                raise CircuitError(
                    f"{where}: {source!r} has {linked.size} neurons, {population.name!r} has "
                    f"{population.size}; a link is one to one"
                )
            _check_units(where, linked.dimensions(variable), population.dimensions(name))

    def _check_projection(self, projection: Projection) -> None:
        where = f"projection {projection.name!r}"
        pre, post = self.population(projection.pre), self.population(projection.post)
        signal = pre.dimensions(projection.signal)
        if projection.signal not in pre.stored:
            raise CircuitError(
                f"{where}: signal {projection.signal!r} of {pre.name!r} is not stored: declare it "
                "in the equations, marked (constant over dt) if it is computed"
            )
        if projection.target not in post.settable:
            raise CircuitError(
                f"{where}: "
                + unknown(f"compartment of {post.name!r}", projection.target, post.settable)
                + "; a driven compartment is declared as a parameter, such as 'v_basal : 1'"
            )
        shapes = (post.size, pre.size), (self.replicates, post.size, pre.size)
        if np.shape(projection.weights) not in shapes:
            raise CircuitError(
                f"{where}: weights are [post, pre], from {pre.name!r} to {post.name!r} that is "
                f"{shapes[0]} or {shapes[1]} with replicates; got {np.shape(projection.weights)}"
            )
        weight = get_dimensions(projection.weights)
        _check_units(
            f"{where}: weights times signal", weight * signal, post.dimensions(projection.target)
        )
        if projection.rule is not None:
            self._check_rule(where, projection.rule, pre, post, weight)

    def _check_rule(
        self, where: str, rule: LearningRule, pre: Population, post: Population, weight: Dimension
    ) -> None:
        if np.shape(rule.learning_rate) not in ((), (self.replicates,)):
            raise CircuitError(
                f"{where}: learning_rate must be a scalar or have shape ({self.replicates},), "
                f"got {np.shape(rule.learning_rate)}"
            )
        product = post.expression_dimensions(
            f"{where}: post_factor of {post.name!r}", rule.post_factor
        ) * pre.expression_dimensions(f"{where}: pre_factor of {pre.name!r}", rule.pre_factor)
        _check_units(
            f"{where}: learning_rate",
            get_dimensions(rule.learning_rate),
            weight / (product * second.dim),
        )

    @staticmethod
    def _check_broadcast(where: str, value: object, shape: tuple[int, ...]) -> None:
        try:
            np.broadcast_to(np.asarray(value), shape)
        except ValueError:
            raise CircuitError(
                f"{where}: shape {np.shape(value)} does not fit [R, B, N] = {shape}"
            ) from None
