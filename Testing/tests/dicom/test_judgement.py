"""What the networks say about their own result, read back from the structured report."""

from __future__ import annotations

import dataclasses

import highdicom as hd
import pytest

from CardiacUQLib.dicom import content_of, write_dicom_outputs
from CardiacUQLib.dicom.judgement import expectations
from CardiacUQLib.uncertainty.quality import PredictedDice
from CardiacUQLib.uncertainty.verdict import Verdict, Word


def test_report_says_verdict_predicted_dice_and_presence(result, series_folder, tmp_path):
    judged = dataclasses.replace(
        result,
        verdict=Verdict(Word.CHECK, "infarct unsure", 0.3, 0.7),
        predicted_dice=(PredictedDice("infarct", 0.61, 0.48, 0.72),),
        presence={"MVO": 0.35},
    )
    assert [code.value for code, _, _ in expectations(content_of(judged))] == ["PDICEINFARCT", "PROBMVO"]
    written = write_dicom_outputs(judged, series_folder, tmp_path)
    heart = hd.sr.srread(written.report).content.get_image_measurement_groups()[0]
    found = {one.name.meaning: one for one in heart.get_measurements()}
    dice = found["Predicted Dice, infarct"]
    assert dice.value == pytest.approx(0.61)
    ends = {c.name.value: c.value for c in dice[0].ContentSequence if isinstance(c, hd.sr.NumContentItem)}
    assert ends == pytest.approx({"371886008": 0.11, "371885007": 0.13})
    assert found["Probability of MVO"].value == pytest.approx(0.35)
    words = {one.name.value: one.value.value for one in heart.get_qualitative_evaluations()}
    assert words["VERDICT"] == "CHECK"
