"""A class, clamped at the output, comes to mind as an image (Sacramento et al. 2018, preprint)."""

from microcircuit.analysis.figures import draw
from microcircuit.protocols.generation import DATA, MODEL, Generation
from microcircuit.simulation import simulate

protocol = Generation()
with simulate(protocol, MODEL, DATA, seed=0, output="runs/generation") as results:
    print("An independent classifier sees:", *results.metric("class.judged").value)
    draw(results, results.path.parent)
