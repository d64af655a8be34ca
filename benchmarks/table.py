"""The table of measurements beside peers, limits and targets; every verdict is computed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from benchmarks.timing import Spread, ratio

ABSENT = "not measured"
HEADER = "what", "ours", "peer or ceiling", "ratio", "target", "met?"


@dataclass(frozen=True)
class Target:
    """A bound for a measurement, or for its ratio to a peer.

    Parameters
    ----------
    bound : "at most" or "at least"
        Which side is good.
    value : float
        The bound.
    of : "ours" or "ratio"
        What it is for.
    """

    bound: Literal["at most", "at least"]
    value: float
    of: Literal["ours", "ratio"] = "ours"

    def met_by(self, value: float) -> bool:
        """Return whether a value lies on the good side."""
        return value <= self.value if self.bound == "at most" else value >= self.value


@dataclass(frozen=True)
class Row:
    """A line of the table; measurements are lists with one value a round.

    Parameters
    ----------
    what : str
        What was measured.
    ours : sequence of float or None
        Our measurements; None where there are none.
    unit : str
        Of `ours` and `peer`.
    peer : sequence of float, optional
        What they are compared with.
    peer_name : str
        What that is, or why it is missing.
    percent : bool
        Whether the ratio, peer over ours, is a fraction of a limit and not a factor.
    target : Target, optional
        What is to be reached.
    """

    what: str
    ours: Sequence[float] | None
    unit: str
    peer: Sequence[float] | None = None
    peer_name: str = ""
    percent: bool = False
    target: Target | None = None

    @property
    def ratio(self) -> Spread | None:
        """Peer over ours, round by round."""
        return None if self.ours is None or self.peer is None else ratio(self.peer, self.ours)

    @property
    def verdict(self) -> str:
        """Whether the median meets the target."""
        if self.target is None:
            return ""
        if self.target.of == "ratio":
            found = self.ratio
        else:
            found = None if self.ours is None else Spread.of(self.ours)
        if found is None:
            return ABSENT
        return "yes" if self.target.met_by(found.median) else "**no**"

    def cells(self) -> tuple[str, ...]:
        """Return the texts of the columns in `HEADER`."""
        return (
            self.what,
            ABSENT if self.ours is None else f"{spread(Spread.of(self.ours))} {self.unit}".strip(),
            self._peer_cell(),
            "" if self.ratio is None else self._ratio_text(self.ratio),
            self._target_cell(),
            self.verdict,
        )

    def _peer_cell(self) -> str:
        if self.peer is None:
            return self.peer_name
        return f"{self.peer_name} {spread(Spread.of(self.peer))} {self.unit}".strip()

    def _ratio_text(self, value: Spread) -> str:
        if self.percent:
            return f"{spread(Spread(100 * value.median, 100 * value.low, 100 * value.high))} %"
        return f"{spread(value)} x"

    def _target_cell(self) -> str:
        if self.target is None:
            return ""
        value, unit = self.target.value, self.unit
        if self.target.of == "ratio":
            value, unit = (100 * value, "%") if self.percent else (value, "x")
        return f"{self.target.bound} {number(value)} {unit}".strip()


def number(value: float) -> str:
    """Return a number with three digits that count."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def spread(values: Spread) -> str:
    """Return a median with its range in brackets."""
    return f"{number(values.median)} ({number(values.low)}-{number(values.high)})"


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
