"""The more spikes, the closer the spiking circuit comes to the one with rates."""

from microcircuit.analysis.figures import draw
from microcircuit.protocols.spiking_convergence import MODEL, SpikingConvergence
from microcircuit.simulation import simulate

protocol = SpikingConvergence(presentations=20, repetitions=4)
with simulate(protocol, MODEL, seed=0, output="runs/spiking-convergence") as results:
    slope = results.metric("slope.potentials").value
    print(f"Errors of potentials fall with a slope of {slope:.2f}; shot noise has -1/2")
    draw(results, results.path.parent)
