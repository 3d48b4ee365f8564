"""A data set on one self-contained page: what the check tells, a picture of every case with its outlines."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from CardiacUQLib.base.safe_files import write_whole
from CardiacUQLib.base.version import __version__
from CardiacUQLib.bundles.manifest import ClassInfo
from CardiacUQLib.images.volume import Volume

from .case import LabelledCase
from .check import Fingerprint

TEMPLATE = "dataset.html"
INCHES, DPI = 2.2, 90
MARGIN_MM = 25.0


@dataclass(frozen=True)
class Thumbnail:
    """The slice of a case with most labels, cut around them: grey values 0 to 1 and labels (y, x)."""

    case: str
    split: str
    slice: int
    grey: np.ndarray
    labels: np.ndarray
    aspect: float


@dataclass
class Thumbnails:
    """Collects a picture of every case that it is shown."""

    shown: list[Thumbnail] = field(default_factory=list)

    def add(self, case: LabelledCase, volume: Volume, labels: np.ndarray) -> None:
        """Remember the slice with most labels, the middle one where nothing is labelled."""
        area = (labels > 0).sum(axis=(1, 2))
        z = int(area.argmax()) if area.any() else len(labels) // 2
        x_mm, y_mm, _ = volume.geometry.spacing
        rows, columns = (_around(labels[z], axis, mm) for axis, mm in ((1, y_mm), (0, x_mm)))
        grey = volume.array[z][rows, columns].astype(np.float32)
        low, high = np.percentile(grey, (1, 99))
        grey = np.clip((grey - low) / max(float(high - low), 1e-6), 0, 1).astype(np.float32)
        self.shown.append(Thumbnail(case.id, case.split, z, grey, labels[z][rows, columns], y_mm / x_mm))


def _around(labels: np.ndarray, axis: int, mm: float) -> slice:
    """Where the labels lie along the other axis, with a margin; everything where there are none."""
    where = np.flatnonzero((labels > 0).any(axis=axis))
    if not where.size:
        return slice(None)
    margin = round(MARGIN_MM / mm)
    return slice(max(0, int(where[0]) - margin), int(where[-1]) + margin + 1)


def write_dataset_page(
    found: Fingerprint, told: Sequence[str], thumbnails: Thumbnails, name: str, path: Path
) -> Path:
    """Write the page; ``told`` are the lines of the terminal. Needs the packages of the extra "report"."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined
    )
    pictures = [
        (one.case, one.slice, one.split, base64.b64encode(_png(one, found.dataset.classes)).decode())
        for one in thumbnails.shown
    ]
    page = environment.get_template(TEMPLATE).render(
        name=name,
        told="\n".join(told),
        pictures=pictures,
        classes=[(info.name, info.colour) for info in found.dataset.classes if info.value],
        version=__version__,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_whole(path, page)


def _png(one: Thumbnail, classes: Sequence[ClassInfo]) -> bytes:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(INCHES, INCHES))
    axis = figure.add_axes((0, 0, 1, 1))
    axis.imshow(one.grey, cmap="gray", vmin=0, vmax=1, aspect=one.aspect)
    for info in classes:
        mask = one.labels == info.value
        if info.value and mask.any():
            axis.contour(mask, levels=[0.5], colors=[info.colour], linewidths=1.2)
    axis.set_axis_off()
    written = io.BytesIO()
    figure.savefig(written, dpi=DPI, format="png", facecolor="black")
    return written.getvalue()
