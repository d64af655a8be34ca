"""The kernels in C++ against the plain numpy form, with every option on one circuit.

In C++ weight changes wait, are summed and looked ahead for (dense_matrix.hpp); numpy applies each
at once. Signals that stay the same and signals that move take different ways through that code, as
do rules with and without filter, window, bounds and a presynaptic factor of their own.

Without a presenter, as in scripts: test_dense_alone.py.
"""

import shlex
import subprocess
from dataclasses import replace
from importlib.resources import files
from itertools import pairwise

import numpy as np
import pytest
from brian2 import Quantity, ms
from jinja2 import Environment, FileSystemLoader

from microcircuit.circuit import Circuit, LearningRule, Population, Projection
from microcircuit.devices import COMPILER_FLAGS, compiler
from microcircuit.schedule import Presentations
from microcircuit.state import initial_state, parameter_values
from microcircuit.structure import Structure

SMALL = 21, 13
"""PRE, POST: rows that no register divides, and a number of rows that no block of rows does.

Blocks of five rows, or three, are taken more than once, and leave a remainder.
"""
LARGE = 107, 61
"""Several panels and tiles of a batch's products, and remainders of all kinds."""
STEPS = 40, 1, 2, 57, 3, 40
LEARNING = True, True, True, False, True, True
PRESENTATIONS = len(STEPS)

# Sums of some twenty numbers of order one in another order, over 140 steps that forget: seen are
# 2e-15 and 9e-7.
TOLERANCE = {"double": 1e-12, "single": 2e-5}


def rule(number, replicates, pre_factor, **options):
    rates = np.linspace(0.5, 1.5, replicates) + 0.1 * number
    rates[replicates // 2 :: 3] *= replicates == 1  # with replicates, one of them does not learn
    at_end = options.get("at_end", False)
    return LearningRule(
        post_factor="error",
        pre_factor=pre_factor,
        learning_rate=0.1 * rates if at_end else 20 * Quantity(rates, dim=(1 / ms).dim),
        **options,
    )


WINDOW = 0.5 * ms, 3 * ms
NEVER = 6 * ms, 7 * ms
"""Opens later than the longest presentation ends."""
OPTIONS = (
    None,
    {},
    {"tau": 2 * ms},
    {"window": WINDOW},
    {"tau": 2 * ms, "window": WINDOW},
    {"bounds": (-0.3, 0.4)},
    {"tau": 2 * ms, "bounds": (-0.3, 0.4)},
    {"window": WINDOW, "bounds": (-0.3, 0.4)},
    {"window": NEVER, "bounds": (-0.1, 0.2)},  # within which not all weights are
    {"at_end": True},
    {"at_end": True, "bounds": (-0.2, 0.2)},
)
SHARING = 3
"""Projections that drive one compartment: the last ones."""


def cases():
    """All rules on a signal that stays and on one that moves, and factors other than the signal."""
    for signal in ("held", "moving"):
        for options in OPTIONS:
            yield signal, signal, options
    yield "held", "moving", {"tau": 2 * ms}
    yield "held", "moving", {"at_end": True}
    yield "moving", "held", {}
    yield "moving", "moving", {"tau": 2 * ms}


CASES = tuple(cases())
FEW_CASES = (
    ("held", "held", {"tau": 2 * ms}),
    ("held", "held", {}),
    ("moving", "moving", {"tau": 2 * ms}),
    ("moving", "held", {"bounds": (-0.3, 0.4)}),
    ("moving", "moving", {"tau": 2 * ms, "bounds": (-0.3, 0.4)}),
)


def circuit(replicates=1, batch=1, size=SMALL, found=CASES):
    pre, post = size
    compartments = [f"v_{number}" for number in range(len(found) - SHARING + 1)]
    source = Population(
        name="source",
        size=pre,
        equations="dmoving/dt = (held - moving)/tau : 1\nheld : 1",
        parameters={"tau": 1 * ms},
    )
    total = " + ".join(compartments)
    sink = Population(
        name="sink",
        size=post,
        equations="\n".join(
            [
                f"du/dt = (tanh(({total})/{len(compartments)}) - u)/tau : 1",
                "error = goal - u : 1",
                "goal : 1",
                *(f"{name} : 1" for name in compartments),
            ]
        ),
        parameters={"tau": 0.5 * ms},
    )
    rng = np.random.default_rng(3)
    projections = tuple(
        Projection(
            name=f"projection_{number}",
            pre="source",
            post="sink",
            signal=signal,
            target=compartments[min(number, len(compartments) - 1)],
            weights=rng.uniform(-0.3, 0.3, (replicates, post, pre)),
            rule=None if options is None else rule(number, replicates, factor, **options),
        )
        for number, (signal, factor, options) in enumerate(found)
    )
    return Circuit(
        populations=(source, sink), projections=projections, replicates=replicates, batch=batch
    )


def structure(circuit, precision="double"):
    return Structure(
        circuit=circuit,
        inputs=("source.held", "sink.goal"),
        records=(),
        longest=max(STEPS),
        capacity=len(STEPS),
        precision=precision,
    )


def shown(circuit):
    rng = np.random.default_rng(7)
    shape = len(STEPS), circuit.replicates, circuit.batch
    pre, post = (population.size for population in circuit.populations)
    held = rng.uniform(-1, 1, (*shape, pre))
    held[2] = held[1]  # a signal that stays from one presentation to the next
    return Presentations(
        steps=np.array(STEPS),
        inputs={"source.held": held, "sink.goal": rng.uniform(-1, 1, (*shape, post))},
        learning=np.array(LEARNING),
    )


def stretch(presentations, start, stop):
    return Presentations(
        steps=presentations.steps[start:stop],
        inputs={key: value[start:stop] for key, value in presentations.inputs.items()},
        learning=presentations.learning[start:stop],
    )


def run(program, circuit, cuts=(0, PRESENTATIONS), rates=(1,) * PRESENTATIONS):
    """Return the state at the end of a run in chunks, each with learning rates times something."""
    state, step, presentations = initial_state(circuit), 0, shown(circuit)
    parameters = parameter_values(program.structure, circuit, range(circuit.replicates))
    for (start, stop), rate in zip(pairwise(cuts), rates, strict=False):
        values = {k: v * rate if k.endswith(".learning_rate") else v for k, v in parameters.items()}
        state = program.run(state, values, stretch(presentations, start, stop), step).state
        step += sum(STEPS[start:stop])
    return state


def learns(projection):
    """Whether its rule is ever on."""
    return projection.rule is not None and projection.rule.window is not NEVER


def assert_agrees(plain, ours, difference, tolerance=TOLERANCE["double"]):
    for key, expected in plain.items():
        assert difference(expected, ours[key]) < tolerance, key


@pytest.mark.parametrize(
    ("replicates", "batch", "precision", "found"),
    [
        (1, 1, "double", CASES),
        (1, 1, "single", FEW_CASES),
        (3, 4, "double", CASES),
        (3, 4, "single", FEW_CASES),
    ],
)
def test_against_numpy(compiled, largest_difference, replicates, batch, precision, found):
    """Precision is the compiler's business but for the number of lanes: some of the rules tell."""
    shape = circuit(replicates, batch, SMALL, found)
    ours = run(compiled(structure(shape, precision)), shape)
    plain = run(compiled(structure(shape), "numpy"), shape)
    start = initial_state(shape)
    assert_agrees(plain, ours, largest_difference, TOLERANCE[precision])
    for key, expected in plain.items():
        if key.endswith(".filtered"):
            assert np.max(np.abs(expected)) > 0.01, key
    for projection in shape.projections:
        moved = np.max(np.abs(plain[f"{projection.name}.w"] - start[f"{projection.name}.w"]))
        assert moved > 0.01 if learns(projection) else moved == 0, projection.name


def test_learning_rates_may_change_between_runs(compiled, largest_difference):
    """To another value, and to zero: then weights stay as they are."""
    shape, rates = circuit(), (1, 0.3, 0)
    program = compiled(structure(shape))
    ours = run(program, shape, (0, 2, 5, 6), rates)
    plain = run(compiled(structure(shape), "numpy"), shape, (0, 2, 5, 6), rates)
    assert_agrees(plain, ours, largest_difference)
    before = run(program, shape, (0, 2, 5), rates)
    for projection in shape.projections:
        key = f"{projection.name}.w"
        np.testing.assert_array_equal(ours[key], before[key], err_msg=key)


@pytest.mark.parametrize(
    ("size", "batch", "precision"),
    [(LARGE, 23, "double"), (LARGE, 23, "single"), (LARGE, 5, "double"), ((2, 1), 2, "double")],
)
def test_tiles_of_all_sizes(compiled, largest_difference, size, batch, precision):
    shape = circuit(2, batch, size, FEW_CASES)
    ours = run(compiled(structure(shape, precision)), shape)
    plain = run(compiled(structure(shape), "numpy"), shape)
    assert_agrees(plain, ours, largest_difference, TOLERANCE[precision])


@pytest.mark.parametrize("batch", [1, 4])
def test_with_clang(compiled, clang, largest_difference, monkeypatch, batch):
    """Which takes it for granted, as GCC does not, that what is said to be aligned is."""
    monkeypatch.setenv("CXX", clang)
    shape = circuit(3, batch, SMALL, FEW_CASES)
    ours = run(compiled(structure(shape)), shape)
    plain = run(compiled(structure(shape), "numpy"), shape)
    assert_agrees(plain, ours, largest_difference)


@pytest.mark.parametrize(("replicates", "batch"), [(1, 1), (3, 4)])
@pytest.mark.parametrize("cuts", [(0, 1, 2, 3, 4, 5, 6), (0, 2, 5, 6)], ids=str)
def test_chunks_change_nothing_to_the_bit(compiled, replicates, batch, cuts):
    shape = circuit(replicates, batch)
    program = compiled(structure(shape))
    whole, pieces = run(program, shape), run(program, shape, cuts)
    for key, value in whole.items():
        np.testing.assert_array_equal(value, pieces[key], err_msg=key)


def test_replicates_that_do_not_learn_keep_their_weights(compiled):
    shape = circuit(3, 4)
    end, start = run(compiled(structure(shape)), shape), initial_state(shape)
    for projection in shape.projections:
        key = f"{projection.name}.w"
        assert np.array_equal(end[key][1], start[key][1])
        if learns(projection):
            assert not np.array_equal(end[key][0], start[key][0])


@pytest.mark.parametrize("batch", [1, 4])
def test_a_replicate_is_the_single_network_to_the_bit(compiled, batch):
    together = circuit(3, batch)
    ours = run(compiled(structure(together)), together)
    program = compiled(structure(circuit(1, batch)))
    for r in range(3):
        alone = replace(
            together,
            replicates=1,
            projections=tuple(only(projection, r) for projection in together.projections),
        )
        presentations = shown(together)
        inputs = {key: value[:, r : r + 1] for key, value in presentations.inputs.items()}
        end = program.run(
            initial_state(alone),
            parameter_values(program.structure, alone, r),
            replace(presentations, inputs=inputs),
            0,
        ).state
        for key, value in end.items():
            np.testing.assert_array_equal(value[0], ours[key][r], err_msg=key)


def only(projection, r):
    """One replicate's projection."""
    rule = projection.rule
    if rule is not None:
        rule = replace(rule, learning_rate=rule.learning_rate[r])
    return replace(projection, weights=np.asarray(projection.weights)[r], rule=rule)


SOURCE = r"""
#include <cmath>
#include <cstdio>
{header}
template <typename Real, int POST, int PRE, bool FILTERED, bool BOUNDED> void run()
{{
    static microcircuit::DenseMatrix<Real, POST, PRE, 1, FILTERED, BOUNDED, true> matrix;
    static Real w[POST*PRE], filtered[POST*PRE], x[PRE], y[POST];
    for (int i = 0; i < POST*PRE; i++)
        w[i] = std::sin(i);
    for (int step = 0; step < 12; step++)
    {{
        for (int i = 0; i < PRE && step < 8; i++) // then the signal stays
            x[i] = std::cos(step + i);
        matrix.template drive<false>(w, filtered, x, y, false);
        matrix.learn(w, filtered, y, x, Real(0.5)/PRE, 0.125, -0.9, 0.8, true);
        std::fwrite(y, sizeof(Real), POST, stdout);
    }}
    matrix.flush(w, filtered);
    std::fwrite(w, sizeof(Real), POST*PRE, stdout);
}}
int main(int count, char**)
{{
    microcircuit::bytes_not_fetched = count > 1 ? 0 : SIZE_MAX;
    {runs}
}}
"""


def in_numpy(pre, post, filtered, bounded):
    """What the program above computes, the results of its steps and then the weights."""
    w, d = np.sin(np.arange(post * pre)).reshape(post, pre), np.zeros((post, pre))
    rate, results = 0.5 / pre, []
    for step in range(12):
        x = np.cos(min(step, 7) + np.arange(pre))
        y = w @ x
        results.append(y)
        product = np.outer(y, x)
        w, d = w + rate * (d if filtered else product), d + 0.125 * (product - d)
        if bounded:
            w = np.clip(w, -0.9, 0.8)
    return np.concatenate([*results, w.ravel()])


def test_passes_over_matrices_of_all_shapes(tmp_path):
    """With rows fetched ahead to the bit what it is without, and both what numpy computes.

    Rows that are passed over together would be whole pages apart, or are pages, in the last shapes.
    """
    shapes = {
        "double": (LARGE, SMALL, (3, 2), (64, 83), (512, 7)),
        "float": (LARGE, (3, 2), (1024, 5)),
    }
    kinds = [
        (shape, real, filtered, bounded)
        for real in shapes
        for shape in shapes[real]
        for filtered in (True, False)
        for bounded in (False, True)
    ]
    runs = [
        f"run<{real}, {post}, {pre}, {str(filtered).lower()}, {str(bounded).lower()}>();"
        for (pre, post), real, filtered, bounded in kinds
    ]
    templates = files("microcircuit.kernels") / "templates"
    environment = Environment(loader=FileSystemLoader(templates))
    header = environment.get_template("dense_matrix.hpp").render()
    shared = (templates / "dense_shared.cpp").read_text()
    fusing = next(line for line in shared.splitlines() if line.startswith("#pragma GCC"))
    source = SOURCE.format(header=f"{fusing}\n{header}", runs="\n    ".join(runs))
    (tmp_path / "main.cpp").write_text(source)
    command = [*shlex.split(compiler()), *COMPILER_FLAGS, "main.cpp", "-o", "main"]
    subprocess.run(command, cwd=tmp_path, check=True)
    others, fetched = (
        subprocess.run([tmp_path / "main", *more], capture_output=True, check=True).stdout
        for more in ([], ["fetched"])
    )
    assert others == fetched
    for kind in kinds:
        (pre, post), real, filtered, bounded = kind
        dtype, size = {"double": np.float64, "float": np.float32}[real], (12 + pre) * post
        found = np.frombuffer(others, dtype, size)
        others = others[found.nbytes :]
        expected = in_numpy(pre, post, filtered, bounded)
        # As above, but relative: results grow up to some thousands.
        tolerance = TOLERANCE["single" if real == "float" else "double"] * np.max(np.abs(expected))
        np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance, err_msg=str(kind))
    assert not others


@pytest.mark.parametrize("device", ["cpp", "numpy"])
@pytest.mark.parametrize("batch", [1, 3])
def test_a_factor_counts_as_zero_outside_the_window_even_if_it_is_none(compiled, device, batch):
    """The logarithm of a potential that is negative until the window opens."""
    rng, dt, k, rate = np.random.default_rng(8), 0.1, 0.1 / 2, 0.3
    v = rng.uniform(-1, -0.1, (batch, 4))
    weights, signal = rng.uniform(-1, 1, (4, 5)), rng.uniform(0, 1, (batch, 5))
    circuit = Circuit(
        populations=(
            Population(name="pre", size=5, equations="r : 1", initial={"r": signal}),
            Population(name="post", size=4, equations="dv/dt = 1/ms : 1\nx : 1", initial={"v": v}),
        ),
        projections=(
            Projection(
                name="w",
                pre="pre",
                post="post",
                signal="r",
                target="x",
                weights=weights,
                rule=LearningRule(
                    post_factor="log(v)",
                    pre_factor="r",
                    learning_rate=rate / ms,
                    tau=2 * ms,
                    window=(1.2 * ms, 2 * ms),
                ),
            ),
        ),
        batch=batch,
    )
    structure = Structure(circuit=circuit, inputs=(), records=(), longest=30, capacity=1)
    shown = Presentations(steps=np.array([30]), inputs={}, learning=np.array([True]))
    values = parameter_values(structure, circuit, 0)
    end = compiled(structure, device).run(initial_state(circuit), values, shown, 0).state

    filtered = np.zeros_like(weights)
    for step in range(30):
        product = np.log(v + dt * step).T @ signal / batch if 12 <= step < 20 else 0
        weights = weights + dt * rate * filtered
        filtered += k * (product - filtered)
    np.testing.assert_allclose(end["w.w"][0], weights, rtol=1e-12)
    np.testing.assert_allclose(end["w.filtered"][0], filtered, rtol=1e-10)
