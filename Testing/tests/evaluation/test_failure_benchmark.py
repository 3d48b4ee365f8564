"""The failure-detection benchmark: its definitions by hand, its files as its programs read them."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

from CardiacUQTraining.cli.app import main
from CardiacUQTraining.evaluation.shared.calibration_error import reliability
from CardiacUQTraining.evaluation.shared.failure_benchmark import (
    benchmark_curve,
    failure_auc,
    failure_metrics,
)

CONFIDENCE, RISK = np.array([0.9, 0.8, 0.7, 0.6]), np.array([0.1, 0.2, 0.3, 0.4])


def test_a_perfect_order_by_hand():
    """Risks 0.25, 0.2, 0.15, 0.1 at coverages 1, 3/4, 1/2, 1/4: a quarter of 0.225 + 0.175 + 0.125."""
    curve = benchmark_curve(CONFIDENCE, RISK)
    np.testing.assert_allclose(curve.coverage, [1, 0.75, 0.5, 0.25])
    np.testing.assert_allclose(curve.risk, [0.25, 0.2, 0.15, 0.1])
    assert curve.area == pytest.approx(0.13125)
    found = failure_metrics(CONFIDENCE, RISK)
    assert found["e-aurc"] == pytest.approx(0) and found["norm-aurc"] == pytest.approx(1)
    assert found["rand-aurc"] == pytest.approx(0.25) and found["pearson"] == pytest.approx(-1)


def test_equal_confidences_as_the_benchmark_treats_them():
    """Of three equals the first that goes makes a point; the curve ends level at coverage 0."""
    curve = benchmark_curve(np.array([0.9, 0.5, 0.5, 0.5]), np.array([0, 0.3, 0.6, 0.9]))
    np.testing.assert_allclose(curve.coverage, [1, 0.75, 0])
    np.testing.assert_allclose(curve.risk, [0.45, 0.5, 0.5])
    assert curve.area == pytest.approx(0.25 * 0.475 + 0.5 * 0.5)


def test_the_worst_order_by_hand():
    """Risks 0.25, 0.3, 0.35, 0.4: the area is a quarter of 0.275 + 0.325 + 0.375."""
    found = failure_metrics(CONFIDENCE[::-1], RISK)
    assert found["aurc"] == pytest.approx(0.24375)
    assert found["e-aurc"] == pytest.approx(0.24375 - 0.13125)
    assert all(np.isnan(v) for v in failure_metrics(CONFIDENCE[:1], RISK[:1]).values())
    assert np.isnan(failure_metrics(np.array([np.nan, 1.0]), RISK[:2])["aurc"])


def test_failures_below_a_threshold():
    found = failure_auc(CONFIDENCE, np.array([False, False, True, True]))
    assert found == {"failauc": 1.0, "fpr@95tpr": 0.0, "failap_suc": 1.0, "failap_err": 1.0}
    assert np.isnan(failure_auc(CONFIDENCE, np.zeros(4, bool))["failauc"])


def evaluation(folder, seed, count=6):
    """A folder as ``evaluate`` leaves it: P(wrong) that is what it says, a score that is its case's risk."""
    generator = np.random.default_rng(seed)
    cases = {}
    for n in range(count):
        p = generator.uniform(0, 1, 4000)
        bins = reliability(p, generator.uniform(0, 1, 4000) < p).as_dict()
        dice = 0.5 + 0.08 * n
        cases[f"c{n}"] = {
            "segmentation": {
                "2d": {"mean_dice": 0.1, "dice_1": 0.1},
                "cascade": {"mean_dice": dice, "dice_1": dice, "dice_2": 1.0},
            },
            "rows": {
                "entropy_cascade": {"mean_dice": dice, "case_score": 1 - dice},
                "pairwise_dice_cascade": {"mean_dice": dice, "case_score": 0.2},
                "error_probability_cascade": {"case_score": dice, "union": {"reliability": bins}},
            },
            "assessment": {"predicted_dice": [{"structure": "mean", "value": dice}]},
        }
    folder.mkdir(parents=True)
    (folder / "evaluation.json").write_text(json.dumps({"cases": cases}))
    return folder


@pytest.fixture
def written(tmp_path):
    own, other = evaluation(tmp_path / "own", 0), evaluation(tmp_path / "other", 1, 4)
    assert main(["benchmark", str(own), str(other), "-o", str(tmp_path / "out")]) == 0
    return tmp_path / "out"


def test_the_arrays_are_those_that_its_analysis_loads(written):
    shapes = {}
    for name in ("confidence_scores", "metrics", "metrics_multi"):
        with np.load(written / f"{name}.npz", allow_pickle=False) as stored:
            assert stored.files == ["arr_0"]
            shapes[name] = stored["arr_0"].shape
    names = json.loads((written / "confid_names.json").read_text())
    assert names == [
        "predictive_entropy_foreground",
        "pairwise_mean_dice",
        "error_probability_cascade",
        "predicted_dice",
    ]
    assert shapes == {"confidence_scores": (10, 4), "metrics": (10, 1), "metrics_multi": (10, 2, 1)}
    assert json.loads((written / "domains.json").read_text()) == ["own"] * 6 + ["other"] * 4
    assert json.loads((written / "metrics_names.json").read_text()) == ["mean_dice"]
    assert json.loads((written / "metrics_names_multi.json").read_text()) == ["dice"]


def test_the_table_has_its_columns_and_its_domains(written):
    rows = list(csv.DictReader((written / "fd_metrics.csv").read_text().splitlines()))
    assert {"confid_name", "metric", "domain", "n_cases", "aurc", "e-aurc", "opt-aurc", "rand-aurc"} <= set(
        rows[0]
    )
    assert {row["domain"] for row in rows} == {"own", "other", "all_ood_", "all_"}
    best = {(row["domain"], row["confid_name"]): row for row in rows}
    assert float(best["own", "predicted_dice"]["norm-aurc"]) == pytest.approx(1)
    assert float(best["own", "predictive_entropy_foreground"]["e-aurc"]) == pytest.approx(0, abs=1e-9)
    assert best["own", "error_probability_cascade"]["norm-aurc"].startswith("-")
    assert best["all_ood_", "predicted_dice"]["n_cases"] == "4"
    with np.load(written / best["all_", "predicted_dice"]["file_risk_coverage_curve"]) as curve:
        assert sorted(curve.files) == ["coverage", "risk", "weight"]


def test_calibration_and_plots(written):
    (own, other) = csv.DictReader((written / "calibration.csv").read_text().splitlines())
    assert (own["domain"], own["voxels"]) == ("own", "24000") and float(own["ece"]) < 0.02
    assert (other["domain"], other["voxels"]) == ("other", "16000")
    page = (written / "benchmark.md").read_text()
    for name in ("risk_coverage.png", "confidence.png", "reliability.png"):
        assert (written / name).read_bytes().startswith(b"\x89PNG") and f"({name})" in page


def test_what_is_no_evaluation_is_told(tmp_path, capsys):
    assert main(["benchmark", str(tmp_path), "-o", str(tmp_path / "out")]) == 3
    assert "evaluate -o" in capsys.readouterr().err
    own = evaluation(tmp_path / "own", 0)
    assert main(["benchmark", str(own), str(own), "-o", str(tmp_path / "out")]) == 2
    assert not (tmp_path / "out").exists()
