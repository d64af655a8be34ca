"""What recorded traces of segregated dendrites say phase by phase: plateaus and firing rates."""

from typing import NamedTuple

import numpy as np

from microcircuit.results import Results

PER_IMAGE = 2
"""Phases of an image, each a presentation: forward, then target."""
SECOND = 1e3
"""In ms, as times are stored."""


class Phases(NamedTuple):
    """When phases were, in ms, one after the other.

    Attributes
    ----------
    start, end : array [phase]
        Forward and target phases take turns.
    """

    start: np.ndarray
    end: np.ndarray

    @property
    def duration(self) -> float:
        """From the first to the last, in ms."""
        return float(self.end[-1] - self.start[0])


def setting(results: Results, name: str) -> float:
    """Return a parameter of the model in ms or per ms.

    Raises
    ------
    ValueError
        It is stored in another unit.
    """
    number, _, unit = results.config["model"][name].partition(" ")
    if unit not in ("ms", "/ms"):
        raise ValueError(f"model.{name} is stored in {unit!r}, not in ms or /ms")
    return float(number)


def phases(results: Results, images: int) -> Phases:
    """Return the phases of the first so many images; their potentials are there in every step."""
    record = results.record("output", "v_soma")
    time = np.append(record.time, record.time[-1] + setting(results, "dt"))
    edges = time[np.flatnonzero(np.diff(record.index, prepend=-1, append=-1))]
    edges = edges[: PER_IMAGE * images + 1]
    return Phases(edges[:-1], edges[1:])


def traces(results: Results, population: str, name: str, images: int) -> np.ndarray:
    """Return potentials [step, neuron] while the first so many images are shown."""
    record = results.record(population, name)
    steps = int(np.searchsorted(record.index, PER_IMAGE * images))
    return record[:steps, 0, 0].astype(float)


def taught(results: Results, images: int) -> np.ndarray:
    """Return which output neurons are pushed up in target phases, [image, neuron]."""
    excitation = results.stimulus("output", "g_excitatory")[0, :, 0, 0]
    return excitation[1 : PER_IMAGE * images : PER_IMAGE] > 0


def plateaus(results: Results, images: int) -> np.ndarray:
    """Return the plateau potentials [phase, neuron] of hidden layer 1 for the first so many images.

    They are the logistic function of the mean apical potential over the last stretch of a phase,
    `averaging`, or over one that ends earlier where plateaus come before the phase's end.
    """
    dt = setting(results, "dt")
    window = round(setting(results, "averaging") / dt)
    index = results.record("hidden_1", "v_apical").index
    apical = traces(results, "hidden_1", "v_apical", images)
    found = np.empty((PER_IMAGE * images, apical.shape[1]))
    for phase, lags in enumerate(_lags(results, apical.shape[1])[: len(found)]):
        # Of each neuron its own stretch, [step, neuron].
        ends = np.searchsorted(index, phase + 1) - np.round(lags / dt).astype(int)
        rows = ends - np.arange(1, window + 1)[:, None]
        mean = np.take_along_axis(apical, rows, axis=0).mean(axis=0)
        found[phase] = 1 / (1 + np.exp(-mean))
    return found


def _lags(results: Results, neurons: int) -> np.ndarray:
    """Return by how many ms plateaus come before the end of the phases, [phase, neuron]."""
    if ("hidden_1", "plateau_lag") in results.stimuli():
        return SECOND * results.stimulus("hidden_1", "plateau_lag")[0, :, 0, 0]
    shown = results.stimulus("input", "pattern").shape[1]
    return np.zeros((shown, neurons))


def mean_rates(results: Results, population: str, images: int) -> np.ndarray:
    """Return the rate of every neuron in Hz, a mean over the first so many images.

    From the spikes; from the potential of the soma where signals are rates.
    """
    shown = phases(results, images)
    if population in results.spiking():
        spikes = results.spikes(population)
        inside = spikes.index[spikes.time < shown.end[-1]]
        return SECOND * np.bincount(inside, minlength=_size(results, population)) / shown.duration
    v_soma = traces(results, population, "v_soma", images)
    return (SECOND * setting(results, "rate_max") / (1 + np.exp(-v_soma))).mean(axis=0)


def _size(results: Results, population: str) -> int:
    """Return the number of neurons, from the weights that they have."""
    if population == "input":
        return results.weights("bottom_up_1").shape[3]
    layers = len(results.config["model"]["hidden"])
    layer = layers + 1 if population == "output" else int(population.rpartition("_")[2])
    return results.weights(f"bottom_up_{layer}").shape[2]
