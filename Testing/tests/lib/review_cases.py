"""Cases with known corrections for the tests of review and scene: a phantom heart, no network."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from CardiacUQLib.bundles.classes import LGE_CLASSES
from CardiacUQLib.bundles.manifest import BundleKind
from CardiacUQLib.bundles.map_catalogue import MapName
from CardiacUQLib.cases.casefolder import CaseFolder, read_case
from CardiacUQLib.cases.writing import write_case
from CardiacUQLib.images.reading import read_volume
from CardiacUQLib.images.volume import Volume
from CardiacUQLib.inference.components import find_components
from CardiacUQLib.inference.maps import discrete_correction_map
from CardiacUQLib.inference.result import Result, RunRecord
from CardiacUQLib.measures import measure
from CardiacUQLib.uncertainty.bands import BandCalibration, BandFit, BandForm, find_bands
from CardiacUQLib.uncertainty.look import Look, LookKind

SHAPE = (6, 80, 72)
RADIUS = 15.0
BLOOD, MYOCARDIUM, INFARCT, MVO = 1, 2, 3, 4
RUN = RunRecord("test-cascade", "1.0", "ab" * 32, "cpu", "float32", (0,), ("identity",), {}, 0.0, {})
BAND_FITS = BandCalibration(
    {
        "blood pool": BandFit(BandForm.DISTANCE, -3.0, 5.0, 0.91, 8.0),
        "infarct": BandFit(BandForm.LEVEL, -2.0, 3.0, 0.9, 9.0),
    }
)


@dataclass(frozen=True)
class Storage:
    """How a stack lies in its file: permutation of the (z, y, x) array axes, views, LPS direction."""

    axes: tuple[int, int, int]
    views: tuple[bool, bool, bool]
    direction: tuple[float, ...]


@lru_cache
def _phantom() -> tuple[np.ndarray, np.ndarray]:
    """Grey values and labels (z, y, x) of a cone-shaped ventricle with an infarct that holds an MVO."""
    z, y, x = np.mgrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
    y, x = y - 42.0, x - 33.0
    taper = 1.0 - 0.09 * np.abs(z - 2.0)
    radius, angle = np.hypot(y, 0.9 * x) / taper, np.arctan2(y, x)
    labels = np.zeros(SHAPE, np.uint8)
    labels[radius < 19.0] = MYOCARDIUM
    labels[radius < 12.0] = BLOOD
    wall = labels == MYOCARDIUM
    labels[wall & (np.abs(angle - 0.6) < 0.7) & (radius < 17.0) & (z > 0) & (z < 5)] = INFARCT
    labels[wall & (np.abs(angle - 0.6) < 0.3) & (radius < 15.0) & (z > 1) & (z < 4)] = MVO
    grey = np.array([70.0, 160.0, 90.0, 230.0, 110.0])[labels]
    right = (np.hypot(y + 4.0, 0.7 * (x + 26.0)) < 15.0) & (labels == 0)
    grey[right] = 155.0
    grey[np.hypot(y, x) > 37.0] = 20.0
    return grey + np.random.default_rng(5).normal(0.0, 7.0, SHAPE), labels


def _turned(degrees: tuple[float, float, float]) -> tuple[float, ...]:
    turn = sitk.Euler3DTransform((0, 0, 0), *np.deg2rad(degrees).tolist())
    return tuple(turn.GetMatrix())


STORAGES = {
    "axial": Storage((0, 1, 2), (False, False, False), (1, 0, 0, 0, 1, 0, 0, 0, 1)),
    "oblique": Storage((0, 1, 2), (False, False, False), _turned((35.0, -20.0, 15.0))),
    "flipped": Storage((0, 1, 2), (True, False, True), (-1, 0, 0, 0, 1, 0, 0, 0, -1)),
    "sagittal": Storage((2, 0, 1), (False, True, False), (0, 0, 1, 1, 0, 0, 0, 1, 0)),
    "left-handed": Storage((1, 2, 0), (False, True, False), (0, 0, 1, 1, 0, 0, 0, -1, 0)),
}


def write_image(path: Path, storage: str = "axial") -> np.ndarray:
    """The heart in a file; returns its true labels as stored (k, j, i)."""
    how = STORAGES[storage]
    grey, labels = _phantom()
    steps = np.array([10.0, 2.0, 2.0])[list(how.axes)]

    def stored(array: np.ndarray) -> np.ndarray:
        turned = np.transpose(array, how.axes)
        return np.ascontiguousarray(np.flip(turned, [n for n in range(3) if how.views[n]]))

    image = sitk.GetImageFromArray(stored(np.round(grey).astype(np.int16)))
    image.SetSpacing(steps[::-1].tolist())
    image.SetOrigin((-31.0, 12.5, 77.0))
    image.SetDirection(how.direction)
    sitk.WriteImage(image, str(path), useCompression=True)
    return stored(labels)


def make_result(image: Path, labels: np.ndarray, *, corrected: bool = True) -> Result:
    """A result whose 2D stage is wrong in known places: a missed infarct, a false one, a lost cavity."""
    volume = read_volume(image)
    truth = volume.storage.from_stored(labels)
    stage2d = _with_mistakes(truth) if corrected else truth.copy()
    scs = np.where(truth != stage2d, 0.3, 0.0) + 0.06 * _near_edges(truth)
    scs = ndimage.gaussian_filter(scs, (0, 0.8, 0.8)).astype(np.float32)
    dcm = discrete_correction_map(stage2d, truth, 5)
    corrections = find_components(dcm, scs, volume.geometry, 5)
    maps = {
        MapName.SCS: scs,
        MapName.ENTROPY: (2.5 * scs).astype(np.float32),
        MapName.VARIANCE: (0.2 * scs).astype(np.float32),
        MapName.ERROR_PROBABILITY: np.minimum(1.0, 2.2 * scs).astype(np.float32),
    }
    passes = np.array([[0, 60, 70, 20, 3], [0, 62, 68, 22, 2], [0, 58, 71, 19, 4]], float)
    return Result(
        volume=volume,
        kind=BundleKind.CASCADE,
        classes=LGE_CLASSES,
        segmentation=truth,
        opinion=stage2d,
        maps=maps,
        dcm=corrections.dcm,
        component_ids=corrections.component_ids,
        components=corrections.components,
        pass_volumes_ml=passes,
        run=RUN,
        measures=_measured(truth.tobytes(), truth, volume, passes),
    )


_MEASURES: dict[bytes, dict] = {}


def _measured(key: bytes, truth: np.ndarray, volume: Volume, passes: np.ndarray) -> dict:
    """Full measures, computed once per phantom and orientation: they are not what is tested here."""
    if key not in _MEASURES:
        _MEASURES[key] = measure(truth, volume, BundleKind.CASCADE, LGE_CLASSES, passes)
    return _MEASURES[key]


def make_case(folder: Path, storage: str = "axial", *, corrected: bool = True) -> CaseFolder:
    """An image ``heart.nii.gz`` in ``folder`` and its case folder ``folder/cases/heart``."""
    image = folder / "heart.nii.gz"
    labels = write_image(image, storage)
    return read_case(write_case(make_result(image, labels, corrected=corrected), folder / "cases"))


def with_bands(result: Result) -> Result:
    """The result with contour bands around its labels, of cavity and infarct."""
    x_mm, y_mm = result.geometry.spacing[:2]
    p = np.stack([result.segmentation == n for n in range(5)]).astype(np.float32)
    bands, maps = find_bands(BAND_FITS, p, result.segmentation, result.classes, (y_mm, x_mm))
    return replace(result, bands=bands, band_maps=maps)


def make_banded(folder: Path, storage: str = "axial") -> CaseFolder:
    """As :func:`make_case`, with contour bands."""
    image = folder / "heart.nii.gz"
    result = with_bands(make_result(image, write_image(image, storage)))
    return read_case(write_case(result, folder / "cases"))


def _look(result: Result, number: int, at: tuple[int, int, int], **more: object) -> Look:
    """A place at voxel (z, y, x) in slice order."""
    z, y, x = at
    ras = result.geometry.index_to_ras(np.array([x, y, z]))
    known = {
        "kind": LookKind.CORRECTION,
        "gain": 0.1 / number,
        "scar_ml": 0.0,
        "text": "2D said A, 3D says B",
    }
    centre = (float(ras[0]), float(ras[1]), float(ras[2]))
    return Look(number=number, slice=z, centre_ras=centre, radius_mm=RADIUS, **{**known, **more})


def make_placed(folder: Path, storage: str = "axial") -> Result:
    """A missed MVO proposed in two slices, a corrected place and one that overlaps it, best first."""
    labels = write_image(folder / "heart.nii.gz", storage)
    result = make_result(folder / "heart.nii.gz", labels)
    proposals = np.zeros(result.segmentation.shape, np.uint8)
    proposals[3:5, 60:63, 30:34] = MVO
    words = {"kind": LookKind.SECOND_LOOK, "text": "possible MVO, 1 ml, probability 0.35", "label": MVO}
    missed = max(result.components, key=lambda c: c.voxels if c.became == INFARCT else 0)
    z, y, x = (int(n) for n in np.argwhere(result.component_ids == missed.id).mean(axis=0).round())
    looks = (
        _look(result, 1, (3, 61, 32), probability=0.35, **words),
        _look(result, 2, (z, y, x), was=MYOCARDIUM, became=INFARCT, scar_ml=0.6),
        _look(result, 3, (4, 61, 32), probability=0.35, **words),
        _look(result, 4, (z, y + 3, x), kind=LookKind.DOUBT, became=INFARCT, text="infarct, or rather MVO?"),
    )
    return replace(result, looks=looks, proposals=proposals, evidence={"known": 1.0})


def _with_mistakes(truth: np.ndarray) -> np.ndarray:
    stage2d = truth.copy()
    rich = np.argsort([-np.count_nonzero(s == INFARCT) for s in truth])
    missed, halved = rich[0], rich[1]
    stage2d[missed][truth[missed] == INFARCT] = MYOCARDIUM
    y, x = np.nonzero(truth[halved] == MYOCARDIUM)
    right = x >= np.sort(x)[-25]
    stage2d[halved][y[right], x[right]] = INFARCT
    y, x = np.nonzero(truth[missed] == BLOOD)
    top = y <= np.sort(y)[20]
    stage2d[missed][y[top], x[top]] = 0
    return stage2d


def _near_edges(labels: np.ndarray) -> np.ndarray:
    edges = [ndimage.morphological_gradient(s, size=3) > 0 for s in labels]
    return np.stack(edges).astype(float)
