"""What the networks say about their own result, as items of the structured report: verdict, predicted Dice
per structure with its range, probability of each lesion."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..uncertainty.verdict import Word
from .codes import concept, private
from .content import DicomContent

if TYPE_CHECKING:
    from highdicom.sr import QualitativeEvaluation

    from ..bundles.manifest import Code

VERDICT = private("VERDICT", "Verdict on the segmentation")
WORDS = {
    Word.TRUST: private("TRUST", "May be used after the usual look"),
    Word.CHECK: private("CHECK", "Needs to be checked by a reader"),
    Word.REDO: private("REDO", "Needs to be done again by a reader"),
}


def verdict_item(content: DicomContent) -> QualitativeEvaluation | None:
    """The word of the verdict; None where there is none."""
    import highdicom as hd

    if content.verdict is None:
        return None
    return hd.sr.QualitativeEvaluation(concept(VERDICT), concept(WORDS[content.verdict.word]))


def expectations(content: DicomContent) -> list[tuple[Code, float, tuple[float, float] | None]]:
    """Predicted Dice with ranges and P(lesion): code, value without unit, range or None."""
    found: list[tuple[Code, float, tuple[float, float] | None]] = []
    for one in content.predicted_dice:
        code = private(f"PDICE{_short(one.structure)}", f"Predicted Dice, {one.structure}")
        found.append((code, one.value, (one.low, one.high)))
    for lesion, value in content.presence.items():
        found.append((private(f"PROB{_short(lesion)}", f"Probability of {lesion}"), round(value, 4), None))
    return found


def _short(name: str) -> str:
    """At most eleven letters of a name, so that the code value stays within 16."""
    return "".join(letter for letter in name.upper() if letter.isalpha())[:11]
