"""A MRML scene with its logics but without the application: for tests, pictures and scripts.

Inside Slicer none of this is needed: the application provides the scene, ``slicer.mrmlScene``, and
the module logics, which register the node classes that the case nodes consist of.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import slicer
import vtk


class StandaloneScene:
    """Scene, application logic and the module logics that case nodes, `.mrb` files and views need."""

    def __init__(self) -> None:
        self.scene = slicer.vtkMRMLScene()
        self.logic = slicer.vtkSlicerApplicationLogic()
        self.logic.SetMRMLScene(self.scene)
        self.logic.SetSliceLogics(vtk.vtkCollection())
        self.logic.SetViewLogics(vtk.vtkCollection())
        self.logic.GetColorLogic().SetMRMLScene(self.scene)
        self.logic.GetColorLogic().AddDefaultColorNodes()
        self._modules = [self._module(name, logic) for name, logic in _MODULE_LOGICS.items()]
        # vtkSlicerColorLogic registers it in the application, but wants the application's home folder.
        self.scene.RegisterNodeClass(slicer.vtkMRMLColorLegendDisplayNode())
        slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(self.scene)
        slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(self.scene, True)
        self._cache = tempfile.TemporaryDirectory(prefix="cardiacuq-")
        self._connect_files()

    def _module(self, name: str, logic_class: type) -> slicer.vtkMRMLAbstractLogic:
        logic = logic_class()
        logic.SetMRMLApplicationLogic(self.logic)
        logic.SetMRMLScene(self.scene)
        self.logic.SetModuleLogic(name, logic)
        return logic

    def _connect_files(self) -> None:
        """Without a data manager in the scene, reading an .mrb fails."""
        remote = slicer.vtkMRMLRemoteIOLogic()
        remote.SetMRMLScene(self.scene)
        remote.SetMRMLApplicationLogic(self.logic)
        remote.GetCacheManager().SetRemoteCacheDirectory(self._cache.name)
        manager = slicer.vtkDataIOManagerLogic()
        manager.SetMRMLScene(self.scene)
        manager.SetMRMLApplicationLogic(self.logic)
        manager.SetAndObserveDataIOManager(remote.GetDataIOManager())
        remote.AddDataIOToScene()
        self._modules += [remote, manager]

    def add_slice_view(self, name: str, orientation: str = "Axial") -> slicer.vtkMRMLSliceLogic:
        """A slice view's nodes and logic, as the application's layout makes them ("Red", "Green", ...)."""
        logic = slicer.vtkMRMLSliceLogic()
        logic.SetMRMLApplicationLogic(self.logic)
        logic.SetMRMLScene(self.scene)
        logic.AddSliceNode(name).SetOrientation(orientation)
        self.logic.GetSliceLogics().AddItem(logic)
        return logic

    def close(self) -> None:
        """Empty the scene and let the logics go."""
        self.scene.Clear(True)
        self._modules.clear()
        self._cache.cleanup()

    def save(self, path: Path) -> None:
        """Write the scene as one .mrb file; raises OSError if that fails."""
        self.scene.SetURL(str(path))
        self.scene.SetRootDirectory(str(path.parent))
        if not self.scene.WriteToMRB(str(path)):
            raise OSError(f"{path}: the scene could not be written")

    def load(self, path: Path) -> None:
        """Add the nodes of an .mrb file to the scene; raises OSError if that fails."""
        if not self.scene.ReadFromMRB(str(path)):
            raise OSError(f"{path}: not a readable scene")


_MODULE_LOGICS = {
    "Colors": slicer.vtkMRMLColorLogic,
    "Segmentations": slicer.vtkSlicerSegmentationsModuleLogic,
    "Volumes": slicer.vtkSlicerVolumesLogic,
    "Tables": slicer.vtkSlicerTablesLogic,
    "Plots": slicer.vtkSlicerPlotsLogic,
    "SubjectHierarchy": slicer.vtkSlicerSubjectHierarchyModuleLogic,
    "Markups": slicer.vtkSlicerMarkupsLogic,
    "Sequences": slicer.vtkSlicerSequencesLogic,
}
