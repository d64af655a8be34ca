"""One input learns its target, while the apical error vanishes (Sacramento et al. 2018, Fig 1)."""

from dataclasses import replace

from microcircuit.analysis.figures import draw
from microcircuit.protocols.association import MODEL, Association
from microcircuit.simulation import simulate

protocol = Association(presentations=200)
quiet = replace(MODEL, sigma="0 ms**-0.5")
with simulate(protocol, quiet, seed=0, output="runs/association") as results:
    for when in ("before", "after"):
        error = results.metric(f"output.error_squared.{when}").value
        print(f"Squared distance from the target {when} learning: {error:.3g}")
    draw(results, results.path.parent)
