"""Integrate-and-fire spikes, against stock Brian2, in replicates, in batches and over chunks."""

from dataclasses import replace
from itertools import pairwise

import brian2
import numpy as np
import pytest
from brian2 import Hz, ms, mV

from microcircuit.circuit import Circuit, CircuitError, Population, Projection
from microcircuit.records import Spikes, Trace
from microcircuit.replicates import stack, structure_key
from microcircuit.schedule import Presentations
from microcircuit.spikes import ExponentialKernel, Threshold
from microcircuit.state import initial_state, parameter_values
from microcircuit.structure import Structure

DEVICES = "cpp", "numpy"
N, R, B = 7, 3, 2
STEPS = 150, 1, 249, 100
WHOLE = 0, len(STEPS)
"""Neurons are refractory at some ends of presentations."""
EQUATIONS = """
dv/dt = (v_rest + drive - v)/tau + sigma*xi : volt
drive : volt
psp   : 1
"""
HIGH, LOW = np.array([-50.0, -48.0, -52.0]), np.array([-60.0, -65.0, -58.0])
"""Threshold and reset of each replicate in mV."""
SEEDS = 4, 5, 6
REST = 1.5 * ms
KERNEL = ExponentialKernel(tau=5 * ms, rate=20 * Hz)


def cells(which=slice(None), refractory=REST, name="cells", **changes):
    given = {
        "size": N,
        "equations": EQUATIONS,
        "parameters": {
            "tau": 10 * ms,
            "v_rest": -70 * mV,
            "v_high": HIGH[which] * mV,
            "v_low": LOW[which] * mV,
            "sigma": 0.5 * mV / ms**0.5,
        },
        "initial": {"v": -70 * mV},
        "spikes": Threshold(variable="v", above="v_high", reset="v_low", refractory=refractory),
        "traces": {"psp": KERNEL},
    }
    return Population(name=name, **(given | changes))


def circuit(which=slice(None), refractory=REST, batch=B):
    """Cells that excite each other."""
    loop = Projection(
        name="loop",
        pre="cells",
        post="cells",
        signal="spikes",
        target="drive",
        weights=np.full((N, N), 0.3) * mV,
        kernel=KERNEL,
    )
    outside = Population(name="outside", size=N, equations="level : volt")
    direct = Projection(
        name="direct",
        pre="outside",
        post="cells",
        signal="level",
        target="drive",
        weights=np.eye(N),
    )
    return Circuit(
        populations=(outside, cells(which, refractory)),
        projections=(direct, loop),
        replicates=R if which == slice(None) else 1,
        batch=batch,
    )


def structure(which=slice(None), refractory=REST, batch=B, precision="double"):
    records = (
        Trace(name="v", population="cells", expression="v", interval=0.1 * ms),
        Trace(name="psp", population="cells", expression="psp", interval=0.1 * ms),
    )
    alone = which != slice(None) and batch == 1
    return Structure(
        circuit=circuit(which, refractory, batch),
        inputs=("outside.level",),
        records=(*records, Spikes(population="cells")) if alone else records,
        longest=max(STEPS),
        capacity=len(STEPS),
        precision=precision,
    )


def shown(which=slice(None), batch=B):
    """Drives of 0 to 60 mV."""
    levels = np.random.default_rng(1).uniform(0, 0.06, (len(STEPS), R, B, N))
    return Presentations(
        steps=np.array(STEPS),
        inputs={"outside.level": levels[:, which, :batch].reshape(len(STEPS), -1, batch, N)},
        learning=np.ones(len(STEPS), dtype=bool),
    )


def run(program, stretch, seeds=SEEDS, cuts=WHOLE, values=None):
    """The state at the end, and traces over all chunks."""
    own = program.structure
    state, step, found = initial_state(own.circuit), 0, []
    values = parameter_values(own, own.circuit, seeds) | (values or {})
    for start, stop in pairwise(cuts):
        part = Presentations(
            steps=stretch.steps[start:stop],
            inputs={key: value[start:stop] for key, value in stretch.inputs.items()},
            learning=stretch.learning[start:stop],
        )
        chunk = program.run(state, values, part, step)
        state, step = chunk.state, step + int(part.steps.sum())
        found.append(chunk.records)
    return state, {key: np.concatenate([f[key] for f in found]) for key in found[0]}


@pytest.fixture(scope="session")
def structures():
    """One object each, for the cache of programs."""
    return {
        "together": structure(),
        "one": structure(0),
        "single": structure(0, batch=1),
        "never": structure(0, batch=1, refractory=None),
        "float": structure(0, batch=1, precision="single"),
    }


@pytest.fixture
def in_numpy():
    """Brian2 by itself needs no compiler."""
    saved, brian2.prefs.codegen.target = brian2.prefs.codegen.target, "numpy"
    yield
    brian2.prefs.codegen.target = saved


@pytest.mark.usefixtures("in_numpy")
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("kind", "rest"), [("single", 15), ("never", 0)])
def test_spikes_are_those_of_stock_brian2(compiled, structures, device, kind, rest):
    """Without noise and loops; the potential is the same to rounding, spikes are in its steps."""
    program = compiled(structures[kind], device)
    own = program.structure.circuit
    values = parameter_values(program.structure, own, 4) | {"cells.sigma": np.zeros(1)}
    state = initial_state(own) | {"loop.w": np.zeros((1, N, N))}
    stretch = shown(0, 1)
    found = program.run(state, values, stretch, 0).records
    levels = np.repeat(stretch.inputs["outside.level"][:, 0, 0], STEPS, axis=0)
    voltage, spikes = stock(levels, rest)
    seen = found["record_cells_v"].reshape(-1, N)[: sum(STEPS)]
    np.testing.assert_allclose(seen, voltage, rtol=1e-6)
    counts = found["record_cells_spikes"].reshape(-1, N)[: sum(STEPS)]
    np.testing.assert_array_equal(counts, spikes)
    assert counts.sum() > 4 * N
    assert counts.max() == 1


def stock(levels, rest):
    """The same in Brian2's own words: there neurons may go a step earlier."""
    held = "" if rest == 0 else " (unless refractory)"
    drive = brian2.TimedArray(levels, dt=0.1 * ms)
    group = brian2.NeuronGroup(
        N,
        f"dv/dt = (-70*mV + drive(t, i)*volt - v)/(10*ms) : volt{held}",
        threshold="v > -50*mV",
        reset="v = -60*mV",
        refractory=(rest + 1) * 0.1 * ms if rest else False,
        method="euler",
        namespace={"drive": drive},
        dt=0.1 * ms,
    )
    group.v = -70 * mV
    voltage = brian2.StateMonitor(group, "v", record=True, dt=0.1 * ms)
    spikes = brian2.SpikeMonitor(group)
    brian2.Network(group, voltage, spikes).run(len(levels) * 0.1 * ms, namespace={})
    counts = np.zeros((len(levels), N), dtype=int)
    np.add.at(counts, (np.round(spikes.t / (0.1 * ms)).astype(int), spikes.i), 1)
    return np.asarray(voltage.v).T, counts


@pytest.mark.parametrize("device", DEVICES)
def test_chunks_change_nothing_to_the_bit(compiled, structures, device):
    program = compiled(structures["together"], device)
    whole, pieces = (run(program, shown(), cuts=cuts) for cuts in (WHOLE, (0, 1, 2, 3, 4)))
    for ours, theirs in zip(whole, pieces, strict=True):
        assert ours.keys() == theirs.keys()
        for key, value in ours.items():
            np.testing.assert_array_equal(value, theirs[key], err_msg=key)
    assert np.any(whole[0]["cells_spikes.rest"])


@pytest.mark.parametrize("device", DEVICES)
def test_a_replicate_is_the_single_network_to_the_bit(compiled, structures, device):
    _, together = run(compiled(structures["together"], device), shown())
    program = compiled(structures["one"], device)
    for r in range(R):
        own = program.structure
        values = parameter_values(own, circuit(r), SEEDS[r])
        _, alone = run(program, shown(r), seeds=SEEDS[r], values=values)
        for key, rows in alone.items():
            all_rows = together[key].reshape(len(rows), R, B, N)
            np.testing.assert_array_equal(rows.reshape(-1, B, N), all_rows[:, r], err_msg=key)


def test_devices_spike_in_the_same_steps(compiled, structures):
    cpp, numpy = (run(compiled(structures["single"], device), shown(0, 1), 4) for device in DEVICES)
    spikes = cpp[1]["record_cells_spikes"]
    np.testing.assert_array_equal(spikes, numpy[1]["record_cells_spikes"])
    assert spikes.sum() > 4 * N


def test_single_precision(compiled, structures):
    """Rounding shifts few spikes by a step."""
    double, single = (run(compiled(structures[k]), shown(0, 1), 4)[1] for k in ("single", "float"))
    counts = [found["record_cells_spikes"].sum(axis=0) for found in (double, single)]
    np.testing.assert_allclose(*counts, atol=1)


@pytest.mark.parametrize("device", DEVICES)
def test_neurons_stay_at_their_reset_while_they_are_refractory(compiled, structures, device):
    _, found = run(compiled(structures["single"], device), shown(0, 1), 4)
    spikes = found["record_cells_spikes"].reshape(-1, N)
    voltage = found["record_cells_v"].reshape(-1, N)
    steps = round(float(REST / (0.1 * ms)))
    for step, neuron in np.argwhere(spikes):
        # Traces are recorded before neurons spike, so this is the end of the step.
        after = slice(step + 1, step + 1 + steps + 1)
        np.testing.assert_array_equal(voltage[after, neuron], np.float32(LOW[0] * 1e-3))
        assert not spikes[step + 1 : step + 1 + steps, neuron].any()


def test_stacked_circuits_may_differ_in_threshold_and_reset():
    parts = [circuit(r) for r in range(R)]
    values = stack(parts).population("cells").parameters["v_high"]
    np.testing.assert_array_equal(values / mV, HIGH)
    other = replace(parts[0], populations=(parts[0].populations[0], cells(0, 2 * ms)))
    assert structure_key(other) != structure_key(parts[0])


WRONG = {
    "an unknown variable": (
        {"variable": "u"},
        "'cells', spikes: unknown differential equation 'u'. Known: v",
    ),
    "a variable without an equation": (
        {"variable": "drive"},
        "spikes: unknown differential equation 'drive'",
    ),
    "an unknown parameter": (
        {"above": "v_hihg"},
        "'cells', spikes: above: unknown variable 'v_hihg'; did you mean 'v_high'",
    ),
    "a variable as reset": ({"reset": "drive"}, "spikes: reset: unknown variable 'drive'"),
    "another unit": ({"reset": "tau"}, "'cells', spikes: reset: tau has unit s, expected V"),
}


@pytest.mark.parametrize(("changes", "message"), WRONG.values(), ids=WRONG)
def test_wrong_threshold(changes, message):
    given = {"variable": "v", "above": "v_high", "reset": "v_low"} | changes
    with pytest.raises(CircuitError, match=message):
        cells(0, spikes=Threshold(**given))


@pytest.mark.parametrize("period", [0 * ms, 3 * mV, -1 * ms], ids=str)
def test_wrong_refractory_period(period):
    with pytest.raises(CircuitError, match="spikes: refractory must be a time above zero"):
        cells(0, refractory=period)


def test_refractory_periods_are_whole_steps():
    with pytest.raises(CircuitError, match=r"250\. us is not a whole number of steps"):
        circuit(0, refractory=0.25 * ms)
