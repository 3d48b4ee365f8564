"""What follows once all cases are judged: the calibrated map, the simulated annotator, the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from CardiacUQLib.base.progress import ProgressCallback, ignore_progress
from CardiacUQLib.bundles.manifest import ClassInfo
from CardiacUQLib.bundles.map_catalogue import MapName
from CardiacUQLib.inference.calibration import ErrorProbability

from ..assessment.figures import AssessmentFigures, assessment_figures, assessment_section
from ..assessment.looking import CaseLooks, case_looks
from ..shared.agreement import bland_altman_figure
from ..shared.figure_style import DPI
from ..shared.judged import Judged
from ..shared.markdown import figures_section
from ..shared.source import Source
from .annotator import Order, OrderSummary, Walk, best_order, summarise_walks, walks
from .calibrate import ROW, FitVerdict, calibrate, verdict
from .figures import save_figures
from .report import write_report
from .sizes import SHOWN_SIZES, SizeFigures, sizes_section
from .tables import annotator_section, calibration_section


@dataclass(frozen=True)
class Analysis:
    """Judged cases with everything derived from all of them together.

    ``error_probability`` holds P(wrong) by case, by models that did not see the case; ``model`` is the
    one fitted on all of them, ``verdict`` its figures; None where there is nothing to fit or compare.
    """

    judged: Judged
    error_probability: Mapping[str, np.ndarray] = field(default_factory=dict)
    model: ErrorProbability | None = None
    verdict: FitVerdict | None = None
    orders: tuple[OrderSummary, ...] = ()
    sizes: SizeFigures | None = None
    assessment: AssessmentFigures | None = None
    looks: Mapping[str, CaseLooks] = field(default_factory=dict)


def analyse(
    judged: Judged,
    infos: Sequence[ClassInfo],
    *,
    fit_calibration: bool,
    progress: ProgressCallback = ignore_progress,
) -> Analysis:
    """Fit P(wrong) where asked, else take the one that the bundle's own model gave; walk the DCM.

    ``fit_calibration`` is meant for predictions of networks that did not see the cases.
    """
    classes = len(infos)
    calibrated = calibrate(judged, classes, progress) if fit_calibration else None
    if calibrated is not None:
        judged, maps, model = calibrated.judged, calibrated.maps, calibrated.model
    else:
        maps, model = _written_maps(judged), None
    compared = verdict(judged.figures) if _all_have_row(judged) else None
    by_case: dict[str, Mapping[Order, Walk]] = {}
    looks: dict[str, CaseLooks] = {}
    for number, case in enumerate(judged.figures):
        progress(number / len(judged.figures), f"simulated annotator, {case}")
        arrays, wrong = judged.store.arrays(case), maps.get(case)
        presence = judged.figures[case].assessment.get("presence", {})
        if wrong is not None and (found := case_looks(arrays, wrong, presence, infos)) is not None:
            looks[case] = found
        zones = looks[case].zones if case in looks else ()
        by_case[case] = walks(arrays, wrong, classes, number, zones)
    progress(1.0, "analysed")
    names = {info.value: info.name for info in infos}
    whole = assessment_figures(judged.figures, judged.material, looks, names)
    orders = tuple(summarise_walks(by_case))
    return Analysis(judged, maps, model, compared, orders, assessment=whole, looks=looks)


def write_analysis(analysis: Analysis, source: Source, out: Path) -> Path:
    """Figures, tables and the page; returns the page."""
    judged = analysis.judged
    sections: list[str] = []
    content: dict[str, object] = {}
    if judged.figures:
        classes = source.bundle.manifest.classes
        paths = save_figures(
            judged.figures,
            judged.store.arrays,
            analysis.error_probability,
            classes,
            analysis.orders,
            out / "figures",
        )
        if analysis.sizes is not None:
            sections.append(sizes_section(analysis.sizes))
            content["sizes"] = {
                "agreement": analysis.sizes.agreement,
                "coverage": analysis.sizes.coverage,
                "coverage_before": analysis.sizes.before,
                "coverage_reviewed": {}
                if analysis.sizes.reviewed is None
                else analysis.sizes.reviewed.coverage,
            }
            paths.append(_bland_altman(analysis.sizes, out / "figures"))
        if analysis.assessment is not None:
            sections.append(assessment_section(analysis.assessment))
            content["assessment"] = analysis.assessment
        if analysis.verdict is not None:
            sections.append(calibration_section(analysis.verdict.lines(), fitted=analysis.model is not None))
            content["error_probability"] = analysis.verdict
        if analysis.orders:
            best = best_order(analysis.orders)
            sections.append(annotator_section(analysis.orders, best))
            content["annotator"] = {"best": best.value, "orders": _plain_orders(analysis.orders)}
        sections.append(figures_section([path.relative_to(out) for path in paths]))
    if analysis.model is not None:
        content["calibration"] = analysis.model.to_manifest()
    return write_report(judged, source, out, sections, content)


def _bland_altman(sizes: SizeFigures, folder: Path) -> Path:
    keys = [key for key in SHOWN_SIZES if key in sizes.agreement] or list(sizes.agreement)
    path = folder / "bland_altman.png"
    bland_altman_figure(sizes.records, keys).savefig(path, dpi=DPI)
    return path


def _written_maps(judged: Judged) -> dict[str, np.ndarray]:
    """P(wrong) as the bundle's own model gave it, of the cases that have it."""
    found = {}
    for case in judged.figures:
        maps = judged.store.arrays(case).maps
        if MapName.ERROR_PROBABILITY in maps:
            found[case] = maps[MapName.ERROR_PROBABILITY]
    return found


def _all_have_row(judged: Judged) -> bool:
    return bool(judged.figures) and all(ROW.key in one.rows for one in judged.figures.values())


def _plain_orders(orders: tuple[OrderSummary, ...]) -> list[dict[str, object]]:
    return [
        {
            "order": order.order.value,
            "dice": order.dice.tolist(),
            "scar_error_ml": order.scar_error_ml.tolist(),
            "looked_at": order.looked_at.tolist(),
            "dice_gain": order.dice_gain,
            "scar_error_drop_ml": order.scar_error_drop_ml,
            "p_against_random": order.p_against_random,
            "p_against_scs": order.p_against_scs,
        }
        for order in orders
    ]
