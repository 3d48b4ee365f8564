"""The anterior insertion of the right ventricle on images whose own labels know no right ventricle.

In late enhancement as in cine, blood is brighter than healthy muscle, so the ensemble for cine finds the
right ventricle on images of a kind that it has never seen, well enough for an angle though not for a volume.
How well is measured by ``Testing/benchmarks/bench_insertion.py`` and stands in the manifest.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..base.errors import ModelError
from ..base.progress import ignore_progress
from ..bundles.manifest import InsertionFinder, View
from ..measures.aha import geometric_turn
from ..measures.anatomy import anatomy_of, class_values
from ..measures.insertion import Insertion, insertion_from_rv, point_at_angle
from .explore import choose_folds, explore
from .jobs import Job

if TYPE_CHECKING:
    from ..bundles.bundle import Bundle

OTHER_SIDE = (
    "the right ventricle seems to lie on the other side of the heart than the image geometry says; "
    "check that the image is not mirrored"
)


@dataclass(frozen=True)
class InsertionSearch:
    """What came of looking for the insertion: the point, None if there is none, and what to tell about it."""

    insertion: Insertion | None = None
    warnings: tuple[str, ...] = ()


def find_insertion(
    job: Job, segmentation: np.ndarray, bundle: Bundle, *, device: str = "auto", precision: str = "auto"
) -> InsertionSearch:
    """Ask the bundle named in the manifest for the right ventricle beside the left one of ``segmentation``.

    ``segmentation`` (z, y, x) are the labels of ``bundle`` on the volume of ``job``. Nothing is found where
    the manifest names no such bundle, where it is not installed, damaged or knows no right ventricle, where
    too little of one is seen, and where it lies on the side that the geometry of the image rules out.
    """
    finder, classes = bundle.manifest.insertion, bundle.manifest.classes
    if finder is None or "rv" in class_values(classes):
        return InsertionSearch()
    geometry = job.volume.geometry
    left = anatomy_of(segmentation, classes, geometry)
    if not left.wall.any() or not left.cavity.any():
        return InsertionSearch()
    try:
        right = _right_ventricle(job, bundle, finder, device, precision)
    except ModelError as error:
        return InsertionSearch(None, (f"the RV insertion was not sought: {error}",))
    if right is None:
        return InsertionSearch()
    both = dataclasses.replace(left, infarct=None, mvo=None, rv=right & ~left.left_ventricle)
    found = insertion_from_rv(both, geometry)
    if found is None:
        return InsertionSearch()
    angle, turn = found
    if turn != geometric_turn(geometry):
        return InsertionSearch(None, (OTHER_SIDE,))
    point = point_at_angle(left, geometry, angle)
    if point is None:
        return InsertionSearch()
    return InsertionSearch(Insertion(point, finder.bundle, finder.ninety_deg))


def _right_ventricle(
    job: Job, bundle: Bundle, finder: InsertionFinder, device: str, precision: str
) -> np.ndarray | None:
    """Mask (z, y, x) of the right ventricle by one view of the companion; None without a companion."""
    companion = bundle.companion(finder.bundle)
    if companion is None:
        return None
    values = class_values(companion.manifest.classes)
    if "rv" not in values:
        raise ModelError(f"bundle '{finder.bundle}' knows no right ventricle")
    present = tuple(f for f in finder.folds if f in companion.manifest.folds)
    asked = dataclasses.replace(
        job,
        source=companion,
        folds=choose_folds(companion.manifest, present or None),
        views=(View.IDENTITY,),
        progress=ignore_progress,
        dropout_samples=0,
        keep_passes=False,
    )
    return explore(asked, device=device, precision=precision).segmentation == values["rv"]
