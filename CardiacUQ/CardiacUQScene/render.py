"""Slice and 3D views drawn off-screen, with Slicer's own displayable managers: screenshots and image tests.

Needs no display and no application: VTK draws with EGL (Mesa's software renderer will do).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import slicer
import vtk
import vtkmodules.vtkRenderingContextOpenGL2
import vtkmodules.vtkRenderingFreeType
import vtkmodules.vtkRenderingOpenGL2  # noqa: F401  the three register VTK's drawing back ends
from vtkmodules.util.numpy_support import vtk_to_numpy

from .case_nodes import CaseNodes
from .standalone import StandaloneScene
from .views import heart_bounds

Size = tuple[int, int]
RGB = tuple[float, float, float]

_SLICE_MANAGERS = (
    "vtkMRMLVolumeGlyphSliceDisplayableManager",
    "vtkMRMLModelSliceDisplayableManager",
    "vtkMRMLSegmentationsDisplayableManager2D",
    "vtkMRMLColorLegendDisplayableManager",
)
_SURFACE_MANAGERS = (
    "vtkMRMLCameraDisplayableManager",
    "vtkMRMLViewDisplayableManager",
    "vtkMRMLModelDisplayableManager",
    "vtkMRMLSegmentationsDisplayableManager3D",
)
BACKDROP: RGB = (0.96, 0.96, 0.97)


class OffscreenView:
    """A render window without a screen whose content follows one view node."""

    def __init__(self, size: Size) -> None:
        self.renderer = vtk.vtkRenderer()
        self.window = vtk.vtkRenderWindow()
        self.window.SetOffScreenRendering(1)
        self.window.SetSize(*size)
        self.window.AddRenderer(self.renderer)
        self._interactor = vtk.vtkRenderWindowInteractor()
        self._interactor.SetRenderWindow(self.window)
        self._group: Any = slicer.vtkMRMLDisplayableManagerGroup()

    def _watch(
        self,
        app: StandaloneScene,
        factory: slicer.vtkMRMLDisplayableManagerFactory,
        managers: tuple[str, ...],
        node: slicer.vtkMRMLAbstractViewNode,
    ) -> None:
        factory.SetMRMLApplicationLogic(app.logic)
        for name in managers:
            if not factory.IsDisplayableManagerRegistered(name):
                factory.RegisterDisplayableManager(name)
        self._group.SetRenderer(self.renderer)
        self._group.Initialize(factory, self.renderer)
        self._group.SetMRMLDisplayableNode(node)

    def pixels(self) -> np.ndarray:
        """What the view shows now: uint8 (rows from the top, columns, RGB)."""
        self.window.Render()
        grab = vtk.vtkWindowToImageFilter()
        grab.SetInput(self.window)
        grab.ReadFrontBufferOff()
        grab.Update()
        image = grab.GetOutput()
        columns, rows, _ = image.GetDimensions()
        flat = vtk_to_numpy(image.GetPointData().GetScalars())
        return flat.reshape(rows, columns, -1)[::-1, :, :3].copy()

    def save(self, path: Path) -> Path:
        """Write the picture as PNG and return its path."""
        return write_png(self.pixels(), path)

    def close(self) -> None:
        """Let go of the scene; the view is useless afterwards."""
        self._group.SetMRMLDisplayableNode(None)
        self._group = None
        self.window.Finalize()


class SliceView(OffscreenView):
    """One slice view named as in Slicer's layouts ("Red", "Green", "Yellow")."""

    def __init__(self, app: StandaloneScene, name: str = "Red", size: Size = (600, 600)) -> None:
        super().__init__(size)
        self.window.SetMultiSamples(4)
        self.renderer.GetActiveCamera().ParallelProjectionOn()
        # The image must enter the renderer before the displayable managers add theirs, else fills of
        # segments are drawn opaque over it.
        self._mapper = vtk.vtkImageMapper()
        self._mapper.SetColorWindow(255)
        self._mapper.SetColorLevel(127.5)
        actor = vtk.vtkActor2D()
        actor.SetMapper(self._mapper)
        actor.GetProperty().SetDisplayLocationToBackground()
        self.renderer.AddViewProp(actor)
        self.logic = app.add_slice_view(name)
        self.logic.ResizeSliceNode(*size)
        factory = slicer.vtkMRMLSliceViewDisplayableManagerFactory.GetInstance()
        self._watch(app, factory, _SLICE_MANAGERS, self.logic.GetSliceNode())

    def pixels(self) -> np.ndarray:
        """What the view shows now: uint8 (rows from the top, columns, RGB)."""
        self.logic.SnapSliceOffsetToIJK()
        self._mapper.SetInputConnection(self.logic.GetImageDataConnection())  # changes with the layers
        return super().pixels()


class SurfaceView(OffscreenView):
    """One 3D view on a plain light ground."""

    def __init__(self, app: StandaloneScene, name: str = "1", size: Size = (700, 600)) -> None:
        super().__init__(size)
        self.window.SetMultiSamples(0)  # with multi-sampling, peeled translucent surfaces vanish in Mesa
        self.logic = slicer.vtkMRMLViewLogic()
        self.logic.SetMRMLApplicationLogic(app.logic)
        self.logic.SetMRMLScene(app.scene)
        node = self.logic.AddViewNode(name)
        node.SetBoxVisible(False)
        node.SetAxisLabelsVisible(False)
        node.SetBackgroundColor(*BACKDROP)
        node.SetBackgroundColor2(*BACKDROP)
        app.logic.GetViewLogics().AddItem(self.logic)
        factory = slicer.vtkMRMLThreeDViewDisplayableManagerFactory.GetInstance()
        self._watch(app, factory, _SURFACE_MANAGERS, node)
        self.renderer.SetUseDepthPeeling(True)
        self.renderer.SetMaximumNumberOfPeels(8)
        self.renderer.SetOcclusionRatio(0.0)

    def look_at(self, nodes: CaseNodes, azimuth: float = 35.0, elevation: float = 25.0) -> None:
        """Frame the heart, seen from the patient's front turned by the angles (degrees)."""
        self.window.Render()
        bounds = heart_bounds(nodes)
        centre = [(bounds[2 * n] + bounds[2 * n + 1]) / 2 for n in range(3)]
        camera = self.renderer.GetActiveCamera()
        camera.SetFocalPoint(*centre)
        camera.SetPosition(centre[0], centre[1] + 400.0, centre[2])
        camera.SetViewUp(0.0, 0.0, 1.0)
        camera.Azimuth(azimuth)
        camera.Elevation(elevation)
        camera.OrthogonalizeViewUp()
        self.renderer.ResetCamera(bounds)
        camera.Zoom(1.3)
        self.renderer.ResetCameraClippingRange()


def montage(pictures: list[np.ndarray], gap: int = 6) -> np.ndarray:
    """Pictures of one height side by side on black, uint8 (rows, columns, RGB)."""
    rows = pictures[0].shape[0]
    space = np.zeros((rows, gap, 3), np.uint8)
    parts = [part for picture in pictures for part in (picture, space)][:-1]
    return np.concatenate(parts, axis=1)


def write_png(pixels: np.ndarray, path: Path) -> Path:
    """uint8 (rows, columns, RGB) -> PNG file."""
    from vtkmodules.util.numpy_support import numpy_to_vtk

    rows, columns, channels = pixels.shape
    image = vtk.vtkImageData()
    image.SetDimensions(columns, rows, 1)
    flat = np.ascontiguousarray(pixels[::-1]).reshape(-1, channels)
    image.GetPointData().SetScalars(numpy_to_vtk(flat, deep=True))
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = vtk.vtkPNGWriter()
    writer.SetFileName(str(path))
    writer.SetInputData(image)
    writer.Write()
    return path


def read_png(path: Path) -> np.ndarray:
    """PNG file -> uint8 (rows, columns, RGB)."""
    reader = vtk.vtkPNGReader()
    reader.SetFileName(str(path))
    reader.Update()
    image = reader.GetOutput()
    columns, rows, _ = image.GetDimensions()
    flat = vtk_to_numpy(image.GetPointData().GetScalars())
    return flat.reshape(rows, columns, -1)[::-1, :, :3].copy()
