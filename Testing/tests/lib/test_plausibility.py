"""Lesions too small to be believed: what goes, what stays, what is said."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from CardiacUQLib.bundles.classes import LGE_CLASSES
from CardiacUQLib.bundles.manifest import BundleKind, Manifest, RoiSpec
from CardiacUQLib.inference.plausibility import decide
from CardiacUQLib.uncertainty.assessment import Assessor

MANIFEST = Manifest("m", "1", BundleKind.CASCADE, "t", "l", "d", LGE_CLASSES, RoiSpec(96, None), {}, ())


UNFITTED = Assessor({}, LGE_CLASSES)


def softmax_of(labels: np.ndarray) -> np.ndarray:
    """Certain of ``labels``, with healthy myocardium as the second choice everywhere."""
    p = np.full((5, *labels.shape), 0.01)
    p[2] = 0.2
    np.put_along_axis(p, labels[None], 0.9, axis=0)
    return p


def labels(infarct: int, mvo: int) -> np.ndarray:
    flat = np.zeros(100, int)
    flat[:infarct], flat[infarct : infarct + mvo] = 3, 4
    return flat.reshape(1, 10, 10)


@pytest.mark.parametrize(
    ("infarct", "mvo", "kept", "said"),
    [
        (29, 0, (0, 0), ["infarct of 2.9 ml"]),
        (30, 0, (30, 0), []),
        (25, 5, (25, 5), []),
        (40, 4, (40, 0), ["MVO of 0.4 ml"]),
        (20, 4, (0, 0), ["MVO of 0.4 ml", "infarct of 2.0 ml"]),
        (0, 0, (0, 0), []),
    ],
)
def test_only_what_is_below_its_least_volume_goes(infarct, mvo, kept, said):
    manifest = replace(MANIFEST, smallest_lesion_ml={"infarct": 3.0, "MVO": 0.5})
    p = softmax_of(labels(infarct, mvo))
    decision = decide(p, 0.1, manifest, UNFITTED, {})
    result = decision.labels(p, manifest)
    assert (int((result == 3).sum()), int((result == 4).sum())) == kept
    assert [w.split(" was")[0] for w in decision.warnings] == said
    gone = infarct + mvo - sum(kept)
    assert int((result == 2).sum()) == gone


def test_a_bundle_without_limits_keeps_everything():
    truth = labels(1, 1)
    p = softmax_of(truth)
    decision = decide(p, 0.1, MANIFEST, UNFITTED, {})
    assert np.array_equal(decision.labels(p, MANIFEST), truth)
    assert decision.warnings == ()


def test_one_decision_holds_on_every_grid():
    """On the image 2.9 ml are dropped; the same lesion is dropped in pixels in which it would be larger."""
    manifest = replace(MANIFEST, smallest_lesion_ml={"infarct": 3.0})
    decision = decide(softmax_of(labels(29, 0)), 0.1, manifest, UNFITTED, {})
    elsewhere = softmax_of(labels(60, 3))
    assert not np.isin(decision.labels(elsewhere, manifest), (3, 4)).any()
