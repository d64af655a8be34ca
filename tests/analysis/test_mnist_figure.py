"""The figure of the protocol ``mnist``, from the results of two epochs of digits."""

import numpy as np
import pytest

from microcircuit.analysis.figures.mnist import mnist_figure
from microcircuit.results import open_results

HIDDEN = 8, 6


@pytest.fixture(scope="module")
def results(run):
    with open_results(run("mnist", *HIDDEN)) as results:
        yield results


@pytest.fixture(scope="module")
def picture(results):
    return mnist_figure(results)


def panel(picture, letter):
    return next(a for a in picture.figure.axes if a.get_title(loc="left") == letter)


def lines(axes):
    return {line.get_label(): line for line in axes.lines}


def test_errors_and_baselines_are_the_metrics(results, picture):
    drawn = lines(panel(picture, "a"))
    for label, metric in (
        ("test", "test_error"),
        ("validation", "validation_error"),
        ("backprop", "baseline_backprop"),
        ("no hidden units", "baseline_shallow"),
    ):
        np.testing.assert_array_equal(drawn[label].get_ydata(), results.metric(metric).value)
    np.testing.assert_array_equal(drawn["test"].get_xdata(), [0, 1, 2])
    assert drawn["backprop"].get_xdata()[0] == 1


def test_angles_have_their_own_epochs(results, picture):
    drawn = lines(panel(picture, "b"))
    for k in (1, 2):
        line = drawn[f"hidden area {k}"]
        np.testing.assert_array_equal(line.get_xdata(), results.metric("epoch.angle").value)
        np.testing.assert_array_equal(line.get_ydata(), results.metric(f"angle_{k}").value)


@pytest.mark.parametrize(
    ("letter", "metric"), [("c", "apical_{}.{}"), ("d", "interneuron_error_{}.{}")]
)
def test_squares_leave_out_what_is_zero(results, picture, letter, metric):
    drawn = lines(panel(picture, letter))
    for k in (1, 2):
        for probe, label in (("taught", "with teacher"), ("test", "without")):
            values = np.asarray(results.metric(metric.format(k, probe)).value)
            seen = drawn[f"area {k}, {label}"].get_ydata()
            np.testing.assert_array_equal(seen, np.where(values > 0, values, np.nan))
    assert panel(picture, letter).get_yscale() == "log"


def test_caption_has_the_numbers(results, picture):
    wrong = results.metric("test_error.last").value
    assert f"after 2 epochs {wrong:.3g} % of the test images" in picture.caption
    assert "with backprop" in picture.caption
    assert "hidden areas of 8 and 6 neurons on digits" in picture.caption
