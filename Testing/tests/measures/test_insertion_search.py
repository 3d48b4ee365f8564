"""Asking another bundle for the right ventricle: who is asked, what is told; the angle follows the heart."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from analytic_hearts import make_geometry, plane

from CardiacUQLib.bundles.bundle import Bundle, load_bundle
from CardiacUQLib.bundles.classes import CINE_CLASSES
from CardiacUQLib.bundles.manifest import InsertionFinder, View
from CardiacUQLib.bundles.resident import ResidentBundle
from CardiacUQLib.images.reading import read_volume
from CardiacUQLib.inference.insertion import OTHER_SIDE, InsertionSearch, find_insertion, insertion_beside
from CardiacUQLib.inference.jobs import Job
from CardiacUQLib.inference.segment import segment
from CardiacUQLib.measures.aha import Reference
from CardiacUQLib.measures.anatomy import Anatomy, anatomy_of
from CardiacUQLib.measures.insertion import insertion_from_point, insertion_from_rv
from CardiacUQTraining.datasets import open_dataset

MODELS = Path(__file__).resolve().parents[3] / "Resources" / "Models"
BOTH_VENTRICLES = {0: 0, 200: 2, 500: 3, 600: 1, 1220: 2, 2221: 2}
"""MyoPS labels as those of a cine frame."""
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


def test_a_preview_does_not_seek(scan, tiny_bundle, tmp_path):
    for name in ("own", "other"):
        shutil.copytree(tiny_bundle, tmp_path / name)
    bundle = asking(load_bundle(tmp_path / "own"), InsertionFinder("other", (0,), 1.0, 2.0))
    told = [
        segment(
            scan,
            bundle,
            device="cpu",
            folds=(0,),
            views=(View.IDENTITY,),
            keep_unlike=True,
            seek_insertion=seek,
        ).warnings
        for seek in (True, False)
    ]
    assert [any("was not sought" in line for line in lines) for lines in told] == [True, False]


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


GEOMETRY = make_geometry((1.0, 1.0, 8.0), np.eye(3), (100, 100, 8))
BLOOD, MUSCLE, FAT = 100.0, 30.0, 300.0


def two_ventricles(start: float = 110.0, length: float = 120.0) -> tuple[Anatomy, np.ndarray]:
    """A ring of 30 mm and, outside it, a crescent from ``start`` on counter-clockwise, in every slice."""
    polar = plane(GEOMETRY, (50.3, 49.8))
    wall, cavity, right = (np.zeros(GEOMETRY.shape, bool) for _ in range(3))
    cavity[:] = polar.radius < 18
    wall[:] = (polar.radius >= 18) & (polar.radius < 30)
    right[:] = (polar.radius >= 30) & (polar.radius < 42) & ((polar.angle - start) % 360 < length)
    return Anatomy(cavity, wall), right


def picture(left: Anatomy, right: np.ndarray, of_right: float = BLOOD) -> np.ndarray:
    """Bright blood, dark muscle, a little noise."""
    image = np.random.default_rng(3).normal(0, 5, GEOMETRY.shape)
    return image + np.where(left.cavity, BLOOD, np.where(right, of_right, MUSCLE))


def beside(left: Anatomy, right: np.ndarray, image: np.ndarray) -> InsertionSearch:
    return insertion_beside(left, right, image, GEOMETRY, FINDER)


@pytest.mark.parametrize("start", [80.0, 110.0, 140.0])
def test_the_insertion_lies_where_the_right_ventricle_begins(start):
    left, right = two_ventricles(start)
    found = beside(left, right, picture(left, right)).insertion
    assert found is not None and found.by == "cine-streaming" and found.error_deg == 30.0
    angle = insertion_from_point(left, GEOMETRY, np.arange(8), found.ras)
    assert angle == pytest.approx(start, abs=3.0)


def test_fat_is_not_taken_for_a_right_ventricle(scan):
    left, right = two_ventricles()
    assert beside(left, right, picture(left, right, FAT)) == InsertionSearch()


def test_a_right_ventricle_in_few_slices_is_not_believed():
    left, right = two_ventricles()
    right[3:] = False
    assert beside(left, right, picture(left, right)) == InsertionSearch()


def test_a_right_ventricle_that_wanders_is_not_believed():
    left, _ = two_ventricles()
    slices = [two_ventricles(start)[1][z] for z, start in enumerate(range(0, 320, 40))]
    right = np.stack(slices)
    assert beside(left, right, picture(left, right)) == InsertionSearch()


def test_a_spot_is_not_believed():
    left, right = two_ventricles(length=40.0)
    assert beside(left, right, picture(left, right)) == InsertionSearch()


def test_a_mirrored_stack_counts_from_no_insertion_and_says_so():
    """The anterior end is the upper one; seen in a mirror the septum follows it clockwise."""
    left, right = two_ventricles(start=-50.0)  # ends at 70 degrees: the upper end is the last
    assert beside(left, right, picture(left, right)) == InsertionSearch(None, (OTHER_SIDE,))


@pytest.mark.parametrize("case_id", ["Case3004", "Case3007", "Case3013"])
def test_the_shipped_bundles_find_it_on_real_late_enhancement(case_id, shared_data):
    """Within the 30 degrees that nine of ten scans keep to, of the reader's own two ventricles."""
    for name in ("lge-cascade", "cine-streaming"):
        if not (MODELS / name).is_dir():
            pytest.skip(f"this checkout has no {name} bundle (Resources/Models)")
    cases = open_dataset("myops", shared_data / "myops", complete=False).cases
    case = next((c for c in cases if c.id == case_id), None)
    if case is None:
        pytest.skip(f"{case_id} of MyoPS is not among the development data")
    volume, labels = dataclasses.replace(case, label_map=BOTH_VENTRICLES, merged={}).load()
    reader = insertion_from_rv(anatomy_of(labels, CINE_CLASSES, volume.geometry), volume.geometry)
    bundle = asking(
        load_bundle(MODELS / "lge-cascade"), InsertionFinder("cine-streaming", (0, 1), 10.0, 30.0)
    )
    result = segment(volume, bundle, device="cpu", folds=(0,), views=(View.IDENTITY,))
    segments = result.measures["segments"]
    assert reader is not None and segments["reference"] == Reference.RV_INSERTION
    assert abs((segments["start_deg"] - reader[0] + 180) % 360 - 180) < 30
