"""NEST's closest relative of the projection: ``urbanczik_synapse``, 784 to 500, all to all.

The synapse of Urbanczik and Senn (2014) learns from the difference between what the soma does and
what the dendrite predicts, low-passed, as the microcircuit's do. It is driven by events: when a
presynaptic neuron spikes, each of its synapses goes through the history of the postsynaptic
dendrite, step by step, since that neuron's last spike. A step's share of the cost is what counts
here, neurons included.

As a command, ``python nest_peer.py PRE POST``, this file needs nothing but NEST: it builds the
network, runs it until its histories have their usual length, and then simulates as many steps as
each line of its input says, answering with the CPU seconds.
"""

import importlib.util
import subprocess
import sys
import time

INSTALL = "not installed: pip install nest-simulator"
DT = 0.1
"""Time step in ms, as everywhere else in these benchmarks."""
RATE = 20.0
"""Spikes per second of each input, Poisson distributed."""
WARM_UP = 4000
"""Steps until all histories have been gone through: eight times the inputs' mean interval."""


class NestCase:
    """Measures a step of NEST, in a process that ends with this one, when its input does.

    Parameters
    ----------
    pre, post : int
        Neurons.
    python : str or None
        An interpreter that has NEST; this one if None.
    steps : int
        Of a measurement.
    """

    kind = "nest"

    def __init__(self, pre: int, post: int, python: str | None, steps: int) -> None:
        self.about: dict[str, int | str | bool] = {"pre": pre, "post": post}
        self.details: dict[str, int | float | str] = {"steps": steps, "warm_up": WARM_UP}
        self.label = f"{pre}x{post}, NEST"
        self._python, self._steps = python or sys.executable, steps

    def prepare(self) -> None:
        """Start NEST, build the network and warm it up.

        Raises
        ------
        RuntimeError
            NEST does not start.
        """
        command = [self._python, __file__, str(self.about["pre"]), str(self.about["post"])]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.details["version"] = self._answer()

    def calibrate(self) -> None:
        """Nothing: the number of steps is given, as they are slow."""

    def measure(self) -> float:
        """Return CPU seconds of a step."""
        assert self._process.stdin is not None
        print(self._steps, file=self._process.stdin, flush=True)
        return float(self._answer()) / self._steps

    def _answer(self) -> str:
        """Return the next answer; NEST prints a banner of its own between them."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("answer "):
                return line.removeprefix("answer ").strip()
        raise RuntimeError(f"NEST stopped with exit status {self._process.wait()}")


def missing(python: str | None) -> str | None:
    """Return why there is no NEST to measure, or None."""
    if python is None:
        return None if importlib.util.find_spec("nest") else INSTALL
    try:
        done = subprocess.run([python, "-c", "import nest"], capture_output=True, check=False)
    except OSError as error:
        return f"no interpreter {python}: {error.strerror}"
    return f"{INSTALL} for {python}" if done.returncode else None


def main() -> None:
    """Build the network, then simulate whenever told to."""
    import nest

    pre, post = map(int, sys.argv[1:])
    nest.resolution = DT
    nest.local_num_threads = 1
    source = nest.Create("poisson_generator", params={"rate": RATE})
    # Plastic synapses need neurons, not generators, on their presynaptic side.
    inputs = nest.Create("parrot_neuron", pre)
    model = "pp_cond_exp_mc_urbanczik"
    neurons = nest.Create(model, post)
    nest.Connect(source, inputs)
    capacity = nest.GetDefaults(model)["dendritic"]["C_m"]
    synapse = {
        "synapse_model": "urbanczik_synapse",
        "receptor_type": nest.GetDefaults(model)["receptor_types"]["dendritic_exc"],
        # NEST's own example has 200 inputs of 10 per second: the same drive in all.
        "weight": 0.3 * capacity * (200 * 10) / (pre * RATE),
        "Wmax": 4.5 * capacity,
        "delay": DT,
    }
    nest.Connect(inputs, neurons, "all_to_all", synapse)
    nest.Simulate(WARM_UP * DT)
    print("answer", nest.__version__, flush=True)
    for line in sys.stdin:
        start = time.process_time()
        nest.Simulate(int(line) * DT)
        print("answer", time.process_time() - start, flush=True)


if __name__ == "__main__":
    main()
