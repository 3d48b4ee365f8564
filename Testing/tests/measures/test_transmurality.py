"""Chords and the arithmetic of threshold regions, on shapes drawn voxel by voxel."""

from __future__ import annotations

import numpy as np
import pytest
from analytic_hearts import make_geometry, plane
from hypothesis import given, settings
from hypothesis import strategies as st

from CardiacUQLib.measures.anatomy import Anatomy, largest_region
from CardiacUQLib.measures.transmurality import Chords, display_angle_deg, radial_chords, summarise


def test_display_angles_are_counter_clockwise_with_y_down():
    assert display_angle_deg(0.0, 1.0) == 0.0
    assert display_angle_deg(-1.0, 0.0) == 90.0
    assert display_angle_deg(0.0, -1.0) == 180.0
    assert display_angle_deg(1.0, 0.0) == 270.0


def quarters(wall, infarct) -> Chords:
    """One slice of 360 chords, each value filling a quarter of the circle."""
    wall, infarct = (np.repeat(np.asarray(v, float), 90)[None] for v in (wall, infarct))
    return Chords(np.array([0]), np.arange(360) + 0.5, wall, infarct)


def test_summary_averages_infarcted_chords_only():
    summary = summarise(quarters([10.0, 10.0, 8.0, 0.0], [5.0, 0.9, 8.0, 0.0]))
    assert summary.mean_percent == pytest.approx(75.0)  # 50 and 100; 9 % is the border of a voxel
    assert summary.max_percent == pytest.approx(100.0)
    assert summary.infarcted_circumference_percent == pytest.approx(100 * 2 / 3)


def test_maximum_is_not_decided_by_one_chord():
    chords = quarters([10.0] * 4, [0.0, 4.0, 0.0, 0.0])
    chords.infarct_mm[0, 120] = 10.0
    summary = summarise(chords)
    assert summary.max_percent == pytest.approx(100 * (5 * 4 + 10) / 60)


def test_chosen_chords_alone_count():
    chords = quarters([10.0] * 4, [2.0, 4.0, 6.0, 0.0])
    chosen = np.zeros((1, 360), bool)
    chosen[0, 93:180] = True  # begins inside a group of six
    summary = summarise(chords, chosen)
    assert summary.mean_percent == pytest.approx(40.0)
    assert summary.max_percent == pytest.approx(40.0)
    assert summary.infarcted_circumference_percent == pytest.approx(100.0)


def test_no_chord_meets_the_wall():
    assert summarise(quarters([0.0] * 4, [0.0] * 4)) is None


def test_stray_voxels_do_not_bend_chords(axial):
    polar = plane(axial)
    cavity = np.broadcast_to(polar.radius < 20, axial.shape)
    wall = np.broadcast_to((polar.radius >= 20) & (polar.radius < 30), axial.shape).copy()
    clean = radial_chords(Anatomy(cavity, wall), axial)
    wall[:, 2:5, 2:5] = True
    strayed = radial_chords(Anatomy(cavity, wall), axial)
    np.testing.assert_array_equal(clean.wall_mm, strayed.wall_mm)


def test_largest_region_keeps_one():
    mask = np.zeros((5, 9), bool)
    mask[1, 1:3] = mask[3, 4:8] = True
    kept = largest_region(mask)
    assert kept.sum() == 4
    assert kept[3, 4:8].all()


@settings(max_examples=20, deadline=None)
@given(
    inner=st.floats(14.0, 24.0),
    thickness=st.floats(6.0, 14.0),
    spacing=st.sampled_from([(1.0, 1.0), (1.4, 1.4), (1.0, 1.6)]),
    shift=st.tuples(st.floats(-6, 6), st.floats(-6, 6)),
)
def test_thickness_of_any_ring_is_found(inner, thickness, spacing, shift):
    geometry = make_geometry((*spacing, 8.0), np.eye(3), (int(100 / spacing[0]), int(100 / spacing[1]), 1))
    polar = plane(geometry, (50 + shift[0], 50 + shift[1]))
    cavity, heart = polar.radius < inner, polar.radius < inner + thickness
    chords = radial_chords(Anatomy(cavity[None], (heart & ~cavity)[None]), geometry)
    assert chords.wall_mm.mean() == pytest.approx(thickness, abs=0.2 * max(spacing))
    assert np.abs(chords.wall_mm - thickness).max() < 1.5 * max(spacing)
