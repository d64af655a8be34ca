"""The same circuit on stock Brian2 `Synapses`: what the dense projection is tested against.

Each projection becomes one `Synapses` with the equations of its rule, written out, in Brian2's
fastest formulation: rates are stored once per step (``constant over dt``), the factors of a rule
are evaluated once per neuron, and synapses keep the order of ``connect()``. The schedule is the
one of `microcircuit.network`: everything in a step follows from the values at its start.

A Python-level choice for tests and benchmarks; slower than the dense projection, and only for
circuits with one replicate, a batch of one, dimensionless weights and rules without window or
bounds.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from brian2 import Network, NeuronGroup, Synapses
from brian2.units.fundamentalunits import DIMENSIONLESS

from microcircuit import network
from microcircuit.circuit import Circuit, CircuitError, Projection
from microcircuit.dense import LEARN_ORDER
from microcircuit.devices import Chunk, Program
from microcircuit.network import factor_variables
from microcircuit.presenter import Presenter
from microcircuit.schedule import Presentations
from microcircuit.state import State, synaptic
from microcircuit.structure import Structure

DRIVE = "{target}_post = w*{signal}_pre : 1 (summed)\n"
FIXED = "w : 1\n"
PLASTIC = """
dw/dt = learning_rate*{post_factor}_post*{pre_factor}_pre : 1 (clock-driven)
learning_rate : Hz (shared)
"""
FILTERED = """
dw/dt        = learning_rate*filtered                                          : 1 (clock-driven)
dfiltered/dt = ({post_factor}_post*{pre_factor}_pre - filtered)/tau : 1 (clock-driven)
learning_rate : Hz (shared)
tau           : second (shared)
"""


class ReferenceProgram:
    """A circuit compiled with stock synapses; runs like a `Program`, on the same arrays.

    Parameters
    ----------
    structure : Structure
        What is to be compiled.
    device : type of Program
        Where it runs, such as `CppProgram`.

    Raises
    ------
    CircuitError
        The circuit uses what only the dense projection can do.
    """

    def __init__(self, structure: Structure, device: type[Program]) -> None:
        self.structure = structure
        self._program = device(structure, build=build)

    def run(
        self, state: State, parameters: State, stretch: Presentations, first_step: int
    ) -> Chunk:
        """Run a stretch of presentations, all with learning; see `Program.run`."""
        if not np.all(stretch.learning):
            raise CircuitError("stock synapses can't freeze weights during a presentation")
        circuit = self.structure.circuit
        chunk = self._program.run(_transposed(circuit, state), parameters, stretch, first_step)
        return replace(chunk, state=_transposed(circuit, chunk.state))


def build(structure: Structure) -> Network:
    """Build the Brian2 objects of a circuit with stock synapses; see `network.build`.

    Raises
    ------
    CircuitError
        The circuit uses what only the dense projection can do.
    """
    circuit = structure.circuit
    if circuit.replicates != 1 or circuit.batch != 1:
        raise CircuitError("stock synapses have no replicates and no batch")
    return network.build(structure, connect=_synapses)


def _synapses(
    projection: Projection,
    circuit: Circuit,
    groups: Mapping[str, NeuronGroup],
    presenter: Presenter,
    *,
    accumulate: bool,
) -> Synapses:
    _refuse(projection, circuit, accumulate=accumulate)
    rule = projection.rule
    factors = factor_variables(projection, circuit, groups, presenter)
    rule_equations = FIXED if rule is None else PLASTIC if rule.tau is None else FILTERED
    synapses = Synapses(
        groups[projection.pre],
        groups[projection.post],
        (DRIVE + rule_equations).format(
            target=projection.target, signal=projection.signal, **factors
        ),
        method="euler",
        clock=groups[projection.post].clock,
        order=LEARN_ORDER,
        name=projection.name,
        namespace={},
    )
    # Before the factors of the rules, which may read what is driven. Brian2's own place for it
    # is just before the target's update, after the weights have changed.
    for updater in synapses.summed_updaters.values():
        updater.when = "before_groups"
    synapses.connect()
    return synapses


def _refuse(projection: Projection, circuit: Circuit, *, accumulate: bool) -> None:
    """Raise CircuitError for what stock synapses can't do, or can't do alike."""
    where = f"projection {projection.name!r}: stock synapses"
    if accumulate:
        raise CircuitError(
            f"{where} can't add to {projection.target!r} of {projection.post!r}, which another "
            "projection drives already"
        )
    if projection.kernel is not None:
        raise CircuitError(f"{where} have no kernel that forgets")
    signal = circuit.population(projection.pre).dimensions(projection.signal)
    target = circuit.population(projection.post).dimensions(projection.target)
    if signal is not DIMENSIONLESS or target is not DIMENSIONLESS:
        raise CircuitError(f"{where} are written for signals and targets without unit")
    if projection.rule is not None and projection.rule.window is not None:
        raise CircuitError(f"{where} have no learning window")
    if projection.rule is not None and projection.rule.bounds is not None:
        raise CircuitError(f"{where} have no bounds")
    if projection.rule is not None and projection.rule.at_end:
        raise CircuitError(f"{where} have no rule that acts at the end of presentations")


def _transposed(circuit: Circuit, state: State) -> State:
    """Return the state with weights [post, pre] as synapses [pre, post], or the other way round."""
    return state | {key: state[key].swapaxes(1, 2) for key in synaptic(circuit, state)}
