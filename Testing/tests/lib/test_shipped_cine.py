"""The cine bundle of the repository: found wherever the heart lies, complete, small enough to ship."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from CardiacUQLib.bundles.bundle import Bundle, load_bundle
from CardiacUQLib.bundles.map_catalogue import MapName
from CardiacUQLib.images.reading import read_volume
from CardiacUQLib.inference.result import Result
from CardiacUQLib.inference.segment import segment
from CardiacUQLib.phantom import cine_phantom

BUNDLE = Path(__file__).resolve().parents[3] / "Resources" / "Models" / "cine-streaming"
MOST_MB = 10
SPACING = (1.56, 1.56, 10.0)
DOWN, RIGHT, BORDER = 23, -17, 40


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    if not BUNDLE.is_dir():
        pytest.skip("this checkout has no cine-streaming bundle (Resources/Models)")
    return load_bundle(BUNDLE)


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    """End-diastole of a phantom, (z, y, x), in a field of view with room around the heart."""
    return cine_phantom(11, shape=(9, 200, 200)).ed.image


def found(image: np.ndarray, bundle: Bundle, folder: Path) -> Result:
    """What a user gets: all folds and views, from a file. One network alone looks at the phantom, which is
    not what it learned from, differently with every pixel by which the region lies elsewhere."""
    path = folder / "scan.nii.gz"
    stack = sitk.GetImageFromArray(image)
    stack.SetSpacing(SPACING)
    sitk.WriteImage(stack, str(path))
    return segment(read_volume(path), bundle, device="cpu", precision="float32")


def stored(result: Result) -> np.ndarray:
    return result.volume.storage.to_stored(result.segmentation)


@pytest.fixture(scope="module")
def middle(image, bundle, tmp_path_factory) -> np.ndarray:
    labels = stored(found(image, bundle, tmp_path_factory.mktemp("middle")))
    assert {1, 2, 3} <= set(np.unique(labels).tolist())
    return labels


def overlap(a: np.ndarray, b: np.ndarray) -> list[float]:
    return [2 * ((a == v) & (b == v)).sum() / ((a == v).sum() + (b == v).sum()) for v in (1, 2, 3)]


def test_a_heart_off_centre_is_found(image, middle, bundle, tmp_path):
    """The image moved by 36 and 27 mm: the labels move with it."""
    moved = np.roll(np.pad(image, ((0, 0), (30, 30), (30, 30)), "edge"), (DOWN, RIGHT), (1, 2))
    labels = stored(found(moved[:, 30:-30, 30:-30], bundle, tmp_path))
    back = np.roll(labels, (-DOWN, -RIGHT), (1, 2))
    assert min(overlap(back, middle)) > 0.95


def test_a_wider_field_of_view_changes_nothing(image, middle, bundle, tmp_path):
    """62 mm of empty image on every side, as a scanner's interpolation leaves them."""
    sides = ((0, 0), (BORDER, BORDER), (BORDER, BORDER))
    labels = stored(found(np.pad(image, sides, constant_values=image.min()), bundle, tmp_path))
    assert min(overlap(labels[:, BORDER:-BORDER, BORDER:-BORDER], middle)) > 0.95


def test_it_is_complete_and_small(bundle, middle):
    manifest = bundle.manifest
    assert sum(path.stat().st_size for path in BUNDLE.iterdir()) <= MOST_MB * 1e6
    assert "locator" in manifest.networks and len(manifest.folds) > 1
    held_out = [case for cases in manifest.held_out.values() for case in cases]
    assert len(held_out) == len(set(held_out)) == 40 * len(manifest.folds), "a fifth of the frames per fold"
    assert {"ef_percent", "edv_ml", "esv_ml", "lv_mass_g"} <= set(manifest.calibration["intervals"])


def test_p_wrong_is_high_where_labels_meet_and_low_inside(image, bundle, tmp_path):
    result = found(image, bundle, tmp_path)
    wrong = result.maps[MapName.ERROR_PROBABILITY]
    assert wrong.shape == result.segmentation.shape and 0 <= wrong.min() <= wrong.max() <= 1
    labels = result.segmentation
    border = (labels > 0) & (np.roll(labels, 1, axis=2) != labels)
    assert wrong[border].mean() > 3 * wrong[labels == 0].mean()
