"""What can be recorded, and in which unit."""

from dataclasses import replace

import pytest
from brian2 import ms, mV

from microcircuit.circuit import Circuit, CircuitError, Population
from microcircuit.records import Mean, Spikes, Trace, check_records, record_units
from microcircuit.spikes import Poisson

CIRCUIT = Circuit(
    populations=(
        Population(
            name="cells",
            size=2,
            equations="dv/dt = (drive - v)/tau : volt\ndrive : volt",
            parameters={"tau": 5 * ms},
        ),
        Population(name="cells_b", size=2, equations="x : 1"),
    )
)


def trace(**changes):
    return Trace(
        **{"name": "v", "population": "cells", "expression": "v", "interval": 1 * ms} | changes
    )


def mean(**changes):
    return Mean(**{"name": "v", "population": "cells", "expression": "v"} | changes)


@pytest.mark.parametrize(
    ("expression", "unit"),
    [
        ("v", "V"),
        ("v**2", "V^2"),
        ("v/mV", "1"),
        ("v/tau", "m^2 kg s^-4 A^-1"),
        ("exp(-drive/mV)", "1"),
    ],
)
def test_unit(expression, unit):
    record = mean(expression=expression)
    check_records((record,), CIRCUIT)
    assert record_units(record, CIRCUIT) == unit


def test_same_name_in_two_populations():
    check_records((trace(name="x"), trace(name="x", population="cells_b", expression="x")), CIRCUIT)


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([trace(population="cell")], "unknown population 'cell'; did you mean 'cells'"),
        ([trace(expression="u")], "record 'v' of 'cells': unknown name 'u'.*Known: N, drive"),
        ([mean(expression="v + tau")], "record 'v' of 'cells'.*inconsistent units"),
        ([mean(expression="v +")], "record 'v' of 'cells'.*invalid syntax"),
        ([mean(expression="v*rand()")], "use the noise xi"),
        ([trace(name="v/w")], "record name 'v/w'"),
        ([trace(), mean()], "record cells.v: its name is taken"),
        # Both recorders would be called record_cells_b_x.
        (
            [mean(name="b_x"), mean(name="x", population="cells_b", expression="x")],
            "record cells_b.x: its name is taken",
        ),
        ([trace(interval=0 * ms)], "not a whole number of steps"),
        ([trace(interval=0.25 * ms)], "250. us is not a whole number of steps"),
        ([trace(interval=1 * mV)], "is a time"),
        ([mean(last=0.05 * ms)], "not a whole number of steps"),
    ],
)
def test_wrong_record(records, message):
    with pytest.raises(CircuitError, match=message):
        check_records(tuple(records), CIRCUIT)


SPIKING = Circuit(
    populations=(
        Population(name="input", size=2, equations="rate : Hz", spikes=Poisson(rate="rate")),
        Population(name="cells", size=2, equations="v : 1"),
    )
)
SPIKES = Spikes(population="input")


def test_spikes():
    also = Mean(name="rate", population="input", expression="rate", probes_only=True)
    check_records((SPIKES, also), SPIKING)


@pytest.mark.parametrize(
    ("records", "changes", "message"),
    [
        ([Spikes(population="inputs")], {}, "unknown population 'inputs'; did you mean 'input'"),
        ([Spikes(population="cells")], {}, "record spikes of 'cells': it does not spike"),
        ([SPIKES], {"replicates": 2}, "of 'input': only with one replicate and a batch of one"),
        ([SPIKES], {"batch": 2}, "of 'input': only with one replicate and a batch of one"),
        ([SPIKES, SPIKES], {}, "record input.spikes: its name is taken"),
        (
            [SPIKES, Mean(name="spikes", population="input", expression="rate")],
            {},
            "record input.spikes: its name is taken",
        ),
    ],
)
def test_wrong_record_of_spikes(records, changes, message):
    with pytest.raises(CircuitError, match=message):
        check_records(tuple(records), replace(SPIKING, **changes))
