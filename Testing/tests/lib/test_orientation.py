"""Slice order: the same array however the file stores the stack."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from CardiacUQLib.images.orientation import canonical_order, reorder_geometry, slice_axis
from CardiacUQLib.images.reading import read_volume, write_map
from CardiacUQLib.images.volume import Geometry, StorageOrder, Vector3

IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
STORAGES = [
    (axes, flips)
    for axes in itertools.permutations(range(3))
    for flips in itertools.product((False, True), repeat=3)
]

spacings = st.sampled_from([(1.4, 1.4, 10.0), (0.73, 0.73, 12.0), (1.2, 1.6, 8.0), (2.0, 1.5, 5.0)])
angles = st.floats(-30, 30)
# The rotation vector of up to 30 degrees about any axis.
small_rotations = (
    st.tuples(st.floats(-1, 1), st.floats(-1, 1), st.floats(-1, 1), st.floats(0, 30))
    .filter(lambda v: np.linalg.norm(v[:3]) > 0.1)
    .map(lambda v: Rotation.from_rotvec(np.array(v[:3]) / np.linalg.norm(v[:3]) * v[3], degrees=True))
)
any_rotations = st.integers(0, 2**32 - 1).map(lambda seed: Rotation.random(rng=np.random.default_rng(seed)))


def stored_as(
    array: np.ndarray, geometry: Geometry, axes: tuple, flips: tuple
) -> tuple[np.ndarray, Geometry]:
    """The same voxels at the same places, stored with permuted and reversed axes, by SimpleITK."""
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(geometry.spacing)
    image.SetOrigin(geometry.origin)
    image.SetDirection(geometry.direction)
    image = sitk.Flip(sitk.PermuteAxes(image, axes), flips)
    stored = Geometry(image.GetSize(), image.GetSpacing(), image.GetOrigin(), image.GetDirection())
    return sitk.GetArrayFromImage(image), stored


@given(rotation=any_rotations, spacing=spacings)
@settings(max_examples=15, deadline=None)
def test_all_48_storage_orders_give_one_array(rotation: Rotation, spacing: Vector3) -> None:
    geometry = Geometry((9, 7, 4), spacing, (5.0, -6.0, 7.0), tuple(rotation.as_matrix().ravel()))
    array = np.arange(4 * 7 * 9).reshape(4, 7, 9)
    expected = None
    for axes, flips in STORAGES:
        stored, source = stored_as(array, geometry, axes, flips)
        order = canonical_order(source.spacing, source.direction, source.size)
        ordered, grid = order.from_stored(stored), reorder_geometry(source, order)
        if expected is None:
            expected, place = ordered, grid
        np.testing.assert_array_equal(ordered, expected)
        np.testing.assert_array_equal(order.to_stored(ordered), stored)
        assert grid.matches(place)
        assert grid.shape == ordered.shape
        assert np.linalg.det(np.reshape(grid.direction, (3, 3))) == pytest.approx(1)


@given(rotation=small_rotations, spacing=spacings)
@settings(max_examples=200, deadline=None)
def test_up_to_30_degrees_of_tilt_keep_the_order(rotation: Rotation, spacing: Vector3) -> None:
    order = canonical_order(spacing, tuple(rotation.as_matrix().ravel()), (50, 60, 8))
    assert order == StorageOrder()


@given(rotation=any_rotations, axes=st.permutations(range(3)), flips=st.tuples(*[st.booleans()] * 3))
@settings(max_examples=60, deadline=None)
def test_voxels_stay_where_they_are(rotation: Rotation, axes: list[int], flips: tuple[bool, ...]) -> None:
    """A voxel marked by its own position still lies there after the reordering."""
    source = Geometry((4, 3, 5), (1.0, 2.0, 7.0), (1.0, 2.0, 3.0), tuple(rotation.as_matrix().ravel()))
    order = StorageOrder(tuple(axes), flips)
    k, j, i = np.indices(source.shape)
    places = source.index_to_ras(np.stack([i, j, k], axis=-1))
    moved = np.stack([order.from_stored(places[..., n]) for n in range(3)], axis=-1)
    grid = reorder_geometry(source, order)
    z, y, x = np.indices(grid.shape)
    np.testing.assert_allclose(grid.index_to_ras(np.stack([x, y, z], axis=-1)), moved, atol=1e-9)


@pytest.mark.parametrize(
    ("row", "column"),
    [
        ((0.75, 0.5, -0.43), (-0.29, -0.33, -0.9)),
        ((0.75, 0.5, -0.43), (-0.5, 0.15, -0.85)),
        ((0.68, 0.65, -0.34), (-0.3, -0.18, -0.93)),
        ((0.9, 0.38, 0.2), (0.0, 0.45, -0.89)),
        ((0.62, 0.78, -0.1), (-0.1, 0.2, -0.97)),
    ],
)
def test_real_short_axis_orientations_keep_their_order(row: tuple, column: tuple) -> None:
    x = np.array(row) / np.linalg.norm(row)
    y = np.array(column) - np.dot(column, x) * x
    y /= np.linalg.norm(y)
    direction = tuple(np.stack([x, y, np.cross(x, y)], axis=1).ravel())
    assert canonical_order((1.4, 1.4, 8.0), direction, (256, 216, 12)) == StorageOrder()


@given(noise=st.lists(st.floats(-4e-8, 4e-8), min_size=9, max_size=9), flips=st.tuples(*[st.booleans()] * 3))
@settings(max_examples=60, deadline=None)
def test_rounding_errors_of_headers_change_nothing(
    noise: list[float], flips: tuple[bool, bool, bool]
) -> None:
    """Straight coronal, sagittal and axial stacks, where the references tie most easily."""
    for axes in itertools.permutations(range(3)):
        matrix = np.eye(3)[:, list(axes)] * np.where(flips, -1.0, 1.0)
        clean = canonical_order((1.4, 1.4, 9.0), tuple(matrix.ravel()), (50, 50, 9))
        noisy = tuple(matrix.ravel() + np.array(noise))
        assert canonical_order((1.4, 1.4 + 1e-8, 9.0), noisy, (50, 50, 9)) == clean


@pytest.mark.parametrize(
    ("spacing", "size", "axis"),
    [
        ((1.4, 1.4, 10), (50, 50, 9), 2),
        ((10, 1.4, 1.4), (9, 50, 50), 0),
        ((1.4, 8, 1.2), (5, 90, 40), 1),  # spacing decides although x has fewer samples
        ((1.4, 1.4, 1.5), (60, 20, 80), 1),
        ((1.0, 1.0, 1.0), (64, 64, 64), 2),
        ((1.0, 1.0, 1.0), (20, 20, 64), 2),
        ((1.0, 1.25, 1.0), (64, 64, 12), 1),
        ((1.0, 1.19, 1.0), (64, 64, 12), 2),
    ],
)
def test_slice_axis(spacing: tuple, size: tuple, axis: int) -> None:
    assert slice_axis(spacing, size) == axis


def test_straight_axial_stack_is_left_alone() -> None:
    assert canonical_order((1.4, 1.4, 10.0), IDENTITY, (64, 64, 8)) == StorageOrder()


@pytest.mark.parametrize("suffix", ["nrrd", "nii.gz", "mha"])
@pytest.mark.parametrize(("axes", "flips"), STORAGES[::5])
def test_files_in_any_order_read_alike_and_maps_go_back(
    tmp_path: Path, suffix: str, axes: tuple, flips: tuple
) -> None:
    direction = tuple(Rotation.from_euler("xyz", (25, -40, 15), degrees=True).as_matrix().ravel())
    geometry = Geometry((34, 40, 6), (1.25, 1.5, 9.0), (10.0, -20.0, 30.5), direction)
    array = np.random.default_rng(3).integers(0, 999, geometry.shape).astype(np.int16)
    plain = canonical_order(geometry.spacing, geometry.direction, geometry.size)
    stored, source = stored_as(array, geometry, axes, flips)
    image = sitk.GetImageFromArray(stored)
    image.SetSpacing(source.spacing)
    image.SetOrigin(source.origin)
    image.SetDirection(source.direction)
    path = tmp_path / f"stored.{suffix}"
    sitk.WriteImage(image, str(path))

    volume = read_volume(path)
    np.testing.assert_array_equal(volume.array, plain.from_stored(array))
    assert volume.geometry.matches(reorder_geometry(geometry, plain), tolerance_mm=1e-3)

    write_map(volume.array, volume, tmp_path / f"map.{suffix}")
    raw, back = sitk.ReadImage(str(path)), sitk.ReadImage(str(tmp_path / f"map.{suffix}"))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(back), sitk.GetArrayFromImage(raw))
    for get in ("GetSize", "GetSpacing", "GetOrigin", "GetDirection"):
        np.testing.assert_allclose(getattr(back, get)(), getattr(raw, get)(), rtol=1e-6, atol=1e-6)
