"""Programs: a circuit's structure, compiled once for a device, run many times on arrays.

This is the only module that touches Brian2's devices and preferences. A program is a pure function:
state, parameters and a stretch of presentations in, new state and records out. It keeps nothing
between calls, so chunks, resumed runs, tests on the side and several circuits in one process need
no further care.
"""

import contextlib
import hashlib
import os
import shlex
import shutil
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from brian2 import Network, get_device, prefs, set_device
from brian2.core.names import Nameable
from brian2.core.variables import ArrayVariable
from brian2.devices.cpp_standalone.device import CPPStandaloneDevice
from brian2.devices.device import RuntimeDevice, reset_device

from microcircuit.cache import cache_folder
from microcircuit.network import Structure, build, record_width, recorder_name, rows, table_name
from microcircuit.records import Mean, Trace
from microcircuit.schedule import Presentations, steps, tables
from microcircuit.state import State

COMPILER_FLAGS = (
    "-w",
    "-O3",
    "-march=native",
    "-ffast-math",
    "-fno-finite-math-only",  # or checks for NaN would be compiled away
    "-D__FAST_MATH__",  # the line above undefines it, and glibc then hides its vectorised exp, log
    "-std=c++17",
)
"""How C++ programs are compiled; recorded in every result."""

FOREVER = 2**39
"""In time steps. Programs run until the presenter ends them; this is only longer than any run,
and short enough that Brian2 finds nothing to warn of."""


LONGEST_BUILD = 24 * 3600
"""Seconds after which a program that is still being built has no builder any more."""

HELP = "`microcircuit doctor` checks the compiler."

type Build = Callable[[Structure], Network]


class ProgramError(RuntimeError):
    """A program could not be compiled or run."""


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """What a program returns.

    Parameters
    ----------
    state : dict
        Everything that changed, at the end.
    records : dict
        For each recorder its rows, [rows, width].
    presentations : int
        How many were finished; fewer than asked for when the run diverged.
    diverged : (str, str), optional
        Population and variable that went out of bounds.
    """

    state: State
    records: dict[str, np.ndarray]
    presentations: int
    diverged: tuple[str, str] | None


class Program(ABC):
    """A compiled circuit.

    Parameters
    ----------
    structure : Structure
        What is to be compiled.
    build : callable, optional
        Makes the Brian2 objects; another one serves as a reference in tests.
    """

    def __init__(self, structure: Structure, build: Build = build) -> None:
        self.structure = structure

    @abstractmethod
    def _execute(self, values: State, outputs: dict[str, int]) -> State:
        """Set all values, run until the presenter stops, return flat outputs of known sizes."""

    def run(
        self, state: State, parameters: State, stretch: Presentations, first_step: int
    ) -> Chunk:
        """Run a stretch of presentations.

        Parameters
        ----------
        state, parameters : dict
            As `microcircuit.state` makes them.
        stretch : Presentations
            At most `structure.capacity`.
        first_step : int
            Time step at which it starts; the circuit's time goes on from there.

        Raises
        ------
        CircuitError
            Stimuli that don't fit the circuit.
        ProgramError
            The program failed.
        """
        onset = first_step + np.concatenate([[0], np.cumsum(stretch.steps)]).astype(np.int64)
        values = {**parameters, **state, **self._presenter(stretch, onset)}
        for record in self.structure.records:
            if isinstance(record, Mean):  # whatever an interrupted run has left
                width = record_width(record, self.structure)
                values[f"{recorder_name(record)}.sum"] = np.zeros(width)
        outputs = {key: array.size for key, array in state.items()}
        outputs |= dict.fromkeys(("presenter.diverged", "presenter.presentation"), 1)
        for record in self.structure.records:
            size = rows(record, self.structure) * record_width(record, self.structure)
            outputs[f"{recorder_name(record)}.table"] = size
        found = self._execute(values, outputs)
        diverged = int(found["presenter.diverged"][0])
        finished = int(found["presenter.presentation"][0]) + 1
        return Chunk(
            state={key: found[key].reshape(array.shape) for key, array in state.items()},
            records=self._records(found, first_step, int(onset[finished]), finished),
            presentations=finished,
            diverged=self.structure.checks()[diverged - 1][:2] if diverged else None,
        )

    def _presenter(self, stretch: Presentations, onset: np.ndarray) -> State:
        structure, count = self.structure, len(stretch.steps)
        if not 0 < count <= structure.capacity:
            raise ProgramError(f"a chunk holds 1 to {structure.capacity} presentations: {count}")
        if np.max(stretch.steps) > structure.longest or np.min(stretch.steps) < 1:
            raise ProgramError(f"a presentation takes 1 to {structure.longest} steps")
        padded = np.full(structure.capacity + 1, onset[-1])
        padded[: count + 1] = onset
        learning = np.zeros(structure.capacity, dtype=np.int32)
        learning[:count] = stretch.learning
        values = {
            "presenter.first_step": onset[:1],
            "presenter.count": np.array([count]),
            "presenter.presentation": np.array([0]),
            "presenter.diverged": np.array([0]),
            "presenter.onset": padded,
            "presenter.learning": learning,
        }
        stimuli = tables(structure.circuit, structure.inputs, stretch, structure.capacity)
        return values | {f"presenter.{table_name(key)}": stimuli[key] for key in stimuli}

    def _records(
        self, found: State, first_step: int, stop_step: int, finished: int
    ) -> dict[str, np.ndarray]:
        records = {}
        for record in self.structure.records:
            name, filled = recorder_name(record), finished
            if isinstance(record, Trace):
                every = steps(record.interval, self.structure.circuit.dt)
                filled = -(-stop_step // every) + -first_step // every
            table = found[f"{name}.table"].reshape(-1, record_width(record, self.structure))
            records[name] = table[:filled]
        return records


@contextlib.contextmanager
def _active(name: str) -> Iterator[object]:
    """Make a Brian2 device active with the preferences of this engine; leave all as it was.

    Raises
    ------
    ProgramError
        The user's own script has another device than the runtime one, which would lose its work.
    """
    if not isinstance(get_device(), RuntimeDevice):
        raise ProgramError(
            "a Brian2 device of your own is active: finish with it and call "
            "brian2.set_device('runtime') before circuits are simulated"
        )
    saved = prefs.codegen.target, prefs.codegen.cpp.extra_compile_args_gcc
    stopping = prefs.core.stop_on_keyboard_interrupt
    prefs.codegen.target = "numpy"
    prefs.codegen.cpp.extra_compile_args_gcc = list(COMPILER_FLAGS)
    prefs.core.stop_on_keyboard_interrupt = False  # Ctrl-C would end a chunk early, unnoticed
    set_device(name, **({"build_on_run": False} if name != "runtime" else {}))
    try:
        yield get_device()
    finally:
        prefs.codegen.target, prefs.codegen.cpp.extra_compile_args_gcc = saved
        prefs.core.stop_on_keyboard_interrupt = stopping
        reset_device()


def _arrays(network: Network) -> dict[str, ArrayVariable]:
    """Return the array variables of all objects of a network by ``"object.variable"``."""
    return {
        f"{obj.name}.{name}": variable
        for obj in network.objects
        for name, variable in obj.variables.items()
        if isinstance(variable, ArrayVariable) and variable.owner.name == obj.name
    }


class NumpyProgram(Program):
    """Runs in this process, without a compiler: for reading and debugging."""

    def __init__(self, structure: Structure, build: Build = build) -> None:
        super().__init__(structure)
        with _active("runtime"):
            self._network = build(structure)

    def _execute(self, values: State, outputs: dict[str, int]) -> State:
        arrays = _arrays(self._network)
        for key, value in values.items():
            arrays[key].get_value()[:] = value.ravel()
        with _active("runtime"), np.errstate(all="ignore"):  # the guard reports what overflows
            dt = self.structure.circuit.dt
            self._network.t_ = float(values["presenter.first_step"][0] * dt)
            self._network.run(FOREVER * dt, namespace={})
        return {key: arrays[key].get_value().copy() for key in outputs}


class CppProgram(Program):
    """A binary, compiled with Brian2's C++ standalone mode and cached by a hash of its source."""

    def __init__(self, structure: Structure, build: Build = build) -> None:
        super().__init__(structure)
        self._folder, self._files = _compile(structure, build)

    def _execute(self, values: State, outputs: dict[str, int]) -> State:
        try:
            with tempfile.TemporaryDirectory(prefix="microcircuit-") as scratch:
                return self._run_binary(values, outputs, Path(scratch))
        except OSError as error:
            raise ProgramError(f"could not run the compiled program: {error}") from error

    def _run_binary(self, values: State, outputs: dict[str, int], scratch: Path) -> State:
        arguments = []
        for key, value in values.items():
            path = scratch / key
            path.write_bytes(np.ascontiguousarray(value, dtype=self._files[key].dtype).tobytes())
            arguments.append(f"{key}={path}")
        results = scratch / "results"
        results.mkdir()
        done = subprocess.run(
            ["./main", "--results_dir", f"{results}/", *arguments],
            cwd=self._folder,
            capture_output=True,
            text=True,
            check=False,
        )
        # Brian2's programs report a bad array on stderr and go on with the old values.
        if done.returncode or done.stderr:
            raise ProgramError(
                f"the compiled program failed (exit status {done.returncode}): "
                f"{(done.stderr or done.stdout).strip()[-2000:]}"
            )
        found = {}
        for key, size in outputs.items():
            file = self._files[key]
            found[key] = np.fromfile(results / file.name, dtype=file.dtype)
            # They do not notice a full disk either.
            if found[key].size != size:
                raise ProgramError(
                    f"the compiled program wrote {found[key].size} of {size} values of {key}: is "
                    f"the disk of {scratch.parent} full?"
                )
        return found


@dataclass(frozen=True)
class _File:
    """Where and as what a program writes an array."""

    name: str
    dtype: np.dtype


def _compile(structure: Structure, build: Build) -> tuple[Path, dict[str, _File]]:
    """Return the folder that holds the binary, and the file in which it writes each array."""
    cache = cache_folder()
    cache.mkdir(parents=True, exist_ok=True)
    for abandoned in cache.glob("building-*"):  # by a process that was killed
        with contextlib.suppress(OSError):
            if time.time() - abandoned.stat().st_mtime > LONGEST_BUILD:
                shutil.rmtree(abandoned)
    project = Path(tempfile.mkdtemp(prefix="building-", dir=cache))
    try:
        files = _generate(structure, build, project)
        folder = cache / _digest(project)
        if not (folder / "main").exists():
            _make(project)
            for pattern in ("*.gch", "**/*.o"):  # large, and of no more use
                for leftover in project.glob(pattern):
                    leftover.unlink()
            # Another process may have been faster; then its program is as good as ours.
            with contextlib.suppress(OSError):
                project.rename(folder)
        return folder, files
    finally:
        shutil.rmtree(project, ignore_errors=True)


def _generate(structure: Structure, build: Build, project: Path) -> dict[str, _File]:
    """Write the C++ source of a circuit; return the result file of each array."""
    with _active("cpp_standalone") as device, _fresh_names():
        assert isinstance(device, CPPStandaloneDevice)
        device.reinit()
        device.activate(build_on_run=False)
        network = build(structure)
        arrays = _arrays(network)
        device.apply_run_args()
        first, dt = arrays["presenter.first_step"], structure.circuit.dt
        (clock,) = {obj.clock for obj in network.objects}
        # The network's time, and the clock's: Brian2 sets the latter only at the end of a step.
        times = f"{network.name}.t", f"{device.get_array_name(clock.variables['t'])}[0]"
        start = f"{device.get_array_name(first)}[0] * {float(dt)!r}"
        device.insert_code("before_network_run", f"{' = '.join(times)} = {start};")
        network.run(FOREVER * dt, namespace={})
        device.build(directory=str(project), compile=False, run=False)
        files = {
            key: _File(device.get_array_filename(variable), np.dtype(variable.dtype))
            for key, variable in arrays.items()
        }
        device.reinit()
    return files


@contextlib.contextmanager
def _fresh_names() -> Iterator[None]:
    """Let Brian2 name objects as in a new process, whatever other programs are alive.

    It numbers a default name that is taken, and names are part of the source and so of its hash.
    """
    named = Nameable.__instances__()
    others = set(named)
    named.clear()
    try:
        yield
    finally:
        named.update(reference for reference in others if reference() is not None)


def _digest(project: Path) -> str:
    """Hash all that decides what the binary does: source, flags, compiler and processor."""
    digest = hashlib.sha256()
    for path in sorted(p for p in project.rglob("*") if p.is_file()):
        digest.update(str(path.relative_to(project)).encode() + b"\0" + path.read_bytes())
    # -march=native: a cache on a network file system serves machines of several kinds. GCC tells
    # what it takes the processor for; the predefined macros say as much with any compiler.
    command = shlex.split(compiler())
    for question in (["--version"], ["-march=native", "-dM", "-E", "-x", "c++", os.devnull]):
        try:
            answer = subprocess.run([*command, *question], capture_output=True, check=False)
        except OSError as error:
            raise ProgramError(f"no C++ compiler: {error}. {HELP}") from error
        digest.update(shlex.join(command).encode() + b"\0" + answer.stdout)
    return digest.hexdigest()[:32]


def compiler() -> str:
    """Return the C++ compiler that Brian2's makefile uses."""
    return os.environ.get("CXX", "g++")


def _make(project: Path) -> None:
    """Compile, with the header that every file includes compiled first: half the time.

    The makefile's own list of dependencies is of no use in a fresh folder and as slow to make as
    the program, so an empty one stands in.
    """
    (project / "make.deps").touch()
    header = "objects.h.gch: objects.h; $(CXX) $(CXXFLAGS) -x c++-header $< -o $@"
    commands = f"""
        make --eval='{header}' objects.h.gch &&
        make -j {os.cpu_count() or 1} CXX='{compiler()} -include objects.h'
    """
    done = subprocess.run(
        commands, shell=True, cwd=project, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise ProgramError(f"compiling the circuit failed:\n{done.stderr.strip()[-2000:]}\n{HELP}")


DEVICES: dict[str, type[Program]] = {"cpp": CppProgram, "numpy": NumpyProgram}
"""Where programs run, by the name used on the command line."""
