"""How the networks of a bundle run, said once for every entrance."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..bundles.manifest import View


@dataclass(frozen=True)
class NetworkOptions:
    """``folds`` and ``views`` None mean all that the bundle has; ``device`` and ``precision`` are names as in
    :mod:`.device`; ``rv_insertion_ras`` is the anterior insertion of the right ventricle in mm,
    sought where it is None unless ``seek_insertion`` is off, as for a preview;
    ``probabilities`` keeps the mean softmax of all classes, ``keep_unlike`` a result without a heart."""

    device: str = "auto"
    precision: str = "auto"
    folds: tuple[int, ...] | None = None
    views: tuple[View, ...] | None = None
    rv_insertion_ras: tuple[float, float, float] | None = None
    seek_insertion: bool = field(default=True, kw_only=True)
    probabilities: bool = False
    keep_unlike: bool = False
