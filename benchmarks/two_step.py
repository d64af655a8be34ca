"""What an epoch of the two-step form costs on MNIST, beside the same sweeps in plain numpy.

``python -m benchmarks.two_step [--images 10000] [--rounds 5]`` times training of the protocol
`mnist` on 784-500-500-10 with minibatches of 10, the model of
``examples/mnist_784-500-500-10.toml``, in both precisions, and the numpy network of
`two_step_peer`, in turns, on random images as bright as MNIST's. CPU time of all processes for all
that training takes, scaled to 55,000 images: drawing minibatches, starting the program, handing it
images and weights, both sweeps, learning, and reading weights back; without tests and compiling.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial

from threadpoolctl import threadpool_limits

from benchmarks.segregated import Made, cpu_seconds
from benchmarks.table import HEADER, Row, Target, markdown
from benchmarks.timing import take_turns
from benchmarks.two_step_peer import Network
from microcircuit.experiment import Experiment
from microcircuit.models.sacramento2018_mnist import SacramentoMnist, draw_weights
from microcircuit.protocols.mnist import Mnist
from microcircuit.run import Request
from microcircuit.schedule import Presentations
from microcircuit.simulation import DeviceSettings, compile_for
from microcircuit.state import State, initial_state
from microcircuit.structure import Precision
from microcircuit.together import Together

EPOCH = 55_000
"""Images."""
CHUNK = 1000
"""Minibatches that a program gets at a time: about a second's work, as runs choose it."""
GOAL = Target("at most", 5)
"""CPU seconds of an epoch."""
SEED = 0
DTYPES: Mapping[Precision, str] = {"single": "float32", "double": "float64"}
MODEL = SacramentoMnist()


class Many(Made):
    """More random images."""

    shown = 12_000


def training(model: SacramentoMnist) -> Experiment:
    """Return an epoch of the protocol, on random images."""
    return Mnist(epochs=1, baseline_epochs=0).experiment(model, Many(), seed=SEED)


def chunks(experiment: Experiment, minibatches: int) -> Iterator[tuple[int, Presentations]]:
    """Yield stretches of minibatches, each with the number of its first one."""
    for start in range(0, minibatches, CHUNK):
        yield start, experiment.schedule.draw(start, min(start + CHUNK, minibatches))


class Ours:
    """The engine's program.

    Parameters
    ----------
    experiment : Experiment
        What it is trained in.
    device : DeviceSettings
        Where it runs.
    """

    def __init__(self, experiment: Experiment, device: DeviceSettings) -> None:
        self._experiment = experiment
        program = compile_for(experiment, device)
        self._together = Together(program, [experiment.circuit], [SEED])

    def learn(self, minibatches: int) -> State:
        """Train a new network; return its state."""
        state = initial_state(self._experiment.circuit)
        for start, stretch in chunks(self._experiment, minibatches):
            request = Request(state=state, stretch=stretch, first_step=start, overrides={})
            state = self._together.run({0: request})[0].state
        return state


class Peer:
    """The numpy network.

    Parameters
    ----------
    experiment : Experiment
        What it is trained in.
    model : SacramentoMnist
        Sizes of its areas.
    precision : "double" or "single"
        Of all numbers.
    """

    def __init__(
        self, experiment: Experiment, model: SacramentoMnist, precision: Precision
    ) -> None:
        self._experiment, self._dtype = experiment, DTYPES[precision]
        self._weights = draw_weights(model, experiment.circuit.population("input").size, SEED)

    def learn(self, minibatches: int) -> State:
        """Train a new network; return its weights."""
        network = Network(self._weights, self._dtype)
        for _, stretch in chunks(self._experiment, minibatches):
            patterns, targets = (stretch.inputs[f] for f in ("input.pattern", "output.v_target"))
            for pattern, target in zip(patterns, targets, strict=True):
                network.learn(pattern[0], target[0])
        return network.weights


def epoch_seconds(learn: Callable[[int], State], minibatches: int) -> float:
    """Return the CPU seconds that an epoch takes, measured on so many minibatches."""
    begin = cpu_seconds()
    learn(minibatches)
    return (cpu_seconds() - begin) * EPOCH / (minibatches * MODEL.batch)


def rows(taken: Mapping[str, list[float]]) -> list[Row]:
    """Return the lines of the table, from CPU seconds of an epoch by name."""
    return [
        Row(
            f"784-500-500-10, an epoch, {dtype}",
            taken[precision],
            "s",
            taken[f"numpy, {precision}"],
            "numpy",
            target=GOAL,
        )
        for precision, dtype in DTYPES.items()
    ]


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.two_step", description=__doc__)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    experiment = training(MODEL)
    cases: dict[str, Ours | Peer] = {}
    for precision in DTYPES:
        cases[precision] = Ours(experiment, DeviceSettings(precision=precision))
        cases[f"numpy, {precision}"] = Peer(experiment, MODEL, precision)
    minibatches = given.images // MODEL.batch
    measures = {name: partial(epoch_seconds, c.learn, minibatches) for name, c in cases.items()}
    with threadpool_limits(1):
        taken = take_turns(measures, given.rounds, lambda name: print(name, file=sys.stderr))
    print(
        f"Median (smallest-largest) of {given.rounds} rounds, in CPU seconds for {EPOCH:,} images"
    )
    print(markdown(HEADER, [row.cells() for row in rows(taken)]))


if __name__ == "__main__":
    main()
