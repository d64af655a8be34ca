"""Run experiments into folders: one by itself, or several in one program.

Programs are compiled once and run chunk by chunk, with progress, checkpoints, probes and a guard;
`microcircuit.run` says how.
"""

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from brian2 import Quantity, second

from microcircuit import folders
from microcircuit.config import Config, to_dict
from microcircuit.devices import DEVICES, Program
from microcircuit.experiment import Experiment, ProtocolParameters
from microcircuit.folders import DivergenceError
from microcircuit.parameters import POSITIVE, In, parameters
from microcircuit.progress import no_progress, progress_bar
from microcircuit.recorder import record_width, rows
from microcircuit.results import Results, holds_unfinished_run
from microcircuit.run import ProgressDisplay, Request, Run
from microcircuit.schedule import input_size
from microcircuit.state import initial_state
from microcircuit.storage import RunFolder
from microcircuit.structure import Precision, Structure
from microcircuit.together import Together, run_to_end

__all__ = [
    "DeviceSettings",
    "DivergenceError",
    "Task",
    "compile_for",
    "seconds_per_presentation",
    "simulate",
    "simulate_together",
    "structure_of",
]

CHUNK_STEPS = 2**20
"""Time steps in a chunk at most; so many presentations are part of the compiled program."""
LARGEST_CHUNK = 4096
"""Presentations in a chunk at most, however short."""
TABLE_BYTES = 2**27
"""Memory for stimuli and records in a program; long presentations get shorter chunks."""


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
    data: object | None = None,
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
    data : object, optional
        The images, for a protocol that shows them, such as ``Data(name="mnist")``.
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
    task = Task(
        protocol=protocol,
        model=model,
        data=data,
        seed=seed,
        device=device or DeviceSettings(),
        output=Path(output),
    )
    experiment = task.experiment()
    origin = folders.made_by(task.device.name)
    # A folder that can't be used is reported before anything is compiled, and a new one is made
    # only when there is a program to run in it.
    folders.check(task.output, task.config, origin, resume=resume)
    program = compile_for(experiment, task.device)
    with folders.opened(task.output, task.config, origin, resume=resume) as folder:
        run = _run(task, experiment, program, folder)
        together = Together(program, [experiment.circuit], [seed])
        for error in run_to_end([run], together, progress).values():
            raise error
        path = run.finish()
    return folders.concluded(path, run.divergence)


@dataclass(frozen=True, kw_only=True)
class Task:
    """A run to be made.

    Parameters
    ----------
    protocol, model, data, seed, device, output
        As for `simulate`.
    """

    protocol: ProtocolParameters
    model: object
    data: object | None = None
    seed: int
    device: DeviceSettings
    output: Path

    def experiment(self) -> Experiment:
        """Return what the protocol makes of the model, and of the data if it shows any."""
        data = {} if self.data is None else {"data": self.data}
        return self.protocol.experiment(self.model, **data, seed=self.seed)

    @property
    def config(self) -> dict[str, Any]:
        """The whole configuration as plain data."""
        sections = {"protocol": self.protocol, "model": self.model, "device": self.device}
        if self.data is not None:
            sections["data"] = self.data
        return to_dict(Config(protocol=self.protocol.name, seed=self.seed, sections=sections))


def simulate_together(tasks: Sequence[Task], program: Program) -> dict[int, Exception]:
    """Make several runs at once, as replicates of one program; go on with those that were begun.

    Every run gets a folder and a file like those of `simulate`, with the same numbers to the bit.

    Parameters
    ----------
    tasks : sequence of Task
        Their experiments differ in numbers only, and the runs are equally far.
    program : Program
        As `compile_for` makes it, for at least as many replicates.

    Returns
    -------
    dict
        What went wrong, by the number of the task; nothing for one that finished, or diverged.

    Raises
    ------
    CircuitError, ProgramError
        What the runs share failed: tried one by one, some may well go through.
    """
    origin = folders.made_by(tasks[0].device.name)
    failed: dict[int, Exception] = {}
    numbers, runs, circuits, seeds = [], [], [], []
    with ExitStack() as open_folders:
        for number, task in enumerate(tasks):
            try:
                begun = holds_unfinished_run(task.output)
                folder = folders.opened(task.output, task.config, origin, resume=begun)
                open_folders.enter_context(folder)
                experiment = task.experiment()
                runs.append(_run(task, experiment, program, folder))
            except Exception as error:
                failed[number] = error
                continue
            numbers.append(number)
            circuits.append(experiment.circuit)
            seeds.append(task.seed)
        if not runs:
            return failed
        broken = run_to_end(runs, Together(program, circuits, seeds), no_progress)
        for number, (task_number, run) in enumerate(zip(numbers, runs, strict=True)):
            try:
                if number in broken:
                    raise broken[number]
                run.finish(together=len(runs))
            except Exception as error:
                failed[task_number] = error
    return failed


def compile_for(experiment: Experiment, device: DeviceSettings, replicates: int = 1) -> Program:
    """Return the program for an experiment, or for several that differ in numbers only.

    Parameters
    ----------
    experiment : Experiment
        One of them.
    device : DeviceSettings
        Where it runs.
    replicates : int, optional
        How many run at once.

    Raises
    ------
    ProgramError
        It could not be compiled.
    """
    return DEVICES[device.name](structure_of(experiment, device.precision, replicates))


def _run(task: Task, experiment: Experiment, program: Program, folder: RunFolder) -> Run:
    return Run(
        experiment,
        structure_of(experiment, task.device.precision),
        folder,
        capacity=program.structure.capacity,
        chunk_seconds=program.chunk_seconds,
        checkpoint_seconds=float(task.device.checkpoint_interval),
    )


def structure_of(
    experiment: Experiment, precision: Precision = "double", replicates: int = 1
) -> Structure:
    """Return what must be compiled to run an experiment, or several that differ in numbers only."""
    circuit = experiment.circuit
    if replicates > 1:
        circuit = replace(circuit, replicates=replicates)
    structure = Structure(
        circuit=circuit,
        inputs=experiment.schedule.inputs,
        records=experiment.records,
        longest=experiment.longest,
        capacity=1,
        precision=precision,
    )
    width = sum(input_size(circuit, key) for key in structure.inputs) + sum(
        record_width(record, structure) * rows(record, structure) for record in structure.records
    )
    most = min(LARGEST_CHUNK, CHUNK_STEPS // structure.longest, TABLE_BYTES // (8 * width))
    capacity = max(1, most)
    return replace(structure, capacity=capacity)


def seconds_per_presentation(
    experiment: Experiment, seed: int, device: DeviceSettings, replicates: int = 1
) -> float:
    """Measure how long a presentation takes on this machine, on the first few, after compiling.

    Parameters
    ----------
    experiment : Experiment
        What would be run.
    seed : int
        Of its noise.
    device : DeviceSettings
        Where.
    replicates : int, optional
        How many such runs share a program; the time is that of all of them.
    """
    program = compile_for(experiment, device, replicates)
    circuit = experiment.circuit
    together = Together(program, [circuit] * replicates, [seed] * replicates)
    count, elapsed = 1, 0.0
    while elapsed < program.chunk_seconds:
        stretch = experiment.schedule.draw(0, count)
        request = Request(state=initial_state(circuit), stretch=stretch, first_step=0, overrides={})
        start = time.perf_counter()
        together.run(dict.fromkeys(range(replicates), request))
        elapsed = time.perf_counter() - start
        largest = min(program.structure.capacity, experiment.schedule.presentations)
        if count == largest:
            break
        count = min(4 * count, largest)
    return elapsed / len(stretch.steps)
