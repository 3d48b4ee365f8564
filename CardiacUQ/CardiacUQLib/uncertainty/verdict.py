"""One word on the case: trust it, check it, or do it again; with the reason and the risk it stands for.

The risk is the probability that the mean Dice lies below ``low_dice``: what the models of presence and Dice
say of it (:meth:`.quality.DiceCalibration.chance_below`), set right by a logistic curve fitted on unseen
cases. One missed lesion costs a quarter of the mean at once, so that the expected mean says less. The
thresholds on the risk are chosen so that cases called "trust" hold at most a stated share of such failures
(conformal risk control, Angelopoulos et al., ICLR 2024) and those called "redo" are more likely failures
than not.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..measures.display import without_intervals
from .likeness import Likeness
from .linear import LinearModel, logit
from .quality import MEAN, PredictedDice

KEY = "verdict"
"""Name of the fit in ``manifest.calibration``."""
MEAN_DICE, LOW_CHANCE = "predicted mean Dice", "log-odds of a low mean Dice"
"""What a risk may be a curve of; earlier fits have one of the first."""
CHANCE_MARGIN = 1e-4
MAY_BE_MISSED = 0.2
"""From this probability on a lesion that is not shown is worth naming as the reason."""


class Word(enum.StrEnum):
    """What to do with a case."""

    TRUST = "trust"
    CHECK = "check"
    REDO = "redo"


_ADVICE = {
    Word.TRUST: "The contours may be used after the usual look.",
    Word.CHECK: "Look at the places below before the contours are used.",
    Word.REDO: "Correct the contours, or draw them anew, before they are used; the scan itself may be good.",
}


@dataclass(frozen=True)
class Verdict:
    """``risk`` is the probability that the mean Dice is below ``low_dice``; both None where the word comes
    from elsewhere, as for a scan that is unlike those of the training."""

    word: Word
    reason: str
    risk: float | None = None
    low_dice: float | None = None

    @property
    def unlike(self) -> bool:
        """True where the word is about the scan, which does not belong here, not about its labels."""
        return self.risk is None

    @property
    def nothing_holds(self) -> bool:
        """True where no figure that was measured on the training scans holds for this one."""
        return self.unlike and self.word is Word.REDO

    @property
    def advice(self) -> str:
        """What the word asks for, in a sentence; that "redo" speaks of contours and never of the scan."""
        if self.unlike:
            return "First make sure that this image and this model belong together."
        return _ADVICE[self.word]

    def as_text(self) -> str:
        """ "Check: infarct unsure, predicted Dice 0.61 (0.48-0.72)" """
        return f"{self.word.value.capitalize()}: {self.reason}"


@dataclass(frozen=True)
class VerdictCalibration:
    """``manifest.calibration["verdict"]``. ``shares`` are the measured shares of failures by word."""

    risk: LinearModel
    trust_up_to: float
    redo_from: float
    low_dice: float
    shares: Mapping[str, float] = field(default_factory=dict)
    fitted_on: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0 <= self.trust_up_to <= self.redo_from <= 1:
            raise ValueError("a verdict needs thresholds 0 <= trust <= redo <= 1")

    def word(self, risk: float) -> Word:
        """The word for a risk."""
        if risk <= self.trust_up_to:
            return Word.TRUST
        return Word.REDO if risk >= self.redo_from else Word.CHECK

    def judge(
        self,
        dice: Sequence[PredictedDice],
        low_chance: float,
        presence: Mapping[str, float],
        drawn: Mapping[str, bool],
    ) -> Verdict:
        """The verdict on predicted Dice (the mean among them), the chance that the mean is low, and lesions
        by name."""
        mean = next(one for one in dice if one.structure == MEAN)
        risk = self.risk.probability(risk_evidence(mean.value, low_chance))
        word = self.word(risk)
        reason = f"predicted mean Dice {mean.as_text()}"
        if word is not Word.TRUST:
            reason = _weakest([one for one in dice if one.structure != MEAN], presence, drawn) or reason
        return Verdict(word, reason, round(risk, 4), self.low_dice)


def risk_evidence(mean_dice: float, low_chance: float) -> dict[str, float]:
    """What a risk is computed from, by name."""
    return {MEAN_DICE: mean_dice, LOW_CHANCE: logit(low_chance, CHANCE_MARGIN)}


def worst_of(verdicts: Mapping[str, Verdict | None]) -> Verdict | None:
    """The gravest of several phases, its reason led by the phase's name. Where a phase has none the others
    cannot say "trust" for it, but what speaks against one of them speaks against all. Of equal words the one
    on a scan that does not belong here leads, as it leads the headline."""
    known = {name: one for name, one in verdicts.items() if one is not None}
    if len(known) < len(verdicts):
        known = {name: one for name, one in known.items() if one.word is not Word.TRUST}
    if not known:
        return None

    def gravity(name: str) -> tuple[int, bool, float]:
        one = known[name]
        return (list(Word).index(one.word), one.unlike, one.risk or 0.0)

    name = max(known, key=gravity)
    return replace(known[name], reason=f"{name}: {known[name].reason}")


def doubted(verdict: Verdict | None, doubt: str) -> Verdict | None:
    """The verdict on good contours of a film that is doubted itself: check, for the ``doubt``."""
    if verdict is None or not doubt or verdict.word is not Word.TRUST:
        return verdict
    return replace(verdict, word=Word.CHECK, reason=doubt)


def unlike_verdict(likeness: Likeness, judged: Verdict | None) -> Verdict:
    """The verdict on a scan that does not belong here: what was ``judged`` of it holds no more where it is
    far from the training scans, and is never better than "check" elsewhere."""
    reason = f"unlike the training scans: {'; '.join(likeness.reasons)}"
    if likeness.far or (judged is not None and judged.word is Word.REDO):
        return Verdict(Word.REDO, reason)
    return Verdict(Word.CHECK, reason)


def unlike_headline(headline: str) -> str:
    """The headline of a scan that does not belong here: no number without that word."""
    return f"Unlike the training scans: {headline}"


def measures_of_unlike(measures: Mapping[str, Any], verdict: Verdict | None) -> dict[str, Any]:
    """``measures.json`` of a scan that is unlike those of the training: no number without that word, and no
    interval where nothing holds."""
    holds = verdict is None or not verdict.nothing_holds
    content = dict(measures) if holds else without_intervals(measures)
    return content | ({"headline": unlike_headline(content["headline"])} if "headline" in content else {})


def _weakest(dice: Sequence[PredictedDice], presence: Mapping[str, float], drawn: Mapping[str, bool]) -> str:
    """What costs most: a structure with a low predicted Dice, or a lesion that may be missed."""
    if not dice:
        return ""
    worst = min(dice, key=lambda one: one.value)
    missed = {name: p for name, p in presence.items() if not drawn.get(name, True) and p >= MAY_BE_MISSED}
    if worst.structure in missed:
        return f"{worst.structure} may be missed, probability {missed[worst.structure]:.2f}"
    text = f"{worst.structure} unsure, predicted Dice {worst.as_text()}"
    others = [f"{name} may be missed ({p:.2f})" for name, p in missed.items()]
    return "; ".join([text, *others])
