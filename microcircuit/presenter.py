"""What sets stimuli, ends runs and watches for divergence, as a Brian2 object."""

from collections.abc import Mapping

import numpy as np
from brian2 import NeuronGroup
from brian2.core.base import BrianObject
from brian2.core.variables import Variables
from brian2.groups.group import Group

from microcircuit.kernels import Kernel
from microcircuit.schedule import input_size
from microcircuit.structure import Structure


def table_name(key: str) -> str:
    """Return the presenter's name for the table of a driven variable."""
    return key.replace(".", "__")


class Presenter(Group, BrianObject):
    """Sets the stimuli at each onset, ends the run after the last presentation, and stands guard.

    Attributes
    ----------
    first_step, count, presentation, diverged : [1] int64
        First step and number of presentations of the chunk; the current one; number of the check
        (from 1) that failed, else 0.
    onset : [capacity + 1] int64
        First step of each presentation, and the step after the last.
    learning : [capacity] int32
        Zero freezes all weights.
    """

    add_to_magic_network = True

    def __init__(self, structure: Structure, groups: Mapping[str, NeuronGroup]) -> None:
        clock = next(iter(groups.values())).clock
        BrianObject.__init__(self, name="presenter", clock=clock, when="before_start", order=-1)
        self.codeobj_class = None
        self.variables = Variables(self)
        self.variables.add_constant("N", structure.capacity)
        self.variables.create_clock_variables(clock)
        for name in ("first_step", "count", "presentation", "diverged"):
            self.variables.add_array(name, size=1, dtype=np.int64)
        self.variables.add_array("onset", size=structure.capacity + 1, dtype=np.int64)
        self.variables.add_array("learning", size=structure.capacity, dtype=np.int32)
        self._contained_objects = [self._present(structure, groups), self._guard(structure, groups)]
        self._enable_group_attributes()

    def _present(self, structure: Structure, groups: Mapping[str, NeuronGroup]) -> Kernel:
        inputs, references = [], {}
        for number, key in enumerate(structure.inputs):
            population, variable = key.split(".")
            size = input_size(structure.circuit, key)
            self.variables.add_array(table_name(key), size=structure.capacity * size)
            references[f"_table_{number}"] = (self, table_name(key))
            references[f"_target_{number}"] = (groups[population], variable)
            inputs.append((f"_table_{number}", f"_target_{number}", size))
        return Kernel(
            self,
            "present",
            name="presenter_present",
            references=references,
            constants={"inputs": inputs},
            when="before_start",
            order=-1,
        )

    def _guard(self, structure: Structure, groups: Mapping[str, NeuronGroup]) -> Kernel:
        checks, references = [], {}
        for number, (population, variable, low, high) in enumerate(structure.checks()):
            references[f"_check_{number}"] = (groups[population], variable)
            checks.append(
                (f"_check_{number}", structure.neurons(population), repr(low), repr(high))
            )
        return Kernel(
            self,
            "guard",
            name="presenter_guard",
            references=references,
            constants={"checks": checks},
            when="end",
            order=0,
        )
