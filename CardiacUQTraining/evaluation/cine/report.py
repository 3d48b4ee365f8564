"""Everything a cine evaluation leaves in its folder: page, tables, figures, and JSON to compare runs with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from CardiacUQLib.base.json_codec import write_json

from ..assessment.figures import AssessmentFigures, assessment_headline, assessment_section
from ..shared.agreement import SizeRecord
from ..shared.cases import CaseFigures
from ..shared.csv_file import write_csv
from ..shared.exchanged import exchange_hints
from ..shared.judged import Judged
from ..shared.markdown import Heading, as_plain, figures_section, page
from ..shared.source import FIGURES, PAGE, Source
from . import figures as pictures
from .calibrate import CineCalibration
from .cost import bundle_cost
from .frames import ENSEMBLE
from .summary import (
    ALL,
    FrameKey,
    choices,
    frame_keys,
    map_summary,
    members,
    patients,
    size_agreements,
    strata,
    stratum_summary,
    values_of,
    weight_sweep,
)
from .tables import (
    choices_section,
    coverage_section,
    dice_section,
    maps_section,
    members_section,
    reliability_section,
    sizes_section,
    sweep_section,
)
from .variants import epochs, variant_name

PROTOCOL = "cardiacuq-cine-evaluation"


def write_cine_report(
    judged: Judged,
    source: Source,
    out: Path,
    threshold: float,
    *,
    calibration: CineCalibration | None = None,
    assessment: AssessmentFigures | None = None,
    left_out: int = 0,
) -> Path:
    """Write ``evaluation.md``, ``evaluation.json``, ``frames.csv``, ``patients.csv`` and the figures.

    ``left_out`` frames belong to folds that are not there. Returns the page, which is written even if
    every frame failed: it then lists why.
    """
    out.mkdir(parents=True, exist_ok=True)
    sections: list[str] = []
    content: dict[str, Any] = {
        "format": PROTOCOL,
        "command": source.command,
        "model": source.bundle.manifest.name,
        "model_sha256": source.bundle.sha256,
        "title": source.bundle.manifest.title,
        "variant": variant_name(source.bundle.manifest),
        "epochs": epochs(source.bundle.manifest),
        "dataset": source.dataset.name,
        "cross_validated": source.cross_validated,
        "threshold": threshold,
        "failures": dict(judged.failures),
    }
    if judged.figures:
        sections, findings = _analyse(judged, source, out, threshold, calibration)
        content |= findings
        if assessment is not None:
            sections.append(assessment_section(assessment))
            content["assessment"] = as_plain(assessment)
            content["assessment_headline"] = assessment_headline(assessment)
    write_json(content, out / FIGURES)
    target = out / PAGE
    target.write_text(page(_heading(judged, source, left_out), sections), "utf-8")
    return target


def _analyse(
    judged: Judged, source: Source, out: Path, threshold: float, calibration: CineCalibration | None
) -> tuple[list[str], dict[str, Any]]:
    figures, manifest = judged.figures, source.bundle.manifest
    keys = frame_keys(source.dataset, figures)
    parts = {name: stratum_summary(figures, part, threshold) for name, part in strata(keys).items()}
    costs, alone = bundle_cost(manifest), members(figures, keys, threshold)
    sweep = weight_sweep(figures, keys, threshold)
    records = patients(figures, keys, manifest.classes)
    sizes, maps = size_agreements(records), map_summary(figures)
    points = [
        pictures.CostPoint(
            one.name, one.dice.mean, one.ec.mean, costs[one.name].parameters, costs[one.name].flops
        )
        for one in alone
    ]
    steps, whole = choices(figures, keys, threshold), parts[ALL]
    reliability = calibration.reliability if calibration else {}
    coverage = calibration.coverage if calibration else {}
    ours = (whole["mean_dice"].mean, whole["ec"].mean)
    paths = pictures.save(
        {
            "cost": pictures.cost_figure(points),
            "end_slices": pictures.threshold_figure(
                {one.name: values_of(figures, keys, "end_dice", one.name) for one in alone}, threshold
            ),
            "sweep": pictures.sweep_figure(sweep, ours) if sweep else None,
            "bland_altman": pictures.sizes_figure(records),
            "reliability": pictures.reliability_figure(reliability),
        },
        out / "figures",
    )
    _write_tables(figures, keys, records, out)
    sections = [
        dice_section(source.dataset.name, manifest.classes, parts, threshold),
        members_section(alone, costs),
        sweep_section(sweep),
        choices_section(steps),
        sizes_section(sizes),
        coverage_section(coverage),
        maps_section(maps),
        reliability_section(reliability),
        figures_section([path.relative_to(out) for path in paths]),
    ]
    content = {
        "segmentation": as_plain(parts),
        "members": as_plain(alone),
        "cost": as_plain(costs),
        "sweep": [{"weight": w, "mean_dice": dice, "ec": ec} for w, dice, ec in sweep],
        "sizes": as_plain(sizes),
        "choices": as_plain(steps),
        "coverage": as_plain(coverage),
        "pooled_ece": {region: one.ece for region, one in reliability.items()},
        "uncertainty": as_plain(maps),
        "frames": {
            key.case: {
                "patient": key.patient,
                "phase": key.phase,
                "group": key.group,
                "folds": list(figures[key.case].folds),
                **figures[key.case].segmentation[ENSEMBLE],
            }
            for key in keys
        },
        "patients": {
            record.case: {"reference": dict(record.reference), "predicted": dict(record.predicted)}
            for record in records
        },
    }
    return sections, content


def _write_tables(
    figures: Mapping[str, CaseFigures], keys: Sequence[FrameKey], records: Sequence[SizeRecord], out: Path
) -> None:
    lines: list[dict[str, Any]] = []
    for key in keys:
        one = figures[key.case]
        start = {"case": key.case, "patient": key.patient, "phase": key.phase, "group": key.group}
        start["folds"] = " ".join(map(str, one.folds))
        lines += [start | {"part": part} | dict(scores) for part, scores in one.segmentation.items()]
    write_csv(lines, out / "frames.csv", "patient")
    write_csv(
        [
            {"patient": record.case}
            | {f"{key}_reader": value for key, value in record.reference.items()}
            | {f"{key}_model": value for key, value in record.predicted.items()}
            for record in records
        ],
        out / "patients.csv",
        "patient",
    )


def _heading(judged: Judged, source: Source, left_out: int) -> Heading:
    manifest = source.bundle.manifest
    folds = sorted({fold for one in judged.figures.values() for fold in one.folds})
    notes = []
    if source.cross_validated:
        notes.append(
            "Cross-validated by patient: every frame is predicted only by the folds that saw neither of its "
            "patient's frames in training, mostly one."
        )
    if left_out:
        notes.append(f"{left_out} frames are left out: the folds that held them out are not in this bundle.")
    if judged.trained_on:
        notes.append(
            f"**{len(judged.trained_on)} of {len(judged.figures)} frames were training data of the folds "
            "that predicted them: these figures are optimistic; use --cross-validated.**"
        )
    notes += [f"**{hint}.**" for hint in exchange_hints(judged, manifest.classes)]
    return Heading(
        f"{manifest.name} on {source.dataset.name}",
        source.command,
        f"{manifest.name} {manifest.version} ({manifest.title}; combination {manifest.combination}), "
        f"folds {', '.join(map(str, folds))}, SHA-256 {source.bundle.sha256[:12]}",
        f"{source.dataset.name}, {len(judged.figures)} frames judged, {len(judged.failures)} not",
        tuple(notes),
        tuple(judged.failures.values()),
    )
