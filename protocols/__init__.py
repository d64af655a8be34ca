"""Experiments: one module each, with stimuli, phases, records and metrics.

`PROTOCOLS` is the explicit list of those that come with the package. A protocol module has a class
of validated parameters with a method ``experiment(model, seed)``, and ``MODEL``, the parameters of
the model that the published experiment used. One that shows images has ``DATA`` too, and the method
``experiment(model, data, seed)``. What the method returns is an `Experiment`, with a circuit, or a
`Computation`, without one.
"""

from dataclasses import dataclass
from importlib import import_module


@dataclass(frozen=True)
class Entry:
    """Where a protocol is, without importing it.

    Parameters
    ----------
    module, parameters : str
        Module in this package and its class of parameters.
    summary : str
        What it shows, in a line.
    sections : tuple of str
        Those of its configuration, beside ``protocol``: ``model``; ``data`` if it shows images;
        ``device`` if it has a circuit.
    """

    module: str
    parameters: str
    summary: str
    sections: tuple[str, ...] = ("model", "device")

    def load(self) -> tuple[type, object]:
        """Import the protocol; return its class of parameters and its default model."""
        module = import_module(f"{__name__}.{self.module}")
        return getattr(module, self.parameters), module.MODEL

    def citation(self) -> str:
        """Import the protocol; return the paper of its model, as BibTeX."""
        _, model = self.load()
        citation: str = import_module(type(model).__module__).CITATION
        return citation

    def defaults(self) -> dict[str, object]:
        """Import the protocol; return the default parameters of each of its sections."""
        from microcircuit.simulation import DeviceSettings

        module = import_module(f"{__name__}.{self.module}")
        own = {"device": DeviceSettings(), "model": module.MODEL, "data": vars(module).get("DATA")}
        chosen = {name: own[name] for name in self.sections}
        return {"protocol": getattr(module, self.parameters)(), **chosen}


PROTOCOLS: dict[str, Entry] = {
    "self-prediction": Entry(
        "self_prediction",
        "SelfPrediction",
        "interneurons learn to cancel top-down input (Sacramento 2018, Fig S1)",
    ),
    "lif": Entry(
        "lif",
        "Lif",
        "self-prediction of integrate-and-fire neurons, in mV and pA, with all their spikes",
    ),
    "association": Entry(
        "association",
        "Association",
        "one input learns its target; the apical error vanishes (Sacramento 2018, Fig 1)",
    ),
    "regression": Entry(
        "regression",
        "Regression",
        "a nonlinear teacher is learnt, against shallow learning (Sacramento 2018, Fig 2)",
    ),
    "bars": Entry(
        "bars",
        "Bars",
        "horizontal, vertical and diagonal bars are told apart by the full dynamics",
    ),
    "alignment": Entry(
        "alignment",
        "Alignment",
        "angle between the circuit's weight updates and backprop's, over the mixing factor",
    ),
    "spiking-convergence": Entry(
        "spiking_convergence",
        "SpikingConvergence",
        "with more spikes the circuit of Sacramento 2018 comes closer to that with rates",
    ),
    "segregated-mnist": Entry(
        "segregated_mnist",
        "SegregatedMnist",
        "digits are learnt from plateau potentials in apical dendrites (Guerguiev 2017)",
        sections=("model", "device", "data"),
    ),
    "segregated-traces": Entry(
        "segregated_traces",
        "SegregatedTraces",
        "potentials and spikes of segregated dendrites in both phases (Guerguiev 2017)",
        sections=("model", "device", "data"),
    ),
    "mnist": Entry(
        "mnist",
        "Mnist",
        "digits are learnt from apical errors, in two steps an image (Sacramento 2018, Fig 3)",
        sections=("model", "device", "data"),
    ),
    "denoising": Entry(
        "denoising",
        "Denoising",
        "noisy digits are sharpened when interneurons are off (Sacramento 2018, preprint)",
        sections=("model", "device", "data"),
    ),
    "generation": Entry(
        "generation",
        "Generation",
        "a class, clamped at the output, comes to mind as an image (Sacramento 2018, preprint)",
        sections=("model", "device", "data"),
    ),
    "rules": Entry(
        "rules",
        "Rules",
        "reference learning rules on images: test errors, angles to backprop (Bartunov 2018)",
        sections=("model", "data"),
    ),
}
"""By the name used on the command line."""
