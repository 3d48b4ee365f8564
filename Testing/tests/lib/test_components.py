"""Components of the Discrete Correction Map: what stays, how it is described, in which order."""

import numpy as np
import pytest

from CardiacUQLib.images.volume import Geometry
from CardiacUQLib.inference.components import Connectivity, find_components

SIZE_XYZ = (12, 11, 6)
SPACING = (1.5, 2.0, 10.0)
AXIAL = Geometry(SIZE_XYZ, SPACING, (5.0, -7.0, 20.0), (1, 0, 0, 0, 1, 0, 0, 0, 1))
TWO_TO_THREE, THREE_TO_TWO = 13, 17


@pytest.fixture
def dcm():
    return np.zeros(AXIAL.shape, np.uint8)


def find(dcm, scs=None, **options):
    scores = np.full(dcm.shape, 0.1, np.float32) if scs is None else scs
    return find_components(dcm, scores, options.pop("geometry", AXIAL), 5, **options)


def test_nine_voxels_go_and_ten_stay(dcm):
    dcm[0, 1, 1:10] = TWO_TO_THREE
    dcm[3, 5, 1:11] = TWO_TO_THREE
    found = find(dcm)
    assert [c.voxels for c in found.components] == [10]
    assert not found.dcm[0].any()
    np.testing.assert_array_equal(found.dcm[3], dcm[3])
    np.testing.assert_array_equal(found.component_ids, found.dcm > 0)
    assert found.dcm.dtype == np.uint8
    assert found.component_ids.dtype == np.int32


def test_corner_neighbours_in_the_next_slice_belong_together(dcm):
    dcm[1, 2, 0:5] = TWO_TO_THREE
    dcm[2, 3, 5:10] = TWO_TO_THREE
    assert [c.voxels for c in find(dcm).components] == [10]


def test_per_slice_connectivity_counts_every_slice_alone(dcm):
    dcm[1, 2, 0:5] = TWO_TO_THREE
    dcm[2, 3, 5:10] = TWO_TO_THREE
    assert find(dcm, connectivity=Connectivity.SLICE_8).components == ()
    dcm[1, 2:4, 0:5] = TWO_TO_THREE
    found = find(dcm, connectivity=Connectivity.SLICE_8).components
    assert [(c.voxels, c.first_slice, c.last_slice) for c in found] == [(10, 1, 1)]


def test_diagonal_neighbours_within_a_slice_belong_together(dcm):
    for n in range(10):
        dcm[2, n, n] = TWO_TO_THREE
    for connectivity in Connectivity:
        assert [c.voxels for c in find(dcm, connectivity=connectivity).components] == [10]


def test_touching_regions_of_different_codes_stay_apart(dcm):
    dcm[0, 0, :10] = TWO_TO_THREE
    dcm[0, 1, :10] = THREE_TO_TWO
    assert sorted((c.was, c.became, c.voxels) for c in find(dcm).components) == [(2, 3, 10), (3, 2, 10)]


def test_a_region_inside_the_bounding_box_of_another_is_its_own(dcm):
    dcm[0, 0:9, 0:9] = TWO_TO_THREE
    dcm[0, 1:8, 1:8] = 0
    dcm[0, 3:6, 2:6] = TWO_TO_THREE
    found = find(dcm)
    assert [c.voxels for c in found.components] == [32, 12]
    assert found.component_ids[0, 4, 4] == 2
    assert found.component_ids[0, 0, 4] == 1


def test_record_of_a_component(dcm):
    dcm[1:3, 4, 2:7] = TWO_TO_THREE
    scs = np.zeros(dcm.shape, np.float32)
    scs[1, 4, 2:7] = 0.25
    scs[2, 4, 2:7] = 0.125
    (component,) = find(dcm, scs).components
    assert (component.id, component.was, component.became) == (1, 2, 3)
    assert (component.first_slice, component.last_slice) == (1, 2)
    assert component.volume_mm3 == pytest.approx(10 * 1.5 * 2 * 10)
    assert component.mean_scs == pytest.approx(0.1875)
    assert component.max_scs == pytest.approx(0.25)
    assert component.priority == pytest.approx(0.1875 * 300)
    # index (x 4, y 4, z 1.5) -> LPS (5 + 6, -7 + 8, 20 + 15) -> RAS
    assert component.centroid_ras == pytest.approx((-11.0, -1.0, 35.0))


def test_centroid_follows_an_oblique_direction(dcm):
    # x axis along LPS +y, y axis along -x
    turned = Geometry(SIZE_XYZ, SPACING, (0.0, 0.0, 0.0), (0, -1, 0, 1, 0, 0, 0, 0, 1))
    dcm[0, 3, 0:11] = TWO_TO_THREE
    (component,) = find(dcm, geometry=turned).components
    # index (5, 3, 0) -> LPS (-3 * 2, 5 * 1.5, 0) -> RAS (6, -7.5, 0)
    assert component.centroid_ras == pytest.approx((6.0, -7.5, 0.0))


def test_ids_follow_the_priority(dcm):
    dcm[0, 0:2, :10] = TWO_TO_THREE  # 20 voxels, SCS 0.1
    dcm[3, 0, :10] = TWO_TO_THREE  # 10 voxels, SCS 0.3
    dcm[5, 0:3, :10] = THREE_TO_TWO  # 30 voxels, SCS 0.05
    scs = np.zeros(dcm.shape, np.float32)
    scs[0], scs[3], scs[5] = 0.1, 0.3, 0.05
    found = find(dcm, scs)
    assert [(c.id, c.first_slice) for c in found.components] == [(1, 3), (2, 0), (3, 5)]
    assert [int(found.component_ids[z, 0, 0]) for z in (3, 0, 5)] == [1, 2, 3]
    largest_first = find(dcm, scs, priority=lambda component, indices: indices[0].size)
    assert [c.first_slice for c in largest_first.components] == [5, 0, 3]
    assert [c.priority for c in largest_first.components] == [30, 20, 10]


def test_no_correction_gives_no_component(dcm):
    found = find(dcm)
    assert found.components == ()
    assert not found.dcm.any()
    assert not found.component_ids.any()


def test_wrong_grid_and_impossible_code_are_refused(dcm):
    with pytest.raises(ValueError, match="grid"):
        find(dcm[:-1])
    dcm[0, 0, :10] = 12
    with pytest.raises(ValueError, match="12 is no correction code"):
        find(dcm)
