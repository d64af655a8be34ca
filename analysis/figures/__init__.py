"""Figures of a run, drawn from its results alone: `draw`.

One module draws one protocol's figure; `FIGURES` is the explicit list of them. A protocol that is
not on it, and a run that diverged, get a general one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from microcircuit.analysis.figures.alignment import alignment_figure
from microcircuit.analysis.figures.association import association_figure
from microcircuit.analysis.figures.bars import bars_figure
from microcircuit.analysis.figures.general import general_figure
from microcircuit.analysis.figures.regression import regression_figure
from microcircuit.analysis.figures.self_prediction import self_prediction_figure
from microcircuit.analysis.figures.style import Picture, paper_style
from microcircuit.results import PART_SUFFIX, Results

FIGURES: dict[str, Callable[[Results], Picture]] = {
    "self-prediction": self_prediction_figure,
    "association": association_figure,
    "regression": regression_figure,
    "bars": bars_figure,
    "alignment": alignment_figure,
}
"""By the protocol's name."""

FORMATS = {
    "png": {},
    "pdf": {"CreationDate": None},
}
"""With metadata such that the same results give the same file."""


@dataclass(frozen=True)
class Drawn:
    """A figure in files.

    Attributes
    ----------
    paths : (Path, Path)
        PNG and PDF.
    caption : str
        What it shows, with the numbers of the run; may end in a Markdown table.
    """

    paths: tuple[Path, Path]
    caption: str


def draw(results: Results, folder: str | Path) -> list[Drawn]:
    """Draw the figures of a run.

    Parameters
    ----------
    results : Results
        Of a run that is complete or has diverged.
    folder : path
        Where the files go; it is made if need be, and older files are replaced.

    Returns
    -------
    list of Drawn
        One figure, named after the protocol.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    name = results.config["protocol"]["name"]
    # Without all records and metrics a run has no result, but it may be seen what went wrong.
    own = FIGURES.get(name) if results.status == "complete" else None
    with paper_style():
        picture = (own or general_figure)(results)
        png, pdf = (_save(picture.figure, folder / f"{name}.{suffix}") for suffix in FORMATS)
    return [Drawn((png, pdf), picture.caption)]


def _save(figure: Figure, path: Path) -> Path:
    """Write a file whole: under another name, then renamed."""
    suffix = path.suffix[1:]
    part = path.with_name(path.name + PART_SUFFIX)
    try:
        figure.savefig(part, format=suffix, metadata=FORMATS[suffix])
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return path
