"""A bundle small enough for tests of everything that runs a cascade."""

from CardiacUQLib.bundles.classes import LGE_CLASSES
from CardiacUQLib.bundles.manifest import BundleKind, Manifest, RoiSpec
from CardiacUQLib.networks.spec import Architecture, NetworkSpec


def write_bundle(folder, held_out, folds=(0, 1), kind=BundleKind.CASCADE):
    """A cascade of two-level networks with random weights; good for everything but good predictions."""
    import torch

    from CardiacUQLib.bundles.bundle import load_bundle, write_manifest, write_weights
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
