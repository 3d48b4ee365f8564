"""The cases of a cohort one after the other, those first that need a human."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import qt
from slicer.i18n import tr as _

from CardiacUQLib.base.errors import UsageError
from CardiacUQLib.review import QueuedCase, next_open_case, read_queue

from . import computer


class QueuePanel:
    """Which case is next. ``open_case`` opens a folder; what stood there before is its business.
    ``is_done`` says whether every region of the case that is open has been decided."""

    def __init__(
        self,
        ui: SimpleNamespace,
        guarded: Callable[[Callable[[], object]], object],
        open_case: Callable[[Path], object],
        is_done: Callable[[], bool],
    ) -> None:
        self.ui = ui
        self.cases: tuple[QueuedCase, ...] = ()
        self.index = -1
        self._guarded, self._open_case, self._is_done = guarded, open_case, is_done
        self._reviewed: set[Path] = set()
        ui.loadCohortButton.connect("clicked(bool)", lambda checked=False: self._guarded(self._choose))
        ui.nextCaseButton.connect("clicked(bool)", lambda checked=False: self._guarded(self.next_case))
        self.refresh()

    def open(self, path: Path) -> None:
        """Begin with the first case that is not reviewed to the end; raises InputError."""
        self.cases, self.index, self._reviewed = read_queue(path), -1, set()
        self.next_case()

    def next_case(self) -> None:
        """Open the next case that is not reviewed; raises UsageError if there is none."""
        if self.index >= 0 and self._is_done():  # its folder may be written only now, in a thread
            self._reviewed.add(self.cases[self.index].folder)
        index = next_open_case(self.cases, self.index, self._reviewed)
        if index is None or (index == self.index and len(self.cases) == 1):
            self.refresh()
            raise UsageError(_("every case of the queue is reviewed"))
        self.index = index
        self._open_case(self.cases[index].folder)
        self.refresh()

    def leave(self) -> None:
        """A case was opened or chosen that is not of the queue; the queue stays."""
        self.index = -1
        self.refresh()

    def refresh(self) -> None:
        """What the line says."""
        ui, count = self.ui, len(self.cases)
        ui.nextCaseButton.visible = count > 0
        if not count:
            ui.queueLabel.text = ""
        elif self.index < 0:
            ui.queueLabel.text = _("Cohort of {count} cases").format(count=count)
        else:
            words = _("Case {number} of {count}: {name}")
            name = self.cases[self.index].name
            ui.queueLabel.text = words.format(number=self.index + 1, count=count, name=name)

    def _choose(self) -> None:
        title, start = _("Cohort"), str(computer.results_folder())
        path = qt.QFileDialog.getOpenFileName(self.ui.loadCohortButton, title, start, "cohort.csv (*.csv)")
        if path:
            self.open(Path(path))
