"""The network against a transcription of the paper's equations into plain numpy.

`Transcription` is written from the equations alone and shares no line with the model or the engine
but the parameters: times in ms, one array a variable, explicit Euler with everything on the
right-hand sides at the start of the step, means over what was seen in the last steps of a phase.
It has rates in place of spikes; `Spiking` is given the spikes that the engine has drawn.
"""

from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from brian2 import Quantity, ms

from microcircuit.models.guerguiev2017 import Guerguiev2017, build_circuit
from microcircuit.records import Spikes
from microcircuit.schedule import Presentations
from microcircuit.state import initial_state, parameter_values
from microcircuit.structure import Structure

TOLERANCE = 1e-9
"""Relative to the largest change of a projection's weights."""
MOVED = 1e-4
"""In ms; what the largest change must exceed, or rounding would be compared with rounding."""
INPUTS = 12
DURATIONS = 26, 29, 27, 31
"""Of the phases of two images, in steps; short, so that averages see potentials that settle."""


def logistic(x):
    return 1 / (1 + np.exp(-x))


class Transcription:
    """Layers 1..M; W[k], b[k] onto layer k from below, Y[k] onto it from above."""

    def __init__(self, parameters, W, b, Y):  # noqa: N803 - as in the paper
        for name in ("g_leak", "g_basal", "g_apical", "g_dendrite", "rate_max"):
            setattr(self, name, float(getattr(parameters, name) * ms))
        self.parameters, self.M = parameters, len(W)
        self.W, self.b, self.Y = dict(W), dict(b), dict(Y)
        self.hidden = range(1, self.M)
        self.C = {k: np.zeros(len(bias)) for k, bias in b.items()}
        layered = parameters.feedback_path == "layers"
        self.above = {k: k + 1 if layered else self.M for k in self.hidden}

    def phase(self, pixels, target, duration, lag):
        """Run a phase, with a target or None; return means of what is seen at its end."""
        seen = {"C": [], "A": [], "rate": [], "psp": []}
        for _ in range(duration):
            rate = {0: self.rate_max * pixels}
            rate |= {k: self.rate_max * logistic(C) for k, C in self.C.items()}
            psp, B, A = self.synapses(rate)  # noqa: N806
            for name, value in (("C", dict(self.C)), ("A", A), ("rate", rate), ("psp", psp)):
                seen[name].append(value)
            self.C = {k: C + self.change(k, C, B[k], A.get(k), target) for k, C in self.C.items()}

        def mean(name, k, before_end=0):
            values = np.array([value[k] for value in seen[name]])
            return values[duration - before_end - 20 : duration - before_end].mean(axis=0)

        return {
            "C": {k: mean("C", k) for k in self.C},
            "A": {
                k: np.array([mean("A", k, late)[i] for i, late in enumerate(lag[k])])
                for k in self.hidden
            },
            "rate": {self.M: mean("rate", self.M)},
            "psp": {k: mean("psp", k) for k in range(self.M + 1)},
        }

    def synapses(self, rate):
        """Return what synapses see of each layer, and the potentials of B and A."""
        B = {k: self.W[k] @ rate[k - 1] + self.b[k] for k in self.C}  # noqa: N806
        A = {k: self.Y[k] @ rate[self.above[k]] for k in self.hidden}  # noqa: N806
        return rate, B, A

    def change(self, k, C, B, A, target):  # noqa: N803
        if k < self.M:
            return -self.g_leak * C + self.g_basal * (B - C) + self.g_apical * (A - C)
        dC = -self.g_leak * C + self.g_dendrite * (B - C)  # noqa: N806
        if target is not None:
            dC = dC + target * (8 - C) + (1 - target) * (-8 - C)  # noqa: N806
        return dC

    def learn(self, f, t):
        """Change the weights, from the means of a forward and a target phase."""
        phi = self.rate_max
        s = {k: logistic(f["C"][k]) for k in self.C}
        slope = {k: s[k] * (1 - s[k]) for k in self.C}
        k_b = self.g_basal / (self.g_leak + self.g_basal + self.g_apical)
        k_d = self.g_dendrite / (self.g_leak + self.g_dendrite)
        M, eta = self.M, [float(rate / ms**2) for rate in self.parameters.eta]  # noqa: N806
        eta = dict(enumerate(eta * M if len(eta) == 1 else eta, start=1))
        step = {M: eta[M] * 20 / phi**2 * (t["rate"][M] - phi * s[M]) * k_d * phi * slope[M]}
        for k in self.hidden:
            alpha_f, alpha_t = logistic(f["A"][k]), logistic(t["A"][k])
            step[k] = eta[k] * 20 / phi * (alpha_t - alpha_f) * k_b * phi * slope[k]
            if self.parameters.feedback == "random":
                inverse = (phi * s[k] - alpha_f) * alpha_f * (1 - alpha_f)
                rate = float(self.parameters.eta_feedback / ms**2)
                self.Y[k] = self.Y[k] + rate * np.outer(inverse, f["psp"][self.above[k]])
        for k, change in step.items():
            product = np.outer(change, f["psp"][k - 1])
            self.W[k] = self.W[k] + product
            self.b[k] = self.b[k] + change
            if self.parameters.feedback == "symmetric" and k > 1:
                self.Y[k - 1] = self.Y[k - 1] + product.T


class Spiking(Transcription):
    """Spikes [step, neuron] of each layer are given; each keeps the weights that it arrived with.

    It arrives at the end of the step in which it is emitted, when weights have changed.
    """

    def __init__(self, parameters, W, b, Y, spikes):  # noqa: N803
        super().__init__(parameters, W, b, Y)
        self.spikes, self.now = spikes, 0
        self.past = []

    def synapses(self, rate):
        if self.now > 0:
            s = {k: spikes[self.now - 1] for k, spikes in self.spikes.items()}
            arrived = {("psp", k): spikes for k, spikes in s.items()}
            arrived |= {("B", k): self.W[k] @ s[k - 1] for k in self.C}
            arrived |= {("A", k): self.Y[k] @ s[self.above[k]] for k in self.hidden}
            self.past = [arrived, *self.past][:10]
        self.now += 1

        def seen(name, k, zero):
            ages = np.arange(1, len(self.past) + 1)
            kappa = (np.exp(-ages / 10) - np.exp(-ages / 3)) / (10 - 3)
            return sum((w * was[name, k] for w, was in zip(kappa, self.past, strict=True)), zero)

        psp = {k: seen("psp", k, np.zeros_like(r)) for k, r in rate.items()}
        B = {k: seen("B", k, 0 * C) + self.b[k] for k, C in self.C.items()}  # noqa: N806
        A = {k: seen("A", k, 0 * self.C[k]) for k in self.hidden}  # noqa: N806
        return psp, B, A


@dataclass(frozen=True)
class Case:
    hidden: tuple[int, ...]
    changes: dict = field(default_factory=dict)

    @property
    def model(self):
        return Guerguiev2017(hidden=self.hidden, signal="rates", **self.changes)


CASES = {
    "no hidden layer": Case(()),
    "one hidden layer": Case((8,)),
    "two hidden layers": Case((8, 6)),
    "feedback learnt layer by layer, apical conductance, jitter, a rate a layer": Case(
        (8, 6),
        {
            "feedback_path": "layers",
            "eta_feedback": 0.5 * ms**2,
            "g_apical": 0.05 / ms,
            "plateau_jitter": 3 * ms,
            "eta": (0.3 * ms**2, 0.21 * ms**2, 0.1 * ms**2),
        },
    ),
    "broadcast feedback learnt, two neurons for a class": Case(
        (8, 6), {"eta_feedback": 0.5 * ms**2, "neurons_per_class": 2}
    ),
    "symmetric feedback, apical conductance": Case(
        (8, 6), {"feedback_path": "layers", "feedback": "symmetric", "g_apical": 0.05 / ms}
    ),
}
RUNS = [("cpp", case) for case in list(CASES)[1:4:2]] + [("numpy", case) for case in CASES]
"""The compiled ones have every feature between them, and each costs a compilation."""


def weights_of(model):
    """Weights in ms that make potentials of the order of 1, by the transcription's keys."""
    rng, sizes = np.random.default_rng(3), (INPUTS, *model.hidden, 4 * model.neurons_per_class)
    top = len(sizes) - 1
    W = {k: rng.uniform(-3, 3, (sizes[k], sizes[k - 1])) for k in range(1, top + 1)}  # noqa: N806
    b = {k: rng.uniform(-1, 1, sizes[k]) for k in W}
    above = {k: k + 1 if model.feedback_path == "layers" else top for k in range(1, top)}
    Y = {k: rng.uniform(-3, 3, (sizes[k], sizes[j])) for k, j in above.items()}  # noqa: N806
    if model.feedback == "symmetric":
        Y = {k: W[k + 1].T for k in Y}  # noqa: N806
    return W, b, Y


def named(W, b, Y):  # noqa: N803
    return (
        {f"bottom_up_{k}": w for k, w in W.items()}
        | {f"bias_{k}": w[:, None] for k, w in b.items()}
        | {f"top_down_{k}": w for k, w in Y.items()}
    )


def shown_to(model):
    """Two images, each with a forward and a target phase."""
    rng = np.random.default_rng(5)
    taught = np.array([False, True, False, True])
    target = np.repeat(np.eye(4)[[2, 2, 0, 0]], model.neurons_per_class, axis=1)
    lags = {
        f"hidden_{k}.plateau_lag": rng.integers(0, 6, (4, size)) / 1000
        for k, size in enumerate(model.hidden, start=1)
    }
    return Presentations(
        steps=np.array(DURATIONS),
        inputs={
            "input.pattern": np.repeat(rng.uniform(0, 1, (2, INPUTS)), 2, axis=0),
            # In SI units.
            "output.g_excitatory": 1000 * taught[:, None] * target,
            "output.g_inhibitory": 1000 * taught[:, None] * (1 - target),
            **(lags if model.plateau_jitter > 0 * ms else {}),
        },
        learning=taught,
    )


def transcribed(model, paper, shown):
    """Weights after what is shown, by the engine's names."""
    means = []
    for p, duration in enumerate(DURATIONS):
        target = shown.inputs["output.g_excitatory"][p] / 1000 if shown.learning[p] else None
        lag = {
            k: np.rint(1000 * shown.inputs[f"hidden_{k}.plateau_lag"][p]).astype(int)
            if model.plateau_jitter > 0 * ms
            else np.zeros(size, dtype=int)
            for k, size in enumerate(model.hidden, start=1)
        }
        means.append(paper.phase(shown.inputs["input.pattern"][p], target, duration, lag))
        if shown.learning[p]:
            paper.learn(*means[-2:])
    return named(paper.W, paper.b, paper.Y)


def simulated(model, shown, program, records=()):
    """The chunk that the engine makes of it."""
    weights = named(*weights_of(model))
    circuit = build_circuit(model, {name: Quantity(w) * ms for name, w in weights.items()})
    structure = Structure(
        circuit=circuit,
        inputs=tuple(shown.inputs),
        records=records,
        longest=max(DURATIONS),
        capacity=len(DURATIONS),
    )
    parameters = parameter_values(structure, circuit, 0)
    return program(structure).run(initial_state(circuit), parameters, shown, 0)


def check(model, expected, found, difference):
    """Weights have changed as they should, and those of fixed feedback have not."""
    start = named(*weights_of(model))
    fixed = model.feedback == "random" and not model.eta_feedback > 0 * ms**2
    for name, weights in expected.items():
        change = weights - start[name]
        if name.startswith("top_down") and fixed:
            assert not np.any(change)
            assert np.array_equal(found[f"{name}.w"][0], start[name] * float(ms))
            continue
        assert np.max(np.abs(change)) > MOVED, name
        changed = found[f"{name}.w"][0] / float(ms) - start[name]
        assert difference(change, changed) < TOLERANCE, name


@pytest.mark.parametrize(("device", "case"), RUNS)
def test_network_does_what_the_paper_says(compiled, largest_difference, device, case):
    model = CASES[case].model
    shown = shown_to(model)
    chunk = simulated(model, shown, lambda structure: compiled(structure, device))
    expected = transcribed(model, Transcription(model, *weights_of(model)), shown)
    check(model, expected, chunk.state, largest_difference)


@pytest.mark.parametrize("case", CASES)
def test_network_that_spikes_does_too(compiled, largest_difference, case):
    model = replace(CASES[case].model, signal="spikes")
    shown = shown_to(model)
    records = tuple(Spikes(population=layer) for layer in model.layers)
    chunk = simulated(model, shown, lambda structure: compiled(structure, "numpy"), records)
    spikes = {
        k: chunk.records[f"record_{layer}_spikes"].astype(float)
        for k, layer in enumerate(model.layers)
    }
    assert all(trains.any() for trains in spikes.values())
    expected = transcribed(model, Spiking(model, *weights_of(model), spikes), shown)
    check(model, expected, chunk.state, largest_difference)
