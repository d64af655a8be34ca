"""Interneurons learn to cancel top-down input (Sacramento et al. 2018, Fig S1)."""

from microcircuit.analysis.figures import draw
from microcircuit.protocols.self_prediction import MODEL, SelfPrediction
from microcircuit.simulation import simulate

protocol = SelfPrediction(presentations=1000)
with simulate(protocol, MODEL, seed=0, output="runs/self-prediction") as results:
    fall = results.metric("hidden_1.v_apical_squared.fall").value
    print(f"The squared apical potential fell by a factor of {fall:.3g}.")
    draw(results, results.path.parent)
