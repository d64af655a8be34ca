"""What is measured of known updates, how runs are grouped, and what short runs give."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from microcircuit.analysis import comparison
from microcircuit.analysis.circuits import CIRCUITS, ELSEWHERE, circuit_of
from microcircuit.analysis.circuits.circuit import ComparisonError, Sample, Updates
from microcircuit.analysis.comparison import MEASURES, Group, compare, compare_all
from microcircuit.protocols import PROTOCOLS
from microcircuit.results import open_results

X, Y = np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])


class Known:
    """One area, three snapshots: two patterns, no teacher, one pattern without a fixed point."""

    areas = ("the area",)
    notes = ("a note",)
    presentations = np.array([0, 10, 20])
    weights = (0 * X, 2 * X + 2 * Y, 5 * X)
    samples = (
        ([Updates([2 * X], [X], [Y]), Updates([X + Y], [3 * Y], [X + Y])], (4, 3, 2)),
        ([], (4, 0, 0)),
        ([Updates([X], [-X], [X])], (4, 4, 1)),
    )

    def forward(self, snapshot):
        return [self.weights[snapshot]]

    def feedback_angles(self):
        return np.array([[90.0], [80.0], [70.0]])

    def sample(self, snapshot):
        updates, counts = self.samples[snapshot]
        return Sample(*counts, iter(updates))


class Stored:
    """A result of which only the configuration and one shape are read."""

    def __init__(self, path="runs/a", seed=3, protocol="bars", replicates=1, **model):
        self.path = Path(path, "run.h5")
        self.config = {"seed": seed, "protocol": {"name": protocol}, "model": model}
        self._shape = (1, replicates, 1, 1)

    def projections(self):
        return ["up"]

    def weights(self, projection):
        return np.zeros(self._shape)


@pytest.fixture
def known(monkeypatch):
    monkeypatch.setattr(comparison, "circuit_of", lambda results: Known())


def test_measures_of_known_updates(known):
    found = compare(Stored())
    assert (found.seed, found.areas, found.notes) == (3, ("the area",), ("a note",))
    # The first sample's two patterns, the mean of them, and what the weights did afterwards.
    root = np.sqrt(0.5)
    expected = {
        "angle to backprop": [(0 + 45) / 2, np.nan, 180],
        "angle to feedback alignment": [(90 + 0) / 2, np.nan, 0],
        "cosine to backprop": [(1 + root) / 2, np.nan, -1],
        "norm over backprop's": [(2 + 2 * root / 3) / 2, np.nan, 1],
        "signs as backprop's": [1, np.nan, 0],
        "mean update to backprop's": [np.degrees(np.arctan(3) - np.arctan(1 / 3)), np.nan, 180],
        "forward weights to feedback": [90, 80, 70],
        "change to backprop's sum": [np.nan, np.degrees(np.arctan(3)) - 45, np.nan],
    }
    assert list(expected) == list(MEASURES)
    for measure, values in expected.items():
        np.testing.assert_allclose(
            found.measures[measure][:, 0], values, rtol=1e-12, atol=1e-12, err_msg=measure
        )
    for count, values in (("shown", [4, 4, 4]), ("taught", [3, 0, 4]), ("settled", [2, 0, 1])):
        assert getattr(found, count).tolist() == values
    (pair,) = found.last
    np.testing.assert_array_equal(pair.circuit, X)
    np.testing.assert_array_equal(pair.backprop, -X)


def test_pattern_without_an_error_is_no_angle(known, monkeypatch):
    nothing = Updates([X], [0 * X], [0 * X])
    one = Updates([X], [X], [X])
    monkeypatch.setattr(Known, "samples", [([nothing, one], (2, 2, 2)), ([nothing], (1, 1, 1))])
    monkeypatch.setattr(Known, "presentations", np.array([0, 10]))
    monkeypatch.setattr(Known, "feedback_angles", lambda self: np.zeros((2, 1)))
    angles = compare(Stored()).measures["angle to backprop"]
    np.testing.assert_array_equal(angles, [[0], [np.nan]])


def test_replicates_are_told(known):
    assert "Of 2 replicates the first is compared." in compare(Stored(replicates=2)).notes


# --------------------------------------------------------------------------------- seeds


def test_runs_that_differ_in_their_seed_only_are_a_group(known):
    groups = compare_all(
        [
            Stored("runs/a", 3, sigma="0"),
            Stored("runs/b", 3, sigma="1"),
            Stored("runs/c", 4, sigma="0"),
            Stored("runs/d", 3, "association", sigma="0"),
        ]
    )
    assert [group.name for group in groups] == [
        "bars, model.sigma = 0",
        "bars, model.sigma = 1",
        "association",
    ]
    assert [[run.seed for run in group.runs] for group in groups] == [[3, 4], [3], [3]]


def test_run_given_twice_is_refused(known):
    with pytest.raises(ComparisonError, match="runs/a and runs/b are the same run twice, with see"):
        compare_all([Stored("runs/a"), Stored("runs/b")])


def test_group_averages_over_seeds(known):
    one = compare(Stored())
    two = replace(one, measures={name: 3 * values for name, values in one.measures.items()})
    band = Group("bars", [one, two]).band("forward weights to feedback")
    np.testing.assert_allclose(band.mean, [[180], [160], [140]])
    np.testing.assert_allclose(band.low, [[90], [80], [70]])


# ---------------------------------------------------------------------------------- runs


def test_every_protocol_has_its_models_circuit_or_a_reason():
    for name, entry in PROTOCOLS.items():
        model = type(entry.load()[1]).__module__.rpartition(".")[2]
        if model in CIRCUITS:
            assert (name in CIRCUITS[model].protocols) != (name in ELSEWHERE), name
    for entry in CIRCUITS.values():
        assert set(entry.protocols) <= set(PROTOCOLS)


@pytest.mark.parametrize("signal", ["traces", "spikes"])
def test_circuits_of_rates_are_not_compared_with_others(run, signal):
    with (
        open_results(run("self-prediction", 4, 3, 2, signal=signal)) as results,
        pytest.raises(ComparisonError, match=f"neurons send {signal}"),
    ):
        compare(results)


@pytest.mark.parametrize("name", ["association", "regression", "bars"])
def test_runs_with_a_teacher(run, name):
    with open_results(run(name, 4, 3, 3, 2)) as results:
        found = compare(results)
        last = len(results.config["model"]["areas"]) - 1
    assert len(found.areas) == last
    assert np.all(found.settled == found.taught)
    assert np.all(found.taught > 0)
    angles = found.measures["angle to backprop"]
    assert np.isfinite(angles).all()
    # The output area learns from the teacher itself.
    assert np.all(angles[:, -1] < 40)
    np.testing.assert_array_equal(
        angles[:, -1], found.measures["angle to feedback alignment"][:, -1]
    )


def test_run_from_the_self_predicting_state_starts_as_feedback_alignment(run):
    with open_results(run("association", 4, 3, 3, 2)) as results:
        start = compare(results).measures["angle to feedback alignment"][0]
    # Of first order in the mixing factor of 0.42; orthogonal would be 90.
    assert np.all(start < 25)


def test_run_without_a_teacher_has_weights_only(run):
    with open_results(run("self-prediction", 4, 3, 2)) as results:
        found = compare(results)
    assert not found.taught.any()
    assert not found.last
    for measure, values in found.measures.items():
        alignment = measure == "forward weights to feedback"
        assert np.isfinite(values[:, 0]).all() == alignment, measure


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("user's", "as a run of 'my-own-experiment': the circuits of these protocols are known"),
        ("alignment", "its figure is this comparison"),
        ("diverged", "population 'hidden_1' diverged"),
    ],
)
def test_runs_that_cannot_be_compared(run, name, message):
    with (
        open_results(run(name, 4, 3, 3, 2)) as results,
        pytest.raises(ComparisonError, match=message),
    ):
        circuit_of(results)


def test_file_without_stimuli_is_explained(run, monkeypatch):
    with open_results(run("bars", 4, 3, 2)) as results:
        monkeypatch.setattr(type(results), "stimuli", lambda self: [])
        with pytest.raises(ComparisonError, match="holds no sample of stimuli"):
            circuit_of(results)
