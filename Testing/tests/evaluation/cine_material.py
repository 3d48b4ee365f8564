"""Cines with exact truth and a bundle that solves them: every structure has its own grey value.

The networks are real U-Nets whose weights hand the grey value through to four affine logits, so that
labels follow from bands of grey and every figure of an evaluation can be computed by hand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk
import torch

from CardiacUQLib.bundles.bundle import Bundle, load_bundle, write_manifest, write_weights
from CardiacUQLib.bundles.classes import CINE_CLASSES
from CardiacUQLib.bundles.manifest import MIRRORED, BundleKind, Manifest, RoiSpec, View
from CardiacUQLib.networks import build_network
from CardiacUQLib.networks.spec import Architecture, NetworkSpec

SPEC = NetworkSpec(Architecture.STREAMING_UNET, 1, 4, (2, 2), 0.1)
GREY = np.array([0.0, 1 / 3, 2 / 3, 1.0])
"""Grey value of background, RV, myocardium and LV; also the range 0..1 that frames are scaled to."""
SPACING = (2.0, 2.0, 10.0)
VOXEL_ML = 0.04


def band_state(borders: Sequence[float] = (1 / 6, 1 / 2, 5 / 6), steepness: float = 60.0) -> dict:
    """Weights whose arg max is 0, 1, 2, 3 below, between and above the three ``borders`` of grey."""
    network = build_network(SPEC)
    state = {name: torch.zeros_like(value) for name, value in network.state_dict().items()}
    for name in state:
        if name.endswith("running_var") or (name.endswith("weight") and state[name].ndim == 1):
            state[name] = torch.ones_like(state[name])
    for block in ("encoder.0.0", "encoder.0.3", "decoder.0.0", "decoder.0.3"):
        state[f"{block}.weight"][0, 0, 1, 1] = 1.0
    for value in range(4):
        state["head.weight"][value, 0] = steepness * value
        state["head.bias"][value] = -steepness * sum(borders[:value])
    return state


def write_band_bundle(
    folder: Path,
    *,
    members: Sequence[Mapping | None] = (None, None),
    folds: Sequence[int] = (0,),
    held_out: Mapping[int, tuple[str, ...]] | None = None,
    combination: str = "uncertainty",
    size_px: int = 48,
    views: tuple[View, ...] = MIRRORED,
) -> Bundle:
    """A cine bundle; ``members[n]`` are the arguments of :func:`band_state` for member n."""
    weights = tuple(
        write_weights(band_state(**(options or {})), folder, f"member{n}", fold)
        for fold in folds
        for n, options in enumerate(members)
    )
    networks = {f"member{n}": SPEC for n in range(len(members))}
    manifest = Manifest(
        folder.name, "0.1", BundleKind.STREAMING, "Bands of grey", "Apache-2.0", "none", CINE_CLASSES,
        RoiSpec(size_px, None), networks, weights, views=views, combination=combination,
        held_out=held_out or {},
    )  # fmt: skip
    write_manifest(manifest, folder)
    return load_bundle(folder)


def heart_labels(lv_px: float, depth: int = 5, size: int = 48, wall_px: float = 13.0) -> np.ndarray:
    """A round LV of radius ``lv_px`` in a wall of outer radius ``wall_px``, an RV beside it."""
    _, y, x = np.indices((depth, size, size), dtype=float)
    radius = np.hypot(y - size / 2, x - size / 2 - 4)
    labels = np.zeros((depth, size, size), np.uint8)
    labels[np.hypot(y - size / 2, x - size / 4) < 8] = 1
    labels[radius < wall_px] = 2
    labels[radius < lv_px] = 3
    return labels


def film(radii: Sequence[float], depth: int = 5) -> np.ndarray:
    """Frames (t, z, y, x), float32, with the LV radius of each; grey values 0 to 100."""
    return np.stack([100 * GREY[heart_labels(radius, depth)] for radius in radii]).astype(np.float32)


def write_film(path: Path, frames: np.ndarray) -> Path:
    """A 4D file."""
    image = sitk.JoinSeries([sitk.GetImageFromArray(frame) for frame in frames])
    image.SetSpacing((*SPACING, 30.0))
    sitk.WriteImage(image, str(path))
    return path


def write_stack(path: Path, array: np.ndarray) -> Path:
    """A 3D file on the same grid."""
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(SPACING)
    sitk.WriteImage(image, str(path))
    return path


def lv_ml(radius: float, depth: int = 5) -> float:
    """Volume of the LV cavity of :func:`heart_labels` by counting its voxels."""
    return float((heart_labels(radius, depth) == 3).sum()) * VOXEL_ML
