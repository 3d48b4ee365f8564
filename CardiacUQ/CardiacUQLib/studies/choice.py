"""Which bundle a scan belongs to, by what the scan shows: late enhancement or cine, never by its name.

A bundle knows the scans it was trained on (:mod:`CardiacUQLib.uncertainty.likeness`). One of its folds looks
at the scan, and the bundle to whose training scans the result is nearest is taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..base.errors import NoHeartError, UsageError
from ..base.progress import CancelToken
from ..bundles.bundle import list_bundles, load_bundle
from ..uncertainty.assessment import Assessor
from ..uncertainty.likeness import KEY, Likeness

if TYPE_CHECKING:
    from ..bundles.bundle import Bundle
    from ..images.volume import Volume
    from ..inference.options import NetworkOptions

AUTO = "auto"
"""The name by which the command line asks for a choice."""


@dataclass(frozen=True)
class Candidate:
    """A bundle, and how like its training scans the scan is."""

    bundle: Bundle
    likeness: Likeness

    @property
    def suits(self) -> bool:
        """True where the scan belongs to the training scans of the bundle."""
        return not self.likeness.reasons and not self.likeness.no_heart


def able_bundles() -> tuple[Bundle, ...]:
    """The installed bundles that know what their training scans were like."""
    return tuple(one for one in list_bundles() if KEY in one.manifest.calibration)


def candidates(
    volume: Volume, bundles: Sequence[Bundle], options: NetworkOptions, cancel: CancelToken | None = None
) -> tuple[Candidate, ...]:
    """The bundles, the likeliest first; each looks at the volume with its first fold and all views."""
    from ..inference.explore import explore  # loads torch
    from ..inference.jobs import Job

    found = []
    for one in bundles:
        bundle, manifest = load_bundle(one.folder), one.manifest
        job = Job(volume, bundle, manifest.folds[:1], manifest.views, cancel=cancel or CancelToken())
        evidence = explore(job, device=options.device, precision=options.precision).evidence
        found.append(Candidate(bundle, Assessor(manifest.calibration, manifest.classes).likeness(evidence)))
    return tuple(sorted(found, key=lambda one: (one.likeness.no_heart, one.likeness.distance)))


def choose_bundle(volume: Volume, options: NetworkOptions, cancel: CancelToken | None = None) -> Bundle:
    """The installed bundle whose training scans the volume is most like.

    Raises UsageError where no bundle can tell, NoHeartError where none finds anything like a heart.
    """
    able = able_bundles()
    if not able:
        raise UsageError("--model auto: no installed bundle knows its training scans; name a bundle")
    best = candidates(volume, able, options, cancel)[0]
    if best.likeness.no_heart and not options.keep_unlike:
        remedy = "give a short-axis stack of a heart, or name a bundle with --model"
        raise NoHeartError(volume.path or "the image", "no bundle finds anything like a heart in it", remedy)
    return best.bundle


def better_bundle(
    volume: Volume, bundle: Bundle, options: NetworkOptions, cancel: CancelToken | None = None
) -> str:
    """For a scan that does not belong to ``bundle``: the name of an installed bundle for another kind of
    image to whose training scans it does belong; "" where there is none."""
    others = [one for one in able_bundles() if one.manifest.kind is not bundle.manifest.kind]
    if KEY not in bundle.manifest.calibration:
        return ""
    return next(
        (one.bundle.manifest.name for one in candidates(volume, others, options, cancel) if one.suits), ""
    )
