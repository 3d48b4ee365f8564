"""What is exported of a case, whether it is still in memory, in a folder, or corrected by a reader."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ..base.errors import UsageError
from ..base.version import __version__
from ..bundles.manifest import ClassInfo
from ..bundles.map_catalogue import MapName, Use, maps_used
from ..cases.case import CaseView
from ..images.volume import Geometry
from ..uncertainty.quality import PredictedDice
from ..uncertainty.verdict import Verdict

if TYPE_CHECKING:
    from ..review import Review


@dataclass(frozen=True, eq=False)
class DicomContent:
    """A case with its labels and measures as they stand; voxels are (k, j, i) as in the source series.

    ``reviewers`` names those whose decisions changed the labels, in order; it is empty for the networks'
    own result.
    """

    case: CaseView
    labels: np.ndarray
    measures: Mapping[str, Any]
    reviewers: tuple[str, ...] = ()

    @property
    def classes(self) -> tuple[ClassInfo, ...]:
        """The labels of the case."""
        return self.case.classes

    @property
    def geometry(self) -> Geometry:
        """Grid of the source series."""
        return self.case.source_geometry

    @cached_property
    def maps(self) -> Mapping[MapName, np.ndarray]:
        """The reported maps, float32."""
        stored = self.case.storage.to_stored
        return {
            name: stored(self.case.maps[name]).astype(np.float32)
            for name in maps_used(Use.REPORTED, self.case.maps)
        }

    @property
    def verdict(self) -> Verdict | None:
        """That of the networks' own labels; a reviewed case has none."""
        return None if self.reviewed else self.case.verdict

    @property
    def predicted_dice(self) -> tuple[PredictedDice, ...]:
        """Likewise."""
        return () if self.reviewed else self.case.predicted_dice

    @property
    def presence(self) -> Mapping[str, float]:
        """P(lesion) by name, likewise."""
        return {} if self.reviewed else self.case.presence

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
        return f"CardiacUQ {self.case.run.bundle}"

    @property
    def algorithm_version(self) -> str:
        """Version of program and bundle."""
        return f"{__version__}/{self.case.run.bundle_version}"


def content_of(case: CaseView | Review) -> DicomContent:
    """The content of a result, of a case folder with whatever review lies in it, or of a review.

    Raises :class:`InputError` for a damaged review.
    """
    from ..review import CaseMaps, Review, corrected_measures, read_record

    if not isinstance(case, Review):
        if case.folder is None or read_record(case.folder) is None:
            return DicomContent(case, case.storage.to_stored(case.segmentation), case.measures)
        case = Review(CaseMaps.of(case), reviewer="-")
    who = tuple(dict.fromkeys(decision.reviewer for decision in case.decisions))
    if case.case.case is None:
        raise UsageError(f"{case.case.name}: a review of mere arrays has nothing to export")
    return DicomContent(case.case.case, case.labels, corrected_measures(case), who)
