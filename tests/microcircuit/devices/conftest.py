"""CUDA programs without a GPU."""

import os
import re
import shutil
from pathlib import Path

import pytest

from microcircuit.command import run_command
from microcircuit.cuda_toolkit import find_curand, find_toolkit
from microcircuit.devices import compilation, cuda_program
from microcircuit.devices.program import ProgramError
from microcircuit.devices.standalone_program import StandaloneProgram
from microcircuit.network import build

HEADERS = (
    "cuda.h",
    "cuda_profiler_api.h",
    "curand.h",
    "curand_kernel.h",
    "thrust/device_vector.h",
    "thrust/host_vector.h",
    "thrust/system_error.h",
)
"""Of CUDA, as far as generated code includes them; ours holds all that is used of them."""

MAKEFILE = """
COMPILE := $(CXX) -std=c++17 -O1 -w -I. -Icuda
OBJECTS := $(patsubst %.cu,%.o,$(wildcard *.cu code_objects/*.cu))
main: $(OBJECTS); $(CXX) $^ -o $@
cuda_on_cpu.h.gch: cuda_on_cpu.h; $(COMPILE) -x c++-header $< -o $@
%.o: %.cu cuda_on_cpu.h.gch; $(COMPILE) -include cuda_on_cpu.h -x c++ -c $< -o $@
"""


class CudaOnCpuProgram(cuda_program.CudaProgram):
    """The generated CUDA source, compiled by the C++ compiler with a stand-in for CUDA.

    It runs all that a GPU would, host code and kernels, but for what only happens in parallel.
    """

    def __init__(self, structure, build=build):
        cuda_program.load()
        StandaloneProgram.__init__(self, structure, build)

    @classmethod
    def generate(cls, structure, project, build=build):
        files = super().generate(structure, project, build)
        for header in HEADERS:
            path = project / "cuda" / header
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        for source in (*project.glob("*.cu"), *project.glob("code_objects/*.cu")):
            launches = re.compile(r"(\w+)<<<(.+?)>>>", re.DOTALL)
            source.write_text(launches.sub(r"on_cpu::launch(\1, \2)", source.read_text()))
        shutil.copy(Path(__file__).with_name("cuda_on_cpu.h"), project)
        (project / "makefile").write_text(MAKEFILE)
        return files

    @staticmethod
    def compilers():
        return (("g++", "--version"),)

    @staticmethod
    def make(project):
        compilation.make(project, f"make -j {compilation.jobs()}")

    def environment(self):
        return os.environ


@pytest.fixture(scope="session")
def cuda_on_cpu():
    """A device that runs CUDA source on the CPU."""
    try:
        cuda_program.load()
    except ProgramError as error:
        pytest.skip(str(error))
    return CudaOnCpuProgram


@pytest.fixture(scope="session")
def nvcc(cuda_on_cpu):
    """Skip where programs can't be compiled for a GPU."""
    toolkit = find_toolkit()
    if toolkit is None:
        pytest.skip("no nvcc")
    if find_curand(toolkit) is None:
        pytest.skip("no cuRAND: install the extra [cuda]")


@pytest.fixture(scope="session")
def why_no_gpu():
    """Why programs can't be compiled and run on a GPU; empty where they can."""
    gpu = run_command(["nvidia-smi", "-L"])
    if not gpu.succeeded or "GPU" not in gpu.output:
        return f"no GPU: {gpu.first_line}"
    toolkit = find_toolkit()
    if toolkit is None:
        return "a GPU, but no nvcc"
    return "" if find_curand(toolkit) else "a GPU, but no cuRAND: install the extra [cuda]"
