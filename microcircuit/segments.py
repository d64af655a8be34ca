"""The files of an unfinished run: arrays written whole, and segments of records.

:mod:`microcircuit.storage` decides when they are written, and in which order.
"""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import IO, Any

import numpy as np

from microcircuit.results import PART_SUFFIX

type RowShapes = dict["Dataset", tuple[int, ...]]

_DTYPES = ("float32", "float64", "int64")
_RESERVED_GROUPS = ("config", "provenance", "metrics")


class StorageError(Exception):
    """A run cannot be stored, or its folder cannot be used; the message says what to do."""


@dataclass(frozen=True)
class Dataset:
    """What a dataset of the result is, fixed before the run.

    Attributes
    ----------
    path : str
        Where it goes in the file, such as ``"records/hidden/v_apical/data"``.
    units : str
        Such as ``"mV"``; ``"1"`` for a pure number.
    dimensions : tuple of str
        Names of the dimensions; the first is the one along which data are appended.
    dtype : str
        Storage type: ``"float32"``, ``"float64"`` or ``"int64"``.
    description : str
        What it holds, in a few words.

    Raises
    ------
    ValueError
        If the path, the dimensions or the dtype cannot be used.
    """

    path: str
    units: str
    dimensions: tuple[str, ...]
    dtype: str
    description: str = ""

    def __post_init__(self) -> None:
        """Refuse what could not be written at the end of the run."""
        parts = self.path.split("/")
        if len(parts) < 2 or parts[0] in _RESERVED_GROUPS or {"", ".", ".."} & set(parts):
            raise ValueError(f"'{self.path}' is not a path for data, like 'records/name/data'")
        if not self.dimensions:
            raise ValueError(f"{self.path}: needs a dimension to append along")
        if self.dtype not in _DTYPES:
            raise ValueError(f"{self.path}: dtype '{self.dtype}' is not one of {_DTYPES}")

    def conform(self, values: np.ndarray) -> np.ndarray:
        """Return `values` in the storage type.

        Parameters
        ----------
        values : numpy.ndarray
            With the dimensions of this dataset; only the first may have length 0.

        Raises
        ------
        ValueError
            If the dimensions differ, or the type is of another kind (float for int64).
        """
        values = np.asarray(values)
        if values.ndim != len(self.dimensions) or 0 in values.shape[1:]:
            raise ValueError(f"{self.path}: shape {values.shape} does not fit {self.dimensions}")
        if not np.can_cast(values.dtype, self.dtype, "same_kind"):
            raise ValueError(f"{self.path}: {values.dtype} cannot be stored as {self.dtype}")
        return values.astype(self.dtype, copy=False)


def extend_row_shapes(known: RowShapes, data: Mapping[Dataset, np.ndarray]) -> RowShapes:
    """Check that `data` go together with all that came before.

    Parameters
    ----------
    known : dict
        For each dataset so far, its shape without the first dimension.
    data : Mapping
        What is to be appended to each dataset.

    Returns
    -------
    dict
        `known`, and the datasets that are new.

    Raises
    ------
    ValueError
        If a shape has changed, or two datasets claim the same path.
    """
    shapes = {dataset: array.shape[1:] for dataset, array in data.items()}
    for dataset in shapes.keys() & known.keys():
        if shapes[dataset] != known[dataset]:
            was, now = known[dataset], shapes[dataset]
            raise ValueError(f"{dataset.path}: rows had the shape {was} and now have {now}")
    shapes = known | shapes
    for path, following in pairwise(sorted(f"{dataset.path}/" for dataset in shapes)):
        if following.startswith(path):  # the same path twice, or a dataset inside a dataset
            raise ValueError(f"two datasets claim the path '{path[:-1]}'")
    return shapes


def write_whole(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Write a file such that `path` is, at any moment, absent, as it was, or complete.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    write : callable
        Writes the content to the open binary file it is given.

    Raises
    ------
    OSError
        If something cannot be written; the temporary file is removed.
    """
    part = path.with_name(path.name + PART_SUFFIX)
    try:
        with part.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        publish(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def publish(part: Path, path: Path) -> None:
    """Give a complete file, already on disk, its final name, and force the name to disk."""
    os.replace(part, path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write named arrays whole; see :func:`write_whole`."""
    # The prefix keeps names such as "file" apart from the arguments of savez.
    members = {f"arrays/{name}": array for name, array in arrays.items()}
    write_whole(path, lambda file: np.savez(file, allow_pickle=False, **members))


def read_arrays(path: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Read what :func:`write_arrays` has written, one array at a time, and verify checksums.

    Raises
    ------
    StorageError
        If the file is damaged.
    OSError
        If the file cannot be read at all.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            for name in archive.files:
                yield name.removeprefix("arrays/"), archive[name]
    except OSError:
        raise
    except Exception as error:  # damaged bytes can raise nearly anything
        raise StorageError(f"{path} is damaged ({type(error).__name__}: {error})") from error


def write_segment(path: Path, data: Mapping[Dataset, np.ndarray]) -> None:
    """Write what was recorded in some presentations, and what it is."""
    header = [asdict(dataset) | {"row_shape": a.shape[1:]} for dataset, a in data.items()]
    arrays = {dataset.path: array for dataset, array in data.items()}
    write_arrays(path, {"header": np.array(json.dumps(header).encode())} | arrays)


def read_segment(path: Path) -> tuple[RowShapes, Iterator[tuple[str, np.ndarray]]]:
    """Open a segment: its datasets, and an iterator that reads their arrays one at a time.

    Raises
    ------
    StorageError
        If the file is damaged; the iterator raises it too.
    """
    arrays = read_arrays(path)
    _, header = next(arrays)
    return dict(map(_parse_entry, json.loads(header.item()))), arrays


def _parse_entry(entry: dict[str, Any]) -> tuple[Dataset, tuple[int, ...]]:
    row_shape = tuple(entry.pop("row_shape"))
    return Dataset(**entry | {"dimensions": tuple(entry["dimensions"])}), row_shape
