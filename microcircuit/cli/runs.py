"""Commands about single runs: ``run``, ``figure`` and ``show``."""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from microcircuit import config as configuration
from microcircuit import reporting
from microcircuit.cli.options import (
    ConfigFile,
    Device,
    Overrides,
    Seed,
    default_values,
    given,
    resolved,
)
from microcircuit.config import Config, ConfigError
from microcircuit.naming import unknown
from microcircuit.protocols import PROTOCOLS
from microcircuit.work import Work, carry_out, seconds_needed, work_of

if TYPE_CHECKING:
    from microcircuit.progress import Progress
    from microcircuit.results import Results


def run(
    protocol: Annotated[str | None, typer.Argument(help="As `microcircuit list` names it.")] = None,
    config: ConfigFile = None,
    overrides: Overrides = None,
    seed: Seed = None,
    device: Device = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="DIR", help="New folder; default: runs/PROTOCOL-SEED."
        ),
    ] = None,
    resume: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Go on with the unfinished run in a folder.")
    ] = None,
) -> None:
    """Run a protocol into a folder, and draw its figures there."""
    options = given(file=config, overrides=overrides, seed=seed, device=device)
    if resume is None:
        plan = resolved(configuration.load(protocol, **options))
        folder = output or Path("runs", f"{plan.protocol}-{plan.seed}")
    elif options or output:
        raise ConfigError("--resume goes on as the run was begun: it takes no other options")
    else:
        plan, folder = _stored_plan(resume, protocol), resume
    work = work_of(plan)
    what = reporting.heading(configuration.to_dict(plan))
    reporting.print_line(f"{what}: {work.total} {work.noun}, into {folder}")
    with _carried_out(plan, work, folder, resume=resume is not None) as results:
        reporting.print_line(f"Results  {results.path}: {results.status}, {results.message}")
        _draw(results)
        reporting.print_metrics(results)


def figure(folder: Annotated[Path, typer.Argument(metavar="DIR")]) -> None:
    """Draw the figures of a finished run, from its results alone, beside them."""
    from microcircuit.results import open_results

    with open_results(folder) as results:
        _draw(results)


def show(
    what: Annotated[
        str | None, typer.Argument(metavar="PROTOCOL|DIR|FILE", help="A protocol's name wins.")
    ] = None,
    config: ConfigFile = None,
    overrides: Overrides = None,
    seed: Seed = None,
    device: Device = None,
) -> None:
    """Show what was run and how it went, or what would be run and how long it would take."""
    options = given(file=config, overrides=overrides, seed=seed, device=device)
    if what is None or what in PROTOCOLS:
        _show_plan(resolved(configuration.load(what, **options)))
    elif not Path(what).exists():
        raise ConfigError(f"there is no folder {what!r}; {unknown('protocol', what, PROTOCOLS)}")
    elif options:
        raise ConfigError(f"{what} is a run: no option can change it")
    else:
        _show_run(Path(what))


def _stored_plan(folder: Path, protocol: str | None) -> Config:
    """Read the configuration of the run in a folder, finished or not."""
    from microcircuit.recovery import inspect
    from microcircuit.results import RESULT_NAME, ResultsError, holds_unfinished_run, open_results

    if holds_unfinished_run(folder):
        stored = inspect(folder).config
    elif (folder / RESULT_NAME).exists():
        with open_results(folder) as results:
            stored = results.config
    else:
        raise ResultsError(f"{folder} holds no run: there is nothing to resume")
    raw = configuration.from_dict(stored)
    if protocol not in (None, raw.protocol):
        raise ConfigError(f"the run in {folder} is of {raw.protocol!r}, not of {protocol!r}")
    return resolved(raw)


def _carried_out(plan: Config, work: Work, folder: Path, *, resume: bool) -> "Results":
    """Run, or go on with a run; there is no harm in asking that of one that is complete."""
    from rich.console import Console

    from microcircuit.devices import ProgramError
    from microcircuit.folders import DivergenceError
    from microcircuit.progress import progress_bar
    from microcircuit.recovery import inspect
    from microcircuit.results import holds_unfinished_run, open_results, resume_command
    from microcircuit.storage import RunCompleteError

    status = Console(stderr=True).status("Preparing; compiling a new circuit takes a while")

    def progress(done: int, total: int, label: str) -> "AbstractContextManager[Progress]":
        status.stop()
        return progress_bar(done, total, label)

    try:
        with status:
            return carry_out(plan, work, output=folder, resume=resume, progress=progress)
    except RunCompleteError as complete:
        results = open_results(folder)
        if results.status == "diverged":
            raise DivergenceError(f"the run in {folder} is over: {results.message}") from None
        reporting.print_line(f"{complete}.")
        return results
    except (KeyboardInterrupt, OSError, ProgramError) as stopped:
        if holds_unfinished_run(folder):
            stopped.add_note(f"{inspect(folder).position} of {work.total} {work.noun} are saved.")
            stopped.add_note(f"Resume with: {resume_command(folder)}")
        raise


def _draw(results: "Results") -> None:
    from microcircuit.analysis.figures import draw

    drawn = draw(results, results.path.parent)
    reporting.print_figures((figure.paths, figure.caption) for figure in drawn)


def _show_run(path: Path) -> None:
    from microcircuit.recovery import inspect
    from microcircuit.results import holds_unfinished_run, open_results, resume_command

    if holds_unfinished_run(path):
        begun = inspect(path)
        known = begun.config["protocol"]["name"] in PROTOCOLS
        work = work_of(_stored_plan(path, None)) if known else None
        saved = f"of {work.total} {work.noun}" if work else "presentations"
        reporting.print_unfinished(begun, saved, resume_command(path))
        return
    with open_results(path) as results:
        name = results.config["protocol"]["name"]
        reporting.print_run(results, default_values(name) if name in PROTOCOLS else None)


def _show_plan(plan: Config) -> None:
    from rich.console import Console

    work, values = work_of(plan), configuration.to_dict(plan)
    reporting.print_line(f"{reporting.heading(values)}: {work.total} {work.noun}")
    reporting.print_parameters(values, default_values(plan.protocol))
    with Console(stderr=True).status("Measuring how long it takes"):
        seconds, each = seconds_needed(plan, work)
    besides = ", besides compiling once" if "device" in plan.sections else ""
    reporting.print_line(
        f"Takes about {reporting.duration(seconds)} on this machine, "
        f"{reporting.duration(each)} for each of the {work.noun}{besides}."
    )
