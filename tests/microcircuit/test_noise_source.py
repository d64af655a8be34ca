"""Equations see the noise of `microcircuit.noise`, the same on every device."""

import numpy as np
import pytest
from brian2 import Equations

from microcircuit import seeding
from microcircuit.noise import normals, of_neurons
from microcircuit.noise_source import euler


def test_noise_terms_are_numbered_by_their_names():
    """Brian2 keeps them in a set, whose order is another in each process."""
    code = euler(Equations("dv/dt = (xi_b + xi_a)*second**-0.5 - v/second : 1"), {})
    draw = "elementary_sqrt(dt)*_{}_normal"
    assert code.splitlines()[:2] == [f"{xi} = {draw.format(xi)}" for xi in ("xi_a", "xi_b")]


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
