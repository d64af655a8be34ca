"""Chunks are as long as they should be, on any machine."""

from itertools import pairwise
from types import SimpleNamespace

from hypothesis import given
from hypothesis import strategies as st

from microcircuit.run import Pace

SECONDS = 2.0


def paced(starting, each, chunks, *, seconds=SECONDS):
    """Return the chunks' presentations where starting one and each presentation take so long."""
    pace, sizes = Pace(seconds), []
    for _ in range(chunks):
        sizes.append(pace.presentations)
        steps = each * pace.presentations
        pace.add(SimpleNamespace(presentations=pace.presentations, seconds=steps), starting + steps)
    return sizes


@given(starting=st.floats(0, 10), each=st.floats(1e-4, 10))
def test_chunks_fill_their_time_but_for_a_presentation(starting, each):
    sizes = paced(starting, each, chunks=30)
    assert sizes[0] == 1
    assert all(after <= 2 * before for before, after in pairwise(sizes))
    # Starting takes half of a chunk at most, and then a chunk as long as it must.
    steps = max(SECONDS - starting, starting)
    rounding = 1e-9 * steps / each
    assert max(1, steps / each - 1 - rounding) <= sizes[-1] <= max(1, steps / each + rounding)


def test_machine_that_becomes_slower_gets_smaller_chunks_at_once():
    pace = Pace(SECONDS)
    for each, expected in ((0.01, 2), (0.01, 4), (0.5, 4), (1.0, 2), (5.0, 1), (0.01, 2)):
        steps = each * pace.presentations
        pace.add(SimpleNamespace(presentations=pace.presentations, seconds=steps), steps)
        assert pace.presentations == expected


def test_device_that_does_not_time_its_steps_is_taken_to_start_at_once():
    pace = Pace(SECONDS)
    pace.add(SimpleNamespace(presentations=1, seconds=0.0), 0.5)
    pace.add(SimpleNamespace(presentations=2, seconds=0.0), 0.5)
    assert pace.presentations == 4
