"""What the module's self-test does: a tiny bundle with random weights, a phantom, a run, a review."""

from __future__ import annotations

import unittest
from pathlib import Path
from typing import Any

from CardiacUQLib.bundles.classes import LGE_CLASSES
from CardiacUQLib.bundles.manifest import BundleKind, Manifest, RoiSpec
from CardiacUQLib.networks.spec import Architecture, NetworkSpec
from CardiacUQScene import ReviewSession, find_case, remove_case

from . import computer, samples
from .run import RunOptions

_FILTERS = (4, 4, 4, 4, 4)


def segment_and_review(test: unittest.TestCase, logic: Any, folder: Path) -> None:
    """Segment the phantom in a child process, take one decision back and forth, remove the case."""
    if not computer.has_torch():
        test.skipTest("torch is not installed")
    results_before = computer.results_folder()
    computer.set_results_folder(str(folder / "cases"))
    try:
        volume = samples.load_lge()
        bundle = write_tiny_bundle(folder / "tiny-cascade")
        nodes = logic.process(volume, RunOptions(bundle, device="cpu", preview=False))
        found = find_case(volume)
        test.assertEqual(found and found.segmentation, nodes.segmentation)
        test.assertTrue((nodes.folder / "case.json").is_file())
        session = ReviewSession(nodes, logic.read_case(nodes.folder), reviewer="self-test")
        test.assertTrue(session.next())
        session.flag()
        test.assertEqual(session.progress().flagged, 1)
        test.assertTrue(session.undo())
        test.assertEqual(session.progress().flagged, 0)
        session.close()
        remove_case(nodes)
        test.assertIsNone(find_case(volume))
    finally:
        computer.set_results_folder(str(results_before))


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
