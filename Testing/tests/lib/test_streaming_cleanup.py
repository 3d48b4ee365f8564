"""Parts of a structure that lie apart from its largest one."""

from __future__ import annotations

import numpy as np

from CardiacUQLib.bundles.classes import CINE_CLASSES
from CardiacUQLib.inference.streaming_cleanup import main_parts, walled_cavity


def test_only_the_main_part_of_each_structure_is_left():
    labels = np.zeros((3, 8, 8), np.uint8)
    labels[0, 1:3, 1:3] = 1
    labels[1, 3, 3] = 1  # touches the RV below over a corner: one part in 26 neighbours
    labels[2, 7, 7] = 1
    labels[1, 6:8, 0:2] = 3
    labels[1, 0, 7] = 3
    labels[2, 0, 7] = 2  # touches a voxel of another structure only
    expected = labels.copy()
    expected[2, 7, 7] = 0
    expected[1, 0, 7] = 0
    before = labels.copy()
    np.testing.assert_array_equal(main_parts(labels, CINE_CLASSES), expected)
    np.testing.assert_array_equal(labels, before)


def test_the_cavity_is_the_part_within_the_wall():
    """A right ventricle taken for a left one is larger than the left one at end-systole."""
    labels = np.zeros((1, 20, 20), np.uint8)
    labels[0, 2:8, 2:8] = 2
    labels[0, 4:6, 4:6] = 3
    labels[0, 1:19, 12:18] = 3
    expected = labels.copy()
    expected[0, 1:19, 12:18] = 0
    np.testing.assert_array_equal(main_parts(labels, CINE_CLASSES), expected)
    alone = np.where(labels == 3, 3, 0).astype(np.uint8)
    assert (main_parts(alone, CINE_CLASSES) > 0).sum() == 18 * 6, "without a wall the largest part"


def test_an_empty_frame_and_a_whole_heart_stay_as_they_are():
    empty = np.zeros((2, 4, 4), np.uint8)
    np.testing.assert_array_equal(main_parts(empty, CINE_CLASSES), empty)
    whole = np.full((2, 4, 4), 2, np.uint8)
    np.testing.assert_array_equal(main_parts(whole, CINE_CLASSES), whole)


def test_the_cavity_ends_where_no_wall_is_around_it():
    """An atrium above the base is bright and connected to the ventricle, and has no wall."""
    labels = np.zeros((3, 12, 12), np.uint8)
    labels[0, 4:8, 4:8] = 3  # rim of 20 pixels, 6 of them wall: 0.30
    labels[0, 3, 3:9] = 2
    labels[1, 4:8, 4:8] = 3  # 8 of 20: 0.40
    labels[1, 3, 3:9] = labels[1, 4:6, 3] = 2
    labels[2, 3:9, 3:9] = 2
    labels[2, 4:8, 4:8] = 3
    expected = labels == 3
    expected[0] = False
    np.testing.assert_array_equal(walled_cavity(labels, CINE_CLASSES), expected)
    np.testing.assert_array_equal(main_parts(labels, CINE_CLASSES), labels)
    labels[1:] = 0
    np.testing.assert_array_equal(walled_cavity(labels, CINE_CLASSES), labels == 3)


def test_a_cavity_wider_than_the_ventricle_beside_it_is_an_atrium():
    labels = np.zeros((5, 16, 16), np.uint8)
    labels[1:3, 4:10, 4:10] = 2  # the whole ventricle: 36 pixels
    labels[1:3, 5:9, 5:9] = 3
    labels[3, 4:10, 4:10] = 3  # 36, no wider
    np.testing.assert_array_equal(main_parts(labels, CINE_CLASSES), labels)
    labels[3, 4:10, 10] = 3  # 42
    labels[0, 5:8, 5:8] = 3  # the apex, narrow and without wall
    labels[3, 10, 4:10] = 1  # a right ventricle stays
    expected = labels.copy()
    expected[3][labels[3] == 3] = 0
    labels[4, 5:8, 5:8] = 3  # beyond the atrium, so none of the ventricle either
    np.testing.assert_array_equal(main_parts(labels, CINE_CLASSES), expected)
    labels[4] = 0
    labels[3, 3, 3:11] = labels[3, 3:10, 3] = 2  # 15 of 30 pixels around it are wall: not enclosed
    np.testing.assert_array_equal(main_parts(labels, CINE_CLASSES)[3] == 3, np.zeros((16, 16), bool))
    labels[3, 3:11, 11] = 2  # 22 of 30: a ventricle after all
    np.testing.assert_array_equal(main_parts(labels, CINE_CLASSES), labels)
