"""A nonlinear function is learnt, against shallow learning (Sacramento et al. 2018, Fig 2)."""

from microcircuit.analysis.figures import draw
from microcircuit.protocols.regression import MODEL, Regression
from microcircuit.simulation import simulate

protocol = Regression(presentations=20_000)
with simulate(protocol, MODEL, seed=0, output="runs/regression") as results:
    errors = results.probe("test", "output", "rate_error_squared")
    for presentations, error in zip(errors.index, errors.data.mean(axis=(1, 3)), strict=True):
        print(f"{presentations:6d} patterns: deep {error[0]:.3g}, shallow {error[1]:.3g}")
    draw(results, results.path.parent)
