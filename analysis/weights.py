"""What the stored weights of a circuit say about its learning."""

import numpy as np

from microcircuit.analysis.alignment import angle
from microcircuit.results import Results


def feedback_angles(results: Results, area: int) -> tuple[np.ndarray, np.ndarray]:
    """Return how well the weights into the next area are aligned with the feedback from it.

    In feedback alignment the forward weights W^PP_{k+1,k} turn towards the transpose of the
    feedback weights W^PP_{k,k+1}, so that what these carry back becomes a useful error.

    Parameters
    ----------
    results : Results
        With the weights ``bottom_up_<area + 1>`` and ``top_down_<area>``.
    area : int
        Number of the hidden area k, from 1.

    Returns
    -------
    presentations : array [snapshot]
        Presentations before each snapshot of the weights.
    angles : array [snapshot, replicate]
        Between forward weights and transposed feedback, taken as vectors, in degrees.
    """
    forward, feedback = (
        results.weights(f"bottom_up_{area + 1}"),
        results.weights(f"top_down_{area}"),
    )
    pairs = zip(forward.data, feedback.data, strict=True)
    angles = [[angle(w, b.T) for w, b in zip(ws, bs, strict=True)] for ws, bs in pairs]
    return forward.index, np.array(angles)
