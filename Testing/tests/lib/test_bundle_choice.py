"""The bundle that suits a scan is told by its likeness, and what no bundle knows is refused."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from cascade_fakes import noise_volume

from CardiacUQLib.base.errors import NoHeartError, UsageError
from CardiacUQLib.bundles.manifest import BundleKind
from CardiacUQLib.inference.options import NetworkOptions
from CardiacUQLib.studies import choice, scan
from CardiacUQLib.studies.choice import Candidate, better_bundle, choose_bundle
from CardiacUQLib.uncertainty.likeness import Likeness
from CardiacUQLib.uncertainty.verdict import Verdict, Word


@dataclasses.dataclass(frozen=True)
class Sheet:
    """As much of a manifest as a choice reads."""

    name: str
    kind: BundleKind
    calibration: dict[str, dict[str, float]]


@dataclasses.dataclass(frozen=True)
class Shelf:
    manifest: Sheet


LGE = Shelf(Sheet("late", BundleKind.CASCADE, {"likeness": {}}))
CINE = Shelf(Sheet("film", BundleKind.STREAMING, {"likeness": {}}))
LIKE, ODD, NOTHING = Likeness(), Likeness(("odd",), 2.0, 0.9), Likeness(("odd",), 9.0, 0.3)


@pytest.fixture
def seen(monkeypatch):
    """Sets how like the training scans of either bundle the scan is."""

    def how(late: Likeness, film: Likeness) -> None:
        known = {"late": late, "film": film}

        def look(volume, bundles, options, cancel=None):
            found = [Candidate(one, known[one.manifest.name]) for one in bundles]
            return tuple(sorted(found, key=lambda one: (one.likeness.no_heart, one.likeness.distance)))

        monkeypatch.setattr(choice, "candidates", look)
        monkeypatch.setattr(choice, "able_bundles", lambda: (CINE, LGE))

    return how


@pytest.mark.parametrize(
    ("late", "film", "chosen"),
    [(LIKE, ODD, "late"), (ODD, LIKE, "film"), (NOTHING, ODD, "film"), (ODD, NOTHING, "late")],
)
def test_the_nearer_bundle_that_finds_a_heart_is_chosen(seen, late, film, chosen):
    seen(late, film)
    assert choose_bundle(noise_volume(), NetworkOptions()).manifest.name == chosen


def test_a_scan_without_a_heart_is_refused_and_can_be_insisted_on(seen):
    seen(NOTHING, NOTHING)
    with pytest.raises(NoHeartError, match="no bundle finds anything like a heart"):
        choose_bundle(noise_volume(), NetworkOptions())
    assert choose_bundle(noise_volume(), NetworkOptions(keep_unlike=True)) in (LGE, CINE)


def test_without_a_bundle_that_can_tell_one_has_to_be_named(monkeypatch):
    monkeypatch.setattr(choice, "able_bundles", tuple)
    with pytest.raises(UsageError, match="name a bundle"):
        choose_bundle(noise_volume(), NetworkOptions())


def test_another_kind_of_bundle_is_named_only_where_the_scan_belongs_to_it(seen):
    seen(ODD, LIKE)
    assert better_bundle(noise_volume(), LGE, NetworkOptions()) == "film"
    assert better_bundle(noise_volume(), CINE, NetworkOptions()) == ""
    dumb = Shelf(Sheet("dumb", BundleKind.CASCADE, {}))
    assert better_bundle(noise_volume(), dumb, NetworkOptions()) == "", "nothing is known against it"


@dataclasses.dataclass(frozen=True)
class Outcome:
    """As much of a result as the naming of another bundle changes."""

    unlike: tuple[str, ...]
    verdict: Verdict | None


def test_the_verdict_names_the_bundle_that_suits(seen, monkeypatch):
    seen(ODD, LIKE)
    outcome = Outcome(("odd",), Verdict(Word.CHECK, "unlike the training scans: odd"))
    monkeypatch.setattr(scan, "segment_alone", lambda *arguments: outcome)
    found = scan.segment_with(noise_volume(), LGE, NetworkOptions())
    assert found.verdict.reason == "unlike the training scans: odd; like those of bundle 'film'"
    assert found.unlike == ("odd", "like those of bundle 'film'")
    monkeypatch.setattr(scan, "segment_alone", lambda *arguments: Outcome((), None))
    assert scan.segment_with(noise_volume(), LGE, NetworkOptions()) == Outcome((), None)


def test_a_refusal_names_the_bundle_that_suits(seen, monkeypatch):
    def refuse(volume, *others):
        raise NoHeartError(volume.path or "scan", "nothing like a heart was found", "give another")

    monkeypatch.setattr(scan, "segment_alone", refuse)
    seen(NOTHING, LIKE)
    with pytest.raises(NoHeartError, match="like those of bundle 'film': choose it with --model"):
        scan.segment_with(noise_volume(), LGE, NetworkOptions())
    seen(NOTHING, NOTHING)
    with pytest.raises(NoHeartError, match="give another"):
        scan.segment_with(noise_volume(), LGE, NetworkOptions())


def test_candidates_are_looked_at_by_their_own_networks(tmp_path, monkeypatch):
    """Two real bundles of random weights: the one whose ring is usual to it comes first."""
    from cascade_fakes import random_bundle

    from CardiacUQLib.bundles.bundle import load_bundle, write_manifest

    made = []
    for name, low in (("strict", 0.99), ("mild", 0.0)):
        bundle = random_bundle(tmp_path / name)
        likeness = {"traits": {"closed wall": {"low": low, "high": 1.0, "margin": 0.01}}}
        write_manifest(
            dataclasses.replace(bundle.manifest, calibration={"likeness": likeness}), bundle.folder
        )
        made.append(load_bundle(bundle.folder))
    found = choice.candidates(noise_volume(), made, NetworkOptions(device="cpu"))
    assert [one.bundle.folder.name for one in found] == ["mild", "strict"]
    assert np.isfinite([one.likeness.distance for one in found]).all()
    monkeypatch.setattr(choice, "list_bundles", lambda: tuple(made))
    assert choice.able_bundles() == tuple(made)
