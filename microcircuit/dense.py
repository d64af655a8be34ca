"""The dense projection: an all-to-all, plastic connection with its weights in one matrix.

Stock Brian2 `Synapses` keep an index pair for each synapse and look both neurons up in each step.
Between populations that are connected all to all, the same mathematics is a matrix-vector product
and an outer product over contiguous memory. `DenseProjection` brings them into Brian2 as an object
like any other: it is added to a `Network`, reads and writes variables of `NeuronGroup`, and runs on
the numpy, the C++ standalone and the CUDA standalone targets. ``docs/dense.md`` shows it in a
script of its own.

In C++ a step's weight change is applied by the next step's drive, in the same pass over the matrix
(``kernels/templates/dense_matrix.hpp``), so `w` is up to date when a run has ended, not within it.
"""

import inspect
from typing import Any

import numpy as np
from brian2 import NeuronGroup, second
from brian2.core.base import BrianObject
from brian2.core.variables import Variables
from brian2.devices.device import RuntimeDevice, get_device
from brian2.groups.group import Group
from brian2.units.fundamentalunits import DIMENSIONLESS

from microcircuit.dense_arguments import (
    SPIKES,
    UNSUPPORTED,
    Source,
    check_drive,
    check_groups,
    check_numbers,
    check_rule,
    check_spikes,
    check_values,
    check_variables,
    refuse,
    without,
)
from microcircuit.kernels import Kernel

DRIVE_ORDER = -5
"""Order within Brian2's slot ``groups`` in which compartments are driven."""
LEARN_ORDER = -1
"""Order in which weights change: after the drive, before neurons of the default order 0 change."""

OWNED = "filtered", "learning_rate", "tau", "window_start", "window_stop", "w_min", "w_max"
"""Variables of a projection beside its weights."""

type References = dict[str, tuple[Group, str]]


class DenseProjection(Group, BrianObject):
    """Drive ``target = w @ signal`` and, where plastic, change w by an outer product.

    Drives come first in a step, then learning, then state updates. As long as nothing else changes
    signals and factors before, w(t+dt) follows from the rates, potentials and w at t (explicit
    Euler), whatever the order of projections, unless one drives the signal of another::

        no filter   w += dt learning_rate <post_factor pre_factor^T>
        filtered    w += dt learning_rate filtered
                    filtered += dt/tau (<post_factor pre_factor^T> - filtered)

    where < > averages over the batch. A rule that acts at the end of presentations does so without
    dt.

    With spikes as the signal, each adds the neuron's weights to the target, in the slot in which
    `Synapses` do it: after state updates and thresholds. When all have arrived, a rule
    ``w[:, i] += learning_rate <post_factor>`` acts, with factors as they are by then; projections
    take turns in the order of their names. The cost is that of the neurons that spiked, but on CUDA
    (``docs/cuda.md``). A rule that acts at the end of presentations is the outer product of two
    variables here too.

    Parameters
    ----------
    pre, post : NeuronGroup
        Groups of R*B*n_pre and R*B*n_post neurons, neurons fastest, with the same clock. Spikes
        may come from a `PoissonGroup` or a `SpikeGeneratorGroup` as well.
    signal : str
        Array variable of `pre`, or ``"spikes"``.
    target : str
        Array variable of `post`; neither constant nor the signal.
    accumulate : bool
        Add to the target (another projection sets it) instead of setting it; spikes always add.
    post_factor, pre_factor : str, optional
        Array variables of the two groups whose outer product changes the weights; the pre_factor
        of spikes is ``"spikes"`` too, unless the rule acts at the end.
    filtered : bool
        Low-pass the outer product first, with time constant ``tau``.
    at_end : bool
        Learn once, in the last step of each presentation; needs `presenter`.
    windowed : bool
        Rule on only from ``window_start`` to ``window_stop`` steps after a presentation's onset;
        needs `presenter`.
    bounded : bool
        Clip weights to ``w_min``, ``w_max`` in each step of learning.
    presenter : Presenter, optional
        Source of the presentations' onsets and learning flags; without it learning is always on.
    replicates, batch : int
        R and B.
    orders : tuple of int, optional
        Places of its drives in Brian2's slot ``groups``, all before learning. Without it, a single
        one, where the projection that sets a target comes before those that add to it.
    name : str
        Unique name of the object.
    **unsupported
        Nothing; options of stock `Synapses` are refused with what to do instead.

    Attributes
    ----------
    w : [R * post * pre], of spikes [R * pre * post]
        Weights; `set_weights` and `get_weights` take and give [post, pre] in both cases.
    filtered : [R * post * pre]
        The filtered product, if `filtered`.
    learning_rate : [R]
        Per second, or a number for rules that act at the end or on spikes; at zero neither weights
        nor filtered products of that replicate change.
    tau, window_start, window_stop, w_min, w_max : [1]
        As far as the options ask for them.

    Raises
    ------
    TypeError
        An option that does not exist, or a group that is not a whole `NeuronGroup`.
    ValueError
        A variable that is not stored for each neuron, half a rule, different clocks, sizes that R
        and B don't divide, options that need a rule or a `presenter` without one, or that exclude
        each other; when a run begins, but in C++, a time constant or bounds that have not been set.
    NotImplementedError
        On CUDA, spikes and a rule that acts at the end.
    """

    add_to_magic_network = True

    def __init__(
        self,
        pre: Source,
        post: NeuronGroup,
        *,
        signal: str,
        target: str,
        accumulate: bool = False,
        post_factor: str | None = None,
        pre_factor: str | None = None,
        filtered: bool = False,
        at_end: bool = False,
        windowed: bool = False,
        bounded: bool = False,
        presenter: Group | None = None,
        replicates: int = 1,
        batch: int = 1,
        orders: tuple[int, ...] = (),
        name: str = "dense*",
        **unsupported: object,
    ) -> None:
        refuse(unsupported, inspect.getfullargspec(DenseProjection.__init__).kwonlyargs)
        check_numbers(replicates=replicates, batch=batch)
        check_groups(pre, post, replicates * batch, signal=signal)
        check_variables(pre, (signal, pre_factor))
        check_variables(post, (target, post_factor))
        check_drive(pre, post, signal, target)
        if (post_factor is None) != (pre_factor is None):
            raise ValueError("a learning rule needs both a post_factor and a pre_factor")
        if post_factor is None:
            check_rule(filtered=filtered, at_end=at_end, windowed=windowed, bounded=bounded)
        if (windowed or at_end) and presenter is None:
            raise ValueError("a window or an end needs a presenter, for the onsets")
        if at_end and (filtered or windowed):
            raise ValueError("a rule that acts at the end has no filter and no window")
        if SPIKES in (signal, pre_factor):
            check_spikes(signal, pre_factor, filtered=filtered, at_end=at_end)
        self._orders = orders or (DRIVE_ORDER + accumulate,)
        if max(self._orders) >= LEARN_ORDER:
            raise ValueError(f"orders = {orders}: drives come before learning, {LEARN_ORDER}")
        BrianObject.__init__(
            self, name=name, clock=post.clock, when="groups", order=self._orders[0]
        )
        self.shape = (replicates, len(post) // replicates // batch, len(pre) // replicates // batch)
        self.codeobj_class = None
        self._spiking = signal == SPIKES
        self._presenter = presenter
        plastic = post_factor is not None
        self._constants: dict[str, object] = {
            "replicates": replicates,
            "batch": batch,
            "n_post": self.shape[1],
            "n_pre": self.shape[2],
            "plastic": plastic,
            "filtered": filtered,
            "at_end": at_end,
            "windowed": windowed,
            "bounded": bounded,
            "gated": presenter is not None,
            "shared": pre_factor in (signal, None),
            "matrices": f"_{self.name}_matrices",
            "accumulate": accumulate,
        }
        if self._spiking:
            self._constants["space"] = pre.variables["_spikespace"].size - 1
        self._add_variables()
        learned: References = {}
        if post_factor is not None and pre_factor is not None:
            learned = {"_post": (post, post_factor)}
            learned |= {} if pre_factor == SPIKES else {"_pre": (pre, pre_factor)}
        self._contained_objects = self._kernels(pre, signal, {"_target": (post, target)}, learned)
        self._enable_group_attributes()

    def __getattr__(self, name: str) -> Any:
        """Say why, of what stock `Synapses` have and this object has not."""
        if name in UNSUPPORTED:
            raise AttributeError(without(name))
        return super().__getattr__(name)

    def __setattr__(self, name: str, value: object, level: int = 0) -> None:
        """Say why, of what stock `Synapses` have and this object has not."""
        if name in UNSUPPORTED:
            raise AttributeError(without(name))
        super().__setattr__(name, value, level + 1)

    def before_run(self, run_namespace: dict[str, object]) -> None:
        """Refuse what nobody has set; a C++ program may be given its values when it is started."""
        super().before_run(run_namespace)
        if isinstance(get_device(), RuntimeDevice):
            names = {"tau", "w_min", "w_max"} & self.variables.keys()
            values = {name: float(self.variables[name].get_value()[0]) for name in names}
            check_values(self.name, values)

    def set_weights(self, weights: np.ndarray) -> None:
        """Set the weights.

        Parameters
        ----------
        weights : array of shape [post, pre] or [R, post, pre]

        Raises
        ------
        ValueError
            Another shape.
        """
        weights = np.asarray(weights, dtype=float)
        if weights.shape not in (self.shape, self.shape[1:]):
            raise ValueError(
                f"weights of {self.name!r} are [post, pre], {self.shape[1:]}, or with replicates "
                f"{self.shape}; got {weights.shape}"
            )
        weights = np.broadcast_to(weights, self.shape)
        stored = weights.swapaxes(1, 2) if self._spiking else weights
        self.variables["w"].set_value(stored.ravel())

    def get_weights(self) -> np.ndarray:
        """Return a copy of the weights, [R, post, pre], as they are when no run is going on."""
        stored = np.array(self.variables["w"].get_value())
        if not self._spiking:
            return stored.reshape(self.shape)
        replicates, post, pre = self.shape
        return stored.reshape(replicates, pre, post).swapaxes(1, 2).copy()

    def _add_variables(self) -> None:
        """Add the weights and what the rule's options ask for."""
        size = int(np.prod(self.shape))
        options = self._constants
        self.variables = Variables(self)
        self.variables.add_constant("N", size)
        self.variables.create_clock_variables(self._clock)
        self.variables.add_array("w", size=size)
        if options["plastic"]:
            per_time = not (options["at_end"] or self._spiking)
            dimensions = (1 / second).dim if per_time else DIMENSIONLESS
            self.variables.add_array("learning_rate", size=self.shape[0], dimensions=dimensions)
        if options["filtered"]:
            self.variables.add_array("filtered", size=size)
            self.variables.add_array("tau", size=1, dimensions=second.dim)
        if options["windowed"]:
            self.variables.add_array("window_start", size=1, dtype=np.int64)
            self.variables.add_array("window_stop", size=1, dtype=np.int64)
        if options["bounded"]:
            self.variables.add_array("w_min", size=1)
            self.variables.add_array("w_max", size=1)

    def _kernels(
        self, pre: Source, signal: str, driven: References, learned: References
    ) -> list[Kernel]:
        """Return the kernels that drive and learn; for spikes and rules on them one does both."""
        if self._spiking:
            driven["_spikes"] = (pre, "_spikespace")
            if self._constants["at_end"]:
                return [
                    self._kernel("spikes", driven, when="synapses"),
                    self._kernel("outer", learned, order=LEARN_ORDER),
                ]
            return [self._kernel("spikes", driven | learned, when="synapses")]
        driven["_signal"] = (pre, signal)
        kernels = [
            self._kernel("drive", driven, order=order, number=number)
            for number, order in enumerate(self._orders)
        ]
        if learned:
            kernels.append(self._kernel("learn", learned, order=LEARN_ORDER))
        return kernels

    def _kernel(
        self,
        part: str,
        references: References,
        *,
        when: str = "groups",
        order: int = 0,
        number: int = 0,
    ) -> Kernel:
        """Return the kernel of a part, with all variables that there are at its disposal."""
        references = references | {name: (self, name) for name in OWNED if name in self.variables}
        if self._presenter is not None:
            for name in ("presentation", "learning", "onset"):
                references[f"_{name}"] = (self._presenter, name)
        return Kernel(
            self,
            f"dense_{part}",
            name=f"{self.name}_{part}" + (f"_{number}" if number else ""),
            references=references,
            constants=self._constants,
            when=when,
            order=order,
        )
