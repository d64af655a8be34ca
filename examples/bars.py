"""Horizontal, vertical and diagonal bars are told apart by the full dynamics."""

from microcircuit.analysis.figures import draw
from microcircuit.protocols.bars import MODEL, Bars
from microcircuit.simulation import simulate

protocol = Bars(presentations=800)
with simulate(protocol, MODEL, seed=0, output="runs/bars") as results:
    accuracy = results.metric("accuracy").value
    print("Fraction of the bars told apart, test by test:", *accuracy)
    draw(results, results.path.parent)
