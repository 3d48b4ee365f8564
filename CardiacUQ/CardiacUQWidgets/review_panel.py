"""Walking the queue of doubtful regions: card, table, buttons, keys and painting."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import qt
from slicer.i18n import tr as _

from CardiacUQLib.review import ELSEWHERE, ItemKind, Review, ReviewItem
from CardiacUQScene import CaseNodes, ReviewSession

from . import computer
from .keys import Keys
from .region_editor import RegionEditor
from .region_table import SHORTENED, RegionTable

_CLASS_BUTTONS = 4


class ReviewPanel:
    """One review session at a time and the widgets of the Review section.

    ``guarded`` wraps what a button does, so that an expected failure becomes a message in the panel; ``say``
    shows a line; ``toggle_heat_map`` is what the key H does. ``at_end`` is called for the key N when no
    region is open any more, ``export`` for the key X, ``left(session)`` when a session ends.
    """

    def __init__(
        self,
        ui: SimpleNamespace,
        guarded: Callable[[Callable[[], object]], object],
        say: Callable[..., None],
        toggle_heat_map: Callable[[], None],
    ) -> None:
        self.ui = ui
        self.session: ReviewSession | None = None
        self.editor = RegionEditor(ui.editorFrame)
        self.at_end: Callable[[], object] = lambda: None
        self.export: Callable[[], object] = lambda: None
        self.left: Callable[[ReviewSession], object] = lambda session: None
        self.on_change: list[Callable[[], object]] = []
        self._guarded, self._say = guarded, say
        self._labels: list[int] = []
        actions: dict[str, Callable[[], object]] = {
            "N": self._next,
            "P": lambda: self._go(lambda: self._current.previous()),
            "K": self._keep,
            "D": lambda: self._decide(lambda: self._current.take_2d()),
            "A": self._accept,
            "L": lambda: self._decide(lambda: self._current.flag()),
            "Z": self._undo,
            "Y": self._redo,
            "E": self._toggle_edit,
            "X": lambda: self.export(),
        }
        for number in range(1, _CLASS_BUTTONS + 1):
            actions[str(number)] = lambda number=number: self._class(number)
        self._actions = actions
        bound = {key: (lambda key=key: self.press(key)) for key in actions}
        self.keys = Keys({**bound, "H": toggle_heat_map})
        self._table = RegionTable(ui.regionTable, self._jump)
        self._connect()
        self.close()

    def _connect(self) -> None:
        ui = self.ui
        buttons = {
            "N": (ui.nextButton, ui.reviewButton),
            "P": (ui.previousButton,),
            "K": (ui.keepButton,),
            "D": (ui.take2DButton,),
            "A": (ui.acceptButton,),
            "L": (ui.flagButton,),
            "Z": (ui.undoButton,),
            "Y": (ui.redoButton,),
            "E": (ui.editButton,),
            "X": (ui.exportButton,),
            **{str(n): (self._class_button(n),) for n in range(1, _CLASS_BUTTONS + 1)},
        }
        for key, widgets in buttons.items():
            for widget in widgets:
                widget.connect("clicked(bool)", lambda checked=False, key=key: self.press(key))
        ui.reviewerEdit.text = computer.reviewer()
        ui.reviewerEdit.connect(
            "editingFinished()", lambda: computer.set_reviewer(ui.reviewerEdit.text.strip())
        )

    @property
    def reviewer(self) -> str:
        """The name written beside decisions."""
        return self.ui.reviewerEdit.text.strip()

    @property
    def is_done(self) -> bool:
        """True if a review is open and every region of it has been decided."""
        return self.session is not None and self.session.progress().done

    def open(self, nodes: CaseNodes, review: Review) -> None:
        """Begin or resume the review of a case, at the first open region if there are decisions already;
        raises InputError if it does not belong to the nodes."""
        self.close()
        self.session = ReviewSession(nodes, review)
        self.session.on_change.append(self.refresh)
        self.refresh()  # unfolds the section: what is hidden below is hidden in an open one
        self._labels = [info.value for info in nodes.classes if info.value]
        names = {info.value: info.name for info in nodes.classes}
        for number in range(1, _CLASS_BUTTONS + 1):
            button, present = self._class_button(number), number <= len(self._labels)
            button.visible = present
            if present:
                label = self._labels[number - 1]
                button.text = f"{number} {names[label].removeprefix(SHORTENED)}"
        self.keys.want(True)
        if review.decisions:
            self._current.next_open()
        self.refresh()

    def close(self) -> None:
        """Leave the review; everything decided and painted is kept."""
        session = self.session
        if session is not None:
            self._stop_editing()
            self._guarded(session.close)
            self.left(session)
        self.abandon()

    def abandon(self) -> None:
        """Forget the session because its nodes were removed; everything decided is in the case folder."""
        self._stop_editing()
        if self.session is not None:
            self.session.review.release()
        self.session = None
        self.keys.want(False)
        self.refresh()

    def press(self, key: str) -> None:
        """What a key or its button does."""
        self._act(self._actions[key])

    def refresh(self) -> None:
        """Bring card, table and buttons up to date."""
        ui, session = self.ui, self.session
        if ui.reviewSection.enabled != (session is not None):
            ui.reviewSection.enabled = session is not None
            ui.reviewSection.collapsed = session is None
        ui.reviewButton.visible = session is not None and session.index < 0 and not self.is_done
        if session is None:
            self._table.show(None)
            for label in (ui.cardLabel, ui.progressLabel, ui.lookLabel):
                label.text = ""
        else:
            self._refresh_buttons(session)
            ui.cardLabel.text = self._card(session)
            ui.progressLabel.text = session.progress_text()
            left = session.progress().items - session.progress().decided
            words = _("1 region needs a look") if left == 1 else _("{count} regions need a look")
            ui.lookLabel.text = words.format(count=left) if left else ""
            self._table.show(session)
        for changed in self.on_change:
            changed()

    def _card(self, session: ReviewSession) -> str:
        if session.index >= 0:
            return session.card_text()
        if not session.review.listed:
            return _("Nothing here is worth a look.")
        if session.progress().done:
            return _("No region is open. {progress}.").format(progress=session.progress_text().capitalize())
        return _("Press N to go to the first region.")

    def _refresh_buttons(self, session: ReviewSession) -> None:
        ui, here, editing = self.ui, session.index >= 0, self.editor.is_open
        first, final = session.opinions
        ui.keepButton.text = _("Keep {opinion} (K)").format(opinion=_("painted") if editing else final)
        ui.take2DButton.text = _("Take {opinion} (D)").format(opinion=first)
        ui.keepButton.enabled = here or editing
        ui.flagButton.enabled = here
        for number in range(1, _CLASS_BUTTONS + 1):
            self._class_button(number).enabled = here or editing
        item = session.item
        ui.take2DButton.enabled = item is not None and not editing and _has_first(item)
        self._refresh_accept(session)
        ui.undoButton.enabled = editing or session.can_undo
        ui.redoButton.enabled = editing or session.can_redo
        ui.nextButton.enabled = True
        ui.previousButton.enabled = session.index > 0
        ui.reviewButton.enabled = session.review.listed > 0
        ui.editButton.checked = editing

    def _refresh_accept(self, session: ReviewSession) -> None:
        """The button is there where the case proposes something, and works where the region does."""
        offered = [item.proposed for item in session.items if item.proposed is not None]
        here = None if session.item is None else session.item.proposed
        self.ui.acceptButton.visible = bool(offered)
        self.ui.acceptButton.enabled = here is not None and not self.editor.is_open
        if offered:
            names = {info.value: info.name for info in session.nodes.classes}
            name = names[offered[0] if here is None else here]
            self.ui.acceptButton.text = _("Accept {name} (A)").format(name=name)

    @property
    def _current(self) -> ReviewSession:
        if self.session is None:
            raise RuntimeError("no review is open")
        return self.session

    def _act(self, action: Callable[[], object]) -> None:
        if self.session is not None:
            self._guarded(action)

    def _go(self, move: Callable[[], object]) -> None:
        """Move on; what was painted counts first."""
        self.finish_editing()
        move()

    def _jump(self, index: int) -> None:
        """A line of the table was clicked."""
        self._act(lambda: self._go(lambda: self._current.jump(index)))

    def _next(self) -> None:
        """The next open region; without one, the end: what is left, and what can be done now."""
        self.finish_editing()
        if not self._current.next_open():
            self.at_end()

    def _keep(self) -> None:
        """What is seen stands, painting included."""
        if self._current.index < 0:
            self.finish_editing()
            return
        self._stop_editing()
        self._current.keep()
        self._advance()

    def _decide(self, decide: Callable[[], object]) -> None:
        """Decide about the region shown, then go on; never while someone paints."""
        if self.editor.is_open:
            self._say(_("You are painting: press K or E when done, then decide."), error=True)
        elif self._current.index >= 0:
            decide()
            self._advance()

    def _accept(self) -> None:
        """The proposed outline is right; a region that proposes nothing is left as it is."""
        item = self._current.item
        if item is not None and item.proposed is not None:
            self._decide(lambda: self._current.accept())

    def _advance(self) -> None:
        if not self._current.next_open():
            self.at_end()

    def _class(self, number: int) -> None:
        """Give the region a class; while someone paints, the class to paint with."""
        if number > len(self._labels):
            return
        label = self._labels[number - 1]
        if self.editor.is_open:
            self.editor.choose(self._current.nodes, label)
        else:
            self._decide(lambda: self._current.assign(label))

    def _undo(self) -> None:
        if self.editor.is_open:
            self.editor.undo()
        else:
            self._current.undo()

    def _redo(self) -> None:
        if self.editor.is_open:
            self.editor.redo()
        else:
            self._current.redo()

    def _class_button(self, number: int) -> qt.QPushButton:
        return getattr(self.ui, f"classButton{number}")

    # -- painting

    def _toggle_edit(self) -> None:
        if self.editor.is_open:
            self.finish_editing()
            return
        session = self._current
        item = session.items[session.index] if session.index != ELSEWHERE else None
        label = None if item is None else item.proposed or item.became or item.was
        self.editor.open(session.nodes, label)
        self.refresh()

    def finish_editing(self) -> None:
        """What was painted counts from now on, of the region shown or of none; ends the editing."""
        if self._stop_editing() and self.session is not None:
            self.session.take_painting()
            self.session.changed()

    def _stop_editing(self) -> bool:
        """Put the editor away; True if it was in use."""
        was_open = self.editor.close()
        self.ui.editButton.checked = False
        return was_open


def _has_first(item: ReviewItem) -> bool:
    """True if the item can be given the labels of the first opinion."""
    return item.kind is ItemKind.PLACE or item.was is not None
