"""Several circuits, or experiments, of one structure as the replicates of one.

A study over parameters or seeds becomes one program and one run: replicate r has the weights,
parameters and starting values of the r-th circuit, and shares nothing with the others. On one
device it gives, to the bit, what that circuit gives by itself with the same seed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from brian2 import Quantity, get_dimensions

from microcircuit.circuit import Circuit, CircuitError, LearningRule, Population, Projection
from microcircuit.experiment import Experiment, no_metrics
from microcircuit.schedule import Presentations, Schedule, in_full, input_shape
from microcircuit.spikes import Average, ExponentialKernel, Kernel, Poisson, Threshold


def stack(circuits: Sequence[Circuit]) -> Circuit:
    """Combine circuits with one replicate each into one with as many replicates.

    Parameters
    ----------
    circuits : sequence of Circuit
        Equal but for weights, learning rates, parameters and starting values.

    Returns
    -------
    Circuit
        Parameters and learning rates [R], starting values [R, B, N], weights [R, post, pre].

    Raises
    ------
    CircuitError
        There is none, or they differ in structure.
    """
    if not circuits:
        raise CircuitError("no circuits to stack")
    first = circuits[0]
    for number, circuit in enumerate(circuits):
        if circuit.replicates != 1:
            raise CircuitError(f"circuit {number} has replicates of its own")
        if structure_key(circuit) != structure_key(first):
            raise CircuitError(f"circuit {number} differs in structure from circuit 0")
    populations = tuple(
        _stack_populations([c.populations[k] for c in circuits], first.batch)
        for k in range(len(first.populations))
    )
    projections = tuple(
        _stack_projections([c.projections[k] for c in circuits])
        for k in range(len(first.projections))
    )
    return replace(
        first, populations=populations, projections=projections, replicates=len(circuits)
    )


def stack_experiments(experiments: Sequence[Experiment]) -> Experiment:
    """Combine experiments on circuits with one replicate each into one experiment.

    Parameters
    ----------
    experiments : sequence of Experiment
        Of circuits that can be stacked, with the same records, and with presentations that have
        the same lengths and learning flags. Stimuli may differ.

    Returns
    -------
    Experiment
        The circuits, schedules and records of all of them; probes and metrics are left out, as they
        are about one network.

    Raises
    ------
    CircuitError
        They differ in more than that.
    """
    circuits = [experiment.circuit for experiment in experiments]
    circuit = stack(circuits)
    first = experiments[0]
    for number, experiment in enumerate(experiments):
        same = (
            experiment.records == first.records,
            experiment.schedule.inputs == first.schedule.inputs,
            experiment.schedule.presentations == first.schedule.presentations,
        )
        if not all(same):
            raise CircuitError(f"experiment {number} records or shows other things than the first")

    def draw(start: int, stop: int) -> Presentations:
        drawn = [experiment.schedule.draw(start, stop) for experiment in experiments]
        return stack_presentations(drawn, circuits)

    schedule = Schedule(
        presentations=first.schedule.presentations,
        longest=max(experiment.schedule.longest for experiment in experiments),
        inputs=first.schedule.inputs,
        draw=draw,
    )
    return replace(first, circuit=circuit, schedule=schedule, probes=(), metrics=no_metrics)


def stack_presentations(
    parts: Sequence[Presentations], circuits: Sequence[Circuit]
) -> Presentations:
    """Combine stretches of presentations of circuits into one for the stacked circuit.

    Parameters
    ----------
    parts : sequence of Presentations
        With the same lengths and learning flags.
    circuits : sequence of Circuit
        What each is presented to, with one replicate each.

    Raises
    ------
    CircuitError
        Lengths or learning flags differ.
    """
    first = parts[0]
    for number, part in enumerate(parts):
        if not np.array_equal(part.steps, first.steps):
            raise CircuitError(f"presentations of experiment {number} have lengths of their own")
        if not np.array_equal(part.learning, first.learning):
            raise CircuitError(f"presentations of experiment {number} learn at other times")

    def stacked(key: str) -> np.ndarray:
        values = []
        for part, circuit in zip(parts, circuits, strict=True):
            value = np.asarray(part.inputs[key], dtype=float)
            values.append(in_full(value, input_shape(circuit, key)))
        return np.concatenate(values, axis=1)

    return Presentations(
        steps=first.steps,
        inputs={key: stacked(key) for key in first.inputs},
        learning=first.learning,
    )


def structure_key(circuit: Circuit) -> tuple:
    """Return what circuits must have in common to be stacked; comparable and hashable."""
    populations = tuple(
        (
            (p.name, p.size, p.equations, *sorted(p.parameters), *sorted(p.initial)),
            (*sorted(p.links.items()), *sorted(p.limits.items())),
            (
                _spikes_key(p.spikes),
                *((name, _kernel_key(kernel)) for name, kernel in sorted(p.traces.items())),
            ),
            tuple((name, *_average_key(p.averages[name])) for name in sorted(p.averages)),
            tuple(sorted(p.updates.items())),
        )
        for p in circuit.populations
    )
    projections = tuple(
        (p.name, p.pre, p.post, p.signal, p.target, _kernel_key(p.kernel), _rule_key(p.rule))
        for p in circuit.projections
    )
    sizes = float(circuit.dt), circuit.batch, circuit.replicates, circuit.sweeps
    return populations, projections, *sizes


def _spikes_key(spikes: Poisson | Threshold | None) -> tuple | None:
    if spikes is None:
        return None
    period = None if spikes.refractory is None else float(spikes.refractory)
    if isinstance(spikes, Poisson):
        return spikes.rate, period
    return spikes.variable, spikes.above, spikes.reset, period


def _kernel_key(kernel: Kernel | None) -> tuple | None:
    if kernel is None:
        return None
    if isinstance(kernel, ExponentialKernel):
        return (float(kernel.tau),)
    return float(kernel.tau_rise), float(kernel.tau_decay), float(kernel.memory)


def _average_key(average: Average) -> tuple:
    return average.of, float(average.last), average.before, average.lag


def _rule_key(rule: LearningRule | None) -> tuple | None:
    if rule is None:
        return None
    tau = None if rule.tau is None else float(rule.tau)
    window = None if rule.window is None else tuple(map(float, rule.window))
    return rule.post_factor, rule.pre_factor, tau, window, rule.bounds, rule.at_end


def _values(values: Sequence[object]) -> Quantity | np.ndarray:
    """Stack values along a new first axis, keeping their unit."""
    stacked = np.stack([np.asarray(value, dtype=float) for value in values])
    return Quantity(stacked, dim=get_dimensions(values[0]))


def _stack_populations(parts: Sequence[Population], batch: int) -> Population:
    first = parts[0]

    def starts(name: str) -> list[Quantity]:
        shape = (batch, first.size)
        return [
            Quantity(
                np.broadcast_to(np.asarray(p.initial[name], dtype=float), shape),
                dim=get_dimensions(p.initial[name]),
            )
            for p in parts
        ]

    parameters: Mapping[str, object] = {
        name: _values([p.parameters[name] for p in parts]) for name in first.parameters
    }
    initial = {name: _values(starts(name)) for name in first.initial}
    traces = {name: _stack_kernels([p.traces[name] for p in parts]) for name in first.traces}
    return replace(first, parameters=parameters, initial=initial, traces=traces)


def _stack_kernels(kernels: Sequence[Kernel]) -> Kernel:
    """Return the kernel with the rate of each replicate; nothing else may differ."""
    first = kernels[0]
    if not isinstance(first, ExponentialKernel):
        return first
    rates = [kernel.rate for kernel in kernels if isinstance(kernel, ExponentialKernel)]
    return replace(first, rate=_values(rates))


def _stack_projections(parts: Sequence[Projection]) -> Projection:
    first = parts[0]
    rule = first.rule
    if rule is not None:
        rates = _values([p.rule.learning_rate for p in parts if p.rule is not None])
        rule = replace(rule, learning_rate=rates)
    kernel = None
    if first.kernel is not None:
        kernel = _stack_kernels([p.kernel for p in parts if p.kernel is not None])
    return replace(first, weights=_values([p.weights for p in parts]), rule=rule, kernel=kernel)
