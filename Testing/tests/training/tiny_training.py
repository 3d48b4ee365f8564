"""A tiny labelled data set on disk and a recipe small enough to train in seconds, as fixtures too."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import yaml

SHAPE = (4, 48, 48)


def write_case(folder: Path, name: str, seed: int) -> None:
    """One case in EMIDEC's layout: a bright disc (blood) in a dark ring (wall) with a bright sector."""
    generator = np.random.default_rng(seed)
    z, y, x = np.indices(SHAPE, dtype=float)
    radius = np.hypot(y - 23.5, x - 23.5 - 0.3 * z)
    angle = np.arctan2(y - 23.5, x - 23.5)
    labels = np.zeros(SHAPE, np.uint8)
    labels[radius < 12] = 2
    if "_P" in name:
        labels[(radius < 12) & (angle > 0.3) & (angle < 1.6)] = 3
        labels[(radius < 10) & (angle > 0.8) & (angle < 1.1)] = 4
    labels[radius < 7] = 1
    grey = np.array([80.0, 180.0, 30.0, 220.0, 40.0])[labels] + generator.normal(0, 8, SHAPE)
    for kind, array in (("Images", grey.astype(np.float32)), ("Contours", labels)):
        path = folder / name / kind / f"{name}.nii.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        image = sitk.GetImageFromArray(array)
        image.SetSpacing((1.458, 1.458, 10.0))
        sitk.WriteImage(image, str(path))


@pytest.fixture
def emidec_like(tmp_path: Path) -> Path:
    """Six cases, two of them without infarct."""
    folder = tmp_path / "Größe 1" / "cases"
    for number, name in enumerate(["Case_N1", "Case_N2", "Case_P1", "Case_P2", "Case_P3", "Case_P4"]):
        write_case(folder, name, number)
    return folder


def tiny_recipe() -> dict:
    """The smallest recipe with all three stages, as plain values."""

    def stage(architecture: str, filters: list[int]) -> dict:
        return {
            "network": {"architecture": architecture, "filters": filters, "dropout": 0.1},
            "epochs": 3,
            "batch": 2,
            "optimiser": {"name": "adamw", "learning_rate": 0.01, "schedule": "one_cycle"},
            "loss": {"dice": 1.0, "cross_entropy": 1.0},
            "ema": 0.9,
            "keep": "last",
            "validate_every": 2,
        }

    return {
        "kind": "cascade",
        "title": "tiny",
        "seed": 7,
        "folds": 2,
        "roi": {"size_px": 32, "spacing_mm": 1.458, "locator_size_px": 32, "locator_spacing_mm": 2.916},
        "locator": stage("unet2d", [2, 4]),
        "stage2d": stage("unet2d", [2, 4, 4]),
        "stage3d": stage("unet3d", [2, 4, 4]) | {"patch_slices": 3, "perturbation": {"after_epoch": 1}},
    }


@pytest.fixture
def tiny_recipe_file(tmp_path: Path) -> Path:
    """The tiny recipe as a YAML file."""
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(tiny_recipe()), encoding="utf-8")
    return path
