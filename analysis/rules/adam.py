"""Adam, in place.

D. P. Kingma, J. Ba (2015), "Adam: a method for stochastic optimization", ICLR;
https://doi.org/10.48550/arXiv.1412.6980 . With gradient g in step t::

    m = beta1 m + (1 - beta1) g        v = beta2 v + (1 - beta2) g^2
    w = w - eta_t m / (1 - beta1^t)    eta_t = rate / (sqrt(v / (1 - beta2^t)) + epsilon)

An L1 penalty of strength l1 is not part of g: its proximal step, in the metric of Adam, follows::

    w = sign(w) max(|w| - eta_t l1, 0)

so a weight stays exactly zero while its averaged gradient is smaller than l1, as in a minimum of
the penalised loss (J. Yun, A. C. Lozano, E. Yang 2021, "Adaptive proximal gradient methods for
structured neural networks", NeurIPS 34).
"""

from dataclasses import dataclass

import numpy as np

from microcircuit.analysis.rules.errors import RuleError

BLOCK = 16384
"""Weights that are updated together: few enough that all passes over them stay in the cache."""


@dataclass(frozen=True)
class Adam:
    """How an array of weights descends.

    Parameters
    ----------
    rate : float
        Learning rate, positive.
    beta1, beta2 : float
        Of the running means of gradients and of their squares, within [0, 1).
    epsilon : float
        Keeps small gradients small, positive.
    l1 : float
        Strength of the L1 penalty, from 0.

    Raises
    ------
    RuleError
        A number is outside its range.
    """

    rate: float
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    l1: float = 0.0

    def __post_init__(self) -> None:
        """Validate; see `Raises`."""
        within = 0 <= self.beta1 < 1 and 0 <= self.beta2 < 1
        if not (self.rate > 0 and within and self.epsilon > 0 and self.l1 >= 0):
            raise RuleError(
                f"{self} needs a positive rate and epsilon, betas within [0, 1) and l1 from 0"
            )


@dataclass
class Moments:
    """What Adam remembers of an array.

    Parameters
    ----------
    first, second : array
        m and v, contiguous, of the shape of the weights.
    steps : int
        t, steps so far.
    """

    first: np.ndarray
    second: np.ndarray
    steps: int = 0

    @classmethod
    def of(cls, weights: np.ndarray) -> "Moments":
        """Return those of weights that have not moved."""
        return cls(np.zeros(weights.shape, weights.dtype), np.zeros(weights.shape, weights.dtype))


def descend(weights: np.ndarray, gradient: np.ndarray, moments: Moments, adam: Adam) -> None:
    """Make one step, in place.

    Parameters
    ----------
    weights : array
        Contiguous; they change.
    gradient : array
        Of the same shape.
    moments : Moments
        Of these weights; they change too.
    adam : Adam
        Learning rate and so on.
    """
    moments.steps += 1
    # The factors 1/(1 - beta^t) move to the scalars: the same step in fewer passes.
    first_part, second_part = 1 - adam.beta1**moments.steps, 1 - adam.beta2**moments.steps
    scale = float(np.sqrt(second_part))
    rate, epsilon = adam.rate * scale / first_part, adam.epsilon * scale
    arrays = (a.reshape(-1) for a in (weights, gradient, moments.first, moments.second))
    all_w, all_g, all_m, all_v = arrays
    scratch = np.empty(min(BLOCK, all_w.size), dtype=all_w.dtype)
    for start in range(0, all_w.size, BLOCK):
        w, g, m, v = (a[start : start + BLOCK] for a in (all_w, all_g, all_m, all_v))
        step = scratch[: w.size]
        m *= adam.beta1
        np.multiply(g, 1 - adam.beta1, out=step)
        m += step
        v *= adam.beta2
        np.multiply(g, g, out=step)
        step *= 1 - adam.beta2
        v += step
        np.sqrt(v, out=step)
        step += epsilon
        if adam.l1:
            np.divide(rate, step, out=step)
            w -= step * m
            step *= adam.l1 * first_part
            _shrink(w, step)
        else:
            np.divide(m, step, out=step)
            step *= rate
            w -= step


def _shrink(weights: np.ndarray, by: np.ndarray) -> None:
    """Move weights towards zero, and no further, in place."""
    size = np.abs(weights)
    size -= by
    np.maximum(size, 0, out=size)
    np.copysign(size, weights, out=weights)
