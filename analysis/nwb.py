"""Export of a run to a file in the format Neurodata Without Borders; with the extra `spikes`.

Where things go:

- the table ``units`` has a row for each neuron of each population with spikes;
- ``acquisition`` has the traces, as ``<population>_<variable>``, in the unit in which they were
  recorded;
- the table ``trials`` has the presentations;
- ``scratch`` has the run's configuration and provenance, as JSON;
- ``was_generated_by`` has the software that made the run, and this file, with versions.

Times are in seconds from the start of the run, in simulated time. The time at which the session
started is when the run began.
"""

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

import numpy as np

from microcircuit.analysis.spike_files import missing_extra, new_file, spiking
from microcircuit.analysis.trains import (
    interval,
    presentations,
    spike_trains,
    traces,
)
from microcircuit.results import Results

try:
    import pynwb
except ImportError as error:
    raise missing_extra(error) from error

MILLISECOND = 1e-3
"""In seconds: NWB's unit of time, and that of runs."""


def write_nwb(results: Results, path: str | Path, *, papers: Sequence[str] = ()) -> None:
    """Write a run to an NWB file.

    Parameters
    ----------
    results : Results
        Of a run with spikes.
    path : path
        Of the new file, ending in ``.nwb``.
    papers : sequence of str, optional
        DOIs of the model, such as ``"doi:10.48550/arXiv.1810.11393"``: ``related_publications``.

    Raises
    ------
    SpikeError
        The run has no spikes, or there is such a file already.
    """
    file = _session(results, papers)
    _add_units(file, results)
    for key in traces(results):
        file.add_acquisition(_series(results, *key))
    _add_trials(file, results)
    with new_file(path, ".nwb") as part, pynwb.NWBHDF5IO(part, "w") as io:
        io.write(file)


def _session(results: Results, papers: Sequence[str]) -> pynwb.NWBFile:
    config, provenance = results.config, results.provenance
    protocol = config["protocol"]["name"]
    file = pynwb.NWBFile(
        session_description=(
            f"Simulation of a cortical microcircuit: {protocol}, seed {config['seed']}, "
            f"{results.status}, {results.message}"
        ),
        identifier=_identifier(results),
        session_start_time=datetime.fromisoformat(provenance["started"]),
        protocol=protocol,
        related_publications=list(papers) or None,
        was_generated_by=[
            ("dendritic-microcircuit", provenance["package_version"]),
            ("Brian2", provenance["brian2_version"]),
            ("PyNWB", pynwb.__version__),
        ],
    )
    for name, content in (("config", config), ("provenance", provenance)):
        file.add_scratch(json.dumps(content), name=name, description=f"{name} of the run, as JSON")
    return file


def _identifier(results: Results) -> str:
    """Return the same identifier for each export of a run, and another for each other run."""
    known = [results.config, results.provenance, float(results.attributes["wall_seconds"])]
    return str(uuid5(NAMESPACE_URL, json.dumps(known, sort_keys=True)))


def _add_units(file: pynwb.NWBFile, results: Results) -> None:
    file.add_unit_column("population", "name of the neuron's population")
    file.add_unit_column("neuron", "number of the neuron in its population, from 0")
    observed = np.array([[0.0, presentations(results).end[-1] * MILLISECOND]])
    for population in spiking(results):
        for neuron, train in enumerate(spike_trains(results, population)):
            file.add_unit(
                spike_times=train.magnitude * MILLISECOND,
                obs_intervals=observed,
                population=population,
                neuron=neuron,
            )


def _series(results: Results, population: str, variable: str) -> pynwb.TimeSeries:
    record = results.record(population, variable)
    return pynwb.TimeSeries(
        name=f"{population}_{variable}",
        data=pynwb.H5DataIO(record[:, 0, 0], compression="gzip"),
        unit="dimensionless" if record.units == "1" else record.units,
        starting_time=float(record.time[0]) * MILLISECOND,
        rate=1 / (interval(results, record) * MILLISECOND),
        description=f"{record.description}; of {population}, [time, neuron]",
    )


def _add_trials(file: pynwb.NWBFile, results: Results) -> None:
    shown = presentations(results)
    file.add_trial_column("presentation", "number of the presentation, from 0")
    for number, (start, end) in enumerate(zip(shown.start, shown.end, strict=True)):
        file.add_trial(
            start_time=start * MILLISECOND, stop_time=end * MILLISECOND, presentation=number
        )
