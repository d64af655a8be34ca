"""The command line: ``microcircuit run``, ``show``, ``figure``, ``list``, ``doctor`` and ``cite``.

This is the one module that knows all rooms. What takes long to import is imported where it is
needed, so that help and mistakes in the input are there at once.
"""

import sys
from contextlib import AbstractContextManager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from microcircuit import config as configuration
from microcircuit import reporting
from microcircuit.citations import bibtex
from microcircuit.config import Config, ConfigError, RawConfig
from microcircuit.errors import FAILED, Commands
from microcircuit.models import MODELS
from microcircuit.naming import unknown
from microcircuit.protocols import PROTOCOLS

if TYPE_CHECKING:
    from microcircuit.experiment import Experiment
    from microcircuit.progress import Progress
    from microcircuit.results import Results

app = typer.Typer(
    cls=Commands, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
)

ConfigFile = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="A TOML file; see the README.")
]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="SECTION.KEY=VALUE",
        help="Change a parameter, as in model.sigma='0 ms**-0.5'. Can be given several times.",
    ),
]
Seed = Annotated[int | None, typer.Option("--seed", help="Of weights, stimuli and noise.")]
Device = Annotated[
    str | None,
    typer.Option(
        "--device", metavar="cpp|cuda|numpy", help="Compiled C++ (default), CUDA, or numpy."
    ),
]


def main() -> None:
    """Run the command line, as the command ``microcircuit``."""
    try:
        app()
    except Exception:
        sys.excepthook = sys.__excepthook__  # Brian2's own would ask for a report to Brian2
        raise


def _version(asked: bool) -> None:
    if asked:
        from microcircuit import __version__

        typer.echo(f"microcircuit {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Simulate cortical microcircuits that learn with dendritic errors."""


@app.command()
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
    options = _given(file=config, overrides=overrides, seed=seed, device=device)
    if resume is None:
        plan = _resolved(configuration.load(protocol, **options))
        folder = output or Path("runs", f"{plan.protocol}-{plan.seed}")
    elif options or output:
        raise ConfigError("--resume goes on as the run was begun: it takes no other options")
    else:
        plan, folder = _stored_plan(resume, protocol), resume
    presentations = _experiment(plan).schedule.presentations
    what = reporting.heading(configuration.to_dict(plan))
    reporting.print_line(f"{what}: {presentations} presentations, into {folder}")
    with _simulated(plan, folder, resume=resume is not None) as results:
        reporting.print_line(f"Results  {results.path}: {results.status}, {results.message}")
        _draw(results)
        reporting.print_metrics(results)


@app.command()
def figure(folder: Annotated[Path, typer.Argument(metavar="DIR")]) -> None:
    """Draw the figures of a finished run, from its results alone, beside them."""
    from microcircuit.results import open_results

    with open_results(folder) as results:
        _draw(results)


@app.command()
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
    options = _given(file=config, overrides=overrides, seed=seed, device=device)
    if what is None or what in PROTOCOLS:
        _show_plan(_resolved(configuration.load(what, **options)))
    elif not Path(what).exists():
        raise ConfigError(f"there is no folder {what!r}; {unknown('protocol', what, PROTOCOLS)}")
    elif options:
        raise ConfigError(f"{what} is a run: no option can change it")
    else:
        _show_run(Path(what))


@app.command("list")
def list_() -> None:
    """List the protocols, and the models with their papers."""
    rows = ((name, entry.summary) for name, entry in PROTOCOLS.items())
    reporting.print_table("Protocols", ("name", "what it shows"), rows)
    reporting.print_table("Models", ("name", "paper"), MODELS.items())


@app.command()
def doctor() -> None:
    """Look at this machine: what works, what does not, and how to mend it."""
    from microcircuit.doctor import examine

    checks = examine(folder=Path.cwd())
    reporting.print_checks(checks)
    if any(check.status == "problem" for check in checks):
        raise typer.Exit(FAILED)


@app.command()
def cite(
    what: Annotated[
        str | None, typer.Argument(metavar="PROTOCOL|MODEL", help="Default: all models.")
    ] = None,
) -> None:
    """Print what to cite, as BibTeX: the model's paper, Brian2 and this software."""
    if what is None:
        modules = [f"microcircuit.models.{name}" for name in MODELS]
    elif what in PROTOCOLS:
        modules = [type(PROTOCOLS[what].load()[1]).__module__]
    elif what in MODELS:
        modules = [f"microcircuit.models.{what}"]
    else:
        raise ConfigError(unknown("protocol or model", what, [*PROTOCOLS, *MODELS]))
    typer.echo(bibtex([import_module(module).CITATION for module in modules]))


def _given(**options: Any) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value not in (None, [])}


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
    return _resolved(raw)


def _resolved(raw: RawConfig) -> Config:
    """Complete a configuration with the defaults of its protocol."""
    if raw.protocol not in PROTOCOLS:
        raise ConfigError(unknown("protocol", raw.protocol, PROTOCOLS))
    from microcircuit.simulation import DeviceSettings

    parameters, model = PROTOCOLS[raw.protocol].load()
    defaults = {"protocol": parameters(), "model": model, "device": DeviceSettings()}
    return configuration.resolve(raw, defaults)


def _default_values(protocol: str) -> dict[str, Any]:
    return configuration.to_dict(_resolved(RawConfig(protocol=protocol, seed=0, sections={})))


def _experiment(plan: Config) -> "Experiment":
    return plan.sections["protocol"].experiment(plan.sections["model"], plan.seed)


def _simulated(plan: Config, folder: Path, *, resume: bool) -> "Results":
    """Run, or go on with a run; there is no harm in asking that of one that is complete."""
    from rich.console import Console

    from microcircuit.devices import ProgramError
    from microcircuit.progress import progress_bar
    from microcircuit.results import holds_unfinished_run, open_results, resume_command
    from microcircuit.simulation import DivergenceError, simulate
    from microcircuit.storage import RunCompleteError

    status = Console(stderr=True).status("Preparing the circuit; compiling a new one takes a while")

    def progress(done: int, total: int, label: str) -> "AbstractContextManager[Progress]":
        status.stop()
        return progress_bar(done, total, label)

    try:
        with status:
            return simulate(
                **plan.sections, seed=plan.seed, output=folder, resume=resume, progress=progress
            )
    except RunCompleteError as complete:
        results = open_results(folder)
        if results.status == "diverged":
            raise DivergenceError(f"the run in {folder} is over: {results.message}") from None
        reporting.print_line(f"{complete}.")
        return results
    except (KeyboardInterrupt, OSError, ProgramError) as stopped:
        if holds_unfinished_run(folder):
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
        total = _experiment(_stored_plan(path, None)).schedule.presentations if known else None
        reporting.print_unfinished(begun, total, resume_command(path))
        return
    with open_results(path) as results:
        name = results.config["protocol"]["name"]
        reporting.print_run(results, _default_values(name) if name in PROTOCOLS else None)


def _show_plan(plan: Config) -> None:
    from rich.console import Console

    from microcircuit.simulation import seconds_per_presentation

    experiment, values = _experiment(plan), configuration.to_dict(plan)
    presentations = experiment.schedule.presentations
    reporting.print_line(f"{reporting.heading(values)}: {presentations} presentations")
    reporting.print_parameters(values, _default_values(plan.protocol))
    with Console(stderr=True).status("Measuring how long it takes"):
        each = seconds_per_presentation(experiment, plan.seed, plan.sections["device"])
    tests = sum(len(probe.at) * probe.schedule.presentations for probe in experiment.probes)
    total = reporting.duration(each * (presentations + tests))
    reporting.print_line(
        f"Takes about {total} on this machine, {reporting.duration(each)} a presentation, "
        "besides compiling once."
    )
