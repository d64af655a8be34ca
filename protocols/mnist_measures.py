"""What comes out of a run of the protocol ``mnist``."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from microcircuit.models.sacramento2018_mnist import SacramentoMnist
from microcircuit.models.sacramento2018_two_step import present
from microcircuit.protocols.baselines import train
from microcircuit.protocols.measures import angles, backprop_errors
from microcircuit.protocols.minibatches import Shown, Split
from microcircuit.results import Metric, Results


@dataclass(frozen=True, kw_only=True)
class Measures:
    """Metrics of a run.

    Parameters
    ----------
    model : SacramentoMnist
        That was run.
    images : Split
        That were shown.
    compared : Shown
        Those on which errors are compared with backprop's.
    targets : array [class, class]
        The teacher's potentials for each class.
    batches : int
        Minibatches in an epoch.
    baseline_epochs : int
        Epochs of the baselines; none if zero.
    seed : int
        The run's seed.
    """

    model: SacramentoMnist
    images: Split
    compared: Shown
    targets: np.ndarray
    batches: int
    baseline_epochs: int
    seed: int

    def of(self, results: Results) -> Mapping[str, Metric]:
        """Return all metrics."""
        found = self._errors(results) | self._potentials(results)
        if self.model.dynamics == "two-step":
            found |= self._angles(results)
        if self.baseline_epochs:
            found |= self._baselines()
        return found

    def _errors(self, results: Results) -> dict[str, Metric]:
        """Return test and validation errors, and the test that validation chooses."""
        test = self._wrong(results, "test", self.images.test)
        validation = self._wrong(results, "validation", self.images.validation)
        epochs = results.probe("test", "output", "v_soma").index / self.batches
        best = int(validation.argmin())
        return {
            "epoch": Metric(epochs, "epochs", "shown before each test"),
            **_with_last("test_error", test, "%", "test images classified wrongly, per test"),
            **_with_last(
                "validation_error",
                validation,
                "%",
                "validation images classified wrongly, per test",
            ),
            "epoch.chosen": Metric(
                float(epochs[best]), "epochs", "before the test with the lowest validation error"
            ),
            "test_error.chosen": Metric(
                float(test[best]), "%", "test images classified wrongly in that test"
            ),
        }

    @staticmethod
    def _wrong(results: Results, probe: str, shown: Shown) -> np.ndarray:
        """Return how many images were classified wrongly, in percent, in each test."""
        v_soma = results.probe(probe, "output", "v_soma").data[:, :, 0]
        answers = v_soma.argmax(axis=-1).reshape(len(v_soma), -1)[:, : len(shown)]
        return 100 * (answers != shown.labels).mean(axis=1)

    def _potentials(self, results: Results) -> dict[str, Metric]:
        """Return mean squares of apical potentials and of the interneurons' errors, per test."""
        found = {}
        for k in self.model.hidden_areas:
            for name, population, record, about in (
                ("apical", f"hidden_{k}", "v_apical_squared", "mean squared apical potential"),
                (
                    "interneuron_error",
                    f"interneuron_{k}",
                    "error_squared",
                    "mean squared distance of the neuron nudging from what the dendrite predicts",
                ),
            ):
                for probe, when in (("test", "without"), ("taught", "with")):
                    values = results.probe(probe, population, record).data
                    found[f"{name}_{k}.{probe}"] = Metric(
                        values.reshape(len(values), -1).mean(axis=1),
                        "1",
                        f"{about}, {when} teacher, per test",
                    )
        return found

    def _angles(self, results: Results) -> dict[str, Metric]:
        """Return the mean angle of each hidden area's errors to backprop's, per snapshot."""
        names = results.projections()
        index = results.weights(names[0]).index
        rows = [
            self._angles_at({name: results.weights(name)[snapshot, 0] for name in names})
            for snapshot in range(len(index))
        ]
        about = "mean angle of the errors in hidden area {} to backprop's, per snapshot"
        found = {"epoch.angle": Metric(index / self.batches, "epochs", "before each snapshot")}
        for k, values in zip(self.model.hidden_areas, np.transpose(rows), strict=True):
            found |= _with_last(f"angle_{k}", values, "degrees", about.format(k))
        return found

    def _angles_at(self, weights: Mapping[str, np.ndarray]) -> list[float]:
        shown = self.compared
        there = present(self.model, weights, shown.pixels, self.targets[shown.labels])
        hidden = self.model.hidden_areas
        wanted = backprop_errors(
            there.errors[-1],
            {k: there.rates[k] * (1 - there.rates[k]) for k in hidden},
            {k + 1: weights[f"bottom_up_{k + 1}"] for k in hidden},
        )
        return [float(angles(there.errors[k - 1], wanted[k]).mean()) for k in hidden]

    def _baselines(self) -> dict[str, Metric]:
        """Return the test errors of networks that learn with backprop."""
        found: dict[str, Metric] = {}
        networks: tuple[tuple[str, tuple[int, ...], str], ...] = (
            ("baseline_backprop", self.model.hidden, "the same sizes"),
            ("baseline_shallow", (), "no hidden units"),
        )
        for name, hidden, about in networks:
            errors = train(
                hidden,
                self.images,
                np.exp(-np.logaddexp(0, -self.targets)),
                epochs=self.baseline_epochs,
                batch=self.model.batch,
                seed=self.seed,
            )
            text = f"test images that backprop with {about} classifies wrongly, per epoch"
            found |= _with_last(name, errors, "%", text)
        return found


def _with_last(name: str, values: np.ndarray, units: str, description: str) -> dict[str, Metric]:
    return {
        name: Metric(values, units, description),
        f"{name}.last": Metric(float(values[-1]), units, f"{description.rpartition(',')[0]}, last"),
    }
