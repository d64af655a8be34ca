"""Engines start workers and tell how many are alive; what they do, the folder tells."""

import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

from microcircuit.command import run_command
from microcircuit.study.design import Local, Slurm
from microcircuit.study.folder import StudyError
from microcircuit.study.supervise import PYTHON, keep_working

SUPERVISE = *PYTHON, "microcircuit.study.supervise"
GRACE = 10.0
"""Seconds in which a worker that was asked to stop puts its points down."""
SIGNAL_SECONDS = 30
"""Before its time is up, a job hears of it and puts its points down."""
SLURM_GRACE = 60.0
"""Seconds in which cancelled jobs disappear."""


class Engine(Protocol):
    """Where workers run."""

    workers: int
    """How many."""

    def start(self, folder: Path, call: str, logs: Path) -> None:
        """Start all workers of a call."""

    def alive(self) -> int:
        """Return how many workers run, or wait to be run."""

    def stop(self) -> None:
        """End all workers."""


class LocalEngine:
    """Processes on this machine, which end when this one does.

    Parameters
    ----------
    settings : Local
        How many.
    """

    def __init__(self, settings: Local) -> None:
        self.workers = settings.workers or len(os.sched_getaffinity(0))
        self._processes: list[subprocess.Popen] = []

    def start(self, folder: Path, call: str, logs: Path) -> None:
        """Start all workers of a call."""
        self._processes = []
        for number in range(self.workers):
            with (logs / f"{call}-{number}.log").open("a") as log:
                # Standard input is a pipe that closes when this process ends, even by SIGKILL. In
                # a session of their own Ctrl-C does not reach them: `stop` ends them in order.
                self._processes.append(
                    subprocess.Popen(
                        [*SUPERVISE, str(folder), call, "--attached"],
                        stdin=subprocess.PIPE,
                        stdout=log,
                        stderr=subprocess.STDOUT,
                        start_new_session=True,
                    )
                )

    def alive(self) -> int:
        """Return how many workers run."""
        return sum(process.poll() is None for process in self._processes)

    def stop(self) -> None:
        """End all workers, with some time to put their points down."""
        self._signal(signal.SIGTERM)
        end = time.monotonic() + GRACE
        while self.alive() and time.monotonic() < end:
            time.sleep(0.02)
        self._signal(signal.SIGKILL)
        for process in self._processes:
            process.wait()

    def _signal(self, number: int) -> None:
        for process in self._processes:
            if process.poll() is None:
                os.killpg(process.pid, number)


class SlurmEngine:
    """The jobs of one array on a Slurm cluster, submitted with submitit.

    Their states are asked of ``squeue``, which answers without an accounting database too.

    Parameters
    ----------
    settings : Slurm
        How many, and with what.

    Raises
    ------
    StudyError
        There is no Slurm, or no submitit.
    """

    def __init__(self, settings: Slurm) -> None:
        if shutil.which("sbatch") is None:
            raise StudyError(
                "there is no Slurm here: no command sbatch. `microcircuit doctor` says more; "
                "--on local runs a study without"
            )
        if find_spec("submitit") is None:
            raise StudyError("Slurm needs submitit: pip install 'dendritic-microcircuit[slurm]'")
        self.workers, self._settings = settings.jobs, settings
        self._array = ""

    def start(self, folder: Path, call: str, logs: Path) -> None:
        """Submit all workers of a call."""
        import submitit

        settings = self._settings
        python = shlex.join([sys.executable, "-P"])  # as in `supervise`
        executor = submitit.SlurmExecutor(folder=logs / call, python=python)
        own = {"partition": settings.partition, "account": settings.account}
        executor.update_parameters(
            job_name=folder.resolve().name,
            time=settings.minutes,
            mem=f"{settings.memory_gb}GB",
            cpus_per_task=1,
            ntasks_per_node=1,
            array_parallelism=settings.jobs,
            signal_delay_s=SIGNAL_SECONDS,
            **{name: value for name, value in own.items() if value is not None},
            additional_parameters=dict(settings.options),
        )
        path = folder.resolve()
        try:
            jobs = executor.map_array(keep_working, [path] * self.workers, [call] * self.workers)
        except (submitit.core.utils.FailedJobError, OSError) as error:
            raise StudyError(f"Slurm did not take the jobs: {error}") from error
        self._array = jobs[0].job_id.split("_")[0]

    def alive(self) -> int:
        """Return how many jobs wait or run; all of them while Slurm does not answer."""
        answer = run_command(
            ["squeue", "--noheader", "--array", "--format=%i", f"--jobs={self._array}"]
        )
        if answer.succeeded:
            return len(answer.output.split())
        # Slurm forgets jobs some minutes after the last one ended; anything else is no answer.
        return 0 if "Invalid job id" in answer.output else self.workers

    def stop(self) -> None:
        """Cancel all jobs, and wait until they are gone."""
        if self._array and self.alive():
            run_command(["scancel", self._array])
            end = time.monotonic() + SLURM_GRACE
            while self.alive() and time.monotonic() < end:
                time.sleep(0.5)


def end_with_parent() -> None:
    """End this process, in order, when its standard input closes: its parent is gone then."""

    def watch() -> None:
        while os.read(0, 1024):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


_told_to_end = threading.Event()


def interrupt_on_terminate() -> None:
    """Let SIGTERM end this process as Ctrl-C does: with claims released and notes taken.

    SIGUSR2, by which submitit hears that time is nearly up, reaches all processes of a job; those
    that a worker starts ignore it as well.
    """

    def interrupt(*_: object) -> None:
        _told_to_end.set()
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)


def end_if_told() -> None:
    """Raise the interrupt again if there was one: it may have come back as another exception.

    Such as from a function that a library calls, pydantic for one.
    """
    if _told_to_end.is_set():
        raise KeyboardInterrupt
