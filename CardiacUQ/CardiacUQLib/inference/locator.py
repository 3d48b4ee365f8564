"""The coarse pass that finds the heart before the fine networks look at it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from scipy import ndimage

from ..base.errors import ModelError
from ..base.progress import CancelToken
from ..base.regions import connected
from ..bundles.manifest import MIRRORED, RoiSpec
from ..images.volume import Geometry, Volume
from ..networks.layout import for_inference
from .passes import Arithmetic, NetworkSource, predict_slices
from .roi import Roi, crop_no_image, find_roi, normalise_slices
from .views import from_view, to_view

LOCATOR = "locator"
NO_HEART = "no heart found by the coarse pass: the networks looked at the image centre"
CUT_ANEW = "the coarse pass had missed the heart: the networks looked again, about the heart they had found"
FAR_MM = 15.0
"""A heart whose centre lies further off that of the region may be cut in part: the widest of 80 labelled
hearts reaches 44 mm from its centre, the region of the LGE bundle 58 mm."""


def find_heart(
    volume: Volume,
    source: NetworkSource,
    arithmetic: Arithmetic,
    folds: Sequence[int],
    cancel: CancelToken | None = None,
) -> tuple[float, float] | None:
    """Centre (y, x) of the heart in voxels of ``volume``, or None where the coarse pass sees none.

    The "locator" network (2 classes: rest, heart) looks at the whole slices, resampled to
    ``roi.locator_spacing_mm`` and cut or padded about the image centre to ``roi.locator_size_px``;
    mirrored both ways as well, since it learns from mirrored images. The mean over views and
    ``folds`` says where the heart is, see :func:`centre_of_heart`. Where none of ``folds`` has a
    locator of its own, all there are are asked. Raises ModelError if the manifest gives no size for it.
    """
    spec = source.manifest.roi
    if spec.locator_spacing_mm is None or spec.locator_size_px is None:
        raise ModelError(f"bundle '{source.manifest.name}' has a locator but no pixel size for it")
    overview = find_roi(volume, RoiSpec(spec.locator_size_px, spec.locator_spacing_mm), None)
    crop = normalise_slices(overview.extract(volume.array), crop_no_image(overview, volume))
    frames = torch.from_numpy(np.ascontiguousarray(crop, np.float32)).to(arithmetic.device)[None]
    total = torch.zeros_like(frames[0])
    views = torch.cat([to_view(frames, view) for view in MIRRORED])
    trained = [weight.fold for weight in source.manifest.weights if weight.network == LOCATOR]
    asked = [fold for fold in folds if fold in trained] or sorted(trained) or list(folds)
    for fold in asked:
        if cancel is not None:
            cancel.check()
        net = for_inference(source.network(LOCATOR, fold, arithmetic.device))
        p = predict_slices(net, views, arithmetic)[:, 1]
        total += sum(from_view(one, view) for one, view in zip(p, MIRRORED, strict=True))
    mean = total / (len(asked) * len(MIRRORED))
    return centre_of_heart(overview.restore(mean.cpu().numpy()))


def centre_of_heart(p: np.ndarray) -> tuple[float, float] | None:
    """In-plane centre of gravity (y, x) of the heart in probabilities (z, y, x).

    Of the 26-connected components above 0.5 it is the one with the largest sum of probability, and
    each voxel counts as much as its probability. None where nothing is above 0.5.
    """
    labels, count = connected(p > 0.5, np.ones((3, 3, 3)))
    if count == 0:
        return None
    heart = int(np.bincount(labels.ravel(), weights=p.ravel())[1:].argmax()) + 1
    _, y, x = np.asarray(ndimage.center_of_mass(p * (labels == heart))).tolist()
    return y, x


def heart_elsewhere(p: np.ndarray, roi: Roi, geometry: Geometry) -> tuple[float, float] | None:
    """Centre (y, x), in voxels of the image, of a heart that lies more than :data:`FAR_MM` off the centre of
    ``roi``; else None.

    ``p`` (z, size, size) is what the fine networks say in the region, P(heart). They see a heart that the
    coarse pass had missed, as long as a part of it lies in the region.
    """
    found = centre_of_heart(p)
    if found is None:
        return None
    middle, spacing_yx = (roi.size - 1) / 2, geometry.spacing[1::-1]
    off = [(c - middle) * step * mm for c, step, mm in zip(found, roi.step, spacing_yx, strict=True)]
    if math.hypot(*off) <= FAR_MM:
        return None
    y, x = (first + c * step for first, c, step in zip(roi.first, found, roi.step, strict=True))
    return y, x
