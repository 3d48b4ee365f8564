"""Everything that is said about a case as a whole, from one place, for inference and evaluation alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ..base.errors import ModelError
from ..base.json_codec import JsonMismatch, decode
from ..bundles.classes import LESIONS
from ..bundles.manifest import ClassInfo
from . import bands, likeness, presence, quality, verdict
from .bands import BandCalibration
from .likeness import Likeness, LikenessCalibration
from .presence import PresenceCalibration
from .quality import DiceCalibration, PredictedDice
from .verdict import Verdict, VerdictCalibration, unlike_verdict

FITS: Mapping[str, type] = {
    presence.KEY: PresenceCalibration,
    quality.KEY: DiceCalibration,
    verdict.KEY: VerdictCalibration,
    likeness.KEY: LikenessCalibration,
    bands.KEY: BandCalibration,
}
"""What this room reads from ``manifest.calibration``, by name."""


@dataclass(frozen=True)
class Assessment:
    """``presence`` by lesion name; ``unlike`` says in words in what the scan differs from those of the
    training, empty where it does not; ``no_heart`` where nothing like a heart was found; ``lacking`` names
    the fits that the bundle does not have."""

    verdict: Verdict | None = None
    predicted_dice: tuple[PredictedDice, ...] = ()
    presence: Mapping[str, float] = field(default_factory=dict)
    unlike: tuple[str, ...] = ()
    no_heart: bool = False
    lacking: tuple[str, ...] = ()


@dataclass(frozen=True)
class Assessor:
    """The fits of one bundle: ``calibration`` and ``classes`` are those of its manifest.

    All fits are read when it is made; raises ModelError if one is damaged.
    """

    calibration: Mapping[str, Any]
    classes: tuple[ClassInfo, ...]

    def __post_init__(self) -> None:
        _ = self._fits

    @property
    def lacking(self) -> tuple[str, ...]:
        """Fits that such a bundle can have and this one does not; presence needs lesions."""
        lesions = any(info.name in LESIONS for info in self.classes)
        wanted = (name for name in FITS if lesions or name != presence.KEY)
        return tuple(name for name in wanted if name not in self.calibration)

    def fit(self, name: str) -> Any:
        """A fit as its type, None if the bundle has none."""
        return self._fits.get(name)

    @cached_property
    def _fits(self) -> Mapping[str, Any]:
        try:
            return {
                name: decode_fit(name, self.calibration[name])
                for name in FITS
                if self.calibration.get(name) is not None
            }
        except JsonMismatch as error:
            raise ModelError(f"calibration: {error}; fit the bundle anew") from None

    @cached_property
    def presence(self) -> PresenceCalibration | None:
        """How P(lesion) is computed."""
        return self.fit(presence.KEY)

    @cached_property
    def bands(self) -> BandCalibration | None:
        """How bands of contours are found."""
        return self.fit(bands.KEY)

    def probabilities(self, evidence: Mapping[str, float]) -> dict[str, float]:
        """P(lesion) by name; empty without a fit."""
        return {} if self.presence is None else self.presence.probabilities(evidence)

    def assess(
        self,
        evidence: Mapping[str, float],
        probabilities: Mapping[str, float],
        drawn: Mapping[str, bool],
        stated: tuple[str, ...] = (),
        never: tuple[str, ...] = (),
    ) -> Assessment:
        """The assessment of a case with this evidence; ``probabilities`` and ``drawn`` by lesion; ``stated``
        is what file and labels themselves say against it, ``never`` what no heart is."""
        dice_fit, verdict_fit = self.fit(quality.KEY), self.fit(verdict.KEY)
        dice = () if dice_fit is None else dice_fit.predict(evidence, probabilities, drawn)
        word = None
        if dice_fit is not None and verdict_fit is not None:
            chance = dice_fit.chance_below(verdict_fit.low_dice, evidence, probabilities, drawn)
            word = verdict_fit.judge(dice, chance, probabilities, drawn)
        known = self.likeness(evidence).with_stated(stated, never)
        if known.reasons:
            word = unlike_verdict(known, word)
        return Assessment(word, dice, dict(probabilities), known.reasons, known.no_heart, self.lacking)

    def likeness(self, evidence: Mapping[str, float], *, all_views: bool = True) -> Likeness:
        """How like the training scans a scan is; as one of them where the bundle cannot tell."""
        fit: LikenessCalibration | None = self.fit(likeness.KEY)
        return Likeness() if fit is None else fit.judge(evidence, all_views=all_views)


def decode_fit(name: str, stored: Any) -> Any:
    """A fit of :data:`FITS` from its plain numbers; raises JsonMismatch for anything else."""
    where = f"manifest.calibration.{name}"
    try:
        return decode(stored, FITS[name], where)
    except JsonMismatch:
        raise
    except ValueError as error:
        raise JsonMismatch(f"{where}: {error}") from None
