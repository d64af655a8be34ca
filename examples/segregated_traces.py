"""Spikes and potentials of segregated dendrites in both phases (Guerguiev et al. 2017)."""

from microcircuit.analysis.figures import draw
from microcircuit.analysis.phases import plateaus
from microcircuit.protocols.segregated_traces import DATA, MODEL, SegregatedTraces
from microcircuit.simulation import simulate

protocol = SegregatedTraces(images=3)
with simulate(protocol, MODEL, DATA, seed=0, output="runs/segregated-traces") as results:
    of_phases = plateaus(results, protocol.images)
    for forward, target in zip(of_phases[::2], of_phases[1::2], strict=True):
        print(f"Plateau potentials change by up to {abs(target - forward).max():.2f}")
    draw(results, results.path.parent)
