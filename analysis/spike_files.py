"""What the analysis and the export of spikes share, and what they can do without their extra."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from microcircuit.results import Results, ResultsError

EXTRA = "pip install 'dendritic-microcircuit[spikes]'"


class SpikeError(ResultsError):
    """Spikes can't be analysed or exported, with the reason."""


def missing_extra(error: ImportError) -> SpikeError:
    """Return the error that says how to install what could not be imported."""
    return SpikeError(f"the analysis and the export of spikes need {error.name}: {EXTRA}")


def spiking(results: Results) -> list[str]:
    """List the populations whose spikes were recorded: the input first and the output last.

    Raises
    ------
    SpikeError
        There are none.
    """
    names = results.spiking()
    if not names:
        protocol = results.config["protocol"]["name"]
        raise SpikeError(
            f"{results.path} holds no spikes: this run of '{protocol}' recorded none. The "
            "protocols association (with model.signal=spikes), lif and segregated-traces record "
            "them, and so does any whose records include microcircuit.records.Spikes"
        )
    return sorted(names, key=lambda name: (name == "output", name != "input", name))


@contextmanager
def new_file(path: str | Path, suffix: str) -> Iterator[Path]:
    """Give a path to write to; what is there at the end is renamed to `path`.

    Until then it lies in a hidden folder beside it: libraries choose a format by a file's name, so
    it has the same name there. Of what fails nothing is left.

    Parameters
    ----------
    path : path
        Of the new file.
    suffix : str
        That it must have, such as ``".nwb"``.

    Raises
    ------
    SpikeError
        There is such a file already, or no such folder, or it has another suffix.
    """
    path = Path(path)
    if path.suffix != suffix:
        raise SpikeError(f"{path} must end in {suffix}")
    if path.exists():
        raise SpikeError(f"{path} is there already: nothing is overwritten")
    if not path.parent.is_dir():
        raise SpikeError(f"{path}: there is no folder {path.parent}")
    with tempfile.TemporaryDirectory(prefix=".unfinished-", dir=path.parent) as folder:
        part = Path(folder) / path.name
        yield part
        part.rename(path)
