"""What fills the tables of records while a program runs, as Brian2 objects."""

import numpy as np
from brian2 import NeuronGroup
from brian2.core.base import BrianObject
from brian2.core.variables import Variables
from brian2.groups.group import Group

from microcircuit import elementary
from microcircuit.checks import steps
from microcircuit.kernels import Kernel
from microcircuit.presenter import Presenter
from microcircuit.records import Mean, Record, Spikes, Trace
from microcircuit.spike_objects import SPACE
from microcircuit.structure import Structure

RECORD_ORDER = 0


def recorder_name(record: Record) -> str:
    """Return the name of the object that records it."""
    return f"record_{record.population}_{record.name}"


def record_width(record: Record, structure: Structure) -> int:
    """Return the number of values in a row: R*B*N, or R*B for a mean across neurons."""
    if isinstance(record, Mean) and record.across_neurons:
        return structure.circuit.replicates * structure.circuit.batch
    return structure.neurons(record.population)


def rows(record: Record, structure: Structure) -> int:
    """Return the most rows that a chunk can fill."""
    if isinstance(record, Mean):
        return structure.capacity
    if isinstance(record, Spikes):
        return structure.capacity * structure.longest
    return (
        structure.capacity * structure.longest // steps(record.interval, structure.circuit.dt) + 1
    )


class Recorder(Group, BrianObject):
    """Fills one table with the rows of a record.

    Attributes
    ----------
    table : [rows * width]
        One row a sample or a presentation.
    """

    add_to_magic_network = True

    def __init__(
        self, record: Record, structure: Structure, group: NeuronGroup, presenter: Presenter
    ) -> None:
        BrianObject.__init__(
            self, name=recorder_name(record), clock=group.clock, when="groups", order=RECORD_ORDER
        )
        self.codeobj_class = None
        self.variables = Variables(self)
        self.variables.add_constant("N", 1)
        if isinstance(record, Spikes):
            kernel = self._of_spikes(record, structure, group, presenter)
        elif isinstance(record, Trace):
            kernel = self._of_trace(record, structure, group, presenter)
        else:
            kernel = self._of_mean(record, structure, group, presenter)
        self._contained_objects = [kernel]
        self._enable_group_attributes()

    def _of_spikes(
        self, record: Spikes, structure: Structure, group: NeuronGroup, presenter: Presenter
    ) -> Kernel:
        self._add_table(record, structure, np.int8)
        return self._kernel(
            group,
            "record_spikes",
            {"_space": (group, SPACE), "_first_step": (presenter, "first_step")},
            constants={"room": group.variables[SPACE].size - 1},
            when="synapses",
        )

    def _of_trace(
        self, record: Trace, structure: Structure, group: NeuronGroup, presenter: Presenter
    ) -> Kernel:
        self._add_table(record, structure, np.float32)
        self.variables.add_array("interval", size=1, dtype=np.int64)
        return self._kernel(
            group,
            "record_trace",
            {"_interval": (self, "interval"), "_first_step": (presenter, "first_step")},
            expression=record.expression,
        )

    def _of_mean(
        self, record: Mean, structure: Structure, group: NeuronGroup, presenter: Presenter
    ) -> Kernel:
        width = record_width(record, structure)
        # Double in any case: a sum over many steps would lose digits.
        self._add_table(record, structure, np.float64)
        self.variables.add_array("sum", size=width, dtype=np.float64)
        self.variables.add_array("last", size=1, dtype=np.int64)
        return self._kernel(
            group,
            "record_mean",
            {
                "_sum": (self, "sum"),
                "_last": (self, "last"),
                "_presentation": (presenter, "presentation"),
                "_onset": (presenter, "onset"),
            },
            expression=record.expression,
            constants={"rows": width, "block": structure.neurons(record.population) // width},
        )

    def _add_table(self, record: Record, structure: Structure, dtype: type[np.generic]) -> None:
        size = rows(record, structure) * record_width(record, structure)
        self.variables.add_array("table", size=size, dtype=dtype)

    def _kernel(
        self,
        group: NeuronGroup,
        template: str,
        references: dict[str, tuple[Group, str]],
        *,
        expression: str | None = None,
        constants: dict[str, object] | None = None,
        when: str = "groups",
    ) -> Kernel:
        """Return the kernel that fills the table, with an expression's values if there is one."""
        return Kernel(
            group,
            template,
            name=f"{self.name}_kernel",
            references={"_table": (self, "table"), **references},
            code=f"_value = {elementary.substituted(expression)}" if expression else "",
            outputs=("_value",) if expression else (),
            constants=constants,
            when=when,
            order=RECORD_ORDER,
        )
