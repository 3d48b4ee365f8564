"""What ``cardiacuq evaluate`` does with a cine bundle."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from CardiacUQLib.base.errors import UsageError
from CardiacUQLib.base.progress import ProgressCallback, ignore_progress
from CardiacUQLib.bundles.bundle import Bundle, load_bundle

from ...datasets import LabelledDataset
from ..assessment.figures import AssessmentFigures, assessment_figures
from ..assessment.store import store_fits
from ..shared.cases import nan_from_none
from ..shared.judged import Judged
from ..shared.models import opened_model
from ..shared.predict import PassOptions
from ..shared.source import FIGURES, Source
from ..shared.stored_metrics import check_unseen, section_title, store_metrics
from .assess import LOW_DICE, TRUST_RISK, assessed
from .calibrate import calibrate_cine, store_calibration
from .compare_variants import PAGE as COMPARISON_PAGE
from .compare_variants import compare_variants
from .end_slices import THRESHOLD
from .frames import ENSEMBLE
from .headline import headline
from .judge import check_cine, held_out_cases, judge_cine
from .report import write_cine_report
from .summary import frame_keys, patients
from .variants import is_evaluation

COMPARISON, VARIANTS = "comparison", "variants"


@dataclass(frozen=True)
class CineEvaluation:
    """``threshold`` of the End Coefficient; ``against`` are what to compare with: folders of earlier
    evaluations, or bundles and training runs, which are then judged in the same way."""

    threshold: float = THRESHOLD
    against: tuple[Path, ...] = ()
    device: str = "auto"
    precision: str = "auto"
    limit: int | None = None
    store_calibration: bool = False
    store_metrics: bool = False


@dataclass(frozen=True)
class _Task:
    """What is the same for all bundles of one command."""

    dataset: LabelledDataset
    passes: PassOptions
    options: CineEvaluation
    command: str
    progress: ProgressCallback
    on_failure: Callable[[str], None]


def evaluate_cine(
    bundle: Bundle,
    dataset: LabelledDataset,
    out: Path,
    passes: PassOptions,
    options: CineEvaluation,
    command: str,
    *,
    progress: ProgressCallback = ignore_progress,
    on_failure: Callable[[str], None] = lambda line: None,
) -> tuple[Judged, Sequence[Path]]:
    """Judge every frame, write the report, compare with other ensembles; returns the pages written.

    Under cross-validation P(wrong) and the intervals of sizes are fitted too, and stored in the bundle where
    that is wanted, as the figures of the page are for its card; that raises UsageError unless all folds
    and all their cases are judged.
    """
    stores = options.store_calibration or options.store_metrics
    if stores and (passes.folds is not None or options.limit is not None):
        raise UsageError("storing in the bundle needs all folds and cases: leave out --folds and --limit")
    check_cine(bundle, dataset)
    task = _Task(dataset, passes, options, command, progress, on_failure)
    judged, page = _evaluate_one(bundle, out, task, store=options.store_calibration)
    if options.store_metrics and judged.figures:
        check_unseen(judged.trained_on)
        title = section_title(dataset.name, cross_validated=passes.cross_validated)
        figures = headline(nan_from_none(json.loads((out / FIGURES).read_text("utf-8"))))
        store_metrics(load_bundle(bundle.folder), title, command, figures)
    pages = [page]
    if options.against and judged.figures:
        folders = [_evaluation_of(path, out / VARIANTS, task) for path in options.against]
        compare_variants([out, *folders], out / COMPARISON, options.threshold)
        pages.append(out / COMPARISON / COMPARISON_PAGE)
    return judged, pages


def _evaluation_of(path: Path, folder: Path, task: _Task) -> Path:
    """The folder of an evaluation: ``path`` itself, or where the bundle or run ``path`` is judged now."""
    if is_evaluation(path):
        return path
    with opened_model(path) as bundle:
        check_cine(bundle, task.dataset)
        out = folder / bundle.manifest.name
        _evaluate_one(bundle, out, task, store=False)
    return out


def _evaluate_one(bundle: Bundle, out: Path, task: _Task, *, store: bool) -> tuple[Judged, Path]:
    passes, options = task.passes, task.options
    chosen = held_out_cases(task.dataset, bundle.manifest, passes)
    judged = judge_cine(
        bundle,
        chosen,
        out,
        passes,
        device=options.device,
        precision=options.precision,
        limit=options.limit,
        progress=task.progress,
        on_failure=task.on_failure,
    )
    calibration = None
    if passes.cross_validated and judged.figures:
        keys, classes = frame_keys(chosen, judged.figures), bundle.manifest.classes
        records = patients(judged.figures, keys, classes)
        calibration = calibrate_cine(judged, keys, records, classes, len(passes.views), task.progress)
        judged = assessed(calibration.judged, classes)
    page = write_cine_report(
        judged,
        Source(bundle, chosen, task.command, passes.cross_validated),
        out,
        options.threshold,
        calibration=calibration,
        assessment=_assessment(judged, bundle),
        left_out=len(task.dataset) - len(chosen),
    )
    if store and calibration is not None:
        store_calibration(bundle, calibration, task.dataset.name)
        store_fits(load_bundle(bundle.folder), judged.material, task.dataset.name, LOW_DICE, TRUST_RISK)
    return judged, page


def _assessment(judged: Judged, bundle: Bundle) -> AssessmentFigures | None:
    names = {info.value: info.name for info in bundle.manifest.classes}
    return assessment_figures(judged.figures, (), {}, names, ENSEMBLE, LOW_DICE)
