"""Rules that act all the time on spikes, against the same rules taken step by step in plain numpy.

The transcription follows the docstrings of `ExponentialKernel`, `Projection` and `LearningRule`; it
takes the spikes from the run, as how they are drawn is tested in test_spike_objects.py.
"""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from brian2 import Hz, ms, second

from microcircuit.circuit import Circuit, CircuitError, LearningRule, Population, Projection
from microcircuit.records import Spikes, Trace
from microcircuit.schedule import Presentations
from microcircuit.spikes import ExponentialKernel, Poisson, SynapticKernel
from microcircuit.state import initial_state, parameter_values
from microcircuit.structure import Structure

DEVICES = "cpp", "numpy"
R, B = 3, 2
DT, TAU, TAU_FILTER = 1e-4, 0.5e-3, 2e-3
SIZES = {"source": 5, "middle": 3, "sink": 4}
SHAPES = {"forward": ("middle", "source"), "loop": ("middle", "middle"), "out": ("sink", "middle")}
RATES = {
    # The second replicate learns nothing; `out` is fixed in the third.
    "forward": np.array([3.0, 0.0, 1.0]),
    "loop": np.array([2.0, 0.0, 5.0]),
    "out": np.array([4.0, 0.0, 0.0]),
}
FILTERED, WINDOW = ("forward", "out"), {"out": (5, 90)}
# Stretches have 60 steps: presentations end within the first, at its end and after several.
STEPS, LEARNING = (25, 1, 60, 200, 40, 130), (True, True, True, True, False, True)
UNIT = np.array([500.0, 1000.0, 2000.0])
"""Rate of the kernel: one a replicate."""

# Sums lose up to five digits over a stretch: seen are 4e-11, of filtered changes of order 10.
TOLERANCE = 2e-10
# In single precision: seen are 6e-6.
SINGLE_TOLERANCE = 1e-4
STORED = 2 * np.finfo(np.float32).eps
"""Traces are stored in single precision."""

SOURCE = """
rate  : Hz
trace : 1
"""
MIDDLE = """
dv/dt = (x - v)/tau : 1
rate  = top/(1 + exp(1 - v)) : Hz (constant over dt)
x     : 1
trace : 1
"""
SINK = """
du/dt = (y - u)/tau : 1
y    : 1
goal : 1
"""


def weights(name):
    post, pre = SHAPES[name]
    random = np.random.default_rng(list(SHAPES).index(name))
    return random.uniform(-1, 1, (R, SIZES[post], SIZES[pre]))


def projection(name, target, post_factor, which, unit):
    post, pre = SHAPES[name]
    window = WINDOW.get(name)
    return Projection(
        name=name,
        pre=pre,
        post=post,
        signal="spikes",
        target=target,
        weights=weights(name)[which],
        kernel=ExponentialKernel(tau=TAU * second, rate=unit),
        rule=LearningRule(
            post_factor=post_factor,
            pre_factor="trace",
            learning_rate=RATES[name][which] * Hz,
            tau=TAU_FILTER * second if name in FILTERED else None,
            window=window and tuple(edge * DT * second for edge in window),
        ),
    )


def circuit(which=slice(None), batch=B, refractory=None):
    unit = UNIT[which] * Hz
    kernel = ExponentialKernel(tau=TAU * second, rate=unit)
    spiking = {"spikes": Poisson(rate="rate", refractory=refractory), "traces": {"trace": kernel}}
    return Circuit(
        populations=(
            Population(name="source", size=SIZES["source"], equations=SOURCE, **spiking),
            Population(
                name="middle",
                size=SIZES["middle"],
                equations=MIDDLE,
                parameters={"tau": 1 * ms, "top": 2000 * Hz},
                **spiking,
            ),
            Population(name="sink", size=SIZES["sink"], equations=SINK, parameters={"tau": 1 * ms}),
        ),
        projections=(
            projection("forward", "x", "0.3 - v", which, unit),
            projection("loop", "x", "v", which, unit),
            projection("out", "y", "goal - u", which, unit),
        ),
        replicates=R if which == slice(None) else 1,
        batch=batch,
    )


def structure(precision="double", which=slice(None), batch=B, refractory=None):
    traced = {"source": ("trace",), "middle": ("v", "trace"), "sink": ("u",)}
    interval = DT * second
    return Structure(
        circuit=circuit(which, batch, refractory),
        inputs=("source.rate", "sink.goal"),
        records=(
            Spikes(population="source"),
            Spikes(population="middle"),
            *(
                Trace(name=name, population=p, expression=name, interval=interval)
                for p, names in traced.items()
                for name in names
            ),
        ),
        longest=max(STEPS),
        capacity=len(STEPS),
        precision=precision,
    )


def shown(which=slice(None), batch=B):
    random = np.random.default_rng(5)
    rate = random.uniform(0, 3000, (len(STEPS), R, B, SIZES["source"]))
    rate[2, ..., :2] = rate[3, ..., 2] = 0  # traces decay to nothing
    rate[..., 3] *= 0.02  # and are gone for stretches
    goal = random.uniform(-1, 1, (len(STEPS), R, B, SIZES["sink"]))
    which = which if isinstance(which, slice) else slice(which, which + 1)
    inputs = {"source.rate": rate, "sink.goal": goal}
    return Presentations(
        steps=np.array(STEPS),
        inputs={key: value[:, which, :batch] for key, value in inputs.items()},
        learning=np.array(LEARNING),
    )


def run(program, which=slice(None), cuts=(0, 6), numbers=None):
    made = program.structure.circuit
    rest = made.population("source").spikes.refractory
    numbers = numbers or circuit(which, made.batch, rest)
    seeds = [3, 4, 5][which]
    values = parameter_values(program.structure, numbers, seeds)
    stretch, state, step, found = shown(which, made.batch), initial_state(numbers), 0, []
    for start, stop in pairwise(cuts):
        part = replace(
            stretch,
            steps=stretch.steps[start:stop],
            inputs={key: value[start:stop] for key, value in stretch.inputs.items()},
            learning=stretch.learning[start:stop],
        )
        chunk = program.run(state, values, part, step)
        state, step = chunk.state, step + int(np.sum(part.steps))
        found.append(chunk.records)
    rows = {}
    for record in program.structure.records:
        table = np.concatenate(
            [part[f"record_{record.population}_{record.name}"] for part in found]
        )
        shape = made.replicates, made.batch, SIZES[record.population]
        rows[f"{record.population}.{record.name}"] = table.reshape(-1, *shape)
    return state, rows


def transcription(spikes):
    """Weights, their filtered changes, and variables in every step, from spikes [step, R, B, N]."""
    stretch = shown()
    w = {name: weights(name) for name in SHAPES}
    d = {name: np.zeros_like(w[name]) for name in SHAPES}
    zero = {name: np.zeros((R, B, size)) for name, size in SIZES.items()}
    trace = {"source": zero["source"], "middle": zero["middle"]}
    evoked = {name: zero[SHAPES[name][0]] for name in SHAPES}
    arrived = {name: zero[SHAPES[name][0]] for name in SHAPES}
    emitted, v, u = dict(trace), zero["middle"], zero["sink"]
    gain = 1 / (TAU * UNIT[:, None, None])
    rows = {"source.trace": [], "middle.trace": [], "middle.v": [], "sink.u": []}
    step = 0
    for p, duration in enumerate(STEPS):
        goal = stretch.inputs["sink.goal"][p]
        for since in range(duration):
            trace = {n: (1 - DT / TAU) * trace[n] + gain * emitted[n] for n in trace}
            evoked = {n: (1 - DT / TAU) * evoked[n] + gain * arrived[n] for n in evoked}
            now = {"source.trace": trace["source"], "middle.trace": trace["middle"]}
            for key, value in (now | {"middle.v": v, "sink.u": u}).items():
                rows[key].append(value)
            factors = {"forward": 0.3 - v, "loop": v, "out": goal - u}
            for name, (_, pre) in SHAPES.items():
                start, stop = WINDOW.get(name, (0, duration))
                on = LEARNING[p] * (start <= since < stop)
                product = np.einsum("rbj,rbi->rji", factors[name], trace[pre]) / B
                learns = LEARNING[p] * (RATES[name][:, None, None] != 0)
                rate = DT * RATES[name][:, None, None] * learns
                if name in FILTERED:
                    w[name] = w[name] + rate * d[name]
                    change = DT / TAU_FILTER * (on * product - d[name])
                    d[name] = d[name] + learns * change
                else:
                    w[name] = w[name] + rate * on * product
            v = v + DT / 1e-3 * (evoked["forward"] + evoked["loop"] - v)
            u = u + DT / 1e-3 * (evoked["out"] - u)
            emitted = {name: spikes[name][step].astype(float) for name in emitted}
            arrived = {
                name: np.einsum("rji,rbi->rbj", w[name], emitted[pre])
                for name, (_, pre) in SHAPES.items()
            }
            step += 1
    ends = {f"{name}.w": w[name] for name in SHAPES}
    ends |= {f"{name}.filtered": d[name] for name in FILTERED}
    return ends | {"middle.v": v, "sink.u": u}, {k: np.array(value) for k, value in rows.items()}


@pytest.mark.parametrize(
    ("device", "precision", "tolerance"),
    [
        ("cpp", "double", TOLERANCE),
        ("numpy", "double", TOLERANCE),
        ("cpp", "single", SINGLE_TOLERANCE),
    ],
)
def test_weights_and_potentials_are_those_of_all_single_steps(
    compiled, device, precision, tolerance
):
    state, rows = run(compiled(structure(precision), device))
    spikes = {name: rows[f"{name}.spikes"] for name in ("source", "middle")}
    assert all(counts.sum() > 500 for counts in spikes.values())
    ends, expected = transcription(spikes)
    for key, value in ends.items():
        np.testing.assert_allclose(state[key], value, rtol=0, atol=tolerance, err_msg=key)
    for key, value in expected.items():
        np.testing.assert_allclose(rows[key], value, rtol=STORED, atol=tolerance, err_msg=key)
    for name in SHAPES:
        moved = np.abs(state[f"{name}.w"] - weights(name)).max(axis=(1, 2))
        assert np.all((moved > 1e-3) == (RATES[name] > 0)), name


def brief(tau, tau_filter):
    """The circuit with other time constants, of traces and of the rules' filters."""
    whole = circuit()
    kernel = ExponentialKernel(tau=tau * second, rate=UNIT * Hz)

    def projected(one):
        filtered = one.name in FILTERED
        rule = replace(one.rule, tau=tau_filter * second) if filtered else one.rule
        return replace(one, kernel=kernel, rule=rule)

    return replace(
        whole,
        populations=tuple(
            replace(p, traces={"trace": kernel} if p.traces else {}) for p in whole.populations
        ),
        projections=tuple(map(projected, whole.projections)),
    )


@pytest.mark.parametrize(
    ("tau", "tau_filter"), [(1.001 * DT, 3 * DT), (30 * DT, 1.001 * DT)], ids=["trace", "filter"]
)
def test_time_constants_may_be_hardly_longer_than_a_step(compiled, tau, tau_filter):
    """On C++, which sums powers, as on numpy, which takes all steps; spikes are the same."""
    short = replace(structure(), circuit=brief(tau, tau_filter))
    on_cpp, on_numpy = (run(compiled(short, device), numbers=short.circuit) for device in DEVICES)
    np.testing.assert_array_equal(on_cpp[1]["middle.spikes"], on_numpy[1]["middle.spikes"])
    for name in SHAPES:
        ours, theirs = on_cpp[0][f"{name}.w"], on_numpy[0][f"{name}.w"]
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=TOLERANCE, err_msg=name)
        assert np.abs(ours - weights(name)).max() > 1e-3


@pytest.mark.parametrize("device", DEVICES)
def test_chunks_change_nothing_to_the_bit(compiled, device):
    program = compiled(structure(refractory=0.3 * ms), device)
    whole, parts = run(program), run(program, cuts=(0, 1, 3, 4, 6))
    for ours, theirs in zip(whole, parts, strict=True):
        for key, value in ours.items():
            np.testing.assert_array_equal(value, theirs[key], err_msg=key)


def test_a_replicate_is_the_single_network_to_the_bit(compiled):
    state, rows = run(compiled(structure()))
    for r in range(R):
        alone, own = run(compiled(structure(which=r)), r)
        for key, value in alone.items():
            np.testing.assert_array_equal(value[0], state[key][r], err_msg=key)
        for key, value in own.items():
            np.testing.assert_array_equal(value[:, 0], rows[key][:, r], err_msg=key)


def test_refractory_neurons_rest(compiled):
    """Spikes keep their distance, and come as a step's chance and the steps of rest have it."""
    on_cpp = run(compiled(structure(refractory=0.3 * ms)))[1]["source.spikes"]
    on_numpy = run(compiled(structure(refractory=0.3 * ms), "numpy"))[1]["source.spikes"]
    np.testing.assert_array_equal(on_cpp, on_numpy)
    assert on_cpp.max() == 1
    starts = len(on_cpp) - 3
    together = sum(on_cpp[lag : lag + starts] for lag in range(4))
    assert together.max() == 1  # in any four steps, the spike's and three of rest
    rate = np.repeat(shown().inputs["source.rate"], STEPS, axis=0)
    chance = -np.expm1(-rate * DT)  # of a spike in a step; at least one of the Poisson number
    expected = np.sum(chance / (1 + 3 * chance))
    # A renewal process varies less than a Poisson process of the same mean: four deviations.
    assert abs(on_cpp.sum() - expected) < 4 * np.sqrt(expected)


def test_weights_that_are_no_numbers_reach_the_guard(compiled):
    whole = circuit()
    wild = tuple(
        replace(p, rule=replace(p.rule, learning_rate=1e300 * p.rule.learning_rate))
        for p in whole.projections
    )
    numbers, program = replace(whole, projections=wild), compiled(structure())
    values = parameter_values(program.structure, numbers, [3, 4, 5])
    chunk = program.run(initial_state(numbers), values, shown(), 0)
    assert chunk.presentations < len(STEPS)
    assert chunk.diverged[0] == ("middle", "v")
    assert chunk.diverged[1] is None  # it does not learn


def refused(message, **changes):
    whole = circuit()
    forward = whole.projection("forward")
    rule = replace(forward.rule, **changes.pop("rule", {}))
    with pytest.raises(CircuitError, match=message):
        replace(whole, projections=(replace(forward, rule=rule, **changes),))


def test_rules_of_spikes_need_their_trace():
    other = ExponentialKernel(tau=2 * TAU * second, rate=UNIT * Hz)
    refused("must be a trace of 'source' with the projection's kernel", kernel=other)
    refused("must be a trace", rule={"pre_factor": "rate*ms"})
    refused("no bounds", rule={"bounds": (-1, 1)})
    refused("tau = .* not longer than a time step", rule={"tau": DT * second})
    difference = SynapticKernel(tau_rise=1 * ms, tau_decay=2 * ms, memory=3 * ms)
    refused("unless their kernel is an ExponentialKernel", kernel=difference)


def test_kernels_are_checked():
    with pytest.raises(CircuitError, match="tau must be a time above zero"):
        ExponentialKernel(tau=1 * Hz, rate=1 * Hz)
    with pytest.raises(CircuitError, match="rate must be a frequency above zero"):
        ExponentialKernel(tau=1 * ms, rate=0 * Hz)
    with pytest.raises(CircuitError, match="refractory must be a time above zero"):
        Poisson(rate="rate", refractory=-1 * ms)
    brief = ExponentialKernel(tau=DT * second, rate=UNIT * Hz)
    refused("not longer than a time step", kernel=brief)
    many = ExponentialKernel(tau=TAU * second, rate=UNIT[:2] * Hz)
    refused("one value per replicate", kernel=many)
