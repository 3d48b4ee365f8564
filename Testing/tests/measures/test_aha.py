"""Seventeen segments: where they start, which way they turn, which end is the base."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from analytic_hearts import ORIENTATIONS, make_geometry, plane

from CardiacUQLib.base.errors import UsageError
from CardiacUQLib.bundles.classes import CINE_CLASSES, LGE_CLASSES
from CardiacUQLib.measures.aha import (
    SEGMENT_NAMES,
    TERRITORIES,
    Reference,
    segment_model,
)
from CardiacUQLib.measures.anatomy import anatomy_of
from CardiacUQLib.measures.insertion import check_insertion

CENTRE = (50.3, 49.8)
NINE = (0.6, 0.7, 0.8, 0.85, 0.9, 0.93, 0.96, 0.98, 1.0)
"""Radii of nine slices, apex first."""


def heart(geometry, scales=NINE, rv=None, cavity=True, classes=LGE_CLASSES):
    """Ring of 30 mm outer radius per slice; ``rv`` = (start, stop) degrees of an outer crescent."""
    polar = plane(geometry, CENTRE)
    labels = np.zeros(geometry.shape, np.uint8)
    values = {info.name: info.value for info in classes}
    pool, wall = (
        values.get(a, values.get(b)) for a, b in (("blood pool", "LV"), ("healthy myocardium", "myocardium"))
    )
    for z, scale in enumerate(scales):
        inside = polar.radius < 30 * scale
        labels[z][inside] = wall
        if cavity:
            labels[z][polar.radius < 18 * scale] = pool
        if rv is not None:
            arc = (polar.angle - rv[0]) % 360 < (rv[1] - rv[0])
            labels[z][~inside & (polar.radius < 30 * scale + 14) & arc] = values["RV"]
    return labels


def model_of(labels, geometry, classes=LGE_CLASSES, **options):
    return segment_model(anatomy_of(labels, classes, geometry), geometry, **options)


def segment_at(model, z, angle, radius=24.0):
    x = round(CENTRE[0] + radius * np.cos(np.radians(angle)))
    y = round(CENTRE[1] - radius * np.sin(np.radians(angle)))
    return int(model.labels[z, y, x])


def point_ras(geometry, z, angle, radius=30.0):
    x = CENTRE[0] + radius * np.cos(np.radians(angle))
    y = CENTRE[1] - radius * np.sin(np.radians(angle))
    return tuple(geometry.index_to_ras(np.array([x, y, z])))


def test_names_and_territories_cover_seventeen():
    assert len(SEGMENT_NAMES) == 17
    assert SEGMENT_NAMES[1] == "basal anterior"
    assert SEGMENT_NAMES[9] == "mid inferoseptal"
    assert SEGMENT_NAMES[14] == "apical septal"
    assert sorted(n for numbers in TERRITORIES.values() for n in numbers) == list(range(1, 18))


def test_insertion_point_at_eleven_oclock_gives_the_textbook_picture(axial):
    """Anterior insertion at 120 degrees, seen from the apex: anterior above, septum left, lateral right."""
    labels = heart(axial)
    model = model_of(labels, axial, rv_insertion_ras=point_ras(axial, 6, 120))
    assert model.reference is Reference.RV_INSERTION
    base = {90: 1, 150: 2, 210: 3, 270: 4, 330: 5, 30: 6}
    assert {a: segment_at(model, 8, a) for a in base} == base
    mid = {90: 7, 150: 8, 210: 9, 270: 10, 330: 11, 30: 12}
    assert {a: segment_at(model, 4, a, 22.0) for a in mid} == mid
    apical = {90: 13, 180: 14, 270: 15, 0: 16}
    assert {a: segment_at(model, 0, a, 14.5) for a in apical} == apical


def test_segments_are_counted_from_wherever_the_insertion_is(axial):
    labels = heart(axial)
    model = model_of(labels, axial, rv_insertion_ras=point_ras(axial, 6, 170))
    assert model.start_deg == pytest.approx(170, abs=0.5)
    assert segment_at(model, 8, 165) == 1
    assert segment_at(model, 8, 175) == 2


def test_an_angle_rounded_up_to_a_full_turn_lies_in_the_first_sector(axial):
    """-1e-15 modulo 360 is 360 in floating point: MyoPS' Case3008 had such a chord."""
    model = model_of(heart(axial), axial, rv_insertion_ras=point_ras(axial, 6, 120))
    for turn in (1, -1):
        exact = dataclasses.replace(model, start_deg=0.0, turn=turn)
        for z, start in ((8, 0.0), (0, 15.0)):
            angles = turn * (start + np.array([-1e-15, -1e-14, 0.0, 1e-14]))
            assert exact.segment_at(z, angles).max() <= 16 and exact.segment_at(z, angles).min() >= 1


def test_rv_label_gives_the_same_insertion(axial):
    labels = heart(axial, rv=(140, 250), classes=CINE_CLASSES)
    model = model_of(labels, axial, CINE_CLASSES)
    assert model.reference is Reference.RV_INSERTION
    assert model.turn == 1
    assert model.start_deg == pytest.approx(140, abs=3)
    assert segment_at(model, 8, 145) == 2
    assert segment_at(model, 8, 134) == 1


def test_rv_label_across_the_positive_axis(axial):
    """The arc that passes 0 degrees is one arc; the RV on the other side turns the model and says so."""
    labels = heart(axial, rv=(-70, 40), classes=CINE_CLASSES)
    model = model_of(labels, axial, CINE_CLASSES)
    assert model.turn == -1
    assert model.start_deg == pytest.approx(40, abs=3)
    assert segment_at(model, 8, 35) == 2
    assert segment_at(model, 8, 46) == 1
    assert any("other side" in note for note in model.notes)


def test_given_point_wins_over_the_rv_label(axial):
    labels = heart(axial, rv=(140, 250), classes=CINE_CLASSES)
    model = model_of(labels, axial, CINE_CLASSES, rv_insertion_ras=point_ras(axial, 6, 100))
    assert model.start_deg == pytest.approx(100, abs=0.5)


def test_without_insertion_it_is_no_aha_model(axial):
    model = model_of(heart(axial), axial)
    assert model.reference is Reference.IMAGE_12_OCLOCK
    assert not model.is_aha
    assert segment_at(model, 8, 90) == 1
    assert model.name(2) == "basal sector 2 from 12 o'clock"
    assert "anterior" not in " ".join(model.name(n) for n in range(1, 17))
    assert any("not AHA" in note for note in model.notes)


@pytest.mark.parametrize("order", [1, -1])
def test_base_is_the_larger_end(axial, order):
    model = model_of(heart(axial, NINE[::order]), axial)
    assert (model.base_slice, model.apex_slice) == ((8, 0) if order == 1 else (0, 8))
    assert model.base_rule == "larger left ventricle"


@pytest.mark.parametrize(("axis", "base"), [(1.0, 8), (-1.0, 0)])
def test_equal_ends_are_told_apart_by_the_patient(axis, base):
    """A cylinder has no larger end: the base lies towards right, back and head."""
    geometry = make_geometry((1.0, 1.0, 8.0), np.diag([1.0, axis, axis]), (100, 100, 9))
    model = model_of(heart(geometry, (1.0,) * 9), geometry)
    assert model.base_slice == base
    assert model.base_rule == "patient axes"


def test_levels_are_thirds_and_the_cap_is_the_apex(axial):
    labels = heart(axial)
    labels[0][labels[0] == 1] = 2
    model = model_of(labels, axial)
    assert model.apex_slice == 1
    assert [model.level(z) for z in range(9)] == [None, 2, 2, 2, 1, 1, 0, 0, 0]
    assert set(np.unique(model.labels[0])) == {0, 17}


def test_slices_of_a_level_hold_only_its_segments(axial):
    model = model_of(heart(axial), axial)
    for z, expected in ((0, range(13, 17)), (4, range(7, 13)), (8, range(1, 7))):
        assert set(np.unique(model.labels[z])) - {0} == set(expected)


@pytest.mark.parametrize("name", ORIENTATIONS)
def test_insertion_follows_the_patient_whatever_the_storage(name):
    """Mirroring both in-plane axes of the file leaves every voxel's segment where it is in the patient."""
    direction = ORIENTATIONS[name]
    geometry = make_geometry((1.0, 1.0, 8.0), direction, (100, 100, 9))
    labels = heart(geometry)
    point = point_ras(geometry, 6, 120)
    expected = model_of(labels, geometry, rv_insertion_ras=point).labels
    corner = geometry.index_to_ras(np.array([99, 0, 8])) * [-1, -1, 1]
    turned = direction * np.array([-1.0, 1.0, -1.0])
    stored = make_geometry((1.0, 1.0, 8.0), turned, (100, 100, 9), tuple(corner))
    found = model_of(labels[::-1, :, ::-1], stored, rv_insertion_ras=point).labels
    different = np.count_nonzero(found[::-1, :, ::-1] != expected) / np.count_nonzero(expected)
    assert different < 0.005  # voxel centres on a border may fall to either side


@pytest.mark.parametrize(
    ("place", "message"),
    [
        (lambda g: point_ras(g, 5, 120, radius=70.0), r"4\d mm outside the left ventricle"),
        (lambda g: point_ras(g, 5, 120, radius=3.0), "in the middle of the left ventricle"),
        (lambda g: point_ras(g, 20, 120), r"96 mm off the slices"),
    ],
)
def test_insertion_outside_the_heart_is_refused(axial, place, message):
    with pytest.raises(UsageError, match=message):
        model_of(heart(axial), axial, rv_insertion_ras=place(axial))


def test_no_ring_no_model(axial):
    assert model_of(heart(axial, cavity=False), axial) is None


@pytest.mark.parametrize("index", [(-20, 50, 4), (50, 50, 30), (50, 103, 4), (float("nan"), 1, 1)])
def test_insertion_outside_the_image_is_refused_before_segmenting(axial, index):
    with pytest.raises(UsageError, match="outside the image"):
        check_insertion(axial, tuple(axial.index_to_ras(np.array(index))))
    check_insertion(axial, tuple(axial.index_to_ras(np.array([50, 50, 4]))))
