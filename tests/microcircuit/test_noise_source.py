"""Equations see the noise of `microcircuit.noise`, the same on every device."""

import numpy as np
import pytest
from brian2 import Equations, ms

from microcircuit import seeding
from microcircuit.circuit import Circuit, Population
from microcircuit.noise import normals, of_neurons
from microcircuit.noise_source import euler
from microcircuit.schedule import Presentations
from microcircuit.state import initial_state, parameter_values
from microcircuit.structure import Structure


def test_noise_terms_are_numbered_by_their_names():
    """Brian2 keeps them in a set, whose order is another in each process."""
    code = euler(Equations("dv/dt = (xi_b + xi_a)*second**-0.5 - v/second : 1"), {})
    draw = "elementary_sqrt(dt)*_{}_normal"
    assert code.splitlines()[:2] == [f"{xi} = {draw.format(xi)}" for xi in ("xi_a", "xi_b")]


@pytest.mark.parametrize("device", ["cpp", "numpy"])
def test_terms_and_replicates_have_numbers_of_their_own(compiled, device):
    """And so have the presentations of a batch; to the rounding of a sum."""
    circuit = Circuit(
        populations=(
            Population(
                name="neurons",
                size=7,
                equations="dv/dt = sigma*(xi_a + 3*xi_b) : 1",
                parameters={"sigma": 0.1 * ms**-0.5},
                initial={"v": 0.0},
            ),
        ),
        projections=(),
        replicates=2,
        batch=3,
    )
    structure = Structure(circuit=circuit, inputs=(), records=(), longest=1, capacity=1)
    shown = Presentations(steps=np.array([1]), inputs={}, learning=np.array([True]))
    values = parameter_values(structure, circuit, [5, 6])
    end = compiled(structure, device).run(initial_state(circuit), values, shown, 9).state
    keys = np.array([seeding.key(seed, "noise", "neurons", 0) for seed in (5, 6)])
    one, three = (of_neurons(normals, keys, 9, 21, stream) for stream in (0, 1))
    found = end["neurons.v"].reshape(2, 21) / (0.1 * np.sqrt(float(circuit.dt / ms)))
    np.testing.assert_allclose(found, one + 3 * three, rtol=0, atol=1e-13)


def noise_of_one_step(drill, program, step, seed):
    """What one time step adds to the somata: the difference that sigma makes, over its scale."""
    circuit = drill.circuit()
    stretch = drill.stretch(0, 1)
    stretch = type(stretch)(steps=np.array([1]), inputs=stretch.inputs, learning=stretch.learning)
    parameters = drill.parameters(circuit, seed)
    quiet = {
        key: 0 * value if key.endswith(".sigma") else value for key, value in parameters.items()
    }
    noisy = program.run(drill.state(circuit), parameters, stretch, step).state
    silent = program.run(drill.state(circuit), quiet, stretch, step).state
    return {
        name: (noisy[key] - silent[key]).ravel()
        / (float(drill.model.sigma) * np.sqrt(float(drill.model.dt)))
        for name in ("hidden_1", "output")
        for key in (f"{name}.v_soma",)
    }


@pytest.mark.parametrize("device", ["cpp", "numpy"])
@pytest.mark.parametrize("step", [0, 123456789])
def test_every_neuron_sees_its_own_normal_number(drill, compiled, device, step):
    """White noise adds sigma sqrt(dt) N(0, 1) in a step, the number of (seed, name, step, neuron).

    A potential of order 1 holds 1e-3 of noise to 16 digits: a difference of 1e-11 is rounding.
    """
    found = noise_of_one_step(drill, compiled(drill.structure, device), step, seed=9)
    for name, size in (("hidden_1", 8), ("output", 4)):
        key = seeding.key(9, "noise", name, 0)
        expected = of_neurons(normals, np.array([key]), step, size, 0)
        np.testing.assert_allclose(found[name], expected[0], atol=1e-11)
