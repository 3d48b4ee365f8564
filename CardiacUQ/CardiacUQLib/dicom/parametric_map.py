"""Uncertainty maps as DICOM Parametric Maps: float32 voxels that need no rescaling."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..bundles.map_catalogue import MapName
from .codes import NO_UNITS, concept, describe_private_scheme
from .content import DicomContent
from .segmentation import origin
from .source import SourceImages, frames_of

if TYPE_CHECKING:
    from highdicom.pm import ParametricMap


def parametric_map_object(
    content: DicomContent, source: SourceImages, name: MapName, series: int, phase: str = ""
) -> ParametricMap:
    """One map over all slices, its window fixed at 0 .. the end of the map's scale.

    ``series`` is the number that the map's own series number is added to. Raises ValueError for a map
    without a DICOM code.
    """
    import highdicom as hd

    entry = name.info.dicom
    if entry is None:
        raise ValueError(f"map {name} has no DICOM code")
    code, maximum = entry.code, float(name.info.highest(len(content.classes)))
    parametric_map = hd.pm.ParametricMap(
        source_images=list(source.datasets),
        pixel_array=frames_of(content.maps[name], source).astype(np.float32),
        **origin(content, series + entry.series),
        contains_recognizable_visual_features=False,
        real_world_value_mappings=[
            hd.pm.RealWorldValueMapping(
                lut_label=code.value,
                lut_explanation=code.meaning,
                unit=concept(NO_UNITS),
                value_range=(0.0, maximum),
                slope=1,
                intercept=0,
                quantity_definition=concept(code),
            )
        ],
        voi_lut_transformations=[
            hd.VOILUTTransformation(  # LINEAR forbids windows narrower than 1
                window_center=maximum / 2,
                window_width=maximum,
                voi_lut_function=hd.VOILUTFunctionValues.LINEAR_EXACT,
            )
        ],
        content_label=code.value,
        series_description=f"CardiacUQ {code.meaning.lower()}{' ' + phase if phase else ''}",
    )
    parametric_map.BodyPartExamined = "HEART"  # no paired organ: a laterality is neither needed nor missed
    describe_private_scheme(parametric_map)
    return parametric_map
