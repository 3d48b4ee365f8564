"""Slicer's embedded Segment Editor: what a module can tell it, the room it takes, strokes and their undo."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from PySide6 import QtCore, QtWidgets

from .stored_property import stored


@contextmanager
def _nothing_left_over(scene: Any) -> Iterator[None]:
    """slicer.util copies segments through label maps and leaves their display nodes, which hold the voxels,
    in the scene; the real editor does not work that way."""
    name = "vtkMRMLLabelMapVolumeDisplayNode"
    before = {scene.GetNthNodeByClass(n, name) for n in range(scene.GetNumberOfNodesByClass(name))}
    yield
    after = [scene.GetNthNodeByClass(n, name) for n in range(scene.GetNumberOfNodesByClass(name))]
    for node in after:
        if node not in before:
            scene.RemoveNode(node)


class qMRMLSegmentEditorWidget(QtWidgets.QWidget):
    """Remembers what it was told; insists on the order in which the real one must be set up, takes as much
    room as the real one, shows its source volume in the views unless told not to, and undoes strokes."""

    segmentationNodeSelectorVisible = stored(bool, "segmentationNodeSelectorVisible", True)
    sourceVolumeNodeSelectorVisible = stored(bool, "sourceVolumeNodeSelectorVisible", True)
    unorderedEffectsVisible = stored(bool, "unorderedEffectsVisible", True)
    switchToSegmentationsButtonVisible = stored(bool, "switchToSegmentationsButtonVisible", True)
    addRemoveSegmentButtonsVisible = stored(bool, "addRemoveSegmentButtonsVisible", True)
    maskingSectionVisible = stored(bool, "maskingSectionVisible", True)
    specifyGeometryButtonVisible = stored(bool, "specifyGeometryButtonVisible", True)
    show3DButtonVisible = stored(bool, "show3DButtonVisible", True)
    autoShowSourceVolumeNode = stored(bool, "autoShowSourceVolumeNode", True)
    jumpToSelectedSegmentEnabled = stored(bool, "jumpToSelectedSegmentEnabled", False)
    undoEnabled = stored(bool, "undoEnabled", True)
    maximumNumberOfUndoStates = stored(int, "maximumNumberOfUndoStates", 10)

    _TABLE, _EFFECTS, _OPTIONS = 140, 64, 150
    """Rows of pixels that the real widget needs for segments, effects and the options of Paint."""

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        parts = (("Segments", self._TABLE), ("Paint  Erase  Draw  Islands  Smoothing", self._EFFECTS))
        for words, height in (*parts, ("Options of the effect, Undo, Redo", self._OPTIONS)):
            part = QtWidgets.QLabel(words)
            part.setFrameStyle(QtWidgets.QFrame.Shape.StyledPanel)
            part.setMinimumHeight(height)
            layout.addWidget(part)
        self.__dict__.update(
            _node=None, _scene=None, _segmentation=None, _source=None, _segment="", _effect=""
        )
        self.__dict__.update(_states=[], _at=0)

    def setMRMLSegmentEditorNode(self, node: Any) -> None:
        self.__dict__["_node"] = node

    def mrmlSegmentEditorNode(self) -> Any:
        return self.__dict__["_node"]

    def setMRMLScene(self, scene: Any) -> None:
        if scene is not None and self.__dict__["_node"] is None:
            raise RuntimeError("set the segment editor node before the scene")
        self.__dict__["_scene"] = scene

    def setSegmentationNode(self, node: Any) -> None:
        if node is not None and self.__dict__["_scene"] is None:
            raise RuntimeError("set the scene before the segmentation")
        self.__dict__.update(_segmentation=node, _states=[], _at=0)

    def segmentationNode(self) -> Any:
        return self.__dict__["_segmentation"]

    def setSourceVolumeNode(self, node: Any) -> None:
        if node is not None and self.__dict__["_segmentation"] is None:
            raise RuntimeError("set the segmentation before the source volume")
        self.__dict__["_source"] = node
        if node is not None and QtCore.QObject.property(self, "autoShowSourceVolumeNode"):
            scene = self.__dict__["_scene"]
            for n in range(scene.GetNumberOfNodesByClass("vtkMRMLSliceCompositeNode")):
                composite = scene.GetNthNodeByClass(n, "vtkMRMLSliceCompositeNode")
                composite.SetBackgroundVolumeID(node.GetID())
                composite.SetForegroundVolumeID(None)

    def setCurrentSegmentID(self, segment: str) -> None:
        self.__dict__["_segment"] = segment

    def currentSegmentID(self) -> str:
        return self.__dict__["_segment"]

    def setActiveEffectByName(self, name: str) -> None:
        self.__dict__["_effect"] = name

    def setActiveEffect(self, effect: Any) -> None:
        if effect is None:
            self.__dict__["_effect"] = ""

    def setEffectNameOrder(self, names: list[str]) -> None:
        self.__dict__["_order"] = list(names)

    def undo(self) -> None:
        self._go(-1)

    def redo(self) -> None:
        self._go(1)

    def _go(self, step: int) -> None:
        states, at = self.__dict__["_states"], self.__dict__["_at"] + step
        if self.__dict__["_effect"] and 0 <= at < len(states):
            self.__dict__["_at"] = at
            self._restore(states[at])

    def _stroke(self, mask: Any) -> None:
        """The user paints ``mask`` (k, j, i of the source volume) with the current segment."""
        import numpy as np
        import slicer

        node, volume = self.__dict__["_segmentation"], self.__dict__["_source"]
        if not self.__dict__["_states"]:
            self.__dict__["_states"] = [self._state()]
        with _nothing_left_over(self.__dict__["_scene"]):
            for key in node.GetSegmentation().GetSegmentIDs():
                before = slicer.util.arrayFromSegmentBinaryLabelmap(node, key, volume) > 0
                after = before | mask if key == self.__dict__["_segment"] else before & ~mask
                if (after != before).any():
                    slicer.util.updateSegmentBinaryLabelmapFromArray(
                        after.astype(np.uint8), node, key, volume
                    )
        kept = self.__dict__["_states"][: self.__dict__["_at"] + 1]
        self.__dict__.update(_states=[*kept, self._state()], _at=len(kept))

    def _state(self) -> dict[str, Any]:
        import slicer

        node, volume = self.__dict__["_segmentation"], self.__dict__["_source"]
        keys = node.GetSegmentation().GetSegmentIDs()
        with _nothing_left_over(self.__dict__["_scene"]):
            return {key: slicer.util.arrayFromSegmentBinaryLabelmap(node, key, volume) for key in keys}

    def _restore(self, state: dict[str, Any]) -> None:
        import slicer

        node, volume = self.__dict__["_segmentation"], self.__dict__["_source"]
        with _nothing_left_over(self.__dict__["_scene"]):
            for key, array in state.items():
                slicer.util.updateSegmentBinaryLabelmapFromArray(array, node, key, volume)

    def installKeyboardShortcuts(self) -> None:
        self.__dict__["_shortcuts"] = True

    def uninstallKeyboardShortcuts(self) -> None:
        self.__dict__["_shortcuts"] = False

    def removeViewObservations(self) -> None:
        self.__dict__["_observing"] = False
