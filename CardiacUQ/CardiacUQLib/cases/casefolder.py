"""The case folder: everything about one segmented volume, written whole or not at all, read lazily.

``case.json`` is written last and seals the other files: a folder that has it and all of them as they were
is complete. Reading needs no torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..base.cached import cached_property
from ..base.errors import InputError
from ..base.json_codec import Sha256
from ..base.json_file import decode_or_refuse, read_object
from ..bundles.manifest import BundleKind, ClassInfo
from ..bundles.map_catalogue import MapName
from ..images import image_file
from ..images.orientation import reorder_geometry
from ..images.reading import read_stored_map
from ..images.volume import Geometry, StorageOrder
from ..inference.result import Component, RunRecord
from ..uncertainty.bands import Band
from ..uncertainty.look import Look
from ..uncertainty.quality import PredictedDice
from ..uncertainty.verdict import Verdict
from .component_table import read_components
from .consistency import check_components, check_looks, check_record
from .maps_on_disk import MapsOnDisk
from .measures_schema import MEASURES_FILE, checked_measures
from .seal import SEAL, FileSeal, check_file, check_files, check_names, document_seal

FORMAT = "cardiacuq-case"
FORMAT_VERSION = 2
CASE_FILE = "case.json"
MODEL_MEASURES_FILE = "measures_model.json"
"""The networks' own measures, once a review has changed ``measures.json``."""
COMPONENTS_FILE = "components.csv"
SEGMENTATION = "segmentation"
STAGE_2D = "stage2d"
DCM = "dcm"
COMPONENT_IDS = "components"
PROPOSALS, PROBABILITIES_FILE = "proposals", "probabilities.nrrd"
"""Lesions that are not drawn but may be there, where there is one; class probabilities, on request."""
MAP_SUFFIX = ".nii.gz"
_SEGMENT_AGAIN = "segment the image again"
_LATER = ("report.html", MEASURES_FILE)
"""Files that are written anew later: the report is drawn from the rest, the measures follow a review."""


@dataclass(frozen=True)
class CaseRecord:
    """Content of ``case.json``; ``geometry`` and ``storage`` describe the input file's own grid.

    ``pass_volumes_ml[p][c]`` is the volume of class c in pass p of the ensemble. ``verdict`` and what follows
    it are those of :class:`Result`; a folder of an earlier version has none of them. ``created`` is the
    time of writing, ISO 8601 in UTC. ``files`` are all other files of the folder. Cases that were made and
    belong together, such as the phases of a cine, have the same ``study``.
    """

    name: str
    kind: BundleKind
    classes: tuple[ClassInfo, ...]
    input_path: str
    input_sha256: Sha256
    modality: str
    geometry: Geometry
    storage: StorageOrder
    run: RunRecord
    pass_volumes_ml: tuple[tuple[float, ...], ...]
    warnings: tuple[str, ...]
    maps: tuple[MapName, ...]
    files: Mapping[str, FileSeal]
    created: str
    series: str = ""
    study: str = ""
    verdict: Verdict | None = None
    predicted_dice: tuple[PredictedDice, ...] = ()
    presence: Mapping[str, float] = field(default_factory=dict)
    unlike: tuple[str, ...] = ()
    evidence: Mapping[str, float] = field(default_factory=dict)
    lacking: tuple[str, ...] = ()
    looks: tuple[Look, ...] = ()
    bands: tuple[Band, ...] = ()


@dataclass(frozen=True)
class CaseFolder:
    """A complete case folder. Arrays are (z, y, x) on ``geometry``, read when first asked for."""

    folder: Path
    record: CaseRecord
    components: tuple[Component, ...]
    measures: Mapping[str, Any]
    model_measures: Mapping[str, Any]
    """The networks' own measures; ``measures`` are those of the corrected labels after a review."""

    @property
    def name(self) -> str:
        """Name of the case."""
        return self.record.name

    @property
    def kind(self) -> BundleKind:
        """Method the case was segmented with."""
        return self.record.kind

    @property
    def classes(self) -> tuple[ClassInfo, ...]:
        """The labels of the case."""
        return self.record.classes

    @property
    def run(self) -> RunRecord:
        """How the result came about."""
        return self.record.run

    @property
    def input_path(self) -> Path | None:
        """The segmented image, absolute; None for an image that never was a file."""
        return Path(self.record.input_path) if self.record.input_path else None

    @property
    def input_sha256(self) -> str:
        """SHA-256 of the segmented image."""
        return self.record.input_sha256

    @property
    def source_geometry(self) -> Geometry:
        """Grid of the files."""
        return self.record.geometry

    @property
    def storage(self) -> StorageOrder:
        """The way from the order of the files to slice order."""
        return self.record.storage

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was odd about the image or the run, one line each."""
        return self.record.warnings

    @property
    def series(self) -> str:
        """UID of the DICOM series, "" if it was none."""
        return self.record.series

    @property
    def verdict(self) -> Verdict | None:
        """How far the result may be trusted; None where nothing was fitted for that."""
        return self.record.verdict

    @property
    def predicted_dice(self) -> tuple[PredictedDice, ...]:
        """The Dice to be expected, the mean first."""
        return self.record.predicted_dice

    @property
    def presence(self) -> Mapping[str, float]:
        """P(lesion) by name."""
        return self.record.presence

    @property
    def evidence(self) -> Mapping[str, float]:
        """What the passes know about the case as a whole; empty in folders of earlier versions."""
        return self.record.evidence

    @property
    def lacking(self) -> tuple[str, ...]:
        """What could not be said for want of a fit."""
        return self.record.lacking

    @cached_property
    def geometry(self) -> Geometry:
        """Grid of the arrays, in slice order."""
        return reorder_geometry(self.record.geometry, self.record.storage)

    @cached_property
    def pass_volumes_ml(self) -> np.ndarray:
        """Volume in ml of every class in every pass, float64 (passes, classes)."""
        return np.array(self.record.pass_volumes_ml, float).reshape(-1, len(self.classes))

    @cached_property
    def segmentation(self) -> np.ndarray:
        """Final labels, uint8."""
        return self.read(SEGMENTATION)

    @cached_property
    def opinion(self) -> np.ndarray | None:
        """Labels of the 2D stage or of the dissenting member, uint8; None where nobody was overruled."""
        return self.read(STAGE_2D) if STAGE_2D + MAP_SUFFIX in self.record.files else None

    @cached_property
    def dcm(self) -> np.ndarray:
        """Correction codes was * C + became, uint8, 0 for no correction."""
        return self.read(DCM)

    @cached_property
    def component_ids(self) -> np.ndarray:
        """Component ids, int32, 0 outside every component."""
        return self.read(COMPONENT_IDS).astype(np.int32)

    @property
    def looks(self) -> tuple[Look, ...]:
        """Places worth a look, best first."""
        return self.record.looks

    @cached_property
    def proposals(self) -> np.ndarray | None:
        """Proposed labels of lesions that are not drawn, uint8; None where nothing is proposed."""
        return self.read(PROPOSALS) if PROPOSALS + MAP_SUFFIX in self.record.files else None

    @cached_property
    def maps(self) -> Mapping[MapName, np.ndarray]:
        """All voxel-wise maps, float32."""
        return MapsOnDisk({name: name.value for name in self.record.maps}, replace(self).read)

    @property
    def bands(self) -> tuple[Band, ...]:
        """Inner and outer contours between which a reader's is expected."""
        return self.record.bands

    @cached_property
    def band_maps(self) -> Mapping[str, np.ndarray]:
        """Their maps by structure, uint8: 2 within the inner contour, 1 between both, 0 beyond."""
        return MapsOnDisk({band.structure: band.stem for band in self.bands}, replace(self).read)

    def read(self, stem: str) -> np.ndarray:
        """The map in file ``stem``.nii.gz, (z, y, x); raises InputError if the file is damaged."""
        return np.ascontiguousarray(self.storage.from_stored(self.read_stored(stem)))

    def read_stored(self, stem: str) -> np.ndarray:
        """The same, (k, j, i) as stored in the file."""
        return read_stored_map(self.folder / f"{stem}{MAP_SUFFIX}", self.source_geometry)


def read_case(folder: str | Path) -> CaseFolder:
    """Open a case folder; raises InputError, one line, unless it is whole, unchanged and consistent."""
    folder = Path(folder)
    if not (folder / CASE_FILE).is_file():
        raise InputError(
            folder, f"there is no {CASE_FILE}", "give a folder that cardiacuq segment has written"
        )
    record = _read_record(folder / CASE_FILE)
    check_files(folder, {file: seal for file, seal in record.files.items() if file not in _LATER})
    for stem in (SEGMENTATION, DCM, COMPONENT_IDS, *record.maps, *(band.stem for band in record.bands)):
        if f"{stem}{MAP_SUFFIX}" not in record.files:
            raise InputError(folder, f"{CASE_FILE} does not list {stem}{MAP_SUFFIX}", _SEGMENT_AGAIN)
    for path in (folder / file for file in record.files if file.endswith(MAP_SUFFIX)):
        if image_file.read_header(path).geometry.size != record.geometry.size:
            raise InputError(path, f"its size is not the one in {CASE_FILE}", _SEGMENT_AGAIN)
    components = read_components(folder / COMPONENTS_FILE)
    check_components(components, len(record.classes), folder / COMPONENTS_FILE)
    measures, own = _read_measures(folder, record)
    return CaseFolder(folder, record, components, measures, own)


def _read_measures(folder: Path, record: CaseRecord) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """``measures.json``, and the networks' own: the sealed one of both is theirs."""
    path, own = folder / MEASURES_FILE, folder / MODEL_MEASURES_FILE
    if MEASURES_FILE not in record.files:
        raise InputError(folder, f"{CASE_FILE} does not list {MEASURES_FILE}", _SEGMENT_AGAIN)
    check_file(own if own.exists() else path, record.files[MEASURES_FILE])
    measures = checked_measures(read_object(path, _SEGMENT_AGAIN), path)
    return measures, checked_measures(read_object(own, _SEGMENT_AGAIN), own) if own.exists() else measures


def _read_record(path: Path) -> CaseRecord:
    document = read_object(path, _SEGMENT_AGAIN)
    if document.get("format") != FORMAT:
        raise InputError(path, "this is not the record of a case", f'its "format" must be "{FORMAT}"')
    if (version := document.get("format_version")) != FORMAT_VERSION:
        remedy = f"this program reads version {FORMAT_VERSION}; update it or {_SEGMENT_AGAIN}"
        raise InputError(path, f"case format version {version!r} is unknown", remedy)
    content = {key: value for key, value in document.items() if key not in ("format", "format_version", SEAL)}
    record: CaseRecord = decode_or_refuse(content, CaseRecord, "case", path, _SEGMENT_AGAIN)
    check_record(path, record.classes, record.geometry, record.storage, record.pass_volumes_ml)
    check_looks(path, record.looks, record.classes, record.geometry, record.storage)
    check_names(record.files, path)
    if document.get(SEAL) != document_seal(document):
        raise InputError(path, "it was changed after the case was finished (seal)", _SEGMENT_AGAIN)
    return record
