"""Circuits that make no sense are refused with a message that names what is wrong."""

import dataclasses

import numpy as np
import pytest
from brian2 import Hz, ms, mV, nA, volt

from microcircuit.circuit import Circuit, CircuitError, LearningRule, Population, Projection

LEAKY = "dv/dt = (drive - v)/tau : 1\nrate = 2*v : 1 (constant over dt)\ndrive : 1"


def leaky(name="cells", size=2, equations=LEAKY, **changes):
    return Population(
        **{"name": name, "size": size, "equations": equations, "parameters": {"tau": 5 * ms}}
        | changes
    )


def rule(**changes):
    return LearningRule(
        **{"post_factor": "drive - v", "pre_factor": "rate", "learning_rate": 1e-3 / ms} | changes
    )


def forward(**changes):
    return Projection(
        **{
            "name": "forward",
            "pre": "input",
            "post": "cells",
            "signal": "rate",
            "target": "drive",
            "weights": np.ones((2, 3)),
            "rule": rule(),
        }
        | changes
    )


def circuit(*projections, **changes):
    populations = leaky("input", 3), leaky()
    return Circuit(**{"populations": populations, "projections": projections} | changes)


def two(first, second):
    return Circuit(populations=(first, second))


def linked(name, source, variable="v", size=2, unit="1"):
    equations = f"{LEAKY}\nteacher : {unit} (linked)"
    return leaky(name, size, equations, links={"teacher": (source, variable)})


def test_fitting_parts_make_a_circuit():
    built = circuit(forward(), forward(name="second"), forward(name="fixed", rule=None))
    assert built.population("cells").size == 2
    assert built.projection("fixed").rule is None
    assert built.population("cells").states == ("v",)
    assert built.population("cells").settable == {"drive"}
    assert built.population("cells").stored == {"v", "rate", "drive"}


def test_circuit_is_frozen():
    built = circuit(forward())
    with pytest.raises(dataclasses.FrozenInstanceError):
        built.batch = 2
    with pytest.raises(TypeError):
        built.population("cells").parameters["tau"] = 1 * ms


WRONG_POPULATIONS = {
    "no whole size": (lambda: leaky(size=1.5), "'cells'.*whole number.*1.5"),
    "a text as size": (lambda: leaky(size="3"), "'cells'.*whole number.*'3'"),
    "no neurons": (lambda: leaky(size=0), "at least 1, got 0"),
    "a truth as size": (lambda: leaky(size=True), "whole number"),
    "a name with a dash": (lambda: leaky("hidden-1"), "'hidden-1'.*letters, digits"),
    "a path as name": (lambda: leaky("a/b"), "'a/b'.*letters, digits"),
    "a Python word": (lambda: leaky("lambda"), "'lambda'"),
    "a reserved name": (lambda: leaky("xi"), "'xi' is reserved"),
    "a reserved variable": (
        lambda: leaky(equations="dj/dt = -j/tau : 1"),
        "'cells': variable name 'j' is reserved",
    ),
    "a reserved parameter": (
        lambda: leaky(equations="dv/dt = -v/dt : 1", parameters={"dt": 1 * ms}),
        "'cells': variable name 'dt' is reserved",
    ),
    "a word of C++": (
        lambda: leaky(equations="dnew/dt = -new/tau : 1"),
        "'cells': variable name 'new'.*word of C",
    ),
    "a unit as parameter": (
        lambda: leaky(equations="dv/dt = -v/mV : 1", parameters={"mV": 1 * ms}),
        "'mV' is the name of a function or unit",
    ),
    "an equation cut short, on line 3": (
        lambda: leaky(equations="\ndv/dt = -v/tau : 1\nrate = 3*(v : 1"),
        r"population 'cells', equations line 3: Brian2 can't parse 'rate = 3\*\(v : 1'",
    ),
    "an equation over lines 3 and 4": (
        lambda: leaky(equations="dv/dt = -v/tau : 1\n\nrate = 3 *\n  v) : 1 # comment"),
        r"'cells', equations line 3: .*'rate = 3 \* v\) : 1'",
    ),
    "an unknown unit": (
        lambda: leaky(equations="dv/dt = -v/tau : 1\nx : furlong"),
        "'cells', equations line 2: .*'x : furlong'",
    ),
    "no unit": (lambda: leaky(equations="dv/dt = -v/tau"), "'cells', equations line 1"),
    "a variable twice": (
        lambda: leaky(equations="dv/dt = -v/tau : 1\nv : 1"),
        "population 'cells'.*Duplicate definition of variable 'v'",
    ),
    "a parameter twice": (
        lambda: leaky(parameters={"tau": 1 * ms, "drive": 1}),
        "'drive' is declared in the equations and given as a parameter",
    ),
    "a misspelt name": (
        lambda: leaky(parameters={"tua": 5 * ms}),
        "'cells'.*unknown name 'tau'; did you mean 'tua'",
    ),
    "volts added to seconds": (
        lambda: leaky(equations="dv/dt = -v/tau : 1\nx = v + tau : 1"),
        r"'cells', equation of x: .*inconsistent units",
    ),
    "a parameter of the wrong unit": (
        lambda: leaky(parameters={"tau": 5 * mV}),
        "'cells', equation of v has unit .*, expected Hz",
    ),
    "an equation of the wrong unit": (
        lambda: leaky(equations="dv/dt = -v/tau : 1\nx = v*volt : 1"),
        "equation of x has unit V, expected 1",
    ),
    "a random function": (
        lambda: leaky(equations="dv/dt = (rand() - v)/tau : 1"),
        r"'cells', equation of v: .*uses rand\(\).*use the noise xi",
    ),
    "noise that is multiplied": (
        lambda: leaky(equations="dv/dt = -v/tau + v*xi/tau**0.5 : 1"),
        "'cells': noise may only be added",
    ),
    "one number for all neurons": (
        lambda: leaky(equations=f"{LEAKY}\ngain : 1 (shared)"),
        "'cells'.*'shared'",
    ),
    "whole numbers": (
        lambda: leaky(equations=f"{LEAKY}\ncount : integer"),
        "equation of count: holds a real number, not a integer",
    ),
    "an initial value of a computed variable": (
        lambda: leaky(initial={"rate": 1}),
        "'cells', initial: unknown stored variable 'rate'.*Known: drive, v",
    ),
    "an initial value that is not finite": (
        lambda: leaky(initial={"v": np.array([0, np.nan])}),
        "'cells': v is not finite",
    ),
    "a parameter that is not finite": (
        lambda: leaky(parameters={"tau": np.inf * ms}),
        "'cells': tau is not finite",
    ),
    "limits of an unknown variable": (
        lambda: leaky(limits={"u": (0, 1)}),
        "'cells', limits: unknown stored variable 'u'",
    ),
    "limits of a variable that is not stored": (
        lambda: leaky(equations=f"{LEAKY}\nx = 2*v : 1", limits={"x": (0, 1)}),
        "'cells', limits: unknown stored variable 'x'",
    ),
    "limits the wrong way round": (lambda: leaky(limits={"v": (1, 0)}), "limits of v"),
    "a link that is not declared": (
        lambda: leaky(links={"teacher": ("other", "v")}),
        r"'cells': .*\(linked\) are \[\], links are given for \['teacher'\]",
    ),
    "a declared link that is not given": (
        lambda: leaky(equations=f"{LEAKY}\nteacher : 1 (linked)"),
        r"'cells': .*\['teacher'\], links are given for \[\]",
    ),
}


@pytest.mark.parametrize(("make", "message"), WRONG_POPULATIONS.values(), ids=WRONG_POPULATIONS)
def test_wrong_population(make, message):
    with pytest.raises(CircuitError, match=f"(?s){message}"):
        make()


WRONG_RULES = {
    "a negative learning rate": ({"learning_rate": -1 / ms}, "not negative, got -1"),
    "an infinite learning rate": ({"learning_rate": np.inf / ms}, "finite"),
    "one negative learning rate of two": ({"learning_rate": [1, -1] / ms}, "not negative"),
    "a filter without time": ({"tau": 0 * ms}, "tau must be a time above zero, got 0"),
    "a filter that is no time": ({"tau": 30 * mV}, "tau must be a time"),
    "a window without units": ({"window": (0, 1)}, "window is two times"),
    "a window that ends before it starts": ({"window": (2 * ms, 1 * ms)}, "start < stop"),
    "a window that starts too early": ({"window": (-1 * ms, 1 * ms)}, "start < stop"),
    "bounds the wrong way round": ({"bounds": (1, -1)}, "low < high"),
}


@pytest.mark.parametrize(("changes", "message"), WRONG_RULES.values(), ids=WRONG_RULES)
def test_wrong_rule(changes, message):
    with pytest.raises(CircuitError, match=message):
        rule(**changes)


WRONG_CIRCUITS = {
    "no population": (lambda: Circuit(populations=()), "needs a population"),
    "a negative dt": (lambda: circuit(dt=-0.1 * ms), "dt must be a time above zero.*got -100. us"),
    "a dt of zero": (lambda: circuit(dt=0 * ms), "dt must be a time above zero"),
    "a dt that is no time": (lambda: circuit(dt=0.1), "dt must be a time above zero.*got 0.1"),
    "no replicates": (lambda: circuit(replicates=0), "replicates must be at least 1, got 0"),
    "no batch": (lambda: circuit(batch=0), "batch must be at least 1, got 0"),
    "a name used twice": (lambda: two(leaky(), leaky()), "'cells' is used more than once"),
    "a projection named like a population": (
        lambda: circuit(forward(name="cells")),
        "'cells' is used more than once",
    ),
    "a name of the engine": (
        lambda: two(leaky(), leaky("presenter")),
        "'presenter' is taken by the engine",
    ),
    "a name like a recorder's": (
        lambda: two(leaky(), leaky("record_cells")),
        "'record_cells' is taken by the engine",
    ),
    "an unknown presynaptic population": (
        lambda: circuit(forward(pre="imput")),
        "unknown population 'imput'; did you mean 'input'",
    ),
    "an unknown postsynaptic population": (
        lambda: circuit(forward(post="celsl")),
        "unknown population 'celsl'; did you mean 'cells'",
    ),
    "an unknown signal": (
        lambda: circuit(forward(signal="rat")),
        "'input': unknown variable 'rat'; did you mean 'rate'",
    ),
    "a signal that is not stored": (
        lambda: Circuit(
            populations=(leaky("input", 3, f"{LEAKY}\nx = 2*v : 1"), leaky()),
            projections=(forward(signal="x"),),
        ),
        r"'forward': signal 'x' of 'input' is not stored.*\(constant over dt\)",
    ),
    "an unknown compartment": (
        lambda: circuit(forward(target="drvie")),
        "'forward': unknown compartment of 'cells' 'drvie'; did you mean 'drive'",
    ),
    "a compartment that is computed": (
        lambda: circuit(forward(target="v")),
        "'forward': unknown compartment of 'cells' 'v'.*declared as a parameter",
    ),
    "transposed weights": (
        lambda: circuit(forward(weights=np.ones((3, 2)))),
        r"'forward'.*\[post, pre\], from 'input' to 'cells' that is \(2, 3\).*got \(3, 2\)",
    ),
    "weights for other replicates": (
        lambda: circuit(forward(weights=np.ones((2, 2, 3))), replicates=3),
        r"\(3, 2, 3\) with replicates; got \(2, 2, 3\)",
    ),
    "weights that are not finite": (
        lambda: forward(weights=np.array([[0, 1, np.nan], [0, 1, 2]])),
        "'forward': weights must be finite",
    ),
    "weights with a unit": (
        lambda: circuit(forward(weights=np.ones((2, 3)) * mV)),
        "'forward': weights times signal has unit V, expected 1",
    ),
    "a learning rate without unit": (
        lambda: circuit(forward(rule=rule(learning_rate=1e-3))),
        "'forward': learning_rate has unit 1, expected Hz",
    ),
    "a learning rate of the wrong unit": (
        lambda: circuit(forward(rule=rule(learning_rate=1 * nA))),
        "'forward': learning_rate has unit A, expected Hz",
    ),
    "learning rates for other replicates": (
        lambda: circuit(forward(rule=rule(learning_rate=np.ones(3) * Hz)), replicates=2),
        r"learning_rate must be a scalar or have shape \(2,\), got \(3,\)",
    ),
    "an unknown postsynaptic factor": (
        lambda: circuit(forward(rule=rule(post_factor="drive - u"))),
        "'forward': post_factor of 'cells': unknown name 'u'",
    ),
    "a presynaptic factor that can't be parsed": (
        lambda: circuit(forward(rule=rule(pre_factor="rate*"))),
        r"'forward': pre_factor of 'input': 'rate\*': invalid syntax",
    ),
    "a parameter for other replicates": (
        lambda: Circuit(populations=(leaky(parameters={"tau": np.ones(3) * ms}),), replicates=2),
        r"'cells': parameter tau.*\(2,\); got \(3,\)",
    ),
    "an initial value of the wrong shape": (
        lambda: two(leaky("input", 3), leaky(initial={"v": np.ones(3)})),
        r"'cells': initial v: shape \(3,\) does not fit \[R, B, N\] = \(1, 1, 2\)",
    ),
    "an initial value of the wrong unit": (
        lambda: two(leaky("input", 3), leaky(initial={"v": 1 * mV})),
        "'cells': initial v has unit V, expected 1",
    ),
    "a link to another size": (
        lambda: two(linked("cells", "area"), leaky("area", 3)),
        "'cells': link teacher: 'area' has 3 neurons, 'cells' has 2; a link is one to one",
    ),
    "a link to an unknown population": (
        lambda: two(linked("cells", "arae"), leaky("area")),
        "unknown population 'arae'; did you mean 'area'",
    ),
    "a link to an unknown variable": (
        lambda: two(linked("cells", "area", "ratte"), leaky("area")),
        "'area': unknown variable 'ratte'; did you mean 'rate'",
    ),
    "a link of the wrong unit": (
        lambda: two(linked("cells", "area", unit="volt"), leaky("area")),
        "'cells': link teacher has unit 1, expected V",
    ),
    "a circle of links": (
        lambda: two(linked("cells", "area"), linked("area", "cells")),
        r"links form a circle among \['area', 'cells'\]",
    ),
    "a link to itself": (
        lambda: two(linked("cells", "cells"), leaky("area")),
        r"circle among \['cells'\]",
    ),
}


@pytest.mark.parametrize(("make", "message"), WRONG_CIRCUITS.values(), ids=WRONG_CIRCUITS)
def test_wrong_circuit(make, message):
    with pytest.raises(CircuitError, match=f"(?s){message}"):
        make()


@pytest.mark.parametrize("kind", ["population", "projection"])
def test_unknown_part_is_told_with_the_nearest_name(kind):
    with pytest.raises(CircuitError, match=f"unknown {kind}"):
        getattr(circuit(forward()), kind)("nothing")


def test_units_that_fit_are_accepted():
    equations = "dv/dt = (drive - v)/tau : volt\ndrive : volt"
    populations = leaky("input", 3, equations), leaky(equations=equations)
    learning = LearningRule(
        post_factor="drive - v", pre_factor="v/mV", learning_rate=1 / (ms * volt)
    )
    projection = forward(signal="v", rule=learning)
    built = Circuit(populations=populations, projections=(projection,))
    assert built.projection("forward").rule is learning


def test_readers_of_links_are_updated_before_their_sources():
    chain = linked("a", "b"), linked("b", "c"), leaky("c"), linked("d", "c")
    order = Circuit(populations=chain).update_order()
    assert order["a"] < order["b"] < order["c"]
    assert order["d"] < order["c"]
    assert min(order.values()) > 0  # weights and records come at 0 and see the step's start


@pytest.mark.parametrize("name", ["i", "N"])
def test_numbers_of_neurons_are_not_for_replicates(name):
    cells = Population(name="cells", size=2, equations=f"dv/dt = ({name} - v)/second : 1")
    Circuit(populations=(cells,))
    with pytest.raises(CircuitError, match=f"{name} counts the neurons of all replicates"):
        Circuit(populations=(cells,), replicates=2)


def test_weights_are_frozen_and_the_callers_own_array_is_no_part_of_them():
    weights = np.ones((2, 2))
    projection = Projection(
        name="loop", pre="cells", post="cells", signal="v", target="x", weights=weights
    )
    weights[:] = np.nan
    assert np.all(projection.weights == 1)
    with pytest.raises(ValueError, match="read-only"):
        projection.weights[0, 0] = 2
