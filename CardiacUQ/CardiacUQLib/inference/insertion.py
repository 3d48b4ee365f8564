"""The anterior insertion of the right ventricle on images whose own labels know no right ventricle.

In late enhancement as in cine, blood is brighter than healthy muscle, so the ensemble for cine finds the
right ventricle on many images of a kind that it has never seen, well enough for an angle though not for a
volume; where it takes something else for one, nothing is found.
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
from ..images.volume import Geometry
from ..measures.aha import geometric_turn
from ..measures.anatomy import Anatomy, anatomy_of, class_values
from ..measures.insertion import Insertion, contact_arcs, insertion_from_rv, point_at_angle
from .explore import choose_folds, explore_labels
from .jobs import Job

if TYPE_CHECKING:
    from ..bundles.bundle import Bundle

OTHER_SIDE = (
    "the right ventricle seems to lie on the other side of the heart than the image geometry says; "
    "check that the image is not mirrored"
)


LEAST_RINGS = 2
"""Slices with wall and cavity that the search needs at least."""
LEAST_SLICES, LEAST_ARC_DEG, LEAST_AGREEMENT, LEAST_BLOOD = 0.5, 80.0, 0.9, 0.7
"""What a right ventricle must have to be believed; chosen on 24 scans of MyoPS and 20 of EMIDEC."""


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
    the manifest names no such bundle, where it is not installed, damaged or knows no right ventricle, and
    where what it takes for one cannot be believed (:func:`insertion_beside`). Its networks look where the
    left ventricle is, and at nothing where too few slices show a ring.
    """
    finder, classes = bundle.manifest.insertion, bundle.manifest.classes
    if finder is None or "rv" in class_values(classes):
        return InsertionSearch()
    geometry = job.volume.geometry
    left = anatomy_of(segmentation, classes, geometry)
    if _rings(left) < LEAST_RINGS:
        return InsertionSearch()
    try:
        right = _right_ventricle(job, bundle, finder, left, device, precision)
    except ModelError as error:
        return InsertionSearch(None, (f"the RV insertion was not sought: {error}",))
    if right is None:
        return InsertionSearch()
    return insertion_beside(left, right, job.volume.array, geometry, finder)


def insertion_beside(
    left: Anatomy, right: np.ndarray, image: np.ndarray, geometry: Geometry, finder: InsertionFinder
) -> InsertionSearch:
    """The insertion of a right ventricle ``right`` (z, y, x) beside the left one, if it can be believed.

    Networks that never saw such an image take fat or lung for a right ventricle at times. It is believed
    where it is as bright as the blood of the left ventricle, touches the wall along a good arc in at least
    half of the slices, begins and ends at about the same angles in all of them, and lies on the side that
    the geometry of the image asks for; if only that fails, a warning says so.
    """
    beside = right & ~left.left_ventricle
    both = dataclasses.replace(left, infarct=None, mvo=None, rv=beside)
    arcs = np.array(contact_arcs(both, geometry)).reshape(-1, 2)
    if len(arcs) < max(LEAST_RINGS, LEAST_SLICES * _rings(left)):
        return InsertionSearch()
    agreement = np.abs(np.exp(1j * np.radians(arcs)).mean(axis=0)).min()
    length = float(np.mean((arcs[:, 1] - arcs[:, 0]) % 360))
    if agreement < LEAST_AGREEMENT or length < LEAST_ARC_DEG or _blood(left, beside, image) < LEAST_BLOOD:
        return InsertionSearch()
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


def _rings(left: Anatomy) -> int:
    """Slices that show both wall and cavity."""
    return int(np.count_nonzero(left.wall.any(axis=(1, 2)) & left.cavity.any(axis=(1, 2))))


def _blood(anatomy: Anatomy, rv: np.ndarray, image: np.ndarray) -> float:
    """Share of ``rv`` that is as bright as the left cavity of its slice, within three deviations."""
    alike, all_of_it = 0, 0
    for z in anatomy.wall_slices:
        pool = image[z][anatomy.cavity[z]]
        right = image[z][rv[z]]
        if right.size == 0 or pool.size == 0:
            continue
        middle = np.median(pool)
        spread = 1.4826 * np.median(np.abs(pool - middle))
        alike += int(np.count_nonzero(np.abs(right - middle) <= 3 * spread))
        all_of_it += right.size
    return alike / max(all_of_it, 1)


def _right_ventricle(
    job: Job, bundle: Bundle, finder: InsertionFinder, left: Anatomy, device: str, precision: str
) -> np.ndarray | None:
    """Mask (z, y, x) of the right ventricle by one view of the companion; None without a companion."""
    companion = bundle.companion(finder.bundle)
    if companion is None:
        return None
    values = class_values(companion.manifest.classes)
    if "rv" not in values:
        raise ModelError(f"bundle '{finder.bundle}' knows no right ventricle")
    present = tuple(f for f in finder.folds if f in companion.manifest.folds)
    _, rows, columns = np.nonzero(left.left_ventricle)
    asked = dataclasses.replace(
        job,
        source=companion,
        folds=choose_folds(companion.manifest, present or None),
        views=(View.IDENTITY,),
        progress=ignore_progress,
        dropout_samples=0,
        keep_passes=False,
        centre_yx=(float(rows.mean()), float(columns.mean())),
    )
    return explore_labels(asked, device=device, precision=precision) == values["rv"]
