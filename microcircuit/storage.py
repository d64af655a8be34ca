"""Storing a run, such that it survives being killed at any moment.

An HDF5 file that is open for writing is lost when its process dies. While a run goes on, its
folder therefore holds small files, each of which is written whole under another name, forced to
disk and renamed, so that it is either complete or not there::

    DIR/checkpoint/run.json                   configuration and provenance
    DIR/checkpoint/lock                       locked while a process works on the run
    DIR/checkpoint/segment-<start>-<stop>.npz what presentations start to stop recorded
    DIR/checkpoint/state-<position>.npz       the simulator after so many presentations

A segment is written before the state that follows it, so a state always has all its records. A
segment without its state is dropped when the run is resumed, and those presentations are run
again. At the end the segments become ``DIR/run.h5``, and the checkpoint folder is removed.
"""

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from errno import EDQUOT, EFBIG, ENOSPC
from pathlib import Path
from typing import IO, Any, Self

import numpy as np

from microcircuit import assembly, recovery, segments
from microcircuit.recovery import FolderInUseError
from microcircuit.results import (
    CHECKPOINT_NAME,
    FORMAT_VERSION,
    MANIFEST_NAME,
    PART_SUFFIX,
    RESULT_NAME,
    Metric,
    Results,
    holds_unfinished_run,
    open_results,
    resume_command,
)
from microcircuit.segments import Dataset, StorageError

__all__ = [
    "STATUSES",
    "Checkpoint",
    "Dataset",
    "FolderInUseError",
    "Metric",
    "RunCompleteError",
    "RunFolder",
    "StorageError",
]

STATUSES = ("complete", "diverged")
_DISK_FULL = (ENOSPC, EFBIG, EDQUOT)


class RunCompleteError(StorageError):
    """There is nothing to resume, because the run has finished."""


@dataclass(frozen=True)
class Checkpoint:
    """The simulator after `position` presentations: named arrays."""

    position: int
    state: dict[str, np.ndarray]


class RunFolder:
    """The folder of one run, which this process holds alone until it is closed.

    Made by :meth:`create` or :meth:`resume`; a context manager that lets go of the folder.

    Attributes
    ----------
    path : pathlib.Path
        The folder.
    config, provenance : dict
        As given to :meth:`create`, after a round trip through JSON.
    position : int
        Number of presentations done and saved.
    """

    def __init__(self, path: Path, lock: IO[str]) -> None:
        self.path = path
        self._folder = path / CHECKPOINT_NAME
        self._lock = lock
        manifest = recovery.read_manifest(self._folder)
        self.config: dict[str, Any] = manifest["config"]
        self.provenance: dict[str, Any] = manifest["provenance"]
        self.position, self._segments = recovery.recover(self._folder)
        self._row_shapes: segments.RowShapes = {}
        for segment in self._segments:
            self._row_shapes |= segments.read_segment(segment)[0]

    @classmethod
    def create(
        cls, path: str | Path, *, config: Mapping[str, Any], provenance: Mapping[str, Any]
    ) -> Self:
        """Begin a run in a folder, which is made if need be, with its parents.

        Parameters
        ----------
        path : str or pathlib.Path
            The folder.
        config, provenance : Mapping
            What was run and by what, in types that JSON knows.

        Raises
        ------
        FolderInUseError
            If the folder already holds a run, finished or not.
        StorageError
            If the folder cannot be written.
        TypeError
            If `config` or `provenance` hold something that JSON cannot.
        """
        path = Path(path)
        manifest_path = path / CHECKPOINT_NAME / MANIFEST_NAME
        manifest = {"format_version": FORMAT_VERSION, "config": config, "provenance": provenance}
        content = json.dumps(manifest, indent=1).encode()
        recovery.refuse_taken(path)
        try:
            manifest_path.parent.mkdir(parents=True, exist_ok=True)
            with recovery.hold(path) as lock:
                recovery.refuse_taken(path)  # again, now that no other process can begin
                segments.write_whole(manifest_path, lambda file: file.write(content))
                return cls(path, lock)
        except OSError as error:
            raise StorageError(f"cannot begin a run in {path}: {error}") from error

    @classmethod
    def resume(cls, path: str | Path) -> Self:
        """Take up an unfinished run where its last checkpoint left it.

        Parameters
        ----------
        path : str or pathlib.Path
            The folder.

        Raises
        ------
        RunCompleteError
            If the run has finished; what a kill has left besides the result is removed.
        FolderInUseError
            If another process is working on the run.
        StorageError
            If the folder holds no run, or one that is damaged.
        ResultsError
            If there is a result that cannot be read.
        """
        path = Path(path)
        if not (holds_unfinished_run(path) or (path / RESULT_NAME).exists()):
            raise StorageError(f"{path} holds no run: there is nothing to resume")
        complete = RunCompleteError(f"the run in {path} is complete: there is nothing to resume")
        try:
            with recovery.hold(path) as lock:
                if (path / RESULT_NAME).exists():
                    open_results(path).close()  # nothing is removed for a result that is no good
                    shutil.rmtree(path / CHECKPOINT_NAME, ignore_errors=True)
                    raise complete
                return cls(path, lock)
        except OSError as error:
            if (path / RESULT_NAME).exists() and not (path / CHECKPOINT_NAME).exists():
                raise complete from None
            raise StorageError(f"cannot resume the run in {path}: {error}") from error

    def __enter__(self) -> Self:
        """Return the folder itself."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Let go of the folder."""
        self.close()

    def close(self) -> None:
        """Let go of the folder; the run can be resumed, by this process or another."""
        self._lock.close()

    @property
    def checkpoint(self) -> Checkpoint | None:
        """The last checkpoint, read from disk; None if nothing was saved yet."""
        if self.position == 0:
            return None
        return Checkpoint(
            self.position, dict(segments.read_arrays(self._state_path(self.position)))
        )

    def save(
        self,
        *,
        position: int,
        data: Mapping[Dataset, np.ndarray],
        state: Mapping[str, np.ndarray],
    ) -> None:
        """Put on disk what was recorded since the last save, and the simulator's state.

        Parameters
        ----------
        position : int
            Number of presentations done, more than at the last save.
        data : Mapping
            What to append to each dataset, of the dataset's dimensions; the first may have
            length 0. Values are converted to the storage type. Datasets may be left out.
        state : Mapping
            All that the simulator needs to go on from here.

        Raises
        ------
        ValueError
            If `position`, a shape or a type does not go with what was saved before.
        StorageError
            If the disk is full or fails. The last checkpoint is intact, and this object is
            closed: free space and :meth:`resume`.
        """
        self._require_open()
        if position <= self.position:
            raise ValueError(f"position {position} is not after the last one, {self.position}")
        arrays = {dataset: dataset.conform(values) for dataset, values in data.items()}
        row_shapes = segments.extend_row_shapes(self._row_shapes, arrays)
        segment = self._folder / f"segment-{self.position}-{position}.npz"
        try:
            with self._explain(f"presentations {self.position} to {position}"):
                segments.write_segment(segment, arrays)
                segments.write_arrays(self._state_path(position), state)
                self._state_path(self.position).unlink(missing_ok=True)
        except BaseException:
            self.close()  # the disk is ahead of this object, or not: only resume can tell
            raise
        self.position = position
        self._row_shapes = row_shapes
        self._segments.append(segment)

    def finish(
        self,
        *,
        status: str,
        message: str,
        attributes: Mapping[str, Any],
        metrics: Callable[[Results], Mapping[str, Metric]],
    ) -> Path:
        """Assemble ``run.h5``, remove the checkpoint folder and let go of the folder.

        Parameters
        ----------
        status : str
            ``"complete"`` or ``"diverged"``.
        message : str
            How the run ended, in words.
        attributes : Mapping
            Further attributes of the file's root.
        metrics : callable
            Computes the metrics by name from the assembled records.

        Returns
        -------
        pathlib.Path
            The finished file.

        Raises
        ------
        ValueError
            If `status` is unknown.
        StorageError
            If the disk is full or fails, or a segment is damaged. The last checkpoint is
            intact: free space, and call this again, now or after :meth:`resume`.
        """
        self._require_open()
        if status not in STATUSES:
            raise ValueError(f"status '{status}' is not one of {STATUSES}")
        root = {**attributes, "status": status, "message": message}
        sections = {"config": self.config, "provenance": self.provenance}
        result = self.path / RESULT_NAME
        part = result.with_name(RESULT_NAME + PART_SUFFIX)
        try:
            with self._explain(RESULT_NAME):
                assembly.write_result(part, root, sections=sections, segments=self._segments)
            with Results(part) as results:
                values = metrics(results)
            with self._explain(RESULT_NAME):
                assembly.add_metrics(part, values)
                segments.publish(part, result)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        shutil.rmtree(self._folder, ignore_errors=True)  # the result stands, with or without it
        self.close()
        return result

    def _state_path(self, position: int) -> Path:
        return self._folder / f"state-{position}.npz"

    def _require_open(self) -> None:
        if self._lock.closed:
            raise StorageError(f"the run in {self.path} was closed: resume it to go on")

    @contextmanager
    def _explain(self, what: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            remedy = "free space and resume" if error.errno in _DISK_FULL else "resume"
            raise StorageError(
                f"could not write {what} in {self.path}: {error.strerror or error}. The last "
                f"checkpoint, at presentation {self.position}, is intact: "
                f"{remedy} with: {resume_command(self.path)}"
            ) from error
