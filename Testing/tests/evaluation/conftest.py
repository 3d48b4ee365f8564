"""Shared by the tests of evaluation and calibration: a tiny cascade and a few labelled phantoms."""

import functools

import numpy as np
import pytest

from CardiacUQLib.classes import LGE_CLASSES
from CardiacUQLib.manifest import Architecture, BundleKind, Manifest, NetworkSpec, RoiSpec


@pytest.fixture
def rng():
    return np.random.default_rng(20240917)


def write_bundle(folder, held_out, folds=(0, 1), kind=BundleKind.CASCADE):
    """A cascade of two-level networks with random weights; good for everything but good predictions."""
    import torch

    from CardiacUQLib.bundle import load_bundle, write_manifest, write_weights
    from CardiacUQLib.networks import build_network

    networks = {
        "stage2d": NetworkSpec(Architecture.UNET_2D, 1, 5, (4, 8), 0.1),
        "stage3d": NetworkSpec(Architecture.UNET_3D, 3, 5, (4, 8), 0.1),
    }
    weights = []
    for fold in folds:
        torch.manual_seed(fold)
        for name, spec in networks.items():
            state = build_network(spec).state_dict()
            # random heads hardly differ between voxels; stretched ones give every class its voxels
            state = {k: v * 8 if k.startswith("heads.0") else v for k, v in state.items()}
            weights.append(write_weights(state, folder, name, fold))
    manifest = Manifest(
        name="tiny",
        version="0.0.1",
        kind=kind,
        title="Tiny cascade",
        licence="none",
        training_data="none",
        classes=LGE_CLASSES,
        roi=RoiSpec(48, None),
        networks=networks,
        weights=tuple(weights),
        held_out=held_out,
    )
    write_manifest(manifest, folder)
    return load_bundle(folder)


@pytest.fixture(scope="session")
def phantoms():
    """Four labelled phantoms, each made only once."""
    from CardiacUQTraining.datasets import phantom

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(phantom, "_make", functools.cache(phantom._make))
        yield phantom.phantom_dataset(None, cases=4)


@pytest.fixture(scope="session")
def bundle(tmp_path_factory, phantoms):
    """Two folds; phantom n was held out by fold n modulo 2, the last phantom by none."""
    ids = [case.id for case in phantoms][:3]
    return write_bundle(tmp_path_factory.mktemp("bundle"), {0: tuple(ids[0::2]), 1: tuple(ids[1::2])})
