"""What a report shows of a case beside what the case holds itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..base.errors import InputError
from ..bundles.map_catalogue import MapName, Use, maps_used, plain_first
from ..cases.case import CaseView
from ..images.reading import read_volume
from ..inference.result import Result
from ..review import corrected_labels, stamp_in


@dataclass(frozen=True)
class HeatColumn:
    """One uncertainty map (z, y, x) with the fixed end of its scale (never rescaled per case)."""

    name: MapName
    title: str
    explanation: str
    values: np.ndarray
    maximum: float


@dataclass(frozen=True)
class Contents:
    """A case with what only the report needs; all arrays are (z, y, x) in slice order.

    ``image`` is None where the scan could not be read again; ``segmentation`` are the corrected labels
    after a review, as ``measures.json`` is that of these; ``reviewed`` says who reviewed the case and when,
    "" without a review. Slices count from 0 here, from 1 on the page.
    """

    case: CaseView
    name: str
    image: np.ndarray | None
    segmentation: np.ndarray
    heat_maps: tuple[HeatColumn, ...]
    warnings: tuple[str, ...]
    reviewed: str


def contents_of(case: CaseView, name: str | None = None) -> Contents:
    """The contents of a report; the scan of a case folder is read again if it is where it was.

    Raises :class:`InputError` for a review that is damaged, gone or of another segmentation.
    """
    image, problem = (case.volume.array, ()) if isinstance(case, Result) else _image_again(case)
    corrected, record = corrected_labels(case)
    stamp = stamp_in(case.measures)
    if stamp is not None and record is None:
        remedy = "restore review.json or segment the image again"
        raise InputError(
            case.folder or case.name, "its measures are those of a review that is not there", remedy
        )
    return Contents(
        case=case,
        name=name or case.name,
        image=image,
        segmentation=case.segmentation if stamp is None else corrected,
        heat_maps=_heat_maps(case),
        warnings=(*case.warnings, *problem),
        reviewed="" if stamp is None else stamp.as_text(),
    )


def _heat_maps(case: CaseView) -> tuple[HeatColumn, ...]:
    """The maps worth a column: the scores of the method, then the calibrated error probability if present."""
    return tuple(
        HeatColumn(
            name,
            name.info.title,
            name.info.explain(case.kind),
            case.maps[name],
            name.info.highest(len(case.classes)),
        )
        for name in plain_first(maps_used(Use.REPORTED, case.maps))
    )


def _image_again(case: CaseView) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """The scan in slice order, or None and one line that says why there is none."""
    if case.input_path is None:
        return None, ("the scan never was a file, so the pictures lack it",)
    try:
        volume = read_volume(case.input_path, series=case.series or None)
    except InputError as error:
        return None, (f"the scan could not be read again, so the pictures lack it ({error.problem})",)
    if volume.sha256 != case.input_sha256 or volume.geometry.size != case.geometry.size:
        return None, ("the scan was changed since it was segmented, so the pictures lack it",)
    return volume.array, ()
