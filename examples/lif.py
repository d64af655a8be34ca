"""Integrate-and-fire neurons, with all their spikes, learn to cancel top-down input."""

from microcircuit.analysis.figures import draw
from microcircuit.protocols.lif import MODEL, Lif
from microcircuit.simulation import simulate

protocol = Lif(presentations=400)
with simulate(protocol, MODEL, seed=0, output="runs/lif") as results:
    for population in ("hidden_1", "interneuron_1", "output"):
        rate, cv = (results.metric(f"{population}.{name}").value for name in ("rate", "cv"))
        print(f"{population} fires at {rate:.1f} Hz, with a CV of {cv:.2f}.")
    fall = results.metric("hidden_1.deviation_squared.fall").value
    print(f"The squared mean apical deviation fell by a factor of {fall:.3g}.")
    draw(results, results.path.parent)
