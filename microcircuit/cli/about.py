"""Commands about the package and this machine: ``list``, ``doctor`` and ``cite``."""

from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from microcircuit import reporting
from microcircuit.citations import bibtex
from microcircuit.config import ConfigError
from microcircuit.errors import FAILED
from microcircuit.models import MODELS
from microcircuit.naming import unknown
from microcircuit.protocols import PROTOCOLS


def list_() -> None:
    """List the protocols, and the models with their papers."""
    rows = ((name, entry.summary) for name, entry in PROTOCOLS.items())
    reporting.print_table("Protocols", ("name", "what it shows"), rows)
    reporting.print_table("Models", ("name", "paper"), MODELS.items())


def doctor() -> None:
    """Look at this machine: what works, what does not, and how to mend it."""
    from microcircuit.doctor import examine

    checks = examine(folder=Path.cwd())
    reporting.print_checks(checks)
    if any(check.status == "problem" for check in checks):
        raise typer.Exit(FAILED)


def cite(
    what: Annotated[
        str | None, typer.Argument(metavar="PROTOCOL|MODEL", help="Default: all models.")
    ] = None,
) -> None:
    """Print what to cite, as BibTeX: the model's paper, Brian2 and this software."""
    if what in PROTOCOLS:
        papers = [PROTOCOLS[what].citation()]
    elif what is None or what in MODELS:
        chosen = MODELS if what is None else [what]
        papers = [import_module(f"microcircuit.models.{name}").CITATION for name in chosen]
    else:
        raise ConfigError(unknown("protocol or model", what, [*PROTOCOLS, *MODELS]))
    typer.echo(bibtex(papers))
