"""Run an experiment: chunk by chunk, with progress, checkpoints, probes and a guard.

Where a run is cut into chunks has no influence on its results, to the bit: programs are pure
functions of state, parameters and stimuli, and noise depends on the time step alone. So chunks are
made as long as suits the progress bar, and a run that was killed goes on from its last checkpoint
as if nothing had happened.
"""

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from brian2 import Quantity, second

from microcircuit import provenance
from microcircuit.config import Config, to_dict
from microcircuit.devices import DEVICES, Chunk, Program, toolchain
from microcircuit.experiment import Experiment, Probe, ProtocolParameters, no_metrics
from microcircuit.network import Precision, Structure, record_width, rows
from microcircuit.parameters import POSITIVE, In, parameters
from microcircuit.progress import Progress, progress_bar
from microcircuit.recording import Recording, live_value
from microcircuit.recovery import refuse_taken
from microcircuit.results import Results, open_results
from microcircuit.state import (
    State,
    initial_state,
    parameter_values,
    synaptic,
    with_overrides,
)
from microcircuit.storage import RunFolder, StorageError

LARGEST_CHUNK = 128
"""Presentations in a chunk at most; part of the compiled program, so the same for all runs."""
TABLE_BYTES = 2**27
"""Memory for stimuli and records in a program; long presentations get shorter chunks."""

type ProgressDisplay = Callable[[int, int, str], AbstractContextManager[Progress]]
"""Makes a progress display from the presentations done, in all, and the name of the live value."""


class DivergenceError(RuntimeError):
    """A run left its bounds. What it had recorded is kept, in a file of status ``diverged``."""


@parameters
class DeviceSettings:
    """Where and how a program runs.

    Parameters
    ----------
    name : "cpp", "cuda" or "numpy"
        Compiled C++; CUDA, for large circuits and batches on an NVIDIA GPU; or numpy without a
        compiler, for reading and debugging.
    precision : "double" or "single"
        Of all potentials, rates and weights; single is about twice as fast on large circuits.
    checkpoint_interval : Quantity
        Time between checkpoints; a run that is killed loses no more than that.
    """

    name: Literal["cpp", "cuda", "numpy"] = "cpp"
    precision: Precision = "double"
    checkpoint_interval: Annotated[Quantity, In("s"), POSITIVE] = 10 * second


def simulate(
    protocol: ProtocolParameters,
    model: object,
    *,
    seed: int = 0,
    device: DeviceSettings | None = None,
    output: str | Path,
    resume: bool = False,
    progress: ProgressDisplay = progress_bar,
) -> Results:
    """Run a protocol on a model, into ``output/run.h5``.

    Parameters
    ----------
    protocol : ProtocolParameters
        Such as ``SelfPrediction(presentations=200)``.
    model : object
        The model's parameters, such as ``Sacramento2018(sigma="0 ms**-0.5")``.
    seed : int
        Of weights, stimuli and noise.
    device : DeviceSettings, optional
        C++ by default.
    output : path
        Folder of the run; it must not hold one yet, unless `resume` is set.
    resume : bool
        Go on with the unfinished run in `output`, which must be of the same configuration.
    progress : callable, optional
        A progress bar by default; `microcircuit.progress.no_progress` shows nothing.

    Returns
    -------
    Results
        The finished run, open for reading.

    Raises
    ------
    CircuitError
        The experiment makes no sense; nothing was compiled or written.
    FolderInUseError, StorageError
        The folder holds a run already, or can't be written (full disk).
    DivergenceError
        A variable left its bounds; says when and in which population.
    """
    device = device or DeviceSettings()
    sections = {"protocol": protocol, "model": model, "device": device}
    config = to_dict(Config(protocol=protocol.name, seed=seed, sections=sections))
    experiment = protocol.experiment(model, seed)
    made_by = _made_by(device)
    # A folder that can't be used is reported before anything is compiled, and a new one is made
    # only when there is a program to run in it.
    if resume:
        _resumed(Path(output), config, made_by).close()
    else:
        refuse_taken(Path(output))
    program = DEVICES[device.name](structure_of(experiment, device.precision))
    if resume:
        folder = _resumed(Path(output), config, made_by)
    else:
        folder = RunFolder.create(output, config=config, provenance=made_by)
    with folder:
        run = _Run(experiment, program, seed, device, folder)
        run.run_to_end(progress)
        path = run.finish()
    if run.divergence:
        raise DivergenceError(f"{run.divergence} What was recorded is kept in {path}.")
    return open_results(path)


def _made_by(device: DeviceSettings) -> dict[str, str | int | float]:
    compiler, flags = toolchain(device.name)
    return provenance.collect(compiler=compiler, flags=flags, device=device.name)


SAME = (
    "package_version",
    "git_sha",
    "brian2_version",
    "numpy_version",
    "compiler_version",
    "flags",
)
"""What may not change between the parts of a run, as the file has one provenance for all of it."""


def _resumed(output: Path, config: Mapping[str, Any], made_by: Mapping[str, Any]) -> RunFolder:
    folder = RunFolder.resume(output)
    begun = folder.provenance
    changed = [f"{k} {begun[k]}, now {made_by[k]}" for k in SAME if begun[k] != made_by[k]]
    if folder.config != config:
        changed = ["another configuration"]
    if changed:
        folder.close()
        raise StorageError(
            f"the run in {output} can't be resumed: it was begun with {'; '.join(changed)}"
        )
    return folder


def structure_of(experiment: Experiment, precision: Precision = "double") -> Structure:
    """Return what must be compiled to run an experiment."""
    structure = Structure(
        circuit=experiment.circuit,
        inputs=experiment.schedule.inputs,
        records=experiment.records,
        longest=experiment.longest,
        capacity=1,
        precision=precision,
    )
    width = experiment.input_values() + sum(
        record_width(record, structure) * rows(record, structure) for record in experiment.records
    )
    capacity = min(LARGEST_CHUNK, max(1, TABLE_BYTES // (8 * width)))
    return replace(structure, capacity=capacity)


def seconds_per_presentation(experiment: Experiment, seed: int, device: DeviceSettings) -> float:
    """Measure how long a presentation takes on this machine, on the first few, after compiling."""
    program = DEVICES[device.name](structure_of(experiment, device.precision))
    parameters = parameter_values(program.structure, experiment.circuit, seed)
    count, elapsed = 1, 0.0
    while elapsed < program.chunk_seconds:
        stretch = experiment.schedule.draw(0, count)
        start = time.perf_counter()
        program.run(initial_state(experiment.circuit), parameters, stretch, 0)
        elapsed = time.perf_counter() - start
        largest = min(program.structure.capacity, experiment.schedule.presentations)
        if count == largest:
            break
        count = min(4 * count, largest)
    return elapsed / len(stretch.steps)


class _Run:
    """The state of a run while it goes on."""

    def __init__(
        self,
        experiment: Experiment,
        program: Program,
        seed: int,
        device: DeviceSettings,
        folder: RunFolder,
    ) -> None:
        self.experiment, self.folder, self.device = experiment, folder, device
        self.program = program
        self.parameters = parameter_values(program.structure, experiment.circuit, seed)
        self.recording = Recording(program.structure)
        self.divergence = ""
        self.started = time.perf_counter()
        checkpoint = folder.checkpoint
        if checkpoint is None:
            self.position, self.step = 0, 0
            self.state = initial_state(experiment.circuit)
            self._observe()
        else:
            self.position = checkpoint.position
            self.state = checkpoint.state
            self.step = int(self.state.pop("simulation.step")[0])
            self.divergence = str(self.state.pop("simulation.divergence"))
            self.started -= float(self.state.pop("simulation.seconds")[0])

    def run_to_end(self, progress: ProgressDisplay) -> None:
        """Run all that is left, saving a checkpoint now and then and at the end."""
        total = self.experiment.schedule.presentations
        saved, pace, seconds = time.perf_counter(), 1, self.program.chunk_seconds
        with progress(self.position, total, self.experiment.live) as bar:
            while self.position < total and not self.divergence:
                start = time.perf_counter()
                chunk = self._advance(self._stop(pace))
                elapsed = time.perf_counter() - start
                pace = max(1, min(2 * pace, int(chunk.presentations * seconds / elapsed)))
                bar.update(self.position, live_value(self.experiment.live, chunk))
                if time.perf_counter() - saved > float(self.device.checkpoint_interval):
                    self._save()
                    saved = time.perf_counter()
            self._save()

    def finish(self) -> Path:
        """Assemble the result."""
        return self.folder.finish(
            status="diverged" if self.divergence else "complete",
            message=self.divergence or f"{self.position} presentations",
            attributes={
                "wall_seconds": time.perf_counter() - self.started,
                "peak_memory_bytes": provenance.peak_memory_bytes(),
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
        return min(following, self.position + min(pace, self.program.structure.capacity))

    def _advance(self, stop: int) -> Chunk:
        stretch = self.experiment.schedule.draw(self.position, stop)
        chunk = self.program.run(self.state, self.parameters, stretch, self.step)
        self.recording.add(chunk, stretch, first_step=self.step, position=self.position)
        self.state = chunk.state
        self.position += chunk.presentations
        self.step += int(np.sum(stretch.steps[: chunk.presentations]))
        if chunk.diverged:
            self._diverge(*chunk.diverged)
        self._observe()
        return chunk

    def _observe(self) -> None:
        """Store weights and run probes where they are due."""
        if self.position in self.experiment.snapshots:
            self.recording.add_weights(self.state, step=self.step, position=self.position)
        for probe in self.experiment.probes:
            if self.position in probe.at and not self.divergence:
                self._probe(probe)

    def _probe(self, probe: Probe) -> None:
        """Run a probe on a copy of the circuit, and store what it recorded."""
        circuit = self.experiment.circuit
        state: State = initial_state(circuit)
        state |= {key: self.state[key] for key in synaptic(circuit, state)}
        parameters = with_overrides(self.parameters, probe.parameters)
        chunks, done, step = [], 0, 0
        while done < probe.schedule.presentations:
            stop = min(probe.schedule.presentations, done + self.program.structure.capacity)
            stretch = probe.schedule.draw(done, stop)
            stretch = replace(stretch, learning=np.zeros(stop - done, dtype=bool))
            chunk = self.program.run(state, parameters, stretch, step)
            if chunk.diverged:
                self._diverge(*chunk.diverged, during=f" in the probe {probe.name!r}")
                return
            state, done, step = chunk.state, stop, step + int(np.sum(stretch.steps))
            chunks.append(chunk)
        self.recording.add_probe(probe.name, chunks, position=self.position)

    def _diverge(self, population: str, variable: str, during: str = "") -> None:
        low, high = self.experiment.circuit.population(population).limits.get(
            variable, (-np.inf, np.inf)
        )
        milliseconds = self.step * float(self.experiment.circuit.dt) * 1e3
        self.divergence = (
            f"population {population!r} diverged{during}: {variable} is not a number or beyond "
            f"[{low:g}, {high:g}] at the end of presentation {self.position}, t = "
            f"{milliseconds:g} ms (the first population found so)."
        )

    def _save(self) -> None:
        if self.position > self.folder.position:
            extra = {
                "simulation.step": np.array([self.step]),
                "simulation.divergence": np.array(self.divergence),
                "simulation.seconds": np.array([time.perf_counter() - self.started]),
            }
            self.folder.save(
                position=self.position, data=self.recording.take(), state=self.state | extra
            )
