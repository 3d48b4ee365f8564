"""A cine in the scene: a sequence that a browser replays on one volume, its frames, and their curve."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import slicer
import vtk

from .grid import ijk_to_ras
from .voxels import set_volume_array, volume_array

_FILM, _FRAME = "CardiacUQ.film", "CardiacUQ.frame"
FRAME_COLUMN, CAVITY_COLUMN = "frame", "LV cavity, ml"
_CURVE = "CardiacUQ.cavity"


@dataclass(frozen=True)
class Film:
    """A volume that shows one frame of a sequence, and who decides which."""

    volume: slicer.vtkMRMLScalarVolumeNode
    browser: slicer.vtkMRMLSequenceBrowserNode
    sequence: slicer.vtkMRMLSequenceNode

    @property
    def frames(self) -> int:
        """How many frames there are."""
        return self.sequence.GetNumberOfDataNodes()

    @property
    def index(self) -> int:
        """The frame that is shown, counted from 0."""
        return self.browser.GetSelectedItemNumber()

    def go_to(self, index: int) -> None:
        """Show another frame."""
        self.browser.SetSelectedItemNumber(index)


def film_of(volume: slicer.vtkMRMLScalarVolumeNode | None) -> Film | None:
    """The film whose frames this volume shows, None if it is a plain volume or has one frame only."""
    scene = None if volume is None else volume.GetScene()
    if volume is None or scene is None:
        return None
    count = scene.GetNumberOfNodesByClass("vtkMRMLSequenceBrowserNode")
    for n in range(count):
        browser = scene.GetNthNodeByClass(n, "vtkMRMLSequenceBrowserNode")
        if browser.IsProxyNodeID(volume.GetID()):
            film = Film(volume, browser, browser.GetSequenceNode(volume))
            return film if film.frames > 1 else None
    return None


def frames_of(film: Film) -> tuple[np.ndarray, np.ndarray]:
    """All frames, (t, k, j, i) as stored, and their one IJK -> RAS matrix; raises ValueError for frames of
    different grids."""
    nodes = [film.sequence.GetNthDataNode(n) for n in range(film.frames)]
    matrix = ijk_to_ras(nodes[0])
    arrays = [volume_array(node) for node in nodes]
    for number, (node, array) in enumerate(zip(nodes, arrays, strict=True), 1):
        if array.shape != arrays[0].shape or not np.allclose(ijk_to_ras(node), matrix, atol=1e-3):
            raise ValueError(f"frame {number} lies on another grid than frame 1")
    return np.stack(arrays), matrix


def add_film(
    scene: slicer.vtkMRMLScene, name: str, frames: np.ndarray, matrix: np.ndarray
) -> Iterator[slicer.vtkMRMLScalarVolumeNode | None]:
    """Bring frames (t, k, j, i) on the grid ``matrix`` (IJK -> RAS) into the scene as Slicer loads a film: a
    sequence, a browser and the volume that it replays. One frame per step; the last step gives the volume."""
    sequence = scene.AddNewNodeByClass("vtkMRMLSequenceNode", name)
    sequence.SetIndexName(FRAME_COLUMN)
    sequence.SetIndexType(slicer.vtkMRMLSequenceNode.NumericIndex)
    for number, frame in enumerate(frames):
        node = slicer.vtkMRMLScalarVolumeNode()
        node.SetName(name)
        set_volume_array(node, frame, matrix)
        sequence.SetDataNodeAtValue(node, str(number))
        yield None
    browser = scene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode", f"{name} browser")
    browser.SetAndObserveMasterSequenceNodeID(sequence.GetID())
    slicer.modules.sequences.logic().UpdateProxyNodesFromSequences(browser)
    yield browser.GetProxyNode(sequence)


def bind_frame(volume: slicer.vtkMRMLScalarVolumeNode, film: Film, index: int) -> None:
    """Let a volume be frame ``index`` of a film, with the case that is shown on it; kept in the scene."""
    volume.SetNodeReferenceID(_FILM, film.volume.GetID())
    volume.SetAttribute(_FRAME, str(index))


def bound_frames(film: Film) -> dict[int, slicer.vtkMRMLScalarVolumeNode]:
    """The volumes that stand for frames of a film, by frame."""
    scene = film.volume.GetScene()
    count = scene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode")
    volumes = [scene.GetNthNodeByClass(n, "vtkMRMLScalarVolumeNode") for n in range(count)]
    ours = [volume for volume in volumes if volume.GetNodeReference(_FILM) is film.volume]
    return {int(volume.GetAttribute(_FRAME)): volume for volume in ours}


def bound_to(volume: slicer.vtkMRMLScalarVolumeNode) -> tuple[Film, int] | None:
    """The film and the frame that a volume stands for, None for any other volume."""
    shown = volume.GetNodeReference(_FILM)
    film = film_of(shown)
    return None if film is None else (film, int(volume.GetAttribute(_FRAME)))


def cavity_plot(
    scene: slicer.vtkMRMLScene, name: str, cavity_ml: Sequence[float], phases: Mapping[str, int]
) -> slicer.vtkMRMLPlotChartNode:
    """The cavity over the frames as a line, ``phases`` (name -> frame from 0) as points on it; an earlier
    plot of the same name is replaced."""
    remove_cavity_plot(scene, name)
    parts: list[slicer.vtkMRMLNode] = []
    frames = np.arange(1, len(cavity_ml) + 1)
    chart = scene.AddNewNodeByClass("vtkMRMLPlotChartNode", name)
    lines = [(CAVITY_COLUMN, frames, np.asarray(cavity_ml), _LINE)]
    for phase, frame in phases.items():
        lines.append((phase, np.array([frame + 1]), np.asarray(cavity_ml)[[frame]], _POINT))
    for title, x, y, (colour, line, marker, size) in lines:
        table = _table(scene, f"{name} {title}", x, y, title)
        series = scene.AddNewNodeByClass("vtkMRMLPlotSeriesNode", title)
        series.SetAndObserveTableNodeID(table.GetID())
        series.SetPlotType(slicer.vtkMRMLPlotSeriesNode.PlotTypeScatter)
        series.SetXColumnName(FRAME_COLUMN)
        series.SetYColumnName(title)
        series.SetColor(*colour)
        series.SetLineStyle(line)
        series.SetMarkerStyle(marker)
        series.SetMarkerSize(size)
        chart.AddAndObservePlotSeriesNodeID(series.GetID())
        parts += [table, series]
    chart.SetTitle("LV cavity over the heartbeat")
    chart.SetXAxisTitle(FRAME_COLUMN)
    chart.SetYAxisTitle("ml")
    for part in (*parts, chart):
        part.SetAttribute(_CURVE, name)
    return chart


def remove_cavity_plot(scene: slicer.vtkMRMLScene, name: str) -> None:
    """Take a plot of :func:`cavity_plot` out of the scene."""
    nodes = [scene.GetNthNode(n) for n in range(scene.GetNumberOfNodes())]
    for node in nodes:
        if node.GetAttribute(_CURVE) == name:
            scene.RemoveNode(node)


def _table(
    scene: slicer.vtkMRMLScene, name: str, x: np.ndarray, y: np.ndarray, title: str
) -> slicer.vtkMRMLTableNode:
    table = scene.AddNewNodeByClass("vtkMRMLTableNode", name)
    for column_title, values in ((FRAME_COLUMN, x), (title, y)):
        column = vtk.vtkDoubleArray()
        column.SetName(column_title)
        for value in values:
            column.InsertNextValue(float(value))
        table.AddColumn(column)
    table.SetLocked(True)
    return table


_Series = slicer.vtkMRMLPlotSeriesNode
_LINE = ((0.835, 0.369, 0.0), _Series.LineStyleSolid, _Series.MarkerStyleNone, 5.0)
_POINT = ((0.0, 0.447, 0.698), _Series.LineStyleNone, _Series.MarkerStyleCircle, 12.0)
