"""Potentials and spikes in both phases of a few images (Guerguiev et al. 2017).

A network that has learnt nothing is shown the first training images, each in a forward phase and a
target phase. Every potential of the first hidden layer and of the output is recorded in every step,
and every spike; weights stay as they are. In target phases the output is pulled to its target, its
spikes change the apical potentials, and so the plateaus at the end of the phase.
"""

from typing import Annotated, ClassVar

from brian2 import Quantity, ms
from pydantic import PositiveInt

from microcircuit.circuit import CircuitError
from microcircuit.experiment import Experiment
from microcircuit.models.guerguiev2017 import Guerguiev2017, build_circuit, draw_weights
from microcircuit.parameters import POSITIVE, In, parameters
from microcircuit.protocols.data import CLASSES, Data
from microcircuit.protocols.segregated import extra_times, loss_record, phase_pairs, plateau_lags
from microcircuit.records import Spikes, Trace

MODEL = Guerguiev2017()
"""One hidden layer of 500 neurons, as in most of the paper's figures."""
DATA = Data()
"""Digits of 8 x 8 pixels."""


@parameters
class SegregatedTraces:
    """A few images, with all that happens.

    Parameters
    ----------
    images : int
        How many.
    phase : Quantity
        Shortest duration of a phase.
    random_phases : bool
        Make phases longer by random times, as in training.
    """

    name: ClassVar[str] = "segregated-traces"

    images: PositiveInt = 3
    phase: Annotated[Quantity, In("ms"), POSITIVE] = 50 * ms
    random_phases: bool = True

    def experiment(self, model: Guerguiev2017, data: Data, seed: int) -> Experiment:
        """Return the experiment.

        Raises
        ------
        CircuitError
            There are fewer images than are to be shown, or phases too short to average over.
        DataError
            The images can't be had.
        """
        images = data.load()
        if self.images > len(images.training):
            there = len(images.training)
            raise CircuitError(f"protocol.images = {self.images}: there are {there} such images")
        weights = draw_weights(model, images.training.shape[1], CLASSES, seed)
        return Experiment(
            circuit=build_circuit(model, weights),
            schedule=phase_pairs(
                model,
                images=self.images,
                duration=self.phase,
                show=lambda start, stop: (
                    images.training[start:stop],
                    images.training_labels[start:stop],
                ),
                extra=extra_times() if self.random_phases else None,
                lags=plateau_lags(model, seed, "plateaus"),
                learning=False,
            ),
            records=(loss_record(model), *_traces(model), *_spikes(model)),
            live="output.loss",
            snapshots=(0,),
        )


def _traces(model: Guerguiev2017) -> tuple[Trace, ...]:
    """Record all potentials of the first hidden layer, and those of the output's somata."""
    variables = [("output", "v_soma")]
    if model.hidden:
        variables += [("hidden_1", name) for name in ("v_soma", "v_basal", "v_apical")]
    return tuple(
        Trace(name=name, population=population, expression=name, interval=model.dt)
        for population, name in variables
    )


def _spikes(model: Guerguiev2017) -> tuple[Spikes, ...]:
    """Record all spikes, where there are any."""
    if model.signal == "rates":
        return ()
    return tuple(Spikes(population=layer) for layer in model.layers)
