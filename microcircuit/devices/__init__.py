"""Programs: a circuit's structure, compiled once for a device, run many times on arrays.

This package is the only one that touches Brian2's devices and preferences. A program is a pure
function: state, parameters and a stretch of presentations in, new state and records out. It keeps
nothing between calls, so chunks, resumed runs, tests on the side and several circuits in one
process need no further care.
"""

from collections.abc import Sequence

from microcircuit.devices import cuda_program
from microcircuit.devices.activation import COMPILER_FLAGS
from microcircuit.devices.cpp_program import CppProgram, compiler
from microcircuit.devices.cuda_program import CudaProgram
from microcircuit.devices.numpy_program import NumpyProgram
from microcircuit.devices.program import Build, Chunk, Program, ProgramError

__all__ = [
    "COMPILER_FLAGS",
    "DEVICES",
    "Build",
    "Chunk",
    "CppProgram",
    "CudaProgram",
    "NumpyProgram",
    "Program",
    "ProgramError",
    "compiler",
    "toolchain",
]

DEVICES: dict[str, type[Program]] = {"cpp": CppProgram, "cuda": CudaProgram, "numpy": NumpyProgram}
"""Where programs run, by the name used on the command line."""


def toolchain(device: str) -> tuple[str | None, Sequence[str]]:
    """Return what a device's programs are compiled with: the compiler, if any, and its flags."""
    match device:
        case "cpp":
            return compiler(), COMPILER_FLAGS
        case "cuda":
            return cuda_program.nvcc(), cuda_program.NVCC_FLAGS
        case _:
            return None, ()
