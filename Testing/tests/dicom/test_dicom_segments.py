"""Segmentations of others: a DICOM SEG becomes labels, names, colours and one side of a comparison."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from lge_series import heart_labels

from CardiacUQLib.base.errors import InputError
from CardiacUQLib.cases.casefolder import read_case
from CardiacUQLib.images.dicom_segments import read_dicom_segments
from CardiacUQTraining.cli.app import main
from CardiacUQTraining.comparison.labels import onto, read_label_map


def test_segments_come_back_voxel_for_voxel_with_names_codes_and_colours(written, result) -> None:
    found = read_label_map(written.segmentation)
    volume = result.volume
    placed = volume.storage.from_stored(onto(found, found.labels, volume))
    np.testing.assert_array_equal(placed, volume.storage.from_stored(heart_labels()))
    assert [info.name for info in found.classes[1:]] == ["blood pool", "healthy myocardium", "infarct", "MVO"]
    assert found.classes[2].code.value == "74281007"
    for ours, theirs in zip(result.classes[1:], found.classes[1:], strict=True):
        channels = [[int(c.colour[n : n + 2], 16) for n in (1, 3, 5)] for c in (ours, theirs)]
        assert np.abs(np.subtract(*channels)).max() <= 2  # through 16-bit CIELab


def test_a_dicom_segmentation_against_a_label_image(written, result, series_folder, tmp_path) -> None:
    volume = result.volume
    other = np.where(result.segmentation == 3, 2, result.segmentation).astype(np.uint8)
    image = sitk.GetImageFromArray(volume.storage.to_stored(other))
    image.SetSpacing(volume.source_geometry.spacing)
    image.SetOrigin(volume.source_geometry.origin)
    image.SetDirection(volume.source_geometry.direction)
    sitk.WriteImage(image, str(tmp_path / "bob.nii.gz"))
    paths = [str(written.segmentation), str(tmp_path / "bob.nii.gz")]
    options = ["--image", str(series_folder), "-o", str(tmp_path / "both"), "-q"]
    assert main(["compare", *paths, *options]) == 0
    case = read_case(tmp_path / "both")
    np.testing.assert_array_equal(case.opinion, result.segmentation)
    np.testing.assert_array_equal(case.segmentation, other)
    assert {(c.was, c.became) for c in case.components} == {(3, 2)}
    both = case.measures["comparison"]
    assert (
        both["a"]["sizes"]["infarct_volume_ml"] > both["b"]["sizes"]["infarct_volume_ml"] > 0
    )  # MVO is left


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"SegmentationType": "LABELMAP"}, "its kind"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.4"}, "is no DICOM segmentation"),
        ({"PerFrameFunctionalGroupsSequence": pydicom.Sequence()}, "more segments or frames"),
        ({"NumberOfFrames": "100000"}, "truncated"),
    ],
)
def test_what_is_none_is_told_in_one_line(written, tmp_path, change, message) -> None:
    dataset = pydicom.dcmread(written.segmentation)
    for name, value in change.items():
        setattr(dataset, name, value)
    dataset.save_as(tmp_path / "other.dcm")
    with pytest.raises(InputError, match=message):
        read_dicom_segments(tmp_path / "other.dcm")
