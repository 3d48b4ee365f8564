"""Slicer's own colour legends for maps and for corrections."""

from __future__ import annotations

import slicer

from .case_nodes import PART_ATTRIBUTE, mark_part

_MAP_SIZE, _MAP_POSITION = (0.07, 0.4), (0.98, 0.86)
_LIST_POSITION = (0.98, 0.03)
_LIST_WIDTH, _LIST_ROW, _LIST_HEIGHT = 0.34, 0.04, 0.36
"""Shares of a view: the scale stands in its upper right corner, the list below it, whatever its length.
The other corners belong to Slicer's own annotations."""


def add_scale_legend(volume: slicer.vtkMRMLScalarVolumeNode, title: str) -> None:
    """A hidden bar with numbers at the right edge of the views that show the volume."""
    legend = slicer.vtkSlicerColorLogic.AddDefaultColorLegendDisplayNode(volume)
    legend.SetAttribute(PART_ATTRIBUTE, "legend")
    legend.SetTitleText(title)
    legend.SetLabelFormat("%.2f")
    legend.SetNumberOfLabels(5)
    legend.SetUseColorNamesForLabels(False)
    _place(legend, _MAP_SIZE, _MAP_POSITION)


def add_list_legend(node: slicer.vtkMRMLSegmentationNode, title: str) -> slicer.vtkMRMLColorTableNode:
    """A hidden list of the node's segments, colour and name; returns the colour table it is made of."""
    content = node.GetSegmentation()
    segments = [content.GetSegment(identifier) for identifier in content.GetSegmentIDs()]
    table = slicer.vtkMRMLColorTableNode()
    table.SetTypeToUser()
    table.SetName(f"{node.GetName()} colours")
    table.SetNumberOfColors(len(segments))
    for index, segment in enumerate(segments):
        table.SetColor(index, segment.GetName(), *segment.GetColor(), 1.0)
    table.SetHideFromEditors(False)  # hidden colour nodes are not saved
    table = node.GetScene().AddNode(table)
    table.AddDefaultStorageNode()
    node.GetDisplayNode().SetAndObserveColorNodeID(table.GetID())
    legend = slicer.vtkSlicerColorLogic.AddDefaultColorLegendDisplayNode(node)
    legend.SetAttribute(PART_ATTRIBUTE, "legend")
    mark_part(table, node)
    legend.SetTitleText(title)
    legend.SetUseColorNamesForLabels(True)
    legend.SetLabelFormat("%s")
    legend.SetMaxNumberOfColors(len(segments))
    legend.SetNumberOfLabels(len(segments))
    height = min(_LIST_ROW * (len(segments) + 1), _LIST_HEIGHT)
    _place(legend, (_LIST_WIDTH, height), _LIST_POSITION)
    return table


def _place(
    legend: slicer.vtkMRMLColorLegendDisplayNode, size: tuple[float, float], position: tuple[float, float]
) -> None:
    """Size and place as shares of a slice view, plain letters, hidden for now and never in 3D."""
    legend.SetSize(*size)
    legend.SetPosition(*position)
    for words in (legend.GetTitleTextProperty(), legend.GetLabelTextProperty()):
        words.SetFontFamilyToArial()
        words.SetShadow(True)
    legend.SetVisibility3D(False)
    legend.SetVisibility(False)


def legend_of(node: slicer.vtkMRMLDisplayableNode) -> slicer.vtkMRMLColorLegendDisplayNode | None:
    """The colour legend of a node, None if it has none."""
    displays = (node.GetNthDisplayNode(n) for n in range(node.GetNumberOfDisplayNodes()))
    return next((d for d in displays if d is not None and d.IsA("vtkMRMLColorLegendDisplayNode")), None)


def show_legend(node: slicer.vtkMRMLDisplayableNode, visible: bool) -> None:
    """Switch the legend of a node, if it has one."""
    legend = legend_of(node)
    if legend is not None:
        legend.SetVisibility(visible)
