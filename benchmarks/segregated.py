"""What a training image of segregated dendrites costs, beside the same equations in plain numpy.

``python -m benchmarks.segregated [--images 400] [--rounds 5]`` times the protocol
`segregated-mnist` on 784-500-10 in both precisions and the numpy network of `segregated_peer`, in
turns, on random images as bright as MNIST's. CPU time of one core, for all that training takes:
drawing the images, handing them to the program, both phases and learning; without tests and
without compiling.
"""

import argparse
import os
import resource
import time
from typing import ClassVar

import numpy as np

from benchmarks.segregated_peer import Network
from benchmarks.timing import Spread, ratio
from microcircuit.protocols.data import CLASSES, Data, Images
from microcircuit.protocols.segregated_mnist import MODEL, SegregatedMnist
from microcircuit.run import Request
from microcircuit.simulation import DeviceSettings, compile_for
from microcircuit.state import initial_state
from microcircuit.together import Together

PIXELS, DRAWN, BRIGHTNESS = 784, 0.19, 0.69
"""Of MNIST: so many pixels are not black, and their mean is so."""


class Made(Data):
    """Images of random pixels, so that the benchmark needs no files."""

    shown: ClassVar[int] = 1000
    """Different ones."""

    def load(self) -> Images:
        """Return training images, and a few to test with."""
        random = np.random.default_rng(0)
        lit = random.random((self.shown, PIXELS)) < DRAWN
        images = (lit * random.uniform(2 * BRIGHTNESS - 1, 1, lit.shape)).astype(np.float32)
        labels = random.integers(CLASSES, size=self.shown)
        return Images(images, labels, images[:10], labels[:10])


class Ours:
    """The engine's program, timed on stretches of training."""

    def __init__(self, precision: str, images: int) -> None:
        protocol = SegregatedMnist(images=images, tests=1, probe_images=10)
        self.experiment = protocol.experiment(MODEL, Made(), seed=0)
        device = DeviceSettings(precision=precision)
        self.together = Together(
            compile_for(self.experiment, device), [self.experiment.circuit], [0]
        )

    def seconds(self, phases: int) -> float:
        """Return the CPU seconds that so many phases take, the program's start included."""
        begin = cpu_seconds()
        stretch = self.experiment.schedule.draw(0, phases)
        state = initial_state(self.experiment.circuit)
        self.together.run({0: Request(state=state, stretch=stretch, first_step=0, overrides={})})
        return cpu_seconds() - begin

    def per_image(self, images: int) -> float:
        """Return CPU seconds an image, without what starting a program takes."""
        return (self.seconds(2 * images) - self.seconds(2)) / (images - 1)


def cpu_seconds() -> float:
    """Return the CPU time of this process and of the programs that it ran."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def peer_per_image(network: Network, images: Images, count: int, steps: np.ndarray) -> float:
    """Return CPU seconds an image of the numpy network."""
    begin = time.process_time()
    for n in range(count):
        target = np.eye(CLASSES)[images.training_labels[n]]
        network.learn(images.training[n], target, (int(steps[2 * n]), int(steps[2 * n + 1])))
    return (time.process_time() - begin) / count


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    ours = {precision: Ours(precision, given.images) for precision in ("double", "single")}
    images, few = Made().load(), max(1, given.images // 40)
    steps = ours["double"].experiment.schedule.draw(0, 2 * few).steps
    network = Network((PIXELS, MODEL.hidden[0], CLASSES))
    taken: dict[str, list[float]] = {name: [] for name in (*ours, "numpy")}
    for _ in range(given.rounds):
        for precision, one in ours.items():
            taken[precision].append(one.per_image(given.images))
        taken["numpy"].append(peer_per_image(network, images, few, steps))
    print("784-500-10, spiking, both phases; ms of CPU time an image: median (range), times numpy")
    for name, values in taken.items():
        spread, faster = Spread.of(values, 1e3), ratio(taken["numpy"], values)
        print(
            f"{name:8} {spread.median:7.3f} ({spread.low:.3f} to {spread.high:.3f})"
            f"  {faster.median:6.1f}"
        )


if __name__ == "__main__":
    main()
