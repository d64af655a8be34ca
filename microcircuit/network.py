"""From a circuit to Brian2 objects: one network that reads all its numbers at run time.

Nothing numeric is baked in but sizes, dt and limits: parameters, weights, stimuli, seeds and
starting values are arrays that a program sets before each chunk (`microcircuit.devices`).

One step, in Brian2's schedule, computes everything from the values at its start::

    before_start  stimuli set at a presentation's onset; then rates (constant over dt), those that
                  others read through links first
    groups  -2000  traces of a neuron's own spikes
            -1000..  what a circuit's sweeps name, in their order, in place of the drives below
            -5    drive: the first projection onto a compartment sets it
            -4    drive: further projections add
            -3    averages
            -2    post and pre factors of the learning rules
            -1    weight changes
             0    records, and noise for the updates
            1..   state updates, readers of linked variables before their sources
    thresholds    spikes
    synapses      spikes arrive, and are recorded
    end           at a presentation's end: has anything diverged?
"""

from collections.abc import Mapping
from typing import Protocol

from brian2 import Clock, Equations, Network, NeuronGroup, linked_var
from brian2.core.base import BrianObject
from brian2.equations.equations import extract_constant_subexpressions

from microcircuit import elementary
from microcircuit.circuit import Circuit, Population, Projection
from microcircuit.dense import DRIVE_ORDER, DenseProjection
from microcircuit.events import EventProjection, stretch_of
from microcircuit.kernels import Kernel
from microcircuit.noise_source import NoiseSource, euler, terms
from microcircuit.presenter import Presenter
from microcircuit.recorder import Recorder
from microcircuit.spike_objects import arrived_name, filter_name, filter_object, population_objects
from microcircuit.spikes import ExponentialKernel
from microcircuit.stages import Evaluation
from microcircuit.structure import Structure

SWEEP_ORDER = -1000
"""Of the first step of a circuit's sweeps; the others follow."""
FACTOR_ORDER = -2


class Connect(Protocol):
    """Makes the Brian2 object of a projection, named like it."""

    def __call__(
        self,
        projection: Projection,
        circuit: Circuit,
        groups: Mapping[str, NeuronGroup],
        presenter: Presenter,
        *,
        accumulate: bool,
    ) -> BrianObject:
        """Return the object; with `accumulate` it adds to what another projection has set."""


def build(structure: Structure, connect: Connect | None = None) -> Network:
    """Build the Brian2 objects of a circuit, ready to run on the active device.

    Parameters
    ----------
    structure : Structure
        What to build.
    connect : callable, optional
        Makes the object of a projection; a `DenseProjection` if not given.

    Returns
    -------
    Network
        Objects are named as in the circuit, beside ``presenter`` and the recorders. All arrays
        are zero.
    """
    circuit = structure.circuit
    clock = Clock(dt=circuit.dt, name="steps")
    order = circuit.update_order()
    groups = {p.name: _neurons(p, circuit, clock, order[p.name]) for p in circuit.populations}
    for population in circuit.populations:
        for name, (source, variable) in population.links.items():
            setattr(groups[population.name], name, linked_var(groups[source], variable))
    presenter = Presenter(structure, groups)
    objects: list[BrianObject] = [*groups.values(), presenter]
    for population in circuit.populations:
        group = groups[population.name]
        objects += [NoiseSource(population, t, circuit, group) for t in terms(population.parsed)]
        objects += population_objects(population, circuit, group, presenter)
    connect = connect or _dense
    driven: set[tuple[str, str]] = set()
    for place, name in enumerate(circuit.sweeps):
        group, _, update = name.partition(".")
        if update:
            groups[group].run_regularly(
                elementary.substituted(circuit.population(group).updates[update]),
                when="groups",
                order=SWEEP_ORDER + place,
                name=f"{group}_{update}_sweep",
            )
    for projection in circuit.in_order():
        target = (projection.post, projection.target)
        accumulate = target in driven
        driven.add(target)
        if projection.kernel is not None:
            objects.append(_filter(projection, circuit, groups, accumulate=accumulate))
        objects.append(connect(projection, circuit, groups, presenter, accumulate=accumulate))
    for record in structure.records:
        objects.append(Recorder(record, structure, groups[record.population], presenter))
    return Network(*objects, name="network")


def _neurons(population: Population, circuit: Circuit, clock: Clock, order: int) -> NeuronGroup:
    """Return the group of a population, with its parameters as variables."""
    count = circuit.replicates * circuit.batch * population.size
    equations = Equations(elementary.substituted(population.equations))
    group = NeuronGroup(
        count,
        extract_constant_subexpressions(equations)[0],
        method=euler,
        clock=clock,
        order=order,
        name=population.name,
        namespace=elementary.NAMESPACE,
    )
    # With replicates every neuron has its own copy of a parameter: looking it up by replicate
    # would keep the compiler from vectorising the equations.
    single = circuit.replicates == 1
    size = 1 if single else count
    for name in population.parameters:
        dimensions = population.dimensions(name)
        group.variables.add_array(name, size=size, dimensions=dimensions, scalar=single)
    rates = {
        equation.varname: equation.expr.code
        for equation in population.parsed.ordered
        if "constant over dt" in equation.flags
    }
    if rates:
        update = Evaluation(
            group,
            rates,
            population.parsed,
            name=f"{population.name}_rates_update",
            when="before_start",
            # A rate may be computed from a linked one: sources first, other than for state updates.
            order=len(circuit.populations) + 1 - order,
        )
        group.contained_objects.append(update)
    return group


def _filter(
    projection: Projection,
    circuit: Circuit,
    groups: Mapping[str, NeuronGroup],
    *,
    accumulate: bool,
) -> BrianObject:
    """Return what turns the spikes that have arrived into a compartment's potential."""
    assert projection.kernel is not None
    return filter_object(
        filter_name(projection),
        projection.kernel,
        circuit,
        groups[projection.post],
        target=projection.target,
        order=drive_orders(projection, circuit, accumulate=accumulate)[0],
        accumulate=accumulate,
    )


def drive_orders(projection: Projection, circuit: Circuit, *, accumulate: bool) -> tuple[int, ...]:
    """Return when in a step a projection drives its target."""
    places = [place for place, name in enumerate(circuit.sweeps) if name == projection.name]
    # The projection that sets a target comes before those that add to it.
    return tuple(SWEEP_ORDER + place for place in places) or (DRIVE_ORDER + accumulate,)


def _dense(
    projection: Projection,
    circuit: Circuit,
    groups: Mapping[str, NeuronGroup],
    presenter: Presenter,
    *,
    accumulate: bool,
) -> DenseProjection | EventProjection:
    rule = projection.rule
    orders = drive_orders(projection, circuit, accumulate=accumulate)
    factors = factor_variables(projection, circuit, groups, presenter)
    target = projection.target
    if projection.kernel is not None:
        target = arrived_name(filter_name(projection))
    if isinstance(projection.kernel, ExponentialKernel) and rule is not None and not rule.at_end:
        return EventProjection(
            groups[projection.pre],
            groups[projection.post],
            target=target,
            filtered=rule.tau is not None,
            windowed=rule.window is not None,
            stretch=stretch_of(
                float(projection.kernel.tau / circuit.dt),
                None if rule.tau is None else float(rule.tau / circuit.dt),
            ),
            presenter=presenter,
            replicates=circuit.replicates,
            batch=circuit.batch,
            name=projection.name,
            **factors,
        )
    return DenseProjection(
        groups[projection.pre],
        groups[projection.post],
        signal=projection.signal,
        target=target,
        accumulate=accumulate,
        filtered=rule is not None and rule.tau is not None,
        windowed=rule is not None and rule.window is not None,
        bounded=rule is not None and rule.bounds is not None,
        at_end=rule is not None and rule.at_end,
        presenter=presenter,
        replicates=circuit.replicates,
        batch=circuit.batch,
        orders=orders,
        name=projection.name,
        **factors,
    )


def factor_variables(
    projection: Projection,
    circuit: Circuit,
    groups: Mapping[str, NeuronGroup],
    presenter: Presenter,
) -> dict[str, str]:
    """Return the array variables that hold a rule's factors, making those that are expressions.

    A factor that is a stored variable is read in place; an expression, or a parameter, which is
    one number for many neurons, is evaluated once per neuron and step, never once per synapse, and
    for a rule that acts at the end only then.
    """
    rule = projection.rule
    if rule is None:
        return {}
    found = {}
    for role, expression, population in (
        ("post_factor", rule.post_factor, circuit.population(projection.post)),
        ("pre_factor", rule.pre_factor, circuit.population(projection.pre)),
    ):
        if expression in population.stored:
            found[role] = expression
            continue
        found[role] = name = f"{projection.name}_{role}"
        group = groups[population.name]
        dimensions = population.expression_dimensions(role, expression)
        group.variables.add_array(name, size=len(group), dimensions=dimensions)
        if rule.at_end:
            update = Kernel(
                group,
                "at_end",
                name=f"{name}_update",
                references={
                    "_result": (group, name),
                    **{f"_{k}": (presenter, k) for k in ("presentation", "onset", "learning")},
                },
                code=f"_value = {elementary.substituted(expression)}",
                outputs=("_value",),
                constants={"neurons": len(group)},
                when="groups",
                order=FACTOR_ORDER,
            )
        else:
            update = Evaluation(
                group,
                {name: expression},
                population.parsed,
                name=f"{name}_update",
                when="groups",
                order=FACTOR_ORDER,
            )
        group.contained_objects.append(update)
    return found
