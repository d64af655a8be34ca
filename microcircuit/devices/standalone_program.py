"""Programs that are binaries, made with one of Brian2's standalone modes."""

import contextlib
import os
import platform
import re
import shutil
import subprocess
import tempfile
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from brian2.devices.cpp_standalone.device import CPPStandaloneDevice

from microcircuit.devices.activation import FOREVER, active, arrays
from microcircuit.devices.compilation import compiled
from microcircuit.devices.program import SECONDS, Build, Program, ProgramError
from microcircuit.network import build
from microcircuit.state import State
from microcircuit.structure import Structure

BAD_ARRAY = re.compile(r"^(Error reading|Could not read) '", re.MULTILINE)
"""How Brian2's programs report on stderr an array that they can't read. They go on with the values
that they have, and exit with 0."""


MEMORY = Path("/dev/shm")
"""Files here are in memory: a chunk may take less time than a disk needs for its arrays."""
SPARE = 16
"""Room that there must be, in chunks: others, and other programs, want memory too."""


def scratch_prefix(pid: int | str) -> str:
    """Return how the names of a process's temporary folders begin."""
    return f"microcircuit-{platform.node()}-{pid}-"


def scratch_parent(size: int) -> Path:
    """Return where a program's arrays go: memory where there is much of it, or the disk.

    Parameters
    ----------
    size : int
        Bytes that a chunk takes. A memory file system of Linux must have room for `SPARE` as much.
        ``TMPDIR`` has the last word.
    """
    chosen = os.environ.get("TMPDIR") or not os.access(MEMORY, os.W_OK)
    roomy = not chosen and shutil.disk_usage(MEMORY).free > SPARE * size
    return MEMORY if roomy else Path(tempfile.gettempdir())


def sweep_scratch() -> None:
    """Remove temporary folders of processes on this machine that were killed."""
    mine = scratch_prefix("")[:-1]
    for parent in {MEMORY, Path(tempfile.gettempdir())}:
        for folder in parent.glob(f"{mine}*"):
            with contextlib.suppress(OSError, ValueError):
                pid = int(folder.name.removeprefix(mine).partition("-")[0])
                try:
                    os.kill(pid, 0)
                except ProcessLookupError:
                    shutil.rmtree(folder)


@dataclass(frozen=True)
class File:
    """Where and as what a program writes an array."""

    name: str
    dtype: np.dtype
    size: int

    @property
    def bytes(self) -> int:
        """What it takes."""
        return self.size * self.dtype.itemsize


class StandaloneProgram(Program):
    """A binary, cached by a hash of its source; arrays go in and out through files."""

    brian2_device: ClassVar[str]
    """As Brian2 names it."""

    def __init__(self, structure: Structure, build: Build = build) -> None:
        super().__init__(structure)
        sweep_scratch()
        self._folder, self._files = compiled(
            lambda project: self.generate(structure, project, build), self.make, self.compilers()
        )
        # They are written once by us, if we set them, and once by the program.
        self._size = 2 * sum(file.bytes for file in self._files.values())

    @classmethod
    def preferences(cls) -> Mapping[str, object]:
        """Return the Brian2 preferences that source is generated with, beside the common ones."""
        return {}

    @abstractmethod
    def make(self, project: Path) -> None:
        """Build ``main`` in the folder of a generated project.

        Raises
        ------
        ProgramError
            The compiler fails.
        """

    @abstractmethod
    def compilers(self) -> Sequence[Sequence[str]]:
        """Return what to ask the compilers to tell one toolchain from another."""

    @classmethod
    def generate(cls, structure: Structure, project: Path, build: Build = build) -> dict[str, File]:
        """Write the source of a circuit; return the result file of each array."""
        with active(cls.brian2_device, structure.precision, cls.preferences()) as device:
            assert isinstance(device, CPPStandaloneDevice)
            device.reinit()
            device.activate(build_on_run=False)
            try:
                return cls._generate(structure, project, build, device)
            finally:
                device.reinit()

    @staticmethod
    def _generate(
        structure: Structure, project: Path, build: Build, device: CPPStandaloneDevice
    ) -> dict[str, File]:
        network = build(structure)
        found = arrays(network)
        device.apply_run_args()
        first, dt = found["presenter.first_step"], structure.circuit.dt
        (clock,) = {obj.clock for obj in network.objects}
        # The network's time, and the clock's: Brian2 sets the latter only at the end of a step.
        times = f"{network.name}.t", f"{device.get_array_name(clock.variables['t'])}[0]"
        start = f"{device.get_array_name(first)}[0] * {float(dt)!r}"
        device.insert_code("before_network_run", f"{' = '.join(times)} = {start};")
        network.run(FOREVER * dt, namespace={})
        device.build(directory=str(project), compile=False, run=False)
        return {
            key: File(
                device.get_array_filename(variable), np.dtype(variable.dtype), int(variable.size)
            )
            for key, variable in found.items()
        }

    def environment(self) -> Mapping[str, str]:
        """Return the environment variables in which the binary runs."""
        return os.environ

    def _execute(self, values: State, outputs: dict[str, int]) -> State:
        try:
            prefix, parent = scratch_prefix(os.getpid()), scratch_parent(self._size)
            with tempfile.TemporaryDirectory(prefix=prefix, dir=parent) as scratch:
                return self._run_binary(values, outputs, Path(scratch))
        except OSError as error:
            raise ProgramError(f"could not run the compiled program: {error}") from error

    def _run_binary(self, values: State, outputs: dict[str, int], scratch: Path) -> State:
        arguments = []
        for number, (key, value) in enumerate(values.items()):
            # brian2cuda's programs turn file names into lower case, so these have nothing else.
            path = scratch / f"array_{number}"
            path.write_bytes(np.ascontiguousarray(value, dtype=self._files[key].dtype).data)
            arguments.append(f"{key}={path.name}")
        # Where the program looks for what was known when it was generated.
        folder = self._folder.absolute()
        (scratch / "static_arrays").symlink_to(folder / "static_arrays")
        results = scratch / "results"
        results.mkdir()
        # The program writes every array, stimuli too, and so needs as long to stop as to start. An
        # array may go by several names.
        read = {self._files[key].name for key in outputs}
        for name in {file.name for file in self._files.values()} - read:
            (results / name).symlink_to(os.devnull)
        done = subprocess.run(
            [folder / "main", "--results_dir", "results/", *arguments],
            cwd=scratch,
            env=self.environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        # What else there may be on stderr, such as a library's warning, is no failure.
        if done.returncode or BAD_ARRAY.search(done.stderr):
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
        return found | {SECONDS: np.array(_steps_seconds(results))}


def _steps_seconds(results: Path) -> float:
    """Return how long Brian2's program says that its time steps took; zero if it does not say."""
    try:
        seconds, _ = (results / "last_run_info.txt").read_text(encoding="utf-8").split()
        return float(seconds)
    except (OSError, ValueError):
        return 0.0
