"""Workers: take points that nobody runs, run them, and leave results or reasons.

A worker knows nothing of other workers but what it sees in the folder. It keeps the programs that
it has compiled or found, so that the next points of a group start at once.
"""

import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from microcircuit.config import Config, from_dict
from microcircuit.devices import Program, ProgramError
from microcircuit.folders import DivergenceError, made_by, opened
from microcircuit.progress import no_progress
from microcircuit.recovery import FolderInUseError
from microcircuit.results import holds_unfinished_run
from microcircuit.segments import StorageError
from microcircuit.simulation import Task, compile_for, simulate_together
from microcircuit.study.engines import end_if_told
from microcircuit.study.folder import Failure, StudyFolder
from microcircuit.study.plan import Point, Resolve, grouped
from microcircuit.work import carry_out, work_of

MOST_ATTEMPTS = 3
"""Of a point whose process dies; all but the first alone, as another may have been to blame."""
LOG_LINES = 12
"""Of an error's traceback, in a failure's message."""


class CompilationError(Exception):
    """A group's program could not be compiled."""

    def __init__(self, reason: ProgramError) -> None:
        super().__init__(str(reason))
        self.reason: Exception = reason


class Worker:
    """Works through the points of a study.

    Parameters
    ----------
    path : Path
        The study's folder.
    call : str
        The ``study run`` that it belongs to.
    resolve : callable
        Completes a configuration.
    """

    def __init__(self, path: Path, *, call: str, resolve: Resolve) -> None:
        self._folder, self._call, self._resolve = StudyFolder(path), call, resolve
        self._folder.check_version()
        self._points, self._places = self._folder.read_call(call)
        self._programs: dict[str, Program | ProgramError] = {}
        self._given_up: set[str] = set()

    def run(self) -> None:
        """Run points until there is none left that is free."""
        busy = True
        while busy:
            busy = False
            for points in grouped(self._points).values():
                candidates = iter(points)
                while self._run_some(candidates, self._places.get(points[0].group, 1)):
                    busy = True

    def _is_open(self, point: Point) -> bool:
        return point.id not in self._given_up and self._folder.is_open(point, self._call)

    def _run_some(self, candidates: Iterator[Point], places: int) -> bool:
        """Run as many points of a group as go together; tell whether there were any to be had."""
        attempts: dict[str, int] = {}
        taken: list[Point] = []
        with ExitStack() as claims:
            try:
                self._take(candidates, places, claims, taken, attempts)
                for together in self._divided(taken, attempts):
                    self._simulate(together, attempts)
            except BaseException:
                # Ctrl-C, or the engine ends this worker: no fault of the points.
                for point in taken:
                    if self._folder.failure(point) is None:
                        finished = self._folder.finished(point)
                        self._folder.end(point, "finished" if finished else "interrupted")
                raise
        return bool(taken)

    def _take(
        self,
        candidates: Iterator[Point],
        places: int,
        claims: ExitStack,
        taken: list[Point],
        attempts: dict[str, int],
    ) -> None:
        """Claim points that are open and free; one over which a process has died alone."""
        for point in candidates:
            if not self._is_open(point):
                continue
            suspected = self._folder.attempts(point, self._call) > 0
            if taken and suspected:
                continue  # the next time round
            if not claims.enter_context(self._folder.claim(point)) or not self._is_open(point):
                continue
            taken.append(point)
            try:
                attempts[point.id] = self._folder.begin(point, self._call)
            except OSError as error:
                taken.remove(point)
                self._give_up(point, f"{point.id}: {error}")
                continue
            if suspected or len(taken) == places:
                break

    def _divided(
        self, points: Sequence[Point], attempts: Mapping[str, int]
    ) -> Iterator[list[Point]]:
        """Return what can be computed together: what is equally far."""
        equal: dict[int, list[Point]] = {}
        for point in points:
            if attempts[point.id] > MOST_ATTEMPTS:
                self._fail(point, "the process that ran it died each time it was tried", attempts)
            else:
                equal.setdefault(self._folder.position(point), []).append(point)
        yield from equal.values()

    def _simulate(self, points: Sequence[Point], attempts: Mapping[str, int]) -> None:
        try:
            failed = self._run_together(points)
        except CompilationError as error:
            failed = dict.fromkeys(range(len(points)), error.reason)
        except Exception as error:
            end_if_told()
            if len(points) > 1:
                # One of them may be to blame, or all: each by itself tells.
                for point in points:
                    self._simulate([point], attempts)
                return
            failed = {0: error}
        if failed:
            end_if_told()
        for number, point in enumerate(points):
            if number in failed:
                self._fail(point, _told(failed[number]), attempts)
            else:
                self._folder.end(point, "finished")

    def _run_together(self, points: Sequence[Point]) -> dict[int, Exception]:
        configs = [self._resolve(from_dict(point.config)) for point in points]
        if "device" not in configs[0].sections:
            return {n: e for n, c in enumerate(configs) if (e := self._compute(points[n], c))}
        tasks = [
            Task(
                protocol=config.sections["protocol"],
                model=config.sections["model"],
                data=config.sections.get("data"),
                seed=config.seed,
                device=config.sections["device"],
                output=self._folder.folder(point),
            )
            for point, config in zip(points, configs, strict=True)
        ]
        for point, task in zip(points, tasks, strict=True):
            self._refuse_useless_checkpoint(point, task)
        return simulate_together(tasks, self._program(points[0].group, tasks[0]))

    def _refuse_useless_checkpoint(self, point: Point, task: Task) -> None:
        """Begin anew what was begun with another compiler or commit, or left in pieces."""
        if not holds_unfinished_run(task.output):
            return
        try:
            opened(task.output, task.config, made_by(task.device.name), resume=True).close()
        except FolderInUseError:
            raise
        except StorageError as error:
            self._folder.set_checkpoint_aside(point, str(error))

    def _compute(self, point: Point, config: Config) -> Exception | None:
        """Run what has no circuit; a divergence is a result, and in its file."""
        output = self._folder.folder(point)
        resume = holds_unfinished_run(output)
        try:
            carry_out(
                config, work_of(config), output=output, resume=resume, progress=no_progress
            ).close()
        except DivergenceError:
            return None
        except Exception as error:
            return error
        return None

    def _program(self, group: str, task: Task) -> Program:
        """Return a group's program, whose places stay empty where there are fewer points."""
        if group not in self._programs:
            experiment = task.experiment()
            places = self._places.get(group, 1)
            try:
                self._programs[group] = compile_for(experiment, task.device, places)
            except ProgramError as error:  # once is enough
                self._programs[group] = error
        program = self._programs[group]
        if isinstance(program, ProgramError):
            raise CompilationError(program)
        return program

    def _fail(self, point: Point, message: str, attempts: Mapping[str, int]) -> None:
        failure = Failure(call=self._call, message=message, attempts=attempts[point.id])
        try:
            self._folder.fail(point, failure)
            self._folder.end(point, f"failed: {message}")
        except OSError as error:  # such as a full disk, which may be why the point failed
            self._give_up(point, f"{point.id} failed: {message}\nand {error}")

    def _give_up(self, point: Point, message: str) -> None:
        self._given_up.add(point.id)
        print(message, flush=True)


def _told(error: Exception) -> str:
    """Return what an error says; where it was raised as well, unless it is meant for users."""
    from microcircuit.errors import is_expected

    if is_expected(error):
        return str(error)
    lines = "".join(traceback.format_exception(error)).strip().splitlines()
    return "\n".join(lines[-LOG_LINES:])
