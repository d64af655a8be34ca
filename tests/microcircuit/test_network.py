"""Windows, bounds, shared compartments, recurrence, batch and replicates, all in one circuit.

Every device against a plain transcription into numpy, written from the docstrings of
`LearningRule`, `Projection` and `microcircuit.network`.
"""

import numpy as np
import pytest
from brian2 import ms

from microcircuit.circuit import Circuit, LearningRule, Population, Projection
from microcircuit.records import Mean, Trace
from microcircuit.schedule import Presentations
from microcircuit.state import initial_state, parameter_values
from microcircuit.structure import Structure

R, B, A, C = 2, 3, 4, 3
DT = 1e-4
DURATIONS = np.array([40, 25, 60, 31, 50])
LEARNING = np.array([True, True, False, True, True])
TAU = np.array([5e-3, 3e-3])
"""Of each replicate, in seconds."""
RATES = {"filtered": np.array([60.0, 90.0]), "windowed": np.array([30.0, 0.0]), "back": 40.0}
TAU_FILTER = 2e-3
WINDOWS = {"filtered": (10, 30), "windowed": (5, 45)}
"""In steps."""
BOUNDS = {"filtered": (-0.2, 0.3), "back": (-0.25, 0.4)}

# Sums of a dozen terms in another order, over 206 steps that do not amplify it.
TOLERANCE = 1e-12

RNG = np.random.default_rng(2)
WEIGHTS = {
    "filtered": RNG.uniform(-0.25, 0.25, (R, C, A)),
    "windowed": RNG.uniform(-1, 1, (R, C, A)),
    "recurrent": RNG.uniform(-1, 1, (C, C)),
    "back": RNG.uniform(-0.45, 0.45, (R, A, C)),
}
STIMULI = RNG.uniform(-2, 2, (len(DURATIONS), R, B, A))
GAINS = RNG.uniform(0.5, 2, (len(DURATIONS), R))
START = RNG.uniform(-1, 1, (R, B, C))

EQUATIONS = """
dv/dt = (gain*drive + stimulus - v)/tau : 1
rate  = 1/(1 + exp(-v))                 : 1 (constant over dt)
drive    : 1
stimulus : 1
"""


def population(name, size, **changes):
    return Population(
        name=name,
        size=size,
        equations=EQUATIONS,
        parameters={"tau": TAU * 1e3 * ms, "gain": 1},
        **changes,
    )


def projection(name, pre, post, rule=None):
    return Projection(
        name=name,
        pre=pre,
        post=post,
        signal="rate",
        target="drive",
        weights=WEIGHTS[name],
        rule=rule,
    )


def rule(name, post_factor, **changes):
    window = WINDOWS.get(name)
    return LearningRule(
        post_factor=post_factor,
        pre_factor="rate",
        learning_rate=RATES[name] * 1e-3 / ms,
        window=window and (window[0] * 0.1 * ms, window[1] * 0.1 * ms),
        bounds=BOUNDS.get(name),
        **changes,
    )


CIRCUIT = Circuit(
    populations=(population("a", A), population("c", C, initial={"v": START})),
    projections=(
        projection("windowed", "a", "c", rule("windowed", "v - drive")),
        projection("filtered", "a", "c", rule("filtered", "v", tau=TAU_FILTER * 1e3 * ms)),
        projection("recurrent", "c", "c"),
        projection("back", "c", "a", rule("back", "0.3 - v")),
    ),
    replicates=R,
    batch=B,
)
RECORDS = (
    Trace(name="drive", population="c", expression="drive", interval=0.7 * ms),
    Mean(name="mean_drive", population="c", expression="drive", last=3 * ms),
    Mean(name="square", population="c", expression="v**2", across_neurons=True),
)


@pytest.fixture(scope="session")
def structure():
    return Structure(
        circuit=CIRCUIT,
        inputs=("a.stimulus", "c.gain"),
        records=RECORDS,
        longest=60,
        capacity=8,
    )


def transcription():
    """Run it all in numpy.

    State at the end, drive and potential of c at every step, and the bounds that weights reached.
    """
    w = {n: np.broadcast_to(x, (R, *x.shape[-2:])).copy() for n, x in WEIGHTS.items()}
    filtered = np.zeros((R, C, A))
    v_a, v_c = np.zeros((R, B, A)), START.copy()
    tau = TAU[:, None, None]
    drives, potentials, reached = [], [], set()

    def product(post, pre):
        return np.einsum("rbj,rbi->rji", post, pre) / B

    def drive(name, rate):
        return np.einsum("rji,rbi->rbj", w[name], rate)

    def inside(name, since):
        return WINDOWS[name][0] <= since < WINDOWS[name][1]

    for p, duration in enumerate(DURATIONS):
        for since in range(duration):
            rate_a, rate_c = 1 / (1 + np.exp(-v_a)), 1 / (1 + np.exp(-v_c))
            drive_c = drive("windowed", rate_a) + drive("filtered", rate_a)
            drive_c = drive_c + drive("recurrent", rate_c)
            drive_a = drive("back", rate_c)
            drives.append(drive_c)
            potentials.append(v_c)
            if LEARNING[p]:
                if inside("windowed", since):
                    change = product(v_c - drive_c, rate_a)
                    w["windowed"] += DT * RATES["windowed"][:, None, None] * change
                w["filtered"] += DT * RATES["filtered"][:, None, None] * filtered
                change = product(v_c, rate_a) if inside("filtered", since) else 0
                filtered = filtered + DT / TAU_FILTER * (change - filtered)
                w["back"] += DT * RATES["back"] * product(0.3 - v_a, rate_c)
                for name, (low, high) in BOUNDS.items():
                    w[name] = np.clip(w[name], low, high)
                    reached |= {(name, end) for end in (low, high) if (w[name] == end).any()}
            gain = GAINS[p][:, None, None]
            v_a = v_a + DT / tau * (drive_a + STIMULI[p] - v_a)
            v_c = v_c + DT / tau * (gain * drive_c - v_c)
    state = {"a.v": v_a, "c.v": v_c, "filtered.filtered": filtered}
    state |= {f"{name}.w": value for name, value in w.items()}
    return state, np.array(drives), np.array(potentials), reached


@pytest.fixture(scope="session", params=["cpp", "numpy"])
def chunk(request, compiled, structure):
    presentations = Presentations(
        steps=DURATIONS,
        inputs={"a.stimulus": STIMULI, "c.gain": GAINS},
        learning=LEARNING,
    )
    parameters = parameter_values(structure, CIRCUIT, range(CIRCUIT.replicates))
    program = compiled(structure, request.param)
    return program.run(initial_state(CIRCUIT), parameters, presentations, 0)


@pytest.fixture(scope="session")
def expected():
    return transcription()


def test_state(chunk, expected, largest_difference):
    state = expected[0]
    assert chunk.state.keys() == state.keys()
    for key, value in state.items():
        assert largest_difference(value, chunk.state[key]) < TOLERANCE, key


def test_all_that_is_compared_has_happened(expected):
    """Weights reach each bound, and a learning rate of zero holds one replicate."""
    state, *_, reached = expected
    assert reached == {(name, end) for name, ends in BOUNDS.items() for end in ends}
    moved = np.abs(state["windowed.w"] - WEIGHTS["windowed"])
    assert moved[0].max() > 0.03
    assert moved[1].max() == 0


def test_trace(chunk, expected):
    rows = chunk.records["record_c_drive"].reshape(-1, R, B, C)
    # Stored in single precision.
    np.testing.assert_allclose(rows, expected[1][::7], rtol=1e-6)


def test_means(chunk, expected, largest_difference):
    _, drives, potentials, _ = expected
    spans = [slice(end - n, end) for n, end in zip(DURATIONS, np.cumsum(DURATIONS), strict=True)]
    # The last 3 ms, or all of the one presentation that is shorter.
    means = [drives[span][-30:].mean(axis=0) for span in spans]
    rows = chunk.records["record_c_mean_drive"].reshape(-1, R, B, C)
    assert largest_difference(means, rows) < TOLERANCE
    squares = [(potentials[span] ** 2).mean(axis=(0, -1)) for span in spans]
    rows = chunk.records["record_c_square"].reshape(-1, R, B)
    assert largest_difference(squares, rows) < TOLERANCE
