"""Whole circuits of Sacramento et al. (2018), everything plastic, as the engine runs them.

As a command this module compiles a circuit: ``python -m benchmarks.circuits JSON``.
"""

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
from brian2 import ms

from benchmarks.results import About
from benchmarks.timing import cpu_seconds, enough_steps, in_a_process
from microcircuit.circuit import Circuit
from microcircuit.devices import CppProgram
from microcircuit.models.sacramento2018 import Sacramento2018, build_circuit, draw_weights
from microcircuit.reference import ReferenceProgram
from microcircuit.replicates import stack
from microcircuit.schedule import Presentations
from microcircuit.state import State, initial_state, parameter_values
from microcircuit.structure import Precision, Structure

type Size = Literal["regression", "mnist"]

PRESENTATION = 1000
"""Steps of a presentation: 100 ms."""
STARTING = 2
"""Steps of a run whose cost counts as that of starting up."""
LEAST = 22
"""Steps of a measurement at least, and those after which all programs must agree."""

MODELS: dict[Size, Sacramento2018] = {
    # Fig 2: all its numbers, but for the top-down weights, which the task holds fixed.
    "regression": Sacramento2018(
        areas=(30, 50, 10),
        sigma=0.3 * ms**-0.5,
        eta_bottom_up=(1.1875e-3 / ms, 5e-4 / ms),
        eta_to_interneuron=(1.1875e-3 / ms,),
        eta_from_interneuron=(5.9375e-3 / ms,),
        eta_top_down=(5e-4 / ms,),
    ),
    # Fig 3: its sizes; learning rates cost the same whatever they are, as long as they aren't zero.
    "mnist": Sacramento2018(
        areas=(784, 500, 500, 10),
        transfer="logistic",
        weight_range=0.1,
        eta_bottom_up=(1e-6 / ms,),
        eta_to_interneuron=(2e-6 / ms,),
        eta_from_interneuron=(2e-6 / ms,),
        eta_top_down=(1e-6 / ms,),
    ),
}
MNIST_VARIANTS: tuple[dict[str, Any], ...] = (
    {"held": True},
    {"held": True, "precision": "single"},
    {},
    {"precision": "single"},
    {"filtered": False},
)
"""Of 784-500-500-10: the default is an input that moves, and plasticity that is low-passed."""
CAPACITY: dict[Size, int] = {"regression": 512, "mnist": 3}
"""Most presentations in a measurement; memory is set aside for the stimuli of all of them."""


@dataclass(frozen=True)
class Setup:
    """What is compiled.

    Parameters
    ----------
    size : "regression" or "mnist"
        30-50-10 or 784-500-500-10.
    maker : "ours" or "stock"
        Dense projections, or `Synapses`.
    filtered : bool
        Whether plasticity is low-passed.
    held : bool
        Whether the input is held during a presentation, instead of low-passed and so moving.
    noisy : bool
        Whether the equations have their noise term; with a sigma of zero it would be computed.
    precision : "double" or "single"
        Of all real variables.
    replicates, batch : int
        R and B.
    """

    size: Size
    maker: Literal["ours", "stock"] = "ours"
    filtered: bool = True
    held: bool = False
    noisy: bool = True
    precision: Precision = "double"
    replicates: int = 1
    batch: int = 1

    @cached_property
    def model(self) -> Sacramento2018:
        """The parameters."""
        model = MODELS[self.size]
        return replace(
            model,
            tau_weights=model.tau_weights if self.filtered else None,
            tau_input=None if self.held else model.tau_input,
        )

    @cached_property
    def circuit(self) -> Circuit:
        """The circuit, with starting weights of its own for each replicate."""
        circuits = [
            build_circuit(self.model, draw_weights(self.model, seed))
            for seed in range(self.replicates)
        ]
        circuit = circuits[0] if self.replicates == 1 else stack(circuits)
        return replace(circuit if self.noisy else silent(circuit), batch=self.batch)

    @property
    def structure(self) -> Structure:
        """What the program depends on."""
        return Structure(
            circuit=self.circuit,
            inputs=("input.pattern", "output.v_target", "output.g_teacher"),
            records=(),
            longest=PRESENTATION,
            capacity=CAPACITY[self.size],
            precision=self.precision,
        )

    def program(self) -> CppProgram | ReferenceProgram:
        """Return the compiled program, from the cache or made now."""
        if self.maker == "stock":
            return ReferenceProgram(self.structure, CppProgram)
        return CppProgram(self.structure)


def silent(circuit: Circuit) -> Circuit:
    """Return a circuit without the noise term in its equations."""
    populations = tuple(
        replace(
            p,
            equations=p.equations.replace(" + sigma*xi", ""),
            parameters={k: v for k, v in p.parameters.items() if k != "sigma"},
        )
        for p in circuit.populations
    )
    return replace(circuit, populations=populations)


def variant_name(about: Mapping[str, Any]) -> str:
    """Return what tells a setup of 784-500-500-10 from others, for people."""
    parts = [
        "held input" if about.get("held", False) else "moving input",
        "" if about.get("filtered", True) else "no low-pass",
        "float32" if about.get("precision", "double") == "single" else "",
    ]
    return ", ".join(filter(None, parts))


class CircuitCase:
    """Measures a step of a circuit.

    Parameters
    ----------
    setup : Setup
        What is compiled.
    budget : float
        CPU seconds that a measurement takes.
    """

    kind = "circuit"

    def __init__(self, setup: Setup, budget: float) -> None:
        self._setup, self._budget = setup, budget
        self.about: About = asdict(setup)
        self.details: dict[str, int | float | str] = {"dt": float(setup.model.dt)}
        name = "-".join(map(str, setup.model.areas))
        copies = f" R={setup.replicates}" * (setup.replicates > 1)
        copies += f" B={setup.batch}" * (setup.batch > 1)
        rule = "filtered" if setup.filtered else "plastic"
        noise = "" if setup.noisy else ", no noise"
        name += ", held input" if setup.held else ""
        self.label = f"{name}{copies}, {rule}{noise}, {setup.precision}, {setup.maker}"

    def prepare(self) -> None:
        """Compile the program, in a process of its own."""
        in_a_process("circuits", self.about, self.label)

    def calibrate(self) -> None:
        """Find out how many steps the budget allows."""
        setup, circuit = self._setup, self._setup.circuit
        self._program = setup.program()
        seeds = range(setup.replicates)
        self._start = initial_state(circuit), parameter_values(setup.structure, circuit, seeds)
        start = self._seconds(STARTING)
        self._steps = enough_steps(
            lambda steps: self._seconds(steps) - start,
            self._budget,
            least=LEAST,
            most=CAPACITY[setup.size] * PRESENTATION,
        )
        self.details["steps"] = self._steps - STARTING
        end = self._program.run(*self._start, stimuli(setup.model, LEAST), 0)
        self.details["check"] = fingerprint(end.state)

    def _seconds(self, steps: int) -> float:
        stretch = stimuli(self._setup.model, steps)
        return cpu_seconds(lambda: self._program.run(*self._start, stretch, 0))

    def measure(self) -> float:
        """Return CPU seconds of a step, starting up and files taken off."""
        seconds = self._seconds(self._steps) - self._seconds(STARTING)
        return seconds / (self._steps - STARTING)


def stimuli(model: Sacramento2018, steps: int) -> Presentations:
    """Return as many presentations with a teacher as fill a number of steps, the last one cut."""
    lengths = np.full(-(-steps // PRESENTATION), PRESENTATION)
    lengths[-1] = steps - PRESENTATION * (len(lengths) - 1)
    rng, count = np.random.default_rng(1), len(lengths)
    return Presentations(
        steps=lengths,
        inputs={
            "input.pattern": rng.uniform(0, 1, (count, model.areas[0])),
            "output.v_target": rng.uniform(-1, 1, (count, model.areas[-1])),
            "output.g_teacher": np.full(count, float(model.g_somatic)),
        },
        learning=np.ones(count, dtype=bool),
    )


def fingerprint(state: State) -> float:
    """Return a number that differs where two states do: the sizes of all arrays, added."""
    return float(sum(np.sqrt(np.mean(np.square(value))) for value in state.values()))


if __name__ == "__main__":
    Setup(**json.loads(sys.argv[1])).program()
