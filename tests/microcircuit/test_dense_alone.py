"""The kernels in C++ against the plain numpy form, without a presenter, as scripts use them.

Beside what circuits can do, code of the user changes signals within a step and learning rates
within a run, and neurons spike. All of it on one network and on several with a batch, in one
program.
"""

import numpy as np
from brian2 import NeuronGroup

from microcircuit.circuit import Circuit, Population
from microcircuit.dense import DenseProjection
from microcircuit.devices import CppProgram, NumpyProgram
from microcircuit.network import build
from microcircuit.schedule import Presentations
from microcircuit.structure import Structure

PRE, POST, STEPS = 21, 9, 90
"""Rows that no register divides, a number of rows that no block of rows does, and time steps."""
SHAPES = {"single": (1, 1), "several": (2, 3)}
"""Replicates and batch."""
SIGNALS = "held", "disturbed", "moving"
CIRCUIT = Circuit(populations=(Population(name="bystander", size=1, equations="v : 1"),))
STRUCTURE = Structure(circuit=CIRCUIT, inputs=(), records=(), longest=STEPS, capacity=1)

# Sums of some twenty numbers of order one in another order, over steps that forget: seen are 2e-15.
TOLERANCE = 1e-12

SOURCE = """
held : 1
disturbed : 1
dmoving/dt = (held - moving)/ms : 1
dv/dt = (2 + held)/ms : 1
"""
SINK = """
du/dt = (tanh(from_held + from_disturbed + from_moving + arrived) - u)/(0.5*ms) : 1
darrived/dt = -arrived/ms : 1
error = goal - u : 1 (constant over dt)
goal : 1
from_held : 1
from_disturbed : 1
from_moving : 1
"""


def add_projections(structure):
    """Add to the network of a circuit what has no presenter."""
    network = build(structure)
    (presenter,) = (obj for obj in network.objects if obj.name == "presenter")
    for name, (replicates, batch) in SHAPES.items():
        network.add(*objects(name, replicates, batch, presenter.clock))
    return network


def objects(name, replicates, batch, clock):
    """Return two groups and, for each signal, a projection that sets a target and one that adds."""
    source = NeuronGroup(
        replicates * batch * PRE,
        SOURCE,
        threshold="v > 1",
        reset="v = 0",
        method="euler",
        clock=clock,
        name=f"{name}_source",
    )
    # In two steps of five the weights learn from another value than the one that was sent; what is
    # sent stays in the first half of the run and moves in the second.
    disturb = "disturbed *= 1 + 0.5*int(t_in_timesteps % 5 < 2)"
    source.run_regularly(disturb, when="groups", order=-2)
    restore = f"disturbed = held + (moving - held)*int(t_in_timesteps >= {STEPS // 2})"
    source.run_regularly(restore, when="groups", order=1)
    sink = NeuronGroup(
        replicates * batch * POST, SINK, method="euler", clock=clock, name=f"{name}_sink"
    )
    shape = {"post_factor": "error", "replicates": replicates, "batch": batch}
    rates = NeuronGroup(replicates, "usual : Hz", clock=clock, name=f"{name}_rates")
    projections = [
        DenseProjection(
            source,
            sink,
            signal=signal,
            target=f"from_{signal}",
            pre_factor=signal,
            accumulate=filtered,
            filtered=filtered,
            name=f"{name}_{signal}_{'filtered' if filtered else 'plain'}",
            **shape,
        )
        for signal in SIGNALS
        for filtered in (False, True)
    ]
    for projection in projections:
        rates.variables.add_reference(projection.name, projection, "learning_rate")
    # Learning pauses in some steps, and then goes on as before or faster.
    now = "usual*(1 + int(t_in_timesteps % 7 < 2))*int(t_in_timesteps % 11 < 8)"
    rates.run_regularly("\n".join(f"{projection.name} = {now}" for projection in projections))
    spikes = DenseProjection(
        source,
        sink,
        signal="spikes",
        target="arrived",
        pre_factor="spikes",
        bounded=True,
        name=f"{name}_spikes",
        **shape,
    )
    return source, sink, rates, *projections, spikes


def start():
    """Return the state in which a run starts; the second of several replicates does not learn."""
    rng, state = np.random.default_rng(5), {"bystander.v": np.ones(1)}
    for name, (replicates, batch) in SHAPES.items():
        before, after = (replicates, batch, PRE), (replicates, batch, POST)
        held, usual = rng.uniform(-1, 1, before), np.array([20.0, 0.0])[:replicates]
        state |= {
            f"{name}_source.held": held,
            f"{name}_source.disturbed": held,
            f"{name}_source.moving": rng.uniform(-1, 1, before),
            f"{name}_source.v": rng.uniform(0, 1, before),
            f"{name}_sink.u": np.zeros(after),
            f"{name}_sink.arrived": np.zeros(after),
            f"{name}_sink.goal": rng.uniform(-1, 1, after),
            f"{name}_rates.usual": usual,
            f"{name}_spikes.w": rng.uniform(-0.1, 0.1, (replicates, PRE, POST)),
            f"{name}_spikes.learning_rate": usual / 500,
            f"{name}_spikes.w_min": np.array([-0.08]),
            f"{name}_spikes.w_max": np.array([0.08]),
        }
        for signal in SIGNALS:
            for rule in ("plain", "filtered"):
                weights = rng.uniform(-0.3, 0.3, (replicates, POST, PRE))
                state[f"{name}_{signal}_{rule}.w"] = weights
            state[f"{name}_{signal}_filtered.filtered"] = np.zeros(weights.shape)
            state[f"{name}_{signal}_filtered.tau"] = np.array([2e-3])
    return state


def on_cpp(structure):
    return CppProgram(structure, add_projections)


def test_against_numpy(compiled, largest_difference):
    before = start()
    stretch = Presentations(steps=np.array([STEPS]), inputs={}, learning=np.array([True]))
    ours = compiled(STRUCTURE, program=on_cpp).run(before, {}, stretch, 0).state
    plain = NumpyProgram(STRUCTURE, add_projections).run(before, {}, stretch, 0).state
    for key, expected in plain.items():
        assert largest_difference(expected, ours[key]) < TOLERANCE, key
    for key, weights in before.items():
        if key.endswith(".w"):
            moved = np.max(np.abs(plain[key] - weights), axis=(1, 2))
            assert moved[0] > 0.01, key
            assert not moved[1:].any(), key
    for name in SHAPES:
        spikes = plain[f"{name}_spikes.w"][0]
        assert (spikes.min(), spikes.max()) == (-0.08, 0.08)
