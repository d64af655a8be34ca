"""The dense projection in scripts of its own, on numpy and C++, against stock synapses."""

import re
import subprocess
import sys

import numpy as np
import pytest
from brian2 import Hz, Network, NeuronGroup, PoissonGroup, linked_var, ms, prefs, start_scope
from brian2.core.base import BrianObjectException

from microcircuit.circuit import Circuit, Population
from microcircuit.dense import DenseProjection
from microcircuit.network import build
from microcircuit.structure import Structure

SCRIPT = '''
import sys
import numpy as np
from brian2 import *
from microcircuit.dense import DenseProjection

prefs.codegen.target = "numpy"
if sys.argv[2] == "cpp":
    set_device("cpp_standalone", directory=sys.argv[3])
rng = np.random.default_rng(1)
PRE, POST = 13, 7
weights = rng.uniform(0, 0.2, (POST, PRE))

pre = NeuronGroup(PRE, """dv/dt = (drive - v)/(5*ms) : 1
                              drive : 1
                              rate = v**2 : 1 (constant over dt)""",
                  threshold="v > 1", reset="v = 0", method="euler")
pre.drive = np.linspace(0.5, 6, PRE)
EQUATIONS = """
dg/dt = -g/(3*ms) : 1
du/dt = (g - u)/(2*ms) : 1
error = 1 - u : 1 (constant over dt)
"""
POSTS = [NeuronGroup(POST, EQUATIONS, method="euler") for _ in range(2)]
dense = DenseProjection(pre, POSTS[0], signal="spikes", target="g",
                        post_factor="error", pre_factor="spikes", bounded=True)
dense.set_weights(weights)
dense.learning_rate = 0.02
dense.w_min, dense.w_max = 0.05, 0.3
stock = Synapses(pre, POSTS[1], "w : 1",
                 on_pre="g_post += w; w = clip(w + 0.02*error_post, 0.05, 0.3)")
stock.connect()
stock.w = weights.T.ravel()

held = NeuronGroup(POST, "v : 1\\nfactor : 1")
factor = rng.uniform(-1, 1, POST)
held.factor = factor
continuous = DenseProjection(pre, held, signal="rate", target="v",
                             post_factor="factor", pre_factor="rate", filtered=True)
continuous.set_weights(weights)
continuous.learning_rate = 20*Hz
continuous.tau = 2*ms
summed = NeuronGroup(POST, "v : 1\\nfactor : 1")
summed.factor = factor
reference = Synapses(pre, summed, """
dw/dt = 20*Hz*d : 1 (clock-driven)
dd/dt = (factor_post*rate_pre - d)/(2*ms) : 1 (clock-driven)
v_post = w*rate_pre : 1 (summed)
""", method="euler")
reference.connect()
reference.w = weights.T.ravel()
for updater in reference.summed_updaters.values():
    updater.when = "before_groups"

# Spikes of groups that do nothing else.
given = SpikeGeneratorGroup(PRE, rng.integers(PRE, size=45), np.arange(45)*ms)
random = PoissonGroup(PRE, 300*Hz)
sums = NeuronGroup(POST, """ours : 1
                           stock : 1""")
senders = []
for group in (given, random):
    projection = DenseProjection(group, sums, signal="spikes", target="ours")
    projection.set_weights(weights)
    synapses = Synapses(group, sums, "w : 1", on_pre="stock_post += w")
    synapses.connect()
    synapses.w = weights.T.ravel()
    senders += group, projection, synapses, SpikeMonitor(group)

spikes = SpikeMonitor(pre)
network = Network(pre, *POSTS, dense, stock, held, continuous, summed, reference, spikes, sums,
                  *senders)
network.run(50*ms)
for monitor in (spikes, senders[-1]):
    assert monitor.num_spikes > 100, monitor.num_spikes
np.savez(sys.argv[1], ours_u=POSTS[0].u[:], stock_u=POSTS[1].u[:],
         ours_w=dense.get_weights()[0], stock_w=np.array(stock.w).reshape(PRE, POST).T,
         ours_v=held.v[:], stock_v=summed.v[:],
         ours_s=sums.ours[:], stock_s=sums.stock[:],
         ours_c=continuous.get_weights()[0], stock_c=np.array(reference.w).reshape(PRE, POST).T,
         start=weights)
'''


@pytest.mark.parametrize("target", ["numpy", "cpp"])
def test_a_script_of_its_own(tmp_path, target):
    """Spikes with a rule on them, and rates with a filtered rule: as stock synapses do it."""
    script = tmp_path / "script.py"
    script.write_text(SCRIPT, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, script, tmp_path / "out.npz", target, tmp_path / "build"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-1500:]
    found = np.load(tmp_path / "out.npz")
    for name in "uwvcs":
        # The same sums of a dozen numbers in another order, over 500 steps that forget; without
        # forgetting, of some hundred numbers above zero.
        np.testing.assert_allclose(
            found[f"ours_{name}"], found[f"stock_{name}"], rtol=1e-11, err_msg=name
        )
    for name in "wc":
        assert np.max(np.abs(found[f"ours_{name}"] - found["start"])) > 0.03, name
    assert (found["ours_w"] == 0.05).any()


def group(size=4, equations="x : 1\nz = x : 1", **options):
    return NeuronGroup(size, equations, **options)


@pytest.fixture
def runtime():
    saved, prefs.codegen.target = prefs.codegen.target, "numpy"
    start_scope()
    yield
    prefs.codegen.target = saved


@pytest.mark.usefixtures("runtime")
@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"delay": 1 * ms}, TypeError, "no 'delay': signals arrive in the step"),
        ({"on_pre": "x += w"}, TypeError, "no 'on_pre': set signal='spikes'"),
        ({"bonded": True}, TypeError, "did you mean 'bounded'"),
        ({"signal": "y"}, ValueError, "unknown stored variable 'y'"),
        ({"signal": "z"}, ValueError, r"'z'.*Known: x.*constant over dt"),
        ({"signal": "spikes"}, ValueError, "no threshold, so it does not spike"),
        ({"post_factor": "x"}, ValueError, "both a post_factor and a pre_factor"),
        ({"replicates": 3}, ValueError, "4 neurons, which 3 networks"),
        ({"post_factor": "x", "pre_factor": "x", "at_end": True}, ValueError, "needs a presenter"),
        ({"filtered": True}, ValueError, "filtered is an option of a rule"),
        ({"bounded": True}, ValueError, "bounded is an option of a rule"),
        ({"replicates": 0}, ValueError, "replicates = 0: must be a whole number, at least 1"),
        ({"batch": 2.0}, ValueError, "batch = 2.0: must be a whole number"),
        ({"target": "c"}, ValueError, "'c'.*is constant, so it can't be a target"),
        ({"orders": (-3, -1)}, ValueError, "drives come before learning"),
        ({"model": "w : 1"}, TypeError, "no 'model': a rule is the outer product"),
    ],
    ids=str,
)
def test_what_is_not_supported_is_told(options, error, message):
    arguments = {"signal": "x", "target": "x", **options}
    cells = group(equations="x : 1\nz = x : 1\nc : 1 (constant)")
    with pytest.raises(error, match=f"(?s){message}"):
        DenseProjection(group(), cells, **arguments)


@pytest.mark.usefixtures("runtime")
def test_what_synapses_have_and_this_has_not_is_told():
    pre, post = group(), group()
    projection = DenseProjection(pre, post, signal="x", target="x")
    with pytest.raises(AttributeError, match="no 'connect': all neurons are connected"):
        projection.connect()
    with pytest.raises(AttributeError, match="no 'delay': signals arrive in the step"):
        projection.delay = 1 * ms


@pytest.mark.usefixtures("runtime")
def test_only_weights_of_its_own_shape():
    pre, post = group(), group()
    projection = DenseProjection(pre, post, signal="x", target="x")
    with pytest.raises(ValueError, match=r"weights of .* are \[post, pre\], \(4, 4\)"):
        projection.set_weights(np.zeros((4, 3)))


@pytest.mark.usefixtures("runtime")
def test_only_groups_of_one_time_step():
    with pytest.raises(ValueError, match="must have the same time step"):
        DenseProjection(group(), group(dt=1 * ms), signal="x", target="x")


@pytest.mark.usefixtures("runtime")
@pytest.mark.parametrize(
    ("options", "values", "message"),
    [
        ({"filtered": True}, {}, "tau = 0 s: set it to a time above zero"),
        ({"bounded": True}, {}, "w_min = 0, .*w_max = 0: set both"),
        ({"bounded": True}, {"w_min": 0.5}, "w_min = 0.5, .*w_max = 0: set both"),
    ],
    ids=str,
)
def test_what_nobody_has_set_is_told(options, values, message):
    pre, post = group(), group(equations="x : 1\ny : 1")
    projection = DenseProjection(
        pre, post, signal="x", target="y", post_factor="x", pre_factor="x", **options
    )
    for name, value in values.items():
        setattr(projection, name, value)
    with pytest.raises(BrianObjectException) as told:
        Network(pre, post, projection).run(0.1 * ms)
    assert isinstance(told.value.__cause__, ValueError)
    assert re.search(message, str(told.value.__cause__))


@pytest.mark.usefixtures("runtime")
def test_only_whole_groups():
    with pytest.raises(TypeError, match=r"pre must be a whole NeuronGroup.*, not a Subgroup"):
        DenseProjection(group()[:2], group(), signal="x", target="x")
    with pytest.raises(TypeError, match="post must be a whole NeuronGroup, not a Subgroup"):
        DenseProjection(group(), group()[:2], signal="x", target="x")
    with pytest.raises(TypeError, match="not a PoissonGroup"):
        DenseProjection(PoissonGroup(4, 9 * Hz), group(), signal="rates", target="x")


@pytest.mark.usefixtures("runtime")
def test_a_projection_does_not_drive_what_it_reads():
    cells = group(4, "x : 1\ny : 1")
    with pytest.raises(ValueError, match=r"'x'.*can't be both the signal and the target"):
        DenseProjection(cells, cells, signal="x", target="x")
    DenseProjection(cells, cells, signal="x", target="y")


WRONG_RULES = {
    "a rule on spikes that are not sent": (
        {"signal": "x", "pre_factor": "spikes"},
        "pre_factor='spikes' needs signal='spikes'",
    ),
    "a filter": ({"filtered": True}, "at the end of presentations, and without a filter"),
    "a trace in every step": ({"pre_factor": "x"}, "rule acts on spikes.*send the trace"),
    "spikes at the end": ({"at_end": True}, "or on a trace of them at the end"),
    "a filter at the end": (
        {"pre_factor": "x", "at_end": True, "filtered": True},
        "at the end has no filter and no window",
    ),
    "an end without a presenter": (
        {"pre_factor": "x", "at_end": True, "presenter": None},
        "an end needs a presenter",
    ),
}


@pytest.mark.usefixtures("runtime")
@pytest.mark.parametrize(("options", "message"), WRONG_RULES.values(), ids=WRONG_RULES)
def test_rules_that_do_not_fit_to_spikes(options, message):
    given = {"signal": "spikes", "pre_factor": "spikes", "presenter": group()} | options
    with pytest.raises(ValueError, match=f"(?s){message}"):
        DenseProjection(group(threshold="x > 1"), group(), target="x", post_factor="x", **given)


@pytest.mark.usefixtures("runtime")
@pytest.mark.parametrize(("replicates", "batch"), [(1, 1), (2, 3)])
def test_spikes_add_columns_of_their_own_network(replicates, batch):
    networks = replicates * batch
    rng = np.random.default_rng(2)
    fires = rng.uniform(size=networks * 5) < 0.4
    pre = group(networks * 5, "x : 1", threshold="x > 1")
    pre.x = np.where(fires, 2, 0)
    post = group(networks * 3, "y : 1\nfactor : 1")
    post.y, post.factor = 1, rng.normal(size=networks * 3)
    projection = DenseProjection(
        pre,
        post,
        signal="spikes",
        target="y",
        post_factor="factor",
        pre_factor="spikes",
        replicates=replicates,
        batch=batch,
    )
    w = rng.normal(size=(replicates, 3, 5))
    projection.set_weights(w)
    rates = np.array([0.5, 0.0])[:replicates]
    projection.learning_rate = rates
    Network(pre, post, projection).run(0.1 * ms)
    x = fires.reshape(replicates, batch, 5).astype(float)
    e = np.asarray(post.factor).reshape(replicates, batch, 3)
    expected = 1 + np.einsum("rji,rbi->rbj", w, x)
    np.testing.assert_allclose(np.asarray(post.y), expected.ravel(), rtol=1e-13)
    learned = w + rates[:, None, None] * np.einsum("rbj,rbi->rji", e, x) / batch
    np.testing.assert_allclose(projection.get_weights(), learned, rtol=1e-13)


ONSETS = 0, 3, 7, 9
"""Of three presentations, and the end."""


def presented():
    """A network that shows nothing to anyone, for the sake of its presenter."""
    nobody = Population(name="nobody", size=1, equations="v : 1")
    network = build(
        Structure(
            circuit=Circuit(populations=(nobody,)), inputs=(), records=(), longest=4, capacity=3
        )
    )
    presenter = network["presenter"]
    values = {"first_step": [0], "count": [3], "onset": ONSETS, "learning": [1, 0, 1]}
    for name, value in values.items():
        presenter.variables[name].set_value(np.array(value))
    return network, presenter


@pytest.mark.usefixtures("runtime")
@pytest.mark.parametrize(("replicates", "batch"), [(1, 1), (2, 3)])
def test_spikes_and_a_rule_at_the_end(replicates, batch):
    """The rule is that of two variables; spikes of its step arrive with the new weights."""
    network, presenter = presented()
    rng, networks = np.random.default_rng(3), replicates * batch
    fires = rng.uniform(size=networks * 5) < 0.4
    pre = group(networks * 5, "x : 1\nseen : 1", threshold="x > 1", clock=presenter.clock)
    pre.x, pre.seen = np.where(fires, 2, 0), rng.uniform(size=networks * 5)
    post = group(networks * 3, "y : 1\nfactor : 1", clock=presenter.clock)
    post.factor = rng.normal(size=networks * 3)
    projection = DenseProjection(
        pre,
        post,
        signal="spikes",
        target="y",
        post_factor="factor",
        pre_factor="seen",
        at_end=True,
        presenter=presenter,
        replicates=replicates,
        batch=batch,
    )
    w = rng.normal(size=(replicates, 3, 5))
    projection.set_weights(w)
    rates = np.array([0.5, 0.0])[:replicates]
    projection.learning_rate = rates
    pre.seen[batch * 5 :] = np.nan  # of the replicate that does not learn, and so does not see it
    network.add(pre, post, projection)
    network.run(ONSETS[-1] * 0.1 * ms)
    x, seen = (np.reshape(values, (replicates, batch, 5)) for values in (fires, pre.seen[:]))
    e = np.asarray(post.factor).reshape(replicates, batch, 3)
    change = rates[:, None, None] * np.einsum("rbj,rbi->rji", e, np.nan_to_num(seen)) / batch
    np.testing.assert_allclose(projection.get_weights(), w + 2 * change, rtol=1e-13)
    # Two steps with the first weights, the last one of nine with the last.
    sent = 2 * w + 6 * (w + change) + (w + 2 * change)
    expected = np.einsum("rji,rbi->rbj", sent, x)
    np.testing.assert_allclose(np.asarray(post.y), expected.ravel(), rtol=1e-12)


TWICE = """
import sys
import numpy as np
from brian2 import *
from microcircuit.dense import DenseProjection

prefs.codegen.target = "numpy"
if sys.argv[2] == "cpp":
    set_device("cpp_standalone", build_on_run=False)
rng = np.random.default_rng(1)
batch = int(sys.argv[4])
pre = NeuronGroup(5*batch, "x : 1\\ndmoving/dt = (x - moving)/ms : 1", method="euler")
post = NeuronGroup(3*batch, "y : 1\\nz : 1\\nfactor : 1")
pre.x, post.factor = rng.uniform(size=5*batch), rng.uniform(size=3*batch)
held, moving = (
    DenseProjection(pre, post, signal=signal, target=target, post_factor="factor",
                    pre_factor=signal, filtered=True, batch=batch)
    for signal, target in (("x", "y"), ("moving", "z"))
)
for dense in (held, moving):
    dense.set_weights(rng.uniform(size=(3, 5)))
    dense.learning_rate, dense.tau = 20*Hz, 2*ms
network = Network(pre, post, held, moving)
network.run(2*ms)
held.learning_rate = 5*Hz
moving.learning_rate = 0*Hz
pre.x = "0.3*i"
network.run(3*ms)
if sys.argv[2] == "cpp":
    for variable in (held.variables["w"], moving.variables["filtered"], pre.variables["x"]):
        at_a_cache_line = f"(size_t){device.get_array_name(variable)} % 64 == 0"
        device.insert_code("main", f"if (!({at_a_cache_line})) return 64;")
    device.build(directory=sys.argv[3])
np.savez(sys.argv[1], y=post.y[:], z=post.z[:], held=held.get_weights(),
         moving=moving.get_weights(), filtered=moving.filtered[:])
"""


@pytest.mark.parametrize("batch", [1, 3])
def test_two_runs_in_a_script(tmp_path, batch):
    """In the second another signal and other learning rates, one of them zero.

    In C++ arrays start where lines of the cache do; a program that finds one elsewhere fails.
    """
    script = tmp_path / "script.py"
    script.write_text(TWICE, encoding="utf-8")
    found = []
    for target in ("numpy", "cpp"):
        out = tmp_path / f"{target}.npz"
        command = [sys.executable, script, out, target, tmp_path / "build", str(batch)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-1500:]
        found.append(np.load(out))
    for name, expected in found[0].items():
        # Fifty sums of five products in another order.
        np.testing.assert_allclose(found[1][name], expected, rtol=1e-12, err_msg=name)


@pytest.mark.usefixtures("runtime")
@pytest.mark.parametrize("equations", ["x : integer", "x : 1 (linked)"])
def test_only_real_numbers_of_its_own_neurons(equations):
    linked = group(4, equations)
    if "linked" in equations:
        linked.x = linked_var(group(4, "y : 1"), "y", index=[3, 2, 1, 0])
    with pytest.raises(ValueError, match="unknown stored variable 'x'"):
        DenseProjection(linked, group(), signal="x", target="x")
