"""Small cascades for the tests of passes and segmentation: analytic networks and tiny real bundles."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import nn

from CardiacUQLib.bundles.bundle import load_bundle, write_manifest, write_weights
from CardiacUQLib.bundles.classes import LGE_CLASSES
from CardiacUQLib.bundles.manifest import BundleKind, Manifest, RoiSpec, WeightFile
from CardiacUQLib.images.volume import Geometry, Volume
from CardiacUQLib.networks import build_network
from CardiacUQLib.networks.spec import Architecture, NetworkSpec

IDENTITY_DIRECTION = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
FILTERS = (4, 8, 8)


def small_manifest(folds=(0, 1), size_px=32, filters=FILTERS, **changes):
    """A cascade manifest whose weight files need not exist."""
    networks = {
        "stage2d": NetworkSpec(Architecture.UNET_2D, 1, 5, filters),
        "stage3d": NetworkSpec(Architecture.UNET_3D, 3, 5, filters, 0.1),
    }
    weights = tuple(WeightFile(n, f, f"{n}_{f}.safetensors", "0" * 64) for f in folds for n in networks)
    fields = {
        "name": "tiny",
        "version": "1",
        "kind": BundleKind.CASCADE,
        "title": "Tiny",
        "licence": "none",
        "training_data": "none",
        "classes": LGE_CLASSES,
        "roi": RoiSpec(size_px, None),
        "networks": networks,
        "weights": weights,
    }
    return Manifest(**{**fields, **changes})


@dataclass
class FakeBundle:
    """A bundle with networks made in the test, keyed by (network, fold)."""

    manifest: Manifest
    networks: dict
    sha256: str = "f" * 64
    asked: list = field(default_factory=list)

    def network(self, network, fold, device):
        self.asked.append((network, fold, str(device)))
        return self.networks[network, fold].eval()


class Pixelwise2D(nn.Module):
    """Logits from the grey value of the pixel alone: moves with the image under any view."""

    def __init__(self, shift=0.0):
        super().__init__()
        self.slopes = torch.tensor([-2.0, -1.0, 0.5, 1.0, 2.0]).view(1, 5, 1, 1)
        self.shift = shift

    def forward(self, x):
        return self.slopes * x + torch.arange(5.0).view(1, 5, 1, 1) * self.shift


class Ramp2D(nn.Module):
    """Logits that depend on the column and row of the frame, so not on where the image goes."""

    def forward(self, x):
        row, column = torch.meshgrid(torch.arange(x.shape[-2]), torch.arange(x.shape[-1]), indexing="ij")
        ramps = torch.stack([column, 2 * row, row - column, torch.full_like(row, 3), -column]).to(x.dtype)
        return 0.1 * ramps[None] + 0.2 * x


class FromMasks3D(nn.Module):
    """Infarct and MVO logits straight from the mask channels, the others from the image."""

    def forward(self, x):
        image, infarct, mvo = x[:, 0], x[:, 1], x[:, 2]
        return torch.stack([0.3 - image, image, 0.1 * image, 3 * infarct, 3 * mvo], dim=1)


def random_bundle(folder, folds=(0, 1), seed=0, **changes):
    """A real bundle on disk with random weights, loaded back through all checks."""
    torch.manual_seed(seed)
    manifest = small_manifest(folds, **changes)
    weights = [
        write_weights(build_network(spec).state_dict(), folder, name, fold)
        for fold in folds
        for name, spec in manifest.networks.items()
    ]
    write_manifest(small_manifest(folds, **changes, weights=tuple(weights)), folder)
    return load_bundle(folder)


def as_test_volume(array, spacing=(1.5, 1.5, 10.0)):
    """A (z, y, x) array as an axial volume at the origin."""
    depth, rows, columns = array.shape
    geometry = Geometry((columns, rows, depth), spacing, (0.0, 0.0, 0.0), IDENTITY_DIRECTION)
    return Volume(np.asarray(array, np.float32), geometry, geometry)


def noise_volume(shape=(3, 40, 44), seed=0):
    """An asymmetric volume without any structure."""
    return as_test_volume(np.random.default_rng(seed).normal(100, 20, shape))
