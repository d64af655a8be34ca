"""The tables of a comparison, on the terminal and in files."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from microcircuit.analysis.bootstrap import CONFIDENCE, Band
from microcircuit.analysis.comparison import MEASURES, Group
from microcircuit.analysis.tables import latex, markdown

NOTHING = "-"
NO_TEACHER = "no teacher"
RATIOS = "cosine to backprop", "norm over backprop's", "signs as backprop's"
"""Measures that are no angles."""

EXPLANATION = (
    "At each snapshot of the weights the circuit's own updates, at its fixed point and without "
    "noise, are compared with those of backprop and of feedback alignment on the same weights and "
    "patterns: the mean over patterns.",
    "The mean update is the one over all these patterns. Forward weights are those into the next "
    "area, against the transposed feedback from there. The change is that of the weights since the "
    "snapshot before, against backprop's sum over the patterns stored with that one.",
)


class Table(NamedTuple):
    """A group of runs at its first, middle and last snapshot.

    Attributes
    ----------
    title : str
        The group's name, and its seeds.
    head : sequence of str
        Names of the columns.
    rows : sequence of sequences of str
        A row for each area and measure.
    notes : sequence of str
        What is particular about these runs, in sentences.
    """

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str]


def table(group: Group) -> Table:
    """Return the table of a group."""
    first = group.first
    last = len(first.presentations) - 1
    shown = sorted({0, last // 2, last})
    heads = [f"after {first.presentations[s]:,}" for s in shown]
    bands = {measure: group.band(measure) for measure in MEASURES}
    rows = []
    for k, area in enumerate(first.areas):
        for measure, band in bands.items():
            cells = [_cell(measure, band, s, k) for s in shown]
            if measure == MEASURES[0]:
                # Said once, and of the others nothing, where there is nothing to compare.
                taught = [any(run.taught[s] for run in group.runs) for s in shown]
                cells = [c if t else NO_TEACHER for c, t in zip(cells, taught, strict=True)]
            if set(cells) != {NOTHING}:
                rows.append([area, measure, *cells])
    seeds = ", ".join(str(run.seed) for run in group.runs)
    title = f"{group.name}; seed{'s' * (len(group.runs) > 1)} {seeds}"
    return Table(title, ("area", "measure", *heads), rows, _notes(group))


def texts(tables: Sequence[Table]) -> dict[str, str]:
    """Return tables as the contents of ``compare.md`` and ``compare.tex``."""
    sections = [
        f"## {made.title}\n\n{markdown(made.head, made.rows)}\n\n"
        + "\n".join(f"- {note}" for note in made.notes)
        for made in tables
    ]
    tabulars = [f"% {made.title}\n{latex(made.head, made.rows)}" for made in tables]
    return {
        "compare.md": "\n\n".join(["# Weight updates of circuits", *EXPLANATION, *sections]),
        "compare.tex": "\n\n".join(tabulars),
    }


def _cell(measure: str, band: Band, snapshot: int, area: int) -> str:
    mean, low, high = (values[snapshot, area] for values in band)
    if not np.isfinite(mean):
        return NOTHING
    digits, unit = (3, "") if measure in RATIOS else (1, "°")
    interval = f" [{low:.{digits}f}, {high:.{digits}f}]" if np.isfinite(low) else ""
    return f"{mean:.{digits}f}{unit}{interval}"


def _notes(group: Group) -> list[str]:
    shown, taught, settled = (
        sum(int(getattr(run, count).sum()) for run in group.runs)
        for count in ("shown", "taught", "settled")
    )
    snapshots = len(group.first.presentations)
    notes = [f"{group.first.shown[0]} patterns at each of {snapshots} snapshots."]
    if len(group.runs) > 1:
        notes.append(
            f"Means over seeds, in brackets their {CONFIDENCE:.0%} bootstrap confidence intervals."
        )
    if not taught:
        notes.append("No teacher: without an error there is no backprop update to compare with.")
    elif taught < shown:
        notes.append(f"{shown - taught} of {shown} patterns have no teacher and are left out.")
    if settled < taught:
        notes.append(
            f"The circuit has no fixed point for {taught - settled} of {taught} patterns with a "
            "teacher; they are left out."
        )
    return [*notes, *group.first.notes]
