"""The simulated annotator on a case small enough to follow by hand."""

import dataclasses

import numpy as np
import pytest
from synthetic import CLASSES, case

from CardiacUQLib.bundles.map_catalogue import MapName
from CardiacUQTraining.evaluation.lge.annotator import (
    FIRST_VISITS,
    SHOWN_VISITS,
    Order,
    best_order,
    summarise_walks,
    walk,
    walks,
)


@pytest.fixture
def two_regions():
    """Truth: a block of infarct in slice 0, one in slice 2. The 3D stage missed both, the 2D stage not."""
    one = case(0)
    truth = np.zeros((3, 30, 30), np.uint8)
    truth[:, 2:28, 2:28] = 2
    truth[0, 4:8, 4:9] = 3  # 20 voxels
    truth[2, 14:18, 14:24] = 3  # 40 voxels
    final = np.where(truth == 3, 2, truth).astype(np.uint8)
    scs = np.zeros(truth.shape, np.float32)
    scs[0, 4:8, 4:9] = 0.4
    scs[2, 14:18, 14:24] = 0.1
    return dataclasses.replace(
        one, truth=truth, stage2d=truth, segmentation=final, maps={**one.maps, MapName.SCS: scs}
    )


def test_orders_by_hand(two_regions):
    wrong = np.zeros(two_regions.truth.shape, np.float32)
    wrong[2, 14:18, 14:24] = 0.5
    place = np.zeros(two_regions.truth.shape, bool)
    place[2, 12:20, 12:26] = True
    found = walks(two_regions, wrong, CLASSES, looks=[place])
    assert list(found) == list(Order)
    assert found[Order.EXPECTED_GAIN].scar_error_ml[1:] == pytest.approx(20 * 1.5 * 1.5 * 10 / 1000)
    assert found[Order.EXPECTED_GAIN].looked_at[1] == pytest.approx(place.mean())
    voxel_ml = 1.5 * 1.5 * 10 / 1000
    for walked in found.values():
        assert walked.scar_error_ml[0] == pytest.approx(60 * voxel_ml)
        assert len(walked.dice) == SHOWN_VISITS + 1
    # mean SCS x volume: .4 * 20 beats .1 * 40; by size and by P(wrong) the larger one comes first
    assert found[Order.SCS_VOLUME].scar_error_ml[1] == pytest.approx(40 * voxel_ml)
    assert found[Order.SIZE].scar_error_ml[1] == pytest.approx(20 * voxel_ml)
    assert found[Order.ERROR_PROBABILITY].scar_error_ml[1] == pytest.approx(20 * voxel_ml)
    assert found[Order.SLICES].scar_error_ml[1] == pytest.approx(20 * voxel_ml)
    for order in (Order.SCS_VOLUME, Order.SIZE, Order.RANDOM):
        assert found[order].scar_error_ml[2] == 0 and found[order].dice[2] == 1.0
        np.testing.assert_array_equal(found[order].dice[2:], 1.0)
    # class 3: Dice 0, then 2 * 20 / 80; classes 1 and 4 absent: 1
    healthy = 2 * (3 * 26 * 26 - 60) / (2 * (3 * 26 * 26) - 60)
    assert found[Order.SCS_VOLUME].dice[0] == pytest.approx((1 + healthy + 0 + 1) / 4)


def test_a_visit_corrects_the_region_and_two_voxels_around_it_in_the_plane(two_regions):
    spoiled = two_regions.segmentation.copy()
    spoiled[0, 3, 5] = 1  # next to the first region, in the plane
    spoiled[1, 5, 5] = 1  # below it, in the next slice
    spoiled[0, 11, 5] = 1  # four voxels away from it
    one = dataclasses.replace(two_regions, segmentation=spoiled)
    before = (spoiled != one.truth).sum()
    found = walks(one, None, CLASSES)
    assert Order.ERROR_PROBABILITY not in found
    # a diamond of radius 2 around 4 x 5 voxels: 20 + 2 * (4 + 5) * 2 + 4 corners of 1 voxel
    assert found[Order.SCS_VOLUME].looked_at[1] == pytest.approx((20 + 36 + 4) / one.truth.size)
    zone = np.zeros(spoiled.shape, bool)
    zone[0, 3:8, 4:9] = True
    corrected = np.where(zone, one.truth, spoiled)
    assert before - (corrected != one.truth).sum() == 21
    assert found[Order.SCS_VOLUME].dice[2] < 1.0


def test_a_walk_without_regions_stands_still(two_regions):
    stays = walk(two_regions, [], CLASSES)
    assert len(set(stays.dice)) == 1 and (stays.looked_at == 0).all()


def test_summary_takes_gains_per_patient(two_regions):
    by_case = {n: walks(two_regions, None, CLASSES, seed=n) for n in range(3)}
    summary = {s.order: s for s in summarise_walks(by_case)}
    one = by_case[0][Order.SIZE]
    assert summary[Order.SIZE].dice_gain.mean == pytest.approx(one.dice[FIRST_VISITS] - one.dice[0])
    assert summary[Order.SIZE].dice_gain.count == 3
    assert summary[Order.SIZE].scar_error_drop_ml.mean == pytest.approx(60 * 1.5 * 1.5 / 100)
    assert summary[Order.RANDOM].p_against_random == 1.0
    assert best_order(list(summary.values())) is not Order.SLICES
    assert summarise_walks({}) == []
