"""Turning the segments of a run into one HDF5 file, on a disk that may be full."""

import io
import json
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from microcircuit.results import FORMAT_VERSION, Metric
from microcircuit.segments import Dataset, read_segment

_CHUNK_BYTES = 2**18


def write_result(
    part: Path,
    attributes: Mapping[str, Any],
    *,
    sections: Mapping[str, Mapping[str, Any]],
    segments: Iterable[Path],
) -> None:
    """Write everything but the metrics, holding one array of one segment at a time.

    Parameters
    ----------
    part : pathlib.Path
        The file, made anew.
    attributes : Mapping
        Of the root; the format version is added.
    sections : Mapping
        What goes into the attributes of ``/config`` and ``/provenance``, by name.
    segments : iterable of pathlib.Path
        In order.

    Raises
    ------
    OSError
        If something cannot be written.
    StorageError
        If a segment is damaged.
    """
    with _open_hdf5(part, "w") as (file, check):
        _write_attributes(file, {**attributes, "format_version": FORMAT_VERSION})
        for name, entries in sections.items():
            content = {**entries, "json": json.dumps(entries)}
            _write_attributes(file.create_group(name), content)
        columns: dict[str, h5py.Dataset] = {}  # open until the end, or chunks are written twice
        for segment in segments:
            _append(file, columns, segment)
            check()


def add_metrics(part: Path, metrics: Mapping[str, Metric]) -> None:
    """Write each metric to ``/metrics/<name>``, with its units and description.

    Raises
    ------
    OSError
        If something cannot be written.
    ValueError
        If a name is empty or has a slash.
    """
    with _open_hdf5(part, "r+") as (file, _):
        group = file.create_group("metrics")
        for name, metric in metrics.items():
            if not name or "/" in name:
                raise ValueError(f"'{name}' cannot be the name of a metric")
            dataset = group.create_dataset(name, data=metric.value)
            dataset.attrs.update(units=metric.units, description=metric.description)


def _append(file: h5py.File, columns: dict[str, h5py.Dataset], segment: Path) -> None:
    row_shapes, arrays = read_segment(segment)
    datasets = {dataset.path: dataset for dataset in row_shapes}
    for path, array in arrays:
        if path not in columns:
            columns[path] = _create(file, datasets[path], array.shape[1:])
        if len(array):
            column, start = columns[path], len(columns[path])
            column.resize(start + len(array), axis=0)
            column[start:] = array


def _create(file: h5py.File, dataset: Dataset, row_shape: tuple[int, ...]) -> h5py.Dataset:
    column = file.create_dataset(
        dataset.path,
        shape=(0, *row_shape),
        maxshape=(None, *row_shape),
        chunks=_chunk_shape(row_shape, np.dtype(dataset.dtype).itemsize),
        dtype=dataset.dtype,
        compression="gzip",
        shuffle=True,
    )
    column.attrs.update(units=dataset.units, description=dataset.description)
    for dimension, name in zip(column.dims, dataset.dimensions, strict=True):
        dimension.label = name
    return column


def _chunk_shape(row_shape: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    """Fill a chunk from the last dimension on, with whole rows if they fit."""
    budget = _CHUNK_BYTES // itemsize
    chunk: list[int] = []
    for size in reversed(row_shape):
        chunk.insert(0, min(size, budget))
        budget //= chunk[0]
    return (budget, *chunk)


def _write_attributes(target: h5py.Group, entries: Mapping[str, Any]) -> None:
    """Write texts and numbers as they are, anything else as JSON."""
    for name, entry in entries.items():
        value = entry.item() if isinstance(entry, np.generic) else entry
        small = isinstance(value, int) and value.bit_length() < 64
        plain = small or isinstance(value, str | float)
        target.attrs[name] = value if plain else json.dumps(value)


class _PatientFile(io.FileIO):
    """A file that keeps the first error to itself and drops what is written after it.

    After a failed write HDF5 crashes the process at exit (seen with HDF5 2.0 on a full disk, also
    through a Python file). It therefore never sees the error; :meth:`check` raises it.
    """

    error: OSError | KeyboardInterrupt | None = None

    def write(self, data: Any) -> int:
        rest = memoryview(data).cast("B")
        size = len(rest)
        try:
            while rest and self.error is None:
                rest = rest[super().write(rest) :]
        except OSError as error:
            self.error = error
        return size

    def truncate(self, size: int | None = None) -> int:
        try:
            return super().truncate(size)
        except OSError as error:
            self.error = self.error or error
            return size or 0

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        size = super().readinto(view) or 0
        view[size:] = bytes(len(view) - size)  # what was dropped reads as zeros
        return len(view)

    def check(self) -> None:
        if self.error is not None:
            raise self.error


@contextmanager
def _interrupts_kept(raw: _PatientFile) -> Iterator[None]:
    """Turn Ctrl-C into an error of the file: within a write it would upset HDF5 as much."""
    usual = signal.getsignal(signal.SIGINT)  # Python's, or the one that Brian2 puts in its place
    if not callable(usual) or not _in_main_thread():
        yield
        return

    def keep(*_: object) -> None:
        raw.error = raw.error or KeyboardInterrupt()

    signal.signal(signal.SIGINT, keep)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, usual)


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


@contextmanager
def _open_hdf5(path: Path, mode: str) -> Iterator[tuple[h5py.File, Callable[[], None]]]:
    """Open an HDF5 file in mode "w" or "r+"; at the end it is on disk.

    Yields the file, and a function that raises the first error so far, to stop long work early.
    """
    with _PatientFile(path, "w+" if mode == "w" else mode) as raw:
        try:
            with _interrupts_kept(raw), h5py.File(raw, mode) as file:
                yield file, raw.check
        finally:
            raw.check()  # the cause of whatever else has gone wrong
        os.fsync(raw.fileno())
