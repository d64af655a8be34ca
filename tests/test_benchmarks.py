"""The benchmarks' arithmetic, verdicts, table and figure, on made-up measurements."""

import itertools
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from microcircuit.devices import NumpyProgram
from microcircuit.models.sacramento2018_mnist import SacramentoMnist
from microcircuit.simulation import DeviceSettings
from microcircuit.state import initial_state, parameter_values

sys.path.append(str(Path(__file__).parents[1]))  # benchmarks are not a part of what is installed

from benchmarks import costs, events, figure, nest_peer, report, timing, two_step
from benchmarks.plan import PARTS, REFERENCE, Plan
from benchmarks.results import Measurement, Results
from benchmarks.table import Row, Target, markdown, number

PRE, POST = REFERENCE
SYNAPSES = PRE * POST


def projection(cost, *, check=1.0, **changes):
    """A projection whose synapses cost some ns, and a little more and less in other rounds."""
    about = {
        "maker": "ours",
        "pre": PRE,
        "post": POST,
        "rule": "plastic",
        "precision": "double",
        "replicates": 1,
        "batch": 1,
    } | changes
    work = about["pre"] * about["post"] * about["replicates"] * about["batch"]
    return Measurement("projection", about, rounds(1e-9 * work * cost), {"check": check})


def bandwidth(cost, size, access="update"):
    return Measurement("bandwidth", {"bytes": size, "access": access}, rounds(cost))


def circuit(cost, **changes):
    about = {
        "size": "regression",
        "maker": "ours",
        "filtered": True,
        "held": False,
        "noisy": True,
        "precision": "double",
        "replicates": 1,
        "batch": 1,
    } | changes
    copies = about["replicates"] * about["batch"]
    return Measurement("circuit", about, rounds(1e-4 * cost * copies), {"dt": 1e-4, "check": 1.0})


def rounds(value):
    return [0.9 * value, value, 1.1 * value]


@pytest.fixture
def results():
    """A run in which most of the figures are reached."""
    return Results(
        machine={"cpu": "a made-up one", "cores": 2},
        settings={"rounds": 3, "budget": 0.1},
        measurements=[
            projection(0.1),
            projection(0.05, precision="single"),
            projection(1.0, maker="stock", check=1 + 1e-12),
            projection(0.4, pre=1024, post=1024),
            projection(0.06, batch=100),
            projection(0.1, replicates=16),
            bandwidth(0.08e-9 * SYNAPSES, 8 * SYNAPSES),
            bandwidth(0.03e-9 * SYNAPSES, 4 * SYNAPSES),
            bandwidth(0.09e-9 * 1024**2, 8 * 1024**2),
            bandwidth(0.09e-9 * 16 * SYNAPSES, 8 * 16 * SYNAPSES),
            Measurement("product", {"precision": "double"}, rounds(1e-11)),
            *(
                Measurement("steps", {"factor": str(k)}, rounds(k * 0.1), {"steps": k * 1000})
                for k in (1, 2, 4)
            ),
            circuit(0.02),
            circuit(0.06, maker="stock"),
            circuit(0.02, replicates=16),
            circuit(0.01, precision="single"),
            circuit(0.006, precision="single", replicates=16),
            circuit(1.0, size="mnist"),
            circuit(0.1, size="mnist", batch=100),
            circuit(0.8, size="mnist", precision="single"),
            circuit(0.4, size="mnist", precision="single", batch=100),
        ],
        missing={"nest": nest_peer.INSTALL},
    )


def verdicts(results):
    return {(row.what, row.peer_name): row.verdict for row in report.rows(results)}


def test_spread_is_median_and_range():
    assert timing.Spread.of([3, 1, 2], 10) == timing.Spread(20, 10, 30)


def test_ratio_is_taken_round_by_round():
    slow_second_round = [1.0, 10.0, 1.0]
    assert timing.ratio([2.0, 20.0, 2.0], slow_second_round) == timing.Spread(2, 2, 2)


def test_ratio_of_different_numbers_of_rounds():
    assert timing.ratio([2.0, 4.0], [1.0]) == timing.Spread(2, 2, 2)


@pytest.mark.parametrize("power", [0.5, 1, 2])
def test_exponent(power):
    sizes = [1, 10, 1000]
    assert timing.exponent(sizes, [7 * n**power for n in sizes]) == pytest.approx(power)


@pytest.mark.parametrize(("cost", "steps"), [(1e-6, 500_000), (0.01, 50), (10, 5)])
def test_enough_steps_fill_the_budget(cost, steps):
    assert timing.enough_steps(lambda n: n * cost, 0.5) == pytest.approx(steps, abs=1)


def test_enough_steps_has_bounds():
    assert timing.enough_steps(lambda _: 0.0, 0.5, most=100) == 100


def test_enough_steps_never_tries_more_than_it_may():
    tried = []
    timing.enough_steps(lambda steps: tried.append(steps) or 0.0, 0.5, least=5, most=100)
    assert max(tried) == 100


def test_cases_take_turns():
    clock, order = itertools.count(), []
    cases = {"a": lambda: next(clock), "b": lambda: next(clock)}
    assert timing.take_turns(cases, 2, order.append) == {"a": [0, 2], "b": [1, 3]}
    assert order == ["a", "b", "a", "b"]


@pytest.mark.parametrize(
    ("target", "peer", "verdict"),
    [
        (Target("at most", 2), None, "yes"),
        (Target("at most", 1.9), None, "**no**"),
        (Target("at least", 3, "ratio"), [6.0, 6.0, 6.0], "yes"),
        (Target("at least", 3.1, "ratio"), [6.0, 6.0, 6.0], "**no**"),
        (Target("at least", 3, "ratio"), None, "not measured"),
        (None, None, ""),
    ],
)
def test_verdict_is_of_the_median(target, peer, verdict):
    assert Row("x", [1.0, 2.0, 9.0], "s", peer, target=target).verdict == verdict


def test_verdict_without_measurement():
    assert Row("x", None, "s", target=Target("at most", 1)).verdict == "not measured"


def test_cells():
    row = Row("x", [2.0], "ns", [1.0], "memory", True, Target("at least", 0.7, "ratio"))
    assert row.cells() == (
        "x",
        "2 (2-2) ns",
        "memory 1 (1-1) ns",
        "50 (50-50) %",
        "at least 70 %",
        "**no**",
    )


@pytest.mark.parametrize(
    ("value", "text"), [(0.12345, "0.123"), (12.345, "12.3"), (1234.5, "1,234"), (1e-15, "1e-15")]
)
def test_number(value, text):
    assert number(value) == text


def test_markdown():
    assert markdown(["a", "b"], [["1", "2"]]) == "| a | b |\n| --- | --- |\n| 1 | 2 |"


def test_results_survive_a_file(results, tmp_path):
    results.save(tmp_path / "bench.json")
    assert Results.load(tmp_path / "bench.json") == results


def test_find(results):
    assert results.find("projection", precision="single").about["precision"] == "single"
    assert results.find("projection", precision="half") is None


def test_cost_counts_replicates_and_presentations():
    assert costs.synapse_cost(projection(0.2, batch=4, replicates=3))[1] == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("changes", "size", "access"),
    [
        ({}, 8, "update"),
        ({"rule": "filtered"}, 16, "update"),
        ({"rule": "fixed"}, 8, "read"),
        ({"precision": "single"}, 4, "update"),
        ({"replicates": 2}, 16, "update"),
    ],
)
def test_memory_limit_is_of_what_a_step_goes_through(changes, size, access):
    limit = bandwidth(1e-3, size * SYNAPSES, access)
    decoys = [bandwidth(1.0, 12 * SYNAPSES), bandwidth(1.0, 8 * SYNAPSES, "write")]
    made = Results({}, {}, [*decoys, limit])
    m = projection(0.2, **changes)
    assert costs.memory_limit(made, m)[1] == pytest.approx(1e6 / costs.synapses(m))


def test_disagreement_is_between_equals(results):
    assert costs.disagreement(results) == pytest.approx(1e-12, rel=1e-3)


def test_verdicts_of_the_issue(results):
    found = verdicts(results)
    name = f"{PRE}x{POST}, plastic, float64"
    assert found[name, ""] == "yes"
    assert found[name, "stock Brian2"] == "yes"
    assert found[name, "memory"] == "yes"
    assert found[name, f"NEST: {nest_peer.INSTALL}"] == "not measured"
    assert found["30-50-10, everything plastic", ""] == "yes"
    assert found["30-50-10, everything plastic, one of 16 replicates", ""] == "**no**"
    assert found["30-50-10, everything plastic, float32", ""] == "yes"
    assert found["30-50-10, everything plastic, float32, one of 16 replicates", ""] == "yes"
    mnist = "784-500-500-10, everything plastic, moving input"
    assert found[f"{mnist}, online", ""] == "yes"
    assert found[f"{mnist}, one of a batch of 100", "online"] == "yes"
    assert found[f"{mnist}, float32, online", ""] == "yes"
    assert found[f"{mnist}, float32, one of a batch of 100", "online"] == "**no**"
    assert found["power of growth with synapses, from 65,536", "memory"] == "**no**"
    assert found["power of growth with steps", ""] == "yes"


def test_document(results):
    text = report.document(results)
    assert "a made-up one" in text
    assert f"- nest: {nest_peer.INSTALL}" in text
    widths = [line.count("|") for line in text.splitlines() if line.startswith("|")]
    assert set(widths) == {4, 7}


def test_document_names_the_error(results):
    failed = {"x": "Traceback\nfile.cpp:1: fatal error: cmath: none\nmake: stop"}
    text = report.document(replace(results, missing=failed))
    assert "- x: file.cpp:1: fatal error: cmath: none\n" in text


def test_figure(results, tmp_path):
    figure.draw(results, tmp_path / "bench.png")
    assert (tmp_path / "bench.png").stat().st_size > 10_000


def test_nothing_measured(tmp_path):
    empty = Results({}, {"rounds": 0}, [])
    assert "not measured" in report.document(empty)
    figure.draw(empty, tmp_path / "bench.png")


def test_plan_compares_neighbours(tmp_path):
    plan = Plan(set(PARTS), quick=False, budget=0.1, nest_python=str(tmp_path / "absent"))
    labels = [case.label for case in plan.cases]
    for circuit in (
        "30-50-10, filtered, single, ours",
        "30-50-10 R=16, filtered, single, ours",
        "784-500-500-10, filtered, single, ours",
        "784-500-500-10 B=100, filtered, single, ours",
    ):
        assert circuit in labels
    ours = labels.index(f"{PRE}x{POST}, plastic, double, ours")
    assert labels[ours + 1] == "memory, update 3.14 MB"
    assert "no interpreter" in plan.missing["nest"]


@pytest.mark.parametrize("form", ["events", "dense"])
def test_projection_of_spikes_learns(form, monkeypatch):
    monkeypatch.setattr(events, "STEPS", 200)
    monkeypatch.setitem(events.LENGTHS, form, 2)
    setup = events.Setup(form, 6, 4)
    start = initial_state(setup.circuit)
    values = parameter_values(setup.structure, setup.circuit, 0)
    end = NumpyProgram(setup.structure).run(start, values, setup.stimuli(200.0, 2), 0)
    assert end.presentations == 2
    assert np.any(end.state["projection.w"] != start["projection.w"])


def test_neurons_of_spikes_have_no_projection():
    assert not events.Setup("neurons", 6, 4).circuit.projections


FIXED, KEPT, SPIKE, NEURONS = 0.01, 0.005, 3e-4, 0.02
"""CPU seconds of a made-up projection with events, and of its neurons."""


@pytest.fixture
def spiking():
    """A run at some rates."""
    rates = [0.0, 1.0, 10.0, 20.0, 200.0]
    alone = [FIXED + KEPT * -np.expm1(-r * events.TRACE) + SPIKE * r for r in rates]
    measured = {
        "events": [NEURONS + cost for cost in alone],
        "neurons": [NEURONS] * len(rates),
        "dense": [0.6] * len(rates),
    }
    return Results(
        machine={},
        settings={"rounds": 3, "pre": PRE, "post": POST},
        measurements=[
            Measurement("events", {"form": form, "rate": str(rate)}, [cost] * 3)
            for form, values in measured.items()
            for rate, cost in zip(rates, values, strict=True)
        ]
        + [Measurement("nest", {"pre": PRE, "post": POST}, rounds(0.02))],
    )


def test_fit_finds_what_spikes_cost(spiking):
    fit = events.Fit.of(events.Costs(spiking))
    assert (fit.fixed, fit.kept, fit.spike) == pytest.approx((FIXED, KEPT, SPIKE))
    assert fit.residual < 1e-6
    assert fit.at(np.array([0.0])) == pytest.approx(FIXED)


def test_events_are_compared_with_nest(spiking):
    nest, stock, dense, alone = events.comparisons(events.Costs(spiking))
    assert nest.verdict == "yes"
    assert nest.ratio.median == pytest.approx(200 / nest.ours[0])
    assert stock.peer is None
    assert dense.ratio.median < alone.ratio.median
    without = replace(spiking, missing={"nest": nest_peer.INSTALL})
    without.measurements.pop()
    first = events.comparisons(events.Costs(without))[0]
    assert (first.peer_name, first.verdict) == (f"NEST: {nest_peer.INSTALL}", "not measured")


def test_events_document_and_figure(spiking, tmp_path):
    text = events.document(spiking)
    assert f"{number(1e9 * SPIKE / SYNAPSES)} ns for each spike and synapse" in text
    widths = [line.count("|") for line in text.splitlines() if line.startswith("|")]
    assert set(widths) == {6, 7}
    events.draw(spiking, tmp_path / "events.png")
    assert (tmp_path / "events.png").stat().st_size > 10_000


def test_two_step_peer_learns_the_same():
    model = SacramentoMnist(hidden=(6, 5))
    experiment = two_step.training(model)
    ours = two_step.Ours(experiment, DeviceSettings(name="numpy")).learn(3)
    theirs = two_step.Peer(experiment, model, "double").learn(3)
    for name, value in theirs.items():
        np.testing.assert_allclose(ours[f"{name}.w"][0], value, rtol=1e-9, err_msg=name)


def test_two_step_epoch_is_scaled(monkeypatch):
    clock = iter([1.0, 3.0])
    monkeypatch.setattr(two_step, "cpu_seconds", lambda: next(clock))
    assert two_step.epoch_seconds(lambda minibatches: {}, 550) == 20


def test_two_step_verdicts():
    names = "single", "double", "numpy, single", "numpy, double"
    single, double = two_step.rows(dict(zip(names, map(rounds, (4, 8, 6, 12)), strict=True)))
    assert (single.verdict, double.verdict) == ("yes", "**no**")
    assert single.ratio.median == pytest.approx(1.5)
