"""The material of a data set, and bundles whose fits have not seen the cases that they are to judge."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from CardiacUQLib.base.json_codec import JsonMismatch, decode, to_plain, write_json
from CardiacUQLib.base.progress import CancelToken, ProgressCallback, ignore_progress
from CardiacUQLib.bundles.classes import LESIONS
from CardiacUQLib.bundles.manifest import ClassInfo
from CardiacUQLib.bundles.resident import ResidentBundle
from CardiacUQLib.images.volume import Geometry
from CardiacUQLib.inference.found import Findings
from CardiacUQLib.uncertainty.assessment import FITS

from ...datasets import LabelledCase
from ..shared.cases import CaseStore
from ..shared.contours import contours_of
from ..shared.judged import check_labels, each_case, file_state
from ..shared.material import CaseMaterial, choices_of, lesions_of
from ..shared.predict import Computer, PassOptions, permitted_folds, predict
from .fit import Fits, fit_all
from .groups import groups_of

FEWEST_CASES = 20
"""With fewer nothing is fitted: what could be said of a case would be a guess."""


def material_of(
    case: LabelledCase, found: Findings, truth: np.ndarray, classes: Sequence[ClassInfo], geometry: Geometry
) -> CaseMaterial:
    """What the fits need of one predicted case; ``truth`` (z, y, x) on the ``geometry`` of the volume."""
    x_mm, y_mm = geometry.spacing[:2]
    final = found.region.roi.restore(found.region.final)
    both = found.region.roi.restore(found.region.both)
    voxels = np.bincount(truth.ravel(), minlength=len(classes))
    volumes = {
        lesion: float(sum(voxels[info.value] for info in classes if info.name in LESIONS[lesion]))
        * geometry.voxel_volume_ml
        for lesion in lesions_of(classes)
    }
    return CaseMaterial(
        case.id,
        "",
        dict(found.evidence),
        {lesion: volume > 0 for lesion, volume in volumes.items()},
        volumes,
        choices_of(final, truth, voxels, classes),
        contours_of(both, found.segmentation, truth, classes, (y_mm, x_mm)),
    )


@dataclasses.dataclass(frozen=True)
class MaterialStore:
    """``OUT/material/<id>.json``: what was gathered of each case under one key."""

    folder: Path
    key: str

    def get(self, case: str, state: str, make: Callable[[], CaseMaterial]) -> CaseMaterial:
        """The material of a case, made once; ``state`` names its files as they are."""
        path = self.folder / f"{case}.json"
        try:
            stored = json.loads(path.read_text("utf-8"))
            if (stored["key"], stored["state"]) == (self.key, state):
                return decode(stored["material"], CaseMaterial, case)
        except (OSError, ValueError, KeyError, TypeError, JsonMismatch):
            pass
        found = make()
        self.folder.mkdir(parents=True, exist_ok=True)
        write_json({"key": self.key, "state": state, "material": to_plain(found)}, path)
        return found


def unfitted(bundle: ResidentBundle) -> ResidentBundle:
    """The bundle without anything that was fitted on whole cases, sharing its networks."""
    calibration = {name: fit for name, fit in bundle.manifest.calibration.items() if name not in FITS}
    manifest = dataclasses.replace(bundle.manifest, calibration=calibration, smallest_lesion_ml={})
    return dataclasses.replace(bundle, manifest=manifest)


def with_fits(bundle: ResidentBundle, fits: Fits) -> ResidentBundle:
    """The bundle with these fits in place of its own, sharing its networks."""
    bare = unfitted(bundle)
    calibration = {**bare.manifest.calibration, **as_calibration(fits)}
    return dataclasses.replace(bare, manifest=dataclasses.replace(bare.manifest, calibration=calibration))


def as_calibration(fits: Fits) -> dict[str, object]:
    """Entries of ``manifest.calibration``."""
    by_name = {
        "presence": fits.presence,
        "predicted_dice": fits.dice,
        "verdict": fits.verdict,
        "likeness": fits.likeness,
        "contour_bands": fits.bands,
    }
    return {name: to_plain(fit) for name, fit in by_name.items() if fit is not None}


def judges(bundle: ResidentBundle, material: Sequence[CaseMaterial]) -> Mapping[str, ResidentBundle]:
    """By case a bundle whose fits saw neither it nor any case of its networks; empty for too few cases."""
    if len(material) < FEWEST_CASES:
        return {}
    found: dict[str, ResidentBundle] = {}
    for part in groups_of(material):
        away = {one.case for one in part}
        fits = fit_all([one for one in material if one.case not in away])
        found |= dict.fromkeys(away, with_fits(bundle, fits))
    return found


def fits_key(bundle: ResidentBundle) -> str:
    """A short hash of the fits of a bundle, for the figures that depend on them."""
    fits = {name: bundle.manifest.calibration.get(name) for name in FITS}
    return hashlib.sha256(json.dumps(fits, sort_keys=True).encode()).hexdigest()[:12]


def gather(
    networks: ResidentBundle,
    cases: Sequence[LabelledCase],
    store: CaseStore,
    options: PassOptions,
    computer: Computer,
    progress: ProgressCallback = ignore_progress,
    cancel: CancelToken | None = None,
) -> tuple[CaseMaterial, ...]:
    """What the fits of whole cases are made of, from predictions by folds that saw none of them; nothing
    without cross-validation. A case that cannot be predicted is left out here, and named when it is judged.
    """
    if not options.cross_validated:
        return ()
    bare, kept = unfitted(networks), MaterialStore(store.folder.parent / "material", store.key)
    lean = dataclasses.replace(options, dropout_samples=0)
    parts = _parts(cases)
    listed = {case for own in networks.manifest.held_out.values() for case in own}

    def one(case: LabelledCase) -> CaseMaterial:
        folds = permitted_folds(networks.manifest, case.id, lean)
        state = f"{file_state(case)};{folds}"
        found = kept.get(case.id, state, lambda: _predicted(case, bare, folds, lean, computer, cancel))
        group = ",".join(map(str, folds))
        return dataclasses.replace(found, group=group if case.id in listed else f"{group} {parts[case.id]}")

    return tuple(each_case(cases, one, progress)[0].values())


def _parts(cases: Sequence[LabelledCase], count: int = 5) -> dict[str, int]:
    """Cases that share all networks are dealt into parts, those of one patient into the same."""
    order = {name: n for n, name in enumerate(dict.fromkeys(case.patient or case.id for case in cases))}
    return {case.id: order[case.patient or case.id] % count for case in cases}


def _predicted(
    case: LabelledCase,
    bare: ResidentBundle,
    folds: tuple[int, ...],
    options: PassOptions,
    computer: Computer,
    cancel: CancelToken | None,
) -> CaseMaterial:
    volume, labels = case.load()
    classes = bare.manifest.classes
    check_labels(case, labels, volume.array.shape, len(classes))
    found = predict(volume, bare, folds, options, computer, cancel)
    return material_of(case, found, labels, classes, volume.geometry)
