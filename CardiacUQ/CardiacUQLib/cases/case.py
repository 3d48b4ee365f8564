"""The one view of a segmented case that report, DICOM, review and scene are made from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ..bundles.manifest import BundleKind, ClassInfo
from ..bundles.map_catalogue import MapName
from ..images.volume import Geometry, StorageOrder
from ..inference.result import Component, RunRecord
from ..uncertainty.looks import Look
from ..uncertainty.quality import PredictedDice
from ..uncertainty.verdict import Verdict


class CaseView(Protocol):
    """A result in memory or a case folder, all arrays (z, y, x) in slice order on ``geometry``.

    What they hold is said at :class:`CardiacUQLib.inference.result.Result`. Whoever needs the order of
    the files turns the arrays with ``storage``: files, scene and DICOM do, nobody else.
    """

    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> BundleKind: ...
    @property
    def classes(self) -> tuple[ClassInfo, ...]: ...
    @property
    def geometry(self) -> Geometry: ...
    @property
    def source_geometry(self) -> Geometry:
        """Grid of the files."""
        ...

    @property
    def storage(self) -> StorageOrder:
        """The way from the order of the files to slice order."""
        ...

    @property
    def segmentation(self) -> np.ndarray: ...
    @property
    def opinion(self) -> np.ndarray | None:
        """Labels that the final ones overrule: the 2D stage's, a dissenting member's; None without any."""
        ...

    @property
    def dcm(self) -> np.ndarray: ...
    @property
    def component_ids(self) -> np.ndarray: ...
    @property
    def components(self) -> tuple[Component, ...]: ...
    @property
    def maps(self) -> Mapping[MapName, np.ndarray]: ...
    @property
    def measures(self) -> Mapping[str, Any]: ...
    @property
    def model_measures(self) -> Mapping[str, Any]:
        """The networks' own measures, whatever a review has made of ``measures``."""
        ...

    @property
    def run(self) -> RunRecord: ...
    @property
    def folder(self) -> Path | None:
        """The case folder, None in memory."""
        ...

    @property
    def input_path(self) -> Path | None: ...
    @property
    def input_sha256(self) -> str: ...
    @property
    def series(self) -> str:
        """UID of the DICOM series, "" if it was none."""
        ...

    @property
    def warnings(self) -> tuple[str, ...]: ...
    @property
    def verdict(self) -> Verdict | None: ...
    @property
    def predicted_dice(self) -> tuple[PredictedDice, ...]: ...
    @property
    def presence(self) -> Mapping[str, float]: ...
    @property
    def lacking(self) -> tuple[str, ...]: ...
    @property
    def looks(self) -> tuple[Look, ...]: ...
