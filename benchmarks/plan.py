"""What is measured, and in which order: what is compared is measured one after the other."""

from collections.abc import Mapping
from typing import Literal, Protocol

from benchmarks import nest_peer
from benchmarks.ceilings import BandwidthCase, ProductCase
from benchmarks.circuits import MNIST_VARIANTS, CircuitCase, Setup
from benchmarks.nest_peer import NestCase
from benchmarks.projection import Projection, ProjectionCase, Rule, StepsCase
from benchmarks.results import About
from microcircuit.structure import DTYPES

REFERENCE = 784, 500
"""Inputs and neurons of the projection that the targets are about: a first area on MNIST."""
SQUARES = 32, 64, 128, 256, 512, 1024, 2048, 4096
BATCHES = 3, 10, 30, 100
REPLICATES = 2, 4, 8, 16
SMALL = 32, 32
"""A projection for which the fixed cost of a step counts, as it does for small circuits."""
FACTORS = 0.25, 0.5, 1.0, 2.0, 4.0
"""Of the number of steps of the reference projection."""
NEST_STEPS = 250

PARTS = "sizes", "rules", "batch", "replicates", "steps", "nest", "circuits"


class Case(Protocol):
    """Something to be measured."""

    kind: str
    label: str

    @property
    def about(self) -> About:
        """What sets it apart from others of its kind."""

    @property
    def details(self) -> Mapping[str, int | float | str]:
        """How it is measured, and a check of what is computed."""

    def prepare(self) -> None:
        """Compile; may run beside others."""

    def calibrate(self) -> None:
        """Find out how much to do in a measurement, once all that is compiled stands still."""

    def measure(self) -> float:
        """Return CPU seconds of a step, or whatever is the unit of work."""


class Plan:
    """The cases of a run.

    Parameters
    ----------
    parts : set of str
        Some of `PARTS`.
    quick : bool
        A few sizes only.
    budget : float
        CPU seconds of a measurement.
    nest_python : str or None
        The interpreter that has NEST; this one if None.

    Attributes
    ----------
    cases : list of Case
        In the order in which they are measured.
    missing : dict
        Why a part can't be measured, by kind.
    """

    def __init__(
        self, parts: set[str], *, quick: bool, budget: float, nest_python: str | None
    ) -> None:
        self._quick, self._budget = quick, budget
        self._cases: dict[str, Case] = {}
        self.missing: dict[str, str] = {}
        self._reference = self._projection(*REFERENCE)
        if "steps" in parts:
            for factor in FACTORS:
                self._add(StepsCase(self._reference, factor))
        if "nest" in parts:
            self._nest(nest_python)
        if "rules" in parts:
            self._rules()
        if "batch" in parts:
            self._batches()
        if "replicates" in parts:
            self._replicates()
        if "sizes" in parts:
            self._sizes()
        if "circuits" in parts:
            self._circuits()

    @property
    def cases(self) -> list[Case]:
        """All cases, none twice."""
        return list(self._cases.values())

    def _add(self, case: Case) -> None:
        self._cases.setdefault(case.label, case)

    def _projection(
        self,
        pre: int,
        post: int,
        rule: Rule = "plastic",
        precision: Literal["double", "single"] = "double",
        *,
        stock: bool = False,
        replicates: int = 1,
        batch: int = 1,
    ) -> ProjectionCase:
        """Add a projection of ours, the pass over its memory and, if asked for, stock Brian2's."""
        options = {"replicates": replicates, "batch": batch}
        projection = Projection("ours", pre, post, rule, precision, **options)
        case = ProjectionCase(projection, self._budget)
        self._add(case)
        size, access = memory(projection)
        self._add(BandwidthCase(size, access, self._budget))
        if stock:
            theirs = Projection("stock", pre, post, rule, precision, **options)
            self._add(ProjectionCase(theirs, self._budget))
        return case

    def _sizes(self) -> None:
        shapes = [REFERENCE, *((n, n) for n in (SQUARES[::5] if self._quick else SQUARES))]
        for pre, post in shapes:
            self._projection(pre, post, stock=True)
            self._projection(pre, post, precision="single")

    def _rules(self) -> None:
        rules: tuple[Rule, ...] = ("plastic", "fixed", "filtered")
        for rule in rules[:1] if self._quick else rules:
            self._projection(*REFERENCE, rule, stock=True)
            self._projection(*REFERENCE, rule, "single")

    def _batches(self) -> None:
        for precision in DTYPES:
            self._add(ProductCase(precision))
            for batch in BATCHES[-1:] if self._quick else BATCHES:
                self._projection(*REFERENCE, precision=precision, batch=batch)

    def _replicates(self) -> None:
        for shape in SMALL, REFERENCE:
            for replicates in (1, *(REPLICATES[-1:] if self._quick else REPLICATES)):
                self._projection(*shape, replicates=replicates)

    def _nest(self, python: str | None) -> None:
        reason = "left out by --quick" if self._quick else nest_peer.missing(python)
        if reason is None:
            self._add(NestCase(*REFERENCE, python, NEST_STEPS))
        else:
            self.missing["nest"] = reason

    def _circuits(self) -> None:
        setups = [
            Setup("regression", noisy=noisy, **variant)
            for noisy in (True, False)
            for variant in ({}, {"maker": "stock"}, {"replicates": 16})
        ]
        if not self._quick:
            setups += [Setup("regression", precision="single", replicates=n) for n in (1, 16)]
            for variant in MNIST_VARIANTS:
                setups += [Setup("mnist", **variant, batch=batch) for batch in (1, BATCHES[-1])]
        for setup in setups:
            # Starting up is a part of what is measured and then taken off: it should be small.
            self._add(CircuitCase(setup, 4 * self._budget))


def memory(projection: Projection) -> tuple[int, Literal["read", "update"]]:
    """Return how many bytes a step of a projection must go through, and how.

    A low-passed product is one more number for each weight; a fixed weight is only read.
    """
    numbers = projection.synapses * (2 if projection.rule == "filtered" else 1)
    size = numbers * DTYPES[projection.precision]().itemsize
    return size, "read" if projection.rule == "fixed" else "update"
