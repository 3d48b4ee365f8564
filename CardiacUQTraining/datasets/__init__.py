"""Labelled data sets in their own folder layouts, read one case at a time."""

from __future__ import annotations

import enum
from collections.abc import Callable
from pathlib import Path

from CardiacUQLib.base.errors import UsageError

from .case import LabelledCase, LabelledDataset


class DatasetName(enum.StrEnum):
    """Layouts that :func:`open_dataset` understands."""

    EMIDEC = "emidec"
    MYOPS = "myops"
    ACDC = "acdc"
    MNMS = "mnms"
    PHANTOM = "phantom"
    CINE_PHANTOM = "cine-phantom"


def open_dataset(
    name: DatasetName | str, folder: Path | None, phantoms: int = 20, complete: bool = True
) -> LabelledDataset:
    """List the cases of a data set; nothing is read yet beyond folder entries.

    ``folder`` None is allowed for phantoms: then ``phantoms`` of them are made on the fly. Raises
    :class:`UsageError` for an unknown name or a missing folder, :class:`InputError` for incomplete pairs;
    with ``complete`` False LGE cases that lack a file are listed too, and reading them raises it.
    """
    try:
        name = DatasetName(name)
    except ValueError:
        known = ", ".join(DatasetName)
        raise UsageError(f"{name}: no such data set; known are {known}") from None
    from .phantom import cine_phantom_dataset, phantom_dataset

    if name is DatasetName.PHANTOM:
        return phantom_dataset(folder, phantoms)
    if name is DatasetName.CINE_PHANTOM:
        return cine_phantom_dataset(phantoms)
    if folder is None or not Path(folder).is_dir():
        raise UsageError(f"{folder}: no such folder; --data names the folder of the {name} cases")
    if not complete and name in (DatasetName.EMIDEC, DatasetName.MYOPS):
        return _reader(name)(Path(folder), complete=False)
    return _reader(name)(Path(folder))


def _reader(name: DatasetName) -> Callable[..., LabelledDataset]:
    """The function that lists the cases of a layout on disk."""
    from .acdc import acdc_dataset
    from .emidec import emidec_dataset
    from .mnms import mnms_dataset
    from .myops import myops_dataset

    return {
        DatasetName.EMIDEC: emidec_dataset,
        DatasetName.MYOPS: myops_dataset,
        DatasetName.ACDC: acdc_dataset,
        DatasetName.MNMS: mnms_dataset,
    }[name]


__all__ = ["DatasetName", "LabelledCase", "LabelledDataset", "open_dataset"]
