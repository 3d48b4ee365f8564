"""What is exported of a case, whether it is still in memory, in a folder, or corrected by a reader."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ..base.version import __version__
from ..bundles.manifest import ClassInfo
from ..bundles.map_catalogue import MapName, Use, maps_used
from ..images.volume import Geometry
from ..inference.result import Result
from ..uncertainty.quality import PredictedDice
from ..uncertainty.verdict import Verdict

if TYPE_CHECKING:
    from ..cases.casefolder import CaseFolder
    from ..review import Review


@dataclass(frozen=True, eq=False)
class DicomContent:
    """All arrays are (k, j, i) as stored, on ``geometry``, the grid of the source series.

    ``series`` is the UID of the source series ("" if unknown); ``reviewers`` names those whose
    decisions changed the labels, in order; it is empty for the networks' own result. Verdict, predicted
    Dice and P(lesion) are those of the networks' own labels; a reviewed case has none.
    """

    name: str
    classes: tuple[ClassInfo, ...]
    labels: np.ndarray
    maps: Mapping[MapName, np.ndarray]
    measures: Mapping[str, Any]
    geometry: Geometry
    series: str
    bundle: str
    bundle_version: str
    reviewers: tuple[str, ...] = ()
    verdict: Verdict | None = None
    predicted_dice: tuple[PredictedDice, ...] = ()
    presence: Mapping[str, float] = field(default_factory=dict)

    @property
    def reviewed(self) -> bool:
        """True if a reader has decided about this segmentation."""
        return bool(self.reviewers)

    @property
    def reviewer_person_name(self) -> str:
        """The last reviewer in DICOM's order: family name ^ given names; "" without one."""
        *given, family = (self.reviewers[-1] if self.reviewers else "").split() or [""]
        return family if "^" in family or not family else f"{family}^{' '.join(given)}"

    @property
    def algorithm(self) -> str:
        """Name of the algorithm for people."""
        return f"CardiacUQ {self.bundle}"

    @property
    def algorithm_version(self) -> str:
        """Version of program and bundle."""
        return f"{__version__}/{self.bundle_version}"


def content_of(case: Result | CaseFolder | Review) -> DicomContent:
    """The content of a result, of a case folder with whatever review lies in it, or of a review.

    Raises :class:`InputError` for a damaged review.
    """
    if isinstance(case, Result):
        return _from_result(case)
    from ..cases.casefolder import CaseFolder
    from ..review import CaseMaps, Review, read_record

    if not isinstance(case, CaseFolder):
        return _from_review(case)
    if read_record(case.folder) is not None:
        return _from_review(Review(CaseMaps.from_folder(case), reviewer="-"), case)
    return _from_folder(case)


def _from_result(result: Result) -> DicomContent:
    stored = result.volume.storage.to_stored
    return DicomContent(
        name=result.volume.name,
        classes=result.classes,
        labels=stored(result.segmentation),
        maps={name: stored(result.maps[name]) for name in maps_used(Use.REPORTED, result.maps)},
        measures=result.measures,
        geometry=result.volume.source_geometry,
        series=result.volume.series,
        bundle=result.run.bundle,
        bundle_version=result.run.bundle_version,
        verdict=result.verdict,
        predicted_dice=result.predicted_dice,
        presence=result.presence,
    )


def _from_folder(case: CaseFolder) -> DicomContent:
    return DicomContent(
        name=case.name,
        classes=case.classes,
        labels=case.read_stored("segmentation").astype(np.uint8),
        maps={
            name: case.read_stored(name.value).astype(np.float32)
            for name in maps_used(Use.REPORTED, case.maps)
        },
        measures=case.measures,
        geometry=case.source_geometry,
        series=case.record.series,
        bundle=case.run.bundle,
        bundle_version=case.run.bundle_version,
        verdict=case.record.verdict,
        predicted_dice=case.record.predicted_dice,
        presence=case.record.presence,
    )


def _from_review(review: Review, folder: CaseFolder | None = None) -> DicomContent:
    from ..review import corrected_measures

    case = review.case
    who = tuple(dict.fromkeys(decision.reviewer for decision in review.decisions))
    return DicomContent(
        name=case.name,
        classes=case.classes,
        labels=review.labels,
        maps={name: case.maps[name] for name in maps_used(Use.REPORTED, case.maps)},
        measures=corrected_measures(review),
        geometry=case.geometry,
        series="" if folder is None else folder.record.series,
        bundle=case.bundle,
        bundle_version="" if folder is None else folder.run.bundle_version,
        reviewers=who,
    )
