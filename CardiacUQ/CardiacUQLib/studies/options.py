"""How one case is segmented and what is written of it."""

from __future__ import annotations

import json
from dataclasses import dataclass

from ..inference.options import NetworkOptions


@dataclass(frozen=True)
class CaseOptions(NetworkOptions):
    """``dicom`` adds the results as DICOM objects, for DICOM inputs; ``report`` the page of the case.

    Of a cine ``ed`` and ``es`` are the frames, counted from 0; -1 takes the largest and the smallest cavity.
    """

    dicom: bool = False
    report: bool = True
    ed: int = -1
    es: int = -1

    @property
    def key(self) -> str:
        """The options as one line of JSON; two runs with equal lines asked for the same."""
        asked = {
            "device": self.device,
            "precision": self.precision,
            "folds": None if self.folds is None else list(self.folds),
            "views": None if self.views is None else [view.value for view in self.views],
            "dicom": self.dicom,
            "report": self.report,
            "frames": [self.ed, self.es],
            **({"probabilities": True} if self.probabilities else {}),
            **({"keep_unlike": True} if self.keep_unlike else {}),
        }
        return json.dumps(asked, sort_keys=True)
