"""A circuit as data: populations, projections and learning rules, validated and frozen.

Nothing here is compiled or simulated. A circuit is written once, in Brian2's own equation
language, and the engine turns it into numpy or C++ (`microcircuit.network`).

Shapes
------
Every circuit has two extra dimensions: `replicates` (R independent networks, each with its own
weights, parameters and noise) and `batch` (B presentations in parallel, which share weights).
Neuron arrays are ``[R, B, N]``, weights ``[R, post, pre]``, parameters scalars or ``[R]``.
"""

from dataclasses import dataclass, field

import numpy as np
from brian2 import Quantity, get_dimensions, ms, second
from brian2.units.fundamentalunits import DIMENSIONLESS, Dimension, have_same_dimensions

from microcircuit.checks import CircuitError, check_name, check_units, steps
from microcircuit.naming import unknown
from microcircuit.population import Population, Value
from microcircuit.spikes import ExponentialKernel, Kernel, check_kernel
from microcircuit.timing import refuse_stale

__all__ = ["Circuit", "CircuitError", "LearningRule", "Population", "Projection"]

SPIKES = "spikes"
"""The signal of projections that carry spikes."""

SUFFIXES = (
    *("_drive", "_learn", "_update", "_post_factor", "_pre_factor", "_kernel"),
    *("_spikes", "_trace", "_average", "_arrived", "_sweep", "_noise"),
)
"""Ends of names that the engine makes from those of populations, projections and records."""


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
        Not negative; for dimensionless weights and factors a rate such as ``1e-3 / ms``, or a
        number if the rule acts at the end.
    tau : Quantity, optional
        Time constant of the filter. Without it the product acts at once.
    window : (Quantity, Quantity), optional
        The rule is on from the first to the second time after the onset of each presentation,
        else throughout. Outside, the outer product counts as zero; a filter goes on decaying.
    bounds : (float, float), optional
        Weights are clipped to this interval after each change.
    at_end : bool
        The rule acts once, in the last step of each presentation:
        ``w += learning_rate * post_factor pre_factor^T``, with a learning rate that is no longer
        per time. Without a filter and a window.
    """

    post_factor: str
    pre_factor: str
    learning_rate: Value
    tau: Quantity | None = None
    window: tuple[Quantity, Quantity] | None = None
    bounds: tuple[float, float] | None = None
    at_end: bool = False

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
        if self.at_end and (self.tau is not None or self.window is not None):
            raise CircuitError("a rule that acts at the end has no filter and no window")


@dataclass(frozen=True, kw_only=True)
class Projection:
    """An all-to-all connection: ``target += weights @ signal``.

    Spikes go through a kernel, at a cost proportional to spikes: one of neuron i at the time t'
    adds ``weights[:, i](t') kernel(t - t')`` to the target. Their rules act at the end of
    presentations or, with an `ExponentialKernel`, all the time; then `pre_factor` is a trace of the
    presynaptic population with the same kernel, and there are no bounds.

    Parameters
    ----------
    name : str
        Unique in the circuit, not the name of a population.
    pre, post : str
        Names of the populations.
    signal : str
        The presynaptic variable that is carried, or ``"spikes"``.
    target : str
        The postsynaptic compartment. Several projections may drive one; they add.
    weights : array, shape [post, pre] or [R, post, pre]
        Starting weights, finite; with units if target and signal need them.
    rule : LearningRule, optional
        Fixed weights without one.
    kernel : SynapticKernel or ExponentialKernel, optional
        What a spike evokes in the target, for spikes and only for them.
    """

    name: str
    pre: str
    post: str
    signal: str
    target: str
    weights: np.ndarray
    rule: LearningRule | None = None
    kernel: Kernel | None = None

    def __post_init__(self) -> None:
        """Validate what can be said without the circuit."""
        check_name("projection", self.name)
        if (self.signal == SPIKES) != (self.kernel is not None):
            raise CircuitError(
                f"projection {self.name!r}: spikes, and only they, go through a kernel: give "
                f"both signal={SPIKES!r} and kernel, or neither"
            )
        if self.kernel is not None and self.rule is not None and not self.rule.at_end:
            self._check_event_rule(self.rule)
        weights = np.array(self.weights, dtype=float)
        if not np.all(np.isfinite(weights)):
            raise CircuitError(f"projection {self.name!r}: weights must be finite")
        weights.flags.writeable = False  # nor does the caller's array change them any more
        dimensions = get_dimensions(self.weights)
        if dimensions is not DIMENSIONLESS:
            weights = Quantity(weights, dim=dimensions)
        object.__setattr__(self, "weights", weights)

    def _check_event_rule(self, rule: LearningRule) -> None:
        """Check a rule that acts all the time on spikes, but is computed when they come."""
        where = f"projection {self.name!r}: a rule of spikes"
        if not isinstance(self.kernel, ExponentialKernel):
            raise CircuitError(
                f"{where} acts at the end of presentations (at_end=True), unless their kernel is "
                "an ExponentialKernel"
            )
        if rule.bounds is not None:
            raise CircuitError(f"{where} has no bounds: weights are changed when spikes come only")


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
    sweeps : tuple of str, optional
        In which order things happen within a time step: names of projections, each of which then
        drives its target, maybe more than once, and of updates, ``"population.update"``. Each reads
        what those before it have set; learning follows. Without sweeps all projections drive first,
        from the values of the step before.

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
    sweeps: tuple[str, ...] = ()

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
        self._check_sweeps()
        self.update_order()
        renewed = {
            (p.name, variable)
            for p in self.populations
            for variable in (*p.traces, *p.averaged, *p.updated)
        }
        refuse_stale({p.name: p for p in self.populations}, self.driven | renewed)

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

    @property
    def driven(self) -> set[tuple[str, str]]:
        """The compartments that projections drive: (population, variable)."""
        return {(projection.post, projection.target) for projection in self.projections}

    def in_order(self) -> list[Projection]:
        """Return the projections in the order in which they drive."""
        if not self.sweeps:
            return list(self.projections)
        return sorted(self.projections, key=lambda projection: self.sweeps.index(projection.name))

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

    def _check_sweeps(self) -> None:
        driving = [projection.name for projection in self.projections]
        updates = [f"{p.name}.{update}" for p in self.populations for update in p.updates]
        for name in self.sweeps:
            if name not in (*driving, *updates):
                raise CircuitError("sweeps: " + unknown("step", name, [*driving, *updates]))
        if not self.sweeps and not updates:
            return
        for name in (*driving, *updates):
            if name not in self.sweeps:
                raise CircuitError(f"sweeps: {name!r} is missing, it would never happen")
        for name in updates:
            if self.sweeps.count(name) > 1:
                raise CircuitError(f"sweeps: the update {name!r} is named more than once")
        for projection in self.projections:
            if projection.kernel is not None and self.sweeps.count(projection.name) > 1:
                raise CircuitError(
                    f"sweeps: {projection.name!r} carries spikes, which arrive once: it is named "
                    "more than once"
                )

    def _check_names(self) -> None:
        if not self.populations:
            raise CircuitError("a circuit needs a population")
        names = [*(p.name for p in self.populations), *(p.name for p in self.projections)]
        for name in names:
            taken = name == "presenter" or name.startswith("record_") or name.endswith(SUFFIXES)
            if taken:
                raise CircuitError(f"the name {name!r} is taken by the engine: choose another")
            if names.count(name) > 1:
                raise CircuitError(f"the name {name!r} is used more than once in the circuit")

    def _check_population(self, population: Population) -> None:
        if self.replicates * self.batch > 1:
            for name in sorted({"i", "N"} & population.parsed.identifiers):
                raise CircuitError(
                    f"population {population.name!r}: {name} counts the neurons of all replicates "
                    "and the batch: give each neuron its number as an initial value instead"
                )
        for name, value in population.parameters.items():
            if np.shape(value) not in ((), (self.replicates,)):
                raise CircuitError(
                    f"population {population.name!r}: parameter {name} must be a scalar or hold "
                    f"one value per replicate, shape ({self.replicates},); got {np.shape(value)}"
                )
        for trace in population.traces.values():
            check_kernel(f"population {population.name!r}", trace, self.dt, self.replicates)
        if population.spikes is not None and population.spikes.refractory is not None:
            where = f"population {population.name!r}, spikes: a refractory period"
            steps(population.spikes.refractory, self.dt, where)
        for average in population.averages.values():
            steps(average.last, self.dt)
        shape = (self.replicates, self.batch, population.size)
        for name, value in population.initial.items():
            self._check_broadcast(f"population {population.name!r}: initial {name}", value, shape)
            check_units(
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
            check_units(where, linked.dimensions(variable), population.dimensions(name))

    def _check_projection(self, projection: Projection) -> None:
        where = f"projection {projection.name!r}"
        pre, post = self.population(projection.pre), self.population(projection.post)
        if projection.kernel is not None:
            if pre.spikes is None:
                raise CircuitError(f"{where}: {pre.name!r} does not spike")
            check_kernel(where, projection.kernel, self.dt, self.replicates)
            signal = projection.kernel.dimensions
        else:
            signal = pre.dimensions(projection.signal)
        if projection.kernel is None and projection.signal not in pre.stored:
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
        check_units(
            f"{where}: weights times signal", weight * signal, post.dimensions(projection.target)
        )
        if projection.rule is not None:
            self._check_rule(where, projection.rule, pre, post, weight)
            if projection.kernel is not None and not projection.rule.at_end:
                self._check_trace(where, projection, pre)
                tau = projection.rule.tau
                if tau is not None and not tau > self.dt:
                    raise CircuitError(
                        f"{where}: the filter's tau = {tau} of a rule of spikes is not longer "
                        "than a time step"
                    )

    @staticmethod
    def _check_trace(where: str, projection: Projection, pre: Population) -> None:
        """Check that the pre_factor of a rule of spikes is what the projection's kernel makes."""
        rule, kernel = projection.rule, projection.kernel
        assert rule is not None
        assert isinstance(kernel, ExponentialKernel)
        trace = pre.traces.get(rule.pre_factor)
        same = isinstance(trace, ExponentialKernel) and (
            trace.tau == kernel.tau and np.array_equal(trace.rate, kernel.rate)
        )
        if not same:
            raise CircuitError(
                f"{where}: the pre_factor {rule.pre_factor!r} of a rule of spikes must be a trace "
                f"of {pre.name!r} with the projection's kernel"
            )

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
        check_units(
            f"{where}: learning_rate",
            get_dimensions(rule.learning_rate),
            weight / product if rule.at_end else weight / (product * second.dim),
        )

    @staticmethod
    def _check_broadcast(where: str, value: Value, shape: tuple[int, ...]) -> None:
        try:
            np.broadcast_to(np.asarray(value), shape)
        except ValueError:
            raise CircuitError(
                f"{where}: shape {np.shape(value)} does not fit [R, B, N] = {shape}"
            ) from None
