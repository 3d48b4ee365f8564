"""Sizes of judged cases: agreement with the reader, intervals fitted out of fold, and how they are told."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from CardiacUQLib.bundles.bundle import Bundle, write_manifest
from CardiacUQLib.bundles.manifest import Manifest
from CardiacUQLib.measures.anatomy import measurable
from CardiacUQLib.measures.display import SIZE_NAMES
from CardiacUQLib.measures.size_catalogue import unit_of
from CardiacUQLib.uncertainty.evidence import doubt_of_lesions

from ..assessment.looking import CaseLooks
from ..shared.agreement import Agreement, ClassVolumes, SizeRecord, agreements, scan_record
from ..shared.cases import CaseFigures
from ..shared.fit_intervals import Coverage, Form, cross_validated_coverage, fit_intervals
from ..shared.judged import Judged
from ..shared.statistics import paired_wilcoxon
from .reviewed import DIVISIONS, ReviewedSizes, reviewed_record, reviewed_sizes

KEY = "intervals"
SHOWN_SIZES = ("infarct_mass_g", "infarct_share_of_lv_percent", "mvo_volume_ml", "lv_mass_g")


@dataclasses.dataclass(frozen=True)
class SizeFigures:
    """What the page tells about sizes; ``fitted`` is None for predictions that were not out of fold."""

    records: tuple[SizeRecord, ...]
    agreement: Mapping[str, Agreement]
    coverage: Mapping[str, Coverage]
    fitted: Mapping[str, Any] | None
    before: Mapping[str, Coverage] = dataclasses.field(default_factory=dict)
    """Coverage of the one form that was fitted before forms competed."""
    reviewed: ReviewedSizes | None = None


def size_figures(
    judged: Judged, manifest: Manifest, looks: Mapping[str, CaseLooks], *, fit: bool
) -> SizeFigures | None:
    """Agreement of all sizes, and with ``fit`` their intervals with nested coverage, those of reviewed cases
    where there are places to look at; None if no class can be measured or no case was judged."""
    if not judged.figures or not measurable(manifest.classes):
        return None
    records = tuple(size_record(one, manifest) for one in judged.figures.values() if len(one.pass_volumes_ml))
    if not records:
        return None
    passes_per_fold = len(manifest.views)
    if not fit:
        return SizeFigures(records, agreements(records), {}, None)
    reviewed = [
        reviewed_record(judged.figures[case], judged.store.arrays(case), one, manifest.classes)
        for case, one in looks.items()
    ]
    return SizeFigures(
        records,
        agreements(records),
        cross_validated_coverage(records, passes_per_fold),
        fit_intervals(records, passes_per_fold),
        cross_validated_coverage(records, passes_per_fold, (Form.SPREAD,)),
        reviewed_sizes(reviewed),
    )


def size_record(figures: CaseFigures, manifest: Manifest) -> SizeRecord:
    """Sizes of one case by the reader, by the prediction as it is given to a user, and by every pass."""
    reference, predicted, passes = (
        np.asarray(ml, float) for ml in (figures.reference_ml, figures.predicted_ml, figures.pass_volumes_ml)
    )
    doubt = doubt_of_lesions(figures.evidence)
    return scan_record(ClassVolumes(figures.case, reference, predicted, passes), manifest.classes, doubt)


def store_intervals(bundle: Bundle, figures: SizeFigures, dataset: str) -> None:
    """Write the fitted intervals and how well they covered into the bundle's manifest."""
    entry = {
        **(figures.fitted or {}),
        "fitted_on": {
            "dataset": dataset,
            "cases": len(figures.records),
            "predictions": "out of fold",
            "coverage": {key: round(one.coverage, 4) for key, one in figures.coverage.items()},
        },
    }
    calibration = {**bundle.manifest.calibration, KEY: entry}
    write_manifest(dataclasses.replace(bundle.manifest, calibration=calibration), bundle.folder)


def sizes_section(figures: SizeFigures) -> str:
    """Markdown: agreement with the reader, and coverage where intervals were fitted."""
    lines = [
        "### Sizes against the reader",
        "Model minus reader; limits of agreement are bias ± 1.96 SD, CCC is Lin's concordance correlation.",
        _table(
            ("size", "n", "bias", "limits of agreement", "CCC", "mean absolute error"),
            [_agreement_row(key, one) for key, one in figures.agreement.items()],
        ),
    ]
    if figures.coverage:
        lines += [
            "90 % intervals, every tenth of the cases judged by a fit on the others (CRPS in the unit of the "
            "size: calibrated distribution, raw passes, value alone; lower is better).",
            _table(
                ("size", "n", "coverage", "below", "above", "mean width", "CRPS", "passes", "value"),
                [_coverage_row(key, one) for key, one in figures.coverage.items()],
            ),
            "The form of the width is chosen inside each fit; fitted on all cases it is "
            + "; ".join(f"{SIZE_NAMES[key]}: {one['form']}" for key, one in (figures.fitted or {}).items())
            + ". Against the one form of earlier bundles, linear in size and spread of the passes, on "
            "the same cases (score: width and, twenty times over, how far the reader's size lies outside; "
            "paired Wilcoxon tests):",
            _table(
                (
                    "size",
                    "coverage before",
                    "width before",
                    "width now",
                    "p",
                    "score before",
                    "score now",
                    "p",
                ),
                [_before_row(key, figures) for key in figures.coverage if key in figures.before],
            ),
        ]
    if figures.reviewed is not None:
        lines += [
            f"Intervals of reviewed cases: {figures.reviewed.cases} cases in which every listed place was "
            "corrected to the reader's labels and nothing else, judged in the same way; means over "
            f"{DIVISIONS} ways to deal the cases into tenths. The last column is the mean width before the "
            "review.",
            _table(
                ("size", "n", "coverage", "mean width", "mean absolute error", "unreviewed"),
                [_reviewed_row(key, one, figures) for key, one in figures.reviewed.coverage.items()],
            ),
        ]
    return "\n\n".join(lines)


def _agreement_row(key: str, one: Agreement) -> Sequence[str]:
    unit = unit_of(key)
    return (
        f"{SIZE_NAMES[key]} ({unit})",
        str(one.count),
        f"{one.bias:+.1f}",
        f"{one.low:.1f} to {one.high:.1f}",
        f"{one.concordance:.2f}",
        f"{one.mean_absolute_error:.1f}",
    )


def _coverage_row(key: str, one: Coverage) -> Sequence[str]:
    shares = (f"{100 * share:.0f} %" for share in (one.coverage, one.below, one.above))
    scores = (f"{value:.2f}" for value in (one.mean_width, one.crps, one.crps_passes, one.crps_point))
    return (f"{SIZE_NAMES[key]} ({unit_of(key)})", str(one.cases), *shares, *scores)


def _before_row(key: str, figures: SizeFigures) -> Sequence[str]:
    now, before = figures.coverage[key], figures.before[key]
    numbers = [f"{100 * before.coverage:.0f} %"]
    for name in ("widths", "scores"):
        values = np.array(getattr(before, name)), np.array(getattr(now, name))
        numbers += [*(f"{one.mean():.2f}" for one in values), f"{paired_wilcoxon(*values):.2g}"]
    return (f"{SIZE_NAMES[key]} ({unit_of(key)})", *numbers)


def _reviewed_row(key: str, one: Coverage, figures: SizeFigures) -> Sequence[str]:
    unreviewed = figures.coverage.get(key)
    return (
        f"{SIZE_NAMES[key]} ({unit_of(key)})",
        str(one.cases),
        f"{100 * one.coverage:.0f} %",
        f"{one.mean_width:.2f}",
        f"{one.crps_point:.2f}",
        "" if unreviewed is None else f"{unreviewed.mean_width:.2f}",
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "| --- " + "| ---: " * (len(head) - 1) + "|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])
