"""Data sets in their own layouts: right pairs are read, wrong ones named."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from CardiacUQLib.base.errors import InputError, UsageError
from CardiacUQLib.images.labels import read_label_file
from CardiacUQTraining.datasets import open_dataset

DATA = Path(__file__).resolve().parents[4] / "shared" / "data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="labelled development data are not present")


def test_emidec_layout_is_read_in_order_with_groups(emidec_like):
    dataset = open_dataset("emidec", emidec_like)
    assert [c.id for c in dataset] == ["Case_N1", "Case_N2", "Case_P1", "Case_P2", "Case_P3", "Case_P4"]
    assert [c.group for c in dataset] == ["N", "N", "P", "P", "P", "P"]
    volume, labels = dataset.cases[2].load()
    assert volume.array.shape == labels.shape == (4, 48, 48)
    assert labels.dtype == np.uint8
    assert set(np.unique(labels)) == {0, 1, 2, 3, 4}


def _relabel(path: Path, function) -> None:
    image = sitk.ReadImage(str(path))
    changed = sitk.GetImageFromArray(function(sitk.GetArrayFromImage(image)))
    changed.SetSpacing(image.GetSpacing())
    sitk.WriteImage(changed, str(path))


def _label_file(folder: Path) -> Path:
    return folder / "Case_P1" / "Contours" / "Case_P1.nii.gz"


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda a: np.where(a == 3, 9, a).astype(np.uint8), r"label values \[9\]"),
        (lambda a: a[:, :-1], "voxels"),
        (lambda a: (a + 0.5).astype(np.float32), "fractional"),
    ],
)
def test_wrong_labels_are_named(emidec_like, change, problem):
    _relabel(_label_file(emidec_like), change)
    case = open_dataset("emidec", emidec_like).cases[2]
    with pytest.raises(InputError, match=problem) as error:
        case.load()
    assert "Case_P1.nii.gz" in str(error.value)


def test_truncated_labels_are_refused_not_filled_with_background(emidec_like):
    path = _label_file(emidec_like)
    whole = gzip.decompress(path.read_bytes())
    path.write_bytes(gzip.compress(whole[: len(whole) // 2]))
    with pytest.raises(InputError, match=r"Case_P1\.nii\.gz.*truncated"):
        open_dataset("emidec", emidec_like).cases[2].load()


def test_nothing_of_itk_reaches_the_terminal(emidec_like, capfd):
    """An sform that contradicts the voxel size, as in ACDC originals, makes ITK talk."""
    path = _label_file(emidec_like)
    raw = bytearray(gzip.decompress(path.read_bytes()))
    struct.pack_into("<2f", raw, 112, 0.0, 0.0)  # scl_slope
    struct.pack_into("<h", raw, 254, 1)
    struct.pack_into("<12f", raw, 280, -1, 0, 0, 0, 0, -1, 0, 0, 0, 0, 1, 0)
    path.write_bytes(gzip.compress(bytes(raw)))
    read_label_file(path)
    assert capfd.readouterr() == ("", "")


def test_labels_elsewhere_in_the_patient_are_refused(emidec_like):
    path = _label_file(emidec_like)
    image = sitk.ReadImage(str(path))
    image.SetOrigin((5.0, 0.0, 0.0))
    sitk.WriteImage(image, str(path))
    with pytest.raises(InputError, match="lies elsewhere"):
        open_dataset("emidec", emidec_like).cases[2].load()


def test_a_missing_label_file_is_named_before_anything_is_read(emidec_like):
    _label_file(emidec_like).unlink()
    with pytest.raises(InputError, match=r"Case_P1\.nii\.gz: the label file is missing"):
        open_dataset("emidec", emidec_like)


@pytest.mark.parametrize("name", ["emidec", "myops"])
def test_a_folder_without_cases_is_refused(tmp_path, name):
    with pytest.raises(InputError, match="holds no"):
        open_dataset(name, tmp_path)


def test_unknown_names_and_folders_are_usage_errors(tmp_path):
    with pytest.raises(UsageError, match="known are emidec"):
        open_dataset("emidecc", tmp_path)
    with pytest.raises(UsageError, match="no such folder"):
        open_dataset("emidec", tmp_path / "none")


def test_myops_labels_become_ours(tmp_path):
    case = tmp_path / "Case3001"
    case.mkdir()
    labels = np.zeros((3, 40, 40), np.int16)
    labels[:, :5], labels[:, 5:9], labels[:, 9:12], labels[:, 12:14], labels[:, 14:15] = (
        200,
        500,
        600,
        1220,
        2221,
    )
    image = np.random.default_rng(0).normal(100, 10, labels.shape).astype(np.float32)
    for name, array in (("LGE", image), ("gd", labels)):
        stored = sitk.GetImageFromArray(array)
        stored.SetSpacing((0.73, 0.73, 15.0))
        sitk.WriteImage(stored, str(case / f"Case3001_{name}.nii.gz"))
    case = open_dataset("myops", tmp_path).cases[0]
    assert case.merged == {4: 3}
    _, ours = case.load()
    rows = [int(ours[0, row, 0]) for row in (0, 5, 9, 12, 14, 20)]
    assert rows == [2, 1, 0, 2, 3, 0]


def test_phantoms_come_from_seeds():
    first, second = open_dataset("phantom", None, 2).cases
    volume, labels = first.load()
    assert volume.array.shape == labels.shape
    assert not np.array_equal(volume.array, second.load()[0].array)


@needs_data
@pytest.mark.parametrize(("name", "count"), [("emidec", 80), ("myops", 25)])
def test_development_data_are_complete(name, count):
    dataset = open_dataset(name, DATA / name)
    assert len(dataset) == count
    _, labels = dataset.cases[-1].load()
    assert 2 in labels
