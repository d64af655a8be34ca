"""Figures of a run, drawn from its results alone: `draw`; of a study, and of a comparison of runs.

One module draws one protocol's figure; `FIGURES` is the explicit list of them. A protocol that is
not on it, and a run that diverged, get a general one.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from microcircuit.analysis.comparison import Group, RuleAngle
from microcircuit.analysis.figures.alignment import alignment_figure
from microcircuit.analysis.figures.association import association_figure
from microcircuit.analysis.figures.bars import bars_figure
from microcircuit.analysis.figures.compare import comparison_figure
from microcircuit.analysis.figures.denoising import denoising_figure
from microcircuit.analysis.figures.files import Drawn, save
from microcircuit.analysis.figures.general import general_figure
from microcircuit.analysis.figures.generation import generation_figure
from microcircuit.analysis.figures.lif import lif_figure
from microcircuit.analysis.figures.mnist import mnist_figure
from microcircuit.analysis.figures.regression import regression_figure
from microcircuit.analysis.figures.rules import rules_figure
from microcircuit.analysis.figures.segregated_mnist import segregated_mnist_figure
from microcircuit.analysis.figures.segregated_traces import segregated_traces_figure
from microcircuit.analysis.figures.self_prediction import self_prediction_figure
from microcircuit.analysis.figures.spiking_convergence import spiking_convergence_figure
from microcircuit.analysis.figures.study import Columns, study_figure
from microcircuit.analysis.figures.style import Picture, paper_style
from microcircuit.results import Results

FIGURES: dict[str, Callable[[Results], Picture]] = {
    "self-prediction": self_prediction_figure,
    "lif": lif_figure,
    "association": association_figure,
    "regression": regression_figure,
    "bars": bars_figure,
    "alignment": alignment_figure,
    "spiking-convergence": spiking_convergence_figure,
    "segregated-mnist": segregated_mnist_figure,
    "segregated-traces": segregated_traces_figure,
    "denoising": denoising_figure,
    "generation": generation_figure,
    "rules": rules_figure,
    "mnist": mnist_figure,
}
"""By the protocol's name."""


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
    name = results.config["protocol"]["name"]
    # Without all records and metrics a run has no result, but it may be seen what went wrong.
    own = FIGURES.get(name) if results.status == "complete" else None
    with paper_style():
        picture = (own or general_figure)(results)
        return [save(picture, folder, name)]


def draw_comparison(
    groups: Sequence[Group], folder: str | Path, rules: Sequence[RuleAngle] = ()
) -> Drawn:
    """Draw a comparison into a folder, as ``compare``; see `comparison_figure`."""
    with paper_style():
        return save(comparison_figure(groups, rules), folder, "compare")


def draw_study(
    table: Columns,
    folder: str | Path,
    *,
    parameters: Sequence[str],
    metrics: Sequence[str],
    metric: str | None,
    against: Sequence[str],
) -> Drawn:
    """Draw a figure of a study into its folder; see `study_figure` for all but the folder."""
    with paper_style():
        picture = study_figure(
            table, parameters=parameters, metrics=metrics, metric=metric, against=against
        )
        return save(picture, folder, "study")
