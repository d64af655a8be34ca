"""Several runs as the replicates of one program, in lockstep.

A program with R replicates computes the requests of up to R runs at once: the seeds and parameters
of a study share its code, its steps and the vector registers. What a run gets back is, to the bit,
what it would have got alone. Places that are not taken repeat one of the requests.
"""

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing

import numpy as np

from microcircuit.circuit import Circuit, CircuitError
from microcircuit.devices import Chunk, Program
from microcircuit.replicates import stack, stack_presentations
from microcircuit.run import Answer, ProgressDisplay, Request, Run
from microcircuit.state import State, parameter_values, with_overrides


class Together:
    """Computes the requests of runs whose circuits differ in numbers only.

    Parameters
    ----------
    program : Program
        Compiled for their structure, with as many replicates as there are places.
    circuits : sequence of Circuit
        Of the runs; a single one may have replicates of its own.
    seeds : sequence of int
        Of their noise.

    Raises
    ------
    CircuitError
        There are more circuits than places.
    """

    def __init__(self, program: Program, circuits: Sequence[Circuit], seeds: Sequence[int]) -> None:
        self._program, self._circuits, self._seeds = program, circuits, seeds
        self._places = program.structure.circuit.replicates // circuits[0].replicates
        if len(circuits) > self._places:
            raise CircuitError(f"{len(circuits)} circuits for {self._places} places")
        self._parameters: State = {}
        self._taken: tuple[int, ...] = ()

    def run(self, requests: Mapping[int, Request]) -> dict[int, Chunk]:
        """Compute a chunk for each of some runs.

        Parameters
        ----------
        requests : mapping of int to Request
            By the number of the run; alike but for state and stimuli.

        Raises
        ------
        CircuitError
            Presentations differ in their lengths or learning flags, or requests in anything else.
        ProgramError
            The program failed.
        """
        numbers = list(requests)
        first = requests[numbers[0]]
        for request in requests.values():
            if (request.first_step, request.overrides) != (first.first_step, first.overrides):
                raise CircuitError("runs in one program must be at the same time step")
        taken = tuple(numbers + numbers[:1] * (self._places - len(numbers)))
        parameters = with_overrides(self._parameters_of(taken), first.overrides)
        if self._places == 1:
            state, stretch = first.state, first.stretch
        else:
            states = [requests[number].state for number in taken]
            state = {key: np.concatenate([one[key] for one in states]) for key in first.state}
            stretch = stack_presentations(
                [requests[number].stretch for number in taken],
                [self._circuits[number] for number in taken],
            )
        chunk = self._program.run(state, parameters, stretch, first.first_step)
        return {number: self._part(chunk, place) for place, number in enumerate(numbers)}

    def _parameters_of(self, taken: tuple[int, ...]) -> State:
        if taken != self._taken:
            structure = self._program.structure
            if self._places == 1:
                (number,) = taken
                self._parameters = parameter_values(
                    structure, self._circuits[number], self._seeds[number]
                )
            else:
                circuit = stack([self._circuits[number] for number in taken])
                seeds = [self._seeds[number] for number in taken]
                self._parameters = parameter_values(structure, circuit, seeds)
            self._taken = taken
        return self._parameters

    def _part(self, chunk: Chunk, place: int) -> Chunk:
        """Return what a chunk holds of one place."""
        if self._places == 1:
            return chunk

        def columns(rows: np.ndarray) -> np.ndarray:
            return rows.reshape(len(rows), self._places, -1)[:, place]

        return Chunk(
            state={key: value[place : place + 1] for key, value in chunk.state.items()},
            records={name: columns(rows) for name, rows in chunk.records.items()},
            presentations=chunk.presentations,
            diverged=chunk.diverged[place : place + 1],
            seconds=chunk.seconds,
        )


def run_to_end(
    runs: Sequence[Run], together: Together, progress: ProgressDisplay
) -> dict[int, Exception]:
    """Run all, in lockstep; one that fails or diverges does not stop the others.

    Parameters
    ----------
    runs : sequence of Run
        At the same position.
    together : Together
        Of their circuits.
    progress : callable
        Makes the display of the first; the others show nothing.

    Returns
    -------
    dict
        What went wrong, by the number of the run.

    Raises
    ------
    CircuitError, ProgramError
        What all of them share failed; as after Ctrl-C, what they had done is saved.
    """
    failed: dict[int, Exception] = {}
    with ExitStack() as ending:  # closes all of them, also where one can't be saved
        steps = {
            number: ending.enter_context(closing(run.requests(progress)))
            for number, run in enumerate(runs)
        }
        answers: dict[int, Answer | None] = dict.fromkeys(steps)
        while answers:
            requests: dict[int, Request] = {}
            for number, answer in answers.items():
                try:
                    step = steps[number]
                    requests[number] = next(step) if answer is None else step.send(answer)
                except StopIteration:
                    continue
                except Exception as error:
                    failed[number] = error
            answers = {}
            if requests:
                start = time.perf_counter()
                chunks = together.run(requests)
                seconds = time.perf_counter() - start
                answers = {number: (chunk, seconds) for number, chunk in chunks.items()}
    return failed
