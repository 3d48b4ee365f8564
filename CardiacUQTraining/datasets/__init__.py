"""Labelled data sets in their own folder layouts, read one case at a time."""

from __future__ import annotations

import enum
from pathlib import Path

from CardiacUQLib.errors import UsageError

from .case import LabelledCase, LabelledDataset


class DatasetName(enum.StrEnum):
    """Layouts that :func:`open_dataset` understands."""

    EMIDEC = "emidec"
    MYOPS = "myops"
    PHANTOM = "phantom"


def open_dataset(name: DatasetName | str, folder: Path | None, phantoms: int = 20) -> LabelledDataset:
    """List the cases of a data set; nothing is read yet beyond folder entries.

    ``folder`` None is allowed for phantoms: then ``phantoms`` of them are made on the fly. Raises
    :class:`UsageError` for an unknown name or a missing folder, :class:`InputError` for incomplete pairs.
    """
    try:
        name = DatasetName(name)
    except ValueError:
        known = ", ".join(DatasetName)
        raise UsageError(f"{name}: no such data set; known are {known}") from None
    if name is DatasetName.PHANTOM:
        from .phantom import phantom_dataset

        return phantom_dataset(folder, phantoms)
    if folder is None or not Path(folder).is_dir():
        raise UsageError(f"{folder}: no such folder; --data names the folder of the {name} cases")
    if name is DatasetName.EMIDEC:
        from .emidec import emidec_dataset

        return emidec_dataset(Path(folder))
    from .myops import myops_dataset

    return myops_dataset(Path(folder))


__all__ = ["DatasetName", "LabelledCase", "LabelledDataset", "open_dataset"]
