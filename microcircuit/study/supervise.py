"""Keep a worker at work: start it again when it dies over a point, here as on a cluster.

Nothing is imported that is not needed: this process outlives any number of workers.
"""

import json
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

PYTHON = sys.executable, "-P", "-m"
"""Runs a module of this very package: without -P one in the current folder, such as that of a
checkout, would come before what is installed."""
GRACE = 15.0
"""Seconds in which a worker that is told to end puts its points down."""
MOST_IDLE_DEATHS = 3
"""One after the other, of workers that had not begun a point: then it is no point's fault."""


def keep_working(folder: Path, call: str, options: Sequence[str] = ()) -> int:
    """Run a worker, and others in its place as long as they die.

    Parameters
    ----------
    folder : Path
        Of the study.
    call : str
        The ``study run`` that the worker belongs to.
    options : sequence of str, optional
        Further options of the worker.

    Returns
    -------
    int
        The last worker's exit status: 0 if nothing is left that it could do.
    """
    command = [*PYTHON, "microcircuit.cli", "study", "work", str(folder)]
    idle = 0
    while True:
        worker = subprocess.Popen([*command, "--call", call, *options])
        try:
            status = worker.wait()
        except BaseException:
            # On Slurm submitit raises here when the job's time is nearly up.
            worker.terminate()
            try:
                worker.wait(GRACE)
            finally:
                worker.kill()
            raise
        # By order: workers that are asked to stop end with a status, if they have come so far.
        if status >= 0 or -status in (signal.SIGTERM, signal.SIGINT):
            return status
        idle = 0 if _had_begun(folder, call, worker.pid) else idle + 1
        when = time.strftime("%F %T")
        print(f"{when}  worker {worker.pid} was killed by signal {-status}", file=sys.stderr)
        if idle == MOST_IDLE_DEATHS:
            print(f"{when}  {idle} workers died before they began anything", file=sys.stderr)
            return status


def _had_begun(folder: Path, call: str, pid: int) -> bool:
    """Tell whether a dead worker has left a note that it was at work."""
    for note in folder.glob("points/*/attempt.json"):
        try:
            last = json.loads(note.read_bytes())
            if (last["call"], last["host"], last["pid"]) == (call, platform.node(), pid):
                return True
        except (OSError, ValueError, KeyError):
            continue
    return False


if __name__ == "__main__":
    # SIGTERM is for the worker, which ends in order; then this process ends as well.
    signal.signal(signal.SIGTERM, lambda *_: None)
    sys.exit(keep_working(Path(sys.argv[1]), sys.argv[2], sys.argv[3:]))
