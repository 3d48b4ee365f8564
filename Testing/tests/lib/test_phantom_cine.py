"""The cine phantom: one heart at two moments, its ejection fraction, its difficult end slices."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from CardiacUQLib.base.errors import UsageError
from CardiacUQLib.phantom import CinePhantom, cine_phantom

RV, WALL, LV = 1, 2, 3
SEEDS = range(6)


@pytest.fixture(scope="module")
def studies() -> list[CinePhantom]:
    return [cine_phantom(seed, crop_px=128, offset_mm=(0.0, 0.0)) for seed in SEEDS]


def test_shapes_types_and_labels(studies: list[CinePhantom]) -> None:
    for study in studies:
        for phase in (study.ed, study.es):
            assert phase.image.shape == phase.labels.shape == (10, 128, 128)
            assert phase.image.dtype == np.float32 and phase.labels.dtype == np.uint8
            assert np.isfinite(phase.image).all() and phase.image.min() >= 0
            assert set(np.unique(phase.labels)) == {0, RV, WALL, LV}


def test_deterministic_and_seeds_differ(studies: list[CinePhantom]) -> None:
    again = cine_phantom(2, crop_px=128, offset_mm=(0.0, 0.0))
    for one, two in ((again.ed, studies[2].ed), (again.es, studies[2].es)):
        np.testing.assert_array_equal(one.image, two.image)
        np.testing.assert_array_equal(one.labels, two.labels)
    assert (studies[0].ed.labels != studies[1].ed.labels).mean() > 0.02


def test_counted_volumes_agree_with_truth(studies: list[CinePhantom]) -> None:
    for study in studies:
        for phase in (study.ed, study.es):
            slab = phase.spacing[2] / 2
            for label in (RV, WALL, LV):
                # A base plane inside a slice is rounded to a whole one: half a slab of the largest area.
                area = max((s == label).sum() for s in phase.labels) * phase.spacing[0] * phase.spacing[1]
                assert abs(phase.counted_ml(label) - phase.truth_ml[label]) < 1.1 * slab * area / 1000


@pytest.mark.parametrize("wanted", [20.0, 45.0, 70.0])
def test_ejection_fraction_option_is_met_by_truth_and_labels(wanted: float) -> None:
    study = cine_phantom(
        8,
        crop_px=64,
        ejection_fraction=wanted,
        shape=(44, 64, 64),
        spacing=(2.2, 2.2, 2.5),
        offset_mm=(0.0, 0.0),
    )
    assert study.ejection_fraction == pytest.approx(wanted, abs=3.0)
    counted = 100 * (1 - study.es.counted_ml(LV) / study.ed.counted_ml(LV))
    assert counted == pytest.approx(study.ejection_fraction, abs=2.5)


def test_drawn_ejection_fractions_spread() -> None:
    drawn = [
        cine_phantom(s, shape=(8, 64, 64), spacing=(3.0, 3.0, 11.0), crop_px=48).ejection_fraction
        for s in range(12)
    ]
    assert min(drawn) < 35 and max(drawn) > 55
    assert all(15 < fraction < 75 for fraction in drawn)


def test_systole_thickens_the_wall_keeps_the_muscle_and_shortens_the_heart(
    studies: list[CinePhantom],
) -> None:
    for study in studies:
        assert study.es.description["wall_mm"] > study.ed.description["wall_mm"]
        assert study.es.description["length_mm"] < study.ed.description["length_mm"]
        assert study.es.truth_ml[WALL] == pytest.approx(study.ed.truth_ml[WALL], rel=0.1)
        assert study.es.truth_ml[RV] < study.ed.truth_ml[RV]
        labelled = [np.flatnonzero((phase.labels > 0).any((1, 2))) for phase in (study.ed, study.es)]
        assert len(labelled[1]) <= len(labelled[0])


def test_some_basal_slices_lose_their_label_in_systole(studies: list[CinePhantom]) -> None:
    lost = [
        (study.ed.labels[k] > 0).any() and not (study.es.labels[k] > 0).any()
        for study in studies
        for k in range(3)
    ]
    assert any(lost)


def test_wall_surrounds_the_cavity_in_middle_slices(studies: list[CinePhantom]) -> None:
    for study in studies:
        for phase in (study.ed, study.es):
            for labels in phase.labels[4:7]:
                cavity = labels == LV
                rim = ndimage.binary_dilation(cavity) & ~cavity
                assert cavity.any() and (labels[rim] == WALL).all()
                assert ndimage.label(labels == WALL)[1] == 1
                assert not (ndimage.binary_dilation(labels == RV) & cavity).any()


def test_apical_slices_are_small_and_base_comes_first(studies: list[CinePhantom]) -> None:
    for study in studies:
        areas = (study.ed.labels > 0).sum((1, 2))
        assert areas[-1] < 0.5 * areas.max()
        assert areas[:5].sum() > areas[5:].sum()
    turned = cine_phantom(2, crop_px=128, offset_mm=(0.0, 0.0), base_first=False)
    np.testing.assert_array_equal(turned.ed.labels[::-1], studies[2].ed.labels)


def test_contrast_is_that_of_steady_state_imaging(studies: list[CinePhantom]) -> None:
    for study in studies:
        middle = study.ed.image[4:7], study.ed.labels[4:7]
        grey = {label: np.median(middle[0][middle[1] == label]) for label in (RV, WALL, LV)}
        assert grey[LV] > 1.2 * grey[WALL] and grey[RV] > 1.05 * grey[WALL]


def test_offset_moves_the_heart_as_displayed() -> None:
    for offset in ((0.0, 0.0), (15.6, -31.2)):
        study = cine_phantom(
            3, offset_mm=offset, breath_hold_mm=0.0, shape=(6, 192, 192), spacing=(1.56, 1.56, 14.0)
        )
        y, x = ndimage.center_of_mass(np.isin(study.ed.labels, (WALL, LV)).any(0))
        assert (y - 95.5) * 1.56 == pytest.approx(offset[0], abs=6.0)
        assert (x - 95.5) * 1.56 == pytest.approx(offset[1], abs=6.0)


def test_whole_beat_empties_and_fills_once() -> None:
    study = cine_phantom(5, n_frames=8, shape=(5, 96, 96), spacing=(2.0, 2.0, 18.0), crop_px=64)
    assert study.frames.shape == study.frame_labels.shape == (8, 5, 64, 64)
    assert study.frames.dtype == np.float32 and study.frame_labels.dtype == np.uint8
    np.testing.assert_array_equal(study.frames[0], study.ed.image)
    np.testing.assert_array_equal(study.frames[study.es_frame], study.es.image)
    cavity = (study.frame_labels == LV).sum((1, 2, 3))
    assert cavity.argmin() == study.es_frame and cavity[0] == cavity.max()
    assert (np.diff(cavity[: study.es_frame + 1]) <= 0).all() and (
        np.diff(cavity[study.es_frame :]) >= 0
    ).all()


@pytest.mark.parametrize(
    "options",
    [
        {"seed": -2},
        {"seed": 1, "ejection_fraction": 95.0},
        {"seed": 1, "n_frames": 2},
        {"seed": 1, "crop_px": 500},
        {"seed": 1, "shape": (0, 64, 64)},
    ],
)
def test_impossible_wishes_are_refused_in_one_line(options: dict) -> None:
    with pytest.raises(UsageError) as caught:
        cine_phantom(**options)
    assert "\n" not in str(caught.value)
