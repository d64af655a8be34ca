"""Angles between the updates that a circuit makes and those of backprop, from a result file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from microcircuit.analysis.backprop import LOGISTIC, Transfer, gradients, soft_rectifier
from microcircuit.analysis.tables import markdown
from microcircuit.results import Results, ResultsError

SAME = 1e-6
"""Stored predictions and those of the stored weights agree to about 1e-15, in double precision."""


def angle(a: np.ndarray, b: np.ndarray) -> float:
    """Return the angle between two arrays taken as vectors, in degrees.

    Parameters
    ----------
    a, b : array
        Of the same size, neither zero.
    """
    a, b = np.ravel(a) / np.linalg.norm(a), np.ravel(b) / np.linalg.norm(b)
    # Exact for small angles too, where the arc cosine loses half of the digits.
    return float(np.degrees(2 * np.arctan2(np.linalg.norm(a - b), np.linalg.norm(a + b))))


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    """Return the cosine of the angle between two arrays; parameters as in `angle`."""
    return float(np.vdot(a, b) / (np.linalg.norm(a) * np.linalg.norm(b)))


def norm_ratio(a: np.ndarray, b: np.ndarray) -> float:
    """Return the norm of a over that of b, which is not zero."""
    return float(np.linalg.norm(a) / np.linalg.norm(b))


def sign_agreement(a: np.ndarray, b: np.ndarray) -> float:
    """Return the fraction of the components of a that have the sign of those of b.

    Chance gives a half. Where b has a component of zero there is no sign to have.

    Parameters
    ----------
    a, b : array
        Of the same size, b not zero everywhere.
    """
    signed = b != 0
    return float(np.mean(np.sign(a[signed]) == np.sign(b[signed])))


def jacobian_condition(forward: np.ndarray, feedback: np.ndarray) -> float:
    """Return the largest eigenvalue of (I - U)^T (I - U), U the mean of J_forward J_feedback.

    Feedback that carries targets lowers the output's error, to first order, where this is below 1:
    then it takes errors back to activities that produce less of them (Lee et al. 2015,
    https://doi.org/10.1007/978-3-319-23528-8_31, theorem 1; Guerguiev et al. 2017,
    https://doi.org/10.7554/eLife.22901, theorem 1). It says nothing of feedback that carries
    errors themselves.

    Parameters
    ----------
    forward : array [P, outputs, hidden]
        Derivative of the output's activity to the hidden area's, for each pattern.
    feedback : array [P, hidden, outputs]
        Derivative of the hidden area's target to the output's activity.
    """
    mean = np.mean(forward @ feedback, axis=0)
    return float(np.linalg.norm(np.eye(len(mean)) - mean, ord=2) ** 2)


def transfer_of(model: Mapping[str, Any]) -> Transfer:
    """Return the transfer function of a Sacramento 2018 model from its stored parameters.

    Raises
    ------
    ResultsError
        It is none of those that we know.
    """
    match model.get("transfer"):
        case "logistic":
            return LOGISTIC
        case "soft-rectifier":
            return soft_rectifier(*(float(model[name]) for name in ("gamma", "beta", "theta")))
        case other:
            raise ResultsError(f"the transfer function {other!r} has no gradient here")


@dataclass(frozen=True)
class Alignment:
    """Angles of an ``alignment`` run.

    Parameters
    ----------
    angles : array [replicate, area]
        Between the circuit's update and backprop's, in degrees, mean over presentations.
    mixing_factor : array [replicate]
        lambda.
    symmetric : array of bool [replicate]
        Whether top-down weights are the attenuated transpose of the bottom-up ones.
    """

    angles: np.ndarray
    mixing_factor: np.ndarray
    symmetric: np.ndarray

    def mean(self, factor: float, *, symmetric: bool) -> np.ndarray:
        """Return the mean angles [area] over networks at a mixing factor."""
        return np.mean(self.networks(factor, symmetric=symmetric), axis=0)

    def networks(self, factor: float, *, symmetric: bool) -> np.ndarray:
        """Return the angles [network, area] at a mixing factor."""
        return self.angles[(self.mixing_factor == factor) & (self.symmetric == symmetric)]

    @property
    def factors(self) -> np.ndarray:
        """The mixing factors, ascending."""
        return np.unique(self.mixing_factor)

    @property
    def areas(self) -> list[str]:
        """What the areas are called: ``hidden area 1``, ..., ``output area``."""
        return [*(f"hidden area {k}" for k in range(1, self.angles.shape[1])), "output area"]


@dataclass(frozen=True)
class FixedPoints:
    """What an ``alignment`` run stored: where its networks settled, [presentation, replicate, ...].

    Parameters
    ----------
    weights : list of array [replicate, post, pre]
        Bottom-up weights of areas 1..N.
    pattern, target : array
        Input rates and target potentials.
    soma, predicted : list of array
        u_k and vhat_B,k of areas 1..N.
    """

    weights: list[np.ndarray]
    pattern: np.ndarray
    target: np.ndarray
    soma: list[np.ndarray]
    predicted: list[np.ndarray]


def fixed_points(results: Results) -> FixedPoints:
    """Read the fixed points of an ``alignment`` run.

    Raises
    ------
    ResultsError
        Its weights have changed.
    """

    def stored(area: str, variable: str) -> np.ndarray:
        return results.record(area, variable).data[:, :, 0]

    last = len(results.config["model"]["areas"]) - 1
    snapshots = [results.weights(f"bottom_up_{k}") for k in range(1, last + 1)]
    if any(not np.array_equal(weights[0], weights[-1]) for weights in snapshots):
        raise ResultsError("alignment needs weights that don't learn, and these have changed")
    areas = [*(f"hidden_{k}" for k in range(1, last)), "output"]
    return FixedPoints(
        weights=[weights[0] for weights in snapshots],
        pattern=stored("input", "rate"),
        target=stored("output", "v_target"),
        soma=[stored(area, "v_soma") for area in areas],
        predicted=[stored(area, "v_predicted") for area in areas],
    )


def alignment(results: Results) -> Alignment:
    """Compare the circuits' updates at the fixed point with exact gradients on the same weights.

    The update of area k is the outer product of phi(u_k) - phi(vhat_B,k), the mismatch between
    soma and dendrite, and the rates r_{k-1} of the area below: the direction in which rule (7) of
    Sacramento et al. (2018) drives the weights while the circuit is there. The gradient is that of
    `microcircuit.analysis.backprop`, without a teacher in the forward pass. A spiking circuit never
    settles: there potentials are means over time, and what shot noise is left turns the update.

    Parameters
    ----------
    results : Results
        Of the protocol ``alignment``.

    Raises
    ------
    ResultsError
        The results are not those of fixed weights and a known transfer function.
    """
    transfer = transfer_of(results.config["model"])
    points = fixed_points(results)
    rates = [points.pattern, *(transfer.value(v) for v in points.soma[:-1])]
    settled = results.config["model"].get("signal") != "spikes"
    factors = attenuations(points, rates, settled=settled)
    angles = np.zeros((*points.pattern.shape[:2], len(rates)))
    for p, r in np.ndindex(*points.pattern.shape[:2]):
        exact = gradients(
            [w[r] for w in points.weights],
            factors[p, r].tolist(),
            transfer,
            points.pattern[p, r],
            points.target[p, r],
        )
        for k, gradient in enumerate(exact):
            soma, predicted = points.soma[k][p, r], points.predicted[k][p, r]
            error = transfer.value(soma) - transfer.value(predicted)
            angles[p, r, k] = angle(np.outer(error, rates[k][p, r]), -gradient)
    return Alignment(
        angles=angles.mean(axis=0),
        mixing_factor=np.asarray(results.metric("mixing_factor").value),
        symmetric=np.asarray(results.metric("feedback_symmetric").value, dtype=bool),
    )


def attenuations(
    points: FixedPoints, rates: Sequence[np.ndarray], *, settled: bool = True
) -> np.ndarray:
    """Return by how much dendritic potentials are attenuated, a_k in vhat_B,k = a_k W_k r_{k-1}.

    They follow from what was recorded, so they hold for any conductances.

    Parameters
    ----------
    points : FixedPoints
        With weights and dendritic predictions.
    rates : sequence of array [presentation, replicate, neuron]
        r_0..r_{N-1}.
    settled : bool
        Predictions are those of a fixed point, and not means of what fluctuates.

    Returns
    -------
    array [presentation, replicate, area]
        a_1..a_N.

    Raises
    ------
    ResultsError
        Predictions are no multiples of the basal potentials: the weights changed, or the transfer
        function is another.
    """
    found = []
    for weight, rate, predicted in zip(points.weights, rates, points.predicted, strict=True):
        basal = np.einsum("rij,prj->pri", weight, rate)
        factor = np.sum(predicted * basal, axis=-1) / np.sum(basal**2, axis=-1)
        if settled and not np.allclose(predicted, factor[..., None] * basal, rtol=0, atol=SAME):
            raise ResultsError(
                "dendritic predictions don't follow from the stored weights: alignment needs "
                "weights that don't learn, and one of the model's own transfer functions"
            )
        found.append(factor)
    return np.stack(found, axis=-1)


def table(angles: Alignment) -> str:
    """Return the mean angles as a Markdown table, a row for each mixing factor and feedback."""
    head = ["feedback", "mixing factor", *angles.areas]
    rows = [
        [
            "transposed" if symmetric else "random",
            f"{factor:g}",
            *(f"{degrees:.3g}°" for degrees in angles.mean(factor, symmetric=symmetric)),
        ]
        for symmetric in (True, False)
        for factor in angles.factors[::-1]
    ]
    return markdown(head, rows)
