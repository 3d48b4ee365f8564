"""Asking another bundle for the right ventricle: who is asked, what is told; the angle follows the heart."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from CardiacUQLib.bundles.bundle import Bundle, load_bundle
from CardiacUQLib.bundles.manifest import InsertionFinder, View
from CardiacUQLib.bundles.resident import ResidentBundle
from CardiacUQLib.images.reading import read_volume
from CardiacUQLib.inference.insertion import OTHER_SIDE, InsertionSearch, find_insertion
from CardiacUQLib.inference.jobs import Job
from CardiacUQLib.inference.segment import segment
from CardiacUQLib.measures.aha import Reference
from CardiacUQLib.phantom import lge_phantom

MODELS = Path(__file__).resolve().parents[3] / "Resources" / "Models"
FINDER = InsertionFinder("cine-streaming", (0,), 10.0, 30.0)


def asking(bundle: Bundle, finder: InsertionFinder | None) -> ResidentBundle:
    resident = ResidentBundle.of(bundle)
    return dataclasses.replace(resident, manifest=dataclasses.replace(bundle.manifest, insertion=finder))


def volume_of(image: np.ndarray, folder: Path):
    """The image with the axes of a short-axis stack that the phantom is drawn in: septum on the left."""
    picture = sitk.GetImageFromArray(image)
    picture.SetSpacing((1.458, 1.458, 10.0))
    path = folder / "scan.nii.gz"
    sitk.WriteImage(picture, path)
    return read_volume(path)


def disc(shape: tuple[int, int, int]) -> np.ndarray:
    """Labels of a ring around a cavity in the middle of every slice."""
    y, x = np.ogrid[: shape[1], : shape[2]]
    distance = np.hypot(y - shape[1] / 2, x - shape[2] / 2)
    labels = np.zeros(shape, np.uint8)
    labels[:, distance < 20] = 2
    labels[:, distance < 12] = 1
    return labels


@pytest.fixture(scope="module")
def scan(tmp_path_factory):
    image = np.random.default_rng(1).random((5, 96, 96)).astype(np.float32)
    return volume_of(image, tmp_path_factory.mktemp("scan"))


def search(volume, bundle: ResidentBundle, labels: np.ndarray | None = None) -> InsertionSearch:
    job = Job(volume, bundle, (0,), (View.IDENTITY,))
    return find_insertion(
        job, disc(volume.geometry.shape) if labels is None else labels, bundle, device="cpu"
    )


def test_a_bundle_that_names_no_other_one_asks_nobody(scan, tiny_bundle):
    assert search(scan, asking(load_bundle(tiny_bundle), None)) == InsertionSearch()


def test_an_absent_companion_is_no_fault(scan, tiny_bundle):
    assert search(scan, asking(load_bundle(tiny_bundle), InsertionFinder("nowhere", (0,), 1.0, 2.0))) == (
        InsertionSearch()
    )


def test_a_companion_beside_the_bundle_is_found_and_stays_in_memory(scan, tiny_bundle, tmp_path):
    for name in ("own", "other"):
        shutil.copytree(tiny_bundle, tmp_path / name)
    bundle = asking(load_bundle(tmp_path / "own"), InsertionFinder("other", (0,), 1.0, 2.0))
    found = bundle.companion("other")
    assert found is not None and found.folder == (tmp_path / "other").resolve()
    assert bundle.companion("other") is found
    told = search(scan, bundle)
    assert told.insertion is None
    assert told.warnings == ("the RV insertion was not sought: bundle 'other' knows no right ventricle",)


def test_a_damaged_companion_costs_the_insertion_and_says_why(scan, tiny_bundle, tmp_path):
    for name in ("own", "other"):
        shutil.copytree(tiny_bundle, tmp_path / name)
    next((tmp_path / "other").glob("stage2d*")).write_bytes(b"damaged")
    told = search(scan, asking(load_bundle(tmp_path / "own"), InsertionFinder("other", (0,), 1.0, 2.0)))
    assert told.insertion is None
    assert "was not sought" in told.warnings[0] and "damaged" in told.warnings[0]


def test_nothing_is_sought_without_a_heart(scan, tiny_bundle):
    bundle = asking(load_bundle(tiny_bundle), FINDER)
    assert search(scan, bundle, np.zeros(scan.geometry.shape, np.uint8)) == InsertionSearch()


@pytest.fixture(scope="module")
def shipped() -> ResidentBundle:
    for name in ("lge-cascade", "cine-streaming"):
        if not (MODELS / name).is_dir():
            pytest.skip(f"this checkout has no {name} bundle (Resources/Models)")
    return asking(load_bundle(MODELS / "lge-cascade"), FINDER)


def start_of(bundle: ResidentBundle, folder: Path, image: np.ndarray):
    volume = volume_of(image, folder)
    return segment(volume, bundle, device="cpu", folds=(0,), views=(View.IDENTITY,))


def test_the_angle_turns_with_the_heart(shipped, tmp_path):
    """The same phantom turned by 30 degrees has its insertion 30 degrees further."""
    angles = []
    for turn in (0.0, 30.0):
        image = lge_phantom(4, shape=(9, 160, 160), rotation_deg=turn, offset_mm=(0, 0)).image
        result = start_of(shipped, tmp_path, image)
        segments = result.measures["segments"]
        assert segments["reference"] == Reference.RV_INSERTION
        assert segments["insertion"]["by"] == "cine-streaming"
        angles.append(segments["start_deg"])
    turned = (angles[0] - angles[1]) % 360
    assert turned == pytest.approx(30.0, abs=12.0)


def test_a_mirrored_stack_counts_from_no_insertion_and_says_so(shipped, tmp_path):
    image = lge_phantom(4, shape=(9, 160, 160), rotation_deg=0.0, offset_mm=(0, 0)).image
    result = start_of(shipped, tmp_path, np.ascontiguousarray(image[:, :, ::-1]))
    assert result.measures["segments"]["reference"] == Reference.IMAGE_12_OCLOCK
    assert OTHER_SIDE in result.warnings
