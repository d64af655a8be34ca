"""The command line: ``microcircuit run``, ``show``, ``figure``, ``study`` and others.

This package is the one part that knows all rooms. What takes long to import is imported where it is
needed, so that help and mistakes in the input are there at once.
"""

import sys
from typing import Annotated

import typer

from microcircuit.cli import about, compare, runs, spikes, study
from microcircuit.errors import Commands

app = typer.Typer(
    cls=Commands, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
)


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


app.command()(runs.run)
app.command()(runs.figure)
app.command()(runs.show)
app.command()(compare.compare)
app.command()(spikes.spikes)
app.command()(spikes.export)
app.add_typer(study.app, name="study")
app.command("list")(about.list_)
app.command()(about.doctor)
app.command()(about.cite)
