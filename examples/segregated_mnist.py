"""Plateau potentials in apical dendrites teach a hidden layer to read digits (Guerguiev 2017)."""

from microcircuit.analysis.figures import draw
from microcircuit.protocols.segregated_mnist import DATA, MODEL, SegregatedMnist
from microcircuit.simulation import simulate

protocol = SegregatedMnist(images=20_000, tests=5)
with simulate(protocol, MODEL, DATA, seed=0, output="runs/segregated-mnist") as results:
    errors, angles = (results.metric(name).value for name in ("test_error", "angle_1"))
    for error, angle in zip(errors, angles, strict=True):
        print(f"Test error {error:.1f} %, errors in the hidden layer {angle:.0f}° from backprop's")
    draw(results, results.path.parent)
