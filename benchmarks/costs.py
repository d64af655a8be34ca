"""From seconds of a step to the numbers that are compared: costs per synapse, limits, growth."""

from collections.abc import Sequence

import numpy as np

from benchmarks.results import Measurement, Results
from benchmarks.timing import exponent

NANO = 1e9
BYTES = {"double": 8, "single": 4}
OPERATIONS = 4
"""Floating-point operations for a synapse, presentation and step: two to drive, two to learn."""


def synapses(m: Measurement) -> int:
    """Return the number of weights of a projection, in all replicates."""
    return int(m.about["pre"]) * int(m.about["post"]) * int(m.about.get("replicates", 1))


def synapse_cost(m: Measurement | None) -> list[float] | None:
    """Return nanoseconds for a synapse and step, and each presentation of a batch."""
    if m is None:
        return None
    return [NANO * s / synapses(m) / int(m.about.get("batch", 1)) for s in m.seconds]


def memory_limit(results: Results, m: Measurement | None) -> list[float] | None:
    """Return what a projection would cost if it did nothing but move its weights, in ns."""
    if m is None:
        return None
    numbers = synapses(m) * (2 if m.about["rule"] == "filtered" else 1)
    found = results.find(
        "bandwidth",
        bytes=numbers * BYTES[str(m.about["precision"])],
        access="read" if m.about["rule"] == "fixed" else "update",
    )
    if found is None:
        return None
    return [NANO * s / synapses(m) / int(m.about["batch"]) for s in found.seconds]


def product_limit(results: Results, precision: str) -> list[float] | None:
    """Return what a plastic synapse would cost at the speed of a matrix product, in ns."""
    found = results.find("product", precision=precision)
    return None if found is None else [NANO * OPERATIONS * s for s in found.seconds]


def squares(
    results: Results, *, precision: str = "double", maker: str = "ours"
) -> list[Measurement]:
    """Return the measurements of plastic projections of all sizes, the smallest first."""
    found = results.select(
        "projection", maker=maker, rule="plastic", precision=precision, replicates=1, batch=1
    )
    return sorted(found, key=synapses)


def stacked(results: Results, pre: int, post: int) -> list[Measurement]:
    """Return the measurements of replicates of a projection, the fewest first."""
    found = results.select(
        "projection", maker="ours", rule="plastic", precision="double", pre=pre, post=post, batch=1
    )
    return sorted(found, key=synapses)


def batches(results: Results, pre: int, post: int, precision: str) -> list[Measurement]:
    """Return the measurements of batches of a projection, the smallest first."""
    found = results.select(
        "projection",
        maker="ours",
        rule="plastic",
        precision=precision,
        pre=pre,
        post=post,
        replicates=1,
    )
    return sorted(found, key=lambda m: int(m.about["batch"]))


def growth(sizes: Sequence[float], seconds: Sequence[Sequence[float]]) -> list[float] | None:
    """Return the power with which the cost grows, one a round.

    Parameters
    ----------
    sizes : sequence of float
        Synapses, replicates or steps.
    seconds : sequence of sequence of float
        For each size the measurements of all rounds.
    """
    if len(sizes) < 2:
        return None
    return [exponent(sizes, costs) for costs in np.transpose(np.asarray(seconds))]


def disagreement(results: Results) -> float | None:
    """Return the largest relative difference between what stock Brian2 and ours have computed."""
    differences = []
    for stock in results.measurements:
        if stock.about.get("maker") != "stock":
            continue
        ours = results.find(stock.kind, **{**stock.about, "maker": "ours"})
        if ours is not None:
            theirs = float(stock.details["check"])
            differences.append(abs(float(ours.details["check"]) / theirs - 1))
    return max(differences, default=None)
