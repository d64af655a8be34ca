"""What the machine can do: how fast one core moves memory, and multiplies matrices with numpy.

Whatever variant of the loop, size of pages or kernel of the BLAS is fastest in a first round is the
one that is measured.

As a command this module times a matrix product: ``python -m benchmarks.ceilings DTYPE``.
"""

import functools
import itertools
import math
import os
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Literal

import numpy as np

from benchmarks.results import About

ROOT = Path(__file__).parents[1]
SOURCE = Path(__file__).with_name("stream.cpp")

BYTES_PER_PASS = {"read": 1, "update": 2}
"""How many bytes a pass moves for each that is stored: an update reads and writes."""

KERNELS = "", "SkylakeX", "Cooperlake", "Zen", "Haswell"
"""OpenBLAS's kernels to try, by ``OPENBLAS_CORETYPE``; the first is its own choice, which on a
processor newer than the library may be a poor one."""

MATRIX = 2048
"""Rows and columns of the matrices that are multiplied: large enough for the highest speed."""

DTYPES = {"double": "float64", "single": "float32"}


class BandwidthCase:
    """Measures a pass over memory, the size of a matrix of weights.

    Parameters
    ----------
    size : int
        Bytes; where they fit into a cache, it is that cache's speed.
    access : "read" or "update"
        What fixed weights need, and plastic ones.
    budget : float
        CPU seconds that a measurement takes.
    """

    kind = "bandwidth"

    def __init__(self, size: int, access: Literal["read", "update"], budget: float) -> None:
        self._budget = budget
        self.about: About = {"bytes": size, "access": access}
        self.details: dict[str, int | float | str] = {}
        self.label = f"memory, {access} {size / 1e6:.3g} MB"

    def prepare(self) -> None:
        """Compile the loops, once for all sizes."""
        self._program = stream_program()

    def calibrate(self) -> None:
        """Find the fastest variant, and how many passes the budget allows."""
        size = int(self.about["bytes"])
        names = subprocess.run([self._program], capture_output=True, text=True, check=True)
        # A guess: 40 GB/s, and a tenth of a measurement for each.
        passes = max(2, int(0.1 * self._budget * 40e9 / size))
        times = {
            choice: min(self._run(passes, *choice) for _ in range(2))
            for choice in itertools.product(("small", "huge"), names.stdout.split())
        }
        self._pages, self._variant = min(times, key=times.__getitem__)
        self._passes = max(2, int(self._budget / min(times.values())))
        self.details = {
            "pages": self._pages,
            "variant": self._variant,
            "passes": self._passes,
        }

    def _run(self, passes: int, pages: str, variant: str) -> float:
        size, access = map(str, self.about.values())
        command = [str(self._program), size, str(passes), access, pages, variant]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return float(done.stdout)

    def measure(self) -> float:
        """Return CPU seconds of a pass."""
        return self._run(self._passes, self._pages, self._variant)


class ProductCase:
    """Measures a product of large square matrices.

    Parameters
    ----------
    precision : "double" or "single"
        Of the numbers.
    """

    kind = "product"

    def __init__(self, precision: Literal["double", "single"]) -> None:
        self.about: About = {"precision": precision}
        self.details: dict[str, int | float | str] = {}
        self.label = f"matrix product, {precision}"

    def prepare(self) -> None:
        """Nothing: numpy comes with a BLAS."""

    def calibrate(self) -> None:
        """Find the fastest of the BLAS's kernels.

        Raises
        ------
        RuntimeError
            None of them runs.
        """
        times = {kernel: self._run(kernel) for kernel in KERNELS}
        self._kernel = min(times, key=times.__getitem__)
        if math.isinf(times[self._kernel]):
            raise RuntimeError("numpy can't multiply matrices on this machine")
        self.details = {"kernel": self._kernel or "own choice", "size": MATRIX}

    def _run(self, kernel: str) -> float:
        """Return CPU seconds of an operation; infinitely many where the kernel does not run."""
        environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OPENBLAS_CORETYPE": kernel}
        if not kernel:
            del environment["OPENBLAS_CORETYPE"]
        dtype = DTYPES[str(self.about["precision"])]
        command = [sys.executable, "-m", "benchmarks.ceilings", dtype]
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )
        return math.inf if done.returncode else float(done.stdout)

    def measure(self) -> float:
        """Return CPU seconds of a floating-point operation."""
        return self._run(self._kernel)


@functools.cache
def stream_program() -> Path:
    """Return the program that walks through memory, compiled like the project's own."""
    # Here, not above: the command that times matrix products has no use for Brian2.
    from microcircuit.devices import COMPILER_FLAGS, CppProgram, compiler
    from microcircuit.devices.compilation import compiled, make

    command = f"{compiler()} {shlex.join(COMPILER_FLAGS)} {SOURCE.name} -o main"

    def generate(project: Path) -> None:
        shutil.copy(SOURCE, project)
        (project / "command").write_text(command, encoding="utf-8")  # a part of the key

    folder, _ = compiled(generate, lambda project: make(project, command), CppProgram.compilers())
    return folder / "main"


def product_seconds(dtype: str) -> float:
    """Return the CPU seconds of a floating-point operation in a product of matrices."""
    rng = np.random.default_rng(1)
    a, b = rng.random((2, MATRIX, MATRIX)).astype(dtype)
    out = np.matmul(a, b)  # and a warm-up
    start = time.process_time()
    np.matmul(a, b, out=out)
    return (time.process_time() - start) / (2 * MATRIX**3)


if __name__ == "__main__":
    print(product_seconds(sys.argv[1]))
