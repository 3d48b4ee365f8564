"""Contour bands as one segmentation node: every band is the ring between its inner and its outer contour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import slicer

from CardiacUQLib.review import CaseMaps
from CardiacUQLib.uncertainty.bands import BETWEEN, Band, band_colours

from .colours import rgb
from .grid import ijk_to_ras
from .segmentations import add_segmentation_node
from .voxels import LABELMAP, labelmap

FILL_OPACITY = 0.1
"""Bands of neighbours overlap: the image must be seen through two of them."""


def add_bands(
    case: CaseMaps, maps: Mapping[str, np.ndarray], volume: slicer.vtkMRMLScalarVolumeNode, name: str
) -> slicer.vtkMRMLSegmentationNode:
    """The bands of a case, hidden, with their ``maps`` by structure, uint8 (k, j, i of the node).

    The outline of a ring is both of its contours. A segment holds the box around its ring alone.
    """
    node = add_segmentation_node(volume, name)
    colours, matrix = band_colours(case.bands, case.classes), ijk_to_ras(volume)
    for band in case.bands:
        ring = maps[band.structure] == BETWEEN
        if not ring.any():
            continue
        box = [(int(at.min()), int(at.max()) + 1) for at in np.nonzero(ring)]
        part = ring[tuple(slice(low, high) for low, high in box)]
        segment = slicer.vtkSegment()
        segment.SetName(f"{band.structure}: {100 * band.share:.0f} % band")
        segment.SetColor(*rgb(colours[band.structure]))
        segment.AddRepresentation(LABELMAP, labelmap(part, matrix, (box[2][0], box[1][0], box[0][0])))
        node.GetSegmentation().AddSegment(segment, f"CardiacUQ_{band.stem}")
    display = node.GetDisplayNode()
    display.SetVisibility(False)
    display.SetVisibility2DOutline(True)
    display.SetVisibility2DFill(True)
    display.SetOpacity2DFill(FILL_OPACITY)
    display.SetSliceIntersectionThickness(1)
    return node


def band_words(bands: Sequence[Band], *, holds: bool) -> tuple[str, ...]:
    """What they are, and a line on each, with its coverage if that ``holds``; nothing without any."""
    if not bands:
        return ()
    share = f"{100 * bands[0].share:.0f} %"
    meaning = f"Each band is made to hold {share} of a reader's contour around what the networks drew:"
    return (meaning, *(band.with_coverage(holds=holds) for band in bands))
