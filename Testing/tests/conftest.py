"""Shared by all areas: a real bundle, far too small to be right, and the development data."""

from __future__ import annotations

from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
TINY_FILTERS = (4, 4, 4, 4, 4)
TINY_FOLDS = (0, 1)
TINY_ROI_PX = 64


def pytest_sessionstart() -> None:
    """A wrong or double entry of a catalogue stops every test, by its name."""
    from CardiacUQLib.base.threads import wait_politely
    from CardiacUQLib.bundles.map_catalogue import check_maps
    from CardiacUQLib.measures.size_catalogue import check_sizes
    from CardiacUQTraining.datasets.catalogue import check_datasets

    wait_politely()
    try:
        check_maps()
        check_sizes()
        check_datasets()
    except ValueError as error:
        raise pytest.UsageError(str(error)) from error


def write_tiny_bundle(folder: Path, *, folds: tuple[int, ...] = TINY_FOLDS, seed: int = 0) -> Path:
    """An LGE cascade of 4-filter networks with seeded random weights in ``folder``; returns the folder."""
    import torch

    from CardiacUQLib.bundles.bundle import write_manifest, write_weights
    from CardiacUQLib.bundles.classes import LGE_CLASSES
    from CardiacUQLib.bundles.manifest import BundleKind, Manifest, RoiSpec
    from CardiacUQLib.networks import build_network
    from CardiacUQLib.networks.spec import Architecture, NetworkSpec

    networks = {
        "stage2d": NetworkSpec(Architecture.UNET_2D, 1, len(LGE_CLASSES), TINY_FILTERS),
        "stage3d": NetworkSpec(Architecture.UNET_3D, 3, len(LGE_CLASSES), TINY_FILTERS),
    }
    weights = []
    with torch.random.fork_rng(devices=[]):
        for fold in folds:
            for number, (name, spec) in enumerate(networks.items()):
                torch.manual_seed(seed + 10 * fold + number)
                weights.append(write_weights(build_network(spec).state_dict(), folder, name, fold))
    write_manifest(
        Manifest(
            name=folder.name,
            version="0.0.1",
            kind=BundleKind.CASCADE,
            title="Random weights for tests",
            licence="Apache-2.0",
            training_data="none",
            classes=LGE_CLASSES,
            roi=RoiSpec(size_px=TINY_ROI_PX, spacing_mm=None),
            networks=networks,
            weights=tuple(weights),
            metrics={"mean_dice": 0.01},
        ),
        folder,
    )
    (folder / "MODEL_CARD.md").write_text("# Random weights\n\nFor tests only.\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Convolutions on one thread: with another number of them some processors round the last bit otherwise.

    For the whole session, since the library keeps the algorithm it chose first for a shape.
    """
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a bundle with two folds and random weights; tests must not change it."""
    return write_tiny_bundle(tmp_path_factory.mktemp("models") / "tiny-cascade")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the development data sets; skips the test where they are absent."""
    folder = REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"the development data are not at {folder}")
    return folder
