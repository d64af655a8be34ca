"""Statistics of spikes, as Elephant computes them; with the extra `spikes`.

Trains are those of :func:`microcircuit.analysis.trains.spike_trains`: of the neurons of one
population, from the start of a run to its end.
"""

import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from microcircuit.analysis.spike_files import SpikeError, missing_extra, spiking
from microcircuit.analysis.trains import spike_trains
from microcircuit.results import Results

try:
    import neo
    import quantities as pq
    from elephant.conversion import BinnedSpikeTrain
    from elephant.spike_train_correlation import cross_correlation_histogram
    from elephant.sta import spike_triggered_average
    from elephant.statistics import cv, fanofactor, isi, mean_firing_rate
except ImportError as error:
    raise missing_extra(error) from error

WINDOW = 100.0
"""In which spikes are counted for the Fano factor, in ms."""
FEWEST = 3
"""Spikes of a neuron that has a CV: two intervals."""
BIN = 1.0
"""Of correlograms, in ms."""
REACH = 50.0
"""Largest lag of correlograms and of spike-triggered averages, in ms."""
ROUNDING = 1e-9
"""Of times over times that should be whole numbers."""

type Trains = Sequence[neo.SpikeTrain]


class Correlogram(NamedTuple):
    """How often pairs of neurons spike at a lag, as a ratio to chance.

    Attributes
    ----------
    lag : array [lag]
        In ms, the middles of bins. At positive ones the second neuron spikes after the first.
    ratio : array [lag]
        1 for independent neurons with constant rates.
    """

    lag: np.ndarray
    ratio: np.ndarray


class TriggeredAverage(NamedTuple):
    """The mean of a trace about the spikes of the same neurons.

    Attributes
    ----------
    lag : array [lag]
        In ms, after the spike.
    mean : array [lag]
        In the unit of the trace; nan if no spike has enough of the trace about it.
    error : array [lag]
        Its standard error, from how neurons differ; nan for fewer than two with such spikes.
    spikes : int
        Those that have, of all neurons together.
    """

    lag: np.ndarray
    mean: np.ndarray
    error: np.ndarray
    spikes: int


class Summary(NamedTuple):
    """The spikes of a population in numbers; means are over its neurons.

    Attributes
    ----------
    population : str
        Its name.
    neurons, spikes : int
        How many.
    rate : float
        Mean rate in Hz.
    cv, fano : float
        Means of the CV and the Fano factor; nan where no neuron has one.
    cv_neurons, fano_neurons : int
        How many neurons have one.
    windows : int
        In how many windows spikes were counted for the Fano factor.
    """

    population: str
    neurons: int
    spikes: int
    rate: float
    cv: float
    cv_neurons: int
    fano: float
    fano_neurons: int
    windows: int


def rates(trains: Trains) -> np.ndarray:
    """Return the mean rate of each neuron over the run, in Hz, of shape [neuron]."""
    return np.array([mean_firing_rate(train).rescale("Hz").item() for train in trains])


def interval_cvs(trains: Trains) -> np.ndarray:
    """Return the coefficient of variation of each neuron's intervals, of shape [neuron].

    It is 1 for a Poisson process in the limit of many spikes, 0 for a regular train, and nan for a
    neuron with fewer than three spikes. Spikes at the same time are 0 apart.
    """
    return np.array(
        [cv(isi(train.magnitude)) if len(train) >= FEWEST else np.nan for train in trains],
        dtype=float,
    )


def fano_factors(trains: Trains, window: float = WINDOW) -> np.ndarray:
    """Return the variance over the mean of each neuron's counts in successive windows, [neuron].

    The variance is that of the K windows there are, without a correction: of a Poisson process the
    Fano factor is 1 - 1/K on average. What is left after the last whole window does not count.

    Parameters
    ----------
    trains : sequence of neo.SpikeTrain
        Of the neurons.
    window : float, optional
        In ms.

    Returns
    -------
    array [neuron]
        nan for a neuron without spikes, and for all where there are fewer than two windows.
    """
    return np.array([_fano_factor(train, window) for train in trains])


def correlogram(
    trains: Trains, others: Trains | None = None, *, width: float = BIN, reach: float = REACH
) -> Correlogram:
    """Return the mean cross-correlogram of pairs of neurons.

    Coincidences at a lag, summed over all pairs and corrected for the overlap of the trains at that
    lag, over those that independent neurons with these numbers of spikes would have. So pairs count
    as much as they spike.

    Parameters
    ----------
    trains : sequence of neo.SpikeTrain
        Of the first neurons.
    others : sequence of neo.SpikeTrain, optional
        Of the second neurons, of another population. Without them pairs are those of different
        neurons of `trains`.
    width : float, optional
        Of a bin, in ms.
    reach : float, optional
        Largest lag, in ms; a whole number of bins.

    Returns
    -------
    Correlogram
        nan where no two neurons spike.

    Raises
    ------
    SpikeError
        The run is no longer than the largest lag.
    """
    most = round(reach / width)
    bins = _whole(trains[0], width)
    if most >= bins:
        raise SpikeError(f"correlograms up to {reach:g} ms need a longer run than {bins} bins")
    one = _binned(trains, width, bins)
    other = one if others is None else _binned(others, width, bins)
    found = _coincidences(one, other, most)
    chance = float(one.get_num_of_spikes()) * other.get_num_of_spikes()
    if others is None:
        # All pairs but those of neurons with themselves: one sum of N, instead of one of N^2.
        for train in filter(len, trains):
            own = _binned([train], width, bins)
            found -= _coincidences(own, own, most)
            chance -= float(own.get_num_of_spikes()) ** 2
    ratio = found * bins / chance if chance > 0 else np.full(2 * most + 1, np.nan)
    return Correlogram(width * np.arange(-most, most + 1), ratio)


def triggered_average(
    signal: neo.AnalogSignal, trains: Trains, reach: float = REACH
) -> TriggeredAverage:
    """Return the mean of a trace about spikes: each neuron's own trace about its own spikes.

    Parameters
    ----------
    signal : neo.AnalogSignal
        Of shape [time, neuron].
    trains : sequence of neo.SpikeTrain
        Of the same neurons. A spike belongs to the sample that is nearest to it.
    reach : float, optional
        In ms, before and after the spike.

    Returns
    -------
    TriggeredAverage
        Over all spikes with as much of the trace about them.

    Raises
    ------
    SpikeError
        The trace is shorter than what is to be averaged.
    """
    step = float(signal.sampling_period.rescale("ms"))
    most = int(reach / step + ROUNDING)
    count = 2 * most + 1
    if count > len(signal):
        raise SpikeError(f"a trace of {len(signal)} samples is too short to average {count} of it")
    # Elephant rounds times down to samples. In the middle between two they are safe from rounding
    # errors; so is the end, a little before the last sample is over.
    window = (0.5 - most) * step * pq.ms, (most + 0.75) * step * pq.ms
    inside = [
        neo.SpikeTrain(train.magnitude, units="ms", t_start=signal.t_start, t_stop=signal.t_stop)
        for train in trains
    ]
    with warnings.catch_warnings(), np.errstate(invalid="ignore"):
        warnings.simplefilter("ignore")  # about neurons without spikes, which count for nothing
        average = spike_triggered_average(signal, inside, window)
    used = average.annotations["used_spikes"]
    each, shares = average.magnitude[:, used > 0], used[used > 0] / max(1, used.sum())
    lag, unknown = step * np.arange(-most, most + 1), np.full(count, np.nan)
    mean = each @ shares if len(shares) else unknown
    # Of a weighted mean of neurons that are independent of each other.
    error = np.sqrt((each - mean[:, None]) ** 2 @ shares**2) if len(shares) > 1 else unknown
    return TriggeredAverage(lag, mean, error, int(used.sum()))


def summary(results: Results) -> list[Summary]:
    """Return each population's spikes in numbers.

    Raises
    ------
    SpikeError
        The run has no spikes.
    """
    return [_summary(name, spike_trains(results, name)) for name in spiking(results)]


def _summary(population: str, trains: Trains) -> Summary:
    cvs, fanos = interval_cvs(trains), fano_factors(trains)
    return Summary(
        population=population,
        neurons=len(trains),
        spikes=sum(map(len, trains)),
        rate=float(rates(trains).mean()),
        cv=_mean(cvs),
        cv_neurons=int(np.isfinite(cvs).sum()),
        fano=_mean(fanos),
        fano_neurons=int(np.isfinite(fanos).sum()),
        windows=_whole(trains[0], WINDOW),
    )


def _mean(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")


def _whole(train: neo.SpikeTrain, window: float) -> int:
    """Return how many whole windows of some ms there are from the start of the run to its end."""
    return int(float(train.duration.rescale("ms")) / window + ROUNDING)


def _fano_factor(train: neo.SpikeTrain, window: float) -> float:
    windows = _whole(train, window)
    if windows < 2:
        return float("nan")
    edges = np.searchsorted(train.magnitude, window * np.arange(1, windows + 1))
    return float(fanofactor(np.split(train.magnitude, edges)[:-1]))


def _binned(trains: Trains, width: float, bins: int) -> BinnedSpikeTrain:
    """Count the spikes of all neurons together; what is left after the last whole bin is not."""
    time = np.sort(np.concatenate([train.magnitude for train in trains]))
    pooled = neo.SpikeTrain(time[time < bins * width], units="ms", t_stop=bins * width)
    return BinnedSpikeTrain(pooled, bin_size=width * pq.ms, n_bins=bins)


def _coincidences(one: BinnedSpikeTrain, other: BinnedSpikeTrain, most: int) -> np.ndarray:
    """Count pairs of spikes at each lag, as if trains overlapped fully at all of them."""
    found, _ = cross_correlation_histogram(one, other, window=[-most, most], border_correction=True)
    return found.magnitude[:, 0]
