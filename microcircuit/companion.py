"""A Brian2 object that belongs to a group: variables of its own, and kernels that see them."""

from collections.abc import Mapping

import numpy as np
from brian2 import NeuronGroup
from brian2.core.base import BrianObject
from brian2.core.variables import Variables
from brian2.groups.group import Group

from microcircuit import elementary
from microcircuit.kernels import Kernel


class Companion(Group, BrianObject):
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
