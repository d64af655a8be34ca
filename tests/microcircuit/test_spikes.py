"""Spikes, traces, averages and kernels that make no sense are refused, with what is wrong."""

import numpy as np
import pytest
from brian2 import Hz, ms, mV, second

from microcircuit.circuit import Circuit, CircuitError, LearningRule, Population, Projection
from microcircuit.schedule import input_shape
from microcircuit.spikes import Average, Poisson, SynapticKernel

EQUATIONS = """
dv/dt = (x - v)/tau : 1
fast  = 100*Hz*exp(v) : Hz (constant over dt)
free  = 100*Hz*v : Hz
rate  : Hz
psp   : Hz
x     : 1
mean  : 1
was   : 1
lag   : second
"""


def kernel(**changes):
    given = {"tau_rise": 3 * ms, "tau_decay": 10 * ms, "memory": 60 * ms}
    return SynapticKernel(**(given | changes))


def average(**changes):
    return Average(**({"of": "v", "last": 5 * ms} | changes))


def cells(name="cells", **changes):
    given = {
        "size": 3,
        "equations": EQUATIONS,
        "parameters": {"tau": 5 * ms},
        "spikes": Poisson(rate="rate"),
    }
    return Population(name=name, **(given | changes))


def loop(**changes):
    given = {
        "name": "loop",
        "pre": "cells",
        "post": "cells",
        "signal": "spikes",
        "target": "x",
        "weights": np.ones((3, 3)) * second,
        "kernel": kernel(),
    }
    return Projection(**(given | changes))


def circuit(*projections, **changes):
    return Circuit(populations=(cells(**changes),), projections=projections)


def test_what_fits():
    built = circuit(
        loop(),
        loop(name="other", signal="psp", kernel=None),
        traces={"psp": kernel()},
        averages={"mean": average(before="was", lag="lag")},
    )
    population = built.population("cells")
    assert population.averaged == ("mean", "was")
    # What the engine renews is neither for schedules nor for projections to set.
    assert population.settable == {"rate", "x", "lag"}
    assert population.stored >= {"psp", "mean", "was"}


@pytest.mark.parametrize("rate", ["rate", "fast"])
def test_rates_that_fit(rate):
    assert cells(spikes=Poisson(rate=rate)).spikes.rate == rate


WRONG_KERNELS = {
    "no time": ({"tau_rise": 0 * ms}, "kernel: tau_rise must be a time above zero, got 0"),
    "a negative time": ({"tau_decay": -1 * ms}, "tau_decay must be a time above zero, got -1"),
    "a number": ({"tau_rise": 3}, "tau_rise must be a time above zero, got 3"),
    "a voltage": ({"memory": 60 * mV}, "memory must be a time above zero, got 60"),
    "no memory": ({"memory": 0 * ms}, "memory must be a time above zero"),
    "not a number": ({"tau_decay": np.nan * ms}, "tau_decay must be a time above zero"),
    "equal times": ({"tau_rise": 10 * ms}, "tau_rise and tau_decay are both 10"),
}


@pytest.mark.parametrize(("changes", "message"), WRONG_KERNELS.values(), ids=WRONG_KERNELS)
def test_wrong_kernel(changes, message):
    with pytest.raises(CircuitError, match=message):
        kernel(**changes)


WRONG_POPULATIONS = {
    "an unknown rate": (
        {"spikes": Poisson(rate="rat")},
        "'cells', spikes: rate: unknown variable 'rat'; did you mean 'rate'.*Known: fast, lag",
    ),
    "a rate that is not stored": (
        {"spikes": Poisson(rate="free")},
        "'cells', spikes: rate: unknown variable 'free'",
    ),
    "a rate without unit": (
        {"spikes": Poisson(rate="x")},
        "'cells', spikes: rate: x has unit 1, expected Hz",
    ),
    "a parameter as rate": (
        {"parameters": {"tau": 5 * ms, "top": 3 * Hz}, "spikes": Poisson(rate="top")},
        "spikes: rate: unknown variable 'top'",
    ),
    "traces without spikes": (
        {"spikes": None, "traces": {"psp": kernel()}},
        "'cells': traces are of spikes, and it has none",
    ),
    "an unknown trace": (
        {"traces": {"psq": kernel()}},
        "'cells', traces: unknown variable 'psq'; did you mean 'psp'",
    ),
    "a trace that is computed": ({"traces": {"fast": kernel()}}, "unknown variable 'fast'"),
    "a trace that is a state": ({"traces": {"v": kernel()}}, "traces: unknown variable 'v'"),
    "a trace without unit": (
        {"traces": {"x": kernel()}},
        "'cells', traces: x has unit 1, expected Hz",
    ),
    "an unknown average": (
        {"averages": {"meen": average()}},
        "'cells', average meen: unknown variable 'meen'; did you mean 'mean'",
    ),
    "an average that is computed": (
        {"averages": {"fast": average(of="rate")}},
        "average fast: unknown variable 'fast'",
    ),
    "an average of what is unknown": (
        {"averages": {"mean": average(of="v + w")}},
        "'cells', average mean: unknown name 'w'",
    ),
    "an average of another unit": (
        {"averages": {"mean": average(of="psp")}},
        "'cells', average mean: mean has unit 1, expected Hz",
    ),
    "an unknown average of before": (
        {"averages": {"mean": average(before="has")}},
        "'cells', average mean: unknown variable 'has'; did you mean 'was'",
    ),
    "an average of before of another unit": (
        {"averages": {"mean": average(before="rate")}},
        "average mean: rate has unit Hz, expected 1",
    ),
    "an unknown lag": (
        {"averages": {"mean": average(lag="leg")}},
        "'cells', average mean: lag: unknown variable 'leg'; did you mean 'lag'",
    ),
    "a lag that is no time": (
        {"averages": {"mean": average(lag="x")}},
        "'cells', average mean: lag: x has unit 1, expected s",
    ),
    "an average that is its own before": (
        {"averages": {"mean": average(before="mean")}},
        "'cells', average mean: 'mean' holds something else as well",
    ),
    "an average that is another's before": (
        {"averages": {"mean": average(), "was": average(before="mean")}},
        "average mean: 'mean' holds something else as well",
    ),
    "one before of two averages": (
        {"averages": {"mean": average(before="was"), "x": average(before="was")}},
        "average mean: 'was' holds something else as well",
    ),
    "an average in a trace": (
        {"traces": {"psp": kernel()}, "averages": {"psp": average(of="rate")}},
        "average psp: 'psp' holds something else as well",
    ),
    "a before in a trace": (
        {"traces": {"psp": kernel()}, "averages": {"rate": average(of="psp", before="psp")}},
        "average rate: 'psp' holds something else as well",
    ),
    "a trace that starts": (
        {"traces": {"psp": kernel()}, "initial": {"psp": 1 * Hz}},
        "initial: unknown stored variable 'psp'",
    ),
    "an average that starts": (
        {"averages": {"mean": average()}, "initial": {"mean": 1}},
        "initial: unknown stored variable 'mean'",
    ),
}


@pytest.mark.parametrize(("changes", "message"), WRONG_POPULATIONS.values(), ids=WRONG_POPULATIONS)
def test_wrong_population(changes, message):
    with pytest.raises(CircuitError, match=f"(?s){message}"):
        cells(**changes)


def rule(**changes):
    given = {"post_factor": "v", "pre_factor": "mean", "learning_rate": 1 * second, "at_end": True}
    return LearningRule(**(given | changes))


WRONG_CIRCUITS = {
    "spikes without a kernel": (
        lambda: loop(kernel=None),
        "'loop': spikes, and only they.*both signal='spikes' and kernel, or neither",
    ),
    "a kernel without spikes": (lambda: loop(signal="psp"), "'loop': spikes, and only they"),
    "a rule that acts all the time": (
        lambda: loop(rule=rule(at_end=False, learning_rate=1 * second / ms)),
        "'loop': a rule of spikes acts at the end.*at_end=True.*ExponentialKernel",
    ),
    "a filter at the end": (lambda: rule(tau=3 * ms), "acts at the end has no filter and no win"),
    "a window at the end": (lambda: rule(window=(0 * ms, 1 * ms)), "acts at the end has no filter"),
    "a learning rate per time": (
        lambda: circuit(loop(rule=rule(learning_rate=1 * second / ms))),
        "'loop': learning_rate has unit 1, expected s",
    ),
    "neurons that do not spike": (
        lambda: circuit(loop(), spikes=None),
        "projection 'loop': 'cells' does not spike",
    ),
    "weights without unit": (
        lambda: circuit(loop(weights=np.ones((3, 3)))),
        "'loop': weights times signal has unit Hz, expected 1",
    ),
    "a trace as target": (
        lambda: circuit(loop(target="psp", weights=np.ones((3, 3))), traces={"psp": kernel()}),
        "unknown compartment of 'cells' 'psp'",
    ),
    "an average as target": (
        lambda: circuit(loop(target="mean"), averages={"mean": average()}),
        "unknown compartment of 'cells' 'mean'",
    ),
    "part of a step in a projection's memory": (
        lambda: circuit(loop(kernel=kernel(memory=1.25 * ms))),
        "1.25 ms is not a whole number of steps",
    ),
    "part of a step in a trace's memory": (
        lambda: circuit(traces={"psp": kernel(memory=0.01 * ms)}),
        "10. us is not a whole number of steps",
    ),
    "part of a step in an average": (
        lambda: circuit(averages={"mean": average(last=0.15 * ms)}),
        "150. us is not a whole number of steps",
    ),
    "an average over no time": (
        lambda: circuit(averages={"mean": average(last=3 * mV)}),
        "a duration is a time",
    ),
    "a name of a filter": (lambda: circuit(loop(name="a_kernel")), "'a_kernel' is taken by the"),
    "a name of a trace": (lambda: circuit(name="a_trace"), "'a_trace' is taken by the engine"),
    "a name of an average": (lambda: circuit(name="an_average"), "'an_average' is taken by the"),
    "a name of spikes": (lambda: circuit(name="a_spikes"), "'a_spikes' is taken by the engine"),
    "a stored variable of a trace": (
        lambda: circuit(
            equations=f"{EQUATIONS}\nlate = psp*2 : Hz (constant over dt)",
            traces={"psp": kernel()},
        ),
        "late is stored at the start of a step.*computed from cells.psp",
    ),
    "a stored variable of an average": (
        lambda: circuit(
            equations=f"{EQUATIONS}\nlate = was*2 : 1 (constant over dt)",
            averages={"mean": average(before="was")},
        ),
        "late is stored at the start of a step.*computed from cells.was",
    ),
    "a stimulus in a trace": (
        lambda: input_shape(circuit(traces={"psp": kernel()}), "cells.psp"),
        "schedule: 'cells.psp': unknown input 'psp'",
    ),
    "a stimulus in an average": (
        lambda: input_shape(circuit(averages={"mean": average(before="was")}), "cells.was"),
        "schedule: 'cells.was': unknown input 'was'",
    ),
}


@pytest.mark.parametrize(("make", "message"), WRONG_CIRCUITS.values(), ids=WRONG_CIRCUITS)
def test_wrong_circuit(make, message):
    with pytest.raises(CircuitError, match=f"(?s){message}"):
        make()
