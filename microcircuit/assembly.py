"""Turning the segments of a run into one HDF5 file, on a disk that may be full."""

import io
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from microcircuit.results import Metric
from microcircuit.segments import Dataset, read_segment

_CHUNK_BYTES = 2**18


class _PatientFile(io.FileIO):
    """A file that keeps the first error to itself and drops what is written after it.

    HDF5 crashes the process at exit when a write has failed (seen with HDF5 2.0 on a full disk,
    also through a Python file). It therefore never sees the error; :meth:`check` raises it.
    """

    error: BaseException | None = None

    def write(self, data: Any) -> int:
        rest = memoryview(data).cast("B")
        size = len(rest)
        try:
            while rest and self.error is None:
                rest = rest[super().write(rest) :]
        except BaseException as error:  # an interrupt would upset HDF5 as much
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
def open_hdf5(path: Path, mode: str) -> Iterator[tuple[h5py.File, Callable[[], None]]]:
    """Open an HDF5 file for writing; at the end it is on disk.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    mode : str
        ``"w"`` for a new file, ``"r+"`` to add to one.

    Yields
    ------
    file : h5py.File
        The open file.
    check : callable
        Raises the first error of writing so far, so that long work can stop early.

    Raises
    ------
    OSError
        If something could not be written.
    """
    with _PatientFile(path, "w+" if mode == "w" else mode) as raw:
        try:
            with h5py.File(raw, mode) as file:
                yield file, raw.check
        finally:
            raw.check()  # the cause of whatever else has gone wrong
        os.fsync(raw.fileno())


def assemble(file: h5py.File, segments: Iterable[Path], check: Callable[[], None]) -> None:
    """Append the segments, one array at a time, to datasets in `file`.

    Parameters
    ----------
    file : h5py.File
        Open for writing.
    segments : iterable of pathlib.Path
        In order.
    check : callable
        Called after each segment, to stop early.

    Raises
    ------
    StorageError
        If a segment is damaged.
    """
    columns: dict[str, h5py.Dataset] = {}  # kept open: closing one would compress its last chunk
    for segment in segments:
        row_shapes, arrays = read_segment(segment)
        datasets = {dataset.path: dataset for dataset in row_shapes}
        for path, array in arrays:
            if path not in columns:
                columns[path] = _create(file, datasets[path], array.shape[1:])
            if len(array):
                column, start = columns[path], len(columns[path])
                column.resize(start + len(array), axis=0)
                column[start:] = array
        check()


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


def write_mapping(target: h5py.Group, mapping: Mapping[str, Any]) -> None:
    """Write entries as attributes: texts and numbers as they are, anything else as JSON.

    Parameters
    ----------
    target : h5py.Group
        Gets the attributes.
    mapping : Mapping
        Of what JSON or numpy scalars can hold.
    """
    for name, entry in mapping.items():
        value = entry.item() if isinstance(entry, np.generic) else entry
        small = isinstance(value, int) and value.bit_length() < 64
        plain = small or isinstance(value, str | float)
        target.attrs[name] = value if plain else json.dumps(value)


def write_metrics(file: h5py.File, metrics: Mapping[str, Metric]) -> None:
    """Write each metric to ``/metrics/<name>``, with its units and description.

    Raises
    ------
    ValueError
        If a name is empty or has a slash.
    """
    group = file.create_group("metrics")
    for name, metric in metrics.items():
        if not name or "/" in name:
            raise ValueError(f"'{name}' cannot be the name of a metric")
        dataset = group.create_dataset(name, data=metric.value)
        dataset.attrs.update(units=metric.units, description=metric.description)
