"""What ``cardiacuq evaluate`` does with a cascade."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from CardiacUQLib.base.errors import UsageError
from CardiacUQLib.base.progress import ProgressCallback, ignore_progress
from CardiacUQLib.bundles.bundle import Bundle, load_bundle

from ...datasets import LabelledDataset
from ..assessment.store import store_fits
from ..shared.judged import Judged
from ..shared.markdown import as_plain
from ..shared.methods import Method
from ..shared.predict import PassOptions
from ..shared.source import Source
from ..shared.stored_metrics import check_unseen, section_title, store_metrics
from .analysis import Analysis, analyse, write_analysis
from .calibrate import store
from .headline import headline
from .judge import judge
from .reviewed import store_reviewed
from .sizes import size_figures, store_intervals


@dataclass(frozen=True)
class Stored:
    """What an evaluation writes into the bundle."""

    calibration: bool = False
    metrics: bool = False
    stage_rule: bool = False
    slices: bool = False

    def check(self, *, cross_validated: bool, calibrated: bool) -> None:
        """Raise UsageError for what can only be fitted on predictions of folds that saw no case."""
        if self.calibration and not (cross_validated and calibrated):
            raise UsageError(
                "--store-calibration needs --cross-validated and the method error_probability: it is fitted "
                "on unseen cases only"
            )
        for asked, option in ((self.stage_rule, "--store-stage-rule"), (self.slices, "--store-slices")):
            if asked and not cross_validated:
                raise UsageError(f"{option} needs --cross-validated: it is chosen on unseen cases only")
            if asked and (self.calibration or self.metrics):
                raise UsageError(f"{option} changes what all else is fitted on; run it alone first")


@dataclass(frozen=True)
class CascadeOptions:
    """Methods to judge, where to compute, and what to keep of it in the bundle."""

    methods: tuple[Method, ...]
    device: str = "auto"
    precision: str = "auto"
    stored: Stored = Stored()


def evaluate_cascade(
    bundle: Bundle,
    dataset: LabelledDataset,
    out: Path,
    passes: PassOptions,
    options: CascadeOptions,
    command: str,
    *,
    progress: ProgressCallback = ignore_progress,
    on_failure: Callable[[str], None] = lambda line: None,
) -> tuple[Judged, Path]:
    """Judge every case, analyse all of them, write the report and what is to be kept in the bundle.

    Returns the judged cases and the page.
    """
    judged = judge(
        bundle,
        dataset,
        out,
        passes,
        methods=options.methods,
        device=options.device,
        precision=options.precision,
        progress=progress,
        on_failure=on_failure,
    )
    if options.stored.metrics:
        check_unseen(judged.trained_on)
    fit = passes.cross_validated and Method.ERROR_PROBABILITY in options.methods
    analysis = analyse(judged, bundle.manifest.classes, fit_calibration=fit, progress=progress)
    sizes = size_figures(judged, bundle.manifest, analysis.looks, fit=passes.cross_validated)
    analysis = dataclasses.replace(analysis, sizes=sizes)
    page = write_analysis(analysis, Source(bundle, dataset, command, passes.cross_validated), out)
    _store(bundle, dataset.name, analysis, options.stored, passes, command)
    return judged, page


def _store(
    bundle: Bundle, dataset: str, analysis: Analysis, stored: Stored, passes: PassOptions, command: str
) -> None:
    """Write what ``stored`` names into the bundle; each step reads what the one before has written."""

    def current() -> Bundle:
        return load_bundle(bundle.folder)

    sizes = analysis.sizes
    if not analysis.judged.figures:
        return
    if stored.calibration:
        store_fits(current(), analysis.judged.material, dataset)
    if stored.calibration and analysis.model is not None and analysis.verdict is not None:
        store(current(), analysis.model, provenance(dataset, analysis))
    if stored.calibration and sizes is not None and sizes.fitted:
        store_intervals(current(), sizes, dataset)
        if sizes.reviewed is not None:
            store_reviewed(current(), sizes.reviewed, dataset)
    if stored.metrics:
        title = section_title(dataset, cross_validated=passes.cross_validated)
        store_metrics(current(), title, command, headline(analysis, bundle.manifest.classes))


def provenance(dataset: str, analysis: Analysis) -> dict[str, object]:
    """Where a fitted error probability comes from and whether it shall be the default heat map."""
    return {
        "dataset": dataset,
        "cases": len(analysis.judged.figures),
        "predictions": "out of fold",
        "figures": as_plain(analysis.verdict),
        "default_heat_map": analysis.verdict is not None and analysis.verdict.wins,
    }
