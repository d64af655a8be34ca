"""Programs: pure, the same on every device, compiled once."""

import gc
import multiprocessing
import os
import signal
import tempfile
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from brian2 import get_device, ms, set_device
from brian2.devices.device import RuntimeDevice, all_devices, reset_device

from microcircuit.cache import cache_folder
from microcircuit.circuit import Circuit, LearningRule, Population, Projection
from microcircuit.devices import DEVICES, CppProgram, NumpyProgram, ProgramError, compilation
from microcircuit.devices.activation import active
from microcircuit.network import build
from microcircuit.records import Trace
from microcircuit.schedule import Presentations
from microcircuit.state import initial_state, parameter_values
from microcircuit.structure import Structure

TOLERANCE = 1e-10
"""Devices differ in the order of sums and in the last bits of exp; test_reference.py has more."""


def run(program, circuit, kit, stretch, first_step=0):
    return program.run(kit.state(circuit), kit.parameters(circuit), stretch, first_step)


def in_pieces(program, circuit, kit, cuts):
    """Run the kit's presentations cut into chunks; return the last chunk and all records."""
    state, step, records = kit.state(circuit), 0, []
    for start, stop in pairwise(cuts):
        stretch = kit.stretch(start, stop)
        chunk = program.run(state, kit.parameters(circuit), stretch, step)
        state, step = chunk.state, step + int(np.sum(stretch.steps))
        records.append(chunk.records)
    joined = {key: np.concatenate([r[key] for r in records]) for key in records[0]}
    return replace(chunk, records=joined)


def assert_equal(first, second):
    for ours, theirs in ((first.state, second.state), (first.records, second.records)):
        assert ours.keys() == theirs.keys()
        for key, value in ours.items():
            np.testing.assert_array_equal(value, theirs[key], err_msg=key)


@pytest.mark.parametrize("name", ["cpp", "numpy"])
@pytest.mark.parametrize("cuts", [(0, 1, 8, 20), (0, 13, 14, 20)], ids=str)
def test_chunks_change_nothing_to_the_bit(drill, compiled, name, cuts):
    program, circuit = compiled(drill.structure, name), drill.circuit()
    whole = in_pieces(program, circuit, drill, (0, 20))
    pieces = in_pieces(program, circuit, drill, cuts)
    assert len(whole.records["record_hidden_1_v_apical"]) == 229  # 1,600 steps, every seventh
    assert_equal(whole, pieces)


@pytest.mark.parametrize("name", ["cpp", "numpy"])
def test_programs_keep_nothing_between_calls(drill, compiled, name):
    program, circuit = compiled(drill.structure, name), drill.circuit()
    first = run(program, circuit, drill, drill.stretch())
    other = drill.circuit(seed=3, sigma=1 * ms**-0.5)
    run(program, other, drill, drill.stretch(5, 9), first_step=777)
    assert_equal(first, run(program, circuit, drill, drill.stretch()))


def test_cpp_and_numpy_agree(drill, compiled, largest_difference):
    circuit, stretch = drill.circuit(sigma=0 * ms**-0.5), drill.plastic()
    ours, theirs = (
        run(compiled(drill.structure, name), circuit, drill, stretch) for name in ("cpp", "numpy")
    )
    for key, expected in theirs.state.items():
        assert largest_difference(expected, ours.state[key]) < TOLERANCE, key
    for key, expected in theirs.records.items():
        limit = TOLERANCE if expected.dtype == np.float64 else np.finfo(np.float32).eps
        assert largest_difference(expected, ours.records[key]) <= limit, key


def test_noise_and_seeds_matter(drill, drill_program):
    circuit = drill.circuit()
    ends = [
        drill_program.run(drill.state(circuit), drill.parameters(circuit, seed), stretch, step)
        for seed, step in ((0, 0), (1, 0), (0, 1000))
        for stretch in (drill.stretch(),)
    ]
    for other in ends[1:]:
        assert np.all(ends[0].state["output.v_soma"] != other.state["output.v_soma"])


@pytest.mark.parametrize("name", ["cpp", "numpy"])
def test_frozen_presentations(drill, compiled, name):
    """Without learning neither weights nor filters move, and the neurons do."""
    circuit = drill.circuit()
    stretch = replace(drill.stretch(), learning=np.zeros(20, dtype=bool))
    start = drill.state(circuit)
    end = run(compiled(drill.structure, name), circuit, drill, stretch).state
    for key, value in start.items():
        frozen = key.endswith((".w", ".filtered"))
        assert np.array_equal(end[key], value) == frozen, key


def test_whole_numbers_are_parameters_too(drill, drill_program):
    """A parameter without a decimal point must not reach the binary as the bits of an integer."""
    circuit = drill.circuit()
    parameters = drill.parameters(circuit)
    parameters["output.g_leak"] = np.array([100.0])
    expected = drill_program.run(drill.state(circuit), parameters, drill.stretch(), 0)
    parameters["output.g_leak"] = np.array([100])
    assert_equal(expected, drill_program.run(drill.state(circuit), parameters, drill.stretch(), 0))


# ---------------------------------------------------------------------- time and links

COUNTING = Circuit(
    populations=(
        # The reader's rate is computed from the source's, which must be of the same step.
        Population(
            name="a_reader",
            size=1,
            equations="""
            double_time = 2*time : 1 (constant over dt)
            time : 1 (linked)
            dsum/dt = level/ms : 1
            level : 1 (linked)
            """,
            links={"time": ("source", "time"), "level": ("source", "level")},
        ),
        Population(
            name="source",
            size=1,
            equations="time = t/ms : 1 (constant over dt)\ndlevel/dt = 1/ms : 1",
        ),
    ),
    dt=1 * ms,
)


def counting():
    records = tuple(
        Trace(name=name, population=population, expression=name, interval=1 * ms)
        for population, name in (
            ("a_reader", "double_time"),
            ("a_reader", "sum"),
            ("source", "time"),
            ("source", "level"),
        )
    )
    return Structure(circuit=COUNTING, inputs=(), records=records, longest=5, capacity=3)


@pytest.mark.parametrize("device_name", ["numpy", "cpp"])
def test_time_goes_on_and_all_is_of_the_start_of_the_step(device_name):
    program, state, traces = DEVICES[device_name](counting()), initial_state(COUNTING), []
    for step in (0, 10):
        stretch = Presentations(steps=np.array([5, 5]), inputs={}, learning=np.ones(2, dtype=bool))
        chunk = program.run(state, parameter_values(counting(), COUNTING, 0), stretch, step)
        state = chunk.state
        traces.append(chunk.records)
    joined = {k: np.concatenate([t[k] for t in traces])[:, 0] for k in traces[0]}
    steps = np.arange(20)
    np.testing.assert_array_equal(joined["record_source_time"], steps)
    np.testing.assert_array_equal(joined["record_a_reader_double_time"], 2 * steps)
    np.testing.assert_array_equal(joined["record_source_level"], steps)
    # Euler adds the level at the start of each step: 0, then 0 + 0, 0 + 0 + 1, ...
    np.testing.assert_array_equal(joined["record_a_reader_sum"], steps * (steps - 1) / 2)


def test_the_users_own_device_is_left_as_it_was(drill_program, drill):
    assert isinstance(get_device(), RuntimeDevice)
    CppProgram(counting())
    assert isinstance(get_device(), RuntimeDevice)


@pytest.mark.parametrize(
    ("own", "options"),
    [
        ("", "glibc.malloc.hugetlb=1"),
        ("glibc.malloc.hugetlb=0", "glibc.malloc.hugetlb=1:glibc.malloc.hugetlb=0"),
    ],
)
def test_the_users_own_options_for_memory_come_last(monkeypatch, own, options):
    """Of several the last one counts."""
    monkeypatch.setenv("GLIBC_TUNABLES", own)
    assert CppProgram.environment()["GLIBC_TUNABLES"] == options


def test_brian2_does_not_search_the_whole_process_for_garbage():
    before = len(gc.get_objects())
    with active("runtime", "double"):
        assert len(gc.get_objects()) < 0.1 * before
    assert len(gc.get_objects()) > 0.9 * before


def test_a_circuit_that_can_not_be_built_leaves_nothing_behind():
    def fail(structure):
        build(structure)
        raise ValueError("no such thing")

    with pytest.raises(ValueError, match="no such thing"):
        CppProgram(counting(), fail)
    assert isinstance(get_device(), RuntimeDevice)
    assert not all_devices["cpp_standalone"].arrays


def test_a_standalone_script_in_the_making_is_not_lost():
    set_device("cpp_standalone", build_on_run=False)
    try:
        with pytest.raises(ProgramError, match="device of your own is active"):
            CppProgram(counting())
    finally:
        reset_device()


def test_what_killed_builds_left_is_removed(drill, drill_program, monkeypatch, tmp_path):
    monkeypatch.setenv("MICROCIRCUIT_CACHE", str(tmp_path))
    monkeypatch.setattr(CppProgram, "make", staticmethod(refuse))
    for name, age in (("building-old", 2 * compilation.LONGEST_BUILD), ("building-new", 0)):
        (tmp_path / name).mkdir()
        then = time.time() - age
        os.utime(tmp_path / name, (then, then))
    with pytest.raises(AssertionError, match="compiled again"):
        CppProgram(counting())
    assert [folder.name for folder in tmp_path.glob("building-*")] == ["building-new"]


def test_cache_tells_compilers_apart(monkeypatch, tmp_path):
    (tmp_path / "main.cpp").write_text("int main() {}", encoding="utf-8")
    digests = set()
    for options in ("g++", "g++ -DOTHER=1"):
        monkeypatch.setenv("CXX", options)
        digests.add(compilation.digest(tmp_path, CppProgram.compilers()))
    assert len(digests) == 2


def test_factor_may_be_a_parameter():
    """One number for all neurons, in a rule that reads one number a neuron."""
    cells = Population(
        name="cells",
        size=3,
        equations="dv/dt = (drive - v)/tau : 1\ndrive : 1",
        parameters={"tau": 5 * ms, "gain": 2},
        initial={"v": 1},
    )
    loop = Projection(
        name="loop",
        pre="cells",
        post="cells",
        signal="v",
        target="drive",
        weights=np.zeros((3, 3)),
        rule=LearningRule(post_factor="gain", pre_factor="v", learning_rate=1 / ms),
    )
    circuit = Circuit(populations=(cells,), projections=(loop,))
    structure = Structure(circuit=circuit, inputs=(), records=(), longest=1, capacity=1)
    stretch = Presentations(steps=np.array([1]), inputs={}, learning=np.ones(1, dtype=bool))
    end = NumpyProgram(structure).run(
        initial_state(circuit), parameter_values(structure, circuit, 0), stretch, 0
    )
    # One step of 0.1 ms at a rate of 1/ms times 2 times 1, to rounding.
    np.testing.assert_allclose(end.state["loop.w"], 0.2, rtol=1e-14)


# ------------------------------------------------------------------------- divergence


@pytest.mark.parametrize("name", ["cpp", "numpy"])
def test_divergence_stops_the_program(drill, compiled, name):
    circuit = drill.circuit(eta_from_interneuron=(100 / ms,))
    chunk = run(compiled(drill.structure, name), circuit, drill, drill.plastic())
    assert chunk.diverged == (("hidden_1", "v_soma"),)
    assert 0 < chunk.presentations < 20
    assert len(chunk.records["record_output_rate"]) == chunk.presentations
    # Sampled every seventh step, up to the end of the presentation that diverged.
    assert len(chunk.records["record_hidden_1_v_apical"]) == -(-chunk.presentations * 100 // 7)


@pytest.mark.parametrize("name", ["cpp", "numpy"])
def test_not_a_number_counts_as_diverged(drill, compiled, name):
    circuit = drill.circuit()
    state = drill.state(circuit)
    state["bottom_up_2.w"][0, 2, 3] = np.nan
    parameters = drill.parameters(circuit)
    chunk = compiled(drill.structure, name).run(state, parameters, drill.stretch(), 0)
    assert chunk.presentations == 1
    assert chunk.diverged != (None,)


# ------------------------------------------------------------------------------ cache


def refuse(*_):
    raise AssertionError("compiled again")


def test_other_numbers_are_not_compiled_again(drill, drill_program, monkeypatch):
    monkeypatch.setattr(CppProgram, "make", staticmethod(refuse))
    model = replace(
        drill.model,
        g_apical=0.5 / ms,
        sigma=0.3 * ms**-0.5,
        eta_bottom_up=(0.1 / ms,),
        tau_weights=10 * ms,
    )
    experiment = drill.protocol(presentations=7).experiment(model, seed=5)
    again = CppProgram(replace(drill.structure, circuit=experiment.circuit))
    changed = run(again, experiment.circuit, drill, drill.stretch())
    before = run(drill_program, drill.circuit(), drill, drill.stretch())
    assert np.all(changed.state["output.v_soma"] != before.state["output.v_soma"])


def test_another_structure_is_another_program(drill, drill_program, monkeypatch):
    folders = []

    def remember_and_refuse(project):
        folders.append(project)
        refuse(project)

    monkeypatch.setattr(CppProgram, "make", staticmethod(remember_and_refuse))
    with pytest.raises(AssertionError, match="compiled again"):
        CppProgram(replace(drill.structure, records=drill.structure.records[:1]))
    assert [folder.exists() for folder in folders] == [False]


ALONE = Circuit(
    populations=(
        Population(
            name="cells", size=2, equations="dv/dt = -v/tau : 1", parameters={"tau": 5 * ms}
        ),
    )
)


def compile_and_run(queue):
    structure = Structure(circuit=ALONE, inputs=(), records=(), longest=10, capacity=1)
    stretch = Presentations(steps=np.array([10]), inputs={}, learning=np.ones(1, dtype=bool))
    state = {"cells.v": np.ones((1, 1, 2))}
    program = CppProgram(structure)
    chunk = program.run(state, parameter_values(structure, ALONE, 0), stretch, 0)
    queue.put(chunk.state["cells.v"])


@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_processes_that_need_the_same_program_compile_it_once(tmp_path, monkeypatch):
    monkeypatch.setenv("MICROCIRCUIT_CACHE", str(tmp_path / "new" / "cache"))
    log, make = tmp_path / "log", CppProgram.make

    def logged(project):
        with log.open("a") as file:
            file.write(f"{project}\n")
        make(project)

    monkeypatch.setattr(CppProgram, "make", staticmethod(logged))
    context = multiprocessing.get_context("fork")  # they start in the same instant
    queue = context.Queue()
    workers = [context.Process(target=compile_and_run, args=(queue,)) for _ in range(2)]
    for worker in workers:
        worker.start()
    results = [queue.get(timeout=300) for _ in workers]
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    np.testing.assert_allclose(results, 0.98**10, rtol=1e-14)  # Euler with dt/tau of 0.02
    assert len(log.read_text().splitlines()) == 1
    kept = [path for path in cache_folder().iterdir() if path.is_dir()]
    assert len(kept) == 1
    assert (kept[0] / "main").exists()


@pytest.mark.parametrize(
    ("compiler", "message"),
    [
        ("g++ --no-such-option", "compiling the circuit failed.*no-such-option.*doctor"),
        ("no-such-compiler", "no compiler no-such-compiler.*doctor"),
    ],
)
def test_compiler_that_fails(monkeypatch, tmp_path, compiler, message):
    monkeypatch.setenv("MICROCIRCUIT_CACHE", str(tmp_path))
    monkeypatch.setenv("CXX", compiler)
    with pytest.raises(ProgramError, match=f"(?s){message}"):
        CppProgram(counting())
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]


# --------------------------------------------------------------------------- failures


@pytest.fixture
def fragile(drill, drill_program):
    """The drill's program, whose folder may be replaced."""
    program = object.__new__(CppProgram)
    program.__dict__.update(drill_program.__dict__)
    return program


def fake(folder, script):
    binary = Path(folder, "main")
    binary.write_text(f"#!/bin/sh\n{script}\n")
    binary.chmod(0o755)
    return folder


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo a result; echo out of memory >&2; exit 3", r"exit status 3\): out of memory"),
        ("kill -SEGV $$", f"exit status -{int(signal.SIGSEGV)}"),
        # Brian2 reports a bad array, goes on and exits with 0.
        ("echo warning >&2; echo \"Error reading 'x': size\" >&2", r"0\): warning\nError reading"),
        ("echo \"Could not read 'x'\" >&2", "Could not read"),
        ("true", "could not run.*No such file"),
    ],
)
def test_binary_that_fails(drill, fragile, tmp_path, script, message):
    fragile._folder = fake(tmp_path, script)
    with pytest.raises(ProgramError, match=message):
        run(fragile, drill.circuit(), drill, drill.stretch())


def test_array_of_another_size(drill, drill_program):
    circuit = drill.circuit()
    parameters = drill.parameters(circuit) | {"output.g_leak": np.zeros(2)}
    with pytest.raises(ProgramError, match=r"Error reading.*does not match expected size"):
        drill_program.run(drill.state(circuit), parameters, drill.stretch(), 0)


def test_a_warning_is_no_failure(drill, drill_program, fragile, tmp_path):
    real = fragile._folder / "main"
    fragile._folder = fake(tmp_path, f'echo careful >&2; exec "{real}" "$@"')
    circuit = drill.circuit()
    assert_equal(*(run(p, circuit, drill, drill.stretch()) for p in (fragile, drill_program)))


def test_full_disk_of_the_scratch_folder(drill, fragile, tmp_path):
    """The binary ignores failed writes and exits with 0: a short file must not pass for a record.

    Here the table of a trace is cut short, as on a disk with little room.
    """
    real = fragile._folder / "main"
    table = fragile._files["record_hidden_1_v_apical.table"].name
    fragile._folder = fake(
        tmp_path, f'"{real}" "$@" && head -c 400 "$2{table}" > "$2x" && mv "$2x" "$2{table}"'
    )
    with pytest.raises(ProgramError, match=r"wrote 100 of .*record_hidden_1_v_apical.*full"):
        run(fragile, drill.circuit(), drill, drill.stretch())


def test_scratch_folder_that_can_not_be_written(drill, drill_program, monkeypatch, tmp_path):
    missing = str(tmp_path / "missing")
    monkeypatch.setenv("TMPDIR", missing)
    monkeypatch.setattr(tempfile, "tempdir", missing)
    with pytest.raises(ProgramError, match=r"could not run the compiled program.*missing"):
        run(drill_program, drill.circuit(), drill, drill.stretch())


@pytest.mark.parametrize(
    ("stretch", "message"),
    [
        (lambda kit: kit.stretch(0, 1049), "holds 1 to 1048 presentations: 1049"),
        (lambda kit: kit.stretch(0, 0), "1 to 1048 presentations: 0"),
        (lambda kit: replace(kit.stretch(0, 2), steps=np.array([1, 1001])), "1 to 1000 steps"),
        (lambda kit: replace(kit.stretch(0, 2), steps=np.array([0, 5])), "1 to 1000 steps"),
    ],
)
def test_chunk_that_does_not_fit(drill, drill_program, stretch, message):
    with pytest.raises(ProgramError, match=message):
        run(drill_program, drill.circuit(), drill, stretch(drill))
