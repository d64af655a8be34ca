"""The angle between the circuit's weight updates and backprop's, over the mixing factor."""

from microcircuit.analysis.alignment import alignment
from microcircuit.analysis.figures import draw
from microcircuit.protocols.alignment import MODEL, Alignment
from microcircuit.simulation import simulate

protocol = Alignment(networks=10, mixing_factors=(0.5, 0.1, 0.01))
with simulate(protocol, MODEL, seed=0, output="runs/alignment") as results:
    angles = alignment(results)
    for factor in angles.factors:
        degrees = angles.mean(factor, symmetric=True)
        print(f"Mixing factor {factor}: angles of areas 1, 2, ... in degrees:", *degrees.round(1))
    draw(results, results.path.parent)
