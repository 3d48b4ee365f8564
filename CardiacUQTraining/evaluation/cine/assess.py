"""What is said of cine frames as a whole, by fits that saw no frame of their patient."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from CardiacUQLib.base.json_codec import decode, to_plain
from CardiacUQLib.bundles.manifest import ClassInfo
from CardiacUQLib.uncertainty.assessment import Assessor

from ..assessment.fit import fit_all, groups_of
from ..assessment.gather import FEWEST_CASES, as_calibration
from ..shared.cases import CaseFigures
from ..shared.contours import Contours, judge_histograms
from ..shared.judged import Judged
from ..shared.material import CaseMaterial, Choice, choice_key
from .frames import ENSEMBLE

LOW_DICE, TRUST_RISK = 0.85, 0.05
"""Below this mean Dice a frame counts as failed; the share of failures allowed among trusted frames. Fewer
frames than late-enhancement cases fail, so the share that is bearable is smaller."""


def frame_material(figures: Mapping[str, CaseFigures], classes: Sequence[ClassInfo]) -> list[CaseMaterial]:
    """What the fits are made of, frame by frame; frames of one network fold are one group, and with them both
    frames of a patient. A cine knows no lesion: every class is always drawn."""
    found = []
    for name, one in figures.items():
        scores = one.segmentation[ENSEMBLE]
        dice = {info.name: scores[f"dice_{info.value}"] for info in classes if info.value}
        contours = decode(one.contours, Contours, f"{name}: contours")
        group = ",".join(map(str, one.folds))
        choices = {choice_key(()): Choice(dice, {})}
        found.append(CaseMaterial(name, group, one.evidence, {}, {}, choices, contours))
    return found


def assessed(judged: Judged, classes: Sequence[ClassInfo]) -> Judged:
    """The figures with what fits on the other folds' frames say of each frame, as ``segment`` would, and the
    material of all. Too few frames stay as they are."""
    material = frame_material(judged.figures, classes)
    if len(material) < FEWEST_CASES:
        return judged
    figures = dict(judged.figures)
    for part in groups_of(material):
        away = {one.case for one in part}
        fits = fit_all([one for one in material if one.case not in away], LOW_DICE, TRUST_RISK)
        assessor = Assessor(as_calibration(fits), tuple(classes))
        for one in part:
            bands = judge_histograms(assessor.bands, one.contours)
            figures[one.case] = dataclasses.replace(
                figures[one.case],
                assessment=to_plain(assessor.assess(one.evidence, {}, {})),
                bands={name: to_plain(band) for name, band in bands.items()},
            )
    return dataclasses.replace(judged, figures=figures, material=tuple(material))
