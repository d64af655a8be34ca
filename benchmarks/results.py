"""Everything a run of the benchmarks has measured: raw numbers, in one JSON file."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

type About = Mapping[str, int | str | bool]


@dataclass(frozen=True)
class Measurement:
    """One thing that was measured, once a round.

    Parameters
    ----------
    kind : str
        "projection", "steps", "circuit", "bandwidth", "product" or "nest".
    about : mapping
        What sets it apart from others of its kind.
    seconds : list of float
        CPU seconds, one a round: of a step, of all steps ("steps"), of a pass over the memory
        ("bandwidth"), of a floating-point operation ("product").
    details : mapping
        How it was measured, and a check of what was computed.
    """

    kind: str
    about: About
    seconds: list[float]
    details: Mapping[str, int | float | str] = field(default_factory=dict)


@dataclass(frozen=True)
class Results:
    """The measurements of a run, and where they come from.

    Parameters
    ----------
    machine : mapping
        Of `microcircuit.provenance.collect`.
    settings : mapping
        Rounds, and CPU seconds of one measurement.
    measurements : list of Measurement
        All of them.
    missing : mapping
        What could not be measured and why, by kind.
    """

    machine: Mapping[str, int | float | str]
    settings: Mapping[str, int | float | str]
    measurements: list[Measurement]
    missing: Mapping[str, str] = field(default_factory=dict)

    def select(self, kind: str, **about: int | str | bool) -> list[Measurement]:
        """Return the measurements of a kind that agree with `about`, in the order of the run."""
        return [
            m
            for m in self.measurements
            if m.kind == kind and all(m.about.get(key) == value for key, value in about.items())
        ]

    def find(self, kind: str, **about: int | str | bool) -> Measurement | None:
        """Return the first of `select`, if there is any."""
        return next(iter(self.select(kind, **about)), None)

    def save(self, path: Path) -> None:
        """Write everything as JSON."""
        path.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> "Results":
        """Read what `save` has written."""
        content = json.loads(path.read_text(encoding="utf-8"))
        measurements = [Measurement(**m) for m in content.pop("measurements")]
        return cls(measurements=measurements, **content)
