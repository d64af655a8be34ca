"""Plasticity of projections that carry spikes, computed when spikes come.

A rule ``w' = learning_rate <post_factor trace^T>``, maybe low-passed, changes all weights in all
steps. But between two spikes of a presynaptic neuron its trace only decays, by the same factor d in
each step. So what the rule does to the weights of that neuron until step n follows from sums over
time that belong to the postsynaptic neurons alone::

    P_j(n) = sum of d^m post_j(m) over the steps m < n

and a neuron's weights need to be brought up to date only when it spikes. With a low-pass that keeps
a part a in a step, there is a second sum, of (d/a)^m post_j(m).

Powers fall or grow fast, so sums start anew after a stretch of time steps. Then weights of neurons
whose trace is not gone yet are brought up to date, too; and all are, at the end of a presentation.
So a spike costs what the weights of its neuron cost, and time as such what the sums cost.
"""

from math import ceil, log1p

import numpy as np
from brian2 import NeuronGroup, second
from brian2.core.base import BrianObject
from brian2.core.variables import Variables
from brian2.groups.group import Group

from microcircuit.dense import LEARN_ORDER
from microcircuit.kernels import Kernel
from microcircuit.spike_sources import SPACE

RANGE = 12
"""Powers stay within e^12 to both sides, which leaves ten digits of sums in double precision."""


def stretch_of(trace: float, low_pass: float | None) -> int:
    """Return after how many steps sums start anew.

    Parameters
    ----------
    trace, low_pass : float
        Time constants in steps, longer than one: of the trace, and of the low-pass if there is one.
    """
    decay = log1p(-1 / trace)
    powers = [decay] if low_pass is None else [decay, decay - log1p(-1 / low_pass)]
    return max(1, ceil(RANGE / max(map(abs, powers))))


class EventProjection(Group, BrianObject):
    """Spikes drive ``target += w[:, i]``, and weights learn from traces of them.

    The same, but for rounding, as explicit Euler steps of all weights, which the numpy form takes::

        no filter   w += dt learning_rate <post_factor trace^T>
        filtered    w += dt learning_rate filtered
                    filtered += dt/tau (<post_factor trace^T> - filtered)

    A spike at the end of a step is carried with the weights after that step.

    Parameters
    ----------
    pre, post : NeuronGroup
        Groups of R*B*n_pre and R*B*n_post neurons, neurons fastest; `pre` spikes.
    target : str
        Array variable of `post`, in which spikes arrive.
    post_factor, pre_factor : str
        Array variables of the two groups; `pre_factor` is a trace that loses the same part in each
        step and jumps after a spike.
    filtered, windowed : bool
        As for a `DenseProjection`.
    stretch : int
        Steps after which sums start anew, see `stretch_of`.
    presenter : Presenter
        Source of the presentations' onsets and learning flags.
    replicates, batch : int
        R and B.
    name : str
        Unique name of the object.

    Attributes
    ----------
    w, filtered : [R * pre * post]
        Weights and their low-passed changes, up to date at the end of a presentation.
    learning_rate : [R]
        Per second.
    decay : [1]
        What is left of a trace after a step.
    tau, window_start, window_stop : [1]
        As far as the options ask for them.
    current : [R * pre] int64
        First time step that a neuron's weights have not learnt from.
    held : [R * pre * B]
        Its trace then; zero if it is gone.
    origin : [1] int64
        First step of the stretch.
    scale : [sums]
        Powers in the next step of the stretch.
    sums, before : [R * sums * B * post], [R * stretch * sums * B * post] float64
        The sums, and how they were at the start of each step.
    """

    add_to_magic_network = True

    def __init__(
        self,
        pre: NeuronGroup,
        post: NeuronGroup,
        *,
        target: str,
        post_factor: str,
        pre_factor: str,
        filtered: bool,
        windowed: bool,
        stretch: int,
        presenter: Group,
        replicates: int,
        batch: int,
        name: str,
    ) -> None:
        BrianObject.__init__(self, name=name, clock=post.clock, when="groups", order=LEARN_ORDER)
        self.codeobj_class = None
        n_pre, n_post = len(pre) // replicates // batch, len(post) // replicates // batch
        kinds = 1 + filtered
        constants = {
            "replicates": replicates,
            "batch": batch,
            "n_pre": n_pre,
            "n_post": n_post,
            "filtered": filtered,
            "windowed": windowed,
            "stretch": stretch,
            "kinds": kinds,
            "space": pre.variables[SPACE].size - 1,
        }
        self.variables = Variables(self)
        self.variables.add_constant("N", replicates * n_pre * n_post)
        self.variables.create_clock_variables(self._clock)
        self._references: dict[str, tuple[Group, str]] = {
            "_spikes": (pre, SPACE),
            "_pre": (pre, pre_factor),
            "_post": (post, post_factor),
            "_target": (post, target),
            **{f"_{key}": (presenter, key) for key in ("presentation", "learning", "onset")},
        }
        self._add("w", replicates * n_pre * n_post)
        self._add("learning_rate", replicates, dimensions=(1 / second).dim)
        self._add("decay", 1)
        if filtered:
            self._add("filtered", replicates * n_pre * n_post)
            self._add("tau", 1, dimensions=second.dim)
        if windowed:
            self._add("window_start", 1, dtype=np.int64)
            self._add("window_stop", 1, dtype=np.int64)
        self._add("current", replicates * n_pre, dtype=np.int64)
        self._add("held", replicates * n_pre * batch)
        self._add("origin", 1, dtype=np.int64)
        self._add("scale", kinds, dtype=np.float64)
        row = kinds * batch * n_post
        self._add("sums", replicates * row, dtype=np.float64)
        self._add("before", replicates * stretch * row, dtype=np.float64)
        self._contained_objects = [
            self._kernel("event_learn", constants, when="groups", order=LEARN_ORDER),
            self._kernel("event_spikes", constants, when="synapses", order=0),
        ]
        self._enable_group_attributes()

    def _add(self, name: str, size: int, **options: object) -> None:
        """Add an array, which kernels know by its name."""
        self.variables.add_array(name, size=size, **options)
        if name != "w":  # the object's own, for which they need no reference
            self._references[name] = (self, name)

    def _kernel(
        self, template: str, constants: dict[str, object], *, when: str, order: int
    ) -> Kernel:
        return Kernel(
            self,
            template,
            name=f"{self.name}_{template.removeprefix('event_')}",
            references=self._references,
            constants=constants,
            when=when,
            order=order,
        )
