"""The folder of a study: its plan, its points, and who is at work on which.

    DIR/study.json                  the file as it was given, versions, and all points
    DIR/points/<id>/run.h5          a finished run; see `microcircuit.results`
    DIR/points/<id>/checkpoint/     an unfinished one; see `microcircuit.storage`
    DIR/points/<id>/lock            locked by the process that runs it
    DIR/points/<id>/attempt.json    who runs it, left behind by who dies
    DIR/points/<id>/failure.json    why it failed
    DIR/points/<id>/log.txt         what happened to it
    DIR/logs/                       what workers printed

A lock ends with the process that holds it, however that ends, so nothing needs to be cleared away
after a crash. Everything else is written whole or not at all.
"""

import contextlib
import fcntl
import json
import os
import platform
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import IO, Any, Literal

from microcircuit import provenance
from microcircuit.recovery import inspect, is_held
from microcircuit.results import (
    CHECKPOINT_NAME,
    PART_SUFFIX,
    RESULT_NAME,
    STUDY_NAME,
    ResultsError,
    holds_unfinished_run,
    open_results,
)
from microcircuit.segments import StorageError, write_whole
from microcircuit.study.plan import Point, from_plain, to_plain

FORMAT_VERSION = 1

type Status = Literal["complete", "diverged", "failed", "running", "unfinished", "waiting"]


PROBES = 4
"""Times to try for a lock: whoever asks for a point's status holds it for an instant."""


class StudyError(Exception):
    """A study can't go on, or its folder can't be used; the message says what to do."""


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why a point failed.

    Parameters
    ----------
    call : str
        The ``study run`` in which it did; another one tries again.
    message : str
        In words.
    attempts : int
        How often it was tried in that call.
    """

    call: str
    message: str
    attempts: int


class StudyFolder:
    """A study's folder.

    Parameters
    ----------
    path : Path
        That holds a study, or, for `write`, will hold one.

    Raises
    ------
    StudyError
        From all that reads: there is no study, or one that this version does not know.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def exists(self) -> bool:
        """Whether there is a study."""
        return (self.path / STUDY_NAME).exists()

    @cached_property
    def _manifest(self) -> dict[str, Any]:
        file = self.path / STUDY_NAME
        try:
            manifest = json.loads(file.read_bytes())
            version = manifest["format_version"]
        except FileNotFoundError:
            raise StudyError(
                f"{self.path} holds no study: make one with "
                f"`microcircuit study run FILE -o {self.path}`"
            ) from None
        except (ValueError, KeyError, TypeError) as error:
            raise StudyError(f"{file} does not describe a study: {error!r}") from error
        if version != FORMAT_VERSION:
            made = manifest.get("provenance", {}).get("package_version", "another version")
            raise StudyError(
                f"{file} has format {version}, made by microcircuit {made}; this version knows "
                f"format {FORMAT_VERSION}: use that one, or a new folder"
            )
        return manifest

    @property
    def document(self) -> dict[str, Any]:
        """The study file as it was given."""
        return self._manifest["study"]

    @cached_property
    def points(self) -> tuple[Point, ...]:
        """All points, in the order of the plan."""
        try:
            return tuple(map(from_plain, self._manifest["points"]))
        except (KeyError, TypeError) as error:
            raise StudyError(f"{self.path / STUDY_NAME} is damaged: {error}") from error

    def write(self, document: Mapping[str, Any], points: Sequence[Point]) -> None:
        """Store a plan; points of an earlier one stay in the study, behind those of this.

        Raises
        ------
        StudyError
            The folder holds something else, or a study of another version.
        """
        if self.path.exists() and not self.path.is_dir():
            raise StudyError(f"{self.path} is a file: choose a folder for the study")
        if self.path.exists() and not self.exists:
            # Another call may be about to write the same study, or do so in this moment.
            begun = {"lock", STUDY_NAME, STUDY_NAME + PART_SUFFIX}
            others = any(entry.name not in begun for entry in self.path.iterdir())
            if others and not self.exists:
                raise StudyError(
                    f"{self.path} is not empty and holds no study: choose another folder"
                )
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / "lock").open("a") as file:
            _lock(file, wait=True)  # two calls may add points at the same time
            self._write(document, points)

    def check_version(self) -> dict[str, Any]:
        """Return what may not change while a study goes on, for its results to be comparable.

        Raises
        ------
        StudyError
            The study was begun by another version.
        """
        made_by = {**provenance.versions(), "sources": provenance.sources()}
        if self.exists:
            begun = self._manifest["provenance"]
            changed = [
                f"{key} {begun.get(key)}, now {value}"
                for key, value in made_by.items()
                if begun.get(key) != value
            ]
            if changed:
                raise StudyError(
                    f"the study in {self.path} was begun by another version, whose results can't "
                    f"be mixed with those of this one ({'; '.join(changed)}): use that, or a new "
                    "folder"
                )
        return made_by

    def _write(self, document: Mapping[str, Any], points: Sequence[Point]) -> None:
        self._forget()
        made_by = self.check_version()
        known = {point.id: point for point in points}
        earlier = [p for p in self.points if p.id not in known] if self.exists else []
        content = {
            "format_version": FORMAT_VERSION,
            "provenance": made_by,
            "study": document,
            "points": [to_plain(point) for point in [*points, *earlier]],
        }
        text = json.dumps(content).encode()
        write_whole(self.path / STUDY_NAME, lambda file: file.write(text))
        self._forget()

    def _forget(self) -> None:
        """Read the plan anew when it is asked for."""
        for name in ("_manifest", "points"):
            self.__dict__.pop(name, None)

    def folder(self, point: Point) -> Path:
        """Return the folder of a point."""
        return self.path / "points" / point.id

    @property
    def logs(self) -> Path:
        """Where workers' output goes."""
        return self.path / "logs"

    def write_call(self, call: str, points: Sequence[Point], places: Mapping[str, int]) -> None:
        """Store what a ``study run`` is about: its points, and how many of a group go together.

        The study's plan may change while its workers are on their way.
        """
        self.logs.mkdir(exist_ok=True)
        content = {"places": dict(places), "points": [to_plain(point) for point in points]}
        text = json.dumps(content).encode()
        write_whole(self.logs / f"{call}.json", lambda file: file.write(text))

    def read_call(self, call: str) -> tuple[list[Point], dict[str, int]]:
        """Return what `write_call` stored."""
        try:
            content = json.loads((self.logs / f"{call}.json").read_bytes())
            return list(map(from_plain, content["points"])), content["places"]
        except (OSError, ValueError, KeyError) as error:
            raise StudyError(f"{self.path} knows no call {call!r}: {error!r}") from error

    def last_words(self) -> list[str]:
        """Return the last lines that workers of the latest ``study run`` printed, each once."""
        call = max((file.stem for file in self.logs.glob("*.json")), default="none")
        # On Slurm a worker has a second log, in which submitit has the last word.
        logs = sorted([*self.logs.glob(f"{call}-*.log"), *self.logs.glob(f"{call}/*.err")])
        texts = (log.read_text(encoding="utf-8", errors="replace").strip() for log in logs)
        return list(dict.fromkeys(text.splitlines()[-1] for text in texts if text))

    # ------------------------------------------------------------------------------ status

    def finished(self, point: Point) -> bool:
        """Tell whether a point has a result, good or broken; cheap enough to be asked often."""
        return (self.folder(point) / RESULT_NAME).exists()

    def is_begun(self, point: Point) -> bool:
        """Tell whether a process is at work on a point, or died over it."""
        return self._attempt_file(point).exists()

    def _attempt_file(self, point: Point) -> Path:
        return self.folder(point) / "attempt.json"

    def _attempt(self, point: Point) -> dict[str, Any]:
        """Return the note of who is at work on a point, or died over it, if there is one."""
        try:
            return json.loads(self._attempt_file(point).read_bytes())
        except (OSError, ValueError):
            return {}

    def attempts(self, point: Point, call: str) -> int:
        """Return how often in a call a point was begun and not put down.

        An attempt that came as far as another checkpoint does not count: who died then, as by
        losing its node, did not die of the point.
        """
        last = self._attempt(point)
        if last.get("call") != call or last.get("position") != self.position(point):
            return 0
        return last["attempt"]

    def failure(self, point: Point) -> Failure | None:
        """Return why a point failed when it was tried last; None if it did not."""
        try:
            return Failure(**json.loads((self.folder(point) / "failure.json").read_bytes()))
        except (OSError, ValueError, TypeError):
            return None

    def is_open(self, point: Point, call: str) -> bool:
        """Tell whether a point is to be run: it has no result, and did not fail in this call."""
        if self.finished(point):
            return False
        failure = self.failure(point)
        return failure is None or failure.call != call

    def position(self, point: Point) -> int:
        """Return how many presentations of an unfinished point are saved."""
        if not holds_unfinished_run(self.folder(point)):
            return 0
        with contextlib.suppress(OSError, StorageError):  # it may finish meanwhile
            return inspect(self.folder(point)).position
        return 0

    def status(self, point: Point) -> tuple[Status, str]:
        """Return what has become of a point, and what is to be said of that."""
        folder = self.folder(point)
        if self.finished(point):
            try:
                with open_results(folder) as results:
                    return ("complete" if results.status == "complete" else "diverged"), (
                        results.message
                    )
            except ResultsError as error:
                return "unfinished", f"its result is broken, and will be made again: {error}"
        if not folder.exists():
            return "waiting", ""
        if self.is_locked(point):
            return "running", ""
        if failure := self.failure(point):
            return "failed", failure.message
        return ("unfinished", "") if holds_unfinished_run(folder) else ("waiting", "")

    def is_locked(self, point: Point) -> bool:
        """Tell whether a process holds a point."""
        try:
            return is_held(self.folder(point) / "lock")
        except FileNotFoundError:
            return False

    def set_checkpoint_aside(self, point: Point, why: str) -> None:
        """Move an unfinished run that can't be gone on with out of the way, to begin it anew."""
        checkpoint = self.folder(point) / CHECKPOINT_NAME
        os.replace(checkpoint, checkpoint.with_name(f"{CHECKPOINT_NAME}.broken-{time.time_ns()}"))
        self.log(point, f"begun anew: {why}")

    def set_broken_aside(self, points: Sequence[Point]) -> list[Path]:
        """Move results that can't be read, or are of another configuration, out of the way.

        Returns
        -------
        list of Path
            Where they are now.
        """
        moved = []
        for point in points:
            file = self.folder(point) / RESULT_NAME
            if not file.exists() or self._is_sound(file, point):
                continue
            with self.claim(point, wait=True) as claimed:
                if claimed and file.exists() and not self._is_sound(file, point):
                    aside = file.with_name(f"{file.name}.broken-{time.time_ns()}")
                    os.replace(file, aside)
                    moved.append(aside)
        return moved

    @staticmethod
    def _is_sound(file: Path, point: Point) -> bool:
        try:
            with open_results(file) as results:
                return results.config == point.config and bool(results.status)
        except (ResultsError, OSError, KeyError, ValueError):
            return False

    # ------------------------------------------------------------------------------- work

    @contextlib.contextmanager
    def claim(self, point: Point, *, wait: bool = False) -> Iterator[bool]:
        """Lock a point while in the ``with`` block; gives False if another process has it.

        Parameters
        ----------
        point : Point
            What to lock.
        wait : bool, optional
            Until that process is done.
        """
        folder = self.folder(point)
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "lock").open("a") as file:
            try:
                # With a note the lock is most likely held by a worker, and for long.
                _lock(file, wait=wait, probes=1 if self.is_begun(point) else PROBES)
            except BlockingIOError:
                yield False
            else:
                yield True

    def begin(self, point: Point, call: str) -> int:
        """Take note of an attempt on a claimed point; return which one it is in this call.

        The note stays behind if the process dies.
        """
        last, attempt = self._attempt(point), self.attempts(point, call) + 1
        if last:
            self.log(point, f"the process that ran it, {last['pid']} on {last['host']}, died")
        entry = {
            "call": call,
            "attempt": attempt,
            "position": self.position(point),
            "pid": os.getpid(),
            "host": platform.node(),
        }
        content = json.dumps(entry).encode()
        write_whole(self._attempt_file(point), lambda file: file.write(content))
        (self.folder(point) / "failure.json").unlink(missing_ok=True)
        self.log(point, f"attempt {attempt} by process {entry['pid']} on {entry['host']}")
        return attempt

    def end(self, point: Point, what: str) -> None:
        """Take note that the process has done what it could."""
        self._attempt_file(point).unlink(missing_ok=True)
        self.log(point, what)

    def fail(self, point: Point, failure: Failure) -> None:
        """Take note of a failure."""
        content = json.dumps(failure.__dict__).encode()
        write_whole(self.folder(point) / "failure.json", lambda file: file.write(content))

    def log(self, point: Point, text: str) -> None:
        """Add a line to a point's log."""
        when = datetime.now(UTC).isoformat(timespec="seconds")
        with (self.folder(point) / "log.txt").open("a", encoding="utf-8") as file:
            file.write(f"{when}  {text}\n")


def _lock(file: IO[str], *, wait: bool, probes: int = PROBES) -> None:
    for probe in range(1, probes + 1):
        try:
            fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if probe == probes:
                raise
            time.sleep(0.02)
        else:
            return
