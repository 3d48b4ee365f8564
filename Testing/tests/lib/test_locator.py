"""The coarse pass: where it puts the region of interest."""

import dataclasses

import numpy as np
import pytest
import torch
from cascade_fakes import FakeBundle, FromMasks3D, Pixelwise2D, as_test_volume, small_manifest
from torch import nn

from CardiacUQLib.bundles.manifest import RoiSpec, WeightFile
from CardiacUQLib.bundles.map_catalogue import MapName
from CardiacUQLib.inference.explore import explore
from CardiacUQLib.inference.jobs import Job
from CardiacUQLib.inference.locator import CUT_ANEW, centre_of_heart, heart_elsewhere
from CardiacUQLib.inference.roi import Roi
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


class Elsewhere(nn.Module):
    """A locator that takes whatever is darkest for the heart."""

    def forward(self, x):
        return torch.cat([torch.zeros_like(x), 20 * (-1 - x)], dim=1)


class BrightIsMuscle(nn.Module):
    """Fine networks that know the heart by its brightness: healthy myocardium where it exceeds 1."""

    def forward(self, x):
        image = x[:, :1]
        rest = torch.zeros_like(image) - 50
        return torch.cat([torch.zeros_like(image), rest, 20 * (image - 1), rest, rest], dim=1)


def misled(heart_yx=(40, 60), decoy_yx=(44, 74)):
    """A bright heart of 12 x 12 pixels of 1.5 mm, and a dark decoy of 6 x 6 that the locator falls for."""
    array = np.random.default_rng(0).normal(10, 1, (4, 100, 120))
    for (y, x), half, grey in ((decoy_yx, 3, -100), (heart_yx, 6, 100)):
        array[:, y - half : y + half, x - half : x + half] += grey
    bundle = with_locator()
    for fold in (0, 1):
        bundle.networks |= {
            ("locator", fold): Elsewhere(),
            ("stage2d", fold): BrightIsMuscle(),
            ("stage3d", fold): BrightIsMuscle(),
        }
    return as_test_volume(array), bundle


def test_a_heart_far_off_the_centre_moves_the_region_once():
    """14 and 4 pixels of 1.5 mm are 21.8 mm: a region of 32 pixels about the decoy cuts four of the heart's
    twelve columns."""
    volume, bundle = misled()
    shares = []
    found = segment(
        volume, bundle, device="cpu", precision="float32", progress=lambda share, _: shares.append(share)
    )
    assert found.run.warnings == (CUT_ANEW,)
    expected = np.zeros((4, 100, 120), bool)
    expected[:, 34:46, 54:66] = True
    np.testing.assert_array_equal(found.segmentation > 0, expected)
    asked = [(name, fold) for name, fold, _ in bundle.asked if name == "stage3d"]
    assert asked == [("stage3d", 0), ("stage3d", 0), ("stage3d", 1)]  # the first fold looks twice
    assert shares == sorted(shares) and shares[-1] == 1


def test_a_heart_near_the_centre_or_a_given_centre_leave_the_region_alone():
    near, bundle = misled(decoy_yx=(40, 69))  # 9 pixels of 1.5 mm
    assert segment(near, bundle, device="cpu", precision="float32").run.warnings == ()
    far, bundle = misled()
    job = Job(far, bundle, (0, 1), bundle.manifest.views, centre_yx=(44.0, 74.0))
    found = explore(job, device="cpu", precision="float32")
    assert found.warnings == () and found.segmentation[:, 40, 55].max() == 0


def test_how_far_off_a_heart_lies_counts_in_mm_of_both_axes():
    """Region of 21 pixels, each 2 rows and 1 column of an image with pixels of 1 x 3 mm (y, x)."""
    geometry = as_test_volume(np.zeros((3, 60, 60)), (3.0, 1.0, 10.0)).geometry
    roi = Roi((60, 60), 21, (5.0, 20.0), (2.0, 1.0))
    p = np.zeros((3, 21, 21), np.float32)
    p[1, 17, 10] = 0.9  # 7 rows below the centre: 14 mm
    assert heart_elsewhere(p, roi, geometry) is None
    p[1, 17, 10], p[1, 10, 16] = 0, 0.9  # 6 columns to the right: 18 mm
    assert heart_elsewhere(p, roi, geometry) == pytest.approx((25.0, 36.0))
    assert heart_elsewhere(np.zeros_like(p), roi, geometry) is None
