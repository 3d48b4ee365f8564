"""The coarse pass: where it puts the region of interest."""

import dataclasses

import numpy as np
import pytest
import torch
from cascade_fakes import FakeBundle, FromMasks3D, Pixelwise2D, as_test_volume, small_manifest
from torch import nn

from CardiacUQLib.bundles.manifest import RoiSpec, WeightFile
from CardiacUQLib.bundles.map_catalogue import MapName
from CardiacUQLib.inference.locator import centre_of_heart
from CardiacUQLib.inference.segment import segment
from CardiacUQLib.networks.spec import Architecture, NetworkSpec


class BrightIsHeart(nn.Module):
    """Heart where the normalised image exceeds 1."""

    def forward(self, x):
        return torch.cat([torch.zeros_like(x), 20 * (x - 1)], dim=1)


def with_locator(located=(0, 1), **changes):
    manifest = small_manifest(
        (0, 1),
        roi=RoiSpec(32, None, locator_spacing_mm=3.0, locator_size_px=64),
        **changes,
    )
    locator = NetworkSpec(Architecture.UNET_2D, 1, 2, (4, 8))
    files = tuple(WeightFile("locator", fold, f"locator_{fold}.safetensors", "0" * 64) for fold in located)
    manifest = dataclasses.replace(
        manifest,
        networks={**manifest.networks, "locator": locator},
        weights=(*manifest.weights, *files),
    )
    networks = {}
    for fold in (0, 1):
        networks |= {
            ("stage2d", fold): Pixelwise2D(),
            ("stage3d", fold): FromMasks3D(),
        }
    networks |= {("locator", fold): BrightIsHeart() for fold in located}
    return FakeBundle(manifest, networks)


def test_the_locator_centres_the_roi_on_the_largest_bright_region():
    array = np.random.default_rng(0).normal(10, 1, (4, 100, 120))
    array[1:3, 20:40, 70:94] += 100  # centre (29.5, 81.5)
    array[:, 80:86, 10:16] += 100  # smaller
    bundle = with_locator()
    found = segment(as_test_volume(array), bundle, device="cpu", precision="float32")
    assert found.run.warnings == ()
    assert [fold for name, fold, _ in bundle.asked if name == "locator"] == [0, 1]
    rows, columns = np.nonzero((found.maps[MapName.ENTROPY] > 0).any(axis=0))
    # the ROI of 32 pixels about the centre, up to the half pixel that rounding may move it
    assert abs((rows.min() + rows.max()) / 2 - 29.5) <= 1.0
    assert abs((columns.min() + columns.max()) / 2 - 81.5) <= 1.0
    assert (np.ptp(rows) + 1, np.ptp(columns) + 1) == (32, 32)


def test_a_locator_of_one_fold_serves_the_others():
    array = np.random.default_rng(0).normal(10, 1, (4, 100, 120))
    array[1:3, 20:40, 70:94] += 100
    bundle = with_locator(located=(0,))
    found = segment(as_test_volume(array), bundle, device="cpu", precision="float32", folds=[1])
    assert found.run.warnings == ()
    assert [fold for name, fold, _ in bundle.asked if name == "locator"] == [0]
    assert found.maps[MapName.ENTROPY][:, 30, 82].min() > 0


def test_without_a_heart_the_image_centre_is_used_and_said():
    ramp = np.broadcast_to(np.linspace(0, 0.01, 44), (3, 40, 44))
    bundle = with_locator()
    for fold in (0, 1):
        bundle.networks["locator", fold] = NoHeart()
    found = segment(as_test_volume(ramp + np.arange(40)[:, None]), bundle, device="cpu", precision="float32")
    assert found.run.warnings == (
        "no heart found by the coarse pass: the networks looked at the image centre",
    )
    assert (found.maps[MapName.ENTROPY][:, 4:36, 6:38] > 0).all()


class NoHeart(nn.Module):
    """Never a heart."""

    def forward(self, x):
        return torch.cat([torch.ones_like(x), torch.zeros_like(x)], dim=1)


def test_the_centre_is_that_of_the_most_probable_component():
    p = np.zeros((3, 10, 10), np.float32)
    p[2, 8:10, 0:3] = 0.55  # more voxels, less probability: 3.3 against 3.6
    p[0, 1:3, 4:6] = 0.9
    p[0, 0, 4:6] = 0.4  # below one half: no part of it
    assert centre_of_heart(p) == (1.5, 4.5)
    p[0, 1, 4:6] = 0.6  # the second row counts for more: (2 x 0.6 x 1 + 2 x 0.9 x 2) / 3.0 = 1.6
    p[2] = 0
    assert centre_of_heart(p) == pytest.approx((1.6, 4.5), abs=1e-6)
    assert centre_of_heart(np.full((3, 4, 4), 0.5, np.float32)) is None
