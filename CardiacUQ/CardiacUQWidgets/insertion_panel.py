"""The anterior insertion of the right ventricle: marked with one click, counted from at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from CardiacUQLib.base.errors import CardiacUQError
from CardiacUQScene import (
    ReviewSession,
    SegmentCount,
    add_insertion_markup,
    insertion_markup,
    insertion_ras,
    remove_insertion,
)

_TICK_MS = 30
_EVENTS = ("PointPositionDefinedEvent", "PointEndInteractionEvent", "PointRemovedEvent")


class InsertionPanel:
    """Marks the point on the chosen volume and has the segments of the open case counted from it.

    ``session`` gives the open review, None without one; ``say(text, error=...)`` shows a line.
    """

    def __init__(
        self, ui: SimpleNamespace, session: Callable[[], ReviewSession | None], say: Callable[..., None]
    ) -> None:
        self.ui = ui
        self._session, self._say = session, say
        self._volume: slicer.vtkMRMLScalarVolumeNode | None = None
        self._observed: list[tuple[Any, int]] = []
        self._recount: _Recount | None = None
        self._asked = False
        self.timer = qt.QTimer()
        self.timer.interval = _TICK_MS
        self.timer.connect("timeout()", self.on_tick)
        ui.insertionButton.connect("clicked(bool)", lambda checked=False: self.place())
        ui.insertionRemoveButton.connect("clicked(bool)", lambda checked=False: self.remove())
        self.refresh()

    @property
    def busy(self) -> bool:
        """True while segments are being counted."""
        return self._recount is not None

    def watch(self, volume: slicer.vtkMRMLScalarVolumeNode | None) -> None:
        """Look after the mark of another volume, or of none."""
        for node, tag in self._observed:
            node.RemoveObserver(tag)
        self._observed, self._volume = [], volume
        node = insertion_markup(volume) if volume is not None and volume.GetScene() else None
        if node is not None:
            events = (getattr(slicer.vtkMRMLMarkupsNode, name) for name in _EVENTS)
            self._observed = [(node, node.AddObserver(event, self._on_point)) for event in events]
        self.refresh()

    def place(self) -> None:
        """The next click in a slice view marks the point; an older mark goes."""
        if self._volume is None:
            self._say(_("Choose a volume first."), error=True)
            return
        node = insertion_markup(self._volume) or add_insertion_markup(self._volume)
        node.RemoveAllControlPoints()
        self.watch(self._volume)
        logic = slicer.modules.markups.logic()
        logic.SetActiveList(node)
        logic.StartPlaceMode(False)
        self._say(_("Click on the anterior insertion of the right ventricle in a mid-ventricular slice."))

    def remove(self) -> None:
        """Count from 12 o'clock again."""
        if self._volume is not None:
            remove_insertion(self._volume)
            self.watch(self._volume)
            self.count()

    def count(self) -> None:
        """Measure the open case anew from where the mark is now, in a thread."""
        self.refresh()
        session = self._session()
        if session is None:
            return
        if self._recount is not None:
            self._asked = True  # the point has moved meanwhile
            return
        self._recount = _Recount(session, self._point())
        self._recount.start()
        self.timer.start()

    def on_tick(self) -> None:
        """Take what the thread has found."""
        if self._recount is None or self._recount.is_alive():
            return
        done, self._recount = self._recount, None
        self.timer.stop()
        if self._asked:
            self._asked = False
            self.count()
        elif done.session is not self._session():
            return  # another case is open by now
        elif done.count is None:
            self._say(done.error, error=True)
        else:
            done.session.take_count(done.count)
            if done.point is not None:
                self._say(_("The segments are counted from the marked point."))

    def stop(self) -> None:
        """Forget scene and thread: scene close."""
        self.timer.stop()
        self._recount, self._asked = None, False
        self.watch(None)

    def refresh(self) -> None:
        """What the line says."""
        point = self._point()
        self.ui.insertionRemoveButton.enabled = point is not None
        if point is None:
            self.ui.insertionLabel.text = _("RV insertion not marked: sectors from 12 o'clock, not AHA.")
        else:
            words = _("RV insertion at R {0:.0f}, A {1:.0f}, S {2:.0f} mm: AHA segments.")
            self.ui.insertionLabel.text = words.format(*point)

    def _point(self) -> tuple[float, float, float] | None:
        here = self._volume is not None and self._volume.GetScene() is not None
        return insertion_ras(self._volume) if here else None

    def _on_point(self, caller: Any, event: str) -> None:
        self.count()


class _Recount(threading.Thread):
    """One count; ``count`` is None if the point was refused, then ``error`` says why."""

    def __init__(self, session: ReviewSession, point: tuple[float, float, float] | None) -> None:
        super().__init__(daemon=True)
        self.session, self.point = session, point
        self.count: SegmentCount | None = None
        self.error = _("The segments could not be counted from the mark; the Python console says why.")

    def run(self) -> None:
        try:
            self.count = self.session.counted_from(self.point)
        except CardiacUQError as error:
            self.error = str(error)
