"""Keys of the review: there only while the module is open with a review in it, and written on the buttons.

Slicer's slice views own F, B, G, T, V, R, the arrows and brackets, so none of these is taken. Its Segment
Editor owns digits, Z, Y, Q and W only where it has installed its own shortcuts, which ours does not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import qt


class Keys:
    """Shortcuts by key; ``actions`` are called without arguments."""

    def __init__(self, actions: Mapping[str, Callable[[], object]]) -> None:
        self._actions = dict(actions)
        self._parent: qt.QWidget | None = None
        self._wanted = False
        self._shortcuts: list[qt.QShortcut] = []

    @property
    def bound(self) -> tuple[str, ...]:
        """The keys that work now."""
        return tuple(shortcut.key.toString() for shortcut in self._shortcuts)

    def enter(self, parent: qt.QWidget) -> None:
        """The module is open: the keys work in ``parent``, wherever its focus is."""
        self._parent = parent
        self._bind()

    def leave(self) -> None:
        """Another module is open."""
        self._parent = None
        self._bind()

    def want(self, wanted: bool) -> None:
        """A review is open, or none."""
        self._wanted = wanted
        self._bind()

    def press(self, key: str) -> None:
        """What the shortcut of a bound key does; nothing for any other."""
        for shortcut in self._shortcuts:
            if shortcut.key.toString() == key:
                self._actions[key]()
                return

    def _bind(self) -> None:
        on = self._wanted and self._parent is not None
        if on and not self._shortcuts:
            for key, action in self._actions.items():
                shortcut = qt.QShortcut(qt.QKeySequence(key), self._parent)
                shortcut.connect("activated()", action)
                self._shortcuts.append(shortcut)
        elif not on:
            for shortcut in self._shortcuts:
                shortcut.enabled = False
                shortcut.setParent(None)
                shortcut.deleteLater()
            self._shortcuts = []
