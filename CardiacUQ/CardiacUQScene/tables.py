"""Measurements as a table, uncertainty per slice as a table and a plot."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import slicer
import vtk

from CardiacUQLib.bundles.map_catalogue import MapName, Use, maps_used, plain_first
from CardiacUQLib.images.slice_number import slice_number
from CardiacUQLib.measures.aha import NO_INSERTION
from CardiacUQLib.measures.display import SIZE_NAMES, digits, unit_of
from CardiacUQLib.review import CaseMaps

SLICE_COLUMN = "slice"
_SHARES = {
    "transmurality_mean_percent": "Transmurality, mean",
    "transmurality_max_percent": "Transmurality, greatest",
    "infarcted_circumference_percent": "Infarcted circumference",
}
_LINE_COLOURS = ((0.835, 0.369, 0.0), (0.0, 0.447, 0.698), (0.8, 0.475, 0.655))


MEASURE_COLUMNS = ("measure", "value", "unit", "interval")


def add_measures(case: CaseMaps, scene: slicer.vtkMRMLScene, name: str) -> slicer.vtkMRMLTableNode:
    """``measures.json`` as a table to read: name, value, unit and interval of every size."""
    table = scene.AddNewNodeByClass("vtkMRMLTableNode", name)
    fill_measures(table, case.measures)
    return table


def fill_measures(table: slicer.vtkMRMLTableNode | None, measures: Mapping[str, Any]) -> None:
    """Replace the rows of a measurements table, which is locked; nothing if it was deleted."""
    if table is None or table.GetScene() is None:
        return
    modified = table.StartModify()
    table.SetLocked(False)
    table.RemoveAllColumns()
    rows = list(measure_rows(measures))
    for index, title in enumerate(MEASURE_COLUMNS):
        column = vtk.vtkStringArray()
        column.SetName(title)
        for row in rows:
            column.InsertNextValue(row[index])
        table.AddColumn(column)
    table.SetUseColumnTitleAsColumnHeader(True)
    table.SetLocked(True)
    table.EndModify(modified)


def measure_rows(measures: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    """Name, value, unit and interval in words: the sizes, volumes per class, segments, remarks."""
    for key, entry in measures.get("sizes", {}).items():
        yield _size_row(key, entry)
    for key, name in _SHARES.items():
        if measures.get(key) is not None:
            yield name, digits(measures[key]), "%", ""
    for name, volume in measures.get("volumes_ml", {}).items():
        yield f"{name[:1].upper()}{name[1:]}, volume drawn", digits(volume), "ml", ""
    segments = measures.get("segments") or {}
    if segments.get("model"):
        yield "Segments", str(segments["model"]), "", ""
    for segment in segments.get("segments", ()):
        if segment.get("infarct_share_percent") is not None:
            share = segment["infarct_share_percent"]
            yield f"Infarct share, {segment['name']}", digits(share), "%", ""
    for note in measures.get("notes", ()):
        if note != NO_INSERTION:  # so in every case without a mark: it stands in the model card
            yield "Remark", str(note), "", ""


def _size_row(key: str, entry: Mapping[str, Any]) -> tuple[str, str, str, str]:
    name = str(entry.get("label") or SIZE_NAMES.get(key, key.replace("_", " ")))
    if entry["value"] is None:
        return name, "not defined", "", ""
    interval = entry.get("interval")
    words = ""
    if interval is not None:
        about = f"{100 * entry['level']:.0f} %" if entry["calibrated"] else "passes"
        words = f"{digits(interval[0])} to {digits(interval[1])} ({about})"
    return name, digits(entry["value"]), unit_of(key), words


def add_profile(case: CaseMaps, scene: slicer.vtkMRMLScene, name: str) -> slicer.vtkMRMLTableNode:
    """One row per slice that shows the heart: its number, counted from 1, and the mean of each score."""
    table = scene.AddNewNodeByClass("vtkMRMLTableNode", name)
    profiles = {name.info.title: case.slice_profile(name) for name in _profiled(case)}
    seen = np.flatnonzero(case.storage.from_stored(case.foreground).any(axis=(1, 2)))
    _add_column(table, SLICE_COLUMN, np.array([slice_number(int(z)) for z in seen], float))
    for title, profile in profiles.items():
        _add_column(table, title, profile[seen])
    table.SetLocked(True)
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
