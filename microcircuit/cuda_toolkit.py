"""NVIDIA's CUDA toolkit and cuRAND, as far as this machine has them; knows nothing of Brian2."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from microcircuit.command import run_command
from microcircuit.provenance import DISTRIBUTION

CUDA_EXTRA = f"`pip install '{DISTRIBUTION}[cuda]'`"
"""How to install what Python packages CUDA programs need."""

USUAL_FOLDERS = Path("/usr/local/cuda"), Path("/opt/cuda")
"""Where toolkits are installed that neither a variable nor the PATH names."""

CURAND_WHEELS = "nvidia-curand", "nvidia-curand-cu12"
CURAND_LIBRARY = "libcurand.so.10"
"""By the name that programs ask the loader for, the same in CUDA 11 to 13."""


@dataclass(frozen=True)
class Toolkit:
    """A CUDA toolkit.

    Parameters
    ----------
    folder : Path
        Holds ``bin/nvcc``.
    """

    folder: Path

    @property
    def nvcc(self) -> Path:
        """Its compiler."""
        return self.folder / "bin" / "nvcc"

    @property
    def curand(self) -> "Curand | None":
        """Its cuRAND, which small installations and containers lack."""
        for header in _found(self.folder, "curand.h", "include", "targets/*/include"):
            for library in _found(self.folder, CURAND_LIBRARY, "lib*", "targets/*/lib", "lib/*"):
                return Curand(header.parent, library)
        return None


@dataclass(frozen=True)
class Curand:
    """NVIDIA's library of random numbers, without which no brian2cuda program compiles.

    Parameters
    ----------
    headers : Path
        Folder of ``curand*.h``, and maybe of headers that belong to other libraries.
    library : Path
        The shared library.
    """

    headers: Path
    library: Path


def find_toolkit() -> Toolkit | None:
    """Return the toolkit that CUDA_HOME, CUDA_PATH or the PATH names, else a usual one."""
    return next((Toolkit(f) for f in _folders() if os.access(Toolkit(f).nvcc, os.X_OK)), None)


def find_curand(toolkit: Toolkit) -> Curand | None:
    """Return the toolkit's cuRAND, else that of an installed wheel."""
    return toolkit.curand or next(filter(None, map(_in_wheel, CURAND_WHEELS)), None)


def _folders() -> Iterator[Path]:
    for variable in ("CUDA_HOME", "CUDA_PATH"):
        if os.environ.get(variable):
            yield Path(os.environ[variable])
    nvcc = shutil.which("nvcc")
    if nvcc:
        # A script may stand in for nvcc, so it is asked where it is at home; it tells on stderr.
        question = '"$0" --dryrun -E -x cu /dev/null 2>&1'
        answer = run_command(["sh", "-c", question, nvcc]).output
        tops = [line.partition("TOP=")[2] for line in answer.splitlines() if " TOP=" in line]
        yield from (Path(top).resolve() for top in tops)
        yield Path(nvcc).resolve().parents[1]
    yield from USUAL_FOLDERS


def _found(folder: Path, name: str, *patterns: str) -> Iterator[Path]:
    for pattern in patterns:
        yield from sorted(folder.glob(f"{pattern}/{name}"))


def _in_wheel(distribution: str) -> Curand | None:
    try:
        files = metadata.files(distribution) or []
    except metadata.PackageNotFoundError:
        return None
    found = {file.name: Path(str(file.locate())) for file in files}
    if not {"curand.h", CURAND_LIBRARY} <= found.keys():
        return None
    return Curand(found["curand.h"].parent, found[CURAND_LIBRARY])
