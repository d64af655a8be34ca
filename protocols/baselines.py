"""Backpropagation with logistic units and target rates, for comparison with circuits.

The networks have the classifier's sizes, minibatches and target rates, and rates r_k of the same
function, r_k = 1/(1 + exp(-(W_k r_k-1 + b_k))). With t the targets they descend the mean
cross-entropy of output and target rates::

    delta_N = r_N - t     delta_k = W_k+1^T delta_k+1 r_k (1 - r_k)     dL/dW_k = delta_k r_k-1^T

with Adam, which spares looking for a learning rate for each size, from weights of standard
deviation 1/sqrt(fan in) and biases of zero. Without hidden units it is a single layer, what the
paper calls shallow.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
from scipy.special import expit

from microcircuit import seeding
from microcircuit.analysis.rules.adam import Adam, Moments, descend
from microcircuit.protocols.minibatches import Shown, Split

ADAM = Adam(3e-3)
"""In the first epoch; the rate falls to zero in equal steps."""
TOGETHER = 1000
"""Images in a batch where nothing is learnt."""


def train(
    hidden: Sequence[int],
    images: Split,
    targets: np.ndarray,
    *,
    epochs: int,
    batch: int,
    seed: int,
) -> np.ndarray:
    """Train a network; return its test error in percent after each epoch.

    Parameters
    ----------
    hidden : sequence of int
        Units of each hidden layer, maybe of none.
    images : Split
        Training and test images.
    targets : array [class, class]
        Target rates of the output for each class.
    epochs, batch : int
        How long, and images in a minibatch.
    seed : int
        Of weights and order; the same for all networks.
    """
    sizes = images.training.pixels.shape[1], *hidden, len(targets)
    random = seeding.generator(seed, "baselines")
    weights = []
    for pre, post in pairwise(sizes):
        drawn = random.uniform(-1, 1, (post, pre)) * np.sqrt(3 / pre)
        weights.append(np.concatenate([drawn, np.zeros((post, 1))], axis=1).astype(np.float32))
    moments = [Moments.of(array) for array in weights]
    training, aims, errors = images.training, targets.astype(np.float32), []
    for epoch in range(epochs):
        adam = replace(ADAM, rate=ADAM.rate * (1 - epoch / epochs))
        order = random.permutation(len(training))
        for start in range(0, len(order) - batch + 1, batch):
            some = order[start : start + batch]
            gradients = _gradients(weights, training.pixels[some], aims[training.labels[some]])
            for array, gradient, moment in zip(weights, gradients, moments, strict=True):
                descend(array, gradient, moment, adam)
        errors.append(_error(weights, images.test))
    return np.array(errors)


def _rates(weights: Sequence[np.ndarray], pixels: np.ndarray) -> list[np.ndarray]:
    """Return r_0..r_N; weights have the bias as their last column."""
    rates = [pixels]
    for array in weights:
        rates.append(expit(rates[-1] @ array[:, :-1].T + array[:, -1]))
    return rates


def _gradients(
    weights: Sequence[np.ndarray], pixels: np.ndarray, aims: np.ndarray
) -> list[np.ndarray]:
    """Return the gradient of each array of weights, mean over the minibatch."""
    rates = _rates(weights, pixels)
    delta = (rates[-1] - aims) / len(pixels)
    found = []
    for array, before in zip(reversed(weights), reversed(rates[:-1]), strict=True):
        found.append(np.concatenate([delta.T @ before, delta.sum(axis=0)[:, None]], axis=1))
        delta = delta @ array[:, :-1] * before * (1 - before)
    return found[::-1]


def _error(weights: Sequence[np.ndarray], shown: Shown) -> float:
    wrong = 0
    for start in range(0, len(shown), TOGETHER):
        some = shown[start : start + TOGETHER]
        wrong += int(np.sum(_rates(weights, some.pixels)[-1].argmax(axis=1) != some.labels))
    return 100 * wrong / len(shown)
