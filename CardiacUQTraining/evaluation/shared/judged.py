"""Cases that were judged, and the ones that could not be: what both kinds of evaluation share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from CardiacUQLib.base.errors import (
    CancelledError,
    CardiacUQError,
    InputError,
    InsufficientMemoryError,
    UsageError,
)
from CardiacUQLib.base.progress import ProgressCallback, ignore_progress
from CardiacUQLib.bundles.bundle import Bundle

from ...datasets import LabelledCase, LabelledDataset
from .cases import CaseFigures, CaseStore
from .material import CaseMaterial

T = TypeVar("T")


@dataclass(frozen=True)
class Judged:
    """Outcome of a run: figures by case in the order of the data set, and one line per unusable case."""

    figures: Mapping[str, CaseFigures]
    failures: Mapping[str, str]
    store: CaseStore
    trained_on: tuple[str, ...] = field(default=())
    """Cases that the folds which judged them had seen in training."""
    material: tuple[CaseMaterial, ...] = ()
    """What the fits of whole cases are made of; empty without cross-validation."""
    patients: Mapping[str, str] = field(default_factory=dict)
    """Whose case it is, of cases that are not a patient of their own: ED and ES of one, or several scans."""


def patients_of(cases: Sequence[LabelledCase]) -> dict[str, str]:
    """The patient of every case that names one, by case."""
    return {case.id: case.patient for case in cases if case.patient}


def each_case(
    cases: Sequence[LabelledCase],
    work: Callable[[LabelledCase], T],
    progress: ProgressCallback = ignore_progress,
    on_failure: Callable[[str], None] = lambda line: None,
) -> tuple[dict[str, T], dict[str, str]]:
    """Results of ``work`` by case, and one line for every case that it failed on; the others go on.

    Only what concerns all cases alike (cancelled, out of memory) is raised.
    """
    found: dict[str, T] = {}
    failures: dict[str, str] = {}
    for number, case in enumerate(cases):
        progress(number / len(cases), case.id)
        try:
            found[case.id] = work(case)
        except (CancelledError, InsufficientMemoryError):
            raise
        except Exception as error:  # whatever is wrong with one case must not cost the others
            failures[case.id] = failure_line(case.id, error)
            on_failure(failures[case.id])
    return found, failures


def check_classes(bundle: Bundle, dataset: LabelledDataset) -> None:
    """Raise UsageError unless the bundle is for the classes of the data set."""
    manifest = bundle.manifest
    ours, theirs = ([c.name for c in classes] for classes in (manifest.classes, dataset.classes))
    if ours != theirs:
        raise UsageError(
            f"bundle '{manifest.name}' segments {', '.join(ours)}, "
            f"but {dataset.name} is labelled {', '.join(theirs)}; choose data with the same classes"
        )


def failure_line(case: str, error: Exception) -> str:
    """One line that begins with the case's name."""
    text = " ".join(str(error).split())
    if not isinstance(error, CardiacUQError):
        text = f"cannot be judged ({type(error).__name__}: {text})"
    return text if text.startswith(f"{case}:") else f"{case}: {text}"


def file_state(case: LabelledCase) -> str:
    """Size and time of change of a case's files, and how it is judged: a change makes kept figures void."""
    paths = [path for path in (case.image_path, case.label_path) if path.exists()]
    merged = [f"merged {dict(case.merged)}"] if case.merged else []
    return ";".join([f"{path}:{path.stat().st_size}:{path.stat().st_mtime_ns}" for path in paths] + merged)


def check_labels(case: LabelledCase, labels: np.ndarray, shape: tuple[int, ...], classes: int) -> None:
    """Raise InputError unless the labels (z, y, x) fit their image and the model's classes."""
    if labels.shape != shape:
        raise InputError(case.label_path, f"has shape {labels.shape}, its image {shape}", "they must agree")
    if labels.size and labels.max() >= classes:
        raise InputError(case.label_path, f"has label {labels.max()}", f"allowed are 0 to {classes - 1}")
