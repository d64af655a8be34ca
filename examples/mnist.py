"""Apical errors teach two hidden areas to read digits (Sacramento et al. 2018, Fig 3)."""

from microcircuit.analysis.figures import draw
from microcircuit.protocols.mnist import DATA, MODEL, Mnist
from microcircuit.simulation import simulate

protocol = Mnist(epochs=20)
with simulate(protocol, MODEL, DATA, seed=0, output="runs/mnist") as results:
    last = {name: results.metric(f"{name}.last").value for name in ("test_error", "angle_1")}
    print(f"Test error {last['test_error']:.1f} %, ", end="")
    for name in ("backprop", "shallow"):
        print(f"{name} {results.metric(f'baseline_{name}.last').value:.1f} %, ", end="")
    print(f"errors in the first hidden area {last['angle_1']:.0f}° from backprop's")
    draw(results, results.path.parent)
