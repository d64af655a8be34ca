"""The dense projection: an all-to-all, plastic connection with its weights in one matrix.

Stock Brian2 `Synapses` keep an index pair for each synapse and look both neurons up in each step.
Between populations that are connected all to all, the same mathematics is a matrix-vector product
and an outer product over contiguous memory. `DenseProjection` brings them into Brian2 as an object
like any other: it is added to a `Network`, reads and writes variables of `NeuronGroup`, and runs on
the numpy and the C++ standalone targets.
"""

import numpy as np
from brian2 import NeuronGroup, second
from brian2.core.base import BrianObject
from brian2.core.variables import Variables
from brian2.groups.group import Group

from microcircuit.kernels import Kernel

DRIVE_ORDER = -3
"""Order within Brian2's slot ``groups`` in which compartments are driven."""
LEARN_ORDER = 0
"""Order in which weights change: after the drive, before any neuron's state is updated."""


class DenseProjection(Group, BrianObject):
    """Drive ``target = w @ signal`` and, where plastic, change w by an outer product.

    All factors of a step are taken at its start (explicit Euler), so the order of objects does not
    matter: w(t+dt) follows from the rates, potentials and w at t.

    Parameters
    ----------
    pre, post : NeuronGroup
        Groups of R*B*n_pre and R*B*n_post neurons, neurons fastest.
    signal : str
        Array variable of `pre`.
    target : str
        Array variable of `post`.
    accumulate : bool
        Add to the target (another projection sets it) instead of setting it.
    post_factor, pre_factor : str, optional
        Array variables of the two groups whose outer product changes the weights.
    filtered : bool
        Low-pass the outer product first, with time constant ``tau``.
    windowed : bool
        Rule on only from ``window_start`` to ``window_stop`` steps after a presentation's onset;
        needs `presenter`.
    bounded : bool
        Clip weights to ``w_min``, ``w_max``.
    presenter : Presenter, optional
        Source of the presentations' onsets and learning flags.
    replicates, batch : int
        R and B.
    name : str
        Unique name of the object.

    Attributes
    ----------
    w : [R * post * pre]
        Weights.
    learning_rate : [R]
        Per second.

    Raises
    ------
    ValueError
        `windowed` without a `presenter`.
    """

    add_to_magic_network = True

    def __init__(
        self,
        pre: NeuronGroup,
        post: NeuronGroup,
        *,
        signal: str,
        target: str,
        accumulate: bool = False,
        post_factor: str | None = None,
        pre_factor: str | None = None,
        filtered: bool = False,
        windowed: bool = False,
        bounded: bool = False,
        presenter: Group | None = None,
        replicates: int = 1,
        batch: int = 1,
        name: str = "dense*",
    ) -> None:
        BrianObject.__init__(self, name=name, clock=post.clock, when="groups", order=DRIVE_ORDER)
        networks = replicates * batch
        self.shape = (replicates, len(post) // networks, len(pre) // networks)
        self.codeobj_class = None
        self.variables = Variables(self)
        size = int(np.prod(self.shape))
        self.variables.add_constant("N", size)
        self.variables.create_clock_variables(self._clock)
        self.variables.add_array("w", size=size)
        constants = {
            "replicates": replicates,
            "batch": batch,
            "n_post": self.shape[1],
            "n_pre": self.shape[2],
        }
        self._contained_objects = [
            Kernel(
                self,
                "dense_drive",
                name=f"{self.name}_drive",
                references={"_signal": (pre, signal), "_target": (post, target)},
                constants={**constants, "accumulate": accumulate},
                when="groups",
                order=DRIVE_ORDER + accumulate,  # the one that sets comes before those that add
            )
        ]
        if windowed and presenter is None:
            raise ValueError(f"{self.name}: a learning window needs a presenter, for its onsets")
        if post_factor is not None and pre_factor is not None:
            factors = {"_post": (post, post_factor), "_pre": (pre, pre_factor)}
            options = {"filtered": filtered, "windowed": windowed, "bounded": bounded}
            self._contained_objects.append(
                self._learning(factors, presenter, {**constants, **options})
            )
        self._enable_group_attributes()

    def _learning(
        self, factors: dict, presenter: Group | None, constants: dict[str, object]
    ) -> Kernel:
        """Add the rule's parameters and return its kernel."""
        self.variables.add_array("learning_rate", size=self.shape[0], dimensions=(1 / second).dim)
        needed = ["learning_rate"]
        if constants["filtered"]:
            self.variables.add_array("filtered", size=int(np.prod(self.shape)))
            self.variables.add_array("tau", size=1, dimensions=second.dim)
            needed += ["filtered", "tau"]
        if constants["windowed"]:
            self.variables.add_array("window_start", size=1, dtype=np.int64)
            self.variables.add_array("window_stop", size=1, dtype=np.int64)
            needed += ["window_start", "window_stop"]
        if constants["bounded"]:
            self.variables.add_array("w_min", size=1)
            self.variables.add_array("w_max", size=1)
            needed += ["w_min", "w_max"]
        references = dict(factors)
        if presenter is not None:
            references |= {
                "_presentation": (presenter, "presentation"),
                "_learning": (presenter, "learning"),
                "_onset": (presenter, "onset"),
            }
        references |= {name: (self, name) for name in needed}
        return Kernel(
            self,
            "dense_learn",
            name=f"{self.name}_learn",
            references=references,
            constants={**constants, "gated": presenter is not None},
            when="groups",
            order=LEARN_ORDER,
        )
