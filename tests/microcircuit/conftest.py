"""A circuit that uses all that spikes bring: kernels, traces, averages, and rules on them."""

import functools
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import pytest
from brian2 import Hz, ms, second
from scipy.stats import poisson

from microcircuit.circuit import Circuit, LearningRule, Population, Projection
from microcircuit.noise import philox
from microcircuit.records import Mean, Spikes, Trace
from microcircuit.schedule import Presentations
from microcircuit.spikes import Average, Poisson, SynapticKernel
from microcircuit.state import initial_state, parameter_values
from microcircuit.structure import Structure

R, B = 3, 2
"""The most replicates and presentations at once; there are numbers for as many."""
DT = 1e-4
SIZES = {"source": 5, "middle": 3, "sink": 4}
STEPS = 25, 1, 40, 13, 4, 30, 40, 17
LEARNING = True, True, True, False, True, True, False, True
ALL = 0, len(STEPS)
LAST = 10
"""Steps of averages: more than some presentations have."""

KERNELS = {
    # The memory of one holds nearly all; of the other's, half is left when it ends.
    "long": SynapticKernel(tau_rise=0.5 * ms, tau_decay=1 * ms, memory=4 * ms),
    "short": SynapticKernel(tau_rise=1.1 * ms, tau_decay=0.8 * ms, memory=0.7 * ms),
}
SHAPES = {
    "forward": ("middle", "source"),
    "direct": ("middle", "source"),
    "loop": ("middle", "middle"),
    "aside": ("sink", "middle"),
    "out": ("sink", "middle"),
}
"""Of the weights: post and pre."""
FACTORS = {
    "forward": ("0.3 - v", "seen"),
    "out": ("goal - heard", "early*0.5"),
    "loop": ("v", "(own + 20*Hz)/top"),
}
"""Stored or computed, of variables of which each is renewed at another moment."""
RATES = {
    # The second replicate learns nothing.
    "forward": np.array([1.0, 0.0, 0.5]) * 1e-7,
    "out": np.array([2.0, 0.0, 1.0]) * 1e-4,
    "loop": np.array([1.0, 0.0, 2.0]) * 1e-4,
}
BOUNDS = {"out": (-3e-4, 4e-4)}

SOURCE = """
rate        : Hz
level       : Hz
psp         : Hz
seen        : Hz
seen_before : Hz
"""
MIDDLE = """
dv/dt = (x - v)/tau            : 1
rate  = top/(1 + exp(2 - 2*v)) : Hz (constant over dt)
x     : 1
own   : Hz
early : 1
lag   : second
"""
SINK = """
du/dt = (y - u)/tau : 1
y            : 1
goal         : 1
heard        : 1
heard_before : 1
"""
TRACED = {
    "source": ("psp", "seen", "seen_before"),
    "middle": ("v", "x", "own", "early"),
    "sink": ("u", "y", "heard", "heard_before"),
}
"""Recorded in every step, in single precision, and in the last of presentations, in double."""


def weights(name):
    """Of all replicates; in seconds where the signal is a frequency."""
    post, pre = SHAPES[name]
    random = np.random.default_rng(list(SHAPES).index(name))
    scale = 1.0 if name == "aside" else 3e-4
    return scale * random.uniform(-1, 1.5, (R, SIZES[post], SIZES[pre]))


def projection(name, which, signal, target, kernel=None):
    post, pre = SHAPES[name]
    rule = None
    if name in FACTORS:
        post_factor, pre_factor = FACTORS[name]
        rule = LearningRule(
            post_factor=post_factor,
            pre_factor=pre_factor,
            learning_rate=RATES[name][which] * (second / Hz if name == "forward" else second),
            bounds=BOUNDS.get(name),
            at_end=True,
        )
    return Projection(
        name=name,
        pre=pre,
        post=post,
        signal=signal,
        target=target,
        weights=weights(name)[which] * (1 if name == "aside" else second),
        kernel=kernel and KERNELS[kernel],
        rule=rule,
    )


def circuit(which=slice(None), batch=B):
    """All replicates, or one of them by itself."""
    stretch = LAST * DT * second
    source = Population(
        name="source",
        size=SIZES["source"],
        equations=SOURCE,
        spikes=Poisson(rate="rate"),
        traces={"psp": KERNELS["long"]},
        averages={"seen": Average(of="psp", last=stretch, before="seen_before")},
    )
    middle = Population(
        name="middle",
        size=SIZES["middle"],
        equations=MIDDLE,
        parameters={"tau": 1 * ms, "top": 3000 * Hz},
        spikes=Poisson(rate="rate"),
        traces={"own": KERNELS["short"]},
        averages={"early": Average(of="v*v + x", last=stretch, lag="lag")},
    )
    sink = Population(
        name="sink",
        size=SIZES["sink"],
        equations=SINK,
        parameters={"tau": 1 * ms},
        averages={"heard": Average(of="u", last=1000 * ms, before="heard_before")},
    )
    return Circuit(
        populations=(source, middle, sink),
        projections=(
            # Onto x the first sets, and two add; onto y what spikes evoke is added.
            projection("forward", which, "spikes", "x", "long"),
            projection("direct", which, "level", "x"),
            projection("loop", which, "spikes", "x", "short"),
            projection("aside", which, "v", "y"),
            projection("out", which, "spikes", "y", "long"),
        ),
        replicates=R if which == slice(None) else 1,
        batch=batch,
    )


def records():
    for population, names in TRACED.items():
        if population != "sink":
            yield Spikes(population=population)
        for name in names:
            where = {"population": population, "expression": name}
            yield Trace(name=name, interval=DT * second, **where)
            yield Mean(name=f"last_{name}", last=DT * second, **where)


@functools.cache
def structure(precision="double", *, together=True, batch=B):
    return Structure(
        circuit=circuit(slice(None) if together else 0, batch),
        inputs=("source.rate", "source.level", "middle.lag", "sink.goal"),
        records=tuple(records()),
        longest=max(STEPS),
        capacity=len(STEPS),
        precision=precision,
    )


def shown(which=slice(None), batch=B):
    """Presentations; in one of them some neurons, in another all are silent."""
    random = np.random.default_rng(7)

    def draw(low, high, population):
        return random.uniform(low, high, (len(STEPS), R, B, SIZES[population]))

    rate, level = draw(0, 4000, "source"), draw(0, 1000, "source")
    rate[3, ..., 1:3] = rate[4] = 0
    # Up to more steps than some presentations have: then there is nothing to average.
    lag = DT * np.floor(draw(0, 15, "middle"))
    goal = draw(-1, 1, "sink")
    inputs = {
        "source.rate": rate,
        "source.level": level,
        "middle.lag": lag,
        "sink.goal": goal,
    }
    which = which if isinstance(which, slice) else slice(which, which + 1)
    return Presentations(
        steps=np.array(STEPS),
        inputs={key: value[:, which, :batch] for key, value in inputs.items()},
        learning=np.array(LEARNING),
    )


@dataclass(frozen=True)
class Spiking:
    """The circuit's parts, and what its random numbers and kernels are in plain numpy."""

    seeds = 11, 12, 13
    sizes = SIZES
    shapes = SHAPES
    rates = RATES
    bounds = BOUNDS
    kernels = KERNELS
    last = LAST
    durations = STEPS
    traced = TRACED

    structure = staticmethod(structure)
    circuit = staticmethod(circuit)
    shown = staticmethod(shown)
    weights = staticmethod(weights)

    def run(
        self,
        program,
        which=slice(None),
        *,
        cuts=ALL,
        stretch=None,
        state=None,
        step=0,
    ):
        """Run all replicates or one, in chunks, from a state at a step.

        The state at the end, and all records as [row, R, B, N] by ``"population.record"``.
        """
        structure = program.structure
        numbers = circuit(which, structure.circuit.batch)
        values = parameter_values(structure, numbers, self.seeds[which])
        state, found = state or initial_state(numbers), []
        stretch = stretch or shown(which, numbers.batch)
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
        for record in structure.records:
            shape = numbers.replicates, numbers.batch, SIZES[record.population]
            table = [part[f"record_{record.population}_{record.name}"] for part in found]
            rows[f"{record.population}.{record.name}"] = np.concatenate(table).reshape(-1, *shape)
        return state, rows

    @staticmethod
    def spike_counts(keys, step, mean):
        """How often each neuron spikes, [R, B, N]: a quantile of the Poisson law.

        Quarters of the neurons of a replicate take the four words of the same counters.
        """
        count = mean[0].size
        index = np.arange(-(-count // 4), dtype=np.uint64)
        now = [np.full(index.shape, word, np.uint64) for word in (step % 2**32, step >> 32, 2**16)]
        numbers = []
        for key in map(int, keys):
            halves = np.uint64(key % 2**32), np.uint64(key >> 32)
            words = np.concatenate(philox((now[0], now[1], index, now[2]), halves))
            numbers.append((words[:count] + 0.5) / 2**32)
        return poisson.ppf(np.reshape(numbers, mean.shape), mean).astype(int)

    @staticmethod
    def convolved(kernel, past):
        """The sum over what arrived in past steps: that of the last one counts with kappa(dt)."""
        rise, decay = float(kernel.tau_rise), float(kernel.tau_decay)
        t = DT * np.arange(1, round(float(kernel.memory) / DT) + 1)
        kappa = (np.exp(-t / decay) - np.exp(-t / rise)) / (decay - rise)
        return sum(k * arrived for k, arrived in zip(kappa, reversed(past), strict=False))


@pytest.fixture(scope="session")
def spiking():
    """The circuit of this module: see `Spiking`."""
    return Spiking()
