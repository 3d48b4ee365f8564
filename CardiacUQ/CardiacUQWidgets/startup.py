"""What the module adds to the application once it has started: sample data, terminology."""

from __future__ import annotations

from pathlib import Path

import slicer

from . import samples

_TERMINOLOGY = Path(__file__).resolve().parents[1] / "Resources" / "CardiacUQ.term.json"


def register() -> None:
    """Offer the phantoms in Sample Data, and our codes wherever a terminology is chosen."""
    samples.register()
    # Slicer's own terminologies hold neither myocardium nor infarct.
    if hasattr(slicer.modules, "terminologies"):
        slicer.modules.terminologies.logic().LoadTerminologyFromFile(str(_TERMINOLOGY))
