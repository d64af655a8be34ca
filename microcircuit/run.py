"""One run of an experiment: what it asks of a program, and what becomes of the answers.

A run is a generator of requests. It does not know whether a program computes it alone or as one
replicate of several (`microcircuit.together`), and gives the same results, to the bit, in both
cases: programs are pure functions of state, parameters and stimuli, and noise depends on the time
step alone. For the same reason it makes no difference where a run is cut into chunks. So chunks are
made as long as suits the progress bar, and a run that was killed goes on from its last checkpoint
as if nothing had happened.
"""

import time
from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from microcircuit import provenance
from microcircuit.devices import Chunk
from microcircuit.experiment import Experiment, Probe, no_metrics
from microcircuit.progress import Progress
from microcircuit.recording import Recording, live_value
from microcircuit.schedule import Presentations
from microcircuit.state import State, initial_state, synaptic
from microcircuit.storage import RunFolder
from microcircuit.structure import Structure

type ProgressDisplay = Callable[[int, int, str], AbstractContextManager[Progress]]
"""Makes a progress display from the presentations done, in all, and the name of the live value."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """A chunk that a run wants to be computed.

    Parameters
    ----------
    state : dict
        Of its circuit at the start; see `microcircuit.state.initial_state`.
    stretch : Presentations
        What is shown.
    first_step : int
        Time step at which it starts.
    overrides : mapping of str to float
        Parameters that are to have another value than in the circuit, in SI units.
    """

    state: State
    stretch: Presentations
    first_step: int
    overrides: Mapping[str, float]


type Answer = tuple[Chunk, float]
"""A chunk, and the seconds that it took."""
type Requests = Generator[Request, Answer, None]


class Pace:
    """How many presentations a chunk should have, from how long the one before it took.

    As many as fill a chunk's time, but so many at least that they take as long as starting the
    chunk does, however slow the machine is for the moment.

    Parameters
    ----------
    seconds : float
        How long a chunk should take.

    Attributes
    ----------
    presentations : int
        In the next chunk.
    """

    def __init__(self, seconds: float) -> None:
        self.presentations = 1
        self._seconds = seconds

    def add(self, chunk: Chunk, seconds: float) -> None:
        """Take note of a chunk, and of how long it took in all."""
        steps = chunk.seconds or seconds
        room = max(self._seconds - (seconds - steps), seconds - steps)
        fitting = int(chunk.presentations * room / steps)
        self.presentations = max(1, min(2 * chunk.presentations, fitting))


class Run:
    """A run, from its last checkpoint to its end.

    Parameters
    ----------
    experiment : Experiment
        What is run.
    structure : Structure
        Of the experiment by itself.
    folder : RunFolder
        Where it is stored; its checkpoint, if there is one, is where the run goes on.
    capacity : int
        Most presentations in a request.
    chunk_seconds : float
        How long a request should take.
    checkpoint_seconds : float
        Time between checkpoints.

    Attributes
    ----------
    position : int
        Presentations done.
    divergence : str
        What diverged and when, or nothing.
    """

    def __init__(
        self,
        experiment: Experiment,
        structure: Structure,
        folder: RunFolder,
        *,
        capacity: int,
        chunk_seconds: float,
        checkpoint_seconds: float,
    ) -> None:
        self.experiment, self.folder = experiment, folder
        self._capacity, self._chunk_seconds = capacity, chunk_seconds
        self._checkpoint_seconds = checkpoint_seconds
        self._recording = Recording(structure)
        self.divergence = ""
        self._started = time.perf_counter()
        checkpoint = folder.checkpoint
        if checkpoint is None:
            self.position, self._step = 0, 0
            self._state = initial_state(experiment.circuit)
        else:
            self.position = checkpoint.position
            self._state = checkpoint.state
            self._step = int(self._state.pop("simulation.step")[0])
            self.divergence = str(self._state.pop("simulation.divergence"))
            self._started -= float(self._state.pop("simulation.seconds")[0])

    def requests(self, progress: ProgressDisplay) -> Requests:
        """Ask for all that is left, saving a checkpoint now and then and at the end.

        One that is closed while it waits for a chunk saves what was done before it.

        Parameters
        ----------
        progress : callable
            Makes the display of how far the run is.
        """
        if self.position == 0:
            yield from self._observe()
        total = self.experiment.schedule.presentations
        saved, pace = time.perf_counter(), Pace(self._chunk_seconds)
        with progress(self.position, total, self.experiment.live) as bar:
            while self.position < total and not self.divergence:
                chunk, seconds = yield from self._advance(self._stop(pace.presentations))
                pace.add(chunk, seconds)
                bar.update(self.position, live_value(self.experiment.live, chunk))
                if time.perf_counter() - saved > self._checkpoint_seconds:
                    self._save()
                    saved = time.perf_counter()
            self._save()

    def finish(self, *, together: int = 1) -> Path:
        """Assemble the result.

        Parameters
        ----------
        together : int, optional
            Number of runs that were computed in one program, and shared its time.
        """
        circuit = self.experiment.circuit
        return self.folder.finish(
            status="diverged" if self.divergence else "complete",
            message=self.divergence or f"{self.position} presentations",
            attributes={
                "wall_seconds": time.perf_counter() - self._started,
                "runs_together": together,
                "peak_memory_bytes": provenance.peak_memory_bytes(),
                "populations": {one.name: one.size for one in circuit.populations},
            },
            # A protocol's metrics count on a whole run.
            metrics=no_metrics if self.divergence else self.experiment.metrics,
        )

    def _stop(self, pace: int) -> int:
        """Return where the next chunk ends: at the latest where there is something to observe."""
        events = [*self.experiment.snapshots, self.experiment.schedule.presentations]
        for probe in self.experiment.probes:
            events += probe.at
        following = min(event for event in events if event > self.position)
        return min(following, self.position + min(pace, self._capacity))

    def _advance(self, stop: int) -> Generator[Request, Answer, Answer]:
        stretch = self.experiment.schedule.draw(self.position, stop)
        try:
            chunk, seconds = yield Request(
                state=self._state, stretch=stretch, first_step=self._step, overrides={}
            )
        except GeneratorExit:
            # Stopped while the chunk was computed, as by Ctrl-C: all that was before it is whole.
            self._save()
            raise
        self._recording.add(chunk, stretch, first_step=self._step, position=self.position)
        self._state = chunk.state
        self.position += chunk.presentations
        self._step += int(np.sum(stretch.steps[: chunk.presentations]))
        self._check(chunk)
        yield from self._observe()
        return chunk, seconds

    def _observe(self) -> Requests:
        """Store weights with a sample of stimuli, and run probes, where they are due."""
        if self.position in self.experiment.snapshots:
            self._recording.add_weights(self._state, step=self._step, position=self.position)
            self._recording.add_stimuli(self.experiment.schedule, position=self.position)
        for probe in self.experiment.probes:
            if self.position in probe.at and not self.divergence:
                yield from self._probe(probe)

    def _probe(self, probe: Probe) -> Requests:
        """Run a probe on a copy of the circuit, and store what it recorded."""
        circuit = self.experiment.circuit
        state = initial_state(circuit)
        state |= {key: self._state[key] for key in synaptic(circuit, state)}
        chunks, done, step = [], 0, 0
        while done < probe.schedule.presentations:
            stop = min(probe.schedule.presentations, done + self._capacity)
            stretch = probe.schedule.draw(done, stop)
            stretch = replace(stretch, learning=np.zeros(stop - done, dtype=bool))
            chunk, _ = yield Request(
                state=state, stretch=stretch, first_step=step, overrides=probe.parameters
            )
            self._check(chunk, during=f" in the probe {probe.name!r}")
            if self.divergence:
                return
            state, done = chunk.state, done + chunk.presentations
            step += int(np.sum(stretch.steps[: chunk.presentations]))
            chunks.append(chunk)
        self._recording.add_probe(probe, chunks, position=self.position)

    def _check(self, chunk: Chunk, during: str = "") -> None:
        """Take note of the first replicate that diverged, if there is one."""
        failed = next(filter(None, chunk.diverged), None)
        if failed is None:
            return
        population, variable = failed
        circuit = self.experiment.circuit
        low, high = circuit.population(population).limits.get(variable, (-np.inf, np.inf))
        milliseconds = self._step * float(circuit.dt) * 1e3
        self.divergence = (
            f"population {population!r} diverged{during}: {variable} is not a number or beyond "
            f"[{low:g}, {high:g}] at the end of presentation {self.position}, t = "
            f"{milliseconds:g} ms (the first population found so)."
        )

    def _save(self) -> None:
        if self.position > self.folder.position:
            extra = {
                "simulation.step": np.array([self._step]),
                "simulation.divergence": np.array(self.divergence),
                "simulation.seconds": np.array([time.perf_counter() - self._started]),
            }
            self.folder.save(
                position=self.position, data=self._recording.take(), state=self._state | extra
            )
