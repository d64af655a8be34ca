"""Brian2 objects for spikes, what they evoke, and averages: `microcircuit.spikes` at work.

A spike that is emitted at the end of a step arrives in it, in a variable that a later step's
`Filter` empties; so what a chunk or a checkpoint has to carry is what arrived, not who spiked.
"""

import numpy as np
from brian2 import NeuronGroup
from brian2.core.base import BrianObject
from brian2.groups.group import Group

from microcircuit.checks import steps
from microcircuit.circuit import Circuit, Population, Projection
from microcircuit.companion import Companion
from microcircuit.spike_sources import SPACE, PoissonSource, ThresholdSource
from microcircuit.spikes import ExponentialKernel, Poisson, SynapticKernel
from microcircuit.spikes import Kernel as SpikeKernel

TRACE_ORDER = -2000
"""Before sweeps and drives: traces may be signals of projections."""

AVERAGE_ORDER = -3
"""After compartments are driven, and before the factors of learning rules."""


class Filter(Companion):
    """Sets a variable to what arrived in another one, seen through a kernel, and empties that.

    Attributes
    ----------
    slow, fast : [R * B * N]
        The two exponentials.
    past : [R * memory * B * N]
        What arrived in the last steps, to be taken back when it is forgotten.
    decay, forgotten : [2]
        Factors of the exponentials, slow and fast: in a step, and over the memory.
    scale : [1]
        Of their difference.
    """

    def __init__(
        self,
        name: str,
        kernel: SynapticKernel,
        circuit: Circuit,
        group: NeuronGroup,
        *,
        arrived: str,
        target: str,
        order: int,
        accumulate: bool = False,
    ) -> None:
        super().__init__(group, name)
        memory = steps(kernel.memory, circuit.dt)
        for variable in ("slow", "fast"):
            self._add_array(variable, size=len(group))
        self._add_array("past", size=memory * len(group))
        for variable in ("decay", "forgotten"):
            self._add_array(variable, size=2)
        self._add_array("scale", size=1)
        self._kernel(
            "filter",
            {"_arrived": (group, arrived), "_target": (group, target)},
            order=order,
            replicates=circuit.replicates,
            neurons=len(group) // circuit.replicates,
            memory=memory,
            accumulate=accumulate,
        )
        self._enable_group_attributes()


class LowPass(Companion):
    """Sets a variable to what arrived in another one, low-passed, and empties that.

    Attributes
    ----------
    value : [R * B * N]
        The response.
    decay, gain : [1], [R]
        Of the response in a step; of what a spike adds to it.
    """

    def __init__(
        self,
        name: str,
        circuit: Circuit,
        group: NeuronGroup,
        *,
        arrived: str,
        target: str,
        order: int,
        accumulate: bool = False,
    ) -> None:
        super().__init__(group, name)
        self._add_array("value", size=len(group))
        self._add_array("decay", size=1)
        self._add_array("gain", size=circuit.replicates)
        self._kernel(
            "low_pass",
            {"_arrived": (group, arrived), "_target": (group, target)},
            order=order,
            replicates=circuit.replicates,
            neurons=len(group) // circuit.replicates,
            accumulate=accumulate,
        )
        self._enable_group_attributes()


def filter_object(
    name: str,
    kernel: SpikeKernel,
    circuit: Circuit,
    group: NeuronGroup,
    *,
    target: str,
    order: int,
    accumulate: bool = False,
) -> BrianObject:
    """Return what turns spikes that arrive into a variable; adds the one in which they arrive."""
    arrived = arrived_name(name)
    group.variables.add_array(arrived, size=len(group))
    if isinstance(kernel, ExponentialKernel):
        return LowPass(
            name, circuit, group, arrived=arrived, target=target, order=order, accumulate=accumulate
        )
    return Filter(
        name,
        kernel,
        circuit,
        group,
        arrived=arrived,
        target=target,
        order=order,
        accumulate=accumulate,
    )


class Averager(Companion):
    """Keeps the `Average` of a population.

    Attributes
    ----------
    last : [1] int64
        Length of the stretch in steps.
    sum : [R * B * N] float64
        Over the stretch so far; double in any case, as a sum over many steps would lose digits.
    """

    def __init__(
        self, population: Population, variable: str, group: NeuronGroup, presenter: Group
    ) -> None:
        super().__init__(group, average_name(population.name, variable))
        average = population.averages[variable]
        self._add_array("sum", size=len(group), dtype=np.float64)
        self._add_array("last", size=1, dtype=np.int64)
        optional = {"_before": average.before, "_lag": average.lag}
        self._kernel(
            "average",
            {
                "_mean": (group, variable),
                "_presentation": (presenter, "presentation"),
                "_onset": (presenter, "onset"),
                **{key: (group, name) for key, name in optional.items() if name is not None},
            },
            group=group,
            order=AVERAGE_ORDER,
            expression=average.of,
            before=average.before is not None,
            lagged=average.lag is not None,
        )
        self._enable_group_attributes()


class OwnSpikes(Companion):
    """Lets each neuron's spikes arrive at itself, for the filter of a trace."""

    def __init__(self, population: Population, variable: str, group: NeuronGroup) -> None:
        super().__init__(group, f"{trace_name(population.name, variable)}_arrived")
        arrived = arrived_name(trace_name(population.name, variable))
        self._kernel(
            "own_spikes",
            {"_space": (group, SPACE), "_arrived": (group, arrived)},
            when="synapses",
            room=group.variables[SPACE].size - 1,
        )
        self._enable_group_attributes()


def average_name(population: str, variable: str) -> str:
    """Return the name of the object that keeps an average."""
    return f"{population}_{variable}_average"


def trace_name(population: str, variable: str) -> str:
    """Return the name of the filter of a trace."""
    return f"{population}_{variable}_trace"


def filter_name(projection: Projection) -> str:
    """Return the name of the filter of a projection that carries spikes."""
    return f"{projection.name}_kernel"


def arrived_name(filter_of: str) -> str:
    """Return the variable, of the group whose variable it sets, that a filter empties."""
    return f"{filter_of}_arrived"


def population_objects(
    population: Population, circuit: Circuit, group: NeuronGroup, presenter: Group
) -> list[BrianObject]:
    """Return what a population needs beside its equations, to spike and to average."""
    objects: list[BrianObject] = []
    if isinstance(population.spikes, Poisson):
        objects.append(PoissonSource(population, circuit, group, presenter))
    elif population.spikes is not None:
        objects.append(ThresholdSource(population, circuit, group))
    for variable, kernel in population.traces.items():
        name = trace_name(population.name, variable)
        low_pass = filter_object(name, kernel, circuit, group, target=variable, order=TRACE_ORDER)
        objects += [OwnSpikes(population, variable, group), low_pass]
    for variable in population.averages:
        objects.append(Averager(population, variable, group, presenter))
    return objects


def filter_values(kernel: SpikeKernel, circuit: Circuit) -> dict[str, np.ndarray]:
    """Return the numbers of a kernel as its filter has them, in SI units."""
    dt = float(circuit.dt)
    if isinstance(kernel, ExponentialKernel):
        gain = 1 / (float(kernel.tau) * np.asarray(kernel.rate, dtype=float))
        return {
            "decay": np.array([1 - dt / float(kernel.tau)]),
            "gain": np.broadcast_to(gain, (circuit.replicates,)).copy(),
        }
    taus = np.array([float(kernel.tau_decay), float(kernel.tau_rise)])
    memory = steps(kernel.memory, circuit.dt)
    return {
        "decay": np.exp(-dt / taus),
        "forgotten": np.exp(-(memory + 1) * dt / taus),
        "scale": np.array([1 / (taus[0] - taus[1])]),
    }


def filter_state(kernel: SpikeKernel, circuit: Circuit, size: int) -> dict[str, np.ndarray]:
    """Return what the filter of a kernel remembers of so many neurons, before any spike."""
    shape = (circuit.replicates, circuit.batch, size)
    if isinstance(kernel, ExponentialKernel):
        return {"value": np.zeros(shape)}
    memory = steps(kernel.memory, circuit.dt)
    past = np.zeros((circuit.replicates, memory, circuit.batch, size))
    return {"slow": np.zeros(shape), "fast": np.zeros(shape), "past": past}
