"""Studies of small circuits, run by the command line in processes of their own."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from microcircuit.study.folder import StudyFolder

COMMAND = sys.executable, "-P", "-m", "microcircuit.cli", "study"
"""As the command ``microcircuit``, which does not look for modules in the current folder."""
AREAS = "[5, 4, 3]"
LONG = 600
"""Presentations that take a second or so, most of it the start of programs and files."""

WILD, DEADLY = 0.04, 0.07
"""The noise of a point that diverges, and of one whose process dies."""
LETHAL = """
import os, signal
import microcircuit.study.work as work

def deadly(tasks, program):
    if any(abs(float(task.model.sigma) - {sigma} * 1e3**0.5) < 1e-9 for task in tasks):
        os.kill(os.getpid(), signal.SIGKILL)
    return simulate_together(tasks, program)

simulate_together, work.simulate_together = work.simulate_together, deadly
"""
"""For Python to load when it starts: a point whose process dies each time it is tried."""


@dataclass
class Study:
    """A study file, its folder, and the commands on them."""

    file: Path
    folder: Path
    environment: dict[str, str] = field(default_factory=lambda: dict(os.environ))

    def command(self, name: str, *options: str) -> list[str]:
        what = {"run": (self.file, "-o", self.folder), "plan": (self.file,)}
        return [*COMMAND, name, *map(str, what.get(name, (self.folder,))), *options]

    def call(self, name: str, *options: str, **how: Any) -> subprocess.CompletedProcess:
        return subprocess.run(
            self.command(name, *options),
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
            **how,
        )

    @contextmanager
    def started(self, *options: str) -> Iterator[subprocess.Popen]:
        """A ``study run`` that goes on meanwhile, and is killed at the end if it still does."""
        running = subprocess.Popen(
            self.command("run", *options),
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            yield running
        finally:
            running.kill()
            running.communicate()

    def let_die(self, sigma: float, folder: Path) -> None:
        """Make the process die that runs a point with this noise."""
        (folder / "sitecustomize.py").write_text(LETHAL.format(sigma=sigma), encoding="utf-8")
        self.environment["PYTHONPATH"] = str(folder)

    @property
    def points(self) -> list[Path]:
        return [StudyFolder(self.folder).folder(p) for p in StudyFolder(self.folder).points]

    def attempts(self) -> list[dict[str, Any]]:
        """The notes of those who run points now, or died over them."""
        found = []
        for file in self.folder.glob("points/*/attempt.json"):
            try:
                found.append(json.loads(file.read_bytes()))
            except (OSError, ValueError):  # finished meanwhile
                continue
        return found

    def kill_workers(self, count: int) -> None:
        """Kill so many workers that are at work on points, as soon as there are."""
        killed: set[int] = set()

        def enough() -> bool:
            for pid in {note["pid"] for note in self.attempts()} - killed:
                with suppress(ProcessLookupError):  # its note is all that is left of it
                    os.kill(pid, signal.SIGKILL)
                    killed.add(pid)
            return len(killed) >= count

        self.until(enough, seconds=120)

    @staticmethod
    def until(condition: Callable[[], object], seconds: float = 60) -> None:
        """Wait until something holds."""
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, "waited in vain"
            time.sleep(0.02)

    def finished(self) -> int:
        return len(list(self.folder.glob("points/*/run.h5")))

    def table(self) -> pd.DataFrame:
        """The collected table, without what is another in each run."""
        done = self.call("collect")
        assert done.returncode == 0, done.stderr
        return pd.read_parquet(self.folder / "table.parquet").drop(columns="seconds")


def _mixed(count: int) -> str:
    sigma = [round(0.01 * (1 + n), 2) for n in range(count)]
    rates = [100.0 if s == WILD else 5e-4 for s in sigma]
    return f"""
        [list]
        "model.sigma" = {sigma}
        "model.eta_from_interneuron" = {rates}
        """


@pytest.fixture
def mixed() -> Callable[[int], str]:
    """A design of so many points, one of which diverges, that with sigma `WILD`."""
    return _mixed


@pytest.fixture
def study(tmp_path) -> Callable[..., Study]:
    """Make a study of a small circuit: ``study(grid, presentations=..)``."""

    def make(design: str, *, presentations: int = LONG, name: str = "study") -> Study:
        file = tmp_path / f"{name}.toml"
        file.write_text(
            f"""
            protocol = "self-prediction"
            [set]
            "model.areas" = {AREAS}
            "protocol.presentations" = {presentations}
            "protocol.duration" = "10 ms"
            "device.checkpoint_interval" = "0.1 s"
            [local]
            workers = 2
            {design}
            """,
            encoding="utf-8",
        )
        return Study(file, tmp_path / name)

    return make
