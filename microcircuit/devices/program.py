"""What every compiled circuit is: a pure function from arrays to arrays."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from brian2 import Network

from microcircuit.checks import steps
from microcircuit.circuit import Circuit
from microcircuit.network import build
from microcircuit.presenter import table_name
from microcircuit.recorder import record_width, recorder_name, rows
from microcircuit.records import Mean, Spikes, Trace
from microcircuit.schedule import Presentations, tables
from microcircuit.spike_objects import average_name
from microcircuit.state import State
from microcircuit.structure import Structure

SECONDS = "seconds"
"""What a program returns beside its arrays, all of which have a dot in their names."""

type Build = Callable[[Structure], Network]


class ProgramError(RuntimeError):
    """A program could not be compiled or run."""


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """What a program returns.

    Parameters
    ----------
    state : dict
        Everything that changed, at the end.
    records : dict
        For each recorder its rows, [rows, width].
    presentations : int
        How many were finished; fewer than asked for when the run diverged.
    diverged : tuple
        For each replicate the population and the variable that went out of bounds, or None.
    seconds : float
        That the time steps took by themselves; zero where that is not known.
    """

    state: State
    records: dict[str, np.ndarray]
    presentations: int
    diverged: tuple[tuple[str, str] | None, ...]
    seconds: float = 0.0


class Program(ABC):
    """A compiled circuit.

    Parameters
    ----------
    structure : Structure
        What is to be compiled.
    build : callable, optional
        Makes the Brian2 objects; another one serves as a reference in tests.
    """

    chunk_seconds: ClassVar[float] = 1.0
    """How long a chunk should take: short, for the progress bar, but long beside its start."""

    def __init__(self, structure: Structure, build: Build = build) -> None:
        self.structure = structure

    @classmethod  # noqa: B027  (most devices refuse nothing)
    def check(cls, circuit: Circuit) -> None:
        """Check that the device can run a circuit, as it can unless it has reasons of its own.

        Raises
        ------
        CircuitError
            It can't; the message says which can.
        """

    @abstractmethod
    def _execute(self, values: State, outputs: dict[str, int]) -> State:
        """Set all values, run until the presenter stops, return flat outputs of known sizes.

        If it is known how long the time steps took, that too, under `SECONDS`.
        """

    def run(
        self, state: State, parameters: State, stretch: Presentations, first_step: int
    ) -> Chunk:
        """Run a stretch of presentations.

        Parameters
        ----------
        state, parameters : dict
            As `microcircuit.state` makes them.
        stretch : Presentations
            At most `structure.capacity`.
        first_step : int
            Time step at which it starts; the circuit's time goes on from there.

        Raises
        ------
        CircuitError
            Stimuli that don't fit the circuit.
        ProgramError
            The program failed.
        """
        onset = first_step + np.concatenate([[0], np.cumsum(stretch.steps)]).astype(np.int64)
        values = {**parameters, **self._turned(state), **self._presenter(stretch, onset)}
        for key, size in self._unfinished():  # whatever an interrupted run has left
            values[key] = np.zeros(size)
        outputs = {key: array.size for key, array in state.items()}
        outputs |= dict.fromkeys(("presenter.diverged", "presenter.presentation"), 1)
        for record in self.structure.records:
            size = rows(record, self.structure) * record_width(record, self.structure)
            outputs[f"{recorder_name(record)}.table"] = size
        for population, variable, *_ in self.structure.checks():
            outputs[f"{population}.{variable}"] = self.structure.neurons(population)
        found = self._execute(values, outputs)
        finished = int(found["presenter.presentation"][0]) + 1
        shapes = {key: array.shape for key, array in self._turned(state).items()}
        return Chunk(
            state=self._turned({key: found[key].reshape(shapes[key]) for key in shapes}),
            records=self._records(found, first_step, int(onset[finished]), finished),
            presentations=finished,
            diverged=self._diverged(found),
            seconds=float(found.get(SECONDS, 0.0)),
        )

    def _turned(self, state: State) -> State:
        """Return the state with weights for spikes turned to [pre, post], or back.

        So programs store them: the weights of a neuron that spikes lie in one piece.
        """
        spiking = [p.name for p in self.structure.circuit.projections if p.kernel is not None]
        keys = [f"{name}.{matrix}" for name in spiking for matrix in ("w", "filtered")]
        return state | {key: state[key].swapaxes(1, 2) for key in keys if key in state}

    def _unfinished(self) -> Iterator[tuple[str, int]]:
        """Yield the sums of means that are zero between presentations, with their sizes."""
        for record in self.structure.records:
            if isinstance(record, Mean):
                yield f"{recorder_name(record)}.sum", record_width(record, self.structure)
        for population in self.structure.circuit.populations:
            for variable in population.averages:
                name = average_name(population.name, variable)
                yield f"{name}.sum", self.structure.neurons(population.name)

    def _presenter(self, stretch: Presentations, onset: np.ndarray) -> State:
        structure, count = self.structure, len(stretch.steps)
        if not 0 < count <= structure.capacity:
            raise ProgramError(f"a chunk holds 1 to {structure.capacity} presentations: {count}")
        if np.max(stretch.steps) > structure.longest or np.min(stretch.steps) < 1:
            raise ProgramError(f"a presentation takes 1 to {structure.longest} steps")
        padded = np.full(structure.capacity + 1, onset[-1])
        padded[: count + 1] = onset
        learning = np.zeros(structure.capacity, dtype=np.int32)
        learning[:count] = stretch.learning
        values = {
            "presenter.first_step": onset[:1],
            "presenter.count": np.array([count]),
            "presenter.presentation": np.array([0]),
            "presenter.diverged": np.array([0]),
            "presenter.onset": padded,
            "presenter.learning": learning,
        }
        stimuli = tables(structure.circuit, structure.inputs, stretch, structure.capacity)
        return values | {f"presenter.{table_name(key)}": stimuli[key] for key in stimuli}

    def _diverged(self, found: State) -> tuple[tuple[str, str] | None, ...]:
        """Return what failed first in each replicate, if the guard has stopped the program."""
        failed: list[tuple[str, str] | None] = [None] * self.structure.circuit.replicates
        if found["presenter.diverged"][0]:
            for population, variable, low, high in self.structure.checks():
                values = found[f"{population}.{variable}"].astype(float).reshape(len(failed), -1)
                fine = np.all((values >= low) & (values <= high), axis=1)
                for replicate in np.flatnonzero(~fine):
                    failed[replicate] = failed[replicate] or (population, variable)
        return tuple(failed)

    def _records(
        self, found: State, first_step: int, stop_step: int, finished: int
    ) -> dict[str, np.ndarray]:
        records = {}
        for record in self.structure.records:
            name, filled = recorder_name(record), finished
            if isinstance(record, Trace):
                every = steps(record.interval, self.structure.circuit.dt)
                filled = -(-stop_step // every) + -first_step // every
            elif isinstance(record, Spikes):
                filled = stop_step - first_step
            table = found[f"{name}.table"].reshape(-1, record_width(record, self.structure))
            records[name] = table[:filled]
        return records
