"""How good the judgements on whole cases are: figures of a judged data set, and their section of the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from CardiacUQLib.uncertainty.quality import MEAN
from CardiacUQLib.uncertainty.verdict import Word

from ..shared.cases import CaseFigures
from ..shared.discrimination import auroc
from ..shared.markdown import markdown_table
from ..shared.material import CaseMaterial
from ..shared.methods import Method, Row, Stage
from ..shared.selective import risk_coverage
from .fit import LOW_DICE
from .looking import CaseLooks

PAIRWISE = Row(Stage.CASCADE, Method.PAIRWISE_DICE).key
RISK_NAME = "risk of the verdict, scans like those of the training"
PAIRWISE_NAME = "1 - pairwise Dice of the passes"


@dataclass(frozen=True)
class Score:
    """A case score against the mean Dice of the segmentation as given to a user."""

    name: str
    spearman: float
    auroc: float
    aurc: float


@dataclass(frozen=True)
class Covered:
    """Predicted Dice of one structure: coverage and mean width of its 90 % range, mean absolute error."""

    structure: str
    coverage: float
    width: float
    error: float


@dataclass(frozen=True)
class PresenceFigures:
    """One lesion: AUROC over all cases and the mean of the groups', Brier score; how often it is drawn and
    offered where it is there, and where it is not."""

    lesion: str
    auroc: float
    auroc_within: float
    brier: float
    there: int
    drawn: int
    met: int
    not_there: int
    falsely_drawn: int
    falsely_offered: int


@dataclass(frozen=True)
class BandFigures:
    """Contour band of one structure: over how many cases, the mean share of the reader's contour within it,
    that of the tenth of the cases with the least, and the mean width in mm."""

    structure: str
    cases: int
    covered: float
    worst_tenth: float
    width_mm: float


@dataclass(frozen=True)
class AssessmentFigures:
    """Everything; ``words`` gives cases and share of failures (mean Dice below ``low_dice``) by verdict,
    ``unlike`` the cases flagged."""

    mean_dice: float
    scores: tuple[Score, ...]
    covered: tuple[Covered, ...]
    presence: tuple[PresenceFigures, ...]
    words: Mapping[str, tuple[int, float]]
    unlike: int
    cases: int
    looks: float | None
    bands: tuple[BandFigures, ...] = ()
    low_dice: float = LOW_DICE


def assessment_figures(
    figures: Mapping[str, CaseFigures],
    material: Sequence[CaseMaterial],
    looks: Mapping[str, CaseLooks],
    names: Mapping[int, str],
    part: str = Stage.CASCADE.value,
    low_dice: float = LOW_DICE,
) -> AssessmentFigures | None:
    """Figures of cases that were assessed; None if none was. ``names`` are class names by value, ``part`` is
    what of their segmentation is given to a user."""
    judged = {case: one for case, one in figures.items() if one.assessment.get("predicted_dice")}
    if len(judged) < 2:
        return None
    scored = [one.segmentation[part] for one in judged.values()]
    dice = np.array([one["mean_dice"] for one in scored])
    said = [{d["structure"]: d for d in one.assessment["predicted_dice"]} for one in judged.values()]
    scores = [_score("predicted mean Dice", -np.array([s[MEAN]["value"] for s in said]), dice, low_dice)]
    verdicts = [one.assessment["verdict"] or {"risk": None} for one in judged.values()]
    known = np.array([one["risk"] is not None for one in verdicts])
    if known.sum() > 1:
        risks = np.array([one["risk"] for one in verdicts if one["risk"] is not None])
        scores.append(_score(f"{RISK_NAME} ({known.sum()} cases)", risks, dice[known], low_dice))
    if all(PAIRWISE in one.rows for one in judged.values()):
        before = np.array([one.rows[PAIRWISE]["case_score"] for one in judged.values()])
        scores.append(_score(PAIRWISE_NAME, before, dice, low_dice))
    truth = {MEAN: dice}
    truth |= {name: np.array([one[f"dice_{v}"] for one in scored]) for v, name in names.items() if v}
    covered = tuple(_covered(name, [s[name] for s in said], truth[name]) for name in said[0])
    words = [one.assessment["verdict"]["word"] for one in judged.values() if one.assessment["verdict"]]
    failed = dice < low_dice
    shares = {}
    for word in Word:
        chosen = np.array([w == word for w in words], bool)
        if len(words) == len(judged) and chosen.any():
            shares[word.value] = (int(chosen.sum()), float(failed[chosen].mean()))
    listed = [looks[case].listed for case in judged if case in looks]
    return AssessmentFigures(
        float(dice.mean()),
        tuple(scores),
        covered,
        _presence(judged, material, looks),
        shares,
        sum(bool(one.assessment["unlike"]) for one in judged.values()),
        len(judged),
        float(np.median(listed)) if listed else None,
        _bands(judged),
        low_dice,
    )


def _bands(judged: Mapping[str, CaseFigures]) -> tuple[BandFigures, ...]:
    found = []
    for name in dict.fromkeys(name for one in judged.values() for name in one.bands):
        bands = [one.bands[name] for one in judged.values() if name in one.bands]
        covered, width = (np.array([band[key] for band in bands]) for key in ("covered", "width_mm"))
        worst = np.sort(covered)[: max(1, round(0.1 * covered.size))]
        found.append(
            BandFigures(name, covered.size, float(covered.mean()), float(worst.mean()), float(width.mean()))
        )
    return tuple(found)


def _score(name: str, doubt: np.ndarray, dice: np.ndarray, low_dice: float) -> Score:
    from scipy.stats import spearmanr

    found: Any = spearmanr(doubt, 1.0 - dice)
    return Score(
        name, float(found.statistic), auroc(doubt, dice < low_dice), risk_coverage(doubt, 1.0 - dice).aurc
    )


def _covered(name: str, said: Sequence[Mapping[str, float]], truth: np.ndarray) -> Covered:
    low, high, value = (np.array([one[key] for one in said]) for key in ("low", "high", "value"))
    inside = (truth >= low - 1e-6) & (truth <= high + 1e-6)
    return Covered(
        name, float(inside.mean()), float((high - low).mean()), float(np.abs(value - truth).mean())
    )


def _presence(
    judged: Mapping[str, CaseFigures], material: Sequence[CaseMaterial], looks: Mapping[str, CaseLooks]
) -> tuple[PresenceFigures, ...]:
    cases = [one for one in material if one.case in judged and one.case in looks]
    found = []
    for lesion in cases[0].present if cases else ():
        p = np.array([judged[one.case].assessment["presence"][lesion] for one in cases])
        there = np.array([one.present[lesion] for one in cases])
        groups = np.array([one.group for one in cases])
        drawn, offered, met = (
            np.array([getattr(looks[one.case], name)[lesion] for one in cases])
            for name in ("drawn", "offered", "met")
        )
        within = [
            auroc(p[groups == g], there[groups == g])
            for g in np.unique(groups)
            if 0 < there[groups == g].sum() < (groups == g).sum()
        ]
        found.append(
            PresenceFigures(
                lesion,
                auroc(p, there),
                float(np.mean(within)) if within else float("nan"),
                float(np.mean((p - there) ** 2)),
                int(there.sum()),
                int((there & drawn).sum()),
                int((there & met).sum()),
                int((~there).sum()),
                int((~there & drawn).sum()),
                int((~there & offered).sum()),
            )
        )
    return tuple(found)


def assessment_section(found: AssessmentFigures) -> str:
    """Markdown of the figures."""
    parts = [
        "## Judgements on whole cases",
        f"Of {found.cases} cases, by fits that saw neither the case nor any case of its networks; mean Dice "
        f"with lesions shown by their probability {found.mean_dice:.4f}.",
        markdown_table(
            ["case score", "Spearman with 1 - Dice", f"AUROC of Dice < {found.low_dice}", "AURC"],
            [[s.name, *(_number(v, 3) for v in (s.spearman, s.auroc, s.aurc))] for s in found.scores],
        ),
        markdown_table(
            ["predicted Dice", "coverage of the 90 % range", "mean width", "mean absolute error"],
            [
                [c.structure, f"{100 * c.coverage:.0f} %", f"{c.width:.2f}", f"{c.error:.3f}"]
                for c in found.covered
            ],
        ),
    ]
    if found.presence:
        head = ["lesion", "AUROC", "within folds", "Brier", "there", "drawn", "offered and met"]
        head += ["not there", "falsely drawn", "falsely offered"]
        rows = [
            [
                p.lesion, f"{p.auroc:.3f}", f"{p.auroc_within:.3f}", f"{p.brier:.3f}", str(p.there),
                str(p.drawn), str(p.met), str(p.not_there), str(p.falsely_drawn), str(p.falsely_offered),
            ]
            for p in found.presence
        ]  # fmt: skip
        parts.append(markdown_table(head, rows))
    if found.words:
        rows = [[word, str(n), f"{100 * share:.0f} %"] for word, (n, share) in found.words.items()]
        parts.append(markdown_table(["verdict", "cases", f"of these with Dice < {found.low_dice}"], rows))
    if found.bands:
        head = ["contour band", "cases", "of the reader's contour within", "in the worst tenth", "mean width"]
        rows = [
            [
                b.structure, str(b.cases), f"{100 * b.covered:.0f} %", f"{100 * b.worst_tenth:.0f} %",
                f"{b.width_mm:.1f} mm",
            ]
            for b in found.bands
        ]  # fmt: skip
        parts.append(markdown_table(head, rows))
    places = "" if found.looks is None else f" Places listed per case, median: {found.looks:.0f}."
    parts.append(f"Unlike the training scans: {found.unlike} of {found.cases} cases.{places}")
    return "\n\n".join(parts)


def _number(value: float, digits: int) -> str:
    """A dash where there is none, as of an AUROC without any failure."""
    return "–" if np.isnan(value) else f"{value:.{digits}f}"


def assessment_headline(found: AssessmentFigures) -> dict[str, str]:
    """What a reader of the card wants to know of the judgements on whole cases, by the name of the figure."""
    lines = {
        f"{one.name}: Spearman / AUROC of Dice < {found.low_dice} / AURC": (
            f"{_number(one.spearman, 2)} / {_number(one.auroc, 2)} / {_number(one.aurc, 3)}"
        )
        for one in found.scores
        if one.name != PAIRWISE_NAME
    }
    lines |= {
        "predicted Dice, 90 % range covers": ", ".join(
            f"{one.structure} {100 * one.coverage:.0f} %" for one in found.covered
        ),
    }
    for one in found.presence:
        lines[f"{one.lesion}, AUROC of its probability"] = f"{one.auroc:.3f}"
        lines[f"{one.lesion} drawn, or offered where it is"] = (
            f"{one.drawn} + {one.met} of {one.there} cases that have it; drawn in {one.falsely_drawn}, "
            f"offered in {one.falsely_offered} of {one.not_there} that have not"
        )
    if found.words:
        name = f"verdicts, and the share of them with a mean Dice < {found.low_dice}"
        lines[name] = ", ".join(f"{w}: {n} cases, {100 * s:.0f} %" for w, (n, s) in found.words.items())
    if found.bands:
        lines["contour bands, 90 % of a reader's contour: within / mean width"] = ", ".join(
            f"{one.structure} {100 * one.covered:.0f} % / {one.width_mm:.1f} mm" for one in found.bands
        )
    return lines | {"called unlike the training scans": f"{found.unlike} of {found.cases} cases"}
