"""An experiment as data: a circuit, what it is shown, what is recorded and what is made of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

import numpy as np
from brian2 import second

from microcircuit.checks import check_name, steps
from microcircuit.circuit import Circuit, CircuitError
from microcircuit.naming import unknown
from microcircuit.records import Mean, Record, check_records
from microcircuit.results import Metric, Results
from microcircuit.schedule import Schedule


@dataclass(frozen=True, kw_only=True)
class Probe:
    """Tests of a circuit while it learns, on a copy: nothing of the run itself changes.

    The copy has the weights of the moment and starts from the circuit's initial potentials.
    Its weights are frozen. What `Mean` records of the experiment see is stored in
    ``/probes/<name>/<population>/<record>``.

    Parameters
    ----------
    name : str
        Of the probe.
    schedule : Schedule
        What is shown; sets the same variables as the experiment's schedule.
    at : tuple of int
        After how many presentations of the run, ascending.
    parameters : mapping of str to float, optional
        Values in SI units that replace ``"population.parameter"``, such as noise of zero.
    records : tuple of str, optional
        ``"population.record"`` of those whose means are stored; all of them if not given. A test
        of many images takes much room.
    """

    name: str
    schedule: Schedule
    at: tuple[int, ...]
    parameters: Mapping[str, float] = field(default_factory=dict)
    records: tuple[str, ...] | None = None

    def stores(self, record: Mean) -> bool:
        """Tell whether it stores what a record sees."""
        return self.records is None or record.key in self.records


def no_metrics(results: Results) -> Mapping[str, Metric]:
    """Return no metrics."""
    return {}


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """All that the engine needs to know of a protocol.

    Parameters
    ----------
    circuit : Circuit
        What is simulated.
    schedule : Schedule
        What it is shown.
    records : tuple of Record
        What is recorded.
    live : str
        ``"population.record"``: the `Mean` across neurons whose value the progress bar shows.
    snapshots : tuple of int
        After how many presentations the weights are stored, ascending.
    probes : tuple of Probe
        Tests on the side.
    metrics : callable
        From the finished records to numbers, stored in ``/metrics``.

    Raises
    ------
    CircuitError
        Parts that don't fit together.
    """

    circuit: Circuit
    schedule: Schedule
    records: tuple[Record, ...]
    live: str
    snapshots: tuple[int, ...]
    probes: tuple[Probe, ...] = ()
    metrics: Callable[[Results], Mapping[str, Metric]] = no_metrics

    noun: ClassVar[str] = "presentations"
    """What a run of it counts."""

    def __post_init__(self) -> None:
        """Validate; see `Raises`."""
        self.schedule.check(self.circuit)
        check_records(self.records, self.circuit)
        means = {r.key: r for r in self.records if isinstance(r, Mean)}
        lasting = [key for key, r in means.items() if not r.probes_only]
        if self.live not in lasting:
            raise CircuitError(unknown("live record", self.live, lasting))
        for probe in self.probes:
            check_name("probe", probe.name)
            probe.schedule.check(self.circuit)
            if probe.schedule.inputs != self.schedule.inputs:
                raise CircuitError(f"probe {probe.name!r} sets other inputs than the experiment")
            for key in probe.parameters:
                population, _, name = key.partition(".")
                if name not in self.circuit.population(population).parameters:
                    raise CircuitError(f"probe {probe.name!r}: {key!r} is no parameter")
            for key in probe.records or ():
                if key not in means:
                    raise CircuitError(f"probe {probe.name!r}: {unknown('record', key, means)}")
        self._check_windows()
        for positions in (self.snapshots, *(probe.at for probe in self.probes)):
            if list(positions) != sorted(set(positions)) or not all(
                0 <= p <= self.schedule.presentations for p in positions
            ):
                raise CircuitError(
                    f"positions must ascend within 0..{self.schedule.presentations}: {positions}"
                )

    def _check_windows(self) -> None:
        for projection in self.circuit.projections:
            window = projection.rule and projection.rule.window
            if not window:
                continue
            start, stop = window
            first = steps(start, self.circuit.dt) if start > 0 * second else 0
            steps(stop, self.circuit.dt)
            if first >= self.schedule.longest:
                raise CircuitError(
                    f"projection {projection.name!r}: the learning window opens at {start}, after "
                    "the end of every presentation: it would never learn"
                )

    @property
    def total(self) -> int:
        """Presentations in all."""
        return self.schedule.presentations

    @property
    def longest(self) -> int:
        """Most time steps in a presentation of the run or of a probe."""
        return max(s.longest for s in (self.schedule, *(p.schedule for p in self.probes)))


class ProtocolParameters(Protocol):
    """What every protocol is: validated parameters that make an experiment of a model."""

    name: str
    """As on the command line."""

    experiment: Callable[..., Experiment]
    """From the model, the data if it shows any, and the seed of weights and stimuli."""


def evenly(presentations: int, count: int) -> tuple[int, ...]:
    """Return at most `count` + 1 positions, evenly spaced from 0 to `presentations`."""
    return tuple(int(p) for p in np.unique(np.linspace(0, presentations, count + 1).round()))
