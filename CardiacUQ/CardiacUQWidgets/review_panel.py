"""Walking the queue of doubtful regions: card, table, buttons, keys and the Segment Editor."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from CardiacUQLib.review import CaseMaps
from CardiacUQScene import CaseNodes, ReviewSession

from . import computer

_COLUMNS = 4
_EDITOR_EFFECTS = ["Paint", "Erase", "Draw", "Islands", "Smoothing"]
_CLASS_BUTTONS = 4
_STATUS: dict[str, Callable[[], str]] = {
    "NotStarted": lambda: _("open"),
    "InProgress": lambda: _("here"),
    "Completed": lambda: _("decided"),
    "Flagged": lambda: _("flagged"),
}


class ReviewPanel:
    """One review session at a time and the widgets of the Review section.

    ``guarded`` wraps what a button does, so that an expected failure becomes a message in the panel;
    ``toggle_heat_map`` is what the key H does.
    """

    def __init__(
        self,
        ui: SimpleNamespace,
        guarded: Callable[[Callable[[], object]], object],
        toggle_heat_map: Callable[[], None],
    ) -> None:
        self.ui = ui
        self.session: ReviewSession | None = None
        self._guarded = guarded
        self._editor: Any = None  # a Qt widget of Slicer's, once it is needed
        self._labels: list[int] = []
        self._shortcuts: list[qt.QShortcut] = []
        self._filling = False
        self._actions: dict[str, Callable[[], object]] = {
            "N": lambda: self._current.next(),
            "P": lambda: self._current.previous(),
            "K": lambda: self._decide(self._current.keep),
            "T": lambda: self._decide(self._current.take_2d),
            "F": lambda: self._decide(self._current.flag),
            "Z": lambda: self._current.undo(),
        }
        for number in range(1, _CLASS_BUTTONS + 1):
            self._actions[str(number)] = lambda number=number: self._assign(number)
        self._heat = toggle_heat_map
        ui.regionTable.verticalHeader().setVisible(False)
        ui.regionTable.horizontalHeader().setStretchLastSection(True)
        self._connect()
        self.close()

    def _connect(self) -> None:
        ui = self.ui
        buttons = {
            "N": (ui.nextButton, ui.reviewButton),
            "P": (ui.previousButton,),
            "K": (ui.keepButton,),
            "T": (ui.take2DButton,),
            "F": (ui.flagButton,),
            "Z": (ui.undoButton,),
            **{str(n): (self._class_button(n),) for n in range(1, _CLASS_BUTTONS + 1)},
        }
        for key, widgets in buttons.items():
            for widget in widgets:
                widget.connect("clicked(bool)", lambda checked=False, key=key: self.press(key))
        ui.redoButton.connect("clicked(bool)", lambda checked=False: self._act(lambda: self._current.redo()))
        ui.editButton.connect("toggled(bool)", lambda on: self._act(lambda: self._edit(on)))
        ui.exportButton.connect("clicked(bool)", lambda checked=False: self._act(self._export))
        ui.regionTable.connect(
            "cellClicked(int,int)", lambda row, _c: self._act(lambda: self._current.jump(row))
        )
        ui.reviewerEdit.text = computer.reviewer()
        ui.reviewerEdit.connect(
            "editingFinished()", lambda: computer.set_reviewer(ui.reviewerEdit.text.strip())
        )

    def install_shortcuts(self, parent: qt.QWidget) -> None:
        """Let the keys N P K T F Z 1-4 E H work wherever the focus is, as long as the module is open."""
        if self._shortcuts:
            return
        actions: dict[str, Callable[[], object]] = {
            key: (lambda key=key: self.press(key)) for key in self._actions
        }
        actions["E"] = lambda: self.ui.editButton.click()
        actions["H"] = self._heat
        for key, action in actions.items():
            shortcut = qt.QShortcut(qt.QKeySequence(key), parent)
            shortcut.connect("activated()", action)
            self._shortcuts.append(shortcut)

    def remove_shortcuts(self) -> None:
        """Give the keys back."""
        for shortcut in self._shortcuts:
            shortcut.enabled = False
            shortcut.setParent(None)
            shortcut.deleteLater()
        self._shortcuts = []

    def open(self, nodes: CaseNodes, case: CaseMaps) -> None:
        """Begin or resume the review of a case; raises InputError if its record is damaged."""
        self.close()
        self.session = ReviewSession(nodes, case, reviewer=self.ui.reviewerEdit.text.strip())
        self.session.on_change.append(self.refresh)
        self._labels = [info.value for info in nodes.classes if info.value]
        names = {info.value: info.name for info in nodes.classes}
        for number in range(1, _CLASS_BUTTONS + 1):
            button, present = self._class_button(number), number <= len(self._labels)
            button.visible = present
            if present:
                button.text = f"{number} {names[self._labels[number - 1]]}"
        self.refresh()

    def close(self) -> None:
        """Leave the review; everything decided is kept."""
        if self.session is not None:
            self._stop_editing()
            self._guarded(self.session.close)
        self.session = None
        self.refresh()

    def abandon(self) -> None:
        """Forget the session because its nodes were removed; everything decided is in the case folder."""
        self._stop_editing()
        self.session = None
        self.refresh()

    def press(self, key: str) -> None:
        """What a key or its button does."""
        self._act(self._actions[key])

    def refresh(self) -> None:
        """Bring card, table, buttons and headline up to date."""
        ui, session = self.ui, self.session
        ui.reviewSection.enabled = session is not None
        ui.reviewButton.visible = session is not None
        if session is None:
            ui.regionTable.setRowCount(0)
            for label in (ui.cardLabel, ui.progressLabel, ui.lookLabel, ui.headlineLabel):
                label.text = ""
            return
        progress, here = session.progress(), session.index >= 0
        first, final = session.opinions
        ui.keepButton.text = _("Keep {opinion} (K)").format(opinion=final)
        ui.take2DButton.text = _("Take {opinion} (T)").format(opinion=first)
        for button in (ui.keepButton, ui.flagButton, *map(self._class_button, range(1, _CLASS_BUTTONS + 1))):
            button.enabled = here
        ui.take2DButton.enabled = here and session.items[session.index].was is not None
        ui.undoButton.enabled, ui.redoButton.enabled = session.can_undo, session.can_redo
        ui.nextButton.enabled = ui.previousButton.enabled = ui.reviewButton.enabled = bool(session.items)
        ui.cardLabel.text = session.card_text() if here else _("Press Next (N) to go to the first region.")
        ui.progressLabel.text = session.progress_text()
        ui.headlineLabel.text = session.headline()
        left = progress.items - progress.decided
        ui.lookLabel.text = (
            _("{count} regions need a look").format(count=left) if left != 1 else _("1 region needs a look")
        )
        self._fill_table()

    @property
    def _current(self) -> ReviewSession:
        if self.session is None:
            raise RuntimeError("no review is open")
        return self.session

    def _act(self, action: Callable[[], object]) -> None:
        if self.session is not None:
            self._guarded(action)

    def _decide(self, decide: Callable[[], object]) -> None:
        """Decide about the region shown, then go on to the next."""
        if self._current.index < 0:
            return
        self._finish_editing()
        decide()
        if self._current.index + 1 < len(self._current.items):
            self._current.next()

    def _assign(self, number: int) -> None:
        if number <= len(self._labels):
            self._decide(lambda: self._current.assign(self._labels[number - 1]))

    def _class_button(self, number: int) -> qt.QPushButton:
        return getattr(self.ui, f"classButton{number}")

    def _fill_table(self) -> None:
        table, session = self.ui.regionTable, self._current
        headers = [_("was"), _("became"), _("ml"), _("status")]
        table.setColumnCount(_COLUMNS)
        table.setHorizontalHeaderLabels(headers)
        table.setRowCount(len(session.items))
        names = {info.value: info.name for info in session.nodes.classes}
        for row, item in enumerate(session.items):
            whole = _("slice {number}").format(number=item.number + 1)
            was = names.get(item.was, whole) if item.was is not None else whole
            became = names[item.became] if item.became is not None else ""
            cells = (was, became, f"{item.volume_ml:.2g}", _STATUS[session.status(row).value]())
            for column, text in enumerate(cells):
                table.setItem(row, column, qt.QTableWidgetItem(text))
        if session.index >= 0:
            table.setCurrentCell(session.index, 0)

    def _edit(self, on: bool) -> None:
        """Open the Segment Editor on the region's class, or take over what was painted."""
        if not on:
            self._finish_editing()
            return
        editor, session = self._segment_editor(), self._current
        editor.setSegmentationNode(session.nodes.segmentation)
        editor.setSourceVolumeNode(session.nodes.volume)
        became = session.items[session.index].became if session.index >= 0 else None
        by_label: dict[int | None, str] = {
            label: segment for segment, label in session.nodes.segments.items()
        }
        editor.setCurrentSegmentID(by_label.get(became, next(iter(by_label.values()))))
        editor.setActiveEffectByName("Paint")
        self.ui.editorFrame.visible = True

    def _finish_editing(self) -> None:
        """Take what was painted as a decision, if the editor is open."""
        if self._stop_editing() and self._current.index >= 0:
            self._current.edited()

    def _stop_editing(self) -> bool:
        """Put the editor away; True if it was in use."""
        editor = self._editor
        was_open = editor is not None and editor.segmentationNode() is not None
        if editor is not None and was_open:
            editor.setActiveEffect(None)
            editor.setSourceVolumeNode(None)
            editor.setSegmentationNode(None)
            editor.removeViewObservations()
        self.ui.editorFrame.visible = False
        self.ui.editButton.checked = False
        return was_open

    def _segment_editor(self) -> qt.QWidget:
        """The embedded editor, made when first needed because it takes a moment."""
        if self._editor is None:
            self._editor = slicer.qMRMLSegmentEditorWidget()
            self._editor.setMRMLSegmentEditorNode(self._editor_node())
            self._editor.setMRMLScene(slicer.mrmlScene)
            self._editor.segmentationNodeSelectorVisible = False
            self._editor.sourceVolumeNodeSelectorVisible = False
            self._editor.unorderedEffectsVisible = False
            self._editor.setEffectNameOrder(_EDITOR_EFFECTS)
            self.ui.editorFrame.layout().addWidget(self._editor)
        elif self._editor.mrmlSegmentEditorNode() is None:
            self._editor.setMRMLSegmentEditorNode(self._editor_node())
        return self._editor

    def drop_editor_node(self) -> None:
        """Forget the editor's node before the scene closes."""
        if self._editor is not None:
            self._editor.setMRMLSegmentEditorNode(None)

    def _editor_node(self) -> slicer.vtkMRMLSegmentEditorNode:
        tag = "CardiacUQ.SegmentEditor"
        node = slicer.mrmlScene.GetSingletonNode(tag, "vtkMRMLSegmentEditorNode")
        if node is None:
            node = slicer.mrmlScene.CreateNodeByClass("vtkMRMLSegmentEditorNode")
            node.UnRegister(None)
            node.SetSingletonTag(tag)
            node = slicer.mrmlScene.AddNode(node)
        return node

    def _export(self) -> None:
        title = _("Folder for the training case")
        folder = qt.QFileDialog.getExistingDirectory(
            self.ui.exportButton, title, str(computer.results_folder())
        )
        if folder:
            self._finish_editing()
            written = self._current.export(Path(folder))
            self.ui.messageLabel.text = _("The training case is in {folder}").format(folder=written)
