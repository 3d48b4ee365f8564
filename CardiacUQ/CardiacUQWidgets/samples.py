"""The two phantoms in Slicer's Sample Data: made on this computer, nothing is downloaded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import slicer

from . import case_opening

CATEGORY = "CardiacUQ"
SEED = 1
_ICONS = Path(__file__).resolve().parents[1] / "Resources" / "Icons"


def register() -> None:
    """Offer the phantoms in the Sample Data module."""
    import SampleData

    logic = SampleData.SampleDataLogic
    if hasattr(logic, "registerCustomSampleDataCategory"):
        logic.registerCustomSampleDataCategory(CATEGORY, title="CardiacUQ")
    for name, thumbnail, load in _SAMPLES:
        logic.registerCustomSampleDataSource(
            category=CATEGORY,
            sampleName=name,
            # Sample Data wants an address and a file even where a function of ours makes the data.
            uris=f"cardiacuq:{name}",
            fileNames=f"{name}.nii.gz",
            nodeNames=name,
            thumbnailFileName=str(_ICONS / thumbnail),
            customDownloader=load,
        )


def load_lge(source: Any = None) -> slicer.vtkMRMLScalarVolumeNode:
    """Make the late-enhancement phantom and load it."""
    from CardiacUQLib.phantom import lge_phantom, write

    image, _labels = write(lge_phantom(SEED), _folder(), "CardiacUQ-LGE-phantom")
    return _load(image)


def load_cine(source: Any = None) -> slicer.vtkMRMLScalarVolumeNode:
    """Make the cine phantom and load end-diastole and end-systole; returns end-diastole."""
    from CardiacUQLib.phantom import cine_phantom, write

    pair = cine_phantom(SEED)
    volumes = []
    for phase, phantom in (("ES", pair.es), ("ED", pair.ed)):
        image, _labels = write(phantom, _folder(), f"CardiacUQ-cine-phantom-{phase}")
        volumes.append(_load(image))
    return volumes[-1]


def _folder() -> Path:
    folder = Path(slicer.app.temporaryPath) / "CardiacUQ-phantoms"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _load(image: Path) -> slicer.vtkMRMLScalarVolumeNode:
    volume = case_opening.load_image(image)
    selection = slicer.app.applicationLogic().GetSelectionNode()
    if selection is not None:
        selection.SetActiveVolumeID(volume.GetID())
        slicer.app.applicationLogic().PropagateVolumeSelection()
    return volume


_SAMPLES: tuple[tuple[str, str, Callable[[Any], Any]], ...] = (
    ("CardiacUQ LGE phantom", "CardiacUQLGEPhantom.png", load_lge),
    ("CardiacUQ cine phantom", "CardiacUQCinePhantom.png", load_cine),
)
