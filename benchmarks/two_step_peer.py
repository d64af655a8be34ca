"""The two-step form of Sacramento et al. (2018) in plain numpy: a peer for timing.

Written from the equations of `microcircuit.models.sacramento2018_two_step` as one would without an
engine. A row is an image of the minibatch; top-down weights and those from interneurons are fixed.
"""

from collections.abc import Mapping

import numpy as np

MIXING_HIDDEN, MIXING_OUTPUT, MIXING_INTERNEURON = 0.1, 0.2, 0.1
ETA = 1.0, 0.03, 0.03
"""Of areas 1, 2 and 3."""


def logistic(x: np.ndarray) -> np.ndarray:
    """Return 1/(1 + e^-x)."""
    return 1 / (1 + np.exp(-x))


class Network:
    """Two hidden areas.

    Parameters
    ----------
    weights : mapping of str to array [post, pre]
        Starting weights by projection.
    dtype : str
        Of all numbers.
    """

    def __init__(self, weights: Mapping[str, np.ndarray], dtype: str) -> None:
        self.weights = {name: value.astype(dtype) for name, value in weights.items()}
        self._dtype = dtype

    def learn(self, patterns: np.ndarray, targets: np.ndarray) -> None:
        """Show a minibatch [image, pixel] with potentials [image, class], and learn from it."""
        w, last = self.weights, len(ETA)
        rates = [patterns.astype(self._dtype)]
        basal = [rates[0]]
        for k in range(1, last + 1):
            basal.append(rates[-1] @ w[f"bottom_up_{k}"].T + w[f"bias_{k}"].T)
            rates.append(logistic(basal[k]))
        soma = basal[last] + MIXING_OUTPUT * (targets.astype(self._dtype) - basal[last])
        above = logistic(soma)
        errors = {f"bottom_up_{last}": above - rates[last]}
        for k in range(last - 1, 0, -1):
            to, back = w[f"pyramidal_to_interneuron_{k}"], w[f"interneuron_to_pyramidal_{k}"]
            dendrite = rates[k] @ to.T + w[f"bias_to_interneuron_{k}"].T
            interneuron = logistic(dendrite + MIXING_INTERNEURON * (soma - dendrite))
            apical = above @ w[f"top_down_{k}"].T + interneuron @ back.T
            soma = basal[k] + MIXING_HIDDEN * apical
            above = logistic(soma)
            errors[f"pyramidal_to_interneuron_{k}"] = interneuron - logistic(dendrite)
            errors[f"bottom_up_{k}"] = above - rates[k]
        for k, eta in enumerate(ETA, start=1):
            self._change(f"bottom_up_{k}", f"bias_{k}", eta, errors, rates[k - 1])
        for k, eta in enumerate(ETA[1:], start=1):
            name, bias = f"pyramidal_to_interneuron_{k}", f"bias_to_interneuron_{k}"
            self._change(name, bias, eta / MIXING_INTERNEURON, errors, rates[k])

    def _change(
        self, name: str, bias: str, eta: float, errors: Mapping[str, np.ndarray], pre: np.ndarray
    ) -> None:
        error = errors[name] * (eta / len(pre))
        self.weights[name] += error.T @ pre
        self.weights[bias] += error.sum(axis=0)[:, None]
