"""The fit of what training scans look like, on made-up traits of known spread and correlation."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from CardiacUQLib.base.json_codec import to_plain
from CardiacUQLib.uncertainty.assessment import decode_fit
from CardiacUQLib.uncertainty.likeness import KEY
from CardiacUQLib.uncertainty.sides import side_names
from CardiacUQTraining.evaluation.assessment.fit_likeness import SHRINKAGE, fit_likeness, fit_sides
from CardiacUQTraining.evaluation.shared.material import CaseMaterial


def cases(count: int = 80, seed: int = 0, *, mirrored: bool = False) -> list[CaseMaterial]:
    """Two traits of correlation 0.8, one without, one constant, and sides of sign + 1."""
    rng = np.random.default_rng(seed)
    found = []
    for n in range(count):
        common = rng.normal()
        traits = {
            "a": 2.0 + common,
            "b": 5.0 + 3.0 * (0.8 * common + 0.6 * rng.normal()),
            "c": rng.normal(),
            "depth": 40.0,
        }
        sides = {name: (-1.0 if mirrored else 1.0) * rng.normal(1.0, 0.7) for name in side_names()}
        found.append(CaseMaterial(f"{n}", str(n % 5), traits | sides, {}, {}, {}))
    return found


def test_correlations_are_shrunk_and_the_constant_trait_has_a_margin() -> None:
    fit = fit_likeness(cases(2000))
    assert fit.joint == ("a", "b", "c")
    assert fit.correlation[0][1] == pytest.approx((1 - SHRINKAGE) * 0.8, abs=0.03)
    assert fit.correlation[0][0] == pytest.approx(1.0, abs=1e-3)
    assert fit.traits["b"].mean == pytest.approx(5.0, abs=0.2)
    assert fit.traits["b"].spread == pytest.approx(3.0, abs=0.1)
    assert (fit.traits["depth"].margin, fit.traits["depth"].spread) == (2.0, 0.0)


def test_few_cases_of_the_same_kind_are_flagged_and_others_are() -> None:
    fit = fit_likeness(cases())
    same = [bool(fit.judge(one.evidence).reasons) for one in cases(400, seed=1)]
    assert np.mean(same) < 0.05
    against = {"a": 4.5, "b": -2.5, "c": 0.0, "depth": 40.0}  # each usual, but not together
    assert fit.judge(against).reasons
    assert fit.judge({**against, "b": 11.0}).reasons == ()


def test_a_case_on_which_the_networks_failed_does_not_widen_what_is_usual() -> None:
    failed = dataclasses.replace(cases(1)[0], case="failed", evidence={**cases(1)[0].evidence, "c": 40.0})
    clean, fit = fit_likeness(cases()), fit_likeness([*cases(), failed])
    assert fit.traits["c"].high == clean.traits["c"].high < 4.0
    assert fit.judge(failed.evidence).reasons


def test_sides_are_learnt_without_a_mirrored_scan() -> None:
    model = fit_sides(cases())
    assert model is not None and model.intercept == 0.0
    assert all(model.probability(one.evidence) < 0.5 for one in cases(100, seed=2))
    assert all(model.probability(one.evidence) > 0.5 for one in cases(100, seed=2, mirrored=True))
    bare = [dataclasses.replace(one, evidence={"a": 1.0}) for one in cases(4)]
    assert fit_sides(bare) is None


def test_the_fit_comes_back_from_its_plain_numbers() -> None:
    fit = fit_likeness(cases())
    assert decode_fit(KEY, to_plain(fit)) == fit
