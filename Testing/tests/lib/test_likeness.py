"""Does a scan belong here: distances by hand, sides of a known heart, no heart, and what is said of each."""

from __future__ import annotations

import numpy as np
import pytest

from CardiacUQLib.bundles.classes import LGE_CLASSES
from CardiacUQLib.uncertainty.assessment import Assessor
from CardiacUQLib.uncertainty.likeness import FAR, HEART, Likeness, LikenessCalibration, TraitRange
from CardiacUQLib.uncertainty.linear import LinearModel
from CardiacUQLib.uncertainty.sides import QUARTER, RINGS_MM, side_figures, side_names
from CardiacUQLib.uncertainty.traits import heart_likeness, readable

PIXEL_MM = 1.5
POOL_VIEWS = "agreement, blood pool: Dice of the views"


def varying(mean: float, spread: float) -> TraitRange:
    return TraitRange(mean - 2 * spread, mean + 2 * spread, 0.0, mean, spread)


PAIR = LikenessCalibration(
    {"a": varying(0.0, 1.0), "b": varying(10.0, 2.0), "depth": TraitRange(40.0, 40.0, 2.0)},
    ("a", "b"),
    ((1.0, 0.6), (0.6, 1.0)),
    limit=1.5,
)


def test_the_distance_of_two_correlated_traits_by_hand() -> None:
    # z = (1, 1) goes along with the correlation, z = (1, -1) against it: z' C^-1 z = 2 / 1.6 and 2 / 0.4
    along, shares = PAIR.distance({"a": 1.0, "b": 12.0})
    against, _ = PAIR.distance({"a": 1.0, "b": 8.0})
    assert along == pytest.approx(np.sqrt(2 / 1.6 / 2)) and against == pytest.approx(np.sqrt(2 / 0.4 / 2))
    assert shares == pytest.approx({"a": 0.5, "b": 0.5})
    alone, shares = PAIR.distance({"a": 3.0})
    assert alone == pytest.approx(3.0) and shares == {"a": 1.0}  # of the traits that are known
    assert PAIR.distance({}) == (0.0, {})


def test_a_scan_is_unlike_beyond_the_limit_and_the_weightiest_trait_leads() -> None:
    assert PAIR.judge({"a": 0.5, "b": 11.0, "depth": 40.0}) == Likeness((), pytest.approx(0.264, abs=1e-3))
    found = PAIR.judge({"a": 0.0, "b": 20.0})
    assert found.reasons[0] == "b 20, usual 6 to 14"
    assert found.distance == pytest.approx(5 / np.sqrt(0.64) / np.sqrt(2) / 1.5, abs=1e-3)
    assert found.far == (found.distance > FAR)
    against = PAIR.judge({"a": 1.9, "b": 6.2})
    assert set(against.reasons) == {"a 1.9 does not go with the rest", "b 6.2 does not go with the rest"}


def test_a_trait_that_never_varies_counts_in_margins() -> None:
    assert PAIR.judge({"depth": 38.0}).reasons == ()
    found = PAIR.judge({"depth": 3.0})
    assert found.reasons == ("depth 3, usual 40 to 40",) and found.distance == 18.5 and found.far


def test_a_fit_that_contradicts_itself_is_refused() -> None:
    with pytest.raises(ValueError, match="margin or spread above 0"):
        TraitRange(0.0, 1.0, 0.0)
    with pytest.raises(ValueError, match="one correlation per pair"):
        LikenessCalibration({"a": varying(0, 1)}, ("a",), ((1.0, 0.2),))
    with pytest.raises(ValueError, match="range for every trait"):
        LikenessCalibration({"a": varying(0, 1)}, ("b",), ((1.0,),))


def test_what_depends_on_the_views_is_left_out_without_them() -> None:
    fit = LikenessCalibration({POOL_VIEWS: varying(3.0, 0.3)}, (POOL_VIEWS,), ((1.0,),), limit=1.5)
    assert fit.judge({POOL_VIEWS: 0.0}).reasons == (
        "blood pool, agreement of its mirrored views (Dice) 0.5, usual 0.917 to 0.973",
    )
    assert fit.judge({POOL_VIEWS: 0.0}, all_views=False).reasons == ()


def test_readable_numbers() -> None:
    assert readable("volume of the ventricle", np.log(101.0)) == pytest.approx(100.0)
    assert readable("roundness", 0.7) == 0.7


def test_nothing_like_a_heart() -> None:
    assert heart_likeness({}) == 1.0
    assert heart_likeness({"closed wall": 0.8, POOL_VIEWS: 0.0}) == pytest.approx(0.4)
    assert heart_likeness({"closed wall": 0.8, POOL_VIEWS: 0.0}, all_views=False) == pytest.approx(0.8)
    assert Likeness(heart=HEART - 0.01).no_heart and not Likeness(heart=HEART).no_heart
    fit = {"traits": {"closed wall": {"low": 0.9, "high": 1.0, "margin": 0.5}}}
    assessor = Assessor({"likeness": fit}, LGE_CLASSES)
    assert assessor.assess({"closed wall": 0.5}, {}, {}).no_heart
    assert not assessor.assess({"closed wall": 0.7}, {}, {}).no_heart
    assert not Assessor({}, LGE_CLASSES).assess({"closed wall": 0.1}, {}, {}).no_heart, "it cannot tell"


def chest(slices: int = 3, size: int = 80) -> tuple[np.ndarray, np.ndarray]:
    """A round ventricle, bright blood to the patient's right of it (small x), lung to the left."""
    y, x = np.indices((size, size)) - (size - 1) / 2
    heart = np.repeat((np.hypot(y, x) < 15)[None], slices, axis=0)
    image = np.where(x < 0, 1.0, -1.0) * np.ones((slices, 1, 1))
    return image, heart


def test_sides_of_a_heart_between_blood_and_lung() -> None:
    image, heart = chest()
    everywhere = np.ones(image.shape[1:], bool)
    found = side_figures(image, everywhere, heart, PIXEL_MM)
    assert tuple(found) == side_names() and len(found) == QUARTER * (len(RINGS_MM) - 1)
    assert list(found.values()) == pytest.approx([1.0] * len(found))
    mirrored = side_figures(image[..., ::-1], everywhere, heart[..., ::-1], PIXEL_MM)
    assert list(mirrored.values()) == pytest.approx([-1.0] * len(found))
    upside_down = side_figures(image[:, ::-1], everywhere, heart[:, ::-1], PIXEL_MM)
    assert upside_down == pytest.approx(found)
    right_half = np.indices(everywhere.shape)[1] < 40
    assert not any(side_figures(image, right_half, heart, PIXEL_MM).values()), "one side alone says nothing"
    assert not any(side_figures(image, everywhere, np.zeros_like(heart), PIXEL_MM).values())


def test_a_mirrored_stack_is_named_and_must_be_checked() -> None:
    names = side_names()
    model = LinearModel(names, (0.0,) * len(names), (1.0,) * len(names), (-0.5,) * len(names), 0.0)
    fit = LikenessCalibration({}, mirrored=model)
    image, heart = chest()
    everywhere = np.ones(image.shape[1:], bool)
    assert fit.judge(side_figures(image, everywhere, heart, PIXEL_MM)).reasons == ()
    found = fit.judge(side_figures(image[..., ::-1], everywhere, heart, PIXEL_MM))
    assert found.reasons == ("left and right seem exchanged, probability 1.00",)
    assert found.distance > 1 and not found.far
    assert fit.judge({"a": 1.0}).reasons == (), "a scan whose sides are not known"
