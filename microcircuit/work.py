"""What a configuration asks for, whichever kind it is: a circuit's experiment or a computation.

The one part of the engine that knows the difference; it imports each kind where it is needed.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from microcircuit.config import Config

if TYPE_CHECKING:
    from microcircuit.computation import Computation
    from microcircuit.experiment import Experiment
    from microcircuit.results import Results
    from microcircuit.run import ProgressDisplay

type Work = "Experiment | Computation"
"""Both have a ``total`` of what their ``noun`` says."""


def work_of(plan: Config) -> Work:
    """Return what a configuration describes.

    Raises
    ------
    CircuitError
        It makes no sense, or its device can't run it.
    """
    given = {name: plan.sections[name] for name in ("model", "data") if name in plan.sections}
    work: Work = plan.sections["protocol"].experiment(**given, seed=plan.seed)
    from microcircuit.devices import DEVICES
    from microcircuit.experiment import Experiment

    if isinstance(work, Experiment):
        DEVICES[plan.sections["device"].name].check(work.circuit)
    return work


def carry_out(
    plan: Config, work: Work, *, output: Path, resume: bool, progress: "ProgressDisplay"
) -> "Results":
    """Run it into a folder; see `simulate` and `compute`."""
    from microcircuit.computation import Computation, compute
    from microcircuit.simulation import simulate

    engine = compute if isinstance(work, Computation) else simulate
    return engine(**plan.sections, seed=plan.seed, output=output, resume=resume, progress=progress)


def seconds_needed(plan: Config, work: Work) -> tuple[float, float]:
    """Measure on this machine; return the seconds for all of it, and for each presentation."""
    from microcircuit.computation import Computation, seconds_per_chunk
    from microcircuit.simulation import seconds_per_presentation

    if isinstance(work, Computation):
        each = seconds_per_chunk(work)
        return each * work.total, each
    each = seconds_per_presentation(work, plan.seed, plan.sections["device"])
    tests = sum(len(probe.at) * probe.schedule.presentations for probe in work.probes)
    return each * (work.total + tests), each
