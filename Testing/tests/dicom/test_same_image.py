"""The voxels tell whether a case was made from a series: the phases of a cine share their grid."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from test_dicom_cine import PHASES, write_cine

from CardiacUQLib.base.errors import InputError
from CardiacUQLib.cases.casefolder import CaseFolder, read_case
from CardiacUQLib.cases.writing import write_case
from CardiacUQLib.dicom.same_image import check_same_image
from CardiacUQLib.images.cine import read_cine
from CardiacUQLib.images.reading import read_volume, write_stored


@pytest.fixture
def phase(result, tmp_path: Path) -> tuple[CaseFolder, Path, str]:
    """A case of frame 2 of a cine whose image was written to a file, the folder of the cine, its series."""
    write_cine(tmp_path / "cine")
    cine = read_cine(tmp_path / "cine")
    frame = cine.frame(2)
    stored = np.ascontiguousarray(frame.storage.to_stored(frame.array)[:, ::-1])  # in another order
    direction = np.reshape(cine.geometry.direction, (3, 3)) * [1.0, -1.0, 1.0]
    origin = cine.geometry.index_to_lps @ [0.0, cine.geometry.size[1] - 1.0, 0.0, 1.0]
    turned = replace(cine.geometry, direction=tuple(direction.ravel()), origin=tuple(origin[:3]))
    write_stored(stored, turned, tmp_path / "frame.nii.gz")
    volume = read_volume(tmp_path / "frame.nii.gz")
    labels = np.zeros(volume.array.shape, np.uint8)
    zeros = {name: labels.astype(np.float32) for name in result.maps}
    made = replace(
        result, volume=volume, segmentation=labels, opinion=labels, dcm=labels, maps=zeros, components=(),
        component_ids=labels.astype(np.int32),
    )  # fmt: skip
    return read_case(write_case(made, tmp_path / "out", name="heart")), tmp_path / "cine", cine.series


def test_the_frame_it_was_made_from_is_known_whatever_its_order(phase) -> None:
    case, folder, series = phase
    check_same_image(case, folder, series, 2)
    check_same_image(case, folder, frame=2)


@pytest.mark.parametrize("frame", [n for n in range(PHASES) if n != 2])
def test_another_frame_on_the_same_grid_is_refused(phase, frame: int) -> None:
    case, folder, series = phase
    with pytest.raises(InputError, match=f"frame {frame} of the series is another image than the case"):
        check_same_image(case, folder, series, frame)


def test_the_folder_of_another_series_is_told_without_an_option_that_is_not_there(phase, tmp_path) -> None:
    case, _, series = phase
    write_cine(tmp_path / "other")
    with pytest.raises(
        InputError, match=r"no series ends with .*; give the folder of the series it was made"
    ):
        check_same_image(case, tmp_path / "other", series, 2)


def test_a_series_is_known_by_its_voxels(result, series_folder: Path, tmp_path: Path) -> None:
    volume = read_volume(series_folder)
    for name, change in (("same", 0), ("other", 3)):
        stored = volume.storage.to_stored(volume.array) + np.float32(change)
        write_stored(stored, volume.source_geometry, tmp_path / f"{name}.nii.gz")
        made = replace(result, volume=read_volume(tmp_path / f"{name}.nii.gz"))
        case = read_case(write_case(made, tmp_path / "out", name=name))
        if change:
            with pytest.raises(InputError, match="another image"):
                check_same_image(case, series_folder, volume.series)
        else:
            check_same_image(case, series_folder, volume.series)
            (tmp_path / "same.nii.gz").unlink()
            check_same_image(case, series_folder, volume.series)  # nothing to compare with
