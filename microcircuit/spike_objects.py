"""Brian2 objects for spikes, what they evoke, and averages: `microcircuit.spikes` at work.

A spike that is emitted at the end of a step arrives in it, in a variable that a later step's
`Filter` empties; so what a chunk or a checkpoint has to carry is what arrived, not who spiked.
"""

from collections.abc import Mapping

import numpy as np
from brian2 import NeuronGroup
from brian2.core.base import BrianObject
from brian2.core.variables import Variables
from brian2.groups.group import Group

from microcircuit import elementary
from microcircuit.checks import steps
from microcircuit.circuit import Circuit, Population, Projection
from microcircuit.kernels import Kernel
from microcircuit.spikes import MOST, ExponentialKernel, SynapticKernel
from microcircuit.spikes import Kernel as SpikeKernel

SPACE = "_spikespace"
"""Brian2's name for the list of the neurons that spiked in a step, their number at its end."""

STREAM = 1 << 16
"""Of the random numbers for spikes: beyond those of the noise terms of equations."""

NEGLIGIBLE = 1e-12
"""Probability that may be left out: random numbers have 32 bits, so they are 2e-10 apart."""

TRACE_ORDER = -2000
"""Before sweeps and drives: traces may be signals of projections."""

AVERAGE_ORDER = -3
"""After compartments are driven, and before the factors of learning rules."""


class _Companion(Group, BrianObject):
    """What belongs to a group: an object with variables of its own and some kernels."""

    add_to_magic_network = True

    def __init__(self, group: NeuronGroup, name: str) -> None:
        BrianObject.__init__(self, name=name, clock=group.clock)
        self.codeobj_class = None
        self.variables = Variables(self)
        self.variables.add_constant("N", len(group))
        self.variables.create_clock_variables(group.clock)
        self._arrays: list[str] = []
        self._contained_objects: list[Kernel] = []

    def _add_array(self, name: str, size: int, dtype: type[np.number] | None = None) -> None:
        """Add an array; of real numbers, in the program's precision, without a type."""
        self.variables.add_array(name, size=size, dtype=dtype)
        self._arrays.append(name)

    def _kernel(
        self,
        template: str,
        references: Mapping[str, tuple[Group, str]],
        *,
        group: NeuronGroup | None = None,
        when: str = "groups",
        order: int = 0,
        expression: str = "",
        **constants: object,
    ) -> None:
        """Add a kernel that sees the arrays of this object, with a '_' before their names."""
        own = {f"_{key}": (self, key) for key in self._arrays}
        self._contained_objects.append(
            Kernel(
                group or self,
                template,
                name=f"{self.name}_{template}_kernel",
                references={**own, **references},
                code=f"_value = {elementary.substituted(expression)}" if expression else "",
                outputs=("_value",) if expression else (),
                constants=constants,
                when=when,
                order=order,
            )
        )


class SpikeSource(_Companion):
    """Lets the neurons of a group spike at random, after their potentials are updated.

    Attributes
    ----------
    key : [R] int64
        Of the random numbers, which depend on it, the neuron and the time step only.
    rest : [R * B * N]
        Steps for which a neuron is still refractory, if neurons ever are.
    """

    def __init__(
        self, population: Population, circuit: Circuit, group: NeuronGroup, presenter: Group
    ) -> None:
        assert population.spikes is not None
        super().__init__(group, f"{population.name}_spikes")
        neurons = circuit.batch * population.size
        quarter = -(-neurons // 4)
        self._add_array("key", size=circuit.replicates, dtype=np.int64)
        self._add_array("uniform", size=4 * quarter)
        self._add_array("silent", size=len(group))
        self._add_array("known", size=len(group))
        self._add_array("found", size=neurons, dtype=np.int32)
        period = population.spikes.refractory
        if period is not None:
            self._add_array("rest", size=len(group))
        room = MOST * len(group)
        group.variables.add_array(SPACE, size=room + 1, dtype=np.int32)
        self._kernel(
            "poisson",
            {
                "_rate": (group, population.spikes.rate),
                "_space": (group, SPACE),
                "_first_step": (presenter, "first_step"),
            },
            when="thresholds",
            replicates=circuit.replicates,
            neurons=neurons,
            quarter=quarter,
            room=room,
            stream=STREAM,
            negligible=NEGLIGIBLE,
            refractory=0 if period is None else steps(period, circuit.dt),
        )
        self._enable_group_attributes()


class Filter(_Companion):
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


class LowPass(_Companion):
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


class Averager(_Companion):
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


class OwnSpikes(_Companion):
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
    if population.spikes is not None:
        objects.append(SpikeSource(population, circuit, group, presenter))
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
