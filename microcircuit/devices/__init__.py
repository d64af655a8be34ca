"""Programs: a circuit's structure, compiled once for a device, run many times on arrays.

This package is the only one that touches Brian2's devices and preferences. A program is a pure
function: state, parameters and a stretch of presentations in, new state and records out. It keeps
nothing between calls, so chunks, resumed runs, tests on the side and several circuits in one
process need no further care.
"""

from microcircuit.devices.activation import COMPILER_FLAGS
from microcircuit.devices.cpp_program import CppProgram, compiler
from microcircuit.devices.numpy_program import NumpyProgram
from microcircuit.devices.program import Build, Chunk, Program, ProgramError

__all__ = [
    "COMPILER_FLAGS",
    "DEVICES",
    "Build",
    "Chunk",
    "CppProgram",
    "NumpyProgram",
    "Program",
    "ProgramError",
    "compiler",
]

DEVICES: dict[str, type[Program]] = {"cpp": CppProgram, "numpy": NumpyProgram}
"""Where programs run, by the name used on the command line."""
