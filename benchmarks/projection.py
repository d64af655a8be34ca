"""One projection, all to all, in the smallest script that uses all of it: ours, or stock Brian2's.

The presynaptic rates change in every step, the postsynaptic neurons compute an error from what
arrives, and the product of both changes the weights. Neurons do next to nothing, so that the cost
of a step is the projection's.

As a command this module compiles a program: ``python -m benchmarks.projection JSON``.
"""

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from brian2 import Hz, Network, NeuronGroup, Synapses, defaultclock, ms
from brian2.core.base import BrianObject
from brian2.core.variables import ArrayVariable

from benchmarks.results import About
from benchmarks.standalone import Run, compile_program, run_program
from benchmarks.timing import enough_steps, in_a_process
from microcircuit.dense import LEARN_ORDER, DenseProjection
from microcircuit.network import FACTOR_ORDER
from microcircuit.reference import DRIVE, FILTERED, FIXED, PLASTIC
from microcircuit.structure import Precision

type Rule = Literal["fixed", "plastic", "filtered"]

CHECKED_STEPS = 20
"""After so many steps all programs of a size must have computed the same."""
WARM_UP = 3
"""Steps before a measurement, to bring the matrix into the caches where it fits."""

PRE = """
rate = level*(1 + 0.5*cos(50*Hz*t)) : 1 (constant over dt)
level : 1
"""
POST = """
v : 1
error : 1
reference : 1
"""
TAU = 30 * ms


@dataclass(frozen=True)
class Projection:
    """What is compiled.

    Parameters
    ----------
    maker : "ours" or "stock"
        The dense projection, or `Synapses`.
    pre, post : int
        Neurons.
    rule : "fixed", "plastic" or "filtered"
        Constant weights, an outer product, or a low-passed one.
    precision : "double" or "single"
        Of all real variables.
    replicates, batch : int
        R and B.
    """

    maker: Literal["ours", "stock"]
    pre: int
    post: int
    rule: Rule = "plastic"
    precision: Precision = "double"
    replicates: int = 1
    batch: int = 1

    @property
    def synapses(self) -> int:
        """Number of weights, in all replicates."""
        return self.replicates * self.post * self.pre


class ProjectionCase:
    """Measures a step of one projection.

    Parameters
    ----------
    projection : Projection
        What is compiled.
    budget : float
        CPU seconds that a measurement takes, or more where five steps do.
    """

    kind = "projection"

    def __init__(self, projection: Projection, budget: float) -> None:
        self.projection, self._budget = projection, budget
        self.about: About = asdict(projection)
        self.details: dict[str, int | float | str] = {}
        p = projection
        copies = f" R={p.replicates}" * (p.replicates > 1) + f" B={p.batch}" * (p.batch > 1)
        self.label = f"{p.pre}x{p.post}{copies}, {p.rule}, {p.precision}, {p.maker}"

    def prepare(self) -> None:
        """Compile the program, in a process of its own."""
        printed = in_a_process("projection", self.about, self.label)
        self._folder = Path(printed.splitlines()[-1])

    def calibrate(self) -> None:
        """Find out how many steps the budget allows, and what the program computes."""
        self.steps = enough_steps(lambda steps: self.run(steps).seconds, self._budget)
        self.details = {
            "steps": self.steps,
            "check": run_program(self._folder, [CHECKED_STEPS])[0].check,
        }

    def run(self, steps: int) -> Run:
        """Run the program for some steps, after a few that warm it up."""
        return run_program(self._folder, [WARM_UP, steps])[-1]

    def measure(self) -> float:
        """Return CPU seconds of a step."""
        return self.run(self.steps).seconds / self.steps


class StepsCase:
    """Measures many steps, or few, of a projection that another case has compiled.

    Parameters
    ----------
    case : ProjectionCase
        Whose program is run.
    factor : float
        Of its number of steps.
    """

    kind = "steps"

    def __init__(self, case: ProjectionCase, factor: float) -> None:
        self._case, self._factor = case, factor
        self.about: About = {"factor": str(factor)}
        self.details: dict[str, int | float | str] = {}
        self.label = f"{case.label}, steps x {factor:g}"

    def prepare(self) -> None:
        """Leave the compiling to the other case."""

    def calibrate(self) -> None:
        """Take the number of steps from the other case, which comes first."""
        self.details = {"steps": round(self._factor * self._case.steps)}

    def measure(self) -> float:
        """Return CPU seconds of all steps."""
        return self._case.run(int(self.details["steps"])).seconds


def build(projection: Projection) -> tuple[Network, ArrayVariable]:
    """Build a projection between two groups; return the variable that it drives, for a check."""
    networks = projection.replicates * projection.batch
    pre = NeuronGroup(networks * projection.pre, PRE, name="pre", namespace={"Hz": Hz})
    post = NeuronGroup(networks * projection.post, POST, name="post", namespace={})
    # No two alike, and no order that would let a wrong index go unnoticed.
    pre.level = "(1 + i % 13)/13"
    post.reference = "0.1*(i % 5 - 2)"
    post.run_regularly("error = reference - v", when="groups", order=FACTOR_ORDER)
    connect = _dense if projection.maker == "ours" else _synapses
    connection = connect(projection, pre, post)
    connection.w = 0.01
    if projection.rule != "fixed":
        # Small enough to converge, whatever the number of synapses of a neuron.
        connection.learning_rate = 0.01 / projection.pre / defaultclock.dt
    if projection.rule == "filtered":
        connection.tau = TAU
    return Network(pre, post, connection, name="network"), post.variables["v"]


def _dense(projection: Projection, pre: NeuronGroup, post: NeuronGroup) -> DenseProjection:
    plastic = projection.rule != "fixed"
    return DenseProjection(
        pre,
        post,
        signal="rate",
        target="v",
        post_factor="error" if plastic else None,
        pre_factor="rate" if plastic else None,
        filtered=projection.rule == "filtered",
        replicates=projection.replicates,
        batch=projection.batch,
        name="projection",
    )


def _synapses(projection: Projection, pre: NeuronGroup, post: NeuronGroup) -> BrianObject:
    """Return stock synapses in the formulation, and the schedule, of `microcircuit.reference`."""
    rule = {"fixed": FIXED, "plastic": PLASTIC, "filtered": FILTERED}[projection.rule]
    equations = (DRIVE + rule).format(
        target="v", signal="rate", post_factor="error", pre_factor="rate"
    )
    synapses = Synapses(
        pre, post, equations, method="euler", order=LEARN_ORDER, name="projection", namespace={}
    )
    for updater in synapses.summed_updaters.values():
        updater.when = "before_groups"
    synapses.connect()
    return synapses


if __name__ == "__main__":
    wanted = Projection(**json.loads(sys.argv[1]))
    print(compile_program(lambda: build(wanted), wanted.precision))
