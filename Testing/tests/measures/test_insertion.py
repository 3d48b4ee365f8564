"""The insertion as a point: there and back, whose it is, and a heart that has moved away from it."""

from __future__ import annotations

import numpy as np
import pytest
from analytic_hearts import ORIENTATIONS, make_geometry, plane

from CardiacUQLib.bundles.classes import LGE_CLASSES
from CardiacUQLib.measures.aha import NO_INSERTION, Reference, segment_model
from CardiacUQLib.measures.anatomy import Anatomy, anatomy_of
from CardiacUQLib.measures.insertion import (
    Insertion,
    insertion_from_point,
    known_insertion,
    point_at_angle,
)
from CardiacUQLib.measures.lge import lge_measures

CENTRE = (50.3, 49.8)


def ring(geometry, centre=CENTRE, radius_mm=30.0) -> np.ndarray:
    """A wall of 12 mm around a cavity in every slice."""
    labels = np.zeros(geometry.shape, np.uint8)
    distance = plane(geometry, centre).radius
    labels[:, distance < radius_mm] = 2
    labels[:, distance < radius_mm - 12] = 1
    return labels


def anatomy(geometry, **options) -> Anatomy:
    return anatomy_of(ring(geometry, **options), LGE_CLASSES, geometry)


@pytest.fixture
def geometry():
    return make_geometry((1.0, 1.0, 8.0), np.eye(3), (100, 100, 9))


@pytest.mark.parametrize("name", ORIENTATIONS)
@pytest.mark.parametrize("spacing", [(1.0, 1.0, 8.0), (1.4, 0.9, 10.0)])
@pytest.mark.parametrize("angle", [0.0, 37.0, 123.0, 251.0, 359.0])
def test_a_point_at_an_angle_lies_at_that_angle(name, spacing, angle):
    geometry = make_geometry(spacing, ORIENTATIONS[name], (100, 100, 9))
    heart = anatomy(geometry)
    point = point_at_angle(heart, geometry, angle)
    assert point is not None
    back = insertion_from_point(heart, geometry, np.arange(9), point)
    assert abs((back - angle + 180) % 360 - 180) < 0.01


def test_no_ring_has_no_point(geometry):
    wall = np.zeros(geometry.shape, bool)
    assert point_at_angle(Anatomy(wall, wall), geometry, 10.0) is None


def test_segments_count_from_a_found_point_and_say_whose_it_is(geometry):
    heart = anatomy(geometry)
    point = point_at_angle(heart, geometry, 120.0)
    assert point is not None
    found = segment_model(heart, geometry, known=Insertion(point, "cine-streaming", 24.0))
    marked = segment_model(heart, geometry, point)
    assert found is not None and marked is not None
    assert found.is_aha and np.array_equal(found.labels, marked.labels)
    assert "found by cine-streaming, within 24 degrees in nine of ten scans" in found.notes[0]
    assert marked.notes == ()


def test_a_mark_made_now_wins_over_what_was_found(geometry):
    heart = anatomy(geometry)
    now, before = (point_at_angle(heart, geometry, a) for a in (100.0, 200.0))
    assert now is not None and before is not None
    model = segment_model(heart, geometry, now, Insertion(before, "cine-streaming"))
    assert model is not None and model.start_deg == pytest.approx(100.0, abs=0.01)


def test_a_known_point_is_left_out_when_the_heart_lies_elsewhere(geometry):
    point = point_at_angle(anatomy(geometry), geometry, 180.0)
    assert point is not None
    model = segment_model(
        anatomy(geometry, centre=(80.0, 20.0), radius_mm=18.0), geometry, known=Insertion(point)
    )
    assert model is not None
    assert model.reference is Reference.IMAGE_12_OCLOCK and model.notes == (NO_INSERTION,)


def test_measures_tell_the_point_and_it_is_read_back(geometry):
    labels = ring(geometry)
    point = point_at_angle(anatomy(geometry), geometry, 120.0)
    assert point is not None
    known = Insertion(point, "cine-streaming", 24.0)
    measures = lge_measures(labels, geometry, LGE_CLASSES, known_insertion=known).as_json()
    assert known_insertion(measures) == known
    assert known_insertion(lge_measures(labels, geometry, LGE_CLASSES).as_json()) is None
    assert known_insertion({}) is None
