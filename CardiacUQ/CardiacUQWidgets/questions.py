"""Questions before something is given up; in one place, so that a test can answer them."""

from __future__ import annotations

import slicer
from slicer.i18n import tr as _


def confirmed(question: str) -> bool:
    """True if the user agrees; also where nobody can be asked, in Slicer's testing mode."""
    return bool(slicer.util.confirmOkCancelDisplay(question, windowTitle=_("CardiacUQ")))
