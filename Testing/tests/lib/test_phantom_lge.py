"""The late-enhancement phantom and the analytic cylinder: truth, anatomy, options, determinism."""

from __future__ import annotations

import subprocess
import sys
import zlib

import numpy as np
import pytest
import SimpleITK as sitk
from scipy import ndimage

from CardiacUQLib.base.errors import UsageError
from CardiacUQLib.images.volume import StorageOrder
from CardiacUQLib.phantom import (
    LabelledPhantom,
    Territory,
    as_volume,
    cylinder_phantom,
    lge_phantom,
    write_phantom,
)
from CardiacUQLib.phantom.heart import draw_shape, draw_surfaces
from CardiacUQLib.phantom.infarct import draw_infarct

POOL, HEALTHY, INFARCT, MVO = 1, 2, 3, 4
SEEDS = range(8)


@pytest.fixture(scope="module")
def infarcted() -> list[LabelledPhantom]:
    return [lge_phantom(seed, crop_px=96, infarct=True, mvo=True) for seed in SEEDS]


def test_shapes_types_and_labels() -> None:
    phantom = lge_phantom(1, shape=(6, 160, 128), spacing=(1.8, 1.8, 10.0), infarct=True, mvo=True)
    assert phantom.image.shape == phantom.labels.shape == (6, 160, 128)
    assert phantom.image.dtype == np.float32 and phantom.labels.dtype == np.uint8
    assert np.isfinite(phantom.image).all() and phantom.image.std() > 1
    assert set(np.unique(phantom.labels)) == {0, POOL, HEALTHY, INFARCT, MVO}


def test_same_seed_same_voxels_and_other_seed_another_heart() -> None:
    first, second = lge_phantom(11, crop_px=64), lge_phantom(11, crop_px=64)
    np.testing.assert_array_equal(first.image, second.image)
    np.testing.assert_array_equal(first.labels, second.labels)
    assert first.truth_ml == second.truth_ml
    other = lge_phantom(12, crop_px=64)
    assert (other.labels != first.labels).mean() > 0.02


def test_another_process_renders_the_same_voxels() -> None:
    script = (
        "import sys, zlib; sys.path[:0] = %r\n"
        "from CardiacUQLib.phantom import lge_phantom\n"
        "p = lge_phantom(5, crop_px=48)\n"
        "print(zlib.crc32(p.image.tobytes()), zlib.crc32(p.labels.tobytes()))\n"
        "assert 'torch' not in sys.modules"
    )
    here = lge_phantom(5, crop_px=48)
    expected = [str(zlib.crc32(array.tobytes())) for array in (here.image, here.labels)]
    out = subprocess.run(
        [sys.executable, "-c", script % (sys.path,)], capture_output=True, text=True, check=True
    ).stdout
    assert out.split() == expected


def test_infarct_and_mvo_surfaces_are_nested() -> None:
    """Before any voxel: endocardium <= infarct <= epicardium, and 1.5 mm of infarct outside every core."""
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        shape = draw_shape(rng, 85.0, True)
        level = (np.arange(40) + 0.5) / 40
        heart = draw_surfaces(rng, shape, level, fat_abundance=0.5, trabeculation=0.5)
        scar = draw_infarct(rng, heart, territory=None, with_mvo=True)
        dead, core = scar.outer > 0, scar.mvo_outer > 0
        assert core.any() and dead[core].all()
        assert (scar.outer[dead] <= heart.epi[dead] + 1e-3).all()
        assert (scar.inner[dead] >= heart.endo[dead] - 1e-3).all()
        assert (scar.mvo_inner[core] >= heart.endo[core]).all()
        assert (scar.mvo_outer[core] > scar.mvo_inner[core]).all()
        assert (scar.mvo_outer[core] <= scar.outer[core] - 1.5 + 1e-3).all()


def test_core_voxels_touch_infarct_or_pool(infarcted: list[LabelledPhantom]) -> None:
    touched = {POOL: 0, HEALTHY: 0, INFARCT: 0, 0: 0}
    for phantom in infarcted:
        for labels in phantom.labels:
            assert (ndimage.binary_fill_holes(labels > 0) == (labels > 0)).all()
            core = labels == MVO
            around = ndimage.binary_dilation(core) & ~core
            for label in touched:
                touched[label] += int((labels[around] == label).sum())
    total = sum(touched.values())
    assert total > 500
    assert (touched[INFARCT] + touched[POOL]) / total > 0.9 and touched[0] / total < 0.02


def test_myocardium_surrounds_the_pool_in_middle_slices() -> None:
    for seed in SEEDS:
        labels = lge_phantom(seed, crop_px=96).labels
        for middle in labels[2:-2]:
            pool = middle == POOL
            rim = ndimage.binary_dilation(pool) & ~pool
            assert pool.any() and (middle[rim] >= HEALTHY).all()
            assert ndimage.label(middle >= HEALTHY)[1] == 1
            assert ndimage.label(pool)[1] == 1


@pytest.mark.parametrize("spacing", [(1.458, 1.458, 10.0), (1.0, 1.0, 5.0), (2.0, 1.6, 8.0)])
def test_label_counts_agree_with_truth_within_discretisation(spacing: tuple[float, float, float]) -> None:
    shape = (round(80 / spacing[2]), round(240 / spacing[1]), round(240 / spacing[0]))
    phantom = lge_phantom(21, shape=shape, spacing=spacing, infarct=True, mvo=True)
    for label, relative in ((POOL, 0.03), (HEALTHY, 0.04), (INFARCT, 0.08)):
        assert phantom.counted_ml(label) == pytest.approx(phantom.truth_ml[label], rel=relative)
    assert phantom.counted_ml(MVO) == pytest.approx(phantom.truth_ml[MVO], abs=1.5)


def test_truth_does_not_depend_on_the_crop() -> None:
    whole = lge_phantom(4, infarct=True)
    crop = lge_phantom(4, infarct=True, crop_px=96)
    assert crop.image.shape == (8, 96, 96)
    assert crop.truth_ml == pytest.approx(whole.truth_ml)
    cut = whole.labels[:, 80:176, 80:176]
    agree = 2 * ((cut > 0) & (crop.labels > 0)).sum() / ((cut > 0).sum() + (crop.labels > 0).sum())
    assert agree > 0.98


def test_with_and_without_infarct() -> None:
    healthy = lge_phantom(3, crop_px=64, infarct=False)
    assert set(np.unique(healthy.labels)) == {0, POOL, HEALTHY}
    assert healthy.truth_ml[INFARCT] == healthy.truth_ml[MVO] == 0
    no_core = lge_phantom(3, crop_px=96, infarct=True, mvo=False)
    assert (no_core.labels == INFARCT).any() and not (no_core.labels == MVO).any()
    share = np.mean([lge_phantom(s, crop_px=32, shape=(3, 64, 64)).truth_ml[INFARCT] > 0 for s in range(30)])
    assert 0.45 < share < 0.93


def test_territory_is_honoured() -> None:
    """The middle of the infarct, seen from the pool, lies where the artery supplies the wall."""
    for territory, inside in (
        (Territory.LAD, lambda a: -115 < a < 15),
        (Territory.RCA, lambda a: 15 < a < 130),
        (Territory.LCX, lambda a: abs(a) > 90),
    ):
        hits = 0
        for seed in range(4):
            phantom = lge_phantom(seed, crop_px=96, infarct=True, territory=territory, rotation_deg=0.0)
            assert phantom.description["territory"] == territory.value
            _, y, x = np.nonzero(phantom.labels == INFARCT)
            _, cy, cx = ndimage.center_of_mass(phantom.labels == POOL)
            # Rotation 0: septum to the left (-x), anterior downwards (+y).
            hits += inside(np.rad2deg(np.arctan2(-(y.mean() - cy), -(x.mean() - cx))))
        assert hits >= 3


def test_contrast_is_that_of_late_enhancement(infarcted: list[LabelledPhantom]) -> None:
    for phantom in infarcted:
        means = {label: phantom.image[phantom.labels == label].mean() for label in (POOL, HEALTHY, INFARCT)}
        assert means[POOL] > means[HEALTHY] and means[INFARCT] > means[HEALTHY]
        assert 0.5 <= phantom.description["infarct_contrast"] <= 2.6
        assert 0.05 <= phantom.description["noise"] <= 0.3
        assert phantom.image.min() >= 0 and phantom.image.max() <= 255


def test_noise_and_reconstruction_options() -> None:
    def roughness(noise: float) -> float:
        phantom = lge_phantom(7, crop_px=96, noise=noise)
        pool = ndimage.binary_erosion(phantom.labels == POOL, np.ones((1, 3, 3)), iterations=5)
        rough = phantom.image - ndimage.gaussian_filter(phantom.image, (0, 1.5, 1.5))
        return float(rough[pool].std())

    assert roughness(0.4) > 2 * roughness(0.05)
    signed, modulus = (lge_phantom(7, crop_px=64, reconstruction=r).image for r in ("psir", "magnitude"))
    assert not np.allclose(signed, modulus)


def test_offset_moves_the_heart_and_order_reverses_the_stack() -> None:
    there = lge_phantom(9, offset_mm=(14.58, -29.16), breath_hold_mm=0.0)
    here = lge_phantom(9, offset_mm=(0.0, 0.0), breath_hold_mm=0.0)
    np.testing.assert_array_equal(np.roll(here.labels, (10, -20), (1, 2)), there.labels)
    np.testing.assert_array_equal(
        lge_phantom(9, crop_px=64, apex_first=False).labels, lge_phantom(9, crop_px=64).labels[::-1]
    )


def test_breath_holds_shift_image_and_labels_of_a_slice_together() -> None:
    still, moved = (lge_phantom(14, crop_px=96, breath_hold_mm=mm) for mm in (0.0, 4.0))
    jumps = []
    for phantom in (still, moved):
        centres = np.array([ndimage.center_of_mass(s > 0) for s in phantom.labels])
        jumps.append(np.abs(np.diff(centres, 2, axis=0)).mean())
    assert jumps[1] > 2 * jumps[0] + 0.3
    for image, labels in zip(moved.image[2:-2], moved.labels[2:-2], strict=True):
        assert image[labels == POOL].mean() > image[labels == HEALTHY].mean()


@pytest.mark.parametrize(
    "options",
    [
        {"seed": -1},
        {"seed": 1, "shape": (4, 16, 16)},
        {"seed": 1, "spacing": (0.0, 1.0, 1.0)},
        {"seed": 1, "infarct": False, "mvo": True},
        {"seed": 1, "crop_px": 300},
    ],
)
def test_impossible_wishes_are_refused_in_one_line(options: dict) -> None:
    with pytest.raises(UsageError) as caught:
        lge_phantom(**options)
    assert "\n" not in str(caught.value)


def test_written_files_come_back_voxel_for_voxel(tmp_path) -> None:
    phantom = lge_phantom(6, crop_px=48, infarct=True)
    plain = write_phantom(phantom, tmp_path, "a")
    emidec = write_phantom(phantom, tmp_path, "Case_P900", emidec_layout=True)
    assert emidec[0] == tmp_path / "Case_P900" / "Images" / "Case_P900.nii.gz"
    assert emidec[1] == tmp_path / "Case_P900" / "Contours" / "Case_P900.nii.gz"
    for image_path, label_path in (plain, emidec):
        image = sitk.ReadImage(str(image_path))
        np.testing.assert_array_equal(sitk.GetArrayFromImage(image), phantom.image)
        assert image.GetSpacing() == pytest.approx(phantom.spacing, rel=1e-6)
        np.testing.assert_array_equal(sitk.GetArrayFromImage(sitk.ReadImage(str(label_path))), phantom.labels)


def test_volume_carries_geometry() -> None:
    phantom = lge_phantom(6, crop_px=48)
    turned = (0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
    volume = as_volume(phantom, direction=turned, origin=(1.0, 2.0, 3.0))
    assert volume.storage == StorageOrder() and volume.geometry == volume.source_geometry
    assert volume.geometry.shape == phantom.image.shape and volume.geometry.direction == turned
    np.testing.assert_allclose(volume.geometry.index_to_ras(np.zeros(3)), (-1.0, -2.0, 3.0))


def test_cylinder_truth_is_the_formula() -> None:
    phantom = cylinder_phantom(
        inner_radius=20, outer_radius=30, height=50, infarct_angle_deg=90, transmurality=0.5
    )
    pool = np.pi * 20**2 * 50 / 1000
    wall = np.pi * (30**2 - 20**2) * 50 / 1000
    infarct = np.pi / 4 * (25**2 - 20**2) * 50 / 1000
    assert phantom.truth_ml[POOL] == pytest.approx(pool)
    assert phantom.truth_ml[HEALTHY] == pytest.approx(wall - infarct)
    assert phantom.truth_ml[INFARCT] == pytest.approx(infarct)
    assert phantom.description["lv_mass_g"] == pytest.approx(1.05 * wall)
    assert phantom.description["infarct_mass_g"] == pytest.approx(1.05 * infarct)


def test_cylinder_mass_error_falls_with_resolution() -> None:
    errors = []
    for spacing in ((3.0, 3.0, 12.0), (1.5, 1.5, 6.0), (0.75, 0.75, 2.0)):
        worst = []
        for offset in ((0.0, 0.0, 0.0), (0.37, -0.21, 0.3), (0.6, 0.5, -0.4)):
            phantom = cylinder_phantom(spacing=spacing, offset_mm=offset, infarct_centre_deg=30, height=48)
            counted = sum(phantom.counted_ml(label) for label in (HEALTHY, INFARCT))
            exact = phantom.truth_ml[HEALTHY] + phantom.truth_ml[INFARCT]
            worst.append(abs(counted / exact - 1))
            worst.append(abs(phantom.counted_ml(INFARCT) / phantom.truth_ml[INFARCT] - 1))
        errors.append(max(worst))
    assert errors[2] < 0.02
    assert errors[0] > errors[1] > errors[2]


def test_cylinder_refuses_impossible_measures() -> None:
    for wrong in (
        {"inner_radius": 31.0},
        {"transmurality": 1.2},
        {"mvo_angle_deg": 120.0},
        {"shape": (4, 20, 20)},
        {"height": 0.0},
    ):
        with pytest.raises(UsageError):
            cylinder_phantom(**wrong)
