"""Reading the results of a run: one HDF5 file, opened with :func:`open_results`.

This module needs only h5py and numpy, so figures and tables can be made from the file alone, on
another machine and without the simulator. :mod:`microcircuit.storage` writes what is read here:

- ``/`` has the attributes ``format_version``, ``status``, ``message`` and others; in that of a
  simulation ``populations`` says, as JSON, how many neurons each has;
- ``/config`` and ``/provenance`` have an attribute ``json``, and one attribute an entry;
- ``/records/<population>/<variable>/{data, time, index}``: what was recorded of neurons;
- ``/spikes/<population>/{time, index}``: when neurons spiked, and which;
- ``/weights/<projection>/{w, time, index}``: weights, at some presentations (snapshots);
- ``/stimuli/<population>/<variable>/{data, index}``: some of what was shown after each of these;
- ``/metrics/<name>``: numbers, texts and small arrays.

Every dataset has the attributes ``units`` and ``description`` and named dimensions.
"""

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Self

import h5py
import numpy as np

FORMAT_VERSION = 1
RESULT_NAME = "run.h5"
PART_SUFFIX = ".part"
CHECKPOINT_NAME = "checkpoint"
MANIFEST_NAME = "run.json"
STUDY_NAME = "study.json"


class ResultsError(Exception):
    """A result cannot be read, or does not hold what was asked for."""


@dataclass(frozen=True)
class Metric:
    """One number, text or small array that sums up a run.

    Attributes
    ----------
    value : float, int, str or numpy.ndarray
        The value, in `units`.
    units : str
        ``"1"`` for a pure number.
    description : str
        What it measures, in a few words.
    """

    value: float | int | str | np.ndarray
    units: str = "1"
    description: str = ""


class Record:
    """One recorded quantity; arrays are read from the file when they are asked for.

    Made by :class:`Results`, and usable while that is open. ``record[key]`` reads only a part of
    :attr:`data`, for instance ``record[-1]`` or ``record[100:200, 0]``.
    """

    def __init__(self, group: h5py.Group, name: str) -> None:
        self._group = group
        self._name = name

    def __getitem__(self, key: Any) -> Any:
        """Read ``data[key]``, with h5py's slicing, and nothing else."""
        return self._dataset(self._name)[key]

    @property
    def data(self) -> np.ndarray:
        """The whole record, of :attr:`shape`, in :attr:`units`."""
        return self[()]

    @property
    def time(self) -> np.ndarray:
        """The time of each sample, shape ``[time]``, in :attr:`time_units`."""
        return self._dataset("time")[()]

    @property
    def index(self) -> np.ndarray:
        """The number of the presentation in which each sample was taken, shape ``[time]``.

        Of stimuli ``[snapshot, presentation]``.
        """
        return self._dataset("index")[()]

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of :attr:`data`."""
        return self._dataset(self._name).shape

    @property
    def dimensions(self) -> tuple[str, ...]:
        """The names of the dimensions, such as ``("time", "replicate", "batch", "neuron")``."""
        return tuple(dimension.label for dimension in self._dataset(self._name).dims)

    @property
    def units(self) -> str:
        """The units of :attr:`data`."""
        return self._dataset(self._name).attrs["units"]

    @property
    def time_units(self) -> str:
        """The units of :attr:`time`."""
        return self._dataset("time").attrs["units"]

    @property
    def description(self) -> str:
        """What was recorded."""
        return self._dataset(self._name).attrs["description"]

    def _dataset(self, name: str) -> h5py.Dataset:
        return _child(self._group, name, what=f"dataset of {self._group.name}")


@dataclass(frozen=True)
class SpikeTrains:
    """The spikes of a population, in the order of their times.

    Attributes
    ----------
    time : array [spike]
        In milliseconds; of a neuron that spiked more than once in a step, several times.
    index : array [spike]
        Number of the neuron.
    neurons : int
        How many there are, of which some may not have spiked.
    """

    time: np.ndarray
    index: np.ndarray
    neurons: int


class Results:
    """The results of a run, read-only; a context manager that closes the file.

    Made by :func:`open_results`, which also explains what is wrong with a path.

    Attributes
    ----------
    path : pathlib.Path
        The file that is being read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = h5py.File(path, "r")

    def __enter__(self) -> Self:
        """Return the results themselves."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Close the file."""
        self.close()

    def close(self) -> None:
        """Close the file, and with it every :class:`Record` taken from it."""
        self._file.close()

    @property
    def attributes(self) -> dict[str, Any]:
        """All attributes of the file's root, ``status`` and ``message`` included."""
        return dict(self._file.attrs)

    @property
    def status(self) -> str:
        """``"complete"`` or ``"diverged"``."""
        return self._file.attrs["status"]

    @property
    def message(self) -> str:
        """How the run ended, in words."""
        return self._file.attrs["message"]

    @property
    def config(self) -> dict[str, Any]:
        """The validated configuration that was run."""
        return json.loads(self._file["config"].attrs["json"])

    @property
    def provenance(self) -> dict[str, Any]:
        """Versions, seeds, device, host: where the results come from."""
        return json.loads(self._file["provenance"].attrs["json"])

    def records(self) -> list[tuple[str, str]]:
        """List what was recorded, as ``(population, variable)``."""
        populations = self._group("records")
        return [(name, variable) for name, group in populations.items() for variable in group]

    def record(self, population: str, variable: str) -> Record:
        """Return what was recorded of a population.

        Parameters
        ----------
        population, variable : str
            Names, as :meth:`records` lists them.

        Returns
        -------
        Record
            With ``data`` of shape ``[time, replicate, batch, neuron]``.

        Raises
        ------
        ResultsError
            If there is no such record.
        """
        group = _child(self._group("records"), population, what="recorded population")
        return Record(_child(group, variable, what=f"record of '{population}'"), "data")

    def spiking(self) -> list[str]:
        """List the populations whose spikes were recorded."""
        return list(self._group("spikes"))

    def spikes(self, population: str) -> SpikeTrains:
        """Return the recorded spikes of a population.

        Parameters
        ----------
        population : str
            A name, as :meth:`spiking` lists them.

        Raises
        ------
        ResultsError
            If its spikes were not recorded.
        """
        group = _child(self._group("spikes"), population, what="population with spikes")
        sizes = json.loads(self._file.attrs["populations"])
        return SpikeTrains(group["time"][()], group["index"][()], sizes[population])

    def probes(self) -> list[tuple[str, str, str]]:
        """List what the probes recorded, as ``(probe, population, variable)``."""
        return [
            (name, population, variable)
            for name, probe in self._group("probes").items()
            for population, group in probe.items()
            for variable in group
        ]

    def probe(self, name: str, population: str, variable: str) -> Record:
        """Return what a probe of the circuit recorded.

        Parameters
        ----------
        name : str
            Of the probe, such as ``"test"``.
        population, variable : str
            As for :meth:`record`.

        Returns
        -------
        Record
            With ``data`` of shape ``[probe, presentation, replicate, batch]`` (and ``neuron``),
            ``index`` the presentations of the run before each probe.

        Raises
        ------
        ResultsError
            If there is no such probe or record.
        """
        probe = _child(self._group("probes"), name, what="probe")
        group = _child(probe, population, what=f"population recorded by '{name}'")
        return Record(_child(group, variable, what=f"record of '{population}'"), "data")

    def projections(self) -> list[str]:
        """List the projections whose weights were recorded."""
        return list(self._group("weights"))

    def weights(self, projection: str) -> Record:
        """Return the recorded weights of a projection.

        Parameters
        ----------
        projection : str
            A name, as :meth:`projections` lists them.

        Returns
        -------
        Record
            With ``data`` of shape ``[time, replicate, post, pre]``.

        Raises
        ------
        ResultsError
            If the weights of this projection were not recorded.
        """
        return Record(_child(self._group("weights"), projection, what="recorded projection"), "w")

    def stimuli(self) -> list[tuple[str, str]]:
        """List the stimuli of which there are samples, as ``(population, variable)``."""
        populations = self._group("stimuli")
        return [(name, variable) for name, group in populations.items() for variable in group]

    def stimulus(self, population: str, variable: str) -> Record:
        """Return a sample of what was shown at each snapshot of the weights.

        Parameters
        ----------
        population, variable : str
            Names, as :meth:`stimuli` lists them.

        Returns
        -------
        Record
            With ``data`` of shape ``[snapshot, presentation, replicate, batch, neuron]``, without
            the last two for a parameter; ``index`` of shape ``[snapshot, presentation]`` has the
            numbers of the presentations: those that follow the snapshot, at the end the last ones.

        Raises
        ------
        ResultsError
            If there is no such sample.
        """
        group = _child(self._group("stimuli"), population, what="population with stimuli")
        return Record(_child(group, variable, what=f"stimulus of '{population}'"), "data")

    def metrics(self) -> dict[str, Metric]:
        """Return all metrics by name."""
        return {name: self.metric(name) for name in self._group("metrics")}

    def metric(self, name: str) -> Metric:
        """Return one metric.

        Parameters
        ----------
        name : str
            A name, as :meth:`metrics` lists them.

        Raises
        ------
        ResultsError
            If there is no such metric.
        """
        dataset = _child(self._group("metrics"), name, what="metric")
        value = dataset.asstr()[()] if h5py.check_string_dtype(dataset.dtype) else dataset[()]
        if isinstance(value, np.generic):
            value = value.item()
        return Metric(value, dataset.attrs["units"], dataset.attrs["description"])

    def _group(self, name: str) -> Mapping[str, Any]:
        return self._file.get(name, {})


def open_results(path: str | Path) -> Results:
    """Open the results of a finished run.

    Parameters
    ----------
    path : str or pathlib.Path
        The file ``run.h5``, or the folder that holds it.

    Returns
    -------
    Results
        To be closed, or used in a ``with`` statement.

    Raises
    ------
    ResultsError
        If there is no such file, the run has not finished, or the file is not such a result.
    """
    path = Path(path)
    file = path / RESULT_NAME if path.is_dir() else path
    if not file.is_file() or file.suffix == PART_SUFFIX:
        if holds_unfinished_run(file.parent):
            command = resume_command(file.parent)
            raise ResultsError(f"{file.parent} holds an unfinished run: resume with: {command}")
        if (path / STUDY_NAME).is_file():
            raise ResultsError(f"{path} holds a study: its points are runs, in {path / 'points'}")
        raise ResultsError(f"{path} holds no finished run: there is no file {file}")
    try:
        results = Results(file)
    except OSError as error:
        raise ResultsError(f"{file} cannot be read as an HDF5 file: {error}") from error
    version = results.attributes.get("format_version")
    if version == FORMAT_VERSION:
        return results
    results.close()
    if version is None:
        raise ResultsError(f"{file} is an HDF5 file, but not a result of microcircuit")
    raise ResultsError(f"{file} has format {version}; this version reads format {FORMAT_VERSION}")


def holds_unfinished_run(folder: Path) -> bool:
    """Tell whether `folder` holds a run that was begun and has not finished."""
    begun = (folder / CHECKPOINT_NAME / MANIFEST_NAME).is_file()
    return begun and not (folder / RESULT_NAME).exists()


def resume_command(folder: Path) -> str:
    """Return the shell command that goes on with the run in `folder`."""
    return f"microcircuit run --resume {shlex.quote(str(folder))}"


def _child(parent: Mapping[str, Any], name: str, *, what: str) -> Any:
    names = list(parent)  # h5py's own ``in`` would also follow paths such as "a/b" and ".."
    if name in names:
        return parent[name]
    near = get_close_matches(name, names, n=1)
    hint = f"did you mean '{near[0]}'?" if near else f"there are: {', '.join(names) or 'none'}"
    raise ResultsError(f"no {what} is called '{name}'; {hint}")
