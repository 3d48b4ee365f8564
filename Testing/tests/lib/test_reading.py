"""Reading one image: what is accepted with a warning, what is refused in one line."""

from __future__ import annotations

import gzip
import hashlib
import os
import struct
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from CardiacUQLib.base.errors import ExitCode, InputError
from CardiacUQLib.images.reading import read_stored_map, read_volume, write_map

DATA = Path(__file__).resolve().parents[4] / "shared" / "data"
ARRAY = np.random.default_rng(0).normal(100, 20, (5, 40, 36)).astype(np.float32)
SUFFIXES = (".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd")

# Offsets of NIfTI-1 header fields (nifti1.h).
DIM, PIXDIM, VOX_OFFSET, SCALE, FORM_CODES, QUATERNION, SFORM = 40, 76, 108, 112, 252, 256, 280


def image_of(array: np.ndarray = ARRAY, **options: bool) -> sitk.Image:
    image = sitk.GetImageFromArray(array, **options)
    if image.GetDimension() == 3:
        image.SetSpacing((1.25, 1.5, 9.0))
        image.SetOrigin((1.0, 2.0, -3.0))
    return image


def write(path: Path, array: np.ndarray = ARRAY, **options: bool) -> Path:
    sitk.WriteImage(image_of(array, **options), str(path))
    return path


def patched(path: Path, *edits: tuple[object, ...]) -> Path:
    """A good .nii file with some header fields overwritten: (offset, struct format, values...)."""
    raw = bytearray(write(path).read_bytes())
    for offset, form, *values in edits:
        struct.pack_into(f"<{form}", raw, offset, *values)
    path.write_bytes(raw)
    return path


def refused(path: Path, message: str, named: Path | None = None) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read_volume(path)
    line = str(caught.value)
    assert "\n" not in line
    assert line.startswith(f"{named or path}")
    assert "; " in line
    assert caught.value.exit_code == ExitCode.INPUT


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_formats_with_awkward_names(tmp_path: Path, suffix: str) -> None:
    folder = tmp_path / "Köln – Ärzte 心"
    folder.mkdir()
    path = write(folder / f"späte Aufnahme{suffix}")
    volume = read_volume(str(path))
    np.testing.assert_array_equal(volume.array, ARRAY)
    assert volume.array.dtype == np.float32
    assert volume.array.flags.c_contiguous
    assert volume.geometry.size == (36, 40, 5)
    np.testing.assert_allclose(volume.geometry.spacing, (1.25, 1.5, 9.0))
    np.testing.assert_allclose(volume.geometry.origin, (1.0, 2.0, -3.0))
    assert volume.warnings == ()
    assert volume.name == "späte Aufnahme"
    write_map(volume.array > 100, volume, folder / "größer.nii.gz")
    assert sitk.GetArrayFromImage(sitk.ReadImage(str(folder / "größer.nii.gz"))).sum() == (ARRAY > 100).sum()


def test_upper_case_suffix(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nii.gz").rename(tmp_path / "A.NII.GZ")
    np.testing.assert_array_equal(read_volume(path).array, ARRAY)


def test_hash_is_that_of_the_file(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nii.gz")
    assert read_volume(path).sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_hash_covers_a_separate_data_file(tmp_path: Path) -> None:
    for header, data in (("a.mhd", "a.raw"), ("b.nhdr", "b.raw")):
        path = write(tmp_path / header)
        before = read_volume(path).sha256
        raw = bytearray((tmp_path / data).read_bytes())
        raw[100] ^= 1
        (tmp_path / data).write_bytes(raw)
        assert read_volume(path).sha256 != before


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.uint16, np.int32, np.float64])
def test_voxel_types(tmp_path: Path, kind: type) -> None:
    array = ARRAY.astype(kind)
    np.testing.assert_array_equal(
        read_volume(write(tmp_path / "a.nii.gz", array)).array, array.astype(np.float32)
    )


# --- refused -------------------------------------------------------------------------------------


def test_missing_file(tmp_path: Path) -> None:
    refused(tmp_path / "no.nii.gz", "no such file")


def test_unknown_format(tmp_path: Path) -> None:
    path = tmp_path / "scan.png"
    path.write_bytes(b"\x89PNG" * 100)
    refused(path, "not an image format.*NIfTI")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_empty_and_text_files(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(b"")
    refused(path, "empty")
    path.write_text("this is no image\n" * 100)
    refused(path, "truncated, damaged or not what its name says|not a NIfTI file")


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".nrrd", ".mha"])
@pytest.mark.parametrize("kept", [0.001, 0.02, 0.5, 0.99])
def test_truncated_files(tmp_path: Path, suffix: str, kept: float) -> None:
    """ITK itself fills the missing end of a NIfTI file with zeros and says nothing."""
    path = write(tmp_path / f"a{suffix}")
    raw = path.read_bytes()
    path.write_bytes(raw[: max(2, int(kept * len(raw)))])
    refused(path, "truncated|ends within|not a NIfTI")


@pytest.mark.parametrize("header", ["a.mhd", "a.nhdr"])
def test_truncated_or_missing_data_file(tmp_path: Path, header: str) -> None:
    path = write(tmp_path / header)
    data = tmp_path / "a.raw"
    data.write_bytes(data.read_bytes()[:-1000])
    refused(path, "a.raw: the file is truncated", named=data)
    data.unlink()
    refused(path, "a.raw: there is no such file", named=data)


def test_damaged_compression(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nii.gz")
    raw = bytearray(path.read_bytes())
    raw[-6] ^= 0xFF  # the checksum
    path.write_bytes(raw)
    refused(path, "truncated or damaged")


def test_no_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.nrrd")

    def denied(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", denied)
    refused(path, "cannot be opened.*permissions")


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".mha"])
def test_4d_and_vector_images(tmp_path: Path, suffix: str) -> None:
    cine = image_of(np.stack([ARRAY, ARRAY]), isVector=False)
    path = tmp_path / f"cine{suffix}"
    sitk.WriteImage(cine, str(path))
    refused(path, "4 dimensions|5 dimensions|values each")
    path = write(tmp_path / f"rgb{suffix}", np.stack([ARRAY.astype(np.uint8)] * 3, axis=-1), isVector=True)
    refused(path, "values each|dimensions")


def test_2d_image(tmp_path: Path) -> None:
    refused(write(tmp_path / "a.nrrd", ARRAY[0]), "2 dimensions")
    refused(write(tmp_path / "a.nii", ARRAY[0]), "2 dimensions")


def test_trailing_axes_of_one_are_no_dimensions(tmp_path: Path) -> None:
    path = patched(tmp_path / "a.nii", (DIM, "8h", 4, 36, 40, 5, 1, 1, 1, 1))
    np.testing.assert_array_equal(read_volume(path).array, ARRAY)
    path = tmp_path / "b.nrrd"
    sitk.WriteImage(image_of(ARRAY[None], isVector=False), str(path))
    np.testing.assert_array_equal(read_volume(path).array, ARRAY)


@pytest.mark.parametrize(("slices", "words"), [(1, "1 slice;"), (2, "2 slices;")])
def test_too_few_slices(tmp_path: Path, slices: int, words: str) -> None:
    refused(write(tmp_path / "a.nii.gz", ARRAY[:slices]), f"only {words}")


def test_too_small_slices(tmp_path: Path) -> None:
    refused(write(tmp_path / "a.nii.gz", ARRAY[:, :31]), "36 x 31 pixels")
    read_volume(write(tmp_path / "b.nii.gz", ARRAY[:3, :32, :32]))


@pytest.mark.parametrize("value", [0, 7, np.nan, np.inf])
def test_nothing_to_see(tmp_path: Path, value: float) -> None:
    message = "constant" if np.isfinite(value) else "every voxel is NaN"
    refused(write(tmp_path / "a.nii.gz", np.full_like(ARRAY, value)), message)


def test_constant_apart_from_nan(tmp_path: Path) -> None:
    array = np.full_like(ARRAY, 3)
    array[0, 0, 0] = np.nan
    refused(write(tmp_path / "a.nii.gz", array), "constant")


@pytest.mark.parametrize("spacing", ["0 1.5 9", "nan 1.5 9", "inf 1.5 9"])
def test_unusable_spacing(tmp_path: Path, spacing: str) -> None:
    path = write(tmp_path / "a.mha")
    raw = path.read_bytes()
    path.write_bytes(raw.replace(b"ElementSpacing = 1.25 1.5 9", b"ElementSpacing = " + spacing.encode()))
    assert path.read_bytes() != raw
    refused(path, "voxel size|truncated, damaged")


@pytest.mark.parametrize("size", [0.0, float("nan"), float("inf")])
def test_unusable_nifti_voxel_size_without_sform(tmp_path: Path, size: float) -> None:
    path = patched(tmp_path / "a.nii", (PIXDIM + 4, "f", size), (FORM_CODES, "2h", 1, 0))
    refused(path, "voxel size is")


# --- read with a warning -------------------------------------------------------------------------


def test_nan_and_infinity_become_the_minimum(tmp_path: Path) -> None:
    array = ARRAY.copy()
    array[0, 0, 0], array[1, 2, 3], array[4, 39, 35] = np.nan, np.inf, -np.inf
    volume = read_volume(write(tmp_path / "a.nii.gz", array))
    lowest = array[np.isfinite(array)].min()
    assert volume.array[0, 0, 0] == volume.array[1, 2, 3] == volume.array[4, 39, 35] == lowest
    changed = volume.array != ARRAY
    assert changed.sum() == 3
    assert any("3 voxels were NaN or infinite" in line for line in volume.warnings)


@pytest.mark.parametrize(
    ("edits", "words"),
    [
        ([(SCALE, "2f", 0, 0)], "scl_slope"),
        ([(SCALE, "2f", float("nan"), float("nan"))], "scl_slope"),
        ([(SFORM, "12f", -1, 0, 0, 0, 0, -1, 0, 0, 0, 0, 1, 0)], "sform says 1 x 1 x 1 mm"),
        ([(SFORM, "12f", *[0] * 12)], "sform is set but empty"),
        ([(PIXDIM + 4, "f", 0)], "pixdim"),
        ([(PIXDIM + 4, "f", float("nan"))], "pixdim"),
        ([(VOX_OFFSET, "f", 0)], "no start of the voxels"),
    ],
)
def test_odd_nifti_headers_are_read(
    tmp_path: Path, edits: list, words: str, capfd: pytest.CaptureFixture
) -> None:
    volume = read_volume(patched(tmp_path / "a.nii", *edits))
    np.testing.assert_allclose(volume.array, ARRAY, rtol=1e-6)
    np.testing.assert_allclose(volume.geometry.spacing, (1.25, 1.5, 9.0), rtol=1e-6)
    assert len(volume.warnings) == 1
    assert volume.warnings[0].startswith("a.nii: ")
    assert words in volume.warnings[0]
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("big_endian", [False, True])
def test_sheared_axes_are_straightened(tmp_path: Path, zipped: bool, big_endian: bool) -> None:
    """SimpleITK refuses this header; ours finds the nearest right angles."""
    path = patched(
        tmp_path / "a.nii",
        (FORM_CODES, "2h", 0, 1),
        (SFORM, "12f", -1.25, 0.2 * 1.5, 0, -1.0, 0, -1.5, 0, -2.0, 0, 0, 9, -3),
        (SCALE, "2f", 2.0, 10.0),
    )
    with pytest.raises(RuntimeError, match="orthonormal"):
        sitk.ReadImage(str(path))
    if big_endian:
        path.write_bytes(swapped(path.read_bytes()))
    if zipped:
        path.write_bytes(gzip.compress(path.read_bytes()))
        path = path.rename(tmp_path / "a.nii.gz")
    volume = read_volume(path)
    np.testing.assert_allclose(volume.array, ARRAY * 2 + 10, rtol=1e-6)
    assert volume.geometry.spacing == pytest.approx((1.25, 1.5, 9.0))
    assert volume.geometry.origin == pytest.approx((1.0, 2.0, -3.0))
    matrix = np.reshape(volume.geometry.direction, (3, 3))
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-9)
    # The y axis leans by atan(0.2); the nearest right angle shares the lean between both axes.
    assert np.arctan2(matrix[1, 0], matrix[0, 0]) == pytest.approx(np.arctan(0.2) / 2)
    assert any("right angles" in line for line in volume.warnings)
    write_map(volume.array, volume, tmp_path / "map.nii.gz")
    back = sitk.ReadImage(str(tmp_path / "map.nii.gz"))
    np.testing.assert_allclose(back.GetDirection(), volume.source_geometry.direction, atol=1e-6)


def swapped(raw: bytes) -> bytes:
    """A little-endian float32 NIfTI-1 file as big-endian."""
    fields = "i10s18sihss8h3f4h8f3fhbb4f2i80s24s2h6f12f16s4s"
    header = struct.pack(f">{fields}", *struct.unpack(f"<{fields}", raw[:348]))
    return header + raw[348:352] + np.frombuffer(raw[352:], "<f4").astype(">f4").tobytes()


def test_gzipped_file_without_gz_in_its_name(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nii.gz").rename(tmp_path / "a.nii")
    volume = read_volume(path)
    np.testing.assert_array_equal(volume.array, ARRAY)
    np.testing.assert_allclose(volume.geometry.origin, (1.0, 2.0, -3.0))


@pytest.mark.parametrize("quaternion", [(0.0, 0.0, 0.0), (0.2, -0.3, 0.1), (0.9, 0.9, 0.9), (0.0, 0.0, 1.0)])
@pytest.mark.parametrize("qfac", [1.0, -1.0])
def test_own_qform_is_itks(tmp_path: Path, quaternion: tuple, qfac: float) -> None:
    """The same header read by SimpleITK (named .nii.gz) and by our own reader (gzipped but named .nii)."""
    patched(
        tmp_path / "a.nii",
        (FORM_CODES, "2h", 1, 0),
        (QUATERNION, "6f", *quaternion, 4, 5, 6),
        (PIXDIM, "f", qfac),
    )
    zipped = gzip.compress((tmp_path / "a.nii").read_bytes())
    (tmp_path / "itk.nii.gz").write_bytes(zipped)
    (tmp_path / "own.nii").write_bytes(zipped)
    itk, own = read_volume(tmp_path / "itk.nii.gz"), read_volume(tmp_path / "own.nii")
    assert own.source_geometry.matches(itk.source_geometry)
    np.testing.assert_array_equal(own.array, itk.array)


def test_nifti_without_any_position(tmp_path: Path) -> None:
    patched(tmp_path / "a.nii", (FORM_CODES, "2h", 0, 0))
    (tmp_path / "own.nii").write_bytes(gzip.compress((tmp_path / "a.nii").read_bytes()))
    itk, own = read_volume(tmp_path / "a.nii"), read_volume(tmp_path / "own.nii")
    assert own.source_geometry.direction == itk.source_geometry.direction


# --- the terminal --------------------------------------------------------------------------------


def test_nothing_of_itk_reaches_the_terminal(tmp_path: Path, capfd: pytest.CaptureFixture) -> None:
    odd = patched(tmp_path / "odd.nii", (SFORM, "12f", -1, 0, 0, 0, 0, -1, 0, 0, 0, 0, 1, 0))
    cut = write(tmp_path / "cut.mha")
    cut.write_bytes(cut.read_bytes()[:-500])
    capfd.readouterr()
    sitk.ReadImage(str(odd))
    with pytest.raises(RuntimeError):
        sitk.ReadImage(str(cut))
    raw = capfd.readouterr().err
    assert "unexpected scales" in raw, "ITK does not warn any more: the test lost its point"
    assert "not read completely" in raw, "MetaIO does not print any more: the test lost its point"
    read_volume(odd)
    with pytest.raises(InputError):
        read_volume(cut)
    assert capfd.readouterr() == ("", "")
    print("stderr works again", file=sys.stderr)
    assert "works again" in capfd.readouterr().err
    assert sitk.ProcessObject.GetGlobalWarningDisplay()


def test_reading_in_many_threads(tmp_path: Path, capfd: pytest.CaptureFixture) -> None:
    cut = write(tmp_path / "cut.mha")
    cut.write_bytes(cut.read_bytes()[:-500])
    good = write(tmp_path / "good.nii.gz")
    outcomes: list[str] = []

    def work() -> None:
        for _ in range(5):
            np.testing.assert_array_equal(read_volume(good).array, ARRAY)
            with pytest.raises(InputError):
                read_volume(cut)
        outcomes.append("done")

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes == ["done"] * 6
    assert capfd.readouterr() == ("", "")
    print("back", file=sys.stderr)
    assert "back" in capfd.readouterr().err


def test_a_process_without_stderr_can_read(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nii.gz")
    code = (
        "import os; os.close(2)\n"
        "from CardiacUQLib.images.reading import read_volume\n"
        f"print(read_volume({str(path)!r}).array.shape)"
    )
    library = Path(sys.modules["CardiacUQLib"].__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=library, check=True)
    assert done.stdout.strip() == b"(5, 40, 36)"


# --- writing -------------------------------------------------------------------------------------


def test_maps_of_another_shape_or_range_are_refused(tmp_path: Path) -> None:
    volume = read_volume(write(tmp_path / "a.nii.gz"))
    with pytest.raises(ValueError, match="shape"):
        write_map(np.zeros((5, 36, 40)), volume, tmp_path / "map.nii.gz")
    for value in (-1, 65536):
        with pytest.raises(ValueError, match="fit"):
            write_map(np.full((5, 40, 36), value), volume, tmp_path / "map.nii.gz")
    assert not (tmp_path / "map.nii.gz").exists()


def test_maps_into_a_missing_folder(tmp_path: Path) -> None:
    volume = read_volume(write(tmp_path / "a.nii.gz"))
    with pytest.raises(OSError, match="could not be written whole"):
        write_map(volume.array, volume, tmp_path / "missing" / "map.nii.gz")


@pytest.mark.parametrize("name", ["map.nii", "map.nii.gz"])
@pytest.mark.parametrize("kept", [0, 1, 3, 351, -200, -9, -8, -4, -1])
def test_a_file_that_lost_its_end_is_told_wherever_it_was_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, kept: int
) -> None:
    volume = read_volume(write(tmp_path / "a.nii.gz"))
    full = sitk.WriteImage

    def cut(image: sitk.Image, path: str, **options: object) -> None:
        full(image, path, **options)
        Path(path).write_bytes(Path(path).read_bytes()[:kept])

    write_map(volume.array, volume, tmp_path / name)
    monkeypatch.setattr(sitk, "WriteImage", cut)
    with pytest.raises(OSError, match="could not be written whole"):
        write_map(volume.array, volume, tmp_path / name)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.uint16, np.float32])
def test_maps_of_every_type_are_whole(tmp_path: Path, dtype: type) -> None:
    volume = read_volume(write(tmp_path / "a.nii.gz"))
    values = (np.arange(volume.array.size).reshape(volume.array.shape) % 300).astype(dtype)
    for name in ("map.nii", "map.nii.gz", "map.nrrd"):
        write_map(values, volume, tmp_path / name)
        read = read_stored_map(tmp_path / name, volume.source_geometry)
        assert np.array_equal(volume.storage.from_stored(read), values)


# --- real files ----------------------------------------------------------------------------------


@pytest.mark.skipif(not DATA.is_dir(), reason="the development data ../shared/data are not here")
@pytest.mark.parametrize(
    ("file", "size", "spacing", "check"),
    [
        ("emidec/Case_P007/Images/Case_P007.nii.gz", (144, 241, 7), (1.458, 1.458, 10), lambda w: w == ()),
        (
            "acdc/patient001/patient001_frame01.nii.gz",
            (216, 256, 10),
            (1.5625, 1.5625, 10),
            lambda w: len(w) == 1 and "sform says 1 x 1 x 1 mm" in w[0],
        ),
        ("myops/Case3001/Case3001_LGE.nii.gz", (478, 482, 5), (0.7291, 0.7291, 12), lambda w: w == ()),
    ],
)
def test_real_files(
    file: str, size: tuple, spacing: tuple, check: Callable, capfd: pytest.CaptureFixture
) -> None:
    volume = read_volume(DATA / file)
    assert volume.geometry.size == size
    assert volume.geometry.spacing == pytest.approx(spacing, abs=1e-3)
    assert check(volume.warnings), volume.warnings
    assert capfd.readouterr() == ("", "")
