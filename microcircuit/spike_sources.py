"""Brian2 objects that let neurons spike: at random, or as integrate-and-fire neurons.

Both come after all potentials are updated, and list the neurons that spike in the group's `SPACE`.
"""

import numpy as np
from brian2 import NeuronGroup
from brian2.groups.group import Group

from microcircuit.checks import steps
from microcircuit.circuit import Circuit, Population
from microcircuit.companion import Companion
from microcircuit.spikes import MOST, Poisson, Threshold

SPACE = "_spikespace"
"""Brian2's name for the list of the neurons that spiked in a step, their number at its end."""

STREAM = 1 << 16
"""Of the random numbers for spikes: beyond those of the noise terms of equations."""

NEGLIGIBLE = 1e-12
"""Probability that may be left out: random numbers have 32 bits, so they are 2e-10 apart."""


class PoissonSource(Companion):
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
        assert isinstance(population.spikes, Poisson)
        super().__init__(group, f"{population.name}_spikes")
        neurons = circuit.batch * population.size
        self._add_array("key", size=circuit.replicates, dtype=np.int64)
        self._add_array("uniform", size=len(group))
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
            room=room,
            stream=STREAM,
            negligible=NEGLIGIBLE,
            refractory=0 if period is None else steps(period, circuit.dt),
        )
        self._enable_group_attributes()


class ThresholdSource(Companion):
    """Lets the neurons of a group spike where a potential is above a value, and resets it.

    Attributes
    ----------
    rest : [R * B * N]
        Steps for which a neuron is still refractory, if neurons ever are.
    """

    def __init__(self, population: Population, circuit: Circuit, group: NeuronGroup) -> None:
        spikes = population.spikes
        assert isinstance(spikes, Threshold)
        super().__init__(group, f"{population.name}_spikes")
        if spikes.refractory is not None:
            self._add_array("rest", size=len(group))
        group.variables.add_array(SPACE, size=len(group) + 1, dtype=np.int32)
        self._kernel(
            "fire",  # Brian2 has a template `threshold`
            {
                "_potential": (group, spikes.variable),
                "_above": (group, spikes.above),
                "_reset": (group, spikes.reset),
                "_space": (group, SPACE),
            },
            when="thresholds",
            neurons=len(group),
            # Parameters are one number, or with replicates one a neuron.
            each=circuit.replicates > 1,
            refractory=0 if spikes.refractory is None else steps(spikes.refractory, circuit.dt),
        )
        self._enable_group_attributes()
