"""Tables and figures: numbers arrive where they belong, and a picture is a picture."""

import numpy as np
import pytest

from CardiacUQLib.bundles.classes import LGE_CLASSES
from CardiacUQTraining.evaluation.lge.figures import reliability_plot, risk_coverage_plot
from CardiacUQTraining.evaluation.lge.summary import (
    pooled_reliability,
    row_comparisons,
    row_summary,
    segmentation_summary,
    stage_comparisons,
)
from CardiacUQTraining.evaluation.lge.tables import segmentation_section
from CardiacUQTraining.evaluation.shared.cases import CaseFigures, nan_from_none, write_json
from CardiacUQTraining.evaluation.shared.figure_style import PALETTE
from CardiacUQTraining.evaluation.shared.markdown import interval, markdown_table, spread
from CardiacUQTraining.evaluation.shared.methods import Method, Row, Stage
from CardiacUQTraining.evaluation.shared.scores import CURVE_POINTS, case_level, case_score, map_scores
from CardiacUQTraining.evaluation.shared.statistics import Summary, summarise

SCS, DOUBT = Row(Stage.CASCADE, Method.SCS), Row(Stage.CASCADE, Method.MAX_PROBABILITY)


def figures_of(count):
    """Cases whose cascade is .1 better than the 2D stage and whose P(wrong) is better than SCS."""
    rng = np.random.default_rng(5)
    found = {}
    for number in range(count):
        wrong = rng.random(400) < 0.2
        p = np.where(wrong, 0.6, 0.1) + rng.uniform(0, 0.1, 400)
        brier = wrong.astype(float)
        rows = {
            SCS.key: map_scores(rng.random(400), wrong, brier, is_probability=False),
            DOUBT.key: map_scores(p, wrong, brier, is_probability=True),
        }
        dice = 0.6 + 0.02 * number
        names = ["mean_dice", *(f"dice_{value}" for value in range(1, 5))]
        found[f"c{number}"] = CaseFigures(
            f"c{number}",
            "P" if number % 2 else "N",
            (0,),
            1.0,
            {"2d": dict.fromkeys(names, dice - 0.1), "cascade": dict.fromkeys(names, dice)},
            {
                key: {"mean_dice": dice, "case_score": 1 - dice, "union": row, "crop": row}
                for key, row in rows.items()
            },
        )
    return found


def test_segmentation_table_by_hand():
    figures = figures_of(8)
    everyone, sick = segmentation_summary(figures), segmentation_summary(figures, ["c1", "c3"])
    assert everyone["cascade"]["dice_3"].mean == pytest.approx(0.67)
    assert sick["2d"]["mean_dice"].mean == pytest.approx(0.54) and sick["2d"]["mean_dice"].count == 2
    tests = stage_comparisons(figures)
    assert [t.figure for t in tests] == ["mean_dice", "dice_1", "dice_2", "dice_3", "dice_4"]
    # eight equal differences: the normal approximation of the tied ranks, times five tests
    assert tests[0].mean_difference == pytest.approx(0.1) and tests[0].p_holm == pytest.approx(5 * tests[0].p)
    text = segmentation_section(everyone, sick, tests, {info.value: info.name for info in LGE_CLASSES})
    assert "| infarct | 57.0 ± 4.9 | 67.0 ± 4.9 |" in text and "2D, 2 path." in text


def test_row_summary_pools_reliability_over_cases():
    figures = figures_of(6)
    summary = row_summary(figures)
    assert set(summary) == {SCS.key, DOUBT.key}
    pooled = pooled_reliability(figures, DOUBT, "union")
    assert pooled.count.sum() == 6 * 400
    assert summary[DOUBT.key]["union"]["pooled_ece"] == pytest.approx(pooled.ece)
    assert "ece" not in summary[SCS.key]["union"]
    assert summary[DOUBT.key]["union"]["auroc"].mean == 1.0


def test_reference_is_tested_against_every_other_row():
    tests = row_comparisons(figures_of(6), DOUBT)
    assert [(t.figure, t.second) for t in tests] == [("auroc", SCS.key), ("pearson", SCS.key)]
    assert all(t.mean_difference > 0.3 and t.p == pytest.approx(2 / 64) for t in tests)
    assert all(t.p_holm == pytest.approx(4 / 64) for t in tests)


def test_case_level_by_hand():
    records = {
        name: {"case_score": score, "mean_dice": dice}
        for name, score, dice in (("a", 0.1, 0.9), ("b", 0.3, 0.8), ("c", 0.2, 0.6), ("d", 0.9, 0.5))
    }
    level = case_level(records)
    assert level["low_dice_cases"] == 2
    assert level["auroc_low_dice"] == pytest.approx(3 / 4)  # d above both good ones, c above one
    assert level["spearman"] == pytest.approx(0.8)
    # kept in order a, c, b, d: mean risks .1, .25, .7 / 3, 1.2 / 4
    assert level["aurc"] == pytest.approx((0.1 + 0.25 + 0.7 / 3 + 0.3) / 4)


def test_case_score_is_the_mean_over_predicted_foreground():
    uncertainty = np.array([[[0.0, 1.0, 0.5]]])
    assert case_score(uncertainty, np.array([[[0, 1, 2]]])) == 0.75
    assert case_score(uncertainty, np.zeros((1, 1, 3))) == 0.5


def test_cells():
    assert markdown_table(["a", "b"], [["x", "1"]]) == "| a | b |\n| --- | ---: |\n| x | 1 |"
    found = Summary(0.5, 0.1, 0.4, 0.6, 9)
    assert spread(found, 100, 1) == "50.0 ± 10.0" and interval(found) == "0.50 [0.40, 0.60]"
    assert spread(summarise([0.25])) == "0.25", "one case has no spread"
    assert spread(None) == "–" and spread(summarise([])) == "–"


def test_json_keeps_undefined_figures_as_null(tmp_path):
    write_json({"a": [1.0, float("nan")], 2: np.float32(0.5), "n": np.int64(3)}, tmp_path / "x.json")
    text = (tmp_path / "x.json").read_text("utf-8")
    assert "null" in text and "NaN" not in text
    assert np.isnan(nan_from_none({"a": [1.0, None]})["a"][1])


def test_reliability_plot_shows_the_pooled_bins():
    figures = figures_of(4)
    left, right = reliability_plot(figures).axes
    pooled = pooled_reliability(figures, DOUBT, "union")
    drawn = left.get_lines()[1]
    np.testing.assert_allclose(drawn.get_ydata(), pooled.observed, equal_nan=True)
    assert f"ECE {pooled.ece:.3f}" in drawn.get_label()
    assert right.get_yscale() == "log"


def test_no_curve_of_the_risk_plot_is_cut():
    figures = figures_of(4)
    for axis in risk_coverage_plot(figures).axes:
        low, high = axis.get_ylim()
        assert low == 0
        assert all(line.get_ydata().max() <= high for line in axis.get_lines())


def test_risk_plot_averages_the_cases():
    figures = figures_of(4)
    lines = {line.get_label(): line for line in risk_coverage_plot(figures).axes[1].get_lines()}
    expected = np.mean([one.rows[SCS.key]["union"]["risk_curve"] for one in figures.values()], axis=0)
    np.testing.assert_allclose(lines["SCS (cascade)"].get_ydata(), expected)
    np.testing.assert_allclose(lines["SCS (cascade)"].get_xdata(), CURVE_POINTS)
    assert lines["SCS (cascade)"].get_color() in PALETTE


def test_what_is_not_defined_is_a_dash_in_every_table():
    cells = [
        "nan",
        "nan to nan",
        "+nan",
        "nan %",
        "100.0 [nan, nan]",
        "Hannan",
        "1.0 to 2.0",
        "0.5 [0.4, 0.6]",
    ]
    (row,) = markdown_table(["a"] * len(cells), [cells]).splitlines()[2:]
    told = [cell.strip() for cell in row.strip("|").split("|")]
    assert told == ["–", "–", "–", "–", "100.0", "Hannan", "1.0 to 2.0", "0.5 [0.4, 0.6]"]
