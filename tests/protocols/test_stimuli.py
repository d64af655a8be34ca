"""Random patterns depend on seed, stream and number, not on how they are asked for."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from microcircuit.protocols.stimuli import BLOCK, uniform_patterns

positions = st.integers(0, 3 * BLOCK)


@given(st.tuples(positions, positions, positions).map(sorted))
def test_any_way_of_asking_gives_the_same_patterns(cuts):
    draw = uniform_patterns(3, "training", 2, -1, 1)
    start, middle, stop = cuts[0], cuts[1] + 1, cuts[2] + 2
    whole = draw(start, stop)
    assert whole.shape == (stop - start, 2)
    assert np.array_equal(whole, np.concatenate([draw(start, middle), draw(middle, stop)]))


def test_streams_and_seeds_differ():
    one = uniform_patterns(3, "training", 4, 0, 1)(0, 50)
    assert not np.array_equal(one, uniform_patterns(3, "test", 4, 0, 1)(0, 50))
    assert not np.array_equal(one, uniform_patterns(4, "training", 4, 0, 1)(0, 50))


def test_patterns_are_uniform_in_their_range():
    patterns = uniform_patterns(3, "training", 30, -1, 1)(0, 2000)
    # 60,000 draws of U(-1, 1): the mean's standard error is 0.0024, five of them are 0.012.
    assert abs(patterns.mean()) < 0.012
    assert patterns.min() > -1
    assert patterns.max() < 1
    assert abs(patterns.var() - 1 / 3) < 0.01
