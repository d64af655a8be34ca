"""The figure of alignment: angle between the circuit's updates and backprop's."""

import numpy as np
from matplotlib.axes import Axes

from microcircuit.analysis.alignment import Alignment, alignment, table
from microcircuit.analysis.figures.style import DOUBLE, GREY, Picture, counted, letter, page
from microcircuit.results import Results

FEEDBACK = {True: "top-down weights: transpose of bottom-up", False: "top-down weights: random"}
SPREAD = 0.05
"""Networks are drawn side by side, over this part of the mixing factor."""
ORTHOGONAL = 90.0
