"""From frames to the data set: by phase and pathology, members against ensemble, weights, patients."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from CardiacUQLib.bundles.manifest import ClassInfo

from ...datasets import LabelledDataset
from ..shared.agreement import Agreement, ClassVolumes, SizeRecord, agreements, pair_record
from ..shared.cases import CaseFigures
from ..shared.scores import UNION
from ..shared.statistics import Summary, holm, paired_wilcoxon, summarise
from .end_slices import end_coefficient, good_ends
from .frames import CHOICES, ENSEMBLE, SWEEP, SWEEP_WEIGHTS, VOLUMES

ALL = "all frames"
MAP_FIGURES = ("auroc", "spearman", "pearson", "aurc", "ause", "ece")


@dataclass(frozen=True)
class FrameKey:
    """Whose frame it is: ``patient`` and ``phase`` (ED, ES) of a case, and the patient's pathology."""

    case: str
    patient: str
    phase: str
    group: str


@dataclass(frozen=True)
class Member:
    """A member (or the ensemble) alone: Dice and EC (0 to 1), and p against the ensemble over patients."""

    name: str
    dice: Summary
    ec: Summary
    p_dice: float
    p_end_dice: float


@dataclass(frozen=True)
class SizeAgreement:
    """One size against the reader's, with Pearson's r beside the figures of :class:`Agreement`."""

    found: Agreement
    pearson: float


def frame_keys(dataset: LabelledDataset, figures: Mapping[str, CaseFigures]) -> tuple[FrameKey, ...]:
    """The judged frames in the order of the data set."""
    return tuple(
        FrameKey(case.id, case.patient or case.id, case.phase, case.group)
        for case in dataset
        if case.id in figures
    )


def strata(keys: Sequence[FrameKey]) -> dict[str, list[FrameKey]]:
    """All frames, then those of each phase, then those of each pathology where there are several."""
    found: dict[str, list[FrameKey]] = {ALL: list(keys)}
    groups = sorted({key.group for key in keys})
    for attribute, names in (("phase", ("ED", "ES")), ("group", groups if len(groups) > 1 else ())):
        for name in names:
            part = [key for key in keys if getattr(key, attribute) == name]
            if part:
                found[name] = part
    return found


def values_of(
    figures: Mapping[str, CaseFigures], keys: Iterable[FrameKey], figure: str, part: str = ENSEMBLE
) -> np.ndarray:
    """One figure of the ensemble or a member over frames; NaN where a frame has none."""
    return np.array([figures[key.case].segmentation[part].get(figure, np.nan) for key in keys], float)


def stratum_summary(
    figures: Mapping[str, CaseFigures], keys: Sequence[FrameKey], threshold: float
) -> dict[str, Summary]:
    """Every figure of the ensemble over frames, and EC ("ec", "ec_together") as a mean of 0 and 1."""
    names = list(figures[keys[0].case].segmentation[ENSEMBLE])
    found = {name: summarise(values_of(figures, keys, name)) for name in names}
    for name, ends in (("ec", "end_dice"), ("ec_together", "end_dice_together")):
        found[name] = summarise(good_ends(values_of(figures, keys, ends), threshold))
    return found


def by_patient(keys: Sequence[FrameKey], values: np.ndarray) -> dict[str, float]:
    """Mean over the frames of each patient, so that paired tests count patients, not frames."""
    found: dict[str, list[float]] = {}
    for key, value in zip(keys, values, strict=True):
        found.setdefault(key.patient, []).append(float(value))
    return {
        patient: float(np.mean(known)) if (known := [v for v in several if np.isfinite(v)]) else float("nan")
        for patient, several in found.items()
    }


def members(figures: Mapping[str, CaseFigures], keys: Sequence[FrameKey], threshold: float) -> list[Member]:
    """The ensemble and each of its members alone; p Holm-corrected over the members."""
    parts = [part for part in figures[keys[0].case].segmentation if part not in CHOICES]
    return compared_parts(figures, keys, threshold, parts)


def choices(figures: Mapping[str, CaseFigures], keys: Sequence[FrameKey], threshold: float) -> list[Member]:
    """The ensemble, and the ensemble without each of its steps that need no training."""
    return compared_parts(figures, keys, threshold, [ENSEMBLE, *CHOICES])


def compared_parts(
    figures: Mapping[str, CaseFigures], keys: Sequence[FrameKey], threshold: float, parts: Sequence[str]
) -> list[Member]:
    """The ensemble and other parts of the figures, each tested against it; p Holm-corrected."""
    p: dict[str, dict[str, float]] = {}
    for figure in ("mean_dice", "end_dice"):
        ours = by_patient(keys, values_of(figures, keys, figure))
        p[figure] = holm(
            {
                part: paired_wilcoxon(
                    list(ours.values()),
                    list(by_patient(keys, values_of(figures, keys, figure, part)).values()),
                )
                for part in parts
                if part != ENSEMBLE
            }
        )
    nothing = float("nan")
    return [
        Member(
            part,
            summarise(values_of(figures, keys, "mean_dice", part)),
            summarise(good_ends(values_of(figures, keys, "end_dice", part), threshold)),
            p["mean_dice"].get(part, nothing),
            p["end_dice"].get(part, nothing),
        )
        for part in parts
    ]


def weight_sweep(
    figures: Mapping[str, CaseFigures], keys: Sequence[FrameKey], threshold: float
) -> list[tuple[float, float, float]]:
    """(weight of member 0, mean Dice, EC) for fixed weights of two members; empty for other numbers."""
    if any(SWEEP not in figures[key.case].rows for key in keys):
        return []
    found = []
    for weight in SWEEP_WEIGHTS:
        scores = [figures[key.case].rows[SWEEP][f"{weight:.1f}"] for key in keys]
        ec = end_coefficient([one["end_dice"] for one in scores], threshold)
        found.append((weight, float(np.mean([one["mean_dice"] for one in scores])), ec))
    return found


def patients(
    figures: Mapping[str, CaseFigures], keys: Sequence[FrameKey], classes: Sequence[ClassInfo]
) -> list[SizeRecord]:
    """Volumes, mass and EF of every patient of whom both phases were judged by equally many passes."""
    frames: dict[str, dict[str, ClassVolumes]] = {}
    for key in keys:
        kept = figures[key.case].rows[VOLUMES]
        numbers = (np.array(kept[name], float) for name in ("reference_ml", "predicted_ml", "pass_ml"))
        frames.setdefault(key.patient, {})[key.phase] = ClassVolumes(key.case, *numbers)
    return [
        pair_record(patient, phases["ED"], phases["ES"], classes)
        for patient, phases in frames.items()
        if phases.keys() >= {"ED", "ES"} and len(phases["ED"].pass_ml) == len(phases["ES"].pass_ml)
    ]


def size_agreements(records: Sequence[SizeRecord]) -> dict[str, SizeAgreement]:
    """Agreement of every size with the reader's, with Pearson's r (NaN for fewer than two patients)."""
    found = {}
    for key, one in agreements(records).items():
        x, y = (
            np.array([getattr(r, which)[key] for r in records], float) for which in ("reference", "predicted")
        )
        known = np.isfinite(x) & np.isfinite(y)
        varied = known.sum() > 1 and np.ptp(x[known]) > 0 and np.ptp(y[known]) > 0
        found[key] = SizeAgreement(
            one, float(np.corrcoef(x[known], y[known])[0, 1]) if varied else float("nan")
        )
    return found


def map_summary(figures: Mapping[str, CaseFigures]) -> dict[str, dict[str, Summary]]:
    """How well each uncertainty map finds wrong voxels on the union of predicted and true foreground."""
    names = dict.fromkeys(name for one in figures.values() for name, row in one.rows.items() if UNION in row)
    found: dict[str, dict[str, Summary]] = {}
    for name in names:
        records: list[Mapping[str, Any]] = [one.rows[name][UNION] for one in figures.values()]
        found[name] = {
            figure: summarise([record.get(figure, np.nan) for record in records])
            for figure in MAP_FIGURES
            if any(figure in record for record in records)
        }
    return found
