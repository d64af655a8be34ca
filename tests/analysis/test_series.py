"""Series and their smoothed lines; numbers as captions say them."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from microcircuit.analysis.figures.series import RAW_POINTS, Series, binned, draw_noisy
from microcircuit.analysis.figures.style import changed, counted, listed, number, paper_style


def series(values):
    return Series(np.arange(1, len(values) + 1), np.asarray(values, dtype=float))


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("n", [1, 2, 7, 80, 1003])
def test_bins_cover_the_series(n, log):
    line = series(3.0 * np.arange(n))
    found = binned(line, bins=40, log=log)
    assert 1 <= len(found.y) <= 40
    assert np.all(np.diff(found.x) > 0)
    # Means of a straight line lie on it, so no value is in one bin and its position in another.
    np.testing.assert_allclose(found.y, 3 * (found.x - 1))
    assert 1 <= found.x[0] <= found.x[-1] <= n
    if n < 40 and not log:
        np.testing.assert_array_equal(found.y, line.y)


def test_means_of_bins():
    found = binned(series([1, 3, 5, 7]), bins=2)
    assert found.x.tolist() == [1.5, 3.5]
    assert found.y.tolist() == [2, 6]


def test_logarithmic_bins_grow():
    widths = np.diff(binned(series(np.ones(1000)), bins=20, log=True).x)
    assert widths[0] == 1
    assert widths[-1] > 100


@pytest.mark.filterwarnings("error")
def test_values_that_are_not_finite_are_left_out():
    found = binned(series([1, np.nan, np.inf, 5, np.nan, np.nan]), bins=3)
    assert found.y[:2].tolist() == [1, 5]
    assert np.isnan(found.y[2])
    assert len(binned(series([]), bins=3).y) == 0


def test_long_series_are_thinned():
    axes = Figure().subplots()
    draw_noisy(axes, series(np.ones(10 * RAW_POINTS)), color="C0", label="a line")
    raw, smooth = axes.get_lines()
    assert len(raw.get_xdata()) == RAW_POINTS
    assert len(smooth.get_xdata()) < 100
    assert axes.get_legend_handles_labels()[1] == ["a line"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (1, "1"),
        (0.012345, "0.0123"),
        (-12.345, "-12.3"),
        (12345.6, "12,300"),
        (4.5678e-7, "4.57 × 10⁻⁷"),  # noqa: RUF001
        (1e12, "1.00 × 10¹²"),  # noqa: RUF001
    ],
)
def test_number(value, text):
    assert number(value) == text


def test_words():
    assert changed(13.4) == "falls 13-fold"
    assert changed(2.41) == "falls 2.4-fold"
    assert changed(0.05) == "rises 20-fold"
    assert changed(12345.0) == "falls 12,345-fold"
    assert counted(1, "network") == "1 network"
    assert counted(1000, "network") == "1,000 networks"
    assert [listed(list("abc")[:n]) for n in (1, 2, 3)] == ["a", "a and b", "a, b and c"]


def test_style_does_not_depend_on_the_users_and_is_put_back():
    import matplotlib

    with matplotlib.rc_context({"lines.linewidth": 9, "font.size": 30}):
        with paper_style():
            inside = matplotlib.rcParams["lines.linewidth"], matplotlib.rcParams["font.size"]
        assert matplotlib.rcParams["lines.linewidth"] == 9
    assert inside == (1.3, 7)
