"""How far a circuit's errors are from those of backpropagation."""

from collections.abc import Mapping

import numpy as np


def backprop_errors(
    output: np.ndarray, slopes: Mapping[int, np.ndarray], weights: Mapping[int, np.ndarray]
) -> dict[int, np.ndarray]:
    """Return the errors of hidden layers that follow from the output's by backpropagation.

    Parameters
    ----------
    output : array [image, neuron]
        The output's error.
    slopes : mapping of int to array [image, neuron]
        Of each hidden layer's rate, against its dendrite's potential.
    weights : mapping of int to array [post, pre]
        Of each layer, from the layer below.
    """
    errors, above = {}, output
    for k in sorted(slopes, reverse=True):
        errors[k] = above = (above @ weights[k + 1]) * slopes[k]
    return errors


def angles(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return angles in degrees between vectors, along the last axis; 90 to one of length zero."""
    norms = np.linalg.norm(one, axis=-1) * np.linalg.norm(other, axis=-1)
    dots = (one * other).sum(axis=-1)
    cosines = np.divide(dots, norms, out=np.zeros_like(dots), where=norms > 0)
    return np.degrees(np.arccos(np.clip(cosines, -1, 1)))
