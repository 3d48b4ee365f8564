"""Labelled data sets in their own folder layouts, read one case at a time."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from .case import LabelledCase, LabelledDataset
from .catalogue import CaseSource, dataset_info


def open_dataset(
    name: str, folder: Path | None, phantoms: int = 20, complete: bool = True
) -> LabelledDataset:
    """List the cases of a data set of the catalogue; nothing is read yet beyond folder entries.

    ``folder`` None is allowed for phantoms: then ``phantoms`` of them are made on the fly. Raises
    :class:`UsageError` for an unknown name or a missing folder, :class:`InputError` for incomplete pairs;
    with ``complete`` False LGE cases that lack a file are listed too, and reading them raises it.
    """
    info = dataset_info(name)
    found = info.read(CaseSource(None if folder is None else Path(folder), phantoms, complete))
    return dataclasses.replace(found, name=info.key)  # whatever layout it shares with another data set


__all__ = ["LabelledCase", "LabelledDataset", "open_dataset"]
