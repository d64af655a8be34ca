"""Run another program and get its answer, whatever happens to it."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Outcome:
    """What became of a command.

    Attributes
    ----------
    succeeded : bool
        Whether it ran, ended in time and returned 0.
    output : str
        What it printed; when it failed, its error message or why there is none.
    """

    succeeded: bool
    output: str

    @property
    def first_line(self) -> str:
        """The first line of the output."""
        return self.output.partition("\n")[0]


def run_command(
    command: Sequence[str | Path], *, folder: Path | None = None, timeout: float = 20.0
) -> Outcome:
    """Run a command without a shell and without input.

    Parameters
    ----------
    command : sequence of str or Path
        The program and its arguments.
    folder : Path, optional
        Where to run it; the current folder by default.
    timeout : float, optional
        Seconds after which it is ended and counts as failed.

    Returns
    -------
    Outcome
        Never raises for a program that is missing, fails or hangs.

    Examples
    --------
    >>> run_command(["sh", "-c", "echo hello"])
    Outcome(succeeded=True, output='hello')
    """
    try:
        finished = subprocess.run(
            command,
            cwd=folder,
            timeout=timeout,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Outcome(False, f"no answer within {timeout:g} s")
    except OSError as error:
        return Outcome(False, f"{command[0]}: {error.strerror}")
    if finished.returncode == 0:
        return Outcome(True, finished.stdout.strip())
    message = (finished.stderr or finished.stdout).strip()
    return Outcome(False, message or f"ended with status {finished.returncode}")
