"""Spikes as data: how neurons emit them, what they evoke, and averages over a phase.

A population that spikes has a `Poisson` process or a `Threshold`. What its spikes evoke follows a
kernel, a
`SynapticKernel` or an `ExponentialKernel`: in the neuron itself, as one of its `traces`, or across
a projection, in the compartment that it drives. An `Average` remembers how a variable was at the
end of a presentation, and of the one before, for rules that compare two phases.
"""

from dataclasses import dataclass

import numpy as np
from brian2 import Hz, Quantity, ms, second
from brian2.units.fundamentalunits import DIMENSIONLESS, Dimension, have_same_dimensions

from microcircuit.checks import CircuitError, steps


@dataclass(frozen=True, kw_only=True)
class Poisson:
    """Spikes at random: in each time step a Poisson number of mean ``rate*dt``, maybe several.

    Parameters
    ----------
    rate : str
        A stored variable of the population, in Hz. Those above one spike a step are not meant: with
        more than `MOST` spikes a step and neuron of a population, some get lost.
    refractory : Quantity, optional
        A neuron that has spiked stays silent for this long, a whole number of steps, and spikes
        once in a step at most. Otherwise `rate` goes on to be the probability per time; so the
        mean rate comes to about ``rate/(1 + rate*refractory)`` where it is constant and far below
        one spike a step.

    Raises
    ------
    CircuitError
        `refractory` is not a time above zero.
    """

    rate: str
    refractory: Quantity | None = None

    def __post_init__(self) -> None:
        """Validate; see `Raises`."""
        if self.refractory is not None:
            _check_time("spikes: refractory", self.refractory)


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """Spikes of integrate-and-fire neurons: where a potential is above a value it is reset.

    At the end of a time step, after all state updates, a neuron with ``variable > above`` spikes
    once, and its variable is set to `reset`.

    Parameters
    ----------
    variable : str
        With a differential equation in the population.
    above, reset : str
        Parameters of the population, in the units of the variable.
    refractory : Quantity, optional
        The variable then stays at `reset` for this long, a whole number of steps, and the neuron
        does not spike. So intervals are this time and that from `reset` to `above`; Brian2's own
        ``refractory`` lets a neuron go one step earlier.

    Raises
    ------
    CircuitError
        `refractory` is not a time above zero.
    """

    variable: str
    above: str
    reset: str
    refractory: Quantity | None = None

    def __post_init__(self) -> None:
        """Validate; see `Raises`."""
        if self.refractory is not None:
            _check_time("spikes: refractory", self.refractory)


def _check_time(where: str, value: Quantity) -> None:
    if not have_same_dimensions(value, second) or not value > 0 * ms:
        raise CircuitError(f"{where} must be a time above zero, got {value}")


MOST = 8
"""Room for so many spikes a step, times the neurons of a population."""


@dataclass(frozen=True, kw_only=True)
class SynapticKernel:
    """What a spike evokes: a difference of exponentials, forgotten after a while.

    After a time t that is above zero and not above the memory::

        kappa(t) = (exp(-t/tau_decay) - exp(-t/tau_rise))/(tau_decay - tau_rise)

    A spike is emitted at the end of a step; in the next one it counts with kappa(dt).

    Parameters
    ----------
    tau_rise, tau_decay : Quantity
        Time constants, not the same.
    memory : Quantity
        A whole number of time steps.

    Raises
    ------
    CircuitError
        One of them is not a time above zero, or the time constants are equal.
    """

    tau_rise: Quantity
    tau_decay: Quantity
    memory: Quantity

    def __post_init__(self) -> None:
        """Validate; see `Raises`."""
        for name in ("tau_rise", "tau_decay", "memory"):
            _check_time(f"kernel: {name}", getattr(self, name))
        if self.tau_rise == self.tau_decay:
            raise CircuitError(f"kernel: tau_rise and tau_decay are both {self.tau_rise}")

    @property
    def dimensions(self) -> Dimension:
        """Of what spikes evoke: 1/second."""
        return Hz.dim


@dataclass(frozen=True, kw_only=True)
class ExponentialKernel:
    """What a spike evokes: a jump that decays, the low-pass of a train of spikes.

    The response r to spikes at times t' is a leaky integral (explicit Euler, like all equations)
    without a unit, whose mean is 1 where spikes come at `rate`::

        tau dr/dt = -r + sum_t' delta(t - t')/rate

    A spike is emitted at the end of a step; from the next one on it counts.

    Parameters
    ----------
    tau : Quantity
        Time constant, longer than a time step.
    rate : Quantity or array Quantity of shape [R]
        Above zero.

    Raises
    ------
    CircuitError
        `tau` is not a time, or `rate` not a frequency, above zero.
    """

    tau: Quantity
    rate: Quantity

    def __post_init__(self) -> None:
        """Validate; see `Raises`."""
        _check_time("kernel: tau", self.tau)
        if not have_same_dimensions(self.rate, Hz) or not np.all(self.rate > 0 * Hz):
            raise CircuitError(f"kernel: rate must be a frequency above zero, got {self.rate}")

    @property
    def dimensions(self) -> Dimension:
        """Of what spikes evoke: none."""
        return DIMENSIONLESS


type Kernel = SynapticKernel | ExponentialKernel


def check_kernel(where: str, kernel: Kernel, dt: Quantity, replicates: int) -> None:
    """Check that a kernel fits to a circuit's time steps and replicates.

    Raises
    ------
    CircuitError
        It does not; the message begins with `where`.
    """
    if isinstance(kernel, SynapticKernel):
        steps(kernel.memory, dt, f"{where}: kernel: a memory")
        return
    if not kernel.tau > dt:
        raise CircuitError(f"{where}: kernel: tau = {kernel.tau} is not longer than a time step")
    if np.shape(kernel.rate) not in ((), (replicates,)):
        raise CircuitError(
            f"{where}: kernel: rate must be a scalar or hold one value per replicate, shape "
            f"({replicates},); got {np.shape(kernel.rate)}"
        )


@dataclass(frozen=True, kw_only=True)
class Average:
    """A variable that holds the mean of an expression over the last stretch of a presentation.

    It is renewed in the last step of each presentation, before rules that act at the end, and is
    kept until the end of the next one.

    Parameters
    ----------
    of : str
        Expression in the population's variables.
    last : Quantity
        Length of the stretch, a whole number of steps; shorter if the presentation is.
    before : str, optional
        Variable that is given, at each onset, the mean of the presentation before.
    lag : str, optional
        Variable, in seconds, that says how long before the presentation's end the stretch of each
        neuron ends.
    """

    of: str
    last: Quantity
    before: str | None = None
    lag: str | None = None
