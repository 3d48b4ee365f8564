"""What of a case is visible: the heat map, its strength and threshold, outlines, surfaces, corrections,
contour bands."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import slicer
from slicer.i18n import tr as _

from CardiacUQLib.cases.probabilities import NOT_STORED, ClassProbabilities, read_class_probabilities
from CardiacUQScene import (
    CaseNodes,
    align_views,
    heat_map,
    heat_map_choices,
    scale_of,
    set_bands,
    set_corrections,
    set_heat_map,
    set_outlines_2d,
    set_surfaces_3d,
    show_bullseyes,
    value_at,
)

from .stepping import Stepper, in_thread


class DisplayPanel:
    """Brings the scene in line with the module's parameters, and says what is under the cursor."""

    def __init__(self, ui: SimpleNamespace) -> None:
        self.ui = ui
        self.nodes: CaseNodes | None = None
        self._shown: tuple[Any, ...] | None = None
        self._crosshair: tuple[Any, int] | None = None
        self._probabilities: ClassProbabilities | None = None
        self._missing = ""
        self.reading = Stepper(self._not_read)
        ui.bullseyesButton.connect("toggled(bool)", self._show_bullseyes)
        self.show_case(None)

    def show_case(self, nodes: CaseNodes | None) -> None:
        """Look after the nodes of another case, or of none."""
        if nodes is None or self.nodes is None or nodes.segmentation is not self.nodes.segmentation:
            self._read_probabilities(nodes)
        self.nodes = nodes
        self._shown = None
        self.ui.displaySection.enabled = nodes is not None
        self.ui.cursorLabel.text = ""
        has_bands = nodes is not None and nodes.bands is not None
        self.ui.bandsCheckBox.enabled = has_bands
        self.ui.bandsCheckBox.toolTip = _BANDS if has_bands or nodes is None else _NO_BANDS
        self.ui.bandsLabel.text = ""
        self.ui.bullseyesButton.checked = False
        self.ui.bullseyesButton.enabled = nodes is not None and nodes.bullseyes is not None

    def _read_probabilities(self, nodes: CaseNodes | None) -> None:
        """Those of the classes, in a thread; a case without them says so at the cursor."""
        self.reading.stop()
        self._probabilities, self._missing = None, ""
        if nodes is not None and nodes.folder is not None:
            folder, classes = nodes.folder, nodes.classes
            self.reading.start(in_thread(lambda: read_class_probabilities(folder, classes)), self._have_read)

    def _have_read(self, probabilities: ClassProbabilities | None) -> None:
        self._probabilities = probabilities
        self._missing = "" if probabilities else _(NOT_STORED)

    def _not_read(self, error: Exception) -> None:
        self._missing = str(error)

    def apply(self, parameters: Any) -> None:
        """Make the scene look as the parameters say; does nothing if it does."""
        if self.nodes is None or parameters is None:
            return
        wanted = (
            parameters.heatMap,
            parameters.heatVisible,
            parameters.heatOpacity,
            parameters.heatThreshold,
            parameters.outlines2D,
            parameters.surfaces3D,
            parameters.corrections,
            parameters.bands,
        )
        if wanted == self._shown:
            return
        before = self._shown or (None,) * len(wanted)
        self._shown = wanted
        if wanted[:4] != before[:4]:
            self._apply_heat(self.nodes, parameters)
        switches = (set_outlines_2d, set_surfaces_3d, set_corrections, set_bands)
        for value, old, apply in zip(wanted[4:], before[4:], switches, strict=True):
            if value != old:
                apply(self.nodes, value)
        self.ui.bandsLabel.text = "\n".join(self.nodes.band_words) if parameters.bands else ""

    def _show_bullseyes(self, on: bool) -> None:
        if self.nodes is not None and self.nodes.scene is not None:
            show_bullseyes(self.nodes, on)
            if not on:
                align_views(self.nodes)
                now = heat_map(self.nodes)
                set_heat_map(self.nodes, now.name, now.opacity)

    def _apply_heat(self, nodes: CaseNodes, parameters: Any) -> None:
        choices = heat_map_choices(nodes)
        name = parameters.heatMap.value
        self.ui.cursorLabel.text = ""
        if not parameters.heatVisible or not choices:
            set_heat_map(nodes, None)
            return
        if name not in choices:
            words = _("This model makes no such map; {name} is shown instead.")
            self.ui.cursorLabel.text = words.format(name=scale_of(nodes, choices[0]).title)
            name = choices[0]
        threshold = parameters.heatThreshold * scale_of(nodes, name).highest
        set_heat_map(nodes, name, opacity=parameters.heatOpacity, threshold=threshold)

    def watch_cursor(self) -> None:
        """Follow the cursor in the slice views."""
        self.unwatch_cursor()
        crosshair = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLCrosshairNode")
        if crosshair is not None:
            event = slicer.vtkMRMLCrosshairNode.CursorPositionModifiedEvent
            self._crosshair = (crosshair, crosshair.AddObserver(event, self._on_cursor))

    def unwatch_cursor(self) -> None:
        """Stop following the cursor."""
        if self._crosshair is not None:
            crosshair, tag = self._crosshair
            crosshair.RemoveObserver(tag)
            self._crosshair = None

    def _on_cursor(self, crosshair: slicer.vtkMRMLCrosshairNode, event: str) -> None:
        if self.nodes is None or self.nodes.scene is None:
            return
        ras = [0.0, 0.0, 0.0]
        crosshair.GetCursorPositionRAS(ras)
        words = value_at(self.nodes, (ras[0], ras[1], ras[2]), self._probabilities)
        self.ui.cursorLabel.text = f"{words}; {self._missing}" if words and self._missing else words


_BANDS = _(
    "Inner and outer contours between which a reader's contour is expected, in the slice views. They belong "
    "to what the networks drew: corrections do not move them."
)
_NO_BANDS = _("This case has no contour bands: its model was not fitted for them.")
