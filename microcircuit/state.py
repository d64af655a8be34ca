"""The numbers of a circuit as arrays: what a program is given before each chunk.

Keys are ``"object.variable"``, as in `microcircuit.network`; values are in SI units.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from brian2 import Quantity

from microcircuit import seeding
from microcircuit.checks import steps
from microcircuit.circuit import Circuit, CircuitError, Population, Projection
from microcircuit.noise_source import noise_name, terms
from microcircuit.recorder import recorder_name
from microcircuit.records import Mean, Trace
from microcircuit.spike_objects import (
    arrived_name,
    average_name,
    filter_name,
    filter_state,
    filter_values,
    trace_name,
)
from microcircuit.spikes import Kernel, Poisson
from microcircuit.structure import Structure

State = dict[str, np.ndarray]


def _per_replicate(value: object, circuit: Circuit) -> np.ndarray:
    return np.broadcast_to(np.asarray(value), (circuit.replicates,)).copy()


def per_neuron(value: object, circuit: Circuit, size: int) -> np.ndarray:
    """Return a parameter as programs hold it: one value, or with replicates one a neuron."""
    values = _per_replicate(value, circuit)
    return values if circuit.replicates == 1 else np.repeat(values, circuit.batch * size)


def initial_state(circuit: Circuit) -> State:
    """Return everything that changes while a circuit runs, at its start.

    Returns
    -------
    dict
        State variables and averages [R, B, N], weights and filtered products [R, post, pre], and
        what kernels remember of spikes.
    """
    state: State = {}
    for population in circuit.populations:
        shape = (circuit.replicates, circuit.batch, population.size)
        for name in (*population.states, *population.averaged, *population.updated):
            value = np.asarray(population.initial.get(name, 0.0), dtype=float)
            state[f"{population.name}.{name}"] = np.broadcast_to(value, shape).copy()
        if population.spikes is not None and population.spikes.refractory is not None:
            state[f"{population.name}_spikes.rest"] = np.zeros(shape)
    for name, kernel, population in _filters(circuit):
        shape = (circuit.replicates, circuit.batch, population.size)
        state[f"{population.name}.{arrived_name(name)}"] = np.zeros(shape)
        remembered = filter_state(kernel, circuit, population.size)
        state |= {f"{name}.{variable}": value for variable, value in remembered.items()}
    for projection in circuit.projections:
        weights = np.asarray(projection.weights, dtype=float)
        shape = (circuit.replicates, *weights.shape[-2:])
        state[f"{projection.name}.w"] = np.broadcast_to(weights, shape).copy()
        if projection.rule is not None and projection.rule.tau is not None:
            state[f"{projection.name}.filtered"] = np.zeros(shape)
    return state


def _filters(circuit: Circuit) -> Iterator[tuple[str, Kernel, Population]]:
    """Yield the filters of spikes: name, kernel, and the population whose variable each sets."""
    for population in circuit.populations:
        for variable, kernel in population.traces.items():
            yield trace_name(population.name, variable), kernel, population
    for projection in circuit.projections:
        if projection.kernel is not None:
            post = circuit.population(projection.post)
            yield filter_name(projection), projection.kernel, post


def synaptic(circuit: Circuit, state: State) -> list[str]:
    """Return the keys of a state that belong to projections: weights and filtered products."""
    projections = {projection.name for projection in circuit.projections}
    return [key for key in state if key.split(".")[0] in projections]


def parameter_values(structure: Structure, circuit: Circuit, seeds: int | Sequence[int]) -> State:
    """Return everything that stays as it is while a circuit runs.

    Parameters
    ----------
    structure : Structure
        What was compiled.
    circuit : Circuit
        Of the same structure; the source of the numbers.
    seeds : int or sequence of int
        Of the noise. One a replicate: each sees what it would see alone with its seed. A single one
        has a stream for each replicate, the first of which is that of a single network.

    Raises
    ------
    CircuitError
        There are not as many seeds as replicates.
    """
    streams = _noise_streams(seeds, circuit)
    values: State = {}
    for population in circuit.populations:
        for name, value in population.parameters.items():
            values[f"{population.name}.{name}"] = per_neuron(value, circuit, population.size)
        constants = set(population.settable) & set(population.initial)
        for name in constants:
            shape = (circuit.replicates, circuit.batch, population.size)
            value = np.asarray(population.initial[name], dtype=float)
            values[f"{population.name}.{name}"] = np.broadcast_to(value, shape).copy()
        for term in terms(population.parsed):
            keys = [seeding.key(seed, "noise", population.name, n) for seed, n in streams]
            values[f"{noise_name(population, term)}.key"] = np.array(keys)
        if isinstance(population.spikes, Poisson):
            keys = [seeding.key(seed, "spikes", population.name, n) for seed, n in streams]
            values[f"{population.name}_spikes.key"] = np.array(keys)
        for name, average in population.averages.items():
            last = steps(average.last, circuit.dt)
            values[f"{average_name(population.name, name)}.last"] = np.array([last])
    for name, kernel, _ in _filters(circuit):
        numbers = filter_values(kernel, circuit)
        values |= {f"{name}.{key}": value for key, value in numbers.items()}
    for projection in circuit.projections:
        values |= _rule_values(projection, circuit)
    for record in structure.records:
        name = recorder_name(record)
        if isinstance(record, Trace):
            values[f"{name}.interval"] = np.array([steps(record.interval, circuit.dt)])
        elif isinstance(record, Mean):
            # The whole presentation is its last `longest` steps.
            last = structure.longest if record.last is None else steps(record.last, circuit.dt)
            values[f"{name}.last"] = np.array([last])
    return values


def _noise_streams(seeds: int | Sequence[int], circuit: Circuit) -> list[tuple[int, int]]:
    """Return the seed, and the number of the stream that follows from it, of each replicate."""
    if isinstance(seeds, int | np.integer):
        return [(int(seeds), replicate) for replicate in range(circuit.replicates)]
    if len(seeds) != circuit.replicates:
        raise CircuitError(
            f"seeds: needs one for each of {circuit.replicates} replicates, got {seeds}"
        )
    return [(seed, 0) for seed in seeds]


def _rule_values(projection: Projection, circuit: Circuit) -> State:
    rule, name = projection.rule, projection.name
    if rule is None:
        return {}
    values = {f"{name}.learning_rate": _per_replicate(rule.learning_rate, circuit)}
    if projection.kernel is not None and not rule.at_end:
        values[f"{name}.decay"] = filter_values(projection.kernel, circuit)["decay"]
    if rule.tau is not None:
        values[f"{name}.tau"] = np.array([float(rule.tau)])
    if rule.window is not None:
        for edge, time in zip(("start", "stop"), rule.window, strict=True):
            values[f"{name}.window_{edge}"] = np.array([round(float(time / circuit.dt))])
    if rule.bounds is not None:
        values[f"{name}.w_min"] = np.array([float(rule.bounds[0])])
        values[f"{name}.w_max"] = np.array([float(rule.bounds[1])])
    return values


def with_overrides(values: State, overrides: Mapping[str, float | Quantity | np.ndarray]) -> State:
    """Return a copy of parameter values in which some are replaced, for all replicates alike.

    Raises
    ------
    KeyError
        A key that is not among the values.
    """
    changed = dict(values)
    for key, value in overrides.items():
        changed[key] = np.broadcast_to(np.asarray(value, dtype=float), values[key].shape).copy()
    return changed
