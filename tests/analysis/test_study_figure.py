"""Figures of studies, from made-up tables."""

import warnings
from contextlib import contextmanager
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from microcircuit.analysis.figures import draw_study
from microcircuit.analysis.figures.study import (
    MOST_TICKS,
    MOST_TOLD,
    StudyFigureError,
    curve,
    study_figure,
)
from microcircuit.analysis.figures.style import SINGLE, paper_style

SIGMA, RATE, START = "model.sigma (ms**-0.5)", "model.eta_bottom_up (/ms)", "model.start"
ANGLE, KIND = "angle.final (degrees)", "kind"
METRICS = [ANGLE, KIND]


def table(metric, status=None, **columns):
    """A study's table as columns; parameters by the names above, in lower case."""
    names = {"sigma": SIGMA, "rate": RATE, "start": START}
    count = len(metric)
    found = {names[name]: np.asarray(values) for name, values in columns.items() if name != "seed"}
    found["seed"] = np.asarray(columns.get("seed", np.arange(count)))
    found["status"] = np.array(status or ["complete"] * count, dtype=object)
    found[ANGLE] = np.asarray(metric, dtype=float)
    found[KIND] = np.array(["good"] * count, dtype=object)
    return found


def grid(*levels):
    """Each value with every other, as columns."""
    places = np.meshgrid(*[np.arange(len(one)) for one in levels], indexing="ij")
    kinds = [object if isinstance(one[0], str) else float for one in levels]
    return [
        np.array(one, dtype=kind)[at.ravel()]
        for one, kind, at in zip(levels, kinds, places, strict=True)
    ]


def picture(found, *against, metric=None):
    parameters = [name for name in found if name in (SIGMA, RATE, START)]
    with no_warnings(), paper_style():
        made = study_figure(
            found, parameters=parameters, metrics=METRICS, metric=metric, against=against
        )
        made.figure.draw_without_rendering()
    return made


@contextmanager
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def labels(found):
    axes = found.figure.axes[0]
    return axes.get_xlabel(), axes.get_ylabel()


def ticks(axis):
    return [label.get_text() for label in axis.get_ticklabels()]


def test_curve_has_means_and_intervals():
    rng = np.random.default_rng(3)
    x = rng.permutation(np.repeat([0.5, 0.1, 2.0], [100, 100, 1]))
    y = rng.normal(10 * x, 1)
    found = curve(x, y)
    np.testing.assert_array_equal(found.values, [0.1, 0.5, 2.0])
    for n, value in enumerate(found.values):
        assert found.mean[n] == y[x == value].mean()
    # As theory has it: 1.96 standard errors to each side.
    for n in (0, 1):
        error = y[x == found.values[n]].std() / 10
        assert found.mean[n] - found.low[n] == pytest.approx(1.96 * error, rel=0.1)
        assert found.high[n] - found.mean[n] == pytest.approx(1.96 * error, rel=0.1)
    assert np.isnan([found.low[2], found.high[2]]).all()


def test_curve_is_the_same_every_time():
    x, y = np.repeat([0.0, 1.0], 10), np.arange(20.0) ** 2
    for first, second in zip(curve(x, y), curve(x, y), strict=True):
        np.testing.assert_array_equal(first, second)


def test_curve_leaves_out_what_is_no_number():
    x = np.array([1, 1, 1, 2, 2])
    y = np.array([1.0, np.nan, 3.0, np.inf, np.nan])
    found = curve(x, y)
    assert found.mean[0] == 2.0
    assert 1.0 <= found.low[0] <= found.high[0] <= 3.0
    assert np.isnan([found.mean[1], found.low[1], found.high[1]]).all()


@given(st.lists(st.tuples(st.integers(0, 3), st.floats(-1e9, 1e9)), min_size=1, max_size=12))
@example([(0, 0.1), (0, 0.1), (0, 0.1)])
@settings(deadline=None)
def test_interval_contains_the_mean(points):
    x, y = (np.array(column) for column in zip(*points, strict=True))
    found = curve(x, y)
    assert list(found.values) == sorted(set(x.tolist()))
    for n, value in enumerate(found.values):
        members = y[x == value]
        assert found.mean[n] == members.mean()
        if len(members) == 1:
            assert np.isnan([found.low[n], found.high[n]]).all()
            continue
        assert found.low[n] <= found.mean[n] <= found.high[n]
        tiny = 1e-9 * np.abs(members).max()
        assert members.min() - tiny <= found.low[n]
        assert found.high[n] <= members.max() + tiny


def test_line_is_the_mean_against_the_parameter():
    x, seed = grid([0.0, 0.1, 0.2, 0.4], range(5))
    y = 10 * x + seed
    made = picture(table(y, sigma=x, seed=seed))
    assert labels(made) == (SIGMA, ANGLE)
    dots, line = made.figure.axes[0].lines
    np.testing.assert_array_equal(dots.get_xydata(), np.column_stack([x, y]))
    np.testing.assert_allclose(line.get_xdata(), [0.0, 0.1, 0.2, 0.4])
    np.testing.assert_allclose(line.get_ydata(), [2.0, 3.0, 4.0, 6.0])
    assert made.caption == (
        f"{ANGLE} against {SIGMA}: mean of 20 points and 95% bootstrap confidence interval of "
        "the mean; each point is a dot. From 2 at 0 to 6 at 0.4."
    )
    assert made.figure.get_figwidth() * 25.4 == pytest.approx(SINGLE)


def test_only_complete_points_are_drawn():
    x = np.array([0.0, 0.0, 0.1, 0.1, 0.2])
    y = [1.0, 100.0, 2.0, np.nan, np.nan]
    status = ["complete", "diverged", "complete", "complete", "failed"]
    made = picture(table(y, status, sigma=x))
    _, line = made.figure.axes[0].lines
    np.testing.assert_array_equal(line.get_ydata(), [1.0, 2.0])
    assert "mean of 3 points" in made.caption
    assert made.caption.endswith("From 1 at 0 to 2 at 0.1.")


def test_values_without_numbers_are_not_in_the_caption():
    x = np.repeat([0.0, 0.1, 0.2], 2)
    made = picture(table([np.nan, np.nan, 3, 5, 1, 1], sigma=x))
    assert made.caption.endswith("From 1 at 0.2 to 4 at 0.1.")
    made = picture(table([np.nan, np.nan, 3, 5, 1, 1], sigma=x, rate=[1, 2, 1, 2, 1, 2]))
    assert "nan" not in made.caption


@pytest.mark.parametrize(
    ("columns", "against", "axes"),
    [
        ({}, (), ("seed", ANGLE)),
        ({"sigma": [1, 1, 1, 1]}, (), ("seed", ANGLE)),
        ({"sigma": [1, 1, 2, 2]}, (), (SIGMA, ANGLE)),
        ({"sigma": [1, 1, 1, 1], "rate": [1, 2, 1, 2]}, (), (RATE, ANGLE)),
        ({"sigma": [1, 1, 2, 2], "rate": [1, 2, 1, 2]}, (), (SIGMA, RATE)),
        ({"sigma": [1, 1, 2, 2], "rate": [1, 2, 1, 2]}, ("model.eta_bottom_up",), (RATE, ANGLE)),
        ({"sigma": [1, 1, 2, 2], "rate": [1, 2, 1, 2]}, (RATE, "model.sigma"), (RATE, SIGMA)),
        ({"sigma": [1, 1, 1, 1]}, ("model.sigma",), (SIGMA, ANGLE)),
        ({"rate": [1, 1, 2, 2], "start": list("abab"), "sigma": [1, 1, 1, 2]}, (), (RATE, START)),
    ],
)
def test_axes_are_what_varies_or_is_asked_for(columns, against, axes):
    columns = {
        name: np.array(values, dtype=object if isinstance(values[0], str) else float)
        for name, values in columns.items()
    }
    assert labels(picture(table([1, 2, 3, 4], **columns), *against)) == axes


def test_metric_is_chosen_with_or_without_its_unit():
    found = table([1, 2], sigma=[0.0, 1.0]) | {"angle.first": np.array([5.0, 6.0])}
    for metric, shown in (("angle.first", "angle.first"), ("angle.final", ANGLE), (None, ANGLE)):
        with paper_style():
            made = study_figure(
                found,
                parameters=[SIGMA],
                metrics=[*METRICS, "angle.first"],
                metric=metric,
                against=[],
            )
        assert made.figure.axes[0].get_ylabel() == shown


def test_other_parameters_are_named_in_the_caption():
    x, r, s = grid([0.0, 0.1], [1.0, 2.0], ["a", "b"])
    y = np.arange(8.0)
    made = picture(table(y, sigma=x, rate=r, start=s), "model.sigma")
    assert made.caption.endswith(f"Other parameters differ too: {RATE} and {START}.")
    made = picture(table(y, sigma=x, rate=r, start=s))
    assert made.caption.endswith(f"Other parameters differ too: {START}.")


@pytest.mark.parametrize(
    ("values", "scale"),
    [
        ([0.001, 0.01, 0.1], "log"),
        ([0.001, 1.0], "log"),
        ([0.0, 0.01, 1.0], "linear"),
        ([-1.0, 0.1, 100.0], "linear"),
        ([0.1, 0.2, 0.4], "linear"),
        (np.linspace(0.01, 1, 40), "linear"),  # evenly spread: a logarithm would crowd them
        (np.geomspace(0.01, 1, 40), "log"),
    ],
)
def test_axes_are_logarithmic_where_values_are(values, scale):
    values = np.asarray(values)
    flat = np.ones(len(values))
    assert picture(table(flat, sigma=values)).figure.axes[0].get_xscale() == scale
    made = picture(table(values, sigma=np.arange(len(values)) % 3))
    assert made.figure.axes[0].get_yscale() == scale


def test_seeds_are_on_a_linear_axis_with_whole_numbers():
    made = picture(table([1, 2, 3], seed=[1, 100, 100_000]))
    assert made.figure.axes[0].get_xscale() == "linear"
    assert made.caption == f"{ANGLE} of 3 points against seed."
    axes = picture(table([1, 2, 3])).figure.axes[0]
    assert all(float(tick).is_integer() for tick in axes.get_xticks())


def test_samples_are_drawn_as_they_are():
    x = np.random.default_rng(0).uniform(0, 1, 40)
    made = picture(table(3 * x, sigma=x))
    (dots,) = made.figure.axes[0].lines
    np.testing.assert_array_equal(dots.get_xydata(), np.column_stack([x, 3 * x]))
    assert made.caption == f"{ANGLE} of 40 points against {SIGMA}."


def test_names_are_in_the_order_of_the_study_and_without_a_line():
    s, seed = grid(["random", "self-predicting", "a"], range(4))
    made = picture(table(np.arange(12.0), start=s, seed=seed))
    axes = made.figure.axes[0]
    assert ticks(axes.xaxis) == ["random", "self-predicting", "a"]
    (means,) = axes.containers
    np.testing.assert_array_equal(means.lines[0].get_xydata(), [[0, 1.5], [1, 5.5], [2, 9.5]])
    assert means.lines[0].get_linestyle() == "None"
    assert made.caption.endswith("From 1.5 at random to 9.5 at a.")


def test_map_has_the_mean_of_each_cell():
    rng = np.random.default_rng(1)
    x, r, seed = grid([0.0, 0.1, 0.3], [2.0, 1.0], range(4))
    order = rng.permutation(len(x))[:-3]  # cells have different numbers of points
    x, r, seed = x[order], r[order], seed[order]
    y = rng.normal(10, 1, len(x))
    y[:2] = np.nan
    made = picture(table(y, sigma=x, rate=r, seed=seed))
    axes, bar = made.figure.axes
    (image,) = axes.images
    means = image.get_array()
    assert means.shape == (2, 3)
    for row, one in enumerate([1.0, 2.0]):
        for column, other in enumerate([0.0, 0.1, 0.3]):
            cell = [v for v, a, b in zip(y, x, r, strict=True) if (a, b) == (other, one)]
            expected = np.mean([v for v in cell if np.isfinite(v)])
            assert means[row, column] == pytest.approx(expected, rel=1e-12)
    assert (ticks(axes.xaxis), ticks(axes.yaxis)) == (["0", "0.1", "0.3"], ["1", "2"])
    assert labels(made) == (SIGMA, RATE)
    assert bar.get_ylabel() == ANGLE
    told = {text.get_text() for text in axes.texts}
    assert told == {f"{float(f'{mean:.3g}'):g}" for mean in means.ravel()}
    assert f"mean over {len(y)} points in all" in made.caption


def test_map_with_holes():
    x, r = grid([0.0, 0.1], [1.0, 2.0])
    made = picture(table([1, 2, np.nan, 4], sigma=x, rate=r))
    axes = made.figure.axes[0]
    assert axes.images[0].get_array().mask.sum() == 1
    assert sorted(text.get_text() for text in axes.texts) == ["1", "2", "4"]
    assert made.caption.endswith("mean over 4 points in all, 1 to 4.")


def test_map_of_many_magnitudes_has_logarithmic_colours():
    x, r = grid([0.0, 0.1, 0.2], [1.0, 2.0, 3.0])
    made = picture(table(10.0 ** np.arange(9), sigma=x, rate=r))
    assert isinstance(made.figure.axes[0].images[0].norm, LogNorm)
    made = picture(table(np.arange(9.0), sigma=x, rate=r))
    assert not isinstance(made.figure.axes[0].images[0].norm, LogNorm)


def test_map_of_names_keeps_their_order():
    s, x = grid(["z", "a"], [0.1, 0.2])
    axes = picture(table([1, 2, 3, 4], start=s, sigma=x), START, SIGMA).figure.axes[0]
    assert ticks(axes.xaxis) == ["z", "a"]
    np.testing.assert_array_equal(axes.images[0].get_array(), [[1, 3], [2, 4]])


def test_large_map_has_few_ticks_and_no_numbers():
    x, r = grid(np.linspace(0, 1, 30), np.geomspace(1e-4, 1, 25))
    axes = picture(table(np.arange(750.0), sigma=x, rate=r)).figure.axes[0]
    assert MOST_TOLD < 30 * 25
    assert not axes.texts
    for axis, values in ((axes.xaxis, np.unique(x)), (axes.yaxis, np.unique(r))):
        assert 6 <= len(ticks(axis)) <= MOST_TICKS
        places = axis.get_ticklocs()
        for place, text in zip(places, ticks(axis), strict=True):
            assert float(text) == pytest.approx(values[int(place)], rel=1e-2)


def test_neighbours_that_differ_little_are_told_apart():
    x, r = grid([0.1234, 0.12341, 0.12342], [1.0, 2.0])
    axes = picture(table(np.arange(6.0), sigma=x, rate=r)).figure.axes[0]
    assert ticks(axes.xaxis) == ["0.1234", "0.12341", "0.12342"]


def test_samples_of_two_parameters_are_drawn_as_they_are():
    rng = np.random.default_rng(0)
    x, r = rng.uniform(0, 1, 40), 10 ** rng.uniform(-5, -1, 40)
    made = picture(table(x + r, sigma=x, rate=r))
    axes, _ = made.figure.axes
    (dots,) = axes.collections
    np.testing.assert_array_equal(dots.get_offsets(), np.column_stack([x, r]))
    np.testing.assert_array_equal(dots.get_array(), x + r)
    assert (axes.get_xscale(), axes.get_yscale()) == ("linear", "log")
    assert made.caption == f"{ANGLE} of 40 points by {SIGMA} and {RATE}."


def test_samples_of_a_number_and_a_choice():
    rng = np.random.default_rng(0)
    x, s = rng.uniform(0, 1, 40), np.array(["b", "a"] * 20, dtype=object)
    axes = picture(table(x, sigma=x, start=s)).figure.axes[0]
    np.testing.assert_array_equal(axes.collections[0].get_offsets()[:, 1], [0, 1] * 20)
    assert ticks(axes.yaxis) == ["b", "a"]


def test_labels_do_not_overlap():
    names = ["[30, 20, 10]", "[300, 200, 100, 10]", "[30, 10]", "[30, 20, 20, 10]", "none"]
    s, x, seed = grid(names, np.geomspace(1e-4, 1, 25), range(2))
    found = table(np.arange(250.0), start=s, sigma=x, seed=seed)
    for against in ((START,), (START, SIGMA), (SIGMA, START)):
        figure = picture(found, *against).figure
        for axis in (figure.axes[0].xaxis, figure.axes[0].yaxis):
            boxes = [place_of(label) for label in axis.get_ticklabels() if label.get_text()]
            for first, second in pairwise(boxes):
                assert not first.overlaps(second)


def place_of(label):
    """Where a label is; of one that is written slantwise, its end: neighbours are parallel."""
    box = label.get_window_extent()
    if label.get_rotation():
        height = label.get_fontsize() / 72 * label.figure.dpi
        return box.from_extents(box.x1 - 2 * height, box.y0, box.x1, box.y1)
    return box


@pytest.mark.parametrize(
    ("found", "against", "metric", "told"),
    [
        (table([1, 2], ["failed", "waiting"], sigma=[1, 2]), (), None, "no point is complete"),
        (table([np.nan, np.inf], sigma=[1, 2]), (), None, "is a number at no point"),
        (table([1, 2], sigma=[1, 2]), (), "angel", "no metric is called 'angel'; there are: angle"),
        (table([1, 2], sigma=[1, 2]), (), KIND, "no metric is called 'kind'"),
        (table([1, 2], sigma=[1, 2]), ("sigma",), None, "no parameter is called 'sigma'; there"),
        (table([1, 2], sigma=[1, 2]), (SIGMA, "model.sigma"), None, "can't be on both axes"),
        (table([1, 2], sigma=[1, 2]), (SIGMA,) * 3, None, "two parameters at most, not 3"),
    ],
)
def test_what_cannot_be_drawn_is_explained(found, against, metric, told):
    with pytest.raises(StudyFigureError, match=told):
        picture(found, *against, metric=metric)


def test_a_study_without_numbers_is_explained():
    found = table([1, 2], sigma=[1, 2])
    with pytest.raises(StudyFigureError, match="no metric of this study is a number"):
        study_figure(found, parameters=[SIGMA], metrics=[KIND], metric=None, against=[])
    with pytest.raises(StudyFigureError, match="no metric of this study is a number"):
        study_figure(found, parameters=[SIGMA], metrics=[], metric=None, against=[])


def test_files(tmp_path):
    x, r = grid([0.0, 0.1], [1.0, 2.0])
    found = table([1, 2, 3, 4], sigma=x, rate=r)
    how = {"parameters": [SIGMA, RATE], "metrics": METRICS, "metric": None, "against": []}
    with no_warnings():
        drawn = draw_study(found, tmp_path / "study", **how)
    assert [path.name for path in drawn.paths] == ["study.png", "study.pdf"]
    png, pdf = (path.read_bytes() for path in drawn.paths)
    assert png.startswith(b"\x89PNG\r\n")
    assert png.endswith(b"IEND\xaeB`\x82")
    assert pdf.startswith(b"%PDF-")
    assert sorted((tmp_path / "study").iterdir()) == sorted(drawn.paths)
    again = draw_study(found, tmp_path / "study", **how)
    assert [path.read_bytes() for path in again.paths] == [png, pdf]


def test_failure_leaves_the_old_figure(tmp_path, monkeypatch):
    found = table([1, 2], sigma=[1, 2])
    how = {"parameters": [SIGMA], "metrics": METRICS, "metric": None, "against": []}
    drawn = draw_study(found, tmp_path, **how)
    before = [path.read_bytes() for path in drawn.paths]

    def fail(self, path, **options):
        path.write_bytes(b"half")
        raise OSError("no space left")

    monkeypatch.setattr(Figure, "savefig", fail)
    with pytest.raises(OSError, match="no space"):
        draw_study(found, tmp_path, **how)
    assert [path.read_bytes() for path in drawn.paths] == before
    assert sorted(tmp_path.iterdir()) == sorted(drawn.paths)


def test_numbers_in_cells_can_be_read():
    """Dark cells have white numbers, bright ones black."""
    x, r = grid([0.0, 0.1], [1.0, 2.0])
    made = picture(table([0, 1, 2, 3], sigma=x, rate=r))
    colors = {text.get_text(): text.get_color() for text in made.figure.axes[0].texts}
    assert [colors[text] for text in "0123"] == ["white", "white", "black", "black"]
