"""A progress bar for runs: pace, time left and how the circuit is doing."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Display
from rich.table import Column


class Progress(Protocol):
    """What a run reports to."""

    def update(self, position: int, live: float) -> None:
        """Take note of the presentations done, and the current value of the live metric."""


class _Bar:
    def __init__(self, display: Display, task: TaskID, done: int, label: str) -> None:
        self._display, self._task, self._done, self._label = display, task, done, label
        self._start = time.perf_counter()

    def update(self, position: int, live: float) -> None:
        pace = (position - self._done) / (time.perf_counter() - self._start)
        self._display.update(
            self._task,
            completed=position,
            pace=f"{pace:.3g}/s",
            live=f"{live:.3g} {self._label}",
        )


@contextmanager
def progress_bar(done: int, total: int, label: str) -> Iterator[Progress]:
    """Show a progress bar on stderr.

    Parameters
    ----------
    done, total : int
        Presentations finished so far, and in all.
    label : str
        What the live value is.
    """
    columns = (
        BarColumn(bar_width=20),
        MofNCompleteColumn(table_column=Column(no_wrap=True)),
        TextColumn("{task.fields[pace]}", table_column=Column(no_wrap=True)),
        TimeRemainingColumn(),
        TextColumn("left", table_column=Column(no_wrap=True)),
        TextColumn("{task.fields[live]}", table_column=Column(no_wrap=True, overflow="ellipsis")),
    )
    with Display(*columns, console=Console(stderr=True)) as display:
        task = display.add_task("", total=total, completed=done, pace="", live="")
        yield _Bar(display, task, done, label)


@contextmanager
def no_progress(done: int, total: int, label: str) -> Iterator[Progress]:
    """Show nothing."""

    class Silent:
        def update(self, position: int, live: float) -> None:
            pass

    yield Silent()
