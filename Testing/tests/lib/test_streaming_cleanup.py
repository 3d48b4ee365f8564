"""Parts of a structure that lie apart from its largest one."""

from __future__ import annotations

import numpy as np

from CardiacUQLib.classes import CINE_CLASSES
from CardiacUQLib.streaming_cleanup import largest_parts


def test_only_the_largest_part_of_each_structure_is_left():
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
    np.testing.assert_array_equal(largest_parts(labels, CINE_CLASSES), expected)
    np.testing.assert_array_equal(labels, before)


def test_an_empty_frame_and_a_whole_heart_stay_as_they_are():
    empty = np.zeros((2, 4, 4), np.uint8)
    np.testing.assert_array_equal(largest_parts(empty, CINE_CLASSES), empty)
    whole = np.full((2, 4, 4), 2, np.uint8)
    np.testing.assert_array_equal(largest_parts(whole, CINE_CLASSES), whole)
