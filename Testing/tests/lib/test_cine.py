"""4D files: frames come out like single volumes, in any storage order."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from CardiacUQLib.base.errors import InputError
from CardiacUQLib.images.cine import is_cine, read_cine
from CardiacUQLib.images.reading import read_volume


def frames(count: int = 3) -> np.ndarray:
    return np.random.default_rng(0).normal(100, 20, (count, 5, 40, 36)).astype(np.float32)


def write_4d(path, array: np.ndarray, spacing=(1.4, 1.5, 8.0, 30.0)) -> None:
    image = sitk.JoinSeries([sitk.GetImageFromArray(frame) for frame in array])
    image.SetSpacing(spacing)
    sitk.WriteImage(image, str(path))


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".mha"])
def test_frames_equal_the_same_frames_as_single_files(tmp_path, suffix):
    array, path = frames(), tmp_path / f"Film ü{suffix}"
    write_4d(path, array)
    assert is_cine(path)
    cine = read_cine(path)
    assert len(cine) == len(list(cine)) == 3
    single = sitk.GetImageFromArray(array[1])
    single.SetSpacing((1.4, 1.5, 8.0))
    sitk.WriteImage(single, str(tmp_path / "one.nii.gz"))
    expected = read_volume(tmp_path / "one.nii.gz")
    np.testing.assert_allclose(cine.frame(1).array, expected.array, rtol=1e-6)
    assert cine.frame(1).geometry.matches(expected.geometry)
    assert len(cine.sha256) == 64


def test_frames_outside_and_empty_frames_are_named(tmp_path):
    array = frames()
    array[2] = 7
    write_4d(tmp_path / "film.nrrd", array)
    cine = read_cine(tmp_path / "film.nrrd")
    with pytest.raises(InputError, match="has no frame 3"):
        cine.frame(3)
    with pytest.raises(InputError, match="constant"):
        cine.frame(2)


def test_what_is_no_cine(tmp_path):
    single = sitk.GetImageFromArray(frames()[0])
    sitk.WriteImage(single, str(tmp_path / "one.nii.gz"))
    (tmp_path / "text.nii.gz").write_text("hello")
    for name in ("one.nii.gz", "text.nii.gz", "none.nii.gz"):
        assert not is_cine(tmp_path / name)
        with pytest.raises(InputError, match=r"4D|not a NIfTI file|no such file"):
            read_cine(tmp_path / name)
