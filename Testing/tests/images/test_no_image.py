"""Voxels that are no image: found before anything is computed, labelled nowhere, told by slice."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from image_bytes import film, nifti

from CardiacUQLib.base.errors import InputError
from CardiacUQLib.bundles.bundle import load_bundle
from CardiacUQLib.images.no_image import find_no_image
from CardiacUQLib.images.reading import read_volume
from CardiacUQLib.images.volume import Volume
from CardiacUQLib.inference.empty_slices import filled_slices, without_empty_slices
from CardiacUQLib.inference.ensemble import normalise_frame
from CardiacUQLib.inference.roi import Roi, crop_no_image, normalise_slices
from CardiacUQLib.inference.segment import segment


def scan() -> np.ndarray:
    """Grey values 0 to 999, float32 (5, 40, 36)."""
    return film("f4")[0]


@pytest.mark.parametrize("value", [-32768.0, -4096.0, -2048.0, 32767.0, 65535.0, -1e35, 3e38])
def test_padding_is_what_stands_far_apart(value: float) -> None:
    array = scan()
    array[:, :6] = value
    found = find_no_image(array)
    np.testing.assert_array_equal(found.mask, array == np.float32(value))
    assert (
        f"1080 voxels hold the padding value {np.float32(value):g} and are left out (in all slices)"
        in found.notes[0]
    )


@pytest.mark.parametrize("change", ["zeros", "one dark pixel", "psir", "binary", "bright spot"])
def test_images_without_padding_keep_every_voxel(change: str) -> None:
    array = scan()
    if change == "zeros":
        array[:, :6] = 0
    elif change == "one dark pixel":
        array[2, 3, 4] = -1500
    elif change == "psir":
        array = array * 4 - 2000
    elif change == "binary":
        array = (array > 500) * 100.0
    else:
        array[2, 3, 4] = 5000
    assert find_no_image(array.astype(np.float32)).mask is None


def test_several_kinds_at_once_and_slices_are_named() -> None:
    array = scan()
    array[1, 0, 0], array[2, :3], array[3, 5:9], array[4] = np.nan, -32768, 65535, 17
    found = find_no_image(array)
    assert found.mask.sum() == 1 + 3 * 36 + 4 * 36 + 40 * 36
    assert found.empty.tolist() == [False, False, False, False, True]
    said = "\n".join(found.notes)
    for words in ("NaN or infinite and are left out (slice 2)", "-32768 and are left out (slice 3)"):
        assert words in said
    assert "slice 5 is empty and left out" in said


def test_a_volume_gets_its_lowest_grey_value_there_and_the_mask(tmp_path: Path) -> None:
    stored = film()[0] + 100
    stored[:, :, :5] = -32768
    volume = read_volume(nifti(tmp_path / "a.nii.gz", stored))
    mask = volume.storage.to_stored(volume.no_image)
    np.testing.assert_array_equal(mask, stored == -32768)
    array = volume.storage.to_stored(volume.array)
    assert (array[mask] == stored[~mask].min()).all()
    np.testing.assert_array_equal(array[~mask], stored[~mask])


def test_a_stack_of_two_slices_and_emptiness_is_refused(tmp_path: Path) -> None:
    stored = film()[0]
    stored[1:4] = 0
    with pytest.raises(InputError, match="only 2 of 5 slices hold an image"):
        read_volume(nifti(tmp_path / "a.nii.gz", stored))


def test_normalisation_counts_image_voxels_alone() -> None:
    crop, mask = scan(), np.zeros((5, 40, 36), bool)
    mask[:, :10] = True
    known = crop[:, 10:].reshape(5, -1)
    crop[:, :10] = -4000
    slices = normalise_slices(crop, mask)
    np.testing.assert_allclose(slices[:, 10:].reshape(5, -1).mean(1), 0, atol=1e-5)
    np.testing.assert_allclose(slices[:, 10:].reshape(5, -1).std(1), 1, atol=1e-5)
    frame = normalise_frame(crop, mask)
    assert (frame[:, 10:].min(), frame[:, 10:].max(), frame[:, :10].max()) == (0, 1, 0)
    np.testing.assert_allclose(frame[:, 10:].reshape(5, -1), (known - known.min()) / np.ptp(known), atol=1e-6)


def test_resampling_spreads_the_mask_never_the_padding() -> None:
    volume = with_mask(scan(), np.s_[:, :20])
    roi = Roi((40, 36), 24, (0.3, 0.2), (1.6, 1.4))
    mask = crop_no_image(roi, volume)
    touched = roi.extract(np.where(volume.no_image, 1e6, 0).astype(np.float32)) > 0
    np.testing.assert_array_equal(mask, touched)


def with_mask(array: np.ndarray, where: object) -> Volume:
    from CardiacUQLib.images.reading import volume_of
    from CardiacUQLib.images.volume import Geometry

    grid = Geometry((36, 40, len(array)), (1.5, 1.5, 8.0), (0, 0, 0), (1, 0, 0, 0, 1, 0, 0, 0, 1))
    padded = array.copy()
    padded[where] = -32768
    volume = volume_of(Path("a"), padded, grid, "")
    return dataclasses.replace(volume)


def test_empty_slices_do_not_reach_the_networks_and_cut_nothing(tiny_bundle: Path) -> None:
    torch.manual_seed(0)
    whole = with_mask(scan(), np.s_[:0])
    gapped = with_mask(np.insert(scan(), 2, -32768, axis=0), np.s_[2])
    dense = without_empty_slices(gapped, filled_slices(gapped))
    np.testing.assert_array_equal(dense.array, whole.array)
    bundle = load_bundle(tiny_bundle)
    limits = {"form": "level", "inner": -9.0, "outer": 9.0, "covered": None, "width_mm": None}
    fits = {"contour_bands": {"structures": {"blood pool": limits}, "share": 0.9, "fitted_on": {}}}
    manifest = dataclasses.replace(bundle.manifest, calibration={**bundle.manifest.calibration, **fits})
    bundle = dataclasses.replace(bundle, manifest=manifest)
    expected, found = segment(whole, bundle, device="cpu"), segment(gapped, bundle, device="cpu")
    kept = [0, 1, 3, 4, 5]
    np.testing.assert_array_equal(found.segmentation[kept], expected.segmentation)
    assert not found.segmentation[2].any()
    assert not found.component_ids[2].any()
    for name, array in expected.maps.items():
        np.testing.assert_array_equal(found.maps[name][kept], array)
    assert found.segmentation.any()
    bands, as_dense = (one.band_maps["blood pool"] for one in (found, expected))
    np.testing.assert_array_equal(bands[kept], as_dense)
    assert as_dense.any() and not bands[2].any()


def test_a_place_is_told_where_it_lies_among_all_slices() -> None:
    from CardiacUQLib.inference.empty_slices import moved
    from CardiacUQLib.uncertainty.look import Look, LookKind

    volume = with_mask(np.insert(scan(), 2, -32768, axis=0), np.s_[2])
    dense = without_empty_slices(volume, filled := filled_slices(volume))
    for number, among_all in enumerate((0, 1, 3, 4, 5)):
        at = dense.geometry.index_to_ras(np.array([10.0, 12.0, number]))
        look = Look(1, LookKind.DOUBT, number, (float(at[0]), float(at[1]), float(at[2])), 9.0, 0.1, 0.0, "")
        placed = moved(look, volume.geometry, filled)
        assert placed.slice == among_all
        truth = volume.geometry.index_to_ras(np.array([10.0, 12.0, among_all]))
        np.testing.assert_allclose(placed.centre_ras, truth, atol=0.02)


def test_nothing_is_labelled_in_padding(tiny_bundle: Path) -> None:
    volume = with_mask(scan(), np.s_[:, 15:22, 10:26])
    result = segment(volume, load_bundle(tiny_bundle), device="cpu")
    assert volume.no_image.any()
    assert not result.segmentation[volume.no_image].any()
    assert not result.dcm[volume.no_image].any()


@pytest.mark.slow
def test_padding_hardly_changes_a_real_case(shared_data: Path) -> None:
    """20 rows of -32768 in place of air: Dice above .98 with the scan as it was."""
    from CardiacUQLib.images.image_file import read_image
    from CardiacUQLib.images.reading import volume_of

    path = shared_data / "myops" / "Case3001" / "Case3001_LGE.nii.gz"
    if not path.is_file():
        pytest.skip("the MyoPS case is not here")
    image = read_image(path)
    padded = image.stored[0].astype(np.float32)
    padded[:, :20] = -32768
    bundle = load_bundle("lge-cascade")
    labels = []
    for stored in (image.stored[0], padded):
        volume = volume_of(path, stored, image.geometry, "")
        labels.append(segment(volume, bundle, device="cpu").segmentation)
    first, second = labels
    for value in (1, 2, 3):
        dice = (
            2
            * ((first == value) & (second == value)).sum()
            / ((first == value).sum() + (second == value).sum())
        )
        assert dice > 0.98
