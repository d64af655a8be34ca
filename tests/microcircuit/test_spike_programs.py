"""Programs with spikes: pure, the same bits however a run is cut, and learning when it is meant.

What they compute: test_spike_objects.py.
"""

from dataclasses import replace

import numpy as np
import pytest
from brian2 import ms

from microcircuit.circuit import CircuitError
from microcircuit.replicates import stack
from microcircuit.spikes import Average, Poisson, SynapticKernel
from microcircuit.state import initial_state, parameter_values

DEVICES = "cpp", "numpy"
PRESENTATIONS = 8


def assert_equal(first, second):
    for ours, theirs in zip(first, second, strict=True):
        assert ours.keys() == theirs.keys()
        for key, value in ours.items():
            np.testing.assert_array_equal(value, theirs[key], err_msg=key)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("cuts", [(0, 1, 2, 3, 4, 5, 6, 7, 8), (0, 3, 5, 8)], ids=str)
def test_chunks_change_nothing_to_the_bit(compiled, spiking, device, cuts):
    """Between a phase and the one that is compared with it, and while spikes are on their way."""
    program = compiled(spiking.structure(), device)
    assert_equal(spiking.run(program), spiking.run(program, cuts=cuts))


@pytest.mark.parametrize(("device", "batch"), [("cpp", 2), ("numpy", 2), ("numpy", 1)])
def test_a_replicate_is_the_single_network_to_the_bit(compiled, spiking, device, batch):
    state, records = spiking.run(compiled(spiking.structure(batch=batch), device))
    program = compiled(spiking.structure(together=False, batch=batch), device)
    for r in range(3):
        alone = spiking.run(program, r)
        for key, value in alone[0].items():
            np.testing.assert_array_equal(value[0], state[key][r], err_msg=key)
        for key, rows in alone[1].items():
            np.testing.assert_array_equal(rows[:, 0], records[key][:, r], err_msg=key)


def test_spikes_differ_in_the_batch(compiled, spiking):
    """Of networks that are shown the same."""
    stretch = spiking.shown()
    inputs = {key: np.repeat(value[:, :, :1], 2, axis=2) for key, value in stretch.inputs.items()}
    program = compiled(spiking.structure())
    _, records = spiking.run(program, stretch=replace(stretch, inputs=inputs))
    spikes = records["source.spikes"]
    assert np.mean(spikes[:, :, 0] != spikes[:, :, 1]) > 0.1


def test_averages_start_from_nothing(compiled, spiking):
    """Whatever a run that was interrupted has left in a program's arrays."""
    program = compiled(spiking.structure(), "numpy")
    sums = {
        f"{name}_average.sum": np.ones((3, 2, spiking.sizes[name.partition("_")[0]]))
        for name in ("source_seen", "middle_early", "sink_heard")
    }
    _, records = spiking.run(program, state=initial_state(spiking.circuit()) | sums)
    for key, rows in spiking.run(program)[1].items():
        np.testing.assert_array_equal(records[key], rows, err_msg=key)


NAMES = "source_psp_trace", "forward_kernel"
"""The filters of what the sources send."""
SILENCE = 4
"""Times all presentations, of 17 ms each: the slower exponential falls to 1e-30 of its size."""


@pytest.mark.parametrize(
    ("device", "precision"), [("cpp", "double"), ("cpp", "single"), ("numpy", "double")]
)
def test_nothing_is_left_after_silence(compiled, spiking, device, precision):
    """Not even what rounding leaves, which would decay to denormal numbers, and those are slow."""
    program = compiled(spiking.structure(precision), device)
    stretch = spiking.shown()
    silent = replace(
        stretch,
        inputs={**stretch.inputs, "source.rate": np.zeros_like(stretch.inputs["source.rate"])},
    )
    filters = [f"{name}.{part}" for name in NAMES for part in ("slow", "fast", "past")]
    state, _ = spiking.run(program)
    assert all(np.any(state[key]) for key in filters)
    left = []
    for number in range(SILENCE):
        step = (number + 1) * np.sum(spiking.durations)
        state, records = spiking.run(program, stretch=silent, state=state, step=step)
        left.append(max(np.max(np.abs(state[key])) for key in filters))
    assert 0 < left[0] < 1e-9
    for key in filters:
        assert not np.any(state[key]), key
    assert not np.any(records["source.psp"][-1])


def test_traces_are_renewed_before_sweeps(compiled, spiking):
    """So what sends them is not a step behind, as without sweeps."""
    circuit = spiking.circuit(0, 1)
    direct = replace(circuit.projection("direct"), signal="psp")
    sending = replace(
        circuit,
        populations=tuple(replace(p, averages={}) for p in circuit.populations),
        projections=(direct, circuit.projection("aside")),
    )
    structure = spiking.structure(together=False, batch=1)
    found = []
    for sweeps in ((), ("direct", "aside")):
        swept = replace(structure, circuit=replace(sending, sweeps=sweeps))
        values = parameter_values(swept, swept.circuit, 3)
        program = compiled(swept, "numpy")
        found.append(program.run(initial_state(swept.circuit), values, spiking.shown(0, 1), 0))
    assert np.any(found[0].records["record_middle_x"])
    assert_equal((found[0].state, found[0].records), (found[1].state, found[1].records))


# ------------------------------------------------------------------------------- learning


def learning(stretch, *flags):
    return replace(stretch, learning=np.array([*flags, *[False] * (PRESENTATIONS - len(flags))]))


@pytest.mark.parametrize("device", DEVICES)
def test_frozen_presentations(compiled, spiking, device):
    program = compiled(spiking.structure(), device)
    state, _ = spiking.run(program, stretch=learning(spiking.shown()))
    for name in spiking.shapes:
        np.testing.assert_array_equal(state[f"{name}.w"], spiking.weights(name), err_msg=name)


MARK = -7.0
"""Stands where no factor has been computed."""
COMPUTED = {
    "middle.forward_post_factor": lambda last: 0.3 - last["middle.v"],
    "sink.out_post_factor": lambda last: last["goal"] - last["sink.heard"],
    "middle.out_pre_factor": lambda last: last["middle.early"] * 0.5,
    "middle.loop_pre_factor": lambda last: (last["middle.own"] + 20) / 3000,
}


@pytest.mark.parametrize("device", DEVICES)
def test_factors_are_computed_at_the_end_of_presentations_with_learning(compiled, spiking, device):
    """And never else: those of the first stay, though all variables move on."""
    program = compiled(spiking.structure(), device)
    start = initial_state(spiking.circuit())
    for key in COMPUTED:
        population = key.partition(".")[0]
        start[key] = np.full((3, 2, spiking.sizes[population]), MARK)
    state, _ = spiking.run(program, stretch=learning(spiking.shown()), state=start)
    for key in COMPUTED:
        assert np.all(state[key] == MARK), key
    stretch = learning(spiking.shown(), True)
    state, records = spiking.run(program, stretch=stretch, state=start)
    last = {key.replace(".last_", "."): rows[0] for key, rows in records.items() if "last_" in key}
    last["goal"] = stretch.inputs["sink.goal"][0]
    for key, value in COMPUTED.items():
        # The same operations on the same numbers, but for a division that may be a product.
        np.testing.assert_allclose(state[key], value(last), rtol=1e-14, atol=1e-16, err_msg=key)


@pytest.mark.parametrize("device", DEVICES)
def test_a_rate_of_zero_holds_weights_that_are_out_of_bounds(compiled, spiking, device):
    """And clips them where it is not zero."""
    start = initial_state(spiking.circuit())
    start["out.w"] = np.full((3, 4, 3), 1.0)
    stretch = learning(spiking.shown(), True)
    state, _ = spiking.run(compiled(spiking.structure(), device), stretch=stretch, state=start)
    assert np.all(state["out.w"][1] == 1.0)
    assert np.all(state["out.w"][[0, 2]] == spiking.bounds["out"][1])


# ------------------------------------------------------------------------------ structure


def test_parameters_of_spikes(spiking):
    """Whatever a study may vary is a value: nothing of it is compiled."""
    structure = spiking.structure()
    values = parameter_values(structure, spiking.circuit(), spiking.seeds)
    assert values["source_spikes.key"].shape == (3,)
    assert len({*values["source_spikes.key"], *values["middle_spikes.key"]}) == 6
    assert values["source_seen_average.last"] == [10]
    assert values["forward_kernel.scale"] == pytest.approx([1 / 0.5e-3])
    assert values["loop_kernel.decay"] == pytest.approx(np.exp([-1 / 8, -1 / 11]))
    assert "direct_kernel.decay" not in values


def with_source(circuit, **changes):
    source, *others = circuit.populations
    return replace(circuit, populations=(replace(source, **changes), *others))


def with_forward(circuit, **changes):
    forward, *others = circuit.projections
    return replace(circuit, projections=(replace(forward, **changes), *others))


OTHER_KERNEL = SynapticKernel(tau_rise=0.6 * ms, tau_decay=1 * ms, memory=4 * ms)
OTHERS = {
    "another rate": lambda circuit: with_source(circuit, spikes=Poisson(rate="level")),
    "no traces": lambda circuit: with_source(circuit, traces={}),
    "another trace": lambda circuit: with_source(circuit, traces={"psp": OTHER_KERNEL}),
    "another average": lambda circuit: with_source(
        circuit, averages={"seen": Average(of="psp", last=1 * ms)}
    ),
    "another stretch": lambda circuit: with_source(
        circuit, averages={"seen": Average(of="psp", last=2 * ms, before="seen_before")}
    ),
    "another kernel": lambda circuit: with_forward(circuit, kernel=OTHER_KERNEL),
}


@pytest.mark.parametrize("change", OTHERS.values(), ids=OTHERS)
def test_circuits_that_spike_in_other_ways_are_no_replicates(spiking, change):
    first, second = spiking.circuit(0), spiking.circuit(1)
    assert stack([first, second]).replicates == 2
    with pytest.raises(CircuitError, match="circuit 1 differs in structure"):
        stack([first, change(second)])
