"""Spikes as data: how neurons emit them, what they evoke, and averages over a phase.

A population that spikes has a `Poisson` process. What its spikes evoke follows a `SynapticKernel`:
in the neuron itself, as one of its `traces`, or across a projection, in the compartment that it
drives. An `Average` remembers how a variable was at the end of a presentation, and of the one
before, for rules that compare two phases.
"""

from dataclasses import dataclass

from brian2 import Quantity, ms, second
from brian2.units.fundamentalunits import have_same_dimensions

from microcircuit.checks import CircuitError


@dataclass(frozen=True, kw_only=True)
class Poisson:
    """Spikes at random: in each time step a Poisson number of mean ``rate*dt``, maybe several.

    Parameters
    ----------
    rate : str
        A stored variable of the population, in Hz. Those above one spike a step are not meant: with
        more than `MOST` spikes a step and neuron of a population, some get lost.
    """

    rate: str


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
            value = getattr(self, name)
            if not have_same_dimensions(value, second) or not value > 0 * ms:
                raise CircuitError(f"kernel: {name} must be a time above zero, got {value}")
        if self.tau_rise == self.tau_decay:
            raise CircuitError(f"kernel: tau_rise and tau_decay are both {self.tau_rise}")


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
