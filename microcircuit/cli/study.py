"""Commands about studies: ``study plan``, ``run``, ``status``, ``collect`` and ``figure``."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from microcircuit import reporting
from microcircuit.cli.options import resolved
from microcircuit.errors import FAILED

if TYPE_CHECKING:
    from microcircuit.study.call import Ending
    from microcircuit.study.design import StudyFile
    from microcircuit.study.engines import Engine
    from microcircuit.study.folder import Status, StudyFolder
    from microcircuit.study.plan import Point
    from microcircuit.study.spaces import Changes

app = typer.Typer(no_args_is_help=True, help="Run many points of a protocol, here or on a cluster.")

STATUSES: tuple["Status", ...] = (
    "complete",
    "diverged",
    "failed",
    "running",
    "unfinished",
    "waiting",
)
MOST_VALUES, MOST_GROUPS, MOST_TOLD = 12, 6, 5

File = Annotated[
    Path, typer.Argument(metavar="FILE", help="The study, in TOML; see docs/studies.md.")
]
Folder = Annotated[Path, typer.Argument(metavar="DIR", help="Of a study.")]
On = Annotated[Literal["local", "slurm"], typer.Option("--on", help="Where points are computed.")]


@app.command()
def plan(file: File, on: On = "local") -> None:
    """Show a study's points, what is compiled and how long it takes; nothing is run."""
    from rich.console import Console

    from microcircuit.study import design
    from microcircuit.study.estimate import expected_seconds
    from microcircuit.study.plan import points_of

    study = design.read(file)
    workers = _engine(study, on).workers
    points = points_of(study, _combinations(study), resolved)
    _print_plan(study, points, workers)
    with Console(stderr=True).status("Measuring how long it takes; compiling takes a while"):
        seconds = expected_seconds(points, workers, resolved)
    if study.search is not None:
        seconds *= study.search.trials * len(study.seeds) / len(points)
    what = "workers" if on == "local" else "jobs"
    reporting.print_line(
        f"Takes about {reporting.duration(seconds)} with {workers} {what}, besides compiling "
        "and starting, if all cores are as fast as this one."
    )


@app.command()
def run(
    file: File,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Of the study.")],
    on: On = "local",
    fail_fast: Annotated[bool, typer.Option("--fail-fast", help="Stop at a failure.")] = False,
) -> None:
    """Run a study's points into a folder: all that it lacks, and what failed once more."""
    from microcircuit.study import design
    from microcircuit.study.call import ending, new_call, run_points
    from microcircuit.study.folder import StudyFolder
    from microcircuit.study.plan import points_of
    from microcircuit.study.progress import study_display

    study = design.read(file)
    folder, engine = StudyFolder(output), _engine(study, on)
    if study.search is not None:
        from microcircuit.study.search import search

        best = search(study, folder, engine, resolved, fail_fast=fail_fast, display=study_display)
        reporting.print_line(best)
        points = folder.points
    else:
        points = points_of(study, study.combinations, resolved)
        folder.write(study.document, points)
        run_points(
            folder, points, engine, call=new_call(), fail_fast=fail_fast, display=study_display
        )
    _report(folder, ending(folder, points))


@app.command()
def status(path: Folder) -> None:
    """Show how far a study is, and what failed and why."""
    from microcircuit.study.call import ending
    from microcircuit.study.folder import StudyFolder

    folder = StudyFolder(path)
    _report(folder, ending(folder, folder.points))


@app.command()
def collect(path: Folder) -> None:
    """Write one table of all points, as CSV and Parquet, into the study's folder."""
    from microcircuit.study.folder import StudyFolder
    from microcircuit.study.table import table_of, write_table

    folder = StudyFolder(path)
    table = table_of(folder, folder.points)
    for file in write_table(table, path):
        reporting.print_line(f"Table    {file}")
    counts = table["status"].value_counts()
    reporting.print_line(", ".join(f"{count} {name}" for name, count in counts.items()))


@app.command()
def figure(
    path: Folder,
    metric: Annotated[
        str | None, typer.Option(help="What to show; default: what is searched for, or the first.")
    ] = None,
    against: Annotated[
        list[str] | None,
        typer.Option(help="A parameter; twice for a map of two. Default: those that vary most."),
    ] = None,
) -> None:
    """Draw a metric against one parameter, or a map of two, from the study's table."""
    from microcircuit.analysis.figures import draw_study
    from microcircuit.study.folder import StudyFolder
    from microcircuit.study.table import metrics_of, parameters_of, table_of

    folder = StudyFolder(path)
    table = table_of(folder, folder.points)
    drawn = draw_study(
        {name: table[name].to_numpy() for name in table},
        path,
        parameters=parameters_of(table),
        metrics=metrics_of(table),
        metric=metric or folder.document.get("search", {}).get("metric"),
        against=against or [],
    )
    reporting.print_figures([(drawn.paths, drawn.caption)])


@app.command(hidden=True)
def work(
    path: Folder,
    call: Annotated[str, typer.Option(help="The `study run` that this worker belongs to.")],
    attached: Annotated[
        bool, typer.Option("--attached", help="End when standard input closes.")
    ] = False,
) -> None:
    """Work through a study's points; `study run` starts this."""
    from microcircuit.study.engines import end_with_parent, interrupt_on_terminate

    interrupt_on_terminate()
    if attached:
        end_with_parent()
    from microcircuit.study.work import Worker

    Worker(path, call=call, resolve=resolved).run()


def _engine(study: "StudyFile", on: On) -> "Engine":
    from microcircuit.study.engines import LocalEngine, SlurmEngine

    return LocalEngine(study.local) if on == "local" else SlurmEngine(study.slurm)


def _combinations(study: "StudyFile") -> Sequence["Changes"]:
    """Return all combinations, or for a search those at the ends of its ranges."""
    if study.search is None:
        return study.combinations
    from microcircuit.study.spaces import extremes

    return list(extremes(study.spaces))


def _print_plan(study: "StudyFile", points: Sequence["Point"], workers: int) -> None:
    """Print what a study consists of, what is compiled, and how it is divided."""
    from microcircuit.study.plan import grouped, outline

    reporting.print_line(f"{study.protocol}: {_counted(study, points)}")
    if study.fixed:
        rows = [(key, str(value)) for key, value in study.fixed.items()]
        reporting.print_table("The same for all points", ("parameter", "value"), rows)
    rows = [(key, _values([point.changes[key] for point in points])) for key in study.varied]
    seeds = _values(list(study.seeds))
    reporting.print_table("Varied", ("parameter", "values"), [*rows, ("seed", seeds)])
    made = outline(points, workers)
    programs = "1 program" if made.programs == 1 else f"{made.programs} programs"
    if made.programs:
        reporting.print_line(f"To compile, unless compiled before: {programs}.")
    groups = list(grouped(points).values())
    for group, (count, places) in list(zip(groups, made.groups, strict=True))[:MOST_GROUPS]:
        how = f"{places} at a time, as replicates of one program"
        if places == 1:
            how = "by itself" if count == 1 else "one by one"
        alike = "1 point" if count == 1 else f"{count} points that differ in numbers only"
        reporting.print_line(f"{alike}{_in(group, points)}: {how}.")
    if len(groups) > MOST_GROUPS:
        reporting.print_line(f"... and {len(groups) - MOST_GROUPS} more groups of points.")


def _in(group: Sequence["Point"], points: Sequence["Point"]) -> str:
    """Return what sets a group of points apart from the others."""

    def values(key: str, among: Sequence["Point"]) -> set[str]:
        return {_text(point.changes.get(key)) for point in among}

    told = [
        f"{key} = {values(key, group).pop()}"
        for key in points[0].changes
        if len(values(key, group)) == 1 < len(values(key, points))
    ]
    return f", with {', '.join(told)}" if told else ""


def _counted(study: "StudyFile", points: Sequence["Point"]) -> str:
    if study.search is not None:
        search = study.search
        return (
            f"a search of {search.trials} trials with {len(study.seeds)} seeds each, to "
            f"{search.direction} {search.metric}; some that it could try:"
        )
    combinations, seeds = len(study.combinations), len(study.seeds)
    each = "1 seed" if seeds == 1 else f"{seeds} seeds each"
    return f"{len(points)} points, {combinations} combinations with {each}"


def _text(value: object) -> str:
    return "none" if value is None else str(value)


def _values(values: list) -> str:
    distinct = list(dict.fromkeys(map(_text, values)))
    if len(distinct) <= MOST_VALUES:
        return ", ".join(distinct)
    return f"{', '.join(distinct[:3])}, ... {distinct[-1]} ({len(distinct)} values)"


def _report(folder: "StudyFolder", end: "Ending") -> None:
    """Print how points ended, and why some did not; fail if there are any of these."""
    counts = [f"{end.count(s)} {s}" for s in STATUSES if end.count(s)]
    reporting.print_line(f"{folder.path}: {len(end.statuses)} points, {', '.join(counts)}")
    for message, points in _reasons(folder, end).items():
        reporting.print_line(f"{len(points)} {message}")
        for point in points[:MOST_TOLD]:
            log = folder.folder(point) / "log.txt"
            reporting.print_line(f"    {_named(point)}: see {log}")
        if len(points) > MOST_TOLD:
            reporting.print_line(f"    ... and {len(points) - MOST_TOLD} more")
    if any(end.count(status) for status in ("waiting", "unfinished")):
        for line in folder.last_words()[:MOST_TOLD]:
            reporting.print_line(f"A worker's last words: {line}")
        reporting.print_line(f"What workers said, if they began: {folder.logs}")
    if end.undone:
        raise typer.Exit(FAILED)


def _reasons(folder: "StudyFolder", end: "Ending") -> dict[str, list["Point"]]:
    """Return the points that are not complete, by what became of them and why."""
    found: dict[str, list[Point]] = {}
    for point, status, message in end.statuses:
        if status != "complete" and message:
            what = re.sub(rf"\S*points/{point.id}", "its folder", message)
            what = re.sub(r" with: microcircuit run --resume .*", " with `study run` again", what)
            found.setdefault(f"{status}: {what}", []).append(point)
    return found


def _named(point: "Point") -> str:
    changes = [f"{key}={_text(value)}" for key, value in point.changes.items()]
    return ", ".join([*changes, f"seed={point.seed}"])
