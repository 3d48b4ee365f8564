"""The display switches of a case: outlines, surfaces, corrections, contour bands."""

from __future__ import annotations

from .case_nodes import CaseNodes
from .legends import show_legend


def set_outlines_2d(nodes: CaseNodes, visible: bool) -> None:
    """Outlines of the final labels in the slice views."""
    nodes.segmentation.GetDisplayNode().SetVisibility2DOutline(visible)


def set_surfaces_3d(nodes: CaseNodes, visible: bool) -> None:
    """Surfaces of the final labels in the 3D views; made when first asked for, then kept up to date."""
    if visible:
        nodes.segmentation.CreateClosedSurfaceRepresentation()
    display = nodes.segmentation.GetDisplayNode()
    display.SetPreferredDisplayRepresentationName3D("Closed surface")
    display.SetVisibility3D(visible)


def set_corrections(nodes: CaseNodes, visible: bool) -> None:
    """The corrections between 2D stage and final labels with their legend; nothing where there are none."""
    if nodes.corrections is not None:
        nodes.corrections.GetDisplayNode().SetVisibility(visible)
        show_legend(nodes.corrections, visible)


def set_bands(nodes: CaseNodes, visible: bool) -> None:
    """The contour bands of the case in the slice views; nothing where there are none."""
    if nodes.bands is not None:
        nodes.bands.GetDisplayNode().SetVisibility(visible)
