"""End-diastole and end-systole on hand-made curves."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from CardiacUQLib.base.errors import InputError
from CardiacUQLib.measures.beat import Beat, find_phases
from CardiacUQLib.report.beat_curve import beat_svg

FILM = Path("film.nii.gz")
BEAT = [100.0, 95, 85, 70, 55, 45, 42, 50, 65, 80, 90, 97]


@pytest.mark.parametrize("start", range(len(BEAT)))
def test_where_the_film_begins_changes_no_phase(start: int) -> None:
    rolled = np.roll(BEAT, -start)
    beat = find_phases(FILM, rolled)
    # frames within 3 % of the largest are as good an end-diastole as any; the first is preferred
    assert rolled[beat.ed] >= 97
    assert rolled[beat.es] == 42
    assert bool(beat.notes) == (beat.ed != 0)


def test_a_frame_in_which_the_model_slips_is_no_phase() -> None:
    assert find_phases(FILM, [*BEAT[:9], 20.0, *BEAT[10:]]).es == 6
    assert find_phases(FILM, [*BEAT[:6], 0.0, *BEAT[7:]]).es == 5
    assert find_phases(FILM, [*BEAT[:4], 150.0, *BEAT[5:]]).ed == 0, "an atrium taken for a ventricle"
    assert find_phases(FILM, [*BEAT[:6], float("nan"), *BEAT[7:]]).es == 5


def test_frames_that_could_not_be_used_are_told() -> None:
    beat = find_phases(FILM, [*BEAT[:6], float("nan"), *BEAT[7:11], float("nan")])
    assert beat.notes == ("no phase is sought in frames 6, 11, where the image is incomplete",)


def test_few_frames_may_empty_the_heart_in_one_step() -> None:
    assert find_phases(FILM, (100.0, 30.0)) == Beat(0, 1)
    assert find_phases(FILM, (30.0, 100.0)).ed == 1
    assert find_phases(FILM, (40.0, 80.0, 90.0, 60.0, 85.0)).es == 0


def test_a_named_phase_is_taken_and_doubts_are_told() -> None:
    beat = find_phases(FILM, BEAT, ed=3)
    assert (beat.ed, beat.es) == (3, 6)
    assert beat.notes == ("--ed 3: the cavity of frame 0 is larger, 100 ml against 70 ml",)
    assert find_phases(FILM, BEAT, es=8).notes == (
        "--es 8: the cavity of frame 6 is smaller, 42 ml against 65 ml",
    )
    assert find_phases(FILM, BEAT, ed=0, es=6).notes == ()
    assert find_phases(FILM, (100.0, 30.0), ed=1).es == 0


def test_a_film_that_stands_still_is_told() -> None:
    assert "hardly changes" in find_phases(FILM, [100.0] * 12).notes[0]


@pytest.mark.parametrize("volumes", [(0.0, 0.0), (float("nan"),) * 3])
def test_no_ventricle_no_phase(volumes: tuple[float, ...]) -> None:
    with pytest.raises(InputError, match="no left ventricle was found in any frame"):
        find_phases(FILM, volumes)


def test_one_frame_with_a_ventricle_is_no_beat() -> None:
    with pytest.raises(InputError, match="--es"):
        find_phases(FILM, (100.0, 0.0, 0.0, float("nan")))


def test_the_curve_is_drawn_with_both_phases_and_without_gaps() -> None:
    beat = {"cavity_ml": [120.0, None, 60.0, 110.0], "frames": {"ED": 0, "ES": 2}}
    drawing = ElementTree.fromstring(beat_svg({"beat": beat}))
    words = [text.text for text in drawing.iter("text")]
    assert "ED: frame 0, 120 ml" in words and "ES: frame 2, 60 ml" in words
    (line,) = drawing.iter("polyline")
    places = [tuple(map(float, pair.split(","))) for pair in line.attrib["points"].split()]
    assert len(places) == 3 and places[0][1] < places[2][1] < places[1][1], "more volume is higher"
    assert beat_svg({}) == "" and beat_svg({"beat": {"cavity_ml": [None, None], "frames": {}}}) == ""
