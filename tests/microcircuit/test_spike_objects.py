"""What spikes evoke, traces, averages and rules on them, against a plain transcription into numpy.

It is written from the docstrings of `microcircuit.spikes`, `LearningRule`, `Projection` and
`microcircuit.network`: it draws its own spikes, and convolves all that has arrived. The circuit
(conftest.py) has replicates, a batch, several projections onto a compartment, and sizes that are
all different, so that no matrix could be taken for its transpose.
"""

import numpy as np
import pytest

from microcircuit import seeding

DT, TAU, TOP = 1e-4, 1e-3, 3000.0
R, B = 3, 2

# Recursions against sums over all of the past, of numbers that are forgotten: seen are 4e-15.
TOLERANCE = 1e-12
# In single precision, over 170 steps: seen are 1e-6, where a kernel is the difference of two
# exponentials that are nearly alike.
SINGLE_TOLERANCE = 2e-5
STORED = np.finfo(np.float32).eps
"""Traces are stored in single precision."""

EVOKED = {"psp": "long", "own": "short", "forward": "long", "loop": "short", "out": "long"}
"""Kernels of traces and projections."""


class Transcription:
    """The whole run: spikes and variables in every step, weights and potentials at its end."""

    def __init__(self, kit):
        self.kit = kit
        self.keys = {
            name: [seeding.key(seed, "spikes", name, 0) for seed in kit.seeds]
            for name in ("source", "middle")
        }
        self.w = {name: kit.weights(name) for name in kit.shapes}
        self.reached = set()
        zero = {name: np.zeros((R, B, size)) for name, size in kit.sizes.items()}
        targets = {"psp": "source", "own": "middle"} | {n: kit.shapes[n][0] for n in kit.shapes}
        self.arrived = {name: [zero[targets[name]]] for name in EVOKED}
        now = {f"{p}.{name}": zero[p] for p, names in kit.traced.items() for name in names}
        spikes, rows = {"source": [], "middle": []}, {key: [] for key in now}
        presentations, step = kit.shown(), 0
        for p, duration in enumerate(kit.durations):
            inputs = {key: value[p] for key, value in presentations.inputs.items()}
            now["source.seen_before"] = now["source.seen"]
            now["sink.heard_before"] = now["sink.heard"]
            so_far = []
            for since in range(duration):
                self.drive(now, inputs)
                so_far.append(dict(now))
                if since == duration - 1:
                    self.average(now, inputs, so_far)
                    if presentations.learning[p]:
                        self.learn(now, inputs)
                for key, values in rows.items():
                    values.append(now[key])
                for name, counts in self.spike(now, inputs, step).items():
                    spikes[name].append(counts)
                now["sink.u"] = now["sink.u"] + DT / TAU * (now["sink.y"] - now["sink.u"])
                now["middle.v"] = now["middle.v"] + DT / TAU * (now["middle.x"] - now["middle.v"])
                step += 1
        self.rows = {key: np.array(values) for key, values in rows.items()}
        self.spikes = {name: np.array(counts) for name, counts in spikes.items()}
        self.end = now

    def drive(self, now, inputs):
        evoked = {
            name: self.kit.convolved(self.kit.kernels[kernel], self.arrived[name])
            for name, kernel in EVOKED.items()
        }
        now["source.psp"], now["middle.own"] = evoked["psp"], evoked["own"]
        direct = self.carried("direct", inputs["source.level"])
        now["middle.x"] = evoked["forward"] + direct + evoked["loop"]
        now["sink.y"] = self.carried("aside", now["middle.v"]) + evoked["out"]

    def carried(self, name, signal):
        return np.einsum("rji,rbi->rbj", self.w[name], signal)

    def average(self, now, inputs, so_far):
        last = self.kit.last
        now["source.seen"] = np.mean([one["source.psp"] for one in so_far[-last:]], axis=0)
        now["sink.heard"] = np.mean([one["sink.u"] for one in so_far], axis=0)
        values = np.array([one["middle.v"] ** 2 + one["middle.x"] for one in so_far])
        stops = len(so_far) - np.rint(inputs["middle.lag"] / DT).astype(int)
        early = np.zeros(stops.shape)
        for neuron, stop in np.ndenumerate(stops):
            stretch = values[(slice(max(0, stop - last), max(0, stop)), *neuron)]
            early[neuron] = np.mean(stretch) if len(stretch) else 0
        now["middle.early"] = early

    def learn(self, now, inputs):
        factors = {
            "forward": (0.3 - now["middle.v"], now["source.seen"]),
            "out": (inputs["sink.goal"] - now["sink.heard"], now["middle.early"] * 0.5),
            "loop": (now["middle.v"], (now["middle.own"] + 20) / TOP),
        }
        for name, (post, pre) in factors.items():
            change = np.einsum("rbj,rbi->rji", post, pre) / B
            low, high = self.kit.bounds.get(name, (-np.inf, np.inf))
            w = np.clip(self.w[name] + self.kit.rates[name][:, None, None] * change, low, high)
            w[1] = self.w[name][1]  # at a rate of zero not even bounds are looked at
            self.w[name] = w
            self.reached |= {(name, edge) for edge in (low, high) if (w == edge).any()}

    def spike(self, now, inputs, step):
        # A rate that is constant over dt is of the start of the step.
        rates = {
            "source": inputs["source.rate"],
            "middle": TOP / (1 + np.exp(2 - 2 * now["middle.v"])),
        }
        counts = {
            name: self.kit.spike_counts(self.keys[name], step, rates[name] * DT) for name in rates
        }
        self.arrived["psp"].append(counts["source"])
        self.arrived["own"].append(counts["middle"])
        for name, source in (("forward", "source"), ("loop", "middle"), ("out", "middle")):
            self.arrived[name].append(self.carried(name, counts[source]))
        return counts


@pytest.fixture(scope="session")
def expected(spiking):
    return Transcription(spiking)


RUNS = {"cpp": "double", "numpy": "double", "cpp single": "single", "numpy single": "single"}


@pytest.fixture(scope="session", params=RUNS)
def ours(request, compiled, spiking):
    """State and records of a run, and how much they may be off."""
    precision = RUNS[request.param]
    program = compiled(spiking.structure(precision), request.param.split()[0])
    tolerance = TOLERANCE if precision == "double" else SINGLE_TOLERANCE
    return *spiking.run(program), tolerance


def assert_close(ours, expected, spiking, difference, key):
    """In every step, and in double precision in the last of each presentation."""
    _, records, tolerance = ours
    rows = expected.rows[key]
    assert difference(rows, records[key]) < max(tolerance, STORED)
    ends = np.cumsum(spiking.durations) - 1
    assert difference(rows[ends], records[key.replace(".", ".last_")]) < tolerance


@pytest.mark.parametrize("population", ["source", "middle"])
def test_spikes(ours, expected, population):
    """Exactly the same, though the rates of one population depend on all that went before."""
    counts = expected.spikes[population]
    np.testing.assert_array_equal(ours[1][f"{population}.spikes"], counts)
    assert np.max(counts) > 2
    assert 0.1 < np.mean(counts) < 0.3


@pytest.mark.parametrize("key", ["source.psp", "middle.own"])
def test_traces(ours, expected, spiking, largest_difference, key):
    assert_close(ours, expected, spiking, largest_difference, key)


@pytest.mark.parametrize("key", ["middle.x", "sink.y", "middle.v", "sink.u"])
def test_compartments(ours, expected, spiking, largest_difference, key):
    """Driven by spikes through two kernels and by variables, of which the first sets."""
    assert_close(ours, expected, spiking, largest_difference, key)


@pytest.mark.parametrize(
    "key", ["source.seen", "source.seen_before", "middle.early", "sink.heard", "sink.heard_before"]
)
def test_averages(ours, expected, spiking, largest_difference, key):
    """Over a stretch, all, and a stretch before the end; renewed then, and kept until the next."""
    assert_close(ours, expected, spiking, largest_difference, key)


def test_weights(ours, expected, spiking, largest_difference):
    """Turned back to [R, post, pre], after steps in which old weights had sent spikes already."""
    state, _, tolerance = ours
    for name, (post, pre) in spiking.shapes.items():
        assert state[f"{name}.w"].shape == (R, spiking.sizes[post], spiking.sizes[pre])
        assert largest_difference(expected.w[name], state[f"{name}.w"]) < tolerance, name


def test_potentials_at_the_end(ours, expected, largest_difference):
    state, _, tolerance = ours
    for key in ("middle.v", "sink.u"):
        assert largest_difference(expected.end[key], state[key]) < tolerance, key


def test_all_that_is_compared_has_happened(expected, spiking):
    """Weights move and reach each bound; nothing runs away, which would drown what is small."""
    assert expected.reached == {("out", edge) for edge in spiking.bounds["out"]}
    for name in spiking.rates:
        start = spiking.weights(name)
        moved = np.max(np.abs(expected.w[name] - start), axis=(1, 2)) / np.max(np.abs(start))
        assert moved[1] == 0, name
        assert np.all(moved[[0, 2]] > 0.05), name
    for key in ("middle.v", "sink.u"):
        assert 0.5 < np.max(np.abs(expected.rows[key])) < 10, key
    # Where the lag is as long as a presentation nothing is averaged, and elsewhere something is.
    zeros = expected.rows["middle.early"][np.cumsum(spiking.durations) - 1] == 0
    assert 0.05 < np.mean(zeros) < 0.5
