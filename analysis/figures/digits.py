"""What figures of the circuit that denoises and generates share: its images, in a grid."""

from collections.abc import Sequence
from math import isqrt

import numpy as np
from matplotlib.axes import Axes

from microcircuit.results import Results

MARGIN = 0.46
"""Half of an image's side; 0.5 would leave no space between images."""


def seen(results: Results, probe: str, population: str, name: str, gates: int) -> np.ndarray:
    """Return a record of the protocols of `microcircuit.protocols.generative`.

    Parameters
    ----------
    results : Results
        Of ``denoising`` or ``generation``.
    probe, population, name : str
        Of the record.
    gates : int
        Values of the gate in this probe.

    Returns
    -------
    array [gate, look, image, neuron]
        Images that fill the last minibatch included.
    """
    looks = results.config["protocol"]["sweeps"] + 1
    data = results.probe(probe, population, name)[-1, :, 0]
    rows = data.reshape(gates, -1, looks, *data.shape[1:]).swapaxes(1, 2)
    return rows.reshape(gates, looks, -1, data.shape[-1])


def draw_images(axes: Axes, images: np.ndarray, names: Sequence[str], shift: float = 0.0) -> None:
    """Draw images [row, column, pixel] in a grid.

    Parameters
    ----------
    axes : Axes
        Where; columns are at 0, 1, ... and rows at 0, -1, ...
    images : array [row, column, pixel]
        Square, from 0 to 1.
    names : sequence of str
        Of the rows.
    shift : float, optional
        How much wider than an image a column is.
    """
    rows, columns, pixels = images.shape
    side, step = isqrt(pixels), 1 + shift
    for row, column in np.ndindex(rows, columns):
        x, y = step * column, -row
        axes.imshow(
            images[row, column].reshape(side, side),
            cmap="Greys",
            vmin=0,
            vmax=1,
            extent=(x - MARGIN, x + MARGIN, y - MARGIN, y + MARGIN),
        )
    axes.set_xlim(-0.5, step * (columns - 1) + 0.5)
    axes.set_ylim(0.5 - rows, 0.5)
    axes.set_yticks([-row for row in range(rows)], names)
    axes.set_xticks([])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_anchor("N")


def draw_answers(axes: Axes, answers: np.ndarray, row: int, shift: float) -> None:
    """Write the class of each image beside it, in the space that `shift` leaves."""
    for column, answer in enumerate(answers):
        x = (1 + shift) * column + 0.5
        axes.text(x, -row, f"{answer}", ha="left", va="center", fontsize=7, color="C1")
