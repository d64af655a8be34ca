"""From a program's rows to the datasets of a result."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from brian2 import get_dimensions

from microcircuit.checks import steps
from microcircuit.devices import Chunk
from microcircuit.experiment import Probe
from microcircuit.expressions import unit_name
from microcircuit.recorder import recorder_name
from microcircuit.records import Mean, Spikes, Trace, record_units
from microcircuit.schedule import Presentations, Schedule, in_full, input_shape
from microcircuit.segments import Dataset
from microcircuit.state import State
from microcircuit.structure import Structure

MILLISECONDS = 1e3
SAMPLE = 32
"""Patterns that are stored with the weights: enough to see in which direction they will learn."""

TIMES = {
    "time": ("time of the sample", "number of the presentation"),
    "presentation": ("end of the presentation", "number of the presentation"),
    "snapshot": ("time of the snapshot", "presentations before the snapshot"),
}
"""What the datasets `time` and `index` hold, by the dimension along which rows are appended."""


def live_value(live: str, chunk: Chunk) -> float:
    """Return a chunk's average of the record that the progress bar shows."""
    rows = chunk.records["record_" + live.replace(".", "_", 1)]
    return float(np.mean(rows)) if len(rows) else float("nan")


class Recording:
    """Collects what chunks recorded until it is saved.

    Parameters
    ----------
    structure : Structure
        Of the program whose chunks it will be given.
    """

    def __init__(self, structure: Structure) -> None:
        self._structure = structure
        self._pending: dict[Dataset, list[np.ndarray]] = defaultdict(list)

    def take(self) -> dict[Dataset, np.ndarray]:
        """Return what has been collected since the last call."""
        taken = {dataset: np.concatenate(parts) for dataset, parts in self._pending.items()}
        self._pending.clear()
        return taken

    def add(self, chunk: Chunk, stretch: Presentations, *, first_step: int, position: int) -> None:
        """Add the records of a chunk.

        Parameters
        ----------
        chunk : Chunk
            What the program returned.
        stretch : Presentations
            What it was shown.
        first_step, position : int
            Time step and presentation at which it started.
        """
        ends = first_step + np.cumsum(stretch.steps)
        for record in self._structure.records:
            rows = chunk.records[recorder_name(record)]
            if isinstance(record, Spikes):
                self._add_spikes(record, rows, first_step)
                continue
            if isinstance(record, Mean) and record.probes_only:
                continue
            if isinstance(record, Trace):
                every = steps(record.interval, self._structure.circuit.dt)
                at = (-(-first_step // every) + np.arange(len(rows))) * every
                index = position + np.searchsorted(ends, at, side="right")
                first = "time"
            else:
                at, index = ends[: len(rows)], position + np.arange(len(rows))
                first = "presentation"
            path = f"records/{record.population}/{record.name}"
            self._put(self._data(path, first, record), self._shaped(record, rows))
            self._put_time(path, first, at, index)

    def add_weights(self, state: State, *, step: int, position: int) -> None:
        """Add the weights of all projections, after `position` presentations."""
        for projection in self._structure.circuit.projections:
            path = f"weights/{projection.name}"
            dataset = Dataset(
                path=f"{path}/w",
                units=unit_name(get_dimensions(projection.weights)),
                dimensions=("snapshot", "replicate", "post", "pre"),
                dtype="float64",
                description=f"weights from {projection.pre} to {projection.post}",
            )
            self._put(dataset, state[f"{projection.name}.w"][None])
            self._put_time(path, "snapshot", np.array([step]), np.array([position]))

    def add_stimuli(self, schedule: Schedule, *, position: int) -> None:
        """Add a sample of what the circuit is shown after `position` presentations.

        It is of the presentations that follow, or where fewer are left, of the last ones.
        """
        circuit = self._structure.circuit
        count = min(-(-SAMPLE // circuit.batch), schedule.presentations)
        start = min(position, schedule.presentations - count)
        stretch = schedule.draw(start, start + count)
        for key in schedule.inputs:
            population, _, variable = key.partition(".")
            path, shape = f"stimuli/{population}/{variable}", input_shape(circuit, key)
            data = Dataset(
                path=f"{path}/data",
                units=unit_name(circuit.population(population).dimensions(variable)),
                dimensions=("snapshot", "presentation", "replicate", "batch", "neuron")[
                    : 2 + len(shape)
                ],
                dtype="float64",
                description=f"{variable} of {population} in presentations about the snapshot",
            )
            index = Dataset(
                path=f"{path}/index",
                units="1",
                dimensions=("snapshot", "presentation"),
                dtype="int64",
                description="number of the presentation",
            )
            values = np.asarray(stretch.inputs[key], dtype=float)
            self._put(data, in_full(values, shape)[None])
            self._put(index, np.arange(start, start + count)[None])

    def add_probe(self, probe: Probe, chunks: Sequence[Chunk], *, position: int) -> None:
        """Add what the `Mean` records saw in a probe after `position` presentations."""
        for record in self._structure.records:
            if not (isinstance(record, Mean) and probe.stores(record)):
                continue
            rows = np.concatenate([chunk.records[recorder_name(record)] for chunk in chunks])
            path = f"probes/{probe.name}/{record.population}/{record.name}"
            data = self._data(path, "probe", record, "presentation")
            self._put(data, self._shaped(record, rows)[None])
            index = Dataset(
                path=f"{path}/index",
                units="1",
                dimensions=("probe",),
                dtype="int64",
                description="presentations of the run before the probe",
            )
            self._put(index, np.array([position]))

    def _add_spikes(self, record: Spikes, counts: np.ndarray, first_step: int) -> None:
        """Add when which neuron spiked, from the number of its spikes in each step."""
        step, neuron = np.nonzero(counts)
        times = counts[step, neuron]
        self._put_columns(
            f"spikes/{record.population}",
            "spike",
            time=(np.repeat(step, times) + first_step, "time of the spike"),
            index=(np.repeat(neuron, times), "number of the neuron"),
        )

    def _put(self, dataset: Dataset, values: np.ndarray) -> None:
        self._pending[dataset].append(values)

    def _put_time(self, path: str, first: str, at: np.ndarray, index: np.ndarray) -> None:
        """Add when rows were taken: their time, and the presentation that they belong to."""
        when, which = TIMES[first]
        self._put_columns(path, first, time=(at, when), index=(index, which))

    def _put_columns(
        self,
        path: str,
        first: str,
        *,
        time: tuple[np.ndarray, str],
        index: tuple[np.ndarray, str],
    ) -> None:
        """Add time steps, in milliseconds, and numbers, each with a description."""
        milliseconds = time[0] * (float(self._structure.circuit.dt) * MILLISECONDS)
        for name, units, values, description in (
            ("time", "ms", milliseconds, time[1]),
            ("index", "1", index[0].astype(np.int64), index[1]),
        ):
            dataset = Dataset(
                path=f"{path}/{name}",
                units=units,
                dimensions=(first,),
                dtype=values.dtype.name,
                description=description,
            )
            self._put(dataset, values)

    def _data(self, path: str, first: str, record: Trace | Mean, *more: str) -> Dataset:
        across = isinstance(record, Mean) and record.across_neurons
        neurons = () if across else ("neuron",)
        return Dataset(
            path=f"{path}/data",
            units=record_units(record, self._structure.circuit),
            dimensions=(first, *more, "replicate", "batch", *neurons),
            dtype="float32" if isinstance(record, Trace) else "float64",
            description=_description(record),
        )

    def _shaped(self, record: Trace | Mean, rows: np.ndarray) -> np.ndarray:
        circuit = self._structure.circuit
        shape: tuple[int, ...] = (len(rows), circuit.replicates, circuit.batch)
        if not (isinstance(record, Mean) and record.across_neurons):
            shape += (circuit.population(record.population).size,)
        return rows.reshape(shape)


def _description(record: Trace | Mean) -> str:
    if isinstance(record, Trace):
        return f"{record.expression}, sampled every {record.interval}"
    over = "each presentation" if record.last is None else f"its last {record.last}"
    across = " and all neurons" if record.across_neurons else ""
    return f"mean of {record.expression} over {over}{across}"
