"""Choosing what both stages have to say about outlines, from cases whose answer is known."""

from __future__ import annotations

import shutil
from itertools import product

import numpy as np
import pytest
import torch

from CardiacUQLib.base.errors import ExitCode
from CardiacUQLib.bundles.bundle import load_bundle
from CardiacUQLib.bundles.classes import LGE_CLASSES
from CardiacUQLib.bundles.manifest import View
from CardiacUQLib.inference.passes import CascadePass
from CardiacUQLib.inference.roi import Roi
from CardiacUQTraining.cli.app import main
from CardiacUQTraining.evaluation.lge.fit_stages import (
    SHARES,
    WEIGHTS,
    Outlines,
    StageCase,
    fit_stage_rule,
    nested_outlines,
    outlines_of,
)


def case(fold: int, best_share: float, best_weight: float) -> StageCase:
    """A case that is outlined best with one share, and is as heavy as the reader says with one weight."""
    found = {
        (share, weight): Outlines(0.9, 0.9 - abs(share - best_share), 100 * (best_weight - weight))
        for share, weight in product(SHARES, WEIGHTS)
    }
    return StageCase(fold, found)


def test_share_by_dice_and_weight_by_mass():
    assert fit_stage_rule([case(0, 0.5, 1.15)]) == (0.5, 1.15)
    assert fit_stage_rule([case(0, 0.0, 1.0)]) == (0.0, 1.0)
    # one heart 30 g too heavy at weight 1, one right: on average 15 g, which a weight of 1.15 takes away
    assert fit_stage_rule([case(0, 0.5, 1.3), case(0, 0.5, 1.0)]) == (0.5, 1.15)


def test_a_case_is_outlined_by_the_rule_of_the_others():
    one, other = nested_outlines([case(0, 0.5, 1.0), case(1, 0.0, 1.3)])
    assert (one.wall, other.wall) == (pytest.approx(0.4), pytest.approx(0.4))
    assert (one.mass_g, other.mass_g) == (pytest.approx(-30), pytest.approx(30))


def test_outlines_by_hand():
    """Two pixels of wall in truth; the 3D stage sees three, the 2D stage one, and together they see two."""
    truth = np.zeros((1, 4, 4), np.uint8)
    truth[0, 0, :2] = 2

    def stage(*wall: float) -> torch.Tensor:
        p = torch.zeros(5, 1, 4, 4)
        p[2, 0, 0] = torch.tensor(wall)
        p[0] = 1 - p[2]
        return p

    p2d, p3d = stage(0.9, 0.45, 0.2, 0), stage(1, 0.9, 0.58, 0)
    passes = [CascadePass(0, View.IDENTITY, 0, p2d, p3d, p3d)]
    found = outlines_of(passes, Roi((4, 4), 4, (0.0, 0.0), (1.0, 1.0)), truth, 2.0, LGE_CLASSES)
    assert found[0.0, 1.0] == Outlines(1.0, pytest.approx(4 / 5), pytest.approx(2.1))
    assert found[0.5, 1.0] == Outlines(1.0, 1.0, 0.0)
    assert found[0.0, 1.5].wall == 1.0  # 0.58 against 1.5 times 0.42


def test_the_command_writes_the_rule_that_inference_uses(tmp_path, bundle):
    folder = tmp_path / "copy"
    shutil.copytree(bundle.folder, folder)
    model = [
        "evaluate",
        "--model",
        str(folder),
        "--dataset",
        "phantom",
        "--limit",
        "3",
        "--device",
        "cpu",
        "-q",
    ]
    assert main([*model, "--store-stage-rule"]) == ExitCode.USAGE
    assert main([*model, "--cross-validated", "--store-stage-rule", "--store-metrics"]) == ExitCode.USAGE
    assert main([*model, "--cross-validated", "--store-stage-rule"]) == ExitCode.DONE
    manifest = load_bundle(folder).manifest
    assert manifest.stage_rule.outline_share in SHARES and manifest.stage_rule.background_weight in WEIGHTS
    assert "rule of the other folds" in manifest.metrics["Outlines"]
