"""Moving the heart in its image: voxels stay where they are in the patient, and the Dice tells the rest."""

import dataclasses

import numpy as np
import pytest

from CardiacUQLib.base.errors import UsageError
from CardiacUQLib.bundles.manifest import RoiSpec
from CardiacUQLib.images.reading import read_volume
from CardiacUQTraining.evaluation.lge import position
from CardiacUQTraining.evaluation.lge.position import Move, judge_positions, moved, moves
from CardiacUQTraining.evaluation.shared.predict import PassOptions


def test_voxels_keep_their_place_in_the_patient(phantoms):
    volume, labels = phantoms.cases[0].load()
    tilted = dataclasses.replace(volume.geometry, direction=(0.0, -1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0))
    volume = dataclasses.replace(volume, geometry=tilted)
    after, marks = moved(volume, labels, Move("", (3, -2), (0, 5)))
    z, y, x = np.argwhere(labels == 3)[0]
    assert marks[z, y + 3, x - 2] == 3 and after.array[z, y + 3, x - 2] == volume.array[z, y, x]
    np.testing.assert_allclose(
        after.geometry.index_to_ras(np.array([x - 2, y + 3, z])),
        volume.geometry.index_to_ras(np.array([x, y, z])),
        atol=1e-4,
    )
    assert after.array.shape == marks.shape == after.geometry.shape
    assert after.array.shape == (len(labels), labels.shape[1] + 3, labels.shape[2] + 3)
    assert after.array[0, 0, -1] == volume.array.min() and marks[0, 0, -1] == 0


def test_no_label_is_ever_cut_away(phantoms):
    volume, labels = phantoms.cases[0].load()
    after, marks = moved(volume, labels, Move("", (-500, -500), (-500, -500)))
    assert (marks > 0).sum() == (labels > 0).sum()
    for axis in (1, 2):
        own = np.flatnonzero((marks > 0).any(axis=tuple({0, 1, 2} - {axis})))
        assert own[0] == position.CLEARANCE_PX and after.array.shape[axis] - 1 - own[-1] == own[0]


def test_moves_pad_and_shift_both_ways():
    pad, right, left, *same = moves(30)
    assert pad.before_yx == pad.after_yx == (30, 30)
    assert right.before_yx == left.after_yx == (60, 60)
    assert all(b + a == 0 for move in same for b, a in zip(move.before_yx, move.after_yx, strict=True))


def test_whole_images_do_not_care_and_centred_squares_do(bundle, phantoms):
    """With pixels of the image's own size a region that follows the heart gives the same Dice; one at the
    image centre does not."""
    dataset = dataclasses.replace(phantoms, cases=phantoms.cases[:1])
    found = judge_positions(
        bundle, dataset, moves(30)[:2], PassOptions((0,)), device="cpu", precision="float32"
    )
    (_, _, padded, _), (_, _, shifted, worst) = found.rows()
    assert padded == pytest.approx(0, abs=1e-9) and shifted != 0 and worst == shifted
    assert found.cases == ("Phantom_1000",) and not found.failures


def test_a_coarse_pass_finds_the_heart_wherever_it_lies(bundle, phantoms, monkeypatch):
    """A locator that is never wrong: then nothing changes at all."""
    manifest = dataclasses.replace(
        bundle.manifest,
        roi=RoiSpec(48, None, 6.0, 64),
        networks={**bundle.manifest.networks, "locator": bundle.manifest.networks["stage2d"]},
    )
    marks = {}

    def remember(volume, labels, move):
        made = moved(volume, labels, move)
        marks[made[0].array.shape, made[0].geometry.origin] = made[1]
        return made

    def centre(volume, *_):
        labels = marks.get((volume.array.shape, volume.geometry.origin), phantoms.cases[0].load()[1])
        return tuple(float(n) for n in np.rint(np.argwhere(labels > 0).mean(axis=0)[1:]))

    monkeypatch.setattr(position, "moved", remember)
    monkeypatch.setattr("CardiacUQLib.inference.jobs.find_heart", centre)
    dataset = dataclasses.replace(phantoms, cases=phantoms.cases[:1])
    located = dataclasses.replace(bundle, manifest=manifest)
    found = judge_positions(located, dataset, moves(20), PassOptions((0,)), device="cpu", precision="float32")
    assert [change for _, _, change, _ in found.rows()] == pytest.approx([0] * 5, abs=1e-9)


def test_broken_cases_are_named_and_other_classes_refused(bundle, phantoms):
    def broken():
        return read_volume("nowhere.nii.gz"), None

    cases = (dataclasses.replace(phantoms.cases[0], id="broken", maker=broken), phantoms.cases[1])
    lines = []
    found = judge_positions(
        bundle, dataclasses.replace(phantoms, cases=cases), (), PassOptions((0,)), on_failure=lines.append
    )
    assert found.cases == ("Phantom_1001",) and found.still.shape == (1,)
    assert len(lines) == 1 and lines[0].startswith("broken: ")
    with pytest.raises(UsageError, match="choose data with the same classes"):
        judge_positions(
            bundle, dataclasses.replace(phantoms, classes=phantoms.classes[:3]), (), PassOptions()
        )
