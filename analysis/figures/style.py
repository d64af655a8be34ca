"""How all figures look: page sizes, the style sheet, panel letters and the way numbers are said."""

import string
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from importlib.resources import as_file, files
from types import MappingProxyType
from typing import NamedTuple

from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import (
    EngFormatter,
    FuncFormatter,
    LogLocator,
    MaxNLocator,
    NullFormatter,
)

SINGLE, DOUBLE = 89.0, 183.0
"""Widths of one and of two columns of a journal, in mm."""
MM_PER_INCH = 25.4

GREY = "0.55"
"""For what is there for comparison."""
SHADE = "0.94"
"""For stretches of time."""

SPARE = 1.2
"""Room for a legend over its height: for the space around it, and as the layout is not final."""
FEW = 100.0
"""Values that span a smaller factor have few powers of ten among them, or none."""

SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


class Picture(NamedTuple):
    """A figure and what it shows, not yet in a file."""

    figure: Figure
    caption: str
    texts: Mapping[str, str] = MappingProxyType({})
    """Tables and the like that belong to it, by the names of their files."""


def paper_style() -> AbstractContextManager[None]:
    """Return a context with the style of the one sheet, whatever the user's own settings are."""
    with as_file(files("microcircuit.analysis") / "paper.mplstyle") as sheet:
        return style.context(sheet, after_reset=True)


def page(width: float, height: float) -> Figure:
    """Return an empty figure; its size is in mm."""
    return Figure(figsize=(width / MM_PER_INCH, height / MM_PER_INCH))


def count_axis(axes: Axes, label: str) -> None:
    """Label a linear x axis that counts; ticks are whole numbers such as 500, 20k or 10M."""
    axes.set_xlabel(label)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))


def plain_ticks(axes: Axes) -> None:
    """Label a logarithmic y axis with numbers such as 0.5, 1, 2, 5 and 10."""
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def plain_ticks_if_few(axes: Axes) -> None:
    """Label a logarithmic y axis as `plain_ticks` does where it has hardly a power of ten."""
    low, high = axes.get_ylim()
    if high < FEW * low:
        plain_ticks(axes)


def explain(axes: Axes, *, below: bool = False, ncols: int = 1, markerscale: float = 1.0) -> None:
    """Put a legend above or below all that is drawn, with room of its own on the y axis.

    Parameters
    ----------
    axes : Axes
        Where all is drawn, and the scale is set.
    below : bool, optional
        Not above.
    ncols : int, optional
        Columns of the legend.
    markerscale : float, optional
        Size of its markers, relative to those that are drawn.
    """
    legend = axes.legend(
        loc="lower left" if below else "upper left", ncols=ncols, markerscale=markerscale
    )
    share = SPARE * legend.get_window_extent().height / axes.get_window_extent().height
    scale = axes.yaxis.get_transform()
    low, high = scale.transform(axes.get_ylim())
    room = (high - low) * share / (1 - share)
    ends = (low - room, high) if below else (low, high + room)
    axes.set_ylim(*scale.inverted().transform(ends))


def reference_line(axes: Axes, y: float, label: str) -> None:
    """Draw a horizontal line to compare with."""
    axes.axhline(y, color=GREY, linestyle="--", linewidth=0.8, zorder=0, label=label)


def letter(panels: Iterable[Axes]) -> None:
    """Put the letters a, b, c, ... on panels."""
    for axes, name in zip(panels, string.ascii_lowercase, strict=False):
        axes.set_title(name, loc="left", fontweight="bold", fontsize=9)


def number(value: float) -> str:
    """Return a number with three digits, as a text says it: 0.0123 or 4.56 × 10⁻⁷."""
    if value == 0 or 1e-3 <= abs(value) < 1e6:
        return f"{float(f'{value:.3g}'):,.12g}"
    mantissa, exponent = f"{value:.2e}".split("e")
    return f"{mantissa} \N{MULTIPLICATION SIGN} 10{str(int(exponent)).translate(SUPERSCRIPTS)}"


def changed(ratio: float) -> str:
    """Return what became of a value, from its first over its last: ``falls 13-fold``."""
    verb, fold = ("falls", ratio) if ratio >= 1 else ("rises", 1 / ratio)
    return f"{verb} {fold:,.0f}-fold" if fold >= 10 else f"{verb} {fold:.2g}-fold"


def counted(count: int, noun: str) -> str:
    """Return a count with its noun, such as ``1,000 presentations``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def listed(items: list[str]) -> str:
    """Return words as a text lists them: ``a, b and c``."""
    return " and ".join([", ".join(items[:-1]), items[-1]] if len(items) > 1 else items)
