"""Protocols of the circuit with spikes: that they run, and what they refuse."""

from dataclasses import replace

import numpy as np
import pytest
from brian2 import Hz, ms

from microcircuit.analysis.alignment import alignment
from microcircuit.circuit import CircuitError
from microcircuit.models.sacramento2018 import Sacramento2018
from microcircuit.parameters import ParameterError
from microcircuit.progress import no_progress
from microcircuit.protocols import PROTOCOLS
from microcircuit.protocols.sacramento import SETTLED, readout
from microcircuit.protocols.spiking_convergence import MODEL, SpikingConvergence
from microcircuit.simulation import DeviceSettings, DivergenceError, simulate

SHORT = {
    "self-prediction": {"presentations": 3, "duration": 20 * ms},
    "association": {"before": 1, "presentations": 2, "after": 1, "duration": 20 * ms},
    "regression": {"presentations": 3, "tests": 1, "test_patterns": 2, "duration": 20 * ms},
    "bars": {"presentations": 3, "tests": 1, "duration": 20 * ms},
    "alignment": {
        "networks": 1,
        "mixing_factors": (0.3,),
        "presentations": 2,
        "duration": 20 * ms,
    },
    "mnist": {"epochs": 1, "comparisons": 1, "probe_images": 10, "baseline_epochs": 0},
}
SMALL = {
    "areas": (6, 4, 3),
    "eta_bottom_up": (1e-3 / ms,),
    "eta_to_interneuron": (1e-3 / ms,),
    "signal": "spikes",
}
DIGITS = {
    "dynamics": "full",
    "signal": "spikes",
    "hidden": (6,),
    "batch": 400,
    "eta_bottom_up": (0.03,),
    "forward_scale": (1.0,),
    "top_down_scale": (1.0,),
    "duration": 3 * ms,
    "settling": 1 * ms,
}


def simulated(name, folder, **changes):
    """Run a protocol in short on numpy, with a small model."""
    defaults = PROTOCOLS[name].defaults()
    small = DIGITS if name == "mnist" else SMALL
    if name == "bars":
        small = SMALL | {"areas": (9, 4, 3)}
    if name == "alignment":
        small = {"areas": (6, 4, 3), "signal": "spikes"}
    model = replace(defaults["model"], **(small | changes))
    data = [defaults["data"]] if "data" in defaults else []
    return simulate(
        replace(defaults["protocol"], **SHORT[name]),
        model,
        *data,
        device=DeviceSettings(name="numpy"),
        output=folder,
        progress=no_progress,
    )


@pytest.mark.parametrize("name", SHORT)
def test_every_protocol_with_the_full_dynamics_runs_with_spikes(name, tmp_path):
    with simulated(name, tmp_path / name) as results:
        assert results.status == "complete"
        for key, metric in results.metrics().items():
            if not isinstance(metric.value, str):
                assert np.all(np.isfinite(metric.value)), key
        if name == "association":
            assert results.spiking() == ["hidden_1", "input", "interneuron_1", "output"]
            assert len(results.spikes("input").time) > 10
        if name == "alignment":
            assert "drift" not in results.metrics()
            assert np.all(alignment(results).angles < 180)


def test_shot_noise_is_not_told_of_neurons_that_rest(tmp_path):
    noise = "hidden_1.v_apical_squared.shot_noise"
    with simulated("self-prediction", tmp_path / "poisson") as results:
        assert noise in results.metrics()
    with simulated("self-prediction", tmp_path / "rest", refractory=2 * ms) as results:
        assert noise not in results.metrics()


def test_weights_that_are_no_numbers_stop_a_run(tmp_path):
    with pytest.raises(DivergenceError, match="hidden_1"):
        simulated("self-prediction", tmp_path, eta_from_interneuron=(1e200 / ms,))


def test_tests_average_over_what_has_settled_or_over_spikes():
    model = Sacramento2018()
    assert readout(model, 30 * ms) == SETTLED
    half = readout(replace(model, signal="spikes"), 30 * ms)
    assert half / ms == pytest.approx(15)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"signal": "spikes", "rate_scale": 11_000 * Hz}, "at most one spike in a time step"),
        ({"refractory": 2 * ms}, "only neurons that spike can rest"),
        ({"signal": "traces", "tau_synapse": 0.1 * ms}, "tau_synapse = .*longer than dt"),
    ],
)
def test_models_refuse_what_spikes_and_traces_can_not_do(changes, message):
    with pytest.raises(ParameterError, match=message):
        Sacramento2018(**changes)


def test_psi_of_convergence_is_the_protocols():
    model = replace(MODEL, rate_scale=5000 * Hz)
    with pytest.raises(CircuitError, match=r"set protocol\.rate_scales instead"):
        SpikingConvergence().experiment(model, seed=1)
