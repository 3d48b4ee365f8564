"""Slicer's Segment Editor inside the panel, for painting one region: only what a reader needs of it."""

from __future__ import annotations

from typing import Any

import qt
import slicer

from CardiacUQScene import CaseNodes

_EFFECTS = ["Paint", "Erase", "Draw", "Islands", "Smoothing"]
_HIDDEN = (
    "segmentationNodeSelectorVisible",
    "sourceVolumeNodeSelectorVisible",
    "switchToSegmentationsButtonVisible",
    "addRemoveSegmentButtonsVisible",
    "maskingSectionVisible",
    "specifyGeometryButtonVisible",
    "show3DButtonVisible",
    "unorderedEffectsVisible",
)
"""Case, volume and classes are chosen by the review; a class added or removed here would be none."""

_TAG = "CardiacUQ.SegmentEditor"


class RegionEditor:
    """Opened on a class of a case, closed again; its own undo and redo while it is open."""

    def __init__(self, frame: qt.QFrame) -> None:
        self._frame = frame
        self._editor: Any = None  # Slicer's widget, once it is needed
        frame.visible = False

    @property
    def is_open(self) -> bool:
        """True while someone may paint."""
        return self._editor is not None and self._editor.segmentationNode() is not None

    @property
    def widget(self) -> qt.QWidget | None:
        """Slicer's widget, None before it was needed."""
        return self._editor

    def open(self, nodes: CaseNodes, label: int | None) -> None:
        """Let the reader paint the class ``label``, the first one for None or background."""
        editor = self._made()
        editor.setSegmentationNode(nodes.segmentation)
        editor.setSourceVolumeNode(nodes.volume)
        self._frame.visible = True
        self.choose(nodes, label)
        editor.setActiveEffectByName("Paint")

    def choose(self, nodes: CaseNodes, label: int | None) -> None:
        """Paint this class from now on."""
        by_label: dict[int | None, str] = {value: segment for segment, value in nodes.segments.items()}
        if self.is_open and by_label:
            self._editor.setCurrentSegmentID(by_label.get(label, next(iter(by_label.values()))))

    def close(self) -> bool:
        """Put the editor away; True if it was open. What was painted is in the segmentation."""
        was_open = self.is_open
        if was_open:
            self._editor.setActiveEffect(None)
            self._editor.setSourceVolumeNode(None)
            self._editor.setSegmentationNode(None)
            self._editor.removeViewObservations()
        self._frame.visible = False
        return was_open

    def undo(self) -> None:
        """Take the last stroke back."""
        if self.is_open:
            self._editor.undo()

    def redo(self) -> None:
        """Bring the stroke back that was undone last."""
        if self.is_open:
            self._editor.redo()

    def drop_node(self) -> None:
        """Forget the editor's node before the scene closes."""
        if self._editor is not None:
            self._editor.setMRMLSegmentEditorNode(None)

    def _made(self) -> qt.QWidget:
        """The widget, made when first needed because it takes a moment."""
        if self._editor is None:
            self._editor = slicer.qMRMLSegmentEditorWidget()
            self._editor.setMRMLSegmentEditorNode(_node())
            self._editor.setMRMLScene(slicer.mrmlScene)
            for name in _HIDDEN:
                setattr(self._editor, name, False)
            # The views show the volume already, with the heat map over it, and stay on the region.
            self._editor.autoShowSourceVolumeNode = False
            self._editor.jumpToSelectedSegmentEnabled = False
            self._editor.setEffectNameOrder(_EFFECTS)
            self._frame.layout().addWidget(self._editor)
        elif self._editor.mrmlSegmentEditorNode() is None:
            self._editor.setMRMLSegmentEditorNode(_node())
        return self._editor


def _node() -> slicer.vtkMRMLSegmentEditorNode:
    node = slicer.mrmlScene.GetSingletonNode(_TAG, "vtkMRMLSegmentEditorNode")
    if node is None:
        node = slicer.mrmlScene.CreateNodeByClass("vtkMRMLSegmentEditorNode")
        node.UnRegister(None)
        node.SetSingletonTag(_TAG)
        node = slicer.mrmlScene.AddNode(node)
    # One label per voxel: painting a class takes the voxel from the others.
    node.SetOverwriteMode(slicer.vtkMRMLSegmentEditorNode.OverwriteAllSegments)
    return node
