"""Replicates and batches compute what single networks compute, one at a time."""

from dataclasses import replace

import numpy as np
import pytest
from brian2 import ms

from microcircuit.circuit import Circuit, CircuitError, Population
from microcircuit.records import Mean, Trace
from microcircuit.replicates import stack, stack_experiments
from microcircuit.schedule import Presentations
from microcircuit.simulation import structure_of
from microcircuit.state import initial_state, parameter_values
from microcircuit.structure import Structure

TOLERANCE = 1e-10
"""Between devices, and for sums over a batch: exp and sums differ in their last bits, which nothing
amplifies over 2,000 steps (test_reference.py). On one device replicates agree to the bit."""

SILENT = 0 * ms**-0.5
SEEDS = 11, 12, 13
"""Of the noise in each replicate."""
P = 20


def networks(drill, sigma=None):
    """Three networks with other weights, conductances, learning rates and, unless given, noise."""
    return [
        drill.circuit(
            seed=seed,
            sigma=0.1 * seed * ms**-0.5 if sigma is None else sigma,
            g_apical=g / ms,
            eta_bottom_up=(eta / ms,),
            eta_top_down=(eta / ms,),
        )
        for seed, g, eta in ((1, 0.8, 0.02), (2, 0.2, 0.01), (3, 1.5, 0.03))
    ]


@pytest.fixture(scope="session")
def singles(drill):
    return networks(drill)


@pytest.fixture(scope="session")
def structure_for(drill):
    """The drill's structure with R replicates of a batch of B; one object each, for the cache."""
    made = {}

    def structure(circuits, batch):
        key = len(circuits), batch
        if key not in made:
            circuit = stack([replace(circuit, batch=batch) for circuit in circuits])
            made[key] = replace(drill.structure, circuit=circuit)
        return made[key]

    return structure


def stretch(drill, replicates, batch, *, same_batch=False):
    """Presentations with other patterns and targets for each replicate and in the batch."""
    rng = np.random.default_rng(8)
    shape = P, replicates, 1 if same_batch else batch
    patterns, targets = rng.uniform(0, 1, (*shape, 6)), rng.uniform(-1, 1, (*shape, 4))
    if same_batch:
        patterns, targets = (np.repeat(x, batch, axis=2) for x in (patterns, targets))
    teacher = rng.uniform(100, 900, (P, replicates))  # a parameter: one value a replicate
    inputs = {
        "input.pattern": patterns,
        "output.v_target": targets,
        "output.g_teacher": teacher,
    }
    return replace(drill.plastic(P, 100), inputs=inputs)


def only(presentations, replicate):
    """What one replicate is shown, for a network of its own."""
    inputs = {key: value[:, replicate] for key, value in presentations.inputs.items()}
    inputs = {k: v[:, 0] if v.ndim == 3 else v for k, v in inputs.items()}
    return replace(presentations, inputs=inputs)


def run(program, circuit, presentations, seeds=SEEDS):
    parameters = parameter_values(program.structure, circuit, seeds)
    return program.run(initial_state(circuit), parameters, presentations, 0)


def split(records, shape):
    """Rows of records as [row, replicate, batch, neuron]."""
    return {key: rows.reshape(len(rows), *shape, -1) for key, rows in records.items()}


def test_replicates_are_networks_of_their_own_to_the_bit(
    drill, compiled, drill_program, singles, structure_for
):
    """With plastic weights and noise, each against a run by itself with its seed."""
    structure = structure_for(singles, 1)
    shown = stretch(drill, 3, 1)
    together = run(compiled(structure), structure.circuit, shown)
    records = split(together.records, (3, 1))
    for r, (circuit, seed) in enumerate(zip(singles, SEEDS, strict=True)):
        alone = run(drill_program, circuit, only(shown, r), seed)
        for key, expected in alone.state.items():
            np.testing.assert_array_equal(together.state[key][r], expected[0], err_msg=key)
        for key, expected in split(alone.records, (1, 1)).items():
            np.testing.assert_array_equal(records[key][:, r], expected[:, 0], err_msg=key)
    # They did differ: else a mix-up of replicates would go unnoticed.
    weights = together.state["bottom_up_1.w"]
    assert np.max(np.abs(weights[0] - weights[1])) > 0.1


EQUATIONS = """
dv/dt = (gain*tanh(v) - v + coupling*u)/tau + sigma*xi_v : 1
du/dt = (gain*coupling*v + coupling/(gain + 2.5 + threshold) - 0.7*u)/(3*tau) + sigma*xi_u : 1
rate  = gain*log(1 + exp(2*(v - threshold)))                                  : 1 (constant over dt)
slope = 1/(1 + exp(-gain*v)) + expm1(0.1*u) + log1p(u**2) + sqrt(1 + v**2)/gain : 1
"""
"""Wherever a compiler or Brian2 could reorder, contract or take out of the loop what is the same
for all neurons, as parameters are in a single network only."""

SIZES = 1, 7, 13
"""Nothing but remainders, vectors of some lengths and remainders."""


def neurons(seed):
    rng = np.random.default_rng(seed)
    parameters = {
        "tau": rng.uniform(5, 20) * ms,
        "sigma": rng.uniform(0.1, 0.5) * ms**-0.5,
        "gain": rng.uniform(0.5, 2),
        "coupling": rng.uniform(-0.6, 0.6),
        "threshold": rng.uniform(0, 3),
    }
    return Circuit(
        populations=tuple(
            Population(
                name=f"p{size}",
                size=size,
                equations=EQUATIONS,
                parameters=parameters,
                initial={"v": rng.normal(size=size), "u": rng.normal(size=size)},
            )
            for size in SIZES
        )
    )


@pytest.mark.parametrize("precision", ["double", "single"])
def test_a_neuron_computes_the_same_bits_wherever_it_stands(compiled, precision):
    """In arrays five times as long, with parameters that are arrays too; over 300 steps."""
    circuits, seeds = [neurons(seed) for seed in range(5)], range(20, 25)
    shown = Presentations(steps=np.array([300]), inputs={}, learning=np.array([False]))
    structure = Structure(
        circuit=circuits[0],
        inputs=(),
        records=(
            Trace(
                name="trace", population="p13", expression="slope - u*exp(rate)", interval=1 * ms
            ),
            Mean(name="mean", population="p7", expression="slope*gain", across_neurons=True),
        ),
        longest=300,
        capacity=1,
        precision=precision,
    )
    single = compiled(structure)
    all_five = compiled(replace(structure, circuit=stack(circuits)))
    together = run(all_five, stack(circuits), shown, seeds)
    records = split(together.records, (5, 1))
    for r, (circuit, seed) in enumerate(zip(circuits, seeds, strict=True)):
        alone = run(single, circuit, shown, seed)
        for key, expected in alone.state.items():
            np.testing.assert_array_equal(together.state[key][r], expected[0], err_msg=key)
        for key, expected in split(alone.records, (1, 1)).items():
            np.testing.assert_array_equal(records[key][:, r], expected[:, 0], err_msg=key)


@pytest.mark.parametrize("name", ["cpp", "numpy"])
def test_identical_presentations_in_a_batch_are_one(
    drill, compiled, singles, structure_for, largest_difference, name
):
    one, two = (compiled(structure_for(singles, 1)), compiled(structure_for(singles, 2), name))
    shown = stretch(drill, 3, 2, same_batch=True)
    inputs = {k: v[:, :, :1] if v.ndim == 4 else v for k, v in shown.inputs.items()}
    silent = networks(drill, sigma=SILENT)
    expected = run(one, stack(silent), replace(shown, inputs=inputs)).state
    found = run(two, stack([replace(circuit, batch=2) for circuit in silent]), shown).state
    for key, value in expected.items():
        if key.endswith((".w", ".filtered")):
            assert largest_difference(value, found[key]) < TOLERANCE, key
        else:
            for b in range(2):
                assert largest_difference(value[:, 0], found[key][:, b]) < TOLERANCE, key


def test_replicates_and_batch_on_cpp_and_numpy(
    drill, compiled, singles, structure_for, largest_difference
):
    """All different, with noise, which every replicate and member of the batch has its own of."""
    structure, shown = structure_for(singles, 2), stretch(drill, 3, 2)
    ours, theirs = (
        run(compiled(structure, name), structure.circuit, shown) for name in ("cpp", "numpy")
    )
    for key, expected in theirs.state.items():
        assert largest_difference(expected, ours.state[key]) < TOLERANCE, key
    for key, expected in theirs.records.items():
        limit = TOLERANCE if expected.dtype == np.float64 else np.finfo(np.float32).eps
        assert largest_difference(expected, ours.records[key]) <= limit, key


def test_noise_differs_between_replicates_and_in_the_batch(drill, compiled, singles, structure_for):
    structure = structure_for(singles, 2)
    same = [replace(drill.circuit(seed=1), batch=2) for _ in range(3)]
    shown = stretch(drill, 1, 1)
    inputs = {
        key: np.broadcast_to(v, (P, 3, 2, v.shape[-1])) if v.ndim == 4 else v[:, 0]
        for key, v in shown.inputs.items()
    }
    end = run(compiled(structure, "numpy"), stack(same), replace(shown, inputs=inputs)).state
    potentials = end["hidden_1.v_soma"].reshape(6, 8)
    for first in range(6):
        for second in range(first):
            assert np.all(potentials[first] != potentials[second])


def test_replicates_need_a_seed_each(singles, structure_for):
    structure = structure_for(singles, 1)
    with pytest.raises(CircuitError, match="seeds: needs one for each of 3 replicates, got"):
        parameter_values(structure, structure.circuit, [4, 5])


def test_a_single_seed_has_a_stream_for_each_replicate(singles, structure_for):
    structure = structure_for(singles, 1)
    keys, alone, own = (
        parameter_values(structure, structure.circuit, seeds)["hidden_1_xi_noise.key"]
        for seeds in (4, [4, 4, 4], [4, 5, 6])
    )
    assert len(set(keys)) == len(set(own)) == 3
    assert set(alone) == {keys[0]} == {own[0]}


# ------------------------------------------------------------------------------ stacking


def test_stacked_experiments_record_what_each_records_alone(drill, compiled, largest_difference):
    """With stimuli of their own; those of the second are given for replicates and a batch."""
    seeds = 3, 4
    alone = [
        drill.protocol(presentations=4).experiment(replace(drill.model, g_apical=g / ms), seed)
        for g, seed in zip((0.8, 0.4), seeds, strict=True)
    ]
    alone[1] = replace(alone[1], schedule=in_full(alone[1].schedule))
    together = stack_experiments(alone)

    def records(experiment, seeds):
        program = compiled(structure_of(experiment), "numpy")
        shown = experiment.schedule.draw(0, 4)
        return run(program, experiment.circuit, shown, seeds).records

    found = records(together, seeds)
    for r, (experiment, seed) in enumerate(zip(alone, seeds, strict=True)):
        for key, expected in records(experiment, seed).items():
            ours = found[key].reshape(len(expected), 2, -1)[:, r]
            limit = TOLERANCE if expected.dtype == np.float64 else np.finfo(np.float32).eps
            assert largest_difference(expected, ours) <= limit, key


def in_full(schedule):
    """The same schedule with each input given for every replicate and the batch."""

    def draw(start, stop):
        drawn = schedule.draw(start, stop)
        return replace(
            drawn,
            inputs={
                key: value[:, None, None, :] if value.ndim == 2 else value[:, None]
                for key, value in drawn.inputs.items()
            },
        )

    return replace(schedule, draw=draw)


def test_experiments_of_other_lengths_are_not_stacked(drill):
    short, long = (drill.protocol(presentations=n).experiment(drill.model, 0) for n in (4, 5))
    with pytest.raises(CircuitError, match="experiment 1 records or shows other things"):
        stack_experiments([short, long])
    shifted = replace(
        short, schedule=replace(short.schedule, draw=lambda a, b: long.schedule.draw(a + 1, b + 1))
    )
    with pytest.raises(CircuitError, match="experiment 1 have lengths of their own"):
        stack_experiments([short, shifted]).schedule.draw(0, 1)


def test_stacked_values(drill, singles):
    circuit = stack(singles)
    assert circuit.replicates == 3
    assert circuit.projection("bottom_up_1").weights.shape == (3, 8, 6)
    hidden = circuit.population("hidden_1").parameters
    assert (hidden["g_apical"] * ms).tolist() == pytest.approx([0.8, 0.2, 1.5], rel=1e-15)
    rates = circuit.projection("bottom_up_1").rule.learning_rate
    assert (rates * ms).tolist() == pytest.approx([0.02, 0.01, 0.03], rel=1e-15)


def test_stacked_starts_are_of_each_circuit(drill):
    circuits = []
    for start in (1.0, np.arange(4.0)):
        circuit = drill.circuit()
        output = replace(circuit.population("output"), initial={"v_soma": start})
        circuits.append(replace(circuit, populations=(*circuit.populations[:-1], output)))
    state = initial_state(stack(circuits))["output.v_soma"]
    assert state.tolist() == [[[1.0] * 4], [[0.0, 1.0, 2.0, 3.0]]]


def test_nothing_to_stack():
    with pytest.raises(CircuitError, match="no circuits"):
        stack([])


def test_other_structures_do_not_stack(drill, singles):
    other = drill.circuit(eta_top_down=(0 / ms,))  # a projection without a rule
    with pytest.raises(CircuitError, match="circuit 1 differs in structure from circuit 0"):
        stack([drill.circuit(), other])
    with pytest.raises(CircuitError, match="circuit 0 has replicates of its own"):
        stack([stack(singles)])
