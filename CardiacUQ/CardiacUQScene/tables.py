"""Measurements as a table, uncertainty per slice as a table and a plot."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import slicer
import vtk

from CardiacUQLib.bundles.map_catalogue import MapName, Use, maps_used, plain_first
from CardiacUQLib.review import CaseMaps

SLICE_COLUMN = "slice"
_LINE_COLOURS = ((0.835, 0.369, 0.0), (0.0, 0.447, 0.698), (0.8, 0.475, 0.655))
_CONNECTORS = "_"


def add_measures(case: CaseMaps, scene: slicer.vtkMRMLScene, name: str) -> slicer.vtkMRMLTableNode:
    """``measures.json`` flattened to two columns, measure and value."""
    table = scene.AddNewNodeByClass("vtkMRMLTableNode", name)
    fill_measures(table, case.measures)
    return table


def fill_measures(table: slicer.vtkMRMLTableNode, measures: Mapping[str, Any]) -> None:
    """Replace the rows of a measurements table."""
    table.RemoveAllColumns()
    rows = list(_flat(measures))
    for title, cells in (("measure", [row[0] for row in rows]), ("value", [row[1] for row in rows])):
        column = vtk.vtkStringArray()
        column.SetName(title)
        for cell in cells:
            column.InsertNextValue(cell)
        table.AddColumn(column)
    table.SetUseColumnTitleAsColumnHeader(True)


def _flat(content: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Leaves of nested mappings as ("infarct mass g", "12.3"); short lists in one cell, long ones not."""
    if isinstance(content, Mapping):
        for key, value in content.items():
            yield from _flat(value, f"{prefix} {str(key).replace(_CONNECTORS, ' ')}".strip())
    elif isinstance(content, list | tuple):
        if len(content) <= 3 and not any(isinstance(entry, Mapping) for entry in content):
            yield prefix, " to ".join(_cell(entry) for entry in content)
    else:
        yield prefix, _cell(content)


def _cell(value: Any) -> str:
    if value is None:
        return "not available"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def add_profile(case: CaseMaps, scene: slicer.vtkMRMLScene, name: str) -> slicer.vtkMRMLTableNode:
    """One row per slice that shows the heart: its number, counted from 1, and the mean of each score."""
    table = scene.AddNewNodeByClass("vtkMRMLTableNode", name)
    profiles = {name.info.title: case.slice_profile(name) for name in _profiled(case)}
    seen = np.flatnonzero(case.storage.from_stored(case.foreground).any(axis=(1, 2)))
    _add_column(table, SLICE_COLUMN, seen + 1.0)
    for title, profile in profiles.items():
        _add_column(table, title, profile[seen])
    return table


def _profiled(case: CaseMaps) -> tuple[MapName, ...]:
    """The maps that are told slice by slice."""
    return plain_first(maps_used(Use.REPORTED, case.maps))


def _add_column(table: slicer.vtkMRMLTableNode, title: str, values: np.ndarray) -> None:
    column = vtk.vtkDoubleArray()
    column.SetName(title)
    for value in values:
        column.InsertNextValue(float(value))
    table.AddColumn(column)
    table.SetColumnType(title, vtk.VTK_DOUBLE)


def add_series(
    table: slicer.vtkMRMLTableNode, scene: slicer.vtkMRMLScene
) -> tuple[slicer.vtkMRMLPlotSeriesNode, ...]:
    """A line with points for every score of a profile table."""
    titles = [table.GetColumnName(n) for n in range(1, table.GetNumberOfColumns())]
    return tuple(_add_line(table, scene, title, n) for n, title in enumerate(titles))


def _add_line(
    table: slicer.vtkMRMLTableNode, scene: slicer.vtkMRMLScene, title: str, number: int
) -> slicer.vtkMRMLPlotSeriesNode:
    series = scene.AddNewNodeByClass("vtkMRMLPlotSeriesNode", title)
    series.SetAndObserveTableNodeID(table.GetID())
    series.SetPlotType(slicer.vtkMRMLPlotSeriesNode.PlotTypeScatter)
    series.SetXColumnName(SLICE_COLUMN)
    series.SetYColumnName(title)
    series.SetMarkerStyle(slicer.vtkMRMLPlotSeriesNode.MarkerStyleCircle)
    series.SetLineStyle(slicer.vtkMRMLPlotSeriesNode.LineStyleSolid)
    series.SetColor(*_LINE_COLOURS[number % len(_LINE_COLOURS)])
    return series


def add_chart(
    case: CaseMaps, series: tuple[slicer.vtkMRMLPlotSeriesNode, ...], scene: slicer.vtkMRMLScene, name: str
) -> slicer.vtkMRMLPlotChartNode:
    """The plot of all series; its y axis is fixed by the widest scale, so that cases can be compared."""
    chart = scene.AddNewNodeByClass("vtkMRMLPlotChartNode", name)
    for line in series:
        chart.AddAndObservePlotSeriesNodeID(line.GetID())
    chart.SetTitle("Mean over the heart, slice by slice")
    chart.SetXAxisTitle("slice")
    chart.SetYAxisTitle("")
    tops = [name.info.highest(len(case.classes)) for name in _profiled(case)]
    if tops:
        chart.SetYAxisRangeAuto(False)
        chart.SetYAxisRange(0.0, max(tops))
    return chart
