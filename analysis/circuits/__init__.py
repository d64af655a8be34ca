"""Circuits in plain numpy: what they would learn from given weights and stimuli.

`CIRCUITS` is the explicit list, by the model's name in `microcircuit.models`. A module here states
its model's equations a second time, without the simulator, so that a result file is enough to
compute the weight updates that its circuit makes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

from microcircuit.analysis.circuits.circuit import Circuit, ComparisonError
from microcircuit.results import Results


@dataclass(frozen=True)
class Entry:
    """Where a model's circuit is, without importing it.

    Parameters
    ----------
    module, circuit : str
        Module in this package, and its class.
    protocols : tuple of str
        Names of the protocols that run this model as it is, with one set of parameters.
    """

    module: str
    circuit: str
    protocols: tuple[str, ...]

    def load(self) -> Callable[[Results], Circuit]:
        """Import the class, which takes a result."""
        return getattr(import_module(f"{__name__}.{self.module}"), self.circuit)


CIRCUITS: dict[str, Entry] = {
    "sacramento2018": Entry(
        "sacramento2018",
        "Sacramento2018",
        ("self-prediction", "association", "regression", "bars"),
    ),
}
"""By the model's name."""

ELSEWHERE = {
    "alignment": "its figure is this comparison, over mixing factors: microcircuit figure",
    "spiking-convergence": "its figure compares spikes with their limit: microcircuit figure",
}
"""Protocols that do without, and why."""


def circuit_of(results: Results) -> Circuit:
    """Return the circuit of a run.

    Raises
    ------
    ComparisonError
        The run diverged, spikes, is of a protocol whose circuit is not known here, or holds no
        stimuli.
    """
    protocol = results.config["protocol"]["name"]
    where = results.path.parent
    if results.status != "complete":
        raise ComparisonError(f"{where} can't be compared: {results.message}")
    found = [entry for entry in CIRCUITS.values() if protocol in entry.protocols]
    if not found:
        known = ", ".join(name for entry in CIRCUITS.values() for name in entry.protocols)
        why = ELSEWHERE.get(protocol, f"the circuits of these protocols are known: {known}")
        raise ComparisonError(f"{where} can't be compared, as a run of {protocol!r}: {why}")
    signal = results.config["model"].get("signal", "rates")
    if signal != "rates":
        raise ComparisonError(
            f"{where} can't be compared: its neurons send {signal}, and circuits known here are "
            "those of rates"
        )
    if not results.stimuli():
        raise ComparisonError(
            f"{where} can't be compared: its file holds no sample of stimuli, as it was made by an "
            "earlier version; run it again"
        )
    return found[0].load()(results)
