"""Programs on numpy."""

import numpy as np

from microcircuit.devices.activation import FOREVER, active, arrays
from microcircuit.devices.program import Build, Program
from microcircuit.network import build
from microcircuit.state import State
from microcircuit.structure import Structure


class NumpyProgram(Program):
    """Runs in this process, without a compiler: for reading and debugging."""

    def __init__(self, structure: Structure, build: Build = build) -> None:
        super().__init__(structure)
        with active("runtime", structure.precision):
            self._network = build(structure)

    def _execute(self, values: State, outputs: dict[str, int]) -> State:
        found = arrays(self._network)
        for key, value in values.items():
            found[key].get_value()[:] = value.ravel()
        with (
            active("runtime", self.structure.precision),
            np.errstate(all="ignore"),
        ):  # the guard reports what overflows
            dt = self.structure.circuit.dt
            self._network.t_ = float(values["presenter.first_step"][0] * dt)
            self._network.run(FOREVER * dt, namespace={})
        return {key: found[key].get_value().copy() for key in outputs}
