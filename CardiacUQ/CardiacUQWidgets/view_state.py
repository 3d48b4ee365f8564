"""What the slice views show, to be put back when a run that changed it is cancelled."""

from __future__ import annotations

from dataclasses import dataclass

import slicer
import vtk


@dataclass(frozen=True)
class ViewState:
    """Layers of every composite node and position of every slice node, by node id."""

    layers: dict[str, tuple[str | None, str | None, float]]
    frames: dict[str, tuple[vtk.vtkMatrix4x4, tuple[float, ...]]]

    @classmethod
    def of(cls, scene: slicer.vtkMRMLScene) -> ViewState:
        """The state of all slice views of a scene."""
        layers = {
            node.GetID(): (
                node.GetBackgroundVolumeID(),
                node.GetForegroundVolumeID(),
                node.GetForegroundOpacity(),
            )
            for node in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode", scene)
        }
        frames = {}
        for node in slicer.util.getNodesByClass("vtkMRMLSliceNode", scene):
            matrix = vtk.vtkMatrix4x4()
            matrix.DeepCopy(node.GetSliceToRAS())
            frames[node.GetID()] = (matrix, tuple(node.GetFieldOfView()))
        return cls(layers, frames)

    def restore(self, scene: slicer.vtkMRMLScene) -> None:
        """Put it back, as far as the nodes still exist."""
        for identifier, (background, foreground, opacity) in self.layers.items():
            node = scene.GetNodeByID(identifier)
            if node is not None:
                node.SetBackgroundVolumeID(background)
                node.SetForegroundVolumeID(foreground)
                node.SetForegroundOpacity(opacity)
        for identifier, (matrix, field_of_view) in self.frames.items():
            node = scene.GetNodeByID(identifier)
            if node is not None:
                node.GetSliceToRAS().DeepCopy(matrix)
                node.UpdateMatrices()
                node.SetFieldOfView(*field_of_view)
