"""What is stored at the start of a step may not depend on what is driven later in it."""

import numpy as np
import pytest

from microcircuit.circuit import Circuit, CircuitError, Population, Projection

DRIVEN = """
dv/dt = (drive - v)/second : 1
drive : 1
"""


def circuit(equations, other="dv/dt = -v/second : 1", links=None):
    """A population whose ``drive`` is driven, and one that may be linked to it."""
    return Circuit(
        populations=(
            Population(name="cells", size=2, equations=DRIVEN + equations),
            Population(name="others", size=2, equations=other, links=links or {}),
        ),
        projections=(
            Projection(
                name="loop",
                pre="cells",
                post="cells",
                signal="v",
                target="drive",
                weights=np.zeros((2, 2)),
            ),
        ),
    )


@pytest.mark.parametrize(
    "equations",
    [
        "rate = tanh(drive) : 1 (constant over dt)",
        "rate = tanh(half) : 1 (constant over dt)\nhalf = drive/2 : 1",
    ],
)
def test_stored_rate_of_a_driven_compartment_is_refused(equations):
    with pytest.raises(CircuitError, match=r"'cells': rate is stored .* cells\.drive"):
        circuit(equations)


def test_so_is_one_through_a_link():
    other = "rate = tanh(linked_drive) : 1 (constant over dt)\nlinked_drive : 1 (linked)"
    with pytest.raises(CircuitError, match=r"'others': rate is stored .* cells\.drive"):
        circuit("", other, {"linked_drive": ("cells", "drive")})


def test_rates_of_states_and_computed_variables_of_compartments_are_fine():
    circuit("rate = tanh(v) : 1 (constant over dt)\nprediction = tanh(drive) : 1")
