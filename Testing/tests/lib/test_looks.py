"""Places worth a look and scans unlike the others, on arrays whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from CardiacUQLib.bundles.classes import CINE_CLASSES, LGE_CLASSES
from CardiacUQLib.uncertainty.likeness import Likeness
from CardiacUQLib.uncertainty.look import Look, LookKind, one_for_each_proposal, slices_shown, within_loss
from CardiacUQLib.uncertainty.looks import (
    Material,
    Place,
    describe,
    disc_at,
    disc_of,
    places,
    proposals,
    worth,
)
from CardiacUQLib.uncertainty.quality import PredictedDice
from CardiacUQLib.uncertainty.sides import side_names
from CardiacUQLib.uncertainty.traits import AT_THE_EDGE, scan_traits, trait_names
from CardiacUQLib.uncertainty.verdict import Verdict, Word, unlike_verdict

PIXEL_MM = 3.0


def material(presence: dict[str, float], mvo: float = 0.0) -> Material:
    """Two slices of 40 x 40: a wall of healthy muscle with 9 voxels of possible MVO, sure of everything."""
    labels = np.zeros((2, 40, 40), np.uint8)
    labels[:, 5:35, 5:35] = 2
    labels[:, 12:28, 12:28] = 1
    mean = np.full((5, *labels.shape), 0.01)
    np.put_along_axis(mean, labels[None].astype(np.intp), 0.96, axis=0)
    mean[4, 1, 8:11, 8:11] = mvo
    wrong = np.zeros(labels.shape)
    return Material(mean, labels, labels.copy(), wrong, presence, LGE_CLASSES, PIXEL_MM, 0.1)


def test_a_disc_has_the_stated_radius() -> None:
    disc = disc_of(PIXEL_MM)
    assert disc.shape == (11, 11)
    assert disc[5].all() and disc[:, 5].all() and not disc[0, 0]
    assert disc_at((40, 40), 0, 0, 5).sum() == np.hypot(*np.mgrid[:6, :6]).__le__(5.3).sum()


def test_places_take_the_most_first_and_stop_where_little_is_left() -> None:
    gain = np.zeros((2, 40, 40))
    gain[0, 10, 10], gain[1, 30, 30], gain[0, 10, 12], gain[1, 2, 2] = 0.05, 0.04, 0.02, 0.001
    found = places(gain, PIXEL_MM, least=0.01)
    assert [round(one.gain, 3) for one in found] == [0.07, 0.04]
    assert found[0].slice == 0 and found[1].slice == 1
    radius = disc_of(PIXEL_MM).shape[0] // 2
    assert disc_at((40, 40), found[0].row, found[0].column, radius)[10, [10, 12]].all()
    assert len(places(gain, PIXEL_MM, least=0.0005)) == 3
    assert len(places(gain, PIXEL_MM, least=0.0005, most=1)) == 1
    assert places(np.zeros((1, 8, 8)), PIXEL_MM) == []


def test_a_lesion_that_may_be_there_is_proposed_with_its_outline() -> None:
    one = material({"infarct": 0.9, "MVO": 0.35}, mvo=0.6)
    one.labels[0, 6, 6] = 3  # an infarct is drawn, the MVO is not
    offered = proposals(one)
    assert set(offered) == {"MVO"}
    assert offered["MVO"][1, 8:11, 8:11].all() and not offered["MVO"][0].any()
    assert offered["MVO"].sum() < 60
    assert proposals(material({"infarct": 0.9, "MVO": 0.1}, mvo=0.6)).keys() == {"infarct"}
    both = proposals(material({"infarct": 0.3, "MVO": 0.3}, mvo=0.6))
    assert set(both) == {"infarct"}, "of nested lesions the outer one alone"
    assert proposals(material({})) == {}


def test_the_worth_of_a_wrong_voxel_follows_the_sizes_and_a_proposal_adds_its_chance() -> None:
    one = material({})
    one.wrong[0, 20, 20] = 0.5  # blood pool, rather healthy or background: both small chances, first wins
    gain = worth(one, {})
    blood = (one.labels == 1).sum()
    assert gain[0, 20, 20] == pytest.approx(0.5 * 0.5 / blood / 4)
    assert gain.sum() == pytest.approx(gain[0, 20, 20])
    offer = material({"MVO": 0.4}, mvo=0.6)
    gain = worth(offer, proposals(offer))
    assert gain.sum() == pytest.approx(0.5 * 0.4 / 4)
    drawn = material({"MVO": 0.4})
    drawn.labels[1, 8:11, 8:11] = 4
    assert worth(drawn, {}).sum() == pytest.approx(0.6 / 4)


def test_the_words_of_a_place_say_who_said_what() -> None:
    one = material({})
    one.opinion[0, 18:22, 18:22] = 3
    one.wrong[0, 18:22, 18:22] = 0.4
    said = describe(one, Place(0, 20, 20, 0.1), {}, ("2D", "3D"))
    assert (said.kind, said.text) == (LookKind.CORRECTION, "2D said infarct, 3D says blood pool")
    assert (said.label, said.probability, said.was, said.became) == (None, None, 3, 1)
    assert said.scar_ml == pytest.approx(16 * 0.4 * 0.02 * 0.1)  # both scar classes at 0.01
    one.opinion[:] = one.labels
    said = describe(one, Place(0, 20, 20, 0.1), {}, ("2D", "3D"))
    assert (said.kind, said.text) == (LookKind.DOUBT, "blood pool, or rather background?")
    assert (said.was, said.became) == (None, 1)
    offer = material({"MVO": 0.35}, mvo=0.6)
    said = describe(offer, Place(1, 9, 9, 0.1), proposals(offer), ("2D", "3D"))
    volume = proposals(offer)["MVO"].sum() * 0.1
    assert said.kind is LookKind.SECOND_LOOK
    assert said.text == f"possible MVO, {volume:.1f} ml, probability 0.35"
    assert (said.label, said.probability, said.became) == (4, 0.35, None)


def heart(shift: int = 0) -> tuple[np.ndarray, np.ndarray]:
    labels = np.zeros((5, 48, 48), np.uint8)
    y, x = np.mgrid[:48, :48]
    for z in range(5):
        r = np.hypot(y - 24, x - 24 - shift * z)
        labels[z][r < 14 - z] = 2
        labels[z][r < 9 - z] = 1
    image = 40.0 + 100.0 * (labels == 1) + np.random.default_rng(0).normal(0, 3, labels.shape)
    return image, labels


def traits_of(image: np.ndarray, labels: np.ndarray, inside: np.ndarray | None = None) -> dict[str, float]:
    flat = image.reshape(len(image), -1)
    n = (image - flat.mean(axis=1)[:, None, None]) / flat.std(axis=1)[:, None, None]
    inside = np.ones(image.shape[1:], bool) if inside is None else inside
    agreement = {
        f"{s}: {f}": 3.0
        for s in ("blood pool", "healthy myocardium")
        for f in ("promised Dice", "Dice of the views", "Dice of the opinions")
    }
    return scan_traits(image, n, inside, labels, LGE_CLASSES, 1.5, 10.0, agreement)


def test_traits_of_a_round_heart() -> None:
    image, labels = heart()
    found = traits_of(image, labels)
    assert found["roundness"] == pytest.approx(1.0, abs=0.02)
    assert found["closed wall"] == 1.0
    assert found["shift between slices"] == pytest.approx(0.0, abs=1e-6)
    assert found[AT_THE_EDGE] == 0.0
    seen = np.ones((48, 48), bool)
    seen[:, :12] = False  # the image ends where the outermost wall of the larger slices begins
    assert traits_of(image, labels, seen)[AT_THE_EDGE] == pytest.approx(2 / 5)
    assert found["distinct grey values"] == 40
    volume = (labels > 0).sum() * 1.5**2 * 10 / 1000
    assert found["volume of the ventricle"] == pytest.approx(np.log(volume + 1))
    assert found["blood against muscle"] > 1.0
    assert traits_of(*heart(shift=2))["shift between slices"] == pytest.approx(3.0, abs=0.01)
    assert set(trait_names(found)) | set(side_names()) == set(found)
    assert trait_names({"infarct: volume": 1.0, "roundness": 1.0}) == ("roundness",)


def test_traits_tell_a_label_map_disorder_and_an_empty_result() -> None:
    image, labels = heart()
    assert traits_of(labels.astype(float), labels)["distinct grey values"] == 3
    order = [2, 0, 4, 1, 3]
    mixed = traits_of(image[order], labels[order])
    assert mixed["unevenness of the area"] > 5 * traits_of(image, labels)["unevenness of the area"]
    empty = traits_of(image, np.zeros_like(labels))
    assert np.isfinite(list(empty.values())).all()
    assert empty["volume of the ventricle"] == 0.0 and empty["closed wall"] == 0.0


def test_an_unlike_scan_is_never_trusted_and_a_far_one_is_done_again() -> None:
    trusted, near, far = (
        Verdict(Word.TRUST, "fine", 0.1, 0.7),
        Likeness(("odd",), 1.5),
        Likeness(("odd",), 9.0),
    )
    assert unlike_verdict(near, trusted) == Verdict(Word.CHECK, "unlike the training scans: odd")
    assert unlike_verdict(near, Verdict(Word.REDO, "bad")).word is Word.REDO
    assert unlike_verdict(far, trusted).word is Word.REDO
    assert unlike_verdict(near, None).word is Word.CHECK


def test_a_cine_has_traits_too() -> None:
    image, labels = heart()
    cine = np.where(labels == 1, 3, labels)
    agreement = {
        f"{s}: {f}": 3.0
        for s in ("LV", "myocardium", "RV")
        for f in ("promised Dice", "Dice of the views", "Dice of the opinions")
    }
    found = scan_traits(image, image / 50, np.ones((48, 48), bool), cine, CINE_CLASSES, 1.5, 10.0, agreement)
    assert found["roundness"] == pytest.approx(1.0, abs=0.02)
    assert "agreement, LV: Dice of the views" in found


def test_a_small_drawn_lesion_that_may_not_be_there_is_what_the_place_is_about() -> None:
    one = material({"MVO": 0.4})
    one.labels[1, 8:11, 8:11] = 4
    one.opinion[:] = one.labels
    one.wrong[1, 5:9, 5:15] = 0.3  # some doubt about the outline besides
    found = places(worth(one, {}), PIXEL_MM)[0]
    said = describe(one, found, {}, ("2D", "3D"))
    assert (said.kind, said.text) == (LookKind.DOUBT, "MVO, probability 0.40?")
    assert (said.label, said.probability, said.became) == (None, 0.4, 4)


def test_slices_of_one_proposal_are_one_place_with_all_its_slices() -> None:
    def look(number: int, at: int, kind: LookKind, label: int | None, gain: float) -> Look:
        return Look(number, kind, at, (0.0, 0.0, 0.0), 15.0, gain, 1.0, "what", label, None)

    mvo, doubt = LookKind.SECOND_LOOK, LookKind.DOUBT
    looks = [look(1, 6, mvo, 4, 0.05), look(2, 3, doubt, None, 0.06), look(3, 5, mvo, 4, 0.04)]
    found = one_for_each_proposal(looks)
    assert [(one.number, round(one.gain, 3), one.scar_ml) for one in found] == [
        (1, 0.09, 2.0),
        (2, 0.06, 1.0),
    ]
    assert [slices_shown(one, looks) for one in found] == [(5, 6), (3,)]
    assert one_for_each_proposal([]) == ()


def test_places_promise_no_more_dice_than_is_missing() -> None:
    gains = (0.3, 0.1)
    looks = [
        Look(n, LookKind.DOUBT, 0, (0.0, 0.0, 0.0), 15.0, gain, 1.0, "")
        for n, gain in enumerate(gains, start=1)
    ]
    whole = (PredictedDice("mean", 0.8, 0.7, 0.9), PredictedDice("infarct", 0.1, 0.0, 0.9))
    assert [look.gain for look in within_loss(looks, whole)] == [0.15, 0.05], "0.2 is missing"
    assert [look.gain for look in within_loss(looks, whole[1:])] == [0.3, 0.1], "no mean Dice is predicted"
    assert [look.gain for look in within_loss(looks[1:], whole)] == [0.1], "less than what is missing"
