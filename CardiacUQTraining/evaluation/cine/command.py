"""What ``cardiacuq evaluate`` does with a cine bundle."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from CardiacUQLib.bundle import Bundle
from CardiacUQLib.progress import ProgressCallback, ignore_progress

from ...datasets import LabelledDataset
from ..predict import PassOptions
from ..report import Source
from ..run import Judged
from .compare_variants import compare_variants
from .end_slices import THRESHOLD
from .judge import judge_cine
from .report import write_cine_report

COMPARISON = "comparison"


@dataclass(frozen=True)
class CineOptions:
    """``threshold`` of the End Coefficient; ``against`` are earlier evaluations to test against."""

    threshold: float = THRESHOLD
    against: tuple[Path, ...] = ()
    device: str = "auto"
    precision: str = "auto"
    limit: int | None = None


def evaluate_cine(
    bundle: Bundle,
    dataset: LabelledDataset,
    out: Path,
    passes: PassOptions,
    options: CineOptions,
    command: str,
    *,
    progress: ProgressCallback = ignore_progress,
    on_failure: Callable[[str], None] = lambda line: None,
) -> tuple[Judged, Sequence[Path]]:
    """Judge every frame, write the report, compare with other evaluations; returns the pages written."""
    judged = judge_cine(
        bundle,
        dataset,
        out,
        passes,
        device=options.device,
        precision=options.precision,
        limit=options.limit,
        progress=progress,
        on_failure=on_failure,
    )
    source = Source(bundle, dataset, command, passes.cross_validated)
    pages = [write_cine_report(judged, source, out, options.threshold)]
    if options.against and judged.figures:
        compare_variants([out, *options.against], out / COMPARISON, options.threshold)
        pages.append(out / COMPARISON / "comparison.md")
    return judged, pages
