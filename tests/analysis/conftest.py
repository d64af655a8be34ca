"""Small runs to draw and to analyse: simulated ones on numpy, and one that is computed by hand."""

from contextlib import ExitStack
from dataclasses import replace
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from brian2 import kHz, ms
from scipy.special import expit

from microcircuit.analysis.rules import RULES
from microcircuit.computation import compute
from microcircuit.progress import no_progress
from microcircuit.protocols import PROTOCOLS
from microcircuit.protocols.rules import DATA, Learner, Rules
from microcircuit.protocols.self_prediction import SelfPrediction
from microcircuit.results import Metric, open_results
from microcircuit.simulation import DeviceSettings, DivergenceError, simulate
from microcircuit.storage import Dataset, RunFolder

SHORT = {
    "self-prediction": {"presentations": 4, "duration": 3 * ms},
    "association": {"before": 1, "presentations": 2, "after": 1, "duration": 3 * ms},
    "regression": {"presentations": 3, "tests": 2, "test_patterns": 2, "duration": 3 * ms},
    "bars": {"presentations": 3, "tests": 2, "duration": 3 * ms},
    "alignment": {
        "networks": 2,
        "mixing_factors": (0.3, 0.1),
        "presentations": 2,
        # Errors in the first area are of third order in the mixing factor, so the slowest part, the
        # input's filter, is given twenty time constants.
        "duration": 60 * ms,
    },
    "spiking-convergence": {
        "rate_scales": (1 * kHz, 10 * kHz),
        "repetitions": 2,
        "presentations": 4,
        "duration": 5 * ms,
    },
    "segregated-mnist": {
        "images": 4,
        "tests": 2,
        "phase": 6 * ms,
        "test_phase": 4 * ms,
        "settling": 1 * ms,
        "test_images": 3,
        "probe_images": 2,
    },
    "segregated-traces": {"images": 4, "phase": 12 * ms},
    "mnist": {"epochs": 2, "comparisons": 2, "probe_images": 10, "baseline_epochs": 2},
}
"""Changes of each protocol's defaults."""
AVERAGING = 5 * ms
"""In short phases."""


class Untold(SelfPrediction):
    """A user's protocol, of which the package knows nothing."""

    name = "my-own-experiment"


def shortened(name, *areas):
    """A protocol's short form, and its model with one hidden area or more."""
    parameters, model = PROTOCOLS[name].load()
    if name.startswith("segregated"):
        changes = {"hidden": areas, "averaging": AVERAGING}
        return replace(parameters(), **SHORT[name]), replace(model, **changes)
    if name == "mnist":
        scales = {"eta_bottom_up": (0.03,), "forward_scale": (1.0,), "top_down_scale": (2.0,)}
        return parameters(**SHORT[name]), replace(model, hidden=areas, batch=100, **scales)
    if name == "bars":
        areas = (9, *areas[1:-1], 3)
    changes = {"areas": areas}
    if name in ("association", "regression", "bars", "spiking-convergence"):
        changes["eta_bottom_up"] = model.eta_bottom_up[:1]
    return replace(parameters(), **SHORT[name]), replace(model, **changes)


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    """Simulate, once in a session: ``run("bars", 4, 3, 2)`` is a folder with its ``run.h5``.

    Numbers are those of a model's areas; of hidden units, for what is shown images.
    Other changes of the model are made by name.
    """

    @cache
    def made(name, *areas, **changes):
        folder = tmp_path_factory.mktemp("runs")
        if name == "rules":
            rules = [*RULES] if len(areas) > 1 else ["backprop", "sdtp-alternating"]
            protocol = Rules(rules=rules, epochs=2, repeats=len(areas))
            learner = Learner(hidden=areas, batch=100)
            compute(protocol, learner, DATA, output=folder, progress=no_progress).close()
            return folder
        if name == "user's":
            protocol, model = shortened("self-prediction", *areas)
            protocol = Untold(presentations=3, duration=2 * ms)
        elif name == "diverged":
            protocol, model = shortened("self-prediction", *areas)
            model = replace(model, eta_from_interneuron=(1e4 / ms,))
        else:
            protocol, model = shortened(name, *areas)
            model = replace(model, **changes)
        data = [DATA] if "data" in getattr(PROTOCOLS.get(name), "sections", ()) else []
        device = DeviceSettings(name="numpy")
        options = {"device": device, "output": folder, "progress": no_progress}
        try:
            simulate(protocol, model, *data, **options).close()
        except DivergenceError:
            assert name == "diverged"
        return folder

    return made


def write_run(folder, model, arrays, metrics):
    """Write a result file; `arrays` has data by path, its first dimension along time."""
    config = {"seed": 0, "protocol": {"name": "alignment"}, "model": model}
    with RunFolder.create(folder, config=config, provenance={}) as run:
        data = {}
        for path, values in arrays.items():
            dimensions = tuple(f"dimension {n}" for n in range(np.ndim(values)))
            data[Dataset(path=path, units="1", dimensions=dimensions, dtype="float64")] = values
        run.save(position=1, data=data, state={})
        values = {name: Metric(value) for name, value in metrics.items()}
        run.finish(status="complete", message="by hand", attributes={}, metrics=lambda _: values)
    return open_results(folder)


@pytest.fixture
def write_spikes(tmp_path):
    """Write a run with spikes: times in ms of each neuron of each population, by its name.

    Presentations end at `ends`. Traces are arrays [time, neuron] by population and variable, in
    volts, with a sample every `interval` ms. Results are closed at the end of the test.
    """
    opened = ExitStack()

    def write(populations, *, ends=(1000.0,), traces=None, interval=0.1, started="10:00:00"):
        columns = {}

        def put(path, units, dimensions, values):
            dtype = np.asarray(values).dtype.name
            columns[Dataset(path=path, units=units, dimensions=dimensions, dtype=dtype)] = values

        mean = "records/output/loss"
        put(
            f"{mean}/data", "1", ("presentation", "replicate", "batch"), np.zeros((len(ends), 1, 1))
        )
        put(f"{mean}/time", "ms", ("presentation",), np.array(ends, dtype=float))
        put(f"{mean}/index", "1", ("presentation",), np.arange(len(ends)))
        for name, trains in populations.items():
            time = np.concatenate([np.asarray(train, dtype=float) for train in trains])
            index = np.repeat(np.arange(len(trains)), [len(train) for train in trains])
            order = np.argsort(time, kind="stable")
            put(f"spikes/{name}/time", "ms", ("spike",), time[order])
            put(f"spikes/{name}/index", "1", ("spike",), index[order])
        for (population, variable), values in (traces or {}).items():
            path = f"records/{population}/{variable}"
            dimensions = "time", "replicate", "batch", "neuron"
            put(f"{path}/data", "V", dimensions, values[:, None, None].astype(np.float32))
            put(f"{path}/time", "ms", ("time",), interval * np.arange(len(values)))
            put(f"{path}/index", "1", ("time",), np.zeros(len(values), dtype=np.int64))
        config = {"seed": 3, "protocol": {"name": "my-spikes"}}
        versions = {"package_version": "0.1.0", "brian2_version": "2.10.1"}
        provenance = {"started": f"2025-03-01T{started}+00:00", **versions}
        folder = tmp_path / f"run-{len(list(tmp_path.iterdir()))}"
        with RunFolder.create(folder, config=config, provenance=provenance) as run:
            run.save(position=1, data=columns, state={})
            sizes = {name: len(trains) for name, trains in populations.items()}
            attributes = {"wall_seconds": 1.5, "populations": sizes}
            run.finish(
                status="complete", message="by hand", attributes=attributes, metrics=lambda _: {}
            )
        return opened.enter_context(open_results(folder))

    with opened:
        yield write


AREAS = 7, 6, 5, 4
LEAK, BASAL = 0.1, 1.0


@pytest.fixture
def write_alignment(tmp_path):
    """Write an alignment run from bottom-up weights, patterns, targets, somata and predictions.

    Weights are a list of arrays [replicate, post, pre], the others have [presentation, replicate]
    in front; somata and predictions are lists of them.
    """

    def write(weights, pattern, target, soma, predicted, **changes):
        areas = [*(f"hidden_{k}" for k in range(1, len(weights))), "output"]
        arrays = {
            "records/input/rate/data": pattern[:, :, None],
            "records/output/v_target/data": target[:, :, None],
        }
        for area, u, v in zip(areas, soma, predicted, strict=True):
            arrays[f"records/{area}/v_soma/data"] = u[:, :, None]
            arrays[f"records/{area}/v_predicted/data"] = v[:, :, None]
        for k, weight in enumerate(weights, start=1):
            arrays[f"weights/bottom_up_{k}/w"] = weight[None]
        sizes = [pattern.shape[-1], *(u.shape[-1] for u in soma)]
        model = {"areas": sizes, "transfer": "logistic"} | changes.pop("model", {})
        replicates = pattern.shape[1]
        metrics = {"mixing_factor": np.full(replicates, 0.1)}
        metrics |= {"feedback_symmetric": np.ones(replicates, dtype=np.int64)} | changes
        return write_run(tmp_path / "synthetic", model, arrays, metrics)

    return write


def fixed_point(weights, feedback, pattern, target, factor):
    """The circuit's potentials at its fixed point, in the self-predicting state; logistic.

    In numpy and by iteration, so independent of the simulator. All mixing factors are `factor`,
    `weights` and `feedback` are W^PP_{k,k-1} and W^PP_{k,k+1} of each area.
    """
    last = len(weights) - 1
    output = BASAL / (LEAK + BASAL)
    attenuations = [(1 - factor) * output] * last + [output]
    soma = [np.zeros(len(weight)) for weight in weights]
    for _ in range(200):
        rates = [pattern, *(expit(u) for u in soma)]
        predicted = [a * w @ r for a, w, r in zip(attenuations, weights, rates[:-1], strict=True)]
        nudges = [target]
        for k in reversed(range(last)):
            # Interneurons predict the next area's soma, which also nudges them.
            prediction = attenuations[k + 1] * weights[k + 1] @ expit(soma[k])
            interneuron = (1 - factor) * prediction + factor * soma[k + 1]
            nudges.insert(0, feedback[k] @ (expit(soma[k + 1]) - expit(interneuron)))
        soma = [v + factor * n for v, n in zip(predicted[:-1], nudges[:-1], strict=True)]
        soma.append((1 - factor) * predicted[-1] + factor * target)
    return soma, predicted


@pytest.fixture
def circuits(write_alignment):
    """An alignment run of fixed points: two mixing factors, both kinds of feedback."""
    random = np.random.default_rng(5)
    weights = [random.uniform(-1, 1, shape[::-1]) for shape in pairwise(AREAS)]
    pattern, target = random.uniform(0, 1, AREAS[0]), random.uniform(-1, 1, AREAS[-1])
    other = [random.uniform(-1, 1, weight.T.shape) for weight in weights[1:]]
    cases = [(s, f) for s in (True, False) for f in (0.1, 0.01)]
    found = [
        fixed_point(weights, [w.T for w in weights[1:]] if s else other, pattern, target, f)
        for s, f in cases
    ]
    soma, predicted = (
        [np.stack(area)[None] for area in zip(*potentials, strict=True)]
        for potentials in zip(*found, strict=True)
    )
    repeat = (1, len(cases), 1)
    with write_alignment(
        [np.tile(weight, (len(cases), 1, 1)) for weight in weights],
        np.tile(pattern, repeat),
        np.tile(target, repeat),
        soma,
        predicted,
        mixing_factor=np.array([f for _, f in cases]),
        feedback_symmetric=np.array([int(s) for s, _ in cases]),
    ) as results:
        yield results
