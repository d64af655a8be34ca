"""Which points of a study go together: what runs must have in common to share a program."""

import hashlib
import json
from dataclasses import dataclass

from microcircuit.computation import Computation
from microcircuit.config import Config
from microcircuit.experiment import Experiment, Probe
from microcircuit.recorder import record_width, rows
from microcircuit.records import Mean, Record, Spikes, Trace
from microcircuit.replicates import structure_key
from microcircuit.simulation import DeviceSettings, structure_of
from microcircuit.structure import Structure
from microcircuit.work import Work

DIGITS = 16
"""Of a digest, in base 16."""


@dataclass(frozen=True, kw_only=True)
class Kinship:
    """What tells which points go together, and how much work they are.

    Parameters
    ----------
    group, program, presentations, replicates, synapses, steps
        See `microcircuit.study.plan.Point`.
    """

    group: str
    program: str
    presentations: int
    replicates: int
    synapses: int
    steps: int


def kinship_of(work: Work, config: Config) -> Kinship:
    """Return the kinship of a run; those of one combination, with other seeds, have the same.

    Parameters
    ----------
    work : Experiment or Computation
        What is run.
    config : Config
        Its configuration.
    """
    if isinstance(work, Computation):
        # Computed one by one; of size nothing is known but the number of chunks.
        return Kinship(
            group=digest(config.protocol),
            program="",
            presentations=work.total,
            replicates=1,
            synapses=1,
            steps=work.total,
        )
    device = config.sections["device"]
    structure = structure_of(work, device.precision)
    return Kinship(
        group=digest(_group_key(work, structure, device)),
        program=digest(_program_key(structure, device)),
        presentations=work.schedule.presentations,
        replicates=work.circuit.replicates,
        synapses=_synapses(work),
        steps=_steps(work),
    )


def digest(content: object) -> str:
    """Return a short hash of plain data."""
    text = json.dumps(content, sort_keys=True, default=repr)
    return hashlib.sha256(text.encode()).hexdigest()[:DIGITS]


def _record_key(record: Record) -> tuple:
    if isinstance(record, Spikes):
        return type(record).__name__, record.name, record.population, ""
    times = (record.interval,) if isinstance(record, Trace) else (record.last,)
    exact = tuple(None if time is None else float(time) for time in times)
    across = isinstance(record, Mean) and record.across_neurons
    names = type(record).__name__, record.name, record.population, record.expression
    return *names, exact, across, isinstance(record, Mean) and record.probes_only


def _probe_key(probe: Probe) -> tuple:
    overrides = sorted((key, float(value)) for key, value in probe.parameters.items())
    shown = probe.schedule.presentations, probe.schedule.longest
    return probe.name, probe.at, *shown, overrides, probe.records


def _group_key(experiment: Experiment, structure: Structure, device: DeviceSettings) -> tuple:
    """Return what runs must have in common to go through a program in lockstep."""
    schedule = experiment.schedule
    return (
        (structure_key(experiment.circuit), schedule.inputs, schedule.presentations),
        (experiment.longest, experiment.snapshots, experiment.live),
        tuple(map(_record_key, experiment.records)),
        tuple(map(_probe_key, experiment.probes)),
        (device.name, device.precision),
    )


def _program_key(structure: Structure, device: DeviceSettings) -> tuple:
    """Return what generated code depends on: not on times, bounds and windows, which are values."""
    populations, projections, *sizes = structure_key(structure.circuit)
    shapes = [
        (*rest, rule and (*rule[:2], *(value is None for value in rule[2:5]), rule[5]))
        for *rest, rule in projections
    ]
    records = [
        (_record_key(r)[:4], record_width(r, structure), rows(r, structure))
        for r in structure.records
    ]
    return (
        (populations, shapes, sizes, structure.inputs, records),
        (structure.longest, structure.capacity, structure.precision, device.name),
    )


def _synapses(experiment: Experiment) -> int:
    circuit = experiment.circuit
    each = sum(
        projection.weights.shape[-1] * projection.weights.shape[-2]
        for projection in circuit.projections
    )
    return circuit.replicates * max(1, each)


def _steps(experiment: Experiment) -> int:
    schedules = [experiment.schedule, *(p.schedule for p in experiment.probes for _ in p.at)]
    return sum(schedule.presentations * schedule.longest for schedule in schedules)
