"""Compiled programs in a cache that many processes share.

A program's folder is named after a hash of everything that decides what its binary does. It is
built in a folder of another name and renamed when it is whole. Who builds holds a lock, and whoever
needs the same program meanwhile waits for it, so a study's processes compile a program once.
"""

import contextlib
import hashlib
import os
import shlex
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from filelock import FileLock

from microcircuit.cache import cache_folder
from microcircuit.devices.program import ProgramError

LONGEST_BUILD = 24 * 3600
"""Seconds after which a program that is still being built has no builder any more."""

HELP = "`microcircuit doctor` checks the compiler."


def compiled[T](
    generate: Callable[[Path], T], make: Callable[[Path], None], compilers: Sequence[Sequence[str]]
) -> tuple[Path, T]:
    """Generate a program's source and return the folder that holds its binary, built if need be.

    Parameters
    ----------
    generate : callable
        Writes the source into a folder; what it returns is passed on.
    make : callable
        Builds ``main`` in that folder.
    compilers : sequence of commands
        Questions to the compilers, such as ``("g++", "--version")``, whose answers tell one
        toolchain and processor from another.

    Raises
    ------
    ProgramError
        A compiler is missing or fails.
    """
    cache = cache_folder()
    cache.mkdir(parents=True, exist_ok=True)
    _sweep(cache)
    project = Path(tempfile.mkdtemp(prefix="building-", dir=cache))
    try:
        generated = generate(project)
        folder = cache / digest(project, compilers)
        with FileLock(folder.with_suffix(".lock")):
            if not (folder / "main").exists():
                make(project)
                _tidy(project)
                shutil.rmtree(folder, ignore_errors=True)  # someone has taken its binary away
                project.rename(folder)
        return folder, generated
    finally:
        shutil.rmtree(project, ignore_errors=True)


def _sweep(cache: Path) -> None:
    """Remove what processes that were killed have left."""
    for abandoned in cache.glob("building-*"):
        with contextlib.suppress(OSError):
            if time.time() - abandoned.stat().st_mtime > LONGEST_BUILD:
                shutil.rmtree(abandoned)


def _tidy(project: Path) -> None:
    """Remove what is large and of no more use."""
    for pattern in ("**/*.gch", "**/*.o"):
        for leftover in project.glob(pattern):
            leftover.unlink()


def digest(project: Path, compilers: Sequence[Sequence[str]]) -> str:
    """Hash all that decides what a binary does: source, flags, compilers and processor.

    Raises
    ------
    ProgramError
        There is no such compiler.
    """
    found = hashlib.sha256()
    for path in sorted(p for p in project.rglob("*") if p.is_file()):
        found.update(str(path.relative_to(project)).encode() + b"\0" + path.read_bytes())
    for question in compilers:
        try:
            answer = subprocess.run(question, capture_output=True, check=False)
        except OSError as error:
            raise ProgramError(f"no compiler {question[0]}: {error}. {HELP}") from error
        found.update(shlex.join(question).encode() + b"\0" + answer.stdout)
    return found.hexdigest()[:32]


def make(project: Path, commands: str) -> None:
    """Run the shell commands that build a project.

    Raises
    ------
    ProgramError
        They fail; the message ends with what the compiler said.
    """
    done = subprocess.run(
        commands, shell=True, cwd=project, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise ProgramError(f"compiling the circuit failed:\n{done.stderr.strip()[-2000:]}\n{HELP}")


def jobs() -> int:
    """Return how many compilers may run at a time."""
    return os.cpu_count() or 1
