"""Writing the fits of whole cases into a bundle."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from CardiacUQLib.bundles.bundle import Bundle, write_manifest

from ..shared.material import CaseMaterial
from .fit import LOW_DICE, TRUST_RISK, fit_all
from .gather import FEWEST_CASES, as_calibration


def store_fits(
    bundle: Bundle,
    material: Sequence[CaseMaterial],
    dataset: str,
    low_dice: float = LOW_DICE,
    trust_risk: float = TRUST_RISK,
) -> None:
    """Fit on all cases and write presence, predicted Dice, verdict, likeness and contour bands into the
    manifest; volume limits that presence replaces go. Too few cases leave the bundle as it is."""
    if len(material) < FEWEST_CASES:
        return
    origin = {"fitted_on": {"dataset": dataset, "cases": len(material), "predictions": "out of fold"}}
    found: dict[str, Any] = dict(as_calibration(fit_all(material, low_dice, trust_risk)))
    fits = {name: {**fit, **origin} for name, fit in found.items()}
    manifest = bundle.manifest
    limits = {} if "presence" in fits else manifest.smallest_lesion_ml
    changed: dict[str, Any] = {"calibration": {**manifest.calibration, **fits}, "smallest_lesion_ml": limits}
    write_manifest(dataclasses.replace(manifest, **changed), bundle.folder)
