"""What the analysis and the export of spikes share: their error, their extra, and new files."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from microcircuit.results import ResultsError

EXTRA = "pip install 'dendritic-microcircuit[spikes]'"


class SpikeError(ResultsError):
    """Spikes can't be analysed or exported, with the reason."""


def missing_extra(error: ImportError) -> SpikeError:
    """Return the error that says how to install what could not be imported."""
    return SpikeError(f"the analysis and the export of spikes need {error.name}: {EXTRA}")


@contextmanager
def new_file(path: str | Path, suffix: str) -> Iterator[Path]:
    """Give a path to write to; what is there at the end is renamed to `path`.

    Until then it lies in a hidden folder beside it: libraries choose a format by a file's name, so
    it has the same name there. Of what fails nothing is left.

    Parameters
    ----------
    path : path
        Of the new file; its folder is made if need be.
    suffix : str
        That it must have, such as ``".nwb"``.

    Raises
    ------
    SpikeError
        There is such a file already, or it has another suffix.
    """
    path = Path(path)
    if path.suffix != suffix:
        raise SpikeError(f"{path} must end in {suffix}")
    if path.exists():
        raise SpikeError(f"{path} is there already: nothing is overwritten")
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".unfinished-", dir=path.parent) as folder:
        part = Path(folder) / path.name
        yield part
        part.rename(path)
