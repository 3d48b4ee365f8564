"""What everyone has to know before the first use; shown once on a computer."""

from __future__ import annotations

from types import SimpleNamespace

from . import computer

_SEEN = "NoticeSeen"


class FirstUseNotice:
    """A line on top of the panel that stays until it is confirmed; it blocks nothing."""

    def __init__(self, ui: SimpleNamespace) -> None:
        self._frame = ui.noticeFrame
        self._frame.visible = computer.setting(_SEEN) != "yes"
        ui.noticeButton.connect("clicked(bool)", lambda checked=False: self._confirm())

    def _confirm(self) -> None:
        computer.set_setting(_SEEN, "yes")
        self._frame.visible = False
