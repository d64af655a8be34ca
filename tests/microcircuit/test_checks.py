"""Durations as whole numbers of time steps."""

import pytest
from brian2 import ms, mV

from microcircuit.checks import CircuitError, steps


@pytest.mark.parametrize(
    ("duration", "dt", "expected"),
    # 0.3/0.1 is 2.9999999999999996 in floating point.
    [(100 * ms, 0.1 * ms, 1000), (0.3 * ms, 0.1 * ms, 3), (0.1 * ms, 0.1 * ms, 1)],
)
def test_steps(duration, dt, expected):
    assert steps(duration, dt) == expected


@pytest.mark.parametrize(
    ("duration", "message"),
    [
        (0.15 * ms, "not a whole number of steps"),
        (0.04 * ms, "not a whole number of steps"),
        (0 * ms, "not a whole number of steps"),
        (-1 * ms, "not a whole number of steps"),
        (10 * mV, "is a time such as 100"),
        (10, "is a time such as 100"),
    ],
)
def test_wrong_duration(duration, message):
    with pytest.raises(CircuitError, match=message):
        steps(duration, 0.1 * ms)
