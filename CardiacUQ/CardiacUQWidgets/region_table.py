"""The table of the regions under review: those worth a look, best first, and one line for the rest."""

from __future__ import annotations

from collections.abc import Callable

import qt
from slicer.i18n import tr as _

from CardiacUQLib.images.slice_number import slice_number
from CardiacUQLib.review import ItemKind, ReviewItem
from CardiacUQLib.uncertainty.look import LEAST_GAIN
from CardiacUQScene import ReviewSession

SHORTENED = "healthy "
"""Left out of the names of classes where room is short."""
_ROW_PX = 22
_WHOLE_ML = 10.0
_STATUS: dict[str, Callable[[], str]] = {
    "NotStarted": lambda: _("open"),
    "InProgress": lambda: _("here"),
    "Completed": lambda: _("decided"),
    "Flagged": lambda: _("flagged"),
}


class RegionTable:
    """Shows one session; ``jump`` is called with the index of the item that is clicked."""

    def __init__(self, table: qt.QTableWidget, jump: Callable[[int], object]) -> None:
        self._table, self._jump = table, jump
        self._session: ReviewSession | None = None
        self._unfolded = False
        self._rows: list[int | None] = []
        table.verticalHeader().setVisible(False)
        table.verticalHeader().setDefaultSectionSize(_ROW_PX)
        table.connect("cellClicked(int,int)", lambda row, _column: self._clicked(row))

    def show(self, session: ReviewSession | None) -> None:
        """Bring the table up to date with a session; empty for None."""
        if session is None:
            self._session, self._unfolded, self._rows = None, False, []
            self._table.clearSpans()
            self._table.setRowCount(0)
            return
        unfolded = self._unfolded or session.index >= session.review.listed
        if session is not self._session or unfolded != self._unfolded:
            self._session, self._unfolded = session, unfolded
            self._fill(session)
        last = self._table.columnCount - 1
        for row, index in enumerate(self._rows):
            if index is not None:
                self._table.item(row, last).setText(_STATUS[session.status(index).value]())
        if session.index >= 0:
            self._table.setCurrentCell(self._rows.index(session.index), 0)

    def _clicked(self, row: int) -> None:
        if self._session is None or not 0 <= row < len(self._rows):
            return
        index = self._rows[row]
        if index is not None:
            self._jump(index)
        elif self._session.index < self._session.review.listed:
            self._unfolded = not self._unfolded
            self._fill(self._session)
            self.show(self._session)

    def _fill(self, session: ReviewSession) -> None:
        """Everything but the statuses."""
        listed, items = session.review.listed, session.items
        gains = any(item.look is not None for item in items)
        headers = [_("region"), _("ml"), *([_("gain")] if gains else []), _("status")]
        self._rows = [*range(listed)]
        if listed < len(items):
            self._rows += [None, *(range(listed, len(items)) if self._unfolded else ())]
        table = self._table
        table.clearSpans()
        table.setRowCount(0)
        table.setColumnCount(len(headers))
        table.setHorizontalHeaderLabels(headers)
        table.setRowCount(len(self._rows))
        header = table.horizontalHeader()
        header.setSectionResizeMode(qt.QHeaderView.ResizeToContents)
        header.setSectionResizeMode(0, qt.QHeaderView.Stretch)
        names = {info.value: info.name.removeprefix(SHORTENED) for info in session.nodes.classes}
        for row, index in enumerate(self._rows):
            if index is None:
                table.setItem(row, 0, qt.QTableWidgetItem(self._fold_line(len(items) - listed)))
                table.setSpan(row, 0, 1, len(headers))
                continue
            for column, text in enumerate(_texts(items[index], names, gains=gains)):
                cell = qt.QTableWidgetItem(text)
                cell.setToolTip(session.review.card_text(index))
                table.setItem(row, column, cell)

    def _fold_line(self, count: int) -> str:
        mark = "\u25be" if self._unfolded else "\u25b8"
        words = _("1 further region") if count == 1 else _("{count} further regions")
        worth = _("worth less than {gain} Dice each").format(gain=LEAST_GAIN)
        return f"{mark} {words.format(count=count)}, {worth}"


def _texts(item: ReviewItem, names: dict[int, str], *, gains: bool) -> list[str]:
    """The cells of a row; the last one, of the status, is filled later."""
    gain = [] if not gains else [""] if item.look is None else [f"{item.look.gain:.3f}"]
    return [_what(item, names), _ml(item.volume_ml) if item.voxels else "", *gain, ""]


def _what(item: ReviewItem, names: dict[int, str]) -> str:
    if item.kind is ItemKind.SLICE:
        return _("slice {number}").format(number=slice_number(item.number))
    if item.proposed is not None:
        return _("possible {name}").format(name=names[item.proposed])
    if item.was is not None and item.became is not None:
        return f"{names[item.was]} \u2192 {names[item.became]}"
    return "" if item.look is None else item.look.text.replace(SHORTENED, "")


def _ml(volume: float) -> str:
    return f"{volume:.0f}" if volume >= _WHOLE_ML else f"{volume:.2g}"
