"""Label maps of others: plain images, Slicer's ``.seg.nrrd`` and DICOM SEG, with the names they carry."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from CardiacUQLib.base.errors import InputError
from CardiacUQLib.bundles.classes import BACKGROUND
from CardiacUQLib.bundles.manifest import ClassInfo, Code
from CardiacUQLib.images.dicom_segments import read_dicom_segments
from CardiacUQLib.images.image_file import read_components
from CardiacUQLib.images.nrrd import read_key_values
from CardiacUQLib.images.volume import Geometry, Volume

OFF_GRID = 0.05
"""Part of a voxel by which the voxels of two grids may be apart."""

PALETTE = (
    "#D55E00", "#0072B2", "#F0E442", "#CC79A7", "#56B4E9", "#009E73", "#E69F00", "#8C564B",
    "#17BECF", "#BCBD22", "#7F3C8D", "#F781BF", "#A6761D", "#66C2A5", "#B3B3B3",
)  # fmt: skip
"""Colours for classes that come without one, told apart by most eyes (after Okabe and Ito)."""

UNCODED = "99CARDIACUQ"
_SEG_NRRD, _DICOM_START = ".seg.nrrd", 128


@dataclass(frozen=True)
class LabelMap:
    """uint8 labels (k, j, i) on a grid of their own; ``classes`` as the file names them, or ()."""

    path: Path
    labels: np.ndarray
    geometry: Geometry
    classes: tuple[ClassInfo, ...] = ()


def read_label_map(path: Path) -> LabelMap:
    """Read a label image, a ``.seg.nrrd`` or a DICOM SEG; raises InputError."""
    if path.is_file() and _is_dicom(path):
        return _from_dicom(path)
    stored, geometry = read_components(path)
    named = path.name.lower().endswith(_SEG_NRRD)
    if len(stored) > 1 and not named:
        problem = "holds more than one value per voxel"
        raise InputError(path, problem, "give a label map; for class probabilities use --probabilities")
    whole = np.isfinite(stored).all() and bool((stored == np.rint(stored)).all())
    if not whole or stored.min() < 0 or stored.max() > 255:
        raise InputError(path, "its values are no labels", "labels are whole numbers from 0 to 255")
    labels = stored.astype(np.uint8)
    return _from_segments(path, labels, geometry) if named else LabelMap(path, labels[0], geometry)


def onto(found: LabelMap, labels: np.ndarray, scan: Volume) -> np.ndarray:
    """``labels`` (k, j, i) of the map, on the grid of the scan's file; the rest of it is background.

    The map may cover a part of the scan and store its axes in any order; its voxels must be voxels of
    the scan. Raises InputError if they are not.
    """
    wanted = scan.source_geometry
    to_scan = np.linalg.inv(wanted.index_to_lps) @ found.geometry.index_to_lps
    placed = np.zeros(wanted.shape, np.uint8)
    k, j, i = np.nonzero(labels)
    exact = np.stack([i, j, k, np.ones_like(i)]).T @ to_scan.T
    index = np.rint(exact[:, :3]).astype(int)
    corners = np.array([[x, y, z, 1] for x in (0, 1) for y in (0, 1) for z in (0, 1)]) @ to_scan.T
    steps = np.abs(corners[:, :3] - np.rint(corners[:, :3])).max()
    if steps > OFF_GRID or (np.abs(exact[:, :3] - index).max(initial=0.0) > 10 * OFF_GRID):
        problem = f"its voxels are not those of {scan.path}"
        raise InputError(found.path, problem, "resample it to the scan (spacing, origin, direction)")
    if (index < 0).any() or (index >= np.array(wanted.size)).any():
        raise InputError(found.path, f"has labels outside {scan.path}", "give the scan that was labelled")
    placed[index[:, 2], index[:, 1], index[:, 0]] = labels[k, j, i]
    return placed


def numbered_class(value: int, name: str = "", colour: str = "", code: Code | None = None) -> ClassInfo:
    """A class with what is missing filled in: a number for a name, a colour of its own."""
    if value == 0:
        return BACKGROUND
    name = name or f"class {value}"
    return ClassInfo(
        value, name, colour or PALETTE[(value - 1) % len(PALETTE)], code or Code(UNCODED, f"C{value}", name)
    )


def _is_dicom(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(_DICOM_START + 4)[_DICOM_START:] == b"DICM"


def _from_segments(path: Path, layers: np.ndarray, geometry: Geometry) -> LabelMap:
    """Segments are numbered in their order; of those that overlap the later one stands."""
    said = read_key_values(path)
    labels = np.zeros(layers.shape[1:], np.uint8)
    classes = [BACKGROUND]
    while f"Segment{(number := len(classes) - 1)}_ID" in said:
        key = f"Segment{number}_"
        try:
            layer, value = int(said.get(f"{key}Layer", "0")), int(said.get(f"{key}LabelValue", "1"))
            channels = [min(255, max(0, round(255 * float(c)))) for c in said.get(f"{key}Color", "").split()]
            labels[layers[layer] == value] = number + 1
        except (ValueError, IndexError):
            raise InputError(path, f"has a damaged segment {number}", "save it again") from None
        colour = "#" + "".join(f"{c:02X}" for c in channels) if len(channels) == 3 else ""
        name = said.get(f"{key}Name", f"segment {number + 1}")
        code = _terminology(said.get(f"{key}Tags", ""))
        classes.append(numbered_class(number + 1, name, colour, code))
    if len(classes) == 1:
        raise InputError(path, "names no segments", "save it from Slicer's Segmentations module")
    return LabelMap(path, labels, geometry, tuple(classes))


def _terminology(tags: str) -> Code | None:
    """The type in Slicer's tags: "...TerminologyEntry:context~category~scheme^value^meaning~..."."""
    for tag in tags.split("|"):
        key, _, value = tag.partition(":")
        parts = value.split("~")
        if key.endswith("TerminologyEntry") and len(parts) > 2 and parts[2].count("^") >= 2:
            scheme, code, meaning = parts[2].split("^")[:3]
            return Code(scheme, code, meaning) if scheme and code else None
    return None


def _from_dicom(path: Path) -> LabelMap:
    found = read_dicom_segments(path)
    labels = np.zeros_like(found.labels)
    classes = [BACKGROUND]
    for number, segment in enumerate(found.segments, start=1):
        labels[found.labels == segment.number] = number
        code = Code(*segment.code) if all(segment.code) else None
        classes.append(numbered_class(number, segment.label, _rgb(segment.cielab), code))
    return LabelMap(path, labels, found.geometry, tuple(classes))


def _rgb(cielab: tuple[int, ...]) -> str:
    """#RRGGBB of a colour as DICOM stores it, "" without one or without the package that knows how."""
    if len(cielab) != 3 or find_spec("highdicom") is None:
        return ""
    from highdicom.color import CIELabColor

    light, red, yellow = cielab[0] * 100 / 65535, cielab[1] * 255 / 65535 - 128, cielab[2] * 255 / 65535 - 128
    return "#" + "".join(f"{c:02X}" for c in CIELabColor(light, red, yellow).to_rgb())
