"""Spikes and traces of a run as Neo objects, and in a file of Neo's; with the extra `spikes`.

Times are those of the run, from its start at 0 to the end of its last presentation.
"""

from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np

from microcircuit.analysis.spike_files import SpikeError, missing_extra, new_file, spiking
from microcircuit.results import Record, Results

try:
    import neo
    import quantities as pq
except ImportError as error:
    raise missing_extra(error) from error

DIGITS = 9
"""Of times in ms: steps times dt, such as 0.30000000000000004 ms, become what they stand for."""


class Shown(NamedTuple):
    """When presentations were, in ms, one after the other.

    Attributes
    ----------
    start, end : array [presentation]
        The first starts with the run.
    """

    start: np.ndarray
    end: np.ndarray


def traces(results: Results) -> list[tuple[str, str]]:
    """List the traces, as ``(population, variable)``: records with samples in time."""
    return [key for key in results.records() if results.record(*key).dimensions[0] == "time"]


def presentations(results: Results) -> Shown:
    """Return when presentations were, as means over presentations were taken at their ends.

    Raises
    ------
    SpikeError
        There is no such record.
    """
    for key in results.records():
        record = results.record(*key)
        if record.dimensions[0] == "presentation" and len(record.time):
            end = np.round(record.time, DIGITS)
            return Shown(np.append(0.0, end[:-1]), end)
    raise SpikeError(f"{results.path} does not say when presentations ended: it holds no means")


def spike_trains(results: Results, population: str) -> list[neo.SpikeTrain]:
    """Return the spikes of each neuron, in ms.

    A neuron that spiked several times in a step has that time as often.

    Parameters
    ----------
    results : Results
        Of a run.
    population : str
        Whose spikes were recorded.

    Returns
    -------
    list of neo.SpikeTrain
        In the order of neurons, with annotations ``population`` and ``neuron``.

    Raises
    ------
    ResultsError
        Its spikes were not recorded.
    """
    spikes, stop = results.spikes(population), float(presentations(results).end[-1])
    time = np.round(spikes.time, DIGITS)
    during = time < stop  # a run that diverged may have spikes in a presentation that has no end
    time, index = time[during], spikes.index[during]
    order = np.argsort(index, kind="stable")
    edges = np.searchsorted(index[order], np.arange(1, spikes.neurons))
    return [
        neo.SpikeTrain(
            own,
            units="ms",
            t_start=0.0,
            t_stop=stop,
            name=f"{population} {neuron}",
            population=population,
            neuron=neuron,
        )
        for neuron, own in enumerate(np.split(time[order], edges))
    ]


def trace(results: Results, population: str, variable: str) -> neo.AnalogSignal:
    """Return a recorded trace, of shape [time, neuron], in its unit; times are in ms.

    Raises
    ------
    ResultsError
        There is no such record.
    """
    record = results.record(population, variable)
    return neo.AnalogSignal(
        record[:, 0, 0],
        units=_unit(record),
        t_start=float(record.time[0]) * pq.ms,
        sampling_period=interval(results, record) * pq.ms,
        name=f"{population} {variable}",
        description=record.description,
        population=population,
        array_annotations={"neuron": np.arange(record.shape[-1])},
    )


def interval(results: Results, record: Record) -> float:
    """Return the time between a trace's samples, in ms; of a single one, all the time after it."""
    time = record.time
    if len(time) == 1:
        return float(presentations(results).end[-1] - time[0])
    return float(np.round((time[-1] - time[0]) / (len(time) - 1), DIGITS))


def neo_block(results: Results) -> neo.Block:
    """Return a run as a Neo block.

    Parameters
    ----------
    results : Results
        Of a run with spikes.

    Returns
    -------
    neo.Block
        Its one segment has a spike train for each neuron of each population, an analog signal for
        each trace, and an epoch with the presentations.

    Raises
    ------
    SpikeError
        The run has no spikes.
    """
    config = results.config
    block = neo.Block(
        name=f"{config['protocol']['name']}, seed {config['seed']}",
        description=results.message,
        file_origin=results.path.name,
        rec_datetime=datetime.fromisoformat(results.provenance["started"]),
        protocol=config["protocol"]["name"],
        seed=config["seed"],
    )
    segment = neo.Segment(name="run")
    block.segments.append(segment)
    for population in spiking(results):
        segment.spiketrains.extend(spike_trains(results, population))
    segment.analogsignals.extend([trace(results, *key) for key in traces(results)])
    shown = presentations(results)
    segment.epochs.append(
        neo.Epoch(
            times=shown.start * pq.ms,
            durations=(shown.end - shown.start) * pq.ms,
            labels=[str(number) for number in range(len(shown.start))],
            name="presentations",
        )
    )
    return block


def write_mat(results: Results, path: str | Path) -> None:
    """Write a run as a Neo block in MATLAB's format, which ``neo.io.NeoMatlabIO`` reads.

    Parameters
    ----------
    results : Results
        Of a run with spikes.
    path : path
        Of the new file, ending in ``.mat``.

    Raises
    ------
    SpikeError
        The run has no spikes, or there is such a file already.
    """
    block = neo_block(results)
    with new_file(path, ".mat") as part:
        neo.io.NeoMatlabIO(str(part)).write_block(block)


def _unit(record: Record) -> pq.Quantity:
    # Brian2 writes a product with a space: "V s".
    text = record.units.replace(" ", "*")
    return pq.dimensionless if text == "1" else pq.Quantity(1.0, text)
