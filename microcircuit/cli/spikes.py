"""The commands ``spikes`` and ``export``: what a run's spikes are like, and files for others."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from microcircuit import reporting
from microcircuit.protocols import PROTOCOLS

if TYPE_CHECKING:
    from microcircuit.analysis.spikes import Summary

HEAD = ("population", "neurons", "spikes", "rate (Hz)", "CV (neurons)", "Fano (neurons)")
Folder = Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a finished run.")]


def spikes(folder: Folder) -> None:
    """Sum up the spikes of a run, and draw them into its folder."""
    from microcircuit.analysis.spike_files import spiking
    from microcircuit.results import open_results

    with open_results(folder) as results:
        spiking(results)  # is there anything for which the extra would have to be installed?
        from microcircuit.analysis.figures.spikes import draw_spikes
        from microcircuit.analysis.spikes import FEWEST, WINDOW, summary

        found = summary(results)
        drawn = draw_spikes(results, results.path.parent)
    reporting.print_table("Spikes, means over neurons", HEAD, map(_row, found))
    reporting.print_line(
        f"In brackets: how many neurons have one. CVs are of neurons with {FEWEST} spikes or more. "
        f"Fano factors are of counts in {found[0].windows} windows of {WINDOW:g} ms, of neurons "
        "that spike in them."
    )
    reporting.print_figures([(drawn.paths, drawn.caption)])


def export(
    folder: Folder,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="New file: .nwb, or .mat in Neo's layout.")
    ],
) -> None:
    """Write the spikes and traces of a run to a file in a format that others read."""
    from microcircuit.analysis.spike_files import SpikeError, spiking
    from microcircuit.results import open_results

    with open_results(folder) as results:
        spiking(results)
        if file.suffix == ".nwb":
            from microcircuit.analysis.nwb import write_nwb

            write_nwb(results, file, papers=_papers(results.config["protocol"]["name"]))
        elif file.suffix == ".mat":
            from microcircuit.analysis.trains import write_mat

            write_mat(results, file)
        else:
            raise SpikeError(f"{file} must end in .nwb, or in .mat")
    reporting.print_line(f"Written  {file}")


def _papers(protocol: str) -> list[str]:
    """Return the DOIs of a protocol's model, if it is one that the package has."""
    known = PROTOCOLS[protocol].citation() if protocol in PROTOCOLS else ""
    return [f"doi:{doi}" for doi in re.findall(r"doi\s*=\s*\{(.*)\}", known)]


def _row(found: "Summary") -> tuple[str, ...]:
    return (
        found.population,
        f"{found.neurons:,}",
        f"{found.spikes:,}",
        f"{found.rate:.4g}",
        _known(found.cv, found.cv_neurons),
        _known(found.fano, found.fano_neurons),
    )


def _known(mean: float, neurons: int) -> str:
    return f"{mean:.3f} ({neurons:,})" if neurons else "none"
