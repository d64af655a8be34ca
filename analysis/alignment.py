"""Angles between the updates that a circuit makes and those of backprop, from a result file."""

from dataclasses import dataclass

import numpy as np

from microcircuit.analysis.backprop import LOGISTIC, Transfer, gradients, soft_rectifier
from microcircuit.results import Results


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


def transfer_of(model: dict) -> Transfer:
    """Return the transfer function of a Sacramento 2018 model from its stored parameters."""
    if model["transfer"] == "logistic":
        return LOGISTIC
    return soft_rectifier(*(float(model[name]) for name in ("gamma", "beta", "theta")))


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


def alignment(results: Results) -> Alignment:
    """Compare the circuits' updates at the fixed point with exact gradients on the same weights.

    Parameters
    ----------
    results : Results
        Of the protocol ``alignment``.
    """
    model = results.config["model"]
    transfer = transfer_of(model)
    areas = ["input", *(f"hidden_{k}" for k in range(1, len(model["areas"]) - 1)), "output"]
    weights = [results.weights(f"bottom_up_{k}").data[0] for k in range(1, len(areas))]
    soma = [results.record(area, "v_soma").data[:, :, 0] for area in areas[1:]]
    predicted = [results.record(area, "v_predicted").data[:, :, 0] for area in areas[1:]]
    pattern = results.record("input", "rate").data[:, :, 0]
    target = results.record("output", "v_target").data[:, :, 0]
    factors = np.asarray(results.metric("mixing_factor").value)
    rates = [pattern, *(transfer.value(v) for v in soma[:-1])]
    angles = np.zeros((*pattern.shape[:2], len(areas) - 1))
    for p, r in np.ndindex(*pattern.shape[:2]):
        attenuations = attenuation(model, float(factors[r]), len(areas) - 1)
        exact = gradients([w[r] for w in weights], attenuations, transfer, pattern[p, r], target[p, r])
        for k, gradient in enumerate(exact):
            error = transfer.value(soma[k][p, r]) - transfer.value(predicted[k][p, r])
            angles[p, r, k] = angle(np.outer(error, rates[k][p, r]), -gradient)
    return Alignment(
        angles=angles.mean(axis=0),
        mixing_factor=factors,
        symmetric=np.asarray(results.metric("feedback_symmetric").value, dtype=bool),
    )


def attenuation(model: dict, factor: float, areas: int) -> list[float]:
    """Return a_1..a_N: g_B/(g_lk+g_B+g_A) in hidden areas, g_B/(g_lk+g_B) in the output area.

    With lambda = g_A/(g_lk+g_B+g_A) the first is 1 - lambda of the second.
    """
    leak, basal = (float(model[name].split()[0]) for name in ("g_leak", "g_basal"))
    output = basal / (leak + basal)
    return [(1 - factor) * output] * (areas - 1) + [output]
