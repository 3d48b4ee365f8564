"""Is the series of a folder the image that a case was segmented from? Told by the voxels, not by the grid:
the phases of a cine, and the series of one examination, share theirs."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..base.errors import InputError
from ..cases.casefolder import CaseFolder
from ..images.cine import read_cine
from ..images.placement import same_place
from ..images.reading import read_volume
from ..images.volume import Volume

_TOLERANCE = 1e-4
_REMEDY = "give the folder of the series it was made from"


def check_same_image(case: CaseFolder, folder: Path, series: str = "", frame: int | None = None) -> None:
    """Raise InputError unless ``series`` of ``folder``, or its phase ``frame`` counted from 0, holds the
    voxels that the case was segmented from. Where the image of the case is gone nothing can be told."""
    if case.input_path is None or not case.input_path.is_file():
        return
    ours, theirs = read_volume(case.input_path), _image(folder, series, frame)
    if not _equal(ours, theirs):
        which = "the series" if frame is None else f"frame {frame} of the series"
        raise InputError(
            folder,
            f"{which} is another image than the case",
            _REMEDY,
        )


def _image(folder: Path, series: str, frame: int | None) -> Volume:
    try:
        if frame is None:
            return read_volume(folder, series=series or None)
        return read_cine(folder, series or None).frame(frame)
    except InputError as error:
        if series and "--series" in error.remedy:  # the series is that of the case, and no one's choice
            raise InputError(folder, error.problem, _REMEDY) from None
        raise


def _equal(ours: Volume, theirs: Volume) -> bool:
    order = same_place(ours.source_geometry, theirs.source_geometry)
    if order is None:
        return False
    one, other = (volume.storage.to_stored(volume.array) for volume in (ours, theirs))
    return np.allclose(order.from_stored(one), other, rtol=_TOLERANCE, atol=_TOLERANCE)
