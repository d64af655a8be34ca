"""The weight updates of circuits against backprop's and feedback alignment's, over training.

At each snapshot of a run the circuit is shown the patterns that were stored with it, and the
updates that it would make are compared, pattern by pattern, with those of the two rules on the same
weights; what is said of a snapshot is the mean over its patterns. Runs that differ in nothing but
their seed make a group, with means and confidence intervals over seeds.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from microcircuit.analysis.alignment import angle, cosine, norm_ratio, sign_agreement
from microcircuit.analysis.bootstrap import Band, bootstrap
from microcircuit.analysis.circuits import circuit_of
from microcircuit.analysis.circuits.circuit import ComparisonError, Updates
from microcircuit.results import Results

MEASURES = (
    "angle to backprop",
    "angle to feedback alignment",
    "cosine to backprop",
    "norm over backprop's",
    "signs as backprop's",
    "mean update to backprop's",
    "forward weights to feedback",
    "change to backprop's sum",
)
"""What is measured of each area at each snapshot; `Comparison` says what they are."""

RULES = "rules"
"""The protocol of reference rules."""


class Pair(NamedTuple):
    """Backprop's mean update and the circuit's, of one area.

    Attributes
    ----------
    backprop, circuit : array [post, pre]
        Over a sample of patterns.
    """

    backprop: np.ndarray
    circuit: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One run, at the snapshots of its weights.

    Parameters
    ----------
    seed : int
        Of the run.
    areas : sequence of str
        Names, from the input on.
    presentations : array [snapshot]
        Before each snapshot.
    measures : mapping of str to array [snapshot, area]
        By the names in `MEASURES`, NaN where there is nothing to compare; angles in degrees. The
        first five are of single patterns. The mean update, over all patterns of the sample, and its
        angle to backprop's say where learning goes in the long run. Forward weights are those into
        the next area, compared with the transposed feedback from there. The change is that of the
        weights since the snapshot before, compared with backprop's summed updates for the patterns
        stored there.
    shown, taught, settled : array [snapshot]
        Patterns; those with a teacher; and those of these that were compared, as the circuit has a
        fixed point for them.
    last : sequence of Pair
        At the last snapshot, an area each; empty where nothing was compared.
    notes : sequence of str
        What the circuit has to say of the comparison.
    """

    seed: int
    areas: Sequence[str]
    presentations: np.ndarray
    measures: Mapping[str, np.ndarray]
    shown: np.ndarray
    taught: np.ndarray
    settled: np.ndarray
    last: Sequence[Pair]
    notes: Sequence[str]


@dataclass(frozen=True)
class Group:
    """Runs that differ in their seed only.

    Parameters
    ----------
    name : str
        Protocol, and the parameters in which it differs from the other groups.
    runs : sequence of Comparison
        One a seed.
    """

    name: str
    runs: Sequence[Comparison]

    def band(self, measure: str) -> Band:
        """Return the mean of a measure over seeds, with its confidence interval."""
        return bootstrap(np.stack([run.measures[measure] for run in self.runs]))

    @property
    def first(self) -> Comparison:
        """The first run; areas and snapshots are the same in all."""
        return self.runs[0]


def compare(results: Results) -> Comparison:
    """Compare the updates of a run's circuit with backprop's and feedback alignment's.

    Raises
    ------
    ComparisonError
        The run diverged, or its circuit is not known here, or there are no stimuli in its file.
    """
    circuit = circuit_of(results)
    snapshots = range(len(circuit.presentations))
    counts = np.zeros((3, len(snapshots)), dtype=int)
    measured = np.full((len(MEASURES), len(snapshots), len(circuit.areas)), np.nan)
    measured[-2] = circuit.feedback_angles()
    means: _Means | None = None
    for s in snapshots:
        if means is not None:
            weights = zip(circuit.forward(s), circuit.forward(s - 1), strict=True)
            moved = [now - then for now, then in weights]
            measured[-1, s] = _angles(moved, means.backprop)
        sample = circuit.sample(s)
        counts[:, s] = sample.shown, sample.taught, sample.settled
        means = _over_sample(sample.updates)
        if means is not None:
            measured[:-3, s] = means.measures
            measured[-3, s] = _angles(means.circuit, means.backprop)
    shown, taught, settled = counts
    return Comparison(
        seed=results.config["seed"],
        areas=tuple(circuit.areas),
        presentations=circuit.presentations,
        measures=dict(zip(MEASURES, measured, strict=True)),
        shown=shown,
        taught=taught,
        settled=settled,
        last=[] if means is None else list(map(Pair, means.backprop, means.circuit)),
        notes=(*circuit.notes, *_replicates(results)),
    )


def _replicates(results: Results) -> list[str]:
    count = results.weights(results.projections()[0]).shape[1]
    return [] if count == 1 else [f"Of {count} replicates the first is compared."]


@dataclass(frozen=True)
class _Means:
    """Over the patterns of a sample: the first five measures [5, area], and updates by area."""

    measures: np.ndarray
    circuit: list[np.ndarray]
    backprop: list[np.ndarray]


def _over_sample(updates: Iterator[Updates]) -> _Means | None:
    """Return the means over a sample; None if it is empty."""
    rows: list[list[list[float]]] = []  # [pattern][area][measure]
    sums: list[np.ndarray] = []
    for update in updates:
        rows.append([_of_pattern(*area) for area in zip(*update, strict=True)])
        both = [*update.circuit, *update.backprop]
        sums = [a + b for a, b in zip(sums, both, strict=True)] if sums else both
    if not rows:
        return None
    values = np.moveaxis(np.array(rows), -1, 1)
    finite = np.isfinite(values)
    counts, totals = finite.sum(axis=0), np.where(finite, values, 0).sum(axis=0)
    measures = np.divide(totals, counts, out=np.full_like(totals, np.nan), where=counts > 0)
    mean = [total / len(rows) for total in sums]
    areas = len(mean) // 2
    return _Means(measures, mean[:areas], mean[areas:])


def _of_pattern(ours: np.ndarray, exact: np.ndarray, fed_back: np.ndarray) -> list[float]:
    """Return the first five measures of one area; NaN where an update is zero."""
    compared = (angle, ours, exact), (angle, ours, fed_back), (cosine, ours, exact)
    more = (norm_ratio, ours, exact), (sign_agreement, ours, exact)
    return [
        measure(a, b) if a.any() and b.any() else np.nan for measure, a, b in (*compared, *more)
    ]


def _angles(ours: Sequence[np.ndarray], theirs: Sequence[np.ndarray]) -> list[float]:
    pairs = zip(ours, theirs, strict=True)
    return [angle(a, b) if a.any() and b.any() else np.nan for a, b in pairs]


class RuleAngle(NamedTuple):
    """The angle of a reference rule's updates to backprop's, over its training.

    Attributes
    ----------
    rule : str
        Its name.
    epochs : array [n]
        Before each value.
    angle : array [n]
        Mean over hidden layers and networks, in degrees.
    """

    rule: str
    epochs: np.ndarray
    angle: np.ndarray


def reference_rules(runs: Sequence[Results]) -> list[RuleAngle]:
    """Return the angles of all rules in runs of the protocol `rules`, as these have stored them."""
    found = []
    for results in runs:
        for rule in results.config["protocol"]["rules"]:
            record = results.record(rule, "angle")
            hidden = record.data[:, :, :-1].mean(axis=(1, 2))
            found.append(RuleAngle(rule, record.index, hidden))
    return found


def divided(runs: Sequence[Results]) -> tuple[list[Results], list[Results]]:
    """Return the runs of circuits, and those of reference rules.

    Raises
    ------
    ComparisonError
        There is no circuit among them.
    """
    circuits = [run for run in runs if run.config["protocol"]["name"] != RULES]
    if not circuits:
        raise ComparisonError(
            "compare needs the run of a circuit; `microcircuit figure` draws rules by themselves"
        )
    return circuits, [run for run in runs if run not in circuits]


def compare_all(runs: Sequence[Results]) -> list[Group]:
    """Compare runs, those that differ in their seed only as one group.

    Parameters
    ----------
    runs : sequence of Results
        Finished runs of circuits, in any order.

    Returns
    -------
    list of Group
        In the order of their first runs.

    Raises
    ------
    ComparisonError
        Two runs are the same, seed included, or `compare` can't do with one.
    """
    members: list[tuple[dict[str, Any], dict[int, Results]]] = []
    for results in runs:
        config = {key: value for key, value in results.config.items() if key != "seed"}
        seed = results.config["seed"]
        seeds = next((seeds for other, seeds in members if other == config), None)
        if seeds is None:
            members.append((config, {seed: results}))
        elif seed in seeds:
            raise ComparisonError(
                f"{seeds[seed].path.parent} and {results.path.parent} are the same run twice, "
                f"with seed {seed}: confidence intervals need runs that differ in the seed"
            )
        else:
            seeds[seed] = results
    names = _names([config for config, _ in members])
    return [
        Group(name, [compare(results) for results in seeds.values()])
        for name, (_, seeds) in zip(names, members, strict=True)
    ]


def _names(configs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Name configurations by their protocol, and by what tells them from others of the same."""
    names = []
    for config in configs:
        protocol = config["protocol"]["name"]
        flat = [_flat(other) for other in configs if other["protocol"]["name"] == protocol]
        keys = dict.fromkeys(key for one in flat for key in one)
        differing = [key for key in keys if any(one.get(key) != flat[0].get(key) for one in flat)]
        own = _flat(config)
        names.append(", ".join([protocol, *(f"{key} = {own.get(key)}" for key in differing)]))
    return names


def _flat(config: Mapping[str, Any]) -> dict[str, Any]:
    return {
        f"{section}.{key}": value
        for section, table in config.items()
        for key, value in table.items()
    }
