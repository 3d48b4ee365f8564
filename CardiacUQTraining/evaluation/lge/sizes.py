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

from ..shared.agreement import Agreement, ClassVolumes, SizeRecord, agreements, scan_record
from ..shared.cases import CaseFigures
from ..shared.fit_intervals import Coverage, cross_validated_coverage, fit_intervals
from ..shared.judged import Judged

KEY = "intervals"
SHOWN_SIZES = ("infarct_mass_g", "infarct_share_of_lv_percent", "mvo_volume_ml", "lv_mass_g")


@dataclasses.dataclass(frozen=True)
class SizeFigures:
    """What the page tells about sizes; ``fitted`` is None for predictions that were not out of fold."""

    records: tuple[SizeRecord, ...]
    agreement: Mapping[str, Agreement]
    coverage: Mapping[str, Coverage]
    fitted: Mapping[str, Any] | None


def size_figures(judged: Judged, manifest: Manifest, *, fit: bool) -> SizeFigures | None:
    """Agreement of all sizes, and with ``fit`` their intervals with nested coverage; None if no class can
    be measured or no case was judged."""
    if not judged.figures or not measurable(manifest.classes):
        return None
    records = tuple(size_record(one, manifest) for one in judged.figures.values() if len(one.pass_volumes_ml))
    if not records:
        return None
    passes_per_fold = len(manifest.views)
    coverage = cross_validated_coverage(records, passes_per_fold) if fit else {}
    fitted = fit_intervals(records, passes_per_fold) if fit else None
    return SizeFigures(records, agreements(records), coverage, fitted)


def size_record(figures: CaseFigures, manifest: Manifest) -> SizeRecord:
    """Sizes of one case by the reader, by the prediction as it is given to a user, and by every pass."""
    reference, predicted, passes = (
        np.asarray(ml, float) for ml in (figures.reference_ml, figures.predicted_ml, figures.pass_volumes_ml)
    )
    return scan_record(ClassVolumes(figures.case, reference, predicted, passes), manifest.classes)


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


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "| --- " + "| ---: " * (len(head) - 1) + "|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])
