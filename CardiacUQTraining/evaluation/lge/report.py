"""Everything an evaluation leaves in its folder: page, tables, figures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from CardiacUQLib.base.json_codec import write_json

from ..shared.cases import CaseFigures
from ..shared.exchanged import exchange_hints
from ..shared.judged import Judged
from ..shared.markdown import Heading, as_plain, page
from ..shared.methods import ROWS, Method, Row, Stage
from ..shared.source import FIGURES, PAGE, Source
from .summary import present_dice, row_comparisons, row_summary, segmentation_summary, stage_comparisons
from .tables import (
    present_section,
    segmentation_section,
    tests_section,
    uncertainty_section,
    write_case_tables,
)

LESIONS_FROM = 3


def write_report(
    judged: Judged,
    source: Source,
    out: Path,
    extra_sections: Iterable[str] = (),
    extra_content: Mapping[str, object] | None = None,
) -> Path:
    """Write ``evaluation.md``, ``evaluation.json`` and the CSV files; returns the page.

    The extras follow the tables on the page and join the figures in the JSON file. The page is written
    even if every case failed: it then lists why.
    """
    out.mkdir(parents=True, exist_ok=True)
    figures = judged.figures
    sections: list[str] = []
    content: dict[str, object] = {"command": source.command, "failures": dict(judged.failures)}
    content |= as_plain(extra_content or {})
    if figures:
        sick = pathological_cases(judged)
        everyone, ill = segmentation_summary(figures), segmentation_summary(figures, sick)
        stage_tests, summary = stage_comparisons(figures), row_summary(figures)
        tests = row_comparisons(figures, reference_row(figures))
        present = present_dice(figures, [info.value for info in source.bundle.manifest.classes if info.value])
        names = {info.value: info.name for info in source.bundle.manifest.classes}
        titles = {row.key: row.title for row in ROWS}
        sections += [
            segmentation_section(everyone, ill, stage_tests, names),
            *([present_section(present, names)] if present[Stage.CASCADE.value] else []),
            uncertainty_section(summary, missing_rows(figures)),
            tests_section(tests, titles),
            *extra_sections,
        ]
        content |= {
            "segmentation": as_plain(everyone),
            "segmentation_pathological": as_plain(ill),
            "segmentation_present": as_plain(present),
            "segmentation_tests": as_plain(stage_tests),
            "uncertainty": as_plain(summary),
            "uncertainty_tests": as_plain(tests),
            "cases": {name: as_plain(one) for name, one in figures.items()},
        }
        write_case_tables(figures, out)
    write_json(content, out / FIGURES)
    target = out / PAGE
    target.write_text(page(_heading(judged, source), sections), "utf-8")
    return target


def pathological_cases(judged: Judged) -> tuple[str, ...]:
    """Cases whose truth holds infarct or MVO anywhere in the volume."""
    found = []
    for name in judged.figures:
        arrays = judged.store.arrays(name)
        if (arrays.truth >= LESIONS_FROM).any() or any(arrays.outside[LESIONS_FROM:]):
            found.append(name)
    return tuple(found)


def reference_row(figures: Mapping[str, CaseFigures]) -> Row:
    """The row that the others are tested against: the calibrated map if there is one, else SCS."""
    calibrated = Row(Stage.CASCADE, Method.ERROR_PROBABILITY)
    there = any(calibrated.key in one.rows for one in figures.values())
    return calibrated if there else Row(Stage.CASCADE, Method.SCS)


def missing_rows(figures: Mapping[str, CaseFigures]) -> dict[str, str]:
    """Rows that no case has, with the reason."""
    reasons: dict[str, str] = {}
    for one in figures.values():
        reasons |= one.missing
    return {
        key: reason for key, reason in reasons.items() if not any(key in one.rows for one in figures.values())
    }


def _heading(judged: Judged, source: Source) -> Heading:
    manifest = source.bundle.manifest
    folds = sorted({fold for one in judged.figures.values() for fold in one.folds})
    notes = []
    if source.cross_validated:
        notes.append(
            "Cross-validated: every case is predicted only by the folds that did not train on it, mostly "
            "one. A deep ensemble of folds would contain members that saw the case, so those rows stay "
            "empty here; SCS, entropy and mutual information come from the views of the unseen fold."
        )
    if judged.trained_on:
        notes.append(
            f"**{len(judged.trained_on)} of {len(judged.figures)} cases were training data of the folds that "
            "predicted them: these figures are optimistic; use --cross-validated.**"
        )
    notes += [f"**{hint}.**" for hint in exchange_hints(judged, manifest.classes)]
    return Heading(
        f"{manifest.name} on {source.dataset.name}",
        source.command,
        f"{manifest.name} {manifest.version}, folds {', '.join(map(str, folds))}, "
        f"SHA-256 {source.bundle.sha256[:12]}",
        f"{source.dataset.name}, {len(judged.figures)} cases judged, {len(judged.failures)} not",
        tuple(notes),
        tuple(judged.failures.values()),
    )
