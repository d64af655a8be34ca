"""A spiking network of Guerguiev et al. (2017) in plain numpy: a peer for timing.

Written from the equations as one would without an engine: in each step matrices are multiplied by
the postsynaptic potentials of all neurons. One hidden layer, broadcast feedback, fixed phases.
"""

import numpy as np

MEMORY, AVERAGED = 10, 20
"""Steps of 1 ms: how long a spike counts, and the stretch that is averaged."""
RATE_MAX, G_LEAK, G_BASAL, G_DENDRITE = 0.2, 0.1, 0.6, 0.6
E_EXCITATORY, E_INHIBITORY, ETA, SCALE = 8, -8, 0.21, 20

_ages = np.arange(1, MEMORY + 1)
KERNEL = (np.exp(-_ages / 10) - np.exp(-_ages / 3)) / 7


def logistic(x: np.ndarray) -> np.ndarray:
    """Return 1/(1 + e^-x)."""
    return 1 / (1 + np.exp(-x))


class Layer:
    """Poisson neurons, and their spikes of the last steps."""

    def __init__(self, size: int, random: np.random.Generator) -> None:
        self.v = np.zeros(size)
        self.spikes = np.zeros((size, MEMORY))
        self._random = random

    def emit(self, rate: np.ndarray) -> np.ndarray:
        """Draw spikes, and return the postsynaptic potentials that they evoke."""
        self.spikes[:, 1:] = self.spikes[:, :-1]
        self.spikes[:, 0] = self._random.poisson(rate)
        return self.spikes @ KERNEL


class Network:
    """784-500-10, say, from random weights.

    Parameters
    ----------
    sizes : three ints
        Of input, hidden layer and output.
    seed : int
        Of weights and spikes.
    """

    def __init__(self, sizes: tuple[int, int, int], seed: int = 0) -> None:
        random = np.random.default_rng(seed)
        self.input, self.hidden, self.output = (Layer(size, random) for size in sizes)
        inputs, hidden, outputs = sizes
        self.up = [random.normal(0, 0.1, (hidden, inputs)), random.normal(0, 1, (outputs, hidden))]
        self.bias = [np.full(hidden, 0.8), np.full(outputs, 0.8)]
        self.down = random.normal(0, 1, (hidden, outputs))

    def phase(self, pixels: np.ndarray, steps: int, target: np.ndarray | None) -> dict:
        """Run a phase; return the means over its end."""
        seen: dict[str, list[np.ndarray]] = {}
        fed_back = np.zeros(len(self.output.v))
        for step in range(steps):
            psp = self.input.emit(RATE_MAX * pixels)
            basal = self.up[0] @ psp + self.bias[0]
            apical = self.down @ fed_back
            hidden, output = self.hidden, self.output
            hidden.v = hidden.v - G_LEAK * hidden.v + G_BASAL * (basal - hidden.v)
            hidden_psp = hidden.emit(RATE_MAX * logistic(hidden.v))
            drive = self.up[1] @ hidden_psp + self.bias[1]
            change = -G_LEAK * output.v + G_DENDRITE * (drive - output.v)
            if target is not None:
                change += target * (E_EXCITATORY - output.v)
                change += (1 - target) * (E_INHIBITORY - output.v)
            output.v = output.v + change
            rate = RATE_MAX * logistic(output.v)
            fed_back = output.emit(rate)
            if step >= steps - AVERAGED:
                values = {
                    "psp": psp,
                    "hidden_psp": hidden_psp,
                    "apical": apical,
                    "hidden": hidden.v,
                    "output": output.v,
                    "rate": rate,
                }
                for name, value in values.items():
                    seen.setdefault(name, []).append(value)
        return {name: np.mean(values, axis=0) for name, values in seen.items()}

    def learn(self, pixels: np.ndarray, target: np.ndarray, steps: tuple[int, int]) -> None:
        """Show an image in both phases, and change the weights."""
        forward = self.phase(pixels, steps[0], None)
        taught = self.phase(pixels, steps[1], target)
        s = logistic(forward["output"])
        gain = G_DENDRITE / (G_LEAK + G_DENDRITE)
        error = (taught["rate"] - RATE_MAX * s) * gain * RATE_MAX * s * (1 - s)
        error *= ETA * SCALE / RATE_MAX**2
        h = logistic(forward["hidden"])
        plateaus = logistic(taught["apical"]) - logistic(forward["apical"])
        gain = G_BASAL / (G_LEAK + G_BASAL)
        hidden_error = plateaus * gain * RATE_MAX * h * (1 - h) * ETA * SCALE / RATE_MAX
        self.up[1] += np.outer(error, forward["hidden_psp"])
        self.up[0] += np.outer(hidden_error, forward["psp"])
        self.bias[1] += error
        self.bias[0] += hidden_error
