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

import numpy as np
from brian2 import NeuronGroup, second
from brian2.core.base import BrianObject
from brian2.core.variables import ArrayVariable, Variables
from brian2.groups.group import Group

from microcircuit.kernels import Kernel, blas
from microcircuit.naming import unknown

DRIVE_ORDER = -3
"""Order within Brian2's slot ``groups`` in which compartments are driven."""
LEARN_ORDER = 0
"""Order in which weights change: after the drive, before any neuron's state is updated."""

OWNED = "filtered", "learning_rate", "tau", "window_start", "window_stop", "w_min", "w_max"
"""Variables of a projection beside its weights."""

UNSUPPORTED = {
    "delay": "signals arrive in the step in which they are sent",
    "model": "a rule is the outer product of a post_factor and a pre_factor",
    "on_pre": "what arrives is `signal`; compute a trace of spikes in the presynaptic equations",
    "on_post": "rules have a post_factor, not events",
    "connect": "all neurons are connected; a weight of zero that does not learn is no connection",
    "method": "weights are integrated with explicit Euler",
}
"""What stock `Synapses` can do and this object can't, and why or what to do instead."""


class DenseProjection(Group, BrianObject):
    """Drive ``target = w @ signal`` and, where plastic, change w by an outer product.

    All factors of a step are taken at its start (explicit Euler), so the order of objects does not
    matter: w(t+dt) follows from the rates, potentials and w at t::

        no filter   w += dt learning_rate <post_factor pre_factor^T>
        filtered    w += dt learning_rate filtered
                    filtered += dt/tau (<post_factor pre_factor^T> - filtered)

    where < > averages over the batch.

    Parameters
    ----------
    pre, post : NeuronGroup
        Groups of R*B*n_pre and R*B*n_post neurons, neurons fastest, with the same clock.
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
        Clip weights to ``w_min``, ``w_max`` in each step of learning.
    presenter : Presenter, optional
        Source of the presentations' onsets and learning flags; without it learning is always on.
    replicates, batch : int
        R and B.
    name : str
        Unique name of the object.
    **unsupported
        Nothing; options of stock `Synapses` are refused with what to do instead.

    Attributes
    ----------
    w : [R * post * pre]
        Weights.
    filtered : [R * post * pre]
        The filtered product, if `filtered`.
    learning_rate : [R]
        Per second; at zero neither weights nor filtered products of that replicate change.
    tau, window_start, window_stop, w_min, w_max : [1]
        As far as the options ask for them.

    Raises
    ------
    TypeError
        An option that does not exist, or a group that is not a whole `NeuronGroup`.
    ValueError
        A variable that is not stored for each neuron, half a rule, different clocks, sizes that R
        and B don't divide, or `windowed` without a `presenter`.
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
        **unsupported: object,
    ) -> None:
        _refuse(unsupported)
        factors = [(pre, signal), (post, target), (post, post_factor), (pre, pre_factor)]
        _check_groups(pre, post, replicates * batch)
        _check_variables([(group, variable) for group, variable in factors if variable is not None])
        if (post_factor is None) != (pre_factor is None):
            raise ValueError("a learning rule needs both a post_factor and a pre_factor")
        if windowed and presenter is None:
            raise ValueError("a learning window needs a presenter, for its onsets")
        BrianObject.__init__(self, name=name, clock=post.clock, when="groups", order=DRIVE_ORDER)
        self.shape = (replicates, len(post) // replicates // batch, len(pre) // replicates // batch)
        self.codeobj_class = None
        plastic = post_factor is not None
        self._constants: dict[str, object] = {
            "replicates": replicates,
            "batch": batch,
            "n_post": self.shape[1],
            "n_pre": self.shape[2],
            "plastic": plastic,
            "filtered": filtered and plastic,
            "windowed": windowed and plastic,
            "bounded": bounded and plastic,
            "gated": presenter is not None,
            "shared": pre_factor in (signal, None),
            "matrices": f"_{self.name}_matrices",
        }
        self._presenter = presenter
        self._add_variables()
        self._contained_objects = [
            self._kernel(
                "drive",
                {"_signal": (pre, signal), "_target": (post, target)},
                order=DRIVE_ORDER + accumulate,  # the one that sets comes before those that add
                accumulate=accumulate,
            )
        ]
        if post_factor is not None and pre_factor is not None:
            learned = {"_post": (post, post_factor), "_pre": (pre, pre_factor)}
            self._contained_objects.append(self._kernel("learn", learned, order=LEARN_ORDER))
        self._enable_group_attributes()

    def _add_variables(self) -> None:
        """Add the weights and what the rule's options ask for."""
        size = int(np.prod(self.shape))
        options = self._constants
        self.variables = Variables(self)
        self.variables.add_constant("N", size)
        self.variables.create_clock_variables(self._clock)
        self.variables.add_array("w", size=size)
        if options["plastic"]:
            self.variables.add_array(
                "learning_rate", size=self.shape[0], dimensions=(1 / second).dim
            )
        if options["filtered"]:
            self.variables.add_array("filtered", size=size)
            self.variables.add_array("tau", size=1, dimensions=second.dim)
        if options["windowed"]:
            self.variables.add_array("window_start", size=1, dtype=np.int64)
            self.variables.add_array("window_stop", size=1, dtype=np.int64)
        if options["bounded"]:
            self.variables.add_array("w_min", size=1)
            self.variables.add_array("w_max", size=1)

    def _kernel(self, part: str, references: dict, *, order: int, **constants: object) -> Kernel:
        """Return the kernel of a part, with all variables that there are at its disposal."""
        owned = (
            "filtered",
            "learning_rate",
            "tau",
            "window_start",
            "window_stop",
            "w_min",
            "w_max",
        )
        references |= {name: (self, name) for name in owned if name in self.variables}
        if self._presenter is not None:
            for name in ("presentation", "learning", "onset"):
                references[f"_{name}"] = (self._presenter, name)
        return Kernel(
            self,
            f"dense_{part}",
            name=f"{self.name}_{part}",
            references=references,
            constants={**self._constants, **constants},
            when="groups",
            order=order,
            compiler_keywords=blas.compiler_keywords() if self._constants["batch"] != 1 else None,
        )


def _refuse(options: dict[str, object]) -> None:
    """Raise TypeError for options that do not exist, saying why or what was meant."""
    for name in options:
        if name in UNSUPPORTED:
            raise TypeError(f"a dense projection has no {name!r}: {UNSUPPORTED[name]}")
        known = inspect.getfullargspec(DenseProjection.__init__).kwonlyargs
        raise TypeError(unknown("option of a dense projection", name, known))


def _check_groups(pre: NeuronGroup, post: NeuronGroup, networks: int) -> None:
    for role, group in (("pre", pre), ("post", post)):
        if not isinstance(group, NeuronGroup):
            raise TypeError(
                f"{role} must be a whole NeuronGroup, not a {type(group).__name__}: neurons are "
                "taken by their place in its arrays"
            )
        if len(group) % networks:
            raise ValueError(
                f"{role} {group.name!r} has {len(group)} neurons, which {networks} networks "
                "(replicates times batch) can't share evenly"
            )
    if pre.clock is not post.clock and pre.clock.dt != post.clock.dt:
        raise ValueError(f"{pre.name!r} and {post.name!r} must have the same time step")


def _check_variables(variables: list[tuple[NeuronGroup, str]]) -> None:
    for group, name in variables:
        variable = group.variables.get(name)
        if not isinstance(variable, ArrayVariable) or variable.size != len(group):
            stored = sorted(
                key
                for key, other in group.variables.items()
                if isinstance(other, ArrayVariable) and other.size == len(group) and key != "i"
            )
            raise ValueError(
                f"{group.name!r} does not store a value of {name!r} for each neuron: a computed "
                f"one must be marked (constant over dt). Stored are {', '.join(stored)}"
            )
