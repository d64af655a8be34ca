"""What stored weights say."""

import numpy as np
import pytest

from microcircuit.analysis.alignment import angle
from microcircuit.analysis.weights import feedback_angles
from microcircuit.results import open_results


def test_feedback_angles(run):
    with open_results(run("regression", 4, 3, 3, 2)) as results:
        forward, feedback = (results.weights(n).data for n in ("bottom_up_3", "top_down_2"))
        presentations, angles = feedback_angles(results, 2)
    assert forward.shape[2:] == feedback.shape[:1:-1] == (2, 3)
    assert presentations.tolist() == [0, 2, 3]
    assert angles.shape == (3, 2)
    for t, r in np.ndindex(angles.shape):
        assert angles[t, r] == pytest.approx(angle(forward[t, r].T, feedback[t, r]))
    # The two circuits start from the same weights; then forward weights learn.
    assert angles[0, 0] == angles[0, 1]
    assert angles[-1, 0] != angles[0, 0]
