"""What was judged and how, and the files of an evaluation that say so."""

from __future__ import annotations

from dataclasses import dataclass

from CardiacUQLib.bundles.bundle import Bundle

from ...datasets import LabelledDataset

PAGE, FIGURES = "evaluation.md", "evaluation.json"


@dataclass(frozen=True)
class Source:
    """What was judged and how: ``command`` repeats it."""

    bundle: Bundle
    dataset: LabelledDataset
    command: str
    cross_validated: bool
