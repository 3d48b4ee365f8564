"""What is saved with the scene; what belongs to the computer is in the application's settings."""

from __future__ import annotations

import enum
from typing import Annotated

from slicer import vtkMRMLScalarVolumeNode
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper

from CardiacUQLib.inference.result import MapName


class HeatMapChoice(enum.Enum):
    """The heat maps on offer; kept in scenes by name, so the names are for ever."""

    ERROR_PROBABILITY = MapName.ERROR_PROBABILITY
    SCS = MapName.SCS
    ENTROPY = MapName.ENTROPY
    VARIANCE = MapName.VARIANCE
    UNCERTAINTY = MapName.UNCERTAINTY

    def label(self) -> str:
        """The words in the selector."""
        return {
            HeatMapChoice.ERROR_PROBABILITY: _("probability of error"),
            HeatMapChoice.SCS: _("Soft Correction Score (SCS)"),
            HeatMapChoice.ENTROPY: _("entropy"),
            HeatMapChoice.VARIANCE: _("variance"),
            HeatMapChoice.UNCERTAINTY: _("uncertainty of the ensemble"),
        }[self]


@parameterNodeWrapper
class CardiacUQParameterNode:
    """One per scene."""

    inputVolume: vtkMRMLScalarVolumeNode
    model: str = ""
    heatMap: HeatMapChoice = HeatMapChoice.ERROR_PROBABILITY
    heatMapChosen: bool = False
    heatVisible: bool = True
    heatOpacity: Annotated[float, WithinRange(0.0, 1.0)] = 0.4
    heatThreshold: Annotated[float, WithinRange(0.0, 1.0)] = 0.1
    outlines2D: bool = True
    surfaces3D: bool = False
    corrections: bool = True
    flips: bool = True
    preview: bool = True
    folds: str = ""
