"""One seed gives streams that are reproducible and independent of each other."""

import subprocess
import sys

import numpy as np
import pytest

from microcircuit import seeding


def test_same_name_same_numbers():
    first, second = (seeding.generator(3, "weights", "up").random(5) for _ in range(2))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("other", [(4, "weights", "up"), (3, "weights", "down"), (3, "weights")])
def test_other_seed_or_name_other_numbers(other):
    ours = seeding.generator(3, "weights", "up").random(5)
    assert not np.any(ours == seeding.generator(*other).random(5))


def test_streams_are_the_same_on_every_machine():
    """Written down once: a change would silently change every published result."""
    numbers = seeding.generator(1, "weights", "up").integers(0, 2**32, 3)
    assert numbers.tolist() == [1779550443, 260832103, 1184131284]
    assert seeding.key(1, "noise", "output", 0) == 6886434205633020254


def test_streams_do_not_depend_on_the_process():
    """Python salts the hashes of strings anew in each process."""
    code = "from microcircuit import seeding; print(seeding.key(1, 'noise', 'output', 0))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert int(answer.stdout) == seeding.key(1, "noise", "output", 0)


def test_keys_fit_a_signed_word_and_differ():
    keys = [seeding.key(seed, "noise", "output", r) for seed in range(30) for r in range(30)]
    assert len(set(keys)) == len(keys)
    assert min(keys) >= 0
    assert max(keys) < 2**63
