"""Programs in CUDA, for one NVIDIA GPU, made with brian2cuda."""

import functools
import logging
import os
import shlex
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

from microcircuit.circuit import Circuit, CircuitError
from microcircuit.command import run_command
from microcircuit.cuda_toolkit import CUDA_EXTRA, Curand, Toolkit, find_curand, find_toolkit
from microcircuit.devices import compilation, cuda_functions
from microcircuit.devices.cpp_program import compiler
from microcircuit.devices.program import Build, ProgramError
from microcircuit.devices.standalone_program import StandaloneProgram
from microcircuit.network import build
from microcircuit.structure import Structure

CURAND = "curand"
"""Folder in a project for links to cuRAND, where the toolkit has none."""

# brian2cuda's makefile asks for C++11, the headers of CUDA 13 want C++17: the last one counts.
NVCC_FLAGS = "-w", "-std=c++17", f"-I{CURAND}"
"""How device code is compiled; recorded in every result. Without ``-use_fast_math``, which
brian2cuda would add and which rounds single precision in ways of its own."""
HOST_FLAGS = "-w", "-O2", "-std=c++17"
"""How host code is compiled, which computes nothing that matters."""

LAUNCHERS = "ccache", "sccache", "distcc", "icecc", "env"
"""What people put before the name of a compiler."""

OLDEST = 7.5
"""Compute capability for which programs are compiled where there is no GPU: the lowest that CUDA 13
knows. Later GPUs translate such programs when they load them."""


@functools.cache
def load() -> None:
    """Import brian2cuda and give it the functions of this engine.

    Raises
    ------
    ProgramError
        It is not installed, or not for this Brian2.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)  # of its own source
            from brian2cuda.codeobject import CUDAStandaloneCodeObject
    except ImportError as error:
        raise ProgramError(f"the device 'cuda' needs brian2cuda ({error}): {CUDA_EXTRA}") from error
    # It tells which files it writes, and all its preferences, for each program.
    logging.getLogger("brian2.brian2cuda").setLevel(logging.WARNING)
    cuda_functions.register(CUDAStandaloneCodeObject)


def toolkit() -> Toolkit:
    """Return the CUDA toolkit.

    Raises
    ------
    ProgramError
        There is none.
    """
    found = find_toolkit()
    if found is None:
        raise ProgramError(
            "the device 'cuda' needs NVIDIA's CUDA toolkit, and there is no nvcc: install it, and "
            "put its bin folder on the PATH or its folder into CUDA_HOME"
        )
    return found


def nvcc() -> str:
    """Return the command that compiles device code."""
    found = find_toolkit()
    return shlex.quote(str(found.nvcc)) if found else "nvcc"


def host_compiler() -> str:
    """Return the C++ compiler as nvcc wants it: a program, without launcher, settings and options.

    Raises
    ------
    ProgramError
        CXX names none.
    """
    for word in shlex.split(compiler()):
        if Path(word).name not in LAUNCHERS and not word.startswith("-") and "=" not in word:
            return word
    raise ProgramError(f"the environment variable CXX names no compiler: {compiler()!r}")


def curand(toolkit: Toolkit) -> Curand:
    """Return cuRAND.

    Raises
    ------
    ProgramError
        It is neither in the toolkit nor installed as a wheel.
    """
    found = find_curand(toolkit)
    if found is None:
        raise ProgramError(f"the CUDA toolkit in {toolkit.folder} has no cuRAND: {CUDA_EXTRA}")
    return found


def compute_capability() -> float:
    """Return what to compile for: ``MICROCIRCUIT_COMPUTE_CAPABILITY``, else the oldest GPU here.

    Raises
    ------
    ProgramError
        The variable does not hold a number such as 9.0.
    """
    named = os.environ.get("MICROCIRCUIT_COMPUTE_CAPABILITY")
    if named:
        try:
            return float(named)
        except ValueError as error:
            raise ProgramError(
                f"MICROCIRCUIT_COMPUTE_CAPABILITY is a number such as 9.0, not {named!r}"
            ) from error
    answer = run_command(["nvidia-smi", "--query-gpu=compute_cap", "--format=csv,noheader"])
    try:
        return min(map(float, answer.output.split()))
    except ValueError:
        return OLDEST


def add_curand(project: Path, toolkit: Toolkit) -> None:
    """Put links to cuRAND where a project's makefile looks for it, if the toolkit has none."""
    found = curand(toolkit)
    if found == toolkit.curand:
        return
    links = project / CURAND
    links.mkdir()
    # One by one: the folder may hold headers that must not hide those of the toolkit.
    for header in found.headers.glob("curand*.h"):
        (links / header.name).symlink_to(header)
    (links / "libcurand.so").symlink_to(found.library)


class CudaProgram(StandaloneProgram):
    """A binary made with brian2cuda; see ``docs/cuda.md``.

    Raises
    ------
    CircuitError
        The circuit spikes, or keeps averages.
    ProgramError
        Brian2cuda, nvcc or cuRAND is missing, or the compiler fails.
    """

    brian2_device = "cuda_standalone"
    chunk_seconds = 10.0  # each starts CUDA anew, which takes about half a second

    def __init__(self, structure: Structure, build: Build = build) -> None:
        self.check(structure.circuit)
        load()
        self._toolkit = toolkit()
        self._curand = curand(self._toolkit)
        super().__init__(structure, build)

    @classmethod
    def check(cls, circuit: Circuit) -> None:
        """Refuse a circuit that needs kernels which do not exist in CUDA."""
        for what, names in (
            ("spikes", [p.name for p in circuit.populations if p.spikes is not None]),
            ("averages", [p.name for p in circuit.populations if p.averages]),
        ):
            if names:
                raise CircuitError(
                    f"the device 'cuda' has no {what}, as {', '.join(map(repr, names))} need: "
                    "they run on the devices 'cpp' and 'numpy'"
                )

    @classmethod
    def preferences(cls) -> Mapping[str, object]:
        """Return brian2cuda's preferences: nothing is left to be detected when source is generated.

        Which of several GPUs runs a program is for ``CUDA_VISIBLE_DEVICES`` to say.
        """
        load()
        from brian2cuda.utils.gputools import reset_cuda_installation

        reset_cuda_installation()  # it keeps what it found first
        found = find_toolkit()
        backend = "devices.cuda_standalone.cuda_backend."
        return {
            backend + "detect_cuda": False,
            backend + "cuda_path": str(found.folder if found else "/usr/local/cuda"),
            backend + "cuda_runtime_version": 12.0,  # or anything else that has atomicAdd
            backend + "detect_gpus": False,
            backend + "gpu_id": 0,
            backend + "compute_capability": compute_capability(),
            backend + "extra_compile_args_nvcc": list(NVCC_FLAGS),
            "codegen.cpp.extra_compile_args_gcc": list(HOST_FLAGS),
            "codegen.cpp.library_dirs": [CURAND],
        }

    def compilers(self) -> Sequence[Sequence[str]]:
        """Return questions to both compilers; the GPU that is compiled for is in the makefile."""
        return (str(self._toolkit.nvcc), "--version"), (host_compiler(), "--version")

    def make(self, project: Path) -> None:
        """Compile and link."""
        add_curand(project, self._toolkit)
        command = f"make -j {compilation.jobs()} CXX={shlex.quote(host_compiler())}"
        compilation.make(project, command)

    def environment(self) -> Mapping[str, str]:
        """Return the environment with cuRAND where the loader finds it."""
        folders = str(self._curand.library.parent), os.environ.get("LD_LIBRARY_PATH", "")
        return {**os.environ, "LD_LIBRARY_PATH": os.pathsep.join(filter(None, folders))}
