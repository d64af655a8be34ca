"""CUDA programs: what nvcc makes of them, their source, and what is told when something is missing.

`test_cuda_program.py` is about what they compute.
"""

import subprocess
import sys

import numpy as np
import pytest
from brian2 import ms

from microcircuit import cuda_toolkit
from microcircuit.circuit import Circuit, CircuitError, LearningRule, Population, Projection
from microcircuit.cuda_toolkit import Toolkit
from microcircuit.devices import CudaProgram, ProgramError, compilation, cuda_program, toolchain
from microcircuit.records import Mean, Trace
from microcircuit.schedule import Presentations
from microcircuit.spikes import Average, Poisson
from microcircuit.state import initial_state, parameter_values
from microcircuit.structure import Structure


def smallest(batch=1):
    """As few objects as hold each kernel of rates: what is compiled takes ten seconds a file."""
    cells = Population(
        name="cells",
        size=2,
        equations="dv/dt = (x - v)/tau + sigma*xi : 1\nx : 1",
        parameters={"tau": 5 * ms, "sigma": 0.1 * ms**-0.5},
    )
    loop = Projection(
        name="loop",
        pre="cells",
        post="cells",
        signal="v",
        target="x",
        weights=np.ones((2, 2)),
        rule=LearningRule(
            post_factor="v",
            pre_factor="v",
            learning_rate=1 / ms,
            tau=1 * ms,
            window=(0 * ms, 1 * ms),
            bounds=(-1, 1),
        ),
    )
    return Structure(
        circuit=Circuit(populations=(cells,), projections=(loop,), batch=batch),
        inputs=("cells.sigma",),
        records=(
            Trace(name="v", population="cells", expression="v", interval=0.1 * ms),
            Mean(name="mean", population="cells", expression="v", across_neurons=True),
        ),
        longest=2,
        capacity=2,
    )


@pytest.mark.usefixtures("nvcc")
def test_compiles_and_links(why_no_gpu):
    """With nvcc. Whether it runs only a GPU can tell; without one it must say what is missing."""
    program = CudaProgram(smallest())
    circuit = program.structure.circuit
    stretch = Presentations(
        steps=np.array([2]), inputs={"cells.sigma": np.zeros(1)}, learning=np.array([True])
    )
    parameters = parameter_values(program.structure, circuit, 0)
    arguments = initial_state(circuit), parameters, stretch, 0
    if why_no_gpu:
        with pytest.raises(ProgramError, match=r"exit status.*CUDA"):
            program.run(*arguments)
    else:
        assert program.run(*arguments).presentations == 1


@pytest.mark.usefixtures("nvcc")
def test_matrices_of_a_batch_compile(tmp_path):
    CudaProgram.generate(smallest(batch=2), tmp_path)
    cuda_program.add_curand(tmp_path, cuda_program.toolkit())
    drive = "code_objects/loop_drive_codeobject.o"
    compilation.make(tmp_path, f"make {drive}")
    assert (tmp_path / drive).exists()


# ---------------------------------------------------------------------- source, and what is missing


def makefile(project):
    CudaProgram.generate(smallest(), project)
    return (project / "makefile").read_text()


@pytest.fixture
def nothing_installed(monkeypatch, tmp_path):
    """No nvcc, no GPU; programs would be compiled into a folder of their own."""
    monkeypatch.setattr(cuda_toolkit, "USUAL_FOLDERS", ())
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("MICROCIRCUIT_CACHE", str(tmp_path / "cache"))
    for name in ("CUDA_HOME", "CUDA_PATH", "MICROCIRCUIT_COMPUTE_CAPABILITY"):
        monkeypatch.delenv(name, raising=False)
    yield
    assert not (tmp_path / "cache").exists()


def test_source_is_written_without_nvcc(cuda_on_cpu, nothing_installed, tmp_path):
    text = makefile(tmp_path)
    flags = text.partition("NVCCFLAGS =")[2].partition("\n")[0]
    assert "-arch=sm_75" in flags
    assert flags.rindex("-std=c++17 -Icurand") > flags.index("-std=c++11")
    assert "fast" not in flags
    guard = (tmp_path / "code_objects" / "presenter_guard_codeobject.cu").read_text()
    assert "__global__ void _run_kernel_presenter_guard" in guard


def test_compute_capability(cuda_on_cpu, nothing_installed, monkeypatch, tmp_path):
    answer = tmp_path / "nvidia-smi"
    answer.write_text("#!/bin/sh\necho 9.0; echo 8.6\n", encoding="utf-8")
    answer.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert cuda_program.compute_capability() == 8.6
    monkeypatch.setenv("MICROCIRCUIT_COMPUTE_CAPABILITY", "12.0")
    assert "-arch=sm_120" in makefile(tmp_path / "project")
    monkeypatch.setenv("MICROCIRCUIT_COMPUTE_CAPABILITY", "hopper")
    with pytest.raises(ProgramError, match=r"such as 9\.0, not 'hopper'"):
        cuda_program.compute_capability()


SPIKES = {"spikes": Poisson(rate="rate")}
AVERAGES = {"averages": {"x": Average(of="v", last=1 * ms)}}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (SPIKES, "has no spikes, as 'cells' need: they run on the devices 'cpp' and 'numpy'"),
        (AVERAGES, "has no averages, as 'cells' need"),
        (SPIKES | AVERAGES, "has no spikes"),
    ],
    ids=["spikes", "averages", "both"],
)
def test_what_cuda_can_not_do_is_told_before_anything_is_made(nothing_installed, changes, message):
    """And before it is told that something must be installed."""
    cells = Population(
        name="cells",
        size=2,
        equations="dv/dt = (1 - v)/ms : 1\nx : 1\nrate : Hz",
        **changes,
    )
    circuit = Circuit(populations=(cells,))
    structure = Structure(circuit=circuit, inputs=(), records=(), longest=1, capacity=1)
    with pytest.raises(CircuitError, match=message):
        CudaProgram(structure)


def test_brian2cuda_is_missing(nothing_installed, monkeypatch):
    for module in ("brian2cuda", "brian2cuda.codeobject"):
        monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setattr(cuda_program, "load", cuda_program.load.__wrapped__)
    with pytest.raises(ProgramError, match=r"needs brian2cuda.*dendritic-microcircuit\[cuda\]"):
        CudaProgram(smallest())


def test_nvcc_is_missing(cuda_on_cpu, nothing_installed):
    with pytest.raises(ProgramError, match="there is no nvcc"):
        CudaProgram(smallest())


def test_curand_is_missing(cuda_on_cpu, nothing_installed, monkeypatch, tmp_path):
    monkeypatch.setattr(cuda_program, "find_toolkit", lambda: Toolkit(tmp_path))
    monkeypatch.setattr(cuda_program, "find_curand", lambda toolkit: None)
    with pytest.raises(ProgramError, match="has no cuRAND"):
        CudaProgram(smallest())


@pytest.mark.parametrize(
    ("command", "program"),
    [
        ("", "g++"),
        ("clang++", "clang++"),
        ("ccache g++ -m64", "g++"),
        ("/usr/bin/distcc '/opt/my gcc/bin/g++' --sysroot=/x -isystem y", "/opt/my gcc/bin/g++"),
        ("env CCACHE_DIR=/x ccache -v g++-13", "g++-13"),
    ],
)
def test_host_compiler_is_a_program(monkeypatch, command, program):
    monkeypatch.setenv("CXX", command)
    assert cuda_program.host_compiler() == program


def test_host_compiler_is_missing(monkeypatch):
    monkeypatch.setenv("CXX", "ccache -v")
    with pytest.raises(ProgramError, match="CXX names no compiler: 'ccache -v'"):
        cuda_program.host_compiler()


def test_toolchain(monkeypatch, tmp_path):
    monkeypatch.setattr(cuda_program, "find_toolkit", lambda: Toolkit(tmp_path))
    assert toolchain("cuda") == (str(tmp_path / "bin" / "nvcc"), cuda_program.NVCC_FLAGS)
    assert toolchain("numpy") == (None, ())


def test_importing_the_engine_does_not_import_brian2cuda():
    code = "import sys, microcircuit.devices; print('brian2cuda' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert answer.stdout.strip() == "False", answer.stderr
