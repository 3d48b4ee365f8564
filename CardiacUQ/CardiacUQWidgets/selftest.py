"""What the module's self-test does: a tiny bundle with random weights, a phantom, a run, a review."""

from __future__ import annotations

import unittest
from pathlib import Path
from typing import Any

import numpy as np
import slicer

from CardiacUQLib.bundles.classes import LGE_CLASSES
from CardiacUQLib.bundles.manifest import BundleKind, Manifest, RoiSpec
from CardiacUQLib.cases.casefolder import read_case
from CardiacUQLib.networks.spec import Architecture, NetworkSpec
from CardiacUQLib.report import publish
from CardiacUQLib.review import CaseMaps, stamp_in
from CardiacUQScene import CaseNodes, ReviewSession, find_case, remove_case, show_only

from . import computer, samples
from .run import RunOptions

_FILTERS = (4, 4, 4, 4, 4)


def segment_and_review(test: unittest.TestCase, logic: Any, folder: Path) -> None:
    """Segment the phantom twice in child processes; one case is seen at a time; painting is kept; after the
    review everything agrees; remove the cases."""
    if not computer.has_torch():
        test.skipTest("torch is not installed")
    results_before = computer.results_folder()
    computer.set_results_folder(str(folder / "cases"))
    try:
        bundle = write_tiny_bundle(folder / "tiny-cascade")
        options = RunOptions(bundle, device="cpu", preview=False)
        cases = [logic.process(samples.load_lge(), options) for _ in range(2)]
        _one_case_is_seen(test, cases)
        _painting_is_kept(test, cases[0], logic.read_case(cases[0].folder))
        _everything_agrees(test, cases[0], logic.read_case(cases[0].folder))
        for nodes in cases:
            found = find_case(nodes.volume)
            test.assertEqual(found and found.segmentation, nodes.segmentation)
            remove_case(nodes)
            test.assertIsNone(find_case(nodes.volume))
    finally:
        computer.set_results_folder(str(results_before))


def _one_case_is_seen(test: unittest.TestCase, cases: list[CaseNodes]) -> None:
    for chosen in (*cases, *cases):
        show_only(chosen.volume, chosen)
        shown = [nodes.segmentation for nodes in cases if nodes.segmentation.GetDisplayNode().GetVisibility()]
        test.assertEqual(shown, [chosen.segmentation])


def _painting_is_kept(test: unittest.TestCase, nodes: CaseNodes, case: CaseMaps) -> None:
    """A class painted over a region of another one stays when the region is kept, until it is undone."""
    session = ReviewSession(nodes, case, reviewer="self-test")
    test.assertTrue(session.next())
    became, before = session.item and session.item.became, session.review.labels
    region = np.asarray(session.review.mask(session.index))
    painted = next(key for key, value in nodes.segments.items() if value != became)
    label = nodes.segments[painted]
    for key in nodes.segments:
        mask = slicer.util.arrayFromSegmentBinaryLabelmap(nodes.segmentation, key, nodes.volume)
        mask = np.where(region, key == painted, mask).astype(np.uint8)
        slicer.util.updateSegmentBinaryLabelmapFromArray(mask, nodes.segmentation, key, nodes.volume)
    session.keep()
    test.assertTrue((session.review.labels[region] == label).all())
    session.keep()
    test.assertTrue((session.review.labels[region] == label).all())
    while session.undo():
        pass
    test.assertTrue((session.review.labels == before).all())
    session.close()


def _everything_agrees(test: unittest.TestCase, nodes: CaseNodes, case: CaseMaps) -> None:
    session = ReviewSession(nodes, case, reviewer="self-test")
    session.next()
    session.flag()
    test.assertEqual(session.progress().flagged, 1)
    publish(session.review)
    measures = read_case(nodes.folder or "").measures
    test.assertEqual(measures["headline"], session.headline())
    stamp = stamp_in(measures)
    test.assertEqual(stamp and stamp.reviewers, ("self-test",))
    session.close()


def write_tiny_bundle(folder: Path) -> Path:
    """A cascade of two folds with random weights, which segments nonsense in a second."""
    import torch

    from CardiacUQLib.bundles.bundle import write_manifest, write_weights
    from CardiacUQLib.networks import build_network

    networks = {
        "stage2d": NetworkSpec(Architecture.UNET_2D, 1, len(LGE_CLASSES), _FILTERS),
        "stage3d": NetworkSpec(Architecture.UNET_3D, 3, len(LGE_CLASSES), _FILTERS),
    }
    weights = []
    for fold in (0, 1):
        for number, (name, spec) in enumerate(networks.items()):
            torch.manual_seed(10 * fold + number)
            weights.append(write_weights(build_network(spec).state_dict(), folder, name, fold))
    manifest = Manifest(
        name=folder.name,
        version="0.0.1",
        kind=BundleKind.CASCADE,
        title="Random weights for the self-test",
        licence="Apache-2.0",
        training_data="none",
        classes=LGE_CLASSES,
        roi=RoiSpec(size_px=64, spacing_mm=None),
        networks=networks,
        weights=tuple(weights),
    )
    write_manifest(manifest, folder)
    return folder
