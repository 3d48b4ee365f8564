"""Tiny cine frames on disk and in memory, and an ensemble that trains in seconds, as fixtures too."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from CardiacUQTraining.training.crops import CropSet

UNET = {"architecture": "streaming_unet", "filters": [2, 4], "dropout": 0.1}
DEEPLAB = {"architecture": "deeplabv3plus", "filters": [4, 4, 4, 4, 4, 4, 4], "dropout": 0.1}


def tiny(**change) -> dict:
    training = {
        "epochs": 2,
        "batch": 2,
        "optimiser": {"name": "rmsprop", "learning_rate": 1e-3, "schedule": "warmup_cosine"},
        "loss": {"dice": 1.0, "focal": 10.0, "include_background": True, "dice_class_weights": [1, 2, 1, 1]},
        "validate_every": 1,
        "ema": 0.5,
    }
    return {
        "kind": "streaming",
        "title": "tiny cine",
        "folds": 2,
        "roi": {"size_px": 32, "spacing_mm": 1.5},
        "members": [UNET, UNET],
        "training": training,
    } | change


def write_patient(folder: Path, name: str, group: str, depth: int) -> None:
    """ED and ES of one patient: discs of RV, wall and LV that shrink towards ES."""
    patient = folder / name
    patient.mkdir(parents=True)
    (patient / "Info.cfg").write_text(f"ED: 1\nES: 4\nGroup: {group}\nHeight: 170\nNbFrame: 10\nWeight: 70\n")
    _, y, x = np.indices((depth, 48, 48), dtype=float)
    for frame, factor in ((1, 1.0), (4, 0.7)):
        radius = np.hypot(y - 24, x - 26)
        labels = np.zeros((depth, 48, 48), np.uint8)
        labels[np.hypot(y - 24, x - 12) < 8 * factor] = 1
        labels[radius < 12] = 2
        labels[radius < 8 * factor] = 3
        grey = np.array([40.0, 200.0, 90.0, 210.0])[labels] + np.random.default_rng(depth).normal(
            0, 9, labels.shape
        )
        for suffix, array in (("", grey.astype(np.float32)), ("_gt", labels)):
            image = sitk.GetImageFromArray(array)
            image.SetSpacing((1.5, 1.5, 10.0))
            sitk.WriteImage(image, str(patient / f"{name}_frame{frame:02d}{suffix}.nii.gz"))


@pytest.fixture
def acdc_like(tmp_path: Path) -> Path:
    folder = tmp_path / "acdc"
    for number, group in enumerate(["NOR", "NOR", "DCM", "DCM"]):
        write_patient(folder, f"patient{number:03d}", group, 3 + number)
    return folder


@pytest.fixture
def frame_crops() -> CropSet:
    """Two frames of 2 and 4 slices."""
    generator = torch.Generator().manual_seed(0)
    return CropSet(
        ("a", "b"), torch.rand(6, 40, 40, generator=generator) * 100,
        torch.randint(0, 4, (6, 40, 40), generator=generator).to(torch.uint8), (0, 2, 6),
    )  # fmt: skip
