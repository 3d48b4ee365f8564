"""Somebody's own cases to try the tutorial with: phantoms as another hospital would store and label them.

Names, label values, pixel size and axes differ from every data set of the catalogue.
"""

from __future__ import annotations

import json
from pathlib import Path

import SimpleITK as sitk
import yaml

from CardiacUQLib import phantom
from CardiacUQLib.base.safe_files import write_whole

VALUES = {0: "background", 50: "LV cavity", 100: "myocardium", 150: "scar", 200: "no-reflow"}
"""Label values of the sample and what they mean."""
_OURS = {1: 50, 2: 100, 3: 150, 4: 200}
PIXEL_MM = 1.25
FIRST_SEED = 500
"""Apart from the seeds of demo, tests and trainings."""
TEST_CASES = 2


def write_sample(folder: Path, cases: int = 12) -> Path:
    """``folder/images``, ``folder/masks`` and ``folder/cases.yaml``, which is returned; the last two cases
    are kept for the test."""
    rows: list[dict[str, str]] = []
    for number in range(1, cases + 1):
        name = f"pat{number:02d}_delayed"
        image, labels = _foreign(FIRST_SEED + number)
        row = {"image": f"images/{name}.nii.gz", "label": f"masks/{name}_mask.nii.gz"}
        _write(image, folder / row["image"])
        _write(labels, folder / row["label"])
        split = "test" if number > cases - TEST_CASES else "train"
        rows.append({"id": name, **row, "split": split})
    content = {
        "name": "synthetic sample cases of this project",
        "licence": "Apache-2.0",
        "labels": VALUES,
        "cases": rows,
    }
    return write_whole(folder / "cases.yaml", yaml.safe_dump(content, sort_keys=False))


def write_nnunet_sample(folder: Path, cases: int = 12) -> Path:
    """The same in nnU-Net's layout: consecutive label values, the last two cases in ``imagesTs`` with their
    labels in ``labelsTs``. Returns the folder."""
    order = {value: number for number, value in enumerate(VALUES)}
    for number in range(1, cases + 1):
        part = "Ts" if number > cases - TEST_CASES else "Tr"
        image, labels = _foreign(FIRST_SEED + number)
        array = sitk.GetArrayFromImage(labels)
        for value, new in order.items():
            array[array == value] = new
        consecutive = sitk.GetImageFromArray(array)
        consecutive.CopyInformation(labels)
        _write(image, folder / f"images{part}" / f"heart_{number:03d}_0000.nii.gz")
        _write(consecutive, folder / f"labels{part}" / f"heart_{number:03d}.nii.gz")
    described = {
        "channel_names": {"0": "LGE"},
        "labels": {VALUES[value]: new for value, new in order.items()},
        "numTraining": cases - TEST_CASES,
        "file_ending": ".nii.gz",
    }
    write_whole(folder / "dataset.json", json.dumps(described, indent=1))
    return folder


def _foreign(seed: int) -> tuple[sitk.Image, sitk.Image]:
    """Image and labels of a phantom on finer pixels, with rows and columns exchanged and stacked the other
    way round, at the same place in the patient."""
    heart = phantom.lge_phantom(seed)
    image, labels = (
        sitk.GetImageFromArray(array) for array in (phantom.as_volume(heart).array, heart.labels)
    )
    for stored in (image, labels):
        stored.SetSpacing(heart.spacing)
    fine = _finer(image)
    near = sitk.Resample(labels, fine, sitk.Transform(), sitk.sitkNearestNeighbor)
    foreign = sitk.ChangeLabel(near, _OURS)
    return (_turned(sitk.Resample(image, fine, sitk.Transform(), sitk.sitkLinear)), _turned(foreign))


def _finer(image: sitk.Image) -> sitk.Image:
    """The grid of the image with pixels of :data:`PIXEL_MM`."""
    columns, rows, slices = image.GetSize()
    x_mm, y_mm, z_mm = image.GetSpacing()
    size = [int(columns * x_mm / PIXEL_MM), int(rows * y_mm / PIXEL_MM), slices]
    grid = sitk.Image(size, image.GetPixelID())
    grid.SetSpacing((PIXEL_MM, PIXEL_MM, z_mm))
    grid.SetOrigin(image.GetOrigin())
    grid.SetDirection(image.GetDirection())
    return grid


def _turned(image: sitk.Image) -> sitk.Image:
    return sitk.Flip(sitk.PermuteAxes(image, [1, 0, 2]), [False, True, True])


def _write(image: sitk.Image, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(image, str(path), useCompression=True)
