"""CUDA programs compute what C++ and numpy do.

Where there is no GPU the generated source, host code and kernels, runs on the CPU with a stand-in
for CUDA (``cuda_on_cpu.h``). On a machine with a GPU, nvcc and brian2cuda the same comparisons are
made on it, which takes minutes for the compiler::

    python -m pytest tests/microcircuit/devices/test_cuda_program.py -k gpu
"""

import functools

import numpy as np
import pytest
from brian2 import NeuronGroup, ms

from microcircuit.circuit import Circuit, LearningRule, Population, Projection
from microcircuit.dense import DenseProjection
from microcircuit.devices import CudaProgram, NumpyProgram
from microcircuit.network import build
from microcircuit.records import Mean, Trace
from microcircuit.schedule import Presentations
from microcircuit.state import initial_state, parameter_values
from microcircuit.structure import Structure

TOLERANCE = 1e-10
"""Sums are cut into other pieces, products and sums fused, and exp, log and cos are CUDA's: all
differ in the last bits. The circuits forget their potentials and learning follows an error, so
nothing amplifies that (test_reference.py)."""
SINGLE_TOLERANCE = 1e-4
"""Of single precision, over 50 steps, compared with the double precision of numpy."""


# ---------------------------------------------------------------------- a circuit for the kernels

PRE, POST = 37, 45
"""Beyond one tile of 32 neurons, and no multiple of it."""
STEPS = 14, 16, 8, 12
"""Of presentations: some shorter than what is averaged over, and than a window."""


def rule(rates, **options):
    return LearningRule(post_factor="v", pre_factor="rate", learning_rate=rates, **options)


def tiles(replicates, batch):
    """Every option of projections and records, in matrices larger than a tile.

    The last replicate learns nothing.
    """
    rng = np.random.default_rng(3)
    rates = np.where(np.arange(replicates) < max(1, replicates - 1), 1.0, 0.0)
    rules = {
        "plain": rule(rates / ms),
        "gated": rule(rates / ms, window=(0.5 * ms, 1.7 * ms)),
        "clipped": rule(rates / ms, tau=1 * ms, bounds=(-0.15, 0.1)),
        "filtered": rule(rates / ms, tau=2 * ms, window=(0.3 * ms, 1.1 * ms)),
        "last": LearningRule(
            post_factor="v", pre_factor="rate - 0.4", learning_rate=rates / 10, at_end=True
        ),
        "shut": rule(rates / ms, window=(2 * ms, 3 * ms), bounds=(-0.05, 0.05)),  # never opens
        "fixed": None,
    }
    return Circuit(
        populations=(
            Population(
                name="source",
                size=PRE,
                equations="drate/dt = (pattern - rate)/(2*ms) : 1\npattern : 1",
            ),
            Population(
                name="target",
                size=POST,
                equations="""
                dv/dt = (tanh(x) - v)/tau + sigma*xi : 1
                x : 1
                """,
                parameters={"tau": 3 * ms, "sigma": 0.2 * ms**-0.5},
                limits={"v": (-5.0, 5.0)},
            ),
        ),
        projections=tuple(
            Projection(
                name=name,
                pre="source",
                post="target",
                signal="rate",
                target="x",
                weights=rng.uniform(-0.1, 0.1, (replicates, POST, PRE)),
                rule=learning,
            )
            for name, learning in rules.items()
        ),
        replicates=replicates,
        batch=batch,
    )


def tiled(replicates, batch, precision="double"):
    return Structure(
        circuit=tiles(replicates, batch),
        inputs=("source.pattern",),
        records=(
            Trace(name="x", population="target", expression="x + v", interval=0.7 * ms),
            Mean(name="v", population="target", expression="v", last=1 * ms),
            Mean(name="square", population="target", expression="v**2", across_neurons=True),
        ),
        longest=16,
        capacity=4,
        precision=precision,
    )


def shown(circuit):
    shape = len(STEPS), circuit.replicates, circuit.batch, PRE
    return Presentations(
        steps=np.array(STEPS),
        inputs={"source.pattern": np.random.default_rng(5).uniform(0, 1, shape)},
        learning=np.array([True, True, False, True]),
    )


def values_of(structure):
    return parameter_values(structure, structure.circuit, range(structure.circuit.replicates))


def run(program, state=None, first_step=3):
    """From a step that is no multiple of the trace's interval."""
    circuit = program.structure.circuit
    parameters = values_of(program.structure)
    return program.run(state or initial_state(circuit), parameters, shown(circuit), first_step)


def assert_close(ours, theirs, difference, tolerance=TOLERANCE):
    assert (ours.presentations, ours.diverged) == (theirs.presentations, theirs.diverged)
    for key, expected in theirs.state.items():
        assert difference(expected, ours.state[key]) < tolerance, key
    for key, expected in theirs.records.items():
        # Traces are stored in single precision: only the last bit may differ.
        stored = np.finfo(np.float32).eps if expected.dtype == np.float32 else 0
        assert difference(expected, ours.records[key]) <= max(tolerance, stored), key


# ---------------------------------------------------------------------- on a GPU and without


@pytest.fixture(scope="session", params=["cpu", "gpu"])
def device(request, cuda_on_cpu, why_no_gpu):
    """Programs in CUDA: for the stand-in, then for a GPU."""
    if request.param == "gpu" and why_no_gpu:
        pytest.skip(why_no_gpu)
    return cuda_on_cpu if request.param == "cpu" else CudaProgram


@pytest.fixture(scope="session")
def cuda(device, compiled):
    """Compiles a structure as CUDA, once."""
    return lambda structure: compiled(structure, program=device)


@pytest.fixture(scope="session")
def tiled_structures():
    """One object each, for the cache."""
    return {shape: tiled(*shape) for shape in ((3, 1), (2, 33))}


def test_the_drill_is_that_of_cpp(drill, drill_program, cuda, largest_difference):
    """With noise, presentations without learning, filtered rules and a link."""
    circuit = drill.circuit()
    theirs, ours = (
        program.run(drill.state(circuit), drill.parameters(circuit), drill.stretch(0, 5), 0)
        for program in (drill_program, cuda(drill.structure))
    )
    assert_close(ours, theirs, largest_difference)
    assert (
        np.max(np.abs(ours.state["bottom_up_1.w"] - drill.state(circuit)["bottom_up_1.w"])) > 0.01
    )


@pytest.mark.parametrize("shape", [(3, 1), (2, 33)], ids=str)
def test_replicates_and_batches(shape, tiled_structures, compiled, cuda, largest_difference):
    structure = tiled_structures[shape]
    start = initial_state(structure.circuit)
    ours, theirs = run(cuda(structure)), run(compiled(structure, "numpy"))
    assert_close(ours, theirs, largest_difference)
    for name in ("plain", "gated", "clipped", "filtered", "last", "shut", "fixed"):
        moved = np.max(np.abs(ours.state[f"{name}.w"] - start[f"{name}.w"]), axis=(1, 2))
        assert moved[-1] == 0, name
        least = 1e-3 if name == "last" else 0.01  # it learns in one step of a presentation
        assert moved[0] == 0 if name in ("shut", "fixed") else moved[0] > least, name
    clipped = ours.state["clipped.w"][0]
    assert (clipped.min(), clipped.max()) == (-0.15, 0.1)


def test_chunks_change_nothing_to_the_bit(tiled_structures, cuda):
    program = cuda(tiled_structures[3, 1])
    circuit = program.structure.circuit
    parameters, stretch = values_of(program.structure), shown(circuit)
    state, step, records = initial_state(circuit), 3, []
    for part in (slice(0, 1), slice(1, 4)):
        chunk = program.run(
            state,
            parameters,
            Presentations(
                steps=stretch.steps[part],
                inputs={key: values[part] for key, values in stretch.inputs.items()},
                learning=stretch.learning[part],
            ),
            step,
        )
        state, step = chunk.state, step + sum(STEPS[part])
        records.append(chunk.records)
    whole = run(program)
    for key, expected in whole.state.items():
        np.testing.assert_array_equal(expected, state[key], err_msg=key)
    for key, expected in whole.records.items():
        found = np.concatenate([part[key] for part in records])
        np.testing.assert_array_equal(expected, found, err_msg=key)


@pytest.mark.parametrize("value", [np.nan, -1e9])  # so much that it does not come back in time
def test_the_guard_ends_a_run(value, tiled_structures, compiled, cuda):
    """With the presentation in which a variable leaves its bounds, as on other devices."""
    structure = tiled_structures[3, 1]
    state = initial_state(structure.circuit)
    state["target.v"][1, 0, 44] = value
    ours, theirs = (run(p, state) for p in (cuda(structure), compiled(structure, "numpy")))
    # Of all replicates, the second alone.
    assert ours.diverged == theirs.diverged == (None, ("target", "v"), None)
    assert ours.presentations == theirs.presentations == 1
    assert {len(rows) for key, rows in ours.records.items() if key != "record_target_x"} == {1}


def spiking(structure, pre_factor="spikes", at_end=False):
    """Beside the circuit: neurons that spike, and a projection whose rule acts on spikes."""
    network = build(structure)
    (presenter,) = (obj for obj in network.objects if obj.name == "presenter")
    circuit, clock = structure.circuit, presenter.clock
    networks = circuit.replicates * circuit.batch
    sender = NeuronGroup(
        networks * PRE,
        "dv/dt = drive/(3*ms) : 1\ndrive : 1",
        threshold="v > 1",
        reset="v = 0",
        method="euler",
        name="sender",
        clock=clock,
    )
    equations = "dg/dt = -g/(2*ms) : 1\nfactor : 1"
    receiver = NeuronGroup(networks * POST, equations, method="euler", name="receiver", clock=clock)
    arrivals = DenseProjection(
        sender,
        receiver,
        signal="spikes",
        target="g",
        post_factor="factor",
        pre_factor=pre_factor,
        at_end=at_end,
        windowed=not at_end,
        bounded=True,
        presenter=presenter,
        replicates=circuit.replicates,
        batch=circuit.batch,
        name="arrivals",
    )
    network.add(sender, receiver, arrivals)
    return network


def spiking_state(structure):
    rng = np.random.default_rng(11)
    replicates, batch = structure.circuit.replicates, structure.circuit.batch
    return initial_state(structure.circuit) | {
        "sender.v": np.zeros((replicates, batch, PRE)),
        "sender.drive": rng.uniform(0, 1.5, (replicates, batch, PRE)),
        "receiver.g": np.zeros((replicates, batch, POST)),
        "receiver.factor": rng.uniform(-1, 1, (replicates, batch, POST)),
        "arrivals.w": rng.uniform(-0.1, 0.1, (replicates, PRE, POST)),
        "arrivals.learning_rate": np.linspace(0, 0.1, replicates),
        "arrivals.window_start": np.array([2]),
        "arrivals.window_stop": np.array([10]),
        "arrivals.w_min": np.array([-0.12]),
        "arrivals.w_max": np.array([0.14]),
    }


def test_spikes(device, largest_difference):
    """Each adds a row of weights; several in a batch change the same weight."""
    structure = tiled(2, 3)
    state = spiking_state(structure)
    ours = run(device(structure, spiking), state)
    theirs = run(NumpyProgram(structure, spiking), state)
    assert_close(ours, theirs, largest_difference)
    assert np.max(ours.state["receiver.g"]) > 0.1
    weights = ours.state["arrivals.w"]
    assert np.array_equal(weights[0], state["arrivals.w"][0])
    assert (weights[1].min(), weights[1].max()) == (-0.12, 0.14)


def test_kernel_that_is_not_there_is_told(tmp_path):
    at_the_end = functools.partial(spiking, pre_factor="drive", at_end=True)
    with pytest.raises(NotImplementedError, match="'dense_outer' is there for numpy and C"):
        CudaProgram.generate(tiled(1, 2), tmp_path, at_the_end)


def test_single_precision(compiled, cuda, largest_difference):
    expected = run(compiled(tiled(1, 2), "numpy"))
    found = run(cuda(tiled(1, 2, "single")))
    assert found.state["plain.w"].dtype == np.float32
    assert_close(found, expected, largest_difference, SINGLE_TOLERANCE)


def test_threads_may_run_in_any_order(tiled_structures, compiled, cuda_on_cpu, monkeypatch):
    """Without a barrier between writing and reading, one of the two orders would show it."""
    for structure in tiled_structures.values():
        program = compiled(structure, program=cuda_on_cpu)
        monkeypatch.delenv("CUDA_ON_CPU_BACKWARDS", raising=False)
        forwards = run(program)
        monkeypatch.setenv("CUDA_ON_CPU_BACKWARDS", "1")
        backwards = run(program)
        for key, expected in forwards.state.items():
            np.testing.assert_array_equal(expected, backwards.state[key], err_msg=key)
        for key, expected in forwards.records.items():
            np.testing.assert_array_equal(expected, backwards.records[key], err_msg=key)
