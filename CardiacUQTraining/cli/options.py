"""How to segment, as the command line states it."""

from __future__ import annotations

from dataclasses import dataclass

from CardiacUQLib.bundles.manifest import View


@dataclass(frozen=True)
class Options:
    """How to segment: None for ``folds`` or ``views`` means all that the bundle has.

    ``rv_insertion_ras`` is the anterior RV insertion point in mm; with ``dicom`` the case folder gets the
    results as DICOM objects too.
    """

    device: str = "auto"
    precision: str = "auto"
    folds: tuple[int, ...] | None = None
    views: tuple[View, ...] | None = None
    rv_insertion_ras: tuple[float, float, float] | None = None
    dicom: bool = False
