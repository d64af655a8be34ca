"""The figure of the bars task: which pattern drives which output, and how fast it is learnt."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator, PercentFormatter

from microcircuit.analysis.figures.series import draw_noisy, over_presentations
from microcircuit.analysis.figures.style import DOUBLE, GREY, Picture, counted, letter, number, page
from microcircuit.results import Results

SIDE = 3
CLASSES = ("horizontal", "vertical", "diagonal")
