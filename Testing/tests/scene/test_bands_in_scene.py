"""Contour bands in the slice views: where they belong, both contours drawn, gone with their case."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import numpy as np
import pytest
import slicer
from review_cases import STORAGES, make_banded
from scene_fixtures import Shown, load_volume
from scipy import ndimage

from CardiacUQLib.cases.casefolder import read_case
from CardiacUQLib.review import CaseMaps
from CardiacUQLib.uncertainty.bands import BETWEEN
from CardiacUQScene import (
    align_views,
    all_cases,
    find_case,
    follow_transform,
    matching_order,
    remove_case,
    set_bands,
    set_heat_map,
    set_outlines_2d,
    show_case,
    show_only,
)
from CardiacUQScene.render import SliceView
from CardiacUQScene.standalone import StandaloneScene
from CardiacUQScene.voxels import segment_mask

POOL, INFARCT = "CardiacUQ_band_blood_pool", "CardiacUQ_band_infarct"


def banded(app: StandaloneScene, folder: Path, storage: str = "axial") -> Shown:
    case = make_banded(folder, storage)
    return Shown(app, load_volume(app, case.input_path), case)


def content(scene: slicer.vtkMRMLScene) -> set[str]:
    return {scene.GetNthNode(n).GetID() for n in range(scene.GetNumberOfNodes())}


@pytest.mark.parametrize("storage", STORAGES)
def test_a_ring_lies_voxel_for_voxel_where_the_file_has_it(
    app: StandaloneScene, tmp_path: Path, storage: str
) -> None:
    made = banded(app, tmp_path, storage)
    nodes = show_case(made.case, made.volume)
    assert nodes.bands is not None and not nodes.bands.GetDisplayNode().GetVisibility()
    for key, structure in ((POOL, "blood pool"), (INFARCT, "infarct")):
        mask = segment_mask(nodes.bands, key, made.volume)
        assert mask is not None
        ring = made.case.band_maps[structure] == BETWEEN
        maps = CaseMaps.of(made.case)
        stored = matching_order(maps, made.volume).to_stored(mask)
        np.testing.assert_array_equal(made.case.storage.from_stored(stored), ring)


def test_both_contours_are_drawn_and_can_be_switched_off(app: StandaloneScene, tmp_path: Path) -> None:
    made = banded(app, tmp_path)
    view = SliceView(app, "Red", (420, 420))
    nodes = show_case(made.case, made.volume)
    align_views(nodes)
    set_heat_map(nodes, None)
    set_outlines_2d(nodes, False)
    plain = view.pixels()
    set_bands(nodes, True)
    drawn = view.pixels()
    changed = np.abs(drawn.astype(int) - plain).max(axis=-1) > 12
    assert 0.01 < changed.mean() < 0.5
    display = nodes.bands.GetDisplayNode()
    display.SetSegmentVisibility(INFARCT, False)
    display.SetOpacity2DFill(0.0)
    lines = np.abs(view.pixels().astype(int) - plain).max(axis=-1) > 12
    pieces, count = ndimage.label(lines, np.ones((3, 3)))
    assert count == 2, "the outer and the inner contour"
    inner, outer = sorted((np.ptp(np.nonzero(pieces == n), axis=1) for n in (1, 2)), key=sum)
    assert (inner + 10 < outer).all(), "one within the other"
    set_bands(nodes, False)
    np.testing.assert_array_equal(view.pixels(), plain)
    view.close()


def test_words_say_what_they_hold(app: StandaloneScene, tmp_path: Path) -> None:
    made = banded(app, tmp_path)
    nodes = show_case(made.case, made.volume)
    meaning, pool, infarct = nodes.band_words
    assert "90 % of a reader's contour" in meaning
    assert pool.startswith("blood pool, ") and pool.endswith("it held 91 % in unseen cases")
    assert infarct.startswith("infarct, ") and "mm inside to" in infarct
    again = find_case(made.volume)
    assert again is not None and again.bands is nodes.bands and again.band_words == nodes.band_words


def test_a_case_without_bands_has_no_node(shown) -> None:
    made = shown()
    nodes = show_case(made.case, made.volume)
    assert nodes.bands is None and nodes.band_words == ()
    set_bands(nodes, True)


def test_they_are_hidden_with_their_case_and_move_with_it(app: StandaloneScene, tmp_path: Path) -> None:
    made = banded(app, tmp_path)
    first = show_case(made.case, made.volume)
    set_bands(first, True)
    other = load_volume(app, made.case.input_path)
    second = show_case(made.case, other)
    show_only(other, second)
    assert not first.bands.GetDisplayNode().GetVisibility()
    transform = app.scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    other.SetAndObserveTransformNodeID(transform.GetID())
    assert follow_transform(second)
    assert second.bands.GetTransformNodeID() == transform.GetID()
    assert len(all_cases(app.scene)) == 2


def test_a_new_result_shows_its_bands_as_the_old_one_did(app: StandaloneScene, tmp_path: Path) -> None:
    made = banded(app, tmp_path)
    old = show_case(made.case, made.volume)
    set_bands(old, True)
    new = show_case(read_case(made.case.folder), made.volume)
    assert new.bands is not old.bands and new.bands.GetDisplayNode().GetVisibility()


def test_thirty_cases_leave_neither_nodes_nor_memory(app: StandaloneScene, tmp_path: Path) -> None:
    made = banded(app, tmp_path)
    app.add_slice_view("Red")
    before = content(app.scene)

    def once() -> None:
        nodes = show_case(read_case(made.case.folder), made.volume)
        set_bands(nodes, True)
        remove_case(nodes)

    for _ in range(5):
        once()
    gc.collect()
    start = _resident_mb()
    for _ in range(30):
        once()
    gc.collect()
    assert content(app.scene) == before
    # the rings of one case are as large as its labels, its maps four times that: kept, they were 20 MB
    assert _resident_mb() - start < 10


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
