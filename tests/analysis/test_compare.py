"""The tables and the figure of comparisons, of known numbers and of short runs."""

from dataclasses import replace

import numpy as np
import pytest

from microcircuit.analysis.comparison import (
    MEASURES,
    Comparison,
    Group,
    Pair,
    RuleAngle,
    compare_all,
)
from microcircuit.analysis.comparison_table import table, texts
from microcircuit.analysis.figures import draw_comparison
from microcircuit.analysis.figures.compare import comparison_figure
from microcircuit.analysis.figures.style import paper_style
from microcircuit.results import open_results

NONE = np.full((3, 2), np.nan)


def known(seed=0, add=0.0, **changes):
    """A run of two areas at three snapshots, in which every measure is its own number."""
    values = np.arange(6.0).reshape(3, 2) + add
    measures = {name: 10 * n + values for n, name in enumerate(MEASURES)}
    measures["forward weights to feedback"][:, 1] = np.nan
    run = Comparison(
        seed=seed,
        areas=("hidden area 1", "output area"),
        presentations=np.array([0, 500, 1000]),
        measures=measures,
        shown=np.array([32, 32, 32]),
        taught=np.array([32, 32, 32]),
        settled=np.array([32, 32, 32]),
        last=[Pair(np.eye(3), np.ones((3, 3)))] * 2,
        notes=("a note",),
    )
    return replace(run, **changes)


def silent():
    """A run without a teacher."""
    weights = known().measures["forward weights to feedback"]
    measures = dict.fromkeys(MEASURES, NONE) | {"forward weights to feedback": weights}
    nobody = np.zeros(3, dtype=int)
    return known(measures=measures, taught=nobody, settled=nobody, last=[])


def test_table_of_one_run():
    made = table(Group("bars", [known()]))
    assert made.title == "bars; seed 0"
    assert made.head == ("area", "measure", "after 0", "after 500", "after 1,000")
    rows = {(area, measure): cells for area, measure, *cells in made.rows}
    assert rows["hidden area 1", "angle to backprop"] == ["0.0°", "2.0°", "4.0°"]
    assert rows["output area", "cosine to backprop"] == ["21.000", "23.000", "25.000"]
    # No feedback, no angle to it.
    assert ("output area", "forward weights to feedback") not in rows
    assert len(rows) == 2 * len(MEASURES) - 1
    assert made.notes == ["32 patterns at each of 3 snapshots.", "a note"]


def test_table_of_seeds_has_intervals():
    made = table(Group("bars", [known(3), known(7, add=2.0)]))
    assert made.title == "bars; seeds 3, 7"
    assert made.rows[0] == [
        *("hidden area 1", "angle to backprop"),
        *("1.0° [0.0, 2.0]", "3.0° [2.0, 4.0]", "5.0° [4.0, 6.0]"),
    ]
    assert any("bootstrap confidence intervals" in note for note in made.notes)


def test_table_without_a_teacher_says_so():
    made = table(Group("self-prediction", [silent()]))
    assert [row[1:] for row in made.rows] == [
        ["angle to backprop", *3 * ["no teacher"]],
        ["forward weights to feedback", "60.0°", "62.0°", "64.0°"],
        ["angle to backprop", *3 * ["no teacher"]],
    ]
    assert "No teacher: without an error there is no backprop update to compare with." in made.notes


def test_what_is_left_out_is_counted():
    run = known(taught=np.array([32, 20, 0]), settled=np.array([30, 20, 0]))
    made = table(Group("association", [run]))
    assert made.rows[0][2:] == ["0.0°", "2.0°", "no teacher"]
    assert "44 of 96 patterns have no teacher and are left out." in made.notes
    assert any("no fixed point for 2 of 52 patterns" in note for note in made.notes)


def test_texts_have_a_section_for_each_group():
    made = [table(Group("bars, x = 1", [known()])), table(Group("bars, x = 2", [known()]))]
    found = texts(made)
    assert found["compare.md"].count("\n## bars, x = ") == 2
    assert found["compare.md"].count("| angle to backprop ") == 4
    assert found["compare.tex"].count(r"\begin{tabular}") == 2


def test_figure_shows_angles_updates_and_weights():
    group = Group("bars", [known(3), known(7, add=2.0)])
    picture = comparison_figure([group])
    backprop, feedback, updates, weights = picture.figure.axes
    hidden = backprop.lines[0]
    np.testing.assert_array_equal(hidden.get_xdata(), [0, 500, 1000])
    np.testing.assert_allclose(hidden.get_ydata(), [1, 3, 5])
    np.testing.assert_allclose(feedback.lines[1].get_ydata(), [12, 14, 16])
    assert [line.get_label() for line in weights.lines] == ["hidden area 1", "orthogonal"]
    # Both in units of their root mean square: the identity's is 1 over the root of 3.
    dots = updates.lines[0]
    np.testing.assert_allclose(dots.get_xdata(), np.sqrt(3) * np.eye(3).ravel())
    np.testing.assert_allclose(dots.get_ydata(), np.ones(9))
    assert "1 to 5° in hidden area 1 and 2 to 6° in output area" in picture.caption


def test_figure_of_several_groups_names_them():
    groups = [Group("bars, x = 1", [known()]), Group("self-prediction", [silent()])]
    picture = comparison_figure(groups)
    titles = [part.get_suptitle() for part in picture.figure.subfigs]
    assert [title.replace("\N{NO-BREAK SPACE}", " ") for title in titles] == [
        g.name for g in groups
    ]
    told = ["no teacher" in "".join(t.get_text() for t in a.texts) for a in picture.figure.axes]
    assert told == 4 * [False] + [True, True, True, False]
    assert "self-prediction has no teacher" in picture.caption


def test_long_names_are_on_the_page():
    changed = ", ".join(f"model.parameter_{n} = [30, {n}, 10]" for n in range(30))
    groups = [Group(f"self-prediction, {changed}", [known(seed)]) for seed in (1, 2)]
    rule = RuleAngle("backprop", np.arange(3), np.zeros(3))
    with paper_style():
        figure = comparison_figure(groups, [rule]).figure
        figure.draw_without_rendering()
    titles = [part._suptitle.get_window_extent() for part in figure.subfigs[1:]]
    letters = [axes._left_title.get_window_extent() for axes in figure.axes]
    legend = figure.axes[0].get_legend().get_window_extent()
    for box in (*titles, *letters, legend):
        assert figure.bbox.x0 <= box.x0 < box.x1 <= figure.bbox.x1
        assert figure.bbox.y0 <= box.y0 < box.y1 <= figure.bbox.y1
    assert not any(title.count_overlaps(letters) for title in titles)
    # The legend leaves room for the angles.
    assert figure.axes[0].bbox.width > figure.bbox.width / 3


@pytest.mark.parametrize("name", ["association", "self-prediction"])
def test_files_of_a_run(run, name, tmp_path):
    folder = run(name, 4, 3, 2)
    before = sorted(path.name for path in folder.iterdir())
    with open_results(folder) as results:
        drawn = draw_comparison(compare_all([results]), tmp_path / "new")
    names = ["compare.md", "compare.pdf", "compare.png", "compare.tex"]
    assert sorted(path.name for path in drawn.paths) == names
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == names
    assert sorted(path.name for path in folder.iterdir()) == before
    assert all(path.stat().st_size > 100 for path in drawn.paths)
