"""The dense projection on its own, in a plain Brian2 script, against a few lines of numpy.

Against stock synapses, and on C++: test_dense_scripts.py and test_dense_kernels.py.
"""

import numpy as np
import pytest
from brian2 import Hz, Network, NeuronGroup, defaultclock, ms, prefs, run, second, start_scope

from microcircuit.dense import DenseProjection

DT = 1e-4
"""Brian2's default time step, in seconds."""

# Sums of a few products of numbers of order 1, in another order than numpy's.
ROUNDING = 1e-13


@pytest.fixture(autouse=True)
def numpy_target():
    saved, prefs.codegen.target = prefs.codegen.target, "numpy"
    start_scope()
    assert float(defaultclock.dt) == DT
    yield
    prefs.codegen.target = saved


def groups(*, replicates=1, batch=1, pre=3, post=2):
    """Neurons that do nothing but hold numbers."""
    networks, rng = replicates * batch, np.random.default_rng(4)
    source = NeuronGroup(networks * pre, "x : 1")
    target = NeuronGroup(networks * post, "y : 1\nerr : 1")
    source.x = rng.normal(size=networks * pre)
    target.err = rng.normal(size=networks * post)
    return source, target


def plastic(source, target, **options):
    return DenseProjection(
        source, target, signal="x", target="y", post_factor="err", pre_factor="x", **options
    )


def outer(source, target, replicates=1, batch=1):
    """The rule's product, averaged over the batch: [replicate, post, pre]."""
    e = np.asarray(target.err).reshape(replicates, batch, -1)
    x = np.asarray(source.x).reshape(replicates, batch, -1)
    return np.einsum("rbj,rbi->rji", e, x) / batch


def weights(projection):
    return np.asarray(projection.w).reshape(projection.shape)


@pytest.mark.parametrize(("replicates", "batch"), [(1, 1), (3, 1), (1, 4), (3, 4)])
def test_drive_is_a_matrix_product(replicates, batch):
    source, target = groups(replicates=replicates, batch=batch)
    projection = DenseProjection(
        source, target, signal="x", target="y", replicates=replicates, batch=batch
    )
    w = np.random.default_rng(5).normal(size=projection.shape)
    projection.w = w.ravel()
    target.y = 5  # what was there before is replaced
    Network(source, target, projection).run(1 * ms)
    x = np.asarray(source.x).reshape(replicates, batch, 3)
    expected = np.einsum("rji,rbi->rbj", w, x)
    np.testing.assert_allclose(np.asarray(target.y), expected.ravel(), rtol=ROUNDING)
    np.testing.assert_array_equal(weights(projection), w)


def test_several_projections_add():
    source, target = groups()
    projections = [
        # The one that adds comes first in the alphabet, and still after the one that sets.
        DenseProjection(source, target, signal="x", target="y", accumulate=True, name="a"),
        DenseProjection(source, target, signal="x", target="y", name="b"),
    ]
    for seed, projection in enumerate(projections):
        projection.w = np.random.default_rng(seed).normal(size=6)
    Network(source, target, *projections).run(1 * ms)
    expected = sum(weights(p)[0] for p in projections) @ np.asarray(source.x)
    np.testing.assert_allclose(np.asarray(target.y), expected, rtol=ROUNDING)


@pytest.mark.parametrize(("replicates", "batch"), [(1, 1), (2, 3)])
def test_learning_without_filter(replicates, batch):
    source, target = groups(replicates=replicates, batch=batch)
    projection = plastic(source, target, replicates=replicates, batch=batch)
    rate = np.array([20.0, 30.0])[:replicates]
    projection.learning_rate = rate * Hz
    Network(source, target, projection).run(100 * DT * second)
    expected = 100 * DT * rate[:, None, None] * outer(source, target, replicates, batch)
    np.testing.assert_allclose(weights(projection), expected, rtol=100 * ROUNDING)


@pytest.mark.parametrize(("replicates", "batch"), [(1, 1), (2, 3)])
def test_learning_with_filter(replicates, batch):
    """After n steps of Euler the filter is at 1 - (1 - dt/tau)^n of the product."""
    source, target = groups(replicates=replicates, batch=batch)
    projection = plastic(source, target, filtered=True, replicates=replicates, batch=batch)
    rate = np.array([20.0, 30.0])[:replicates]
    projection.learning_rate = rate * Hz
    projection.tau = 5 * ms
    Network(source, target, projection).run(100 * DT * second)
    product = outer(source, target, replicates, batch)
    reached = 1 - (1 - DT / 5e-3) ** np.arange(101)
    filtered = np.asarray(projection.filtered).reshape(projection.shape)
    np.testing.assert_allclose(filtered, reached[100] * product, rtol=100 * ROUNDING)
    # A step adds the filter as it was at its start.
    expected = DT * rate[:, None, None] * product * np.sum(reached[:100])
    np.testing.assert_allclose(weights(projection), expected, rtol=100 * ROUNDING)


def test_drive_takes_the_weights_of_the_start_of_the_step():
    source, target = groups()
    projection = plastic(source, target)
    projection.learning_rate = 20 * Hz
    network = Network(source, target, projection)
    network.run(DT * second)
    assert np.any(weights(projection) != 0)
    assert not np.any(np.asarray(target.y))


def test_learning_rate_of_zero_changes_nothing():
    source, target = groups()
    projection = plastic(source, target, filtered=True)
    projection.tau = 5 * ms
    Network(source, target, projection).run(1 * ms)
    assert not np.any(np.asarray(projection.w))
    assert not np.any(np.asarray(projection.filtered))


def test_bounds():
    source, target = groups()
    source.x, target.err = [0.1, 1, 2], [-1, 1]
    projection = plastic(source, target, bounded=True)
    projection.learning_rate = 20 * Hz
    projection.w_min, projection.w_max = -0.03, 0.03
    Network(source, target, projection).run(100 * DT * second)
    # Some weights would end below, some above, some between.
    free = 100 * DT * 20 * outer(source, target)
    assert (free < -0.03).any()
    assert (free > 0.03).any()
    assert ((free > -0.03) & (free < 0.03)).any()
    expected = np.clip(free, -0.03, 0.03)
    np.testing.assert_allclose(weights(projection), expected, rtol=100 * ROUNDING)


def test_magic_run_finds_it():
    source, target = groups()
    projection = DenseProjection(source, target, signal="x", target="y")
    projection.w = 1
    run(1 * ms)
    total = np.sum(np.asarray(source.x))
    np.testing.assert_allclose(np.asarray(target.y), total, rtol=ROUNDING)


def test_window_needs_onsets():
    source, target = groups()
    with pytest.raises(ValueError, match="needs a presenter, for the onsets"):
        plastic(source, target, windowed=True)
