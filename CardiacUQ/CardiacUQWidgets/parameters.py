"""What is saved with the scene; what belongs to the computer is in the application's settings."""

from __future__ import annotations

import enum
from typing import Annotated

from slicer import vtkMRMLScalarVolumeNode
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper

from CardiacUQLib.bundles.map_catalogue import MapName, Use, maps_used


class HeatMapChoice(enum.Enum):
    """The heat maps on offer, those of the catalogue; kept in scenes by name, so the names are for ever."""

    _ignore_ = ["offered"]  # noqa: RUF012
    for offered in maps_used(Use.OFFERED):
        vars()[offered.name] = offered

    def label(self) -> str:
        """The words in the selector."""
        return _(self.value.info.name)


@parameterNodeWrapper
class CardiacUQParameterNode:
    """One per scene."""

    inputVolume: vtkMRMLScalarVolumeNode
    model: str = ""
    heatMap: HeatMapChoice = HeatMapChoice(MapName.ERROR_PROBABILITY)
    heatMapChosen: bool = False
    heatVisible: bool = True
    heatOpacity: Annotated[float, WithinRange(0.0, 1.0)] = 0.4
    heatThreshold: Annotated[float, WithinRange(0.0, 1.0)] = 0.1
    outlines2D: bool = True
    surfaces3D: bool = False
    corrections: bool = True
    bands: bool = False
    flips: bool = True
    preview: bool = True
    probabilities: bool = True
    keepUnlike: bool = False
    folds: str = ""
