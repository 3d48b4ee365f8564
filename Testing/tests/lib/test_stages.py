"""How two stages are compared and become one prediction: values by hand."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from cascade_fakes import FakeBundle, FromMasks3D, Pixelwise2D, small_manifest
from hypothesis import given, settings
from hypothesis import strategies as st

from CardiacUQLib.bundles.classes import LGE_CLASSES
from CardiacUQLib.bundles.manifest import StageRule, View
from CardiacUQLib.inference.accumulators import CascadeAccumulator
from CardiacUQLib.inference.maps import soft_correction_score
from CardiacUQLib.inference.passes import Arithmetic, run_cascade
from CardiacUQLib.inference.result import MapName
from CardiacUQLib.inference.stages import final_prediction, sharpened

HALF = StageRule(outline_share=0.5)


def voxel(*p: float) -> np.ndarray:
    """One pass, one voxel: (1, 5, 1, 1, 1)."""
    return np.array(p).reshape(1, 5, 1, 1, 1)


def test_without_a_share_the_3d_stage_has_the_last_word():
    p3d = voxel(0.1, 0.2, 0.3, 0.4, 0.0)
    assert final_prediction(voxel(1, 0, 0, 0, 0), p3d, StageRule(), LGE_CLASSES) is p3d


def test_where_no_lesion_is_seen_outlines_are_the_mean_of_both():
    final = final_prediction(voxel(0.8, 0, 0.2, 0, 0), voxel(0.4, 0, 0.6, 0, 0), HALF, LGE_CLASSES)
    np.testing.assert_allclose(final.ravel(), [0.6, 0, 0.4, 0, 0], atol=1e-12)


def test_a_lesion_of_the_2d_stage_alone_is_wall_and_nothing_more():
    final = final_prediction(voxel(0.2, 0, 0, 0.8, 0), voxel(0.6, 0, 0.4, 0, 0), HALF, LGE_CLASSES)
    np.testing.assert_allclose(final.ravel(), [0.4, 0, 0.6, 0, 0], atol=2e-3)


def test_where_the_3d_stage_is_sure_of_a_lesion_it_decides_alone():
    p3d = voxel(0, 0, 0, 0.3, 0.7)
    final = final_prediction(voxel(1, 0, 0, 0, 0), p3d, StageRule(0.9), LGE_CLASSES)
    np.testing.assert_allclose(final, p3d, atol=1e-12)


def test_a_heavier_background_draws_the_heart_smaller():
    rule = StageRule(background_weight=1.5)
    final = final_prediction(voxel(1, 0, 0, 0, 0), voxel(0.4, 0, 0.6, 0, 0), rule, LGE_CLASSES)
    np.testing.assert_allclose(final.ravel(), [0.5, 0, 0.5, 0, 0])


softmax = st.lists(st.floats(0, 1), min_size=5, max_size=5).filter(lambda p: sum(p) > 0.1)


@settings(deadline=None)
@given(softmax, softmax, st.floats(0, 1))
def test_the_final_prediction_is_a_softmax_whose_wall_lies_between_those_of_the_stages(first, second, share):
    p2d, p3d = (voxel(*(np.array(p) / sum(p))) for p in (first, second))
    final = final_prediction(p2d, p3d, StageRule(share), LGE_CLASSES)
    assert final.min() >= 0 and final.sum() == pytest.approx(1)
    walls = sorted(float(p[:, 2:].sum()) for p in (p2d, p3d))
    assert walls[0] - 1e-9 <= final[:, 2:].sum() <= walls[1] + 1e-9


@settings(deadline=None)
@given(st.lists(st.floats(-8, 8), min_size=5, max_size=5), st.floats(0.5, 4))
def test_sharpening_is_a_factor_on_the_logits(logits, factor):
    logits = torch.tensor(logits, dtype=torch.float64).reshape(1, 5, 1)
    torch.testing.assert_close(sharpened(logits.softmax(dim=1), factor), (factor * logits).softmax(dim=1))


def test_the_score_compares_sharpened_stages_and_leaves_the_maps_alone():
    generator = torch.Generator().manual_seed(0)
    p2d, p3d = torch.randn(2, 5, 2, 3, 4, generator=generator).softmax(dim=1)
    plain, sharp = CascadeAccumulator(), CascadeAccumulator(2.5)
    for one in (plain, sharp):
        one.add(p2d, p3d, p3d)
    expected = soft_correction_score(sharpened(p2d[None], 2.5), sharpened(p3d[None], 2.5))
    torch.testing.assert_close(sharp.scs, expected)
    assert not torch.allclose(sharp.scs, plain.scs)
    for name, values in plain.maps().items():
        assert name is MapName.SCS or torch.equal(values, sharp.maps()[name])


def test_what_the_manifest_says_is_what_the_passes_give():
    manifest = dataclasses.replace(small_manifest((0,)), stage_rule=HALF)
    source = FakeBundle(manifest, {("stage2d", 0): Pixelwise2D(), ("stage3d", 0): FromMasks3D()})
    crop = np.random.default_rng(0).normal(size=(2, 16, 16)).astype(np.float32)
    where = Arithmetic(torch.device("cpu"))
    (one,) = run_cascade(crop, source, where, folds=(0,), views=(View.IDENTITY,))
    expected = final_prediction(one.p2d[None], one.p3d[None], HALF, LGE_CLASSES)[0]
    torch.testing.assert_close(one.final, expected)
    assert not torch.allclose(one.final, one.p3d)
