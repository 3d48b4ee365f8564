"""What a report shows, gathered from a result in memory or from a case folder on disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ..base.errors import InputError
from ..bundles.manifest import BundleKind, ClassInfo
from ..bundles.map_catalogue import MapName, Use, maps_used, plain_first
from ..images.reading import read_volume
from ..images.volume import Geometry
from ..inference.result import Component, Result, RunRecord
from ..review import labels_after, read_record, stamp_in
from ..uncertainty.quality import PredictedDice
from ..uncertainty.verdict import Verdict

if TYPE_CHECKING:
    from ..cases.casefolder import CaseFolder


@dataclass(frozen=True)
class HeatMap:
    """One uncertainty map (z, y, x) with the fixed end of its scale (never rescaled per case)."""

    name: MapName
    title: str
    explanation: str
    values: np.ndarray
    maximum: float


@dataclass(frozen=True)
class Contents:
    """All arrays are (z, y, x) on ``geometry``; ``image`` is None where the scan could not be read again.

    ``stage2d`` is the overruled opinion, None where there is none; ``reviewed`` says who reviewed the case
    and when, "" without a review. Slices count from 0 here, from 1 on the page.
    """

    name: str
    kind: BundleKind
    classes: tuple[ClassInfo, ...]
    geometry: Geometry
    image: np.ndarray | None
    segmentation: np.ndarray
    stage2d: np.ndarray | None
    dcm: np.ndarray
    component_ids: np.ndarray
    heat_maps: tuple[HeatMap, ...]
    components: tuple[Component, ...]
    measures: Mapping[str, Any]
    run: RunRecord
    input_name: str
    input_sha256: str
    warnings: tuple[str, ...] = field(default=())
    verdict: Verdict | None = None
    predicted_dice: tuple[PredictedDice, ...] = ()
    lacking: tuple[str, ...] = ()
    reviewed: str = ""


def from_result(result: Result, name: str | None = None) -> Contents:
    """The contents of a report on ``result``."""
    volume = result.volume
    cascade = result.kind is BundleKind.CASCADE
    return Contents(
        name=name or volume.name,
        kind=result.kind,
        classes=result.classes,
        geometry=volume.geometry,
        image=volume.array,
        segmentation=result.segmentation,
        stage2d=result.stage2d if cascade or result.dcm.any() else None,
        dcm=result.dcm,
        component_ids=result.component_ids,
        heat_maps=heat_maps(result.maps, len(result.classes), result.kind),
        components=result.components,
        measures=result.measures,
        run=result.run,
        input_name="" if volume.path is None else volume.path.name,
        input_sha256=volume.sha256,
        warnings=tuple(dict.fromkeys((*volume.warnings, *result.run.warnings))),
        verdict=result.verdict,
        predicted_dice=result.predicted_dice,
        lacking=result.lacking,
    )


def heat_maps(maps: Mapping[MapName, np.ndarray], class_count: int, kind: BundleKind) -> tuple[HeatMap, ...]:
    """The maps worth a column: the scores of the method, then the calibrated error probability if present."""
    return tuple(
        HeatMap(name, name.info.title, name.info.explain(kind), maps[name], name.info.highest(class_count))
        for name in plain_first(maps_used(Use.REPORTED, maps))
    )


def from_case(case: CaseFolder, name: str | None = None) -> Contents:
    """The contents of a report on a case folder; its scan is read again if it is where it was.

    After a review the labels are the corrected ones, as ``measures.json`` is that of these.
    """
    image, problem = _image_again(case)
    stamp = stamp_in(case.measures)
    return Contents(
        name=name or case.name,
        kind=case.kind,
        classes=case.classes,
        geometry=case.geometry,
        image=image,
        segmentation=case.segmentation if stamp is None else _corrected(case),
        stage2d=case.stage2d,
        dcm=case.dcm,
        component_ids=case.component_ids,
        heat_maps=heat_maps(case.maps, len(case.classes), case.kind),
        components=case.components,
        measures=case.measures,
        run=case.run,
        input_name="" if case.input_path is None else case.input_path.name,
        input_sha256=case.input_sha256,
        warnings=(*case.warnings, *problem),
        verdict=case.record.verdict,
        predicted_dice=case.record.predicted_dice,
        lacking=case.record.lacking,
        reviewed="" if stamp is None else stamp.as_text(),
    )


def _corrected(case: CaseFolder) -> np.ndarray:
    """The labels after the decisions in ``review.json``, in slice order."""
    record = read_record(case.folder)
    if record is None:
        return case.segmentation
    stored = case.storage.to_stored(case.segmentation)
    return case.storage.from_stored(labels_after(stored, record.events, case.folder))


def _image_again(case: CaseFolder) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """The scan in slice order, or None and one line that says why there is none."""
    if case.input_path is None:
        return None, ("the scan never was a file, so the pictures lack it",)
    try:
        volume = read_volume(case.input_path, series=case.record.series or None)
    except InputError as error:
        return None, (f"the scan could not be read again, so the pictures lack it ({error.problem})",)
    if volume.sha256 != case.input_sha256 or volume.geometry.size != case.geometry.size:
        return None, ("the scan was changed since it was segmented, so the pictures lack it",)
    return volume.array, ()
