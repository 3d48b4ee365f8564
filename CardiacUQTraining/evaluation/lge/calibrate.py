"""The calibrated error probability of a judged data set: nested cross-validation, final fit, storing.

Figures of the table come from models that saw neither the patient nor the networks that predicted it;
the model that is stored is then fitted on all patients.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from CardiacUQLib.base.progress import ProgressCallback, ignore_progress
from CardiacUQLib.bundles.bundle import Bundle, write_manifest
from CardiacUQLib.inference.calibration import KEY, ErrorProbability

from ..shared.cases import CaseFigures
from ..shared.judged import Judged
from ..shared.methods import ROWS, Method, Row, Stage
from ..shared.out_of_fold import fit_out_of_fold
from ..shared.scores import CROP, PREDICTED, UNION, map_record
from ..shared.statistics import paired_wilcoxon
from .summary import pooled_reliability, row_values

ROW = Row(Stage.CASCADE, Method.ERROR_PROBABILITY)
TARGET_ECE, TARGET_AUROC, TARGET_PEARSON = 0.05, 0.90, 0.55


@dataclass(frozen=True)
class Calibrated:
    """Figures with the row of P(wrong) added, P(wrong) of every case, and the model fitted on all."""

    judged: Judged
    maps: Mapping[str, np.ndarray]
    model: ErrorProbability


def calibrate(
    judged: Judged, classes: int, progress: ProgressCallback = ignore_progress
) -> Calibrated | None:
    """:func:`fit_out_of_fold` of a cascade, with the row of P(wrong) added to the figures."""
    fitted = fit_out_of_fold(judged, classes, progress)
    return fitted and Calibrated(with_row(judged, fitted.maps), fitted.maps, fitted.model)


def with_row(judged: Judged, maps: Mapping[str, np.ndarray]) -> Judged:
    """The figures with those of P(wrong) as one more row."""
    figures: dict[str, CaseFigures] = {}
    for case, one in judged.figures.items():
        arrays = judged.store.arrays(case)
        record = map_record(maps[case], arrays.segmentation, arrays.truth, arrays.brier, is_probability=True)
        record["mean_dice"] = one.segmentation[Stage.CASCADE.value]["mean_dice"]
        figures[case] = dataclasses.replace(one, rows={**one.rows, ROW.key: record})
    return dataclasses.replace(judged, figures=figures)


@dataclass(frozen=True)
class FitVerdict:
    """Whether P(wrong) wins: above every single map in AUROC and Pearson on the union region (mean over
    patients), each with the p of the paired test against the best single map, and the targets."""

    auroc: float
    best_auroc: float
    best_auroc_row: str
    auroc_p: float
    pearson: float
    best_pearson: float
    best_pearson_row: str
    pearson_p: float
    pooled_ece: float
    pooled_ece_crop: float
    pooled_ece_predicted: float

    @property
    def wins(self) -> bool:
        """True if it beats every single map in both figures: then it is the default heat map."""
        return self.auroc > self.best_auroc and self.pearson > self.best_pearson

    def lines(self) -> list[str]:
        """Each target with its figure, for the page."""
        return [
            f"AUROC {self.auroc:.3f}, {_against(self.auroc, TARGET_AUROC)}; best single map "
            f"{self.best_auroc:.3f} ({self.best_auroc_row}), p = {self.auroc_p:.2g}",
            f"Pearson {self.pearson:.3f}, {_against(self.pearson, TARGET_PEARSON)}; best single map "
            f"{self.best_pearson:.3f} ({self.best_pearson_row}), p = {self.pearson_p:.2g}",
            f"pooled ECE {self.pooled_ece:.3f}, target at most {TARGET_ECE:.2f}"
            + ("" if self.pooled_ece <= TARGET_ECE else f", missed by {self.pooled_ece - TARGET_ECE:.3f}"),
            f"pooled ECE of the full crop {self.pooled_ece_crop:.3f}, of the predicted foreground "
            f"{self.pooled_ece_predicted:.3f}",
            "It is the default heat map."
            if self.wins
            else "It does not win: SCS stays the default heat map.",
        ]


def verdict(figures: Mapping[str, CaseFigures]) -> FitVerdict:
    """Compare the row of P(wrong) with the maps of the cascade and the 2D stage, case by case."""
    found: list[Any] = []
    for figure in ("auroc", "pearson"):
        ours = row_values(figures, ROW, UNION, figure)
        others = {row: row_values(figures, row, UNION, figure) for row in ROWS if row != ROW}
        others = {row: values for row, values in others.items() if np.isfinite(values).any()}
        best = max(others, key=lambda row: np.nanmean(others[row]))
        found += [
            float(np.nanmean(ours)),
            float(np.nanmean(others[best])),
            best.title,
            paired_wilcoxon(ours, others[best]),
        ]
    errors = [pooled_reliability(figures, ROW, region).ece for region in (UNION, CROP, PREDICTED)]
    return FitVerdict(*found, *errors)


def store(bundle: Bundle, model: ErrorProbability, provenance: Mapping[str, Any]) -> None:
    """Write the model and where it comes from into the bundle's manifest; weights stay as they are."""
    entry = model.to_manifest() | {"fitted_on": dict(provenance)}
    calibration = {**bundle.manifest.calibration, KEY: entry}
    write_manifest(dataclasses.replace(bundle.manifest, calibration=calibration), bundle.folder)


def _against(found: float, target: float) -> str:
    missed = "" if found >= target else f", missed by {target - found:.3f}"
    return f"target at least {target:.2f}{missed}"
