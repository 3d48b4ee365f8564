"""The region of interest: exact copies on the image's own pixels, fair resampling otherwise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from CardiacUQLib.bundles.manifest import RoiSpec
from CardiacUQLib.images.volume import Geometry, Volume
from CardiacUQLib.inference.roi import Roi, find_roi, normalise_slices

IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


def volume_of(array: np.ndarray, spacing: tuple[float, float] = (1.4, 1.4)) -> Volume:
    geometry = Geometry(array.shape[::-1], (*spacing, 10.0), (0.0, 0.0, 0.0), IDENTITY)
    return Volume(array.astype(np.float32), geometry, geometry)


def random_volume(rows: int, columns: int, spacing: tuple[float, float] = (1.4, 1.4)) -> Volume:
    return volume_of(np.random.default_rng(rows * 1000 + columns).normal(size=(3, rows, columns)), spacing)


centres = st.none() | st.tuples(st.floats(-10, 60), st.floats(-10, 60))


@given(rows=st.integers(8, 50), columns=st.integers(8, 50), size=st.integers(1, 60), centre=centres)
@settings(max_examples=100, deadline=None)
def test_own_pixels_are_copied_voxel_for_voxel(
    rows: int, columns: int, size: int, centre: tuple | None
) -> None:
    volume = random_volume(rows, columns)
    roi = find_roi(volume, RoiSpec(size, None), centre)
    crop = roi.extract(volume.array)
    assert crop.shape == (3, size, size)
    assert crop.dtype == np.float32
    inside = roi.restore(np.ones((size, size))) == 1
    restored = roi.restore(crop, outside=-99.0)
    np.testing.assert_array_equal(restored[:, inside], volume.array[:, inside])
    assert (restored[:, ~inside] == -99).all()
    first = [int(f) for f in roi.first]
    expected = np.zeros((rows, columns), bool)
    expected[max(first[0], 0) : max(first[0] + size, 0), max(first[1], 0) : max(first[1] + size, 0)] = True
    np.testing.assert_array_equal(inside, expected)


@pytest.mark.parametrize(
    ("rows", "columns", "size", "first"), [(241, 144, 96, (72, 24)), (96, 97, 96, (0, 0))]
)
def test_image_centre(rows: int, columns: int, size: int, first: tuple[int, int]) -> None:
    """(241 - 96) / 2 = 72.5 goes down, as in numpy's n // 2 convention."""
    volume = random_volume(rows, columns)
    crop = find_roi(volume, RoiSpec(size, None), None).extract(volume.array)
    expected = volume.array[:, first[0] : first[0] + size, first[1] : first[1] + size]
    np.testing.assert_array_equal(crop, expected)


def test_given_centre_is_in_the_middle() -> None:
    array = np.zeros((3, 50, 60))
    array[:, 20, 41] = 1
    crop = find_roi(volume_of(array), RoiSpec(5, None), (20.0, 41.0)).extract(array)
    assert np.argwhere(crop[0]).tolist() == [[2, 2]]


@pytest.mark.parametrize("spacing", [1.4, 1.4009, 1.3991])
def test_nearly_equal_spacing_is_no_resampling(spacing: float) -> None:
    assert find_roi(random_volume(40, 40), RoiSpec(32, spacing), None).is_identity


def test_one_differing_axis_is_resampled() -> None:
    roi = find_roi(random_volume(40, 40, (1.4, 1.6)), RoiSpec(32, 1.4), None)
    assert not roi.is_identity
    assert roi.step == pytest.approx((1.4 / 1.6, 1.0))


def test_beyond_the_image_its_edge_goes_on() -> None:
    volume = random_volume(10, 12)
    crop = find_roi(volume, RoiSpec(20, None), None).extract(volume.array)
    np.testing.assert_array_equal(crop[:, 5:15, 4:16], volume.array)
    np.testing.assert_array_equal(crop[:, 0], crop[:, 5])
    np.testing.assert_array_equal(crop[:, :, -1], crop[:, :, 15])
    coarse = find_roi(volume, RoiSpec(20, 2.8), None).extract(volume.array)
    assert np.isfinite(coarse).all()
    np.testing.assert_allclose(coarse[:, 0], coarse[:, 1])


@given(
    spacing=st.tuples(st.floats(0.7, 2.0), st.floats(0.7, 2.0)),
    wanted=st.floats(0.9, 2.0),
    radius_mm=st.floats(15, 28),
    shift=st.tuples(st.floats(-5, 5), st.floats(-5, 5)),
)
@settings(max_examples=40, deadline=None)
def test_disc_keeps_its_area_both_ways(spacing: tuple, wanted: float, radius_mm: float, shift: tuple) -> None:
    """A disc of known area, with partial volumes at its rim, within 2 % after each resampling."""
    rows, columns = int(120 / spacing[1]), int(120 / spacing[0])
    centre = (rows - 1) / 2 + shift[0], (columns - 1) / 2 + shift[1]
    fine = np.linspace(-0.5, 0.5, 5)[:-1] + 1 / 8
    y = (np.arange(rows)[:, None] + fine).ravel() - centre[0]
    x = (np.arange(columns)[:, None] + fine).ravel() - centre[1]
    within = np.hypot(y[:, None] * spacing[1], x[None] * spacing[0]) <= radius_mm
    disc = within.reshape(rows, 4, columns, 4).mean(axis=(1, 3))
    area = np.pi * radius_mm**2
    roi = find_roi(volume_of(np.stack([disc] * 3), spacing), RoiSpec(int(84 / wanted), wanted), centre)
    crop = roi.extract(np.stack([disc] * 3))
    pixel = wanted**2 if not roi.is_identity else spacing[0] * spacing[1]
    assert crop[1].sum() * pixel == pytest.approx(area, rel=0.02)
    back = roi.restore(crop)
    assert back.shape == (3, rows, columns)
    assert back[1].sum() * spacing[0] * spacing[1] == pytest.approx(area, rel=0.02)
    # As a label from the arg max of two classes, too.
    label = np.argmax(roi.restore(np.stack([1 - crop, crop])), axis=0)
    assert label[1].sum() * spacing[0] * spacing[1] == pytest.approx(area, rel=0.04)


def test_linear_ramp_is_resampled_exactly() -> None:
    """Linear interpolation reproduces a plane: value = 3 y + 5 x at every ROI pixel."""
    y, x = np.indices((60, 70))
    volume = volume_of(np.stack([3.0 * y + 5.0 * x] * 3), (1.5, 2.0))
    roi = find_roi(volume, RoiSpec(40, 1.0), (30.25, 33.5))
    places_y = 30.25 + (np.arange(40) - 19.5) * 1.0 / 2.0
    places_x = 33.5 + (np.arange(40) - 19.5) * 1.0 / 1.5
    expected = 3 * places_y[:, None] + 5 * places_x[None]
    np.testing.assert_allclose(roi.extract(volume.array)[0], expected, rtol=1e-5)


def test_coarse_pixels_average_instead_of_skipping() -> None:
    stripes = np.tile([0.0, 1.0], (3, 64, 32))
    crop = find_roi(volume_of(stripes, (1.0, 1.0)), RoiSpec(16, 2.0), None).extract(stripes)
    np.testing.assert_allclose(crop, 0.5, atol=1e-6)


@pytest.mark.parametrize("wanted", [1.0, 1.4, 2.2])
def test_probabilities_stay_probabilities(wanted: float) -> None:
    volume = random_volume(50, 60)
    roi = find_roi(volume, RoiSpec(24, wanted), (20.0, 30.0))
    shares = np.random.default_rng(0).dirichlet(np.ones(5), (3, 24, 24)).transpose(3, 0, 1, 2)
    back = roi.restore(shares.astype(np.float32))
    inside = roi.restore(np.ones((24, 24))) > 0
    np.testing.assert_allclose(back.sum(axis=0)[:, inside], 1, atol=1e-5)
    assert (back[:, :, ~inside] == 0).all()
    assert back.min() >= 0


@pytest.mark.parametrize("wanted", [None, 0.7, 2.1])
def test_restored_area_is_the_rois_area(wanted: float | None) -> None:
    volume = random_volume(80, 90)
    inside = find_roi(volume, RoiSpec(20, wanted), None).restore(np.ones((20, 20))) > 0.5
    edge_px = 20 * (wanted or 1.4) / 1.4
    assert np.sqrt(inside.sum()) == pytest.approx(edge_px, abs=1)


def test_labels_are_restored_by_the_nearest_pixel() -> None:
    roi = find_roi(random_volume(40, 40, (1.0, 1.0)), RoiSpec(10, 2.0), None)
    labels = np.random.default_rng(1).integers(0, 5, (3, 10, 10)).astype(np.uint8)
    back = roi.restore(labels, order=0)
    assert back.dtype == np.uint8
    np.testing.assert_array_equal(back[:, 10:30, 10:30], labels.repeat(2, axis=1).repeat(2, axis=2))
    assert back.sum() == 4 * labels.sum()


def test_roi_outside_the_image_restores_nothing() -> None:
    roi = find_roi(random_volume(40, 40), RoiSpec(10, 2.0), (500.0, 500.0))
    assert (roi.restore(np.ones((10, 10))) == 0).all()
    assert (
        find_roi(random_volume(40, 40), RoiSpec(10, None), (-90.0, 9.0)).restore(np.ones((10, 10))) == 0
    ).all()


def test_wrong_shapes_are_refused() -> None:
    roi = Roi((40, 40), 10, (0.0, 0.0), (1.0, 1.0))
    with pytest.raises(ValueError, match="pixels instead of"):
        roi.extract(np.zeros((3, 40, 41)))
    with pytest.raises(ValueError, match="pixels instead of"):
        roi.restore(np.zeros((3, 10, 11)))
    with pytest.raises(ValueError, match="order"):
        roi.restore(np.zeros((10, 10)), order=3)


@given(scale=st.floats(1e-3, 1e4), offset=st.floats(-1e4, 1e4))
@settings(max_examples=50, deadline=None)
def test_normalised_slices_forget_scale_and_offset(scale: float, offset: float) -> None:
    crop = np.random.default_rng(2).normal(size=(3, 20, 20))
    result = normalise_slices(crop * scale + offset)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result.mean(axis=(1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(result.std(axis=(1, 2)), 1, atol=1e-5)
    np.testing.assert_allclose(result, normalise_slices(crop), atol=1e-3)


def test_normalisation_by_hand_and_of_an_empty_slice() -> None:
    crop = np.array([[[1.0, 3.0], [1.0, 3.0]], [[7.0, 7.0], [7.0, 7.0]]])
    np.testing.assert_array_equal(normalise_slices(crop), [[[-1, 1], [-1, 1]], [[0, 0], [0, 0]]])
