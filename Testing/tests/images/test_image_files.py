"""Every odd header once as a stack and once as a film: one reader, equal geometry, equal grey values."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from image_bytes import FRAMES, SHAPE, SPACING, film, metaimage, nifti, nrrd, sform

from CardiacUQLib.base.errors import InputError
from CardiacUQLib.images.cine import is_cine, read_cine
from CardiacUQLib.images.image_file import read_components, read_image
from CardiacUQLib.images.labels import read_labels
from CardiacUQLib.images.placement import same_place
from CardiacUQLib.images.reading import read_volume, write_map
from CardiacUQLib.images.volume import Geometry, StorageOrder, Volume


def gzipped_without_saying(path: Path, stored: np.ndarray) -> Path:
    return nifti(path.with_name("zipped.nii.gz"), stored).rename(path.with_name("zipped.nii"))


def pixdim_zero(path: Path, stored: np.ndarray) -> Path:
    return nifti(path, stored, pixdim=(0, 0, 0))


def pixdim_negative(path: Path, stored: np.ndarray) -> Path:
    return nifti(path, stored, pixdim=(-SPACING[0], SPACING[1], SPACING[2]))


def sheared(path: Path, stored: np.ndarray) -> Path:
    matrix = sform()
    matrix[:, 1] += 0.02 * SPACING[1] * matrix[:, 0] / SPACING[0]
    return nifti(path, stored, srow=matrix)


def three_decimals(path: Path, stored: np.ndarray) -> Path:
    matrix = sform()
    matrix[:, :3] = np.round(matrix[:, :3] / np.array(SPACING), 3) * np.array(SPACING)
    return nifti(path, stored, srow=matrix)


def big_endian(path: Path, stored: np.ndarray) -> Path:
    return nifti(path, stored, order=">")


def scaled(path: Path, stored: np.ndarray) -> Path:
    return nifti(path, ((stored - 7) / 2).astype("f8"), slope=2.0, intercept=7.0)


def no_scale(path: Path, stored: np.ndarray) -> Path:
    return nifti(path, stored, slope=0.0, intercept=float("nan"))


def no_start(path: Path, stored: np.ndarray) -> Path:
    return nifti(path, stored, first=0.0)


def wrong_bitpix(path: Path, stored: np.ndarray) -> Path:
    return nifti(path, stored, bits=0)


def metres(path: Path, stored: np.ndarray) -> Path:
    matrix = sform() / 1000
    return nifti(path, stored, srow=matrix, pixdim=tuple(mm / 1000 for mm in SPACING), units=1)


def wrong_unit(path: Path, stored: np.ndarray) -> Path:
    return nifti(path, stored, units=1)


def pair(path: Path, stored: np.ndarray) -> Path:
    return nifti(path.with_name("pair.hdr"), stored, magic=b"ni1\0", first=0.0)


def other_half(path: Path, stored: np.ndarray) -> Path:
    return pair(path, stored).with_suffix(".img")


def mha(path: Path, stored: np.ndarray) -> Path:
    return metaimage(path.with_name("a.mha"), stored)


def nrrd_time_last(path: Path, stored: np.ndarray) -> Path:
    return nrrd(path.with_name("a.nrrd"), stored)


def nrrd_time_first(path: Path, stored: np.ndarray) -> Path:
    return nrrd(path.with_name("a.seq.nrrd"), stored, time_first=True)


def nrrd_ras(path: Path, stored: np.ndarray) -> Path:
    matrix = sform()
    vectors = " ".join(f"({','.join(f'{v:.9g}' for v in matrix[:, n])})" for n in range(3))
    text = f"({','.join(map(str, matrix[:, 3]))})"
    fields = {"space": "right-anterior-superior", "space_origin": text, "encoding": "raw"}
    vectors = vectors + " none" if stored.ndim == 4 else vectors
    return nrrd(path.with_name("a.nrrd"), stored, space_directions=vectors, **fields)


def nrrd_4d_space(path: Path, stored: np.ndarray) -> Path:
    """As ITK writes a film: time is a dimension of space."""
    if stored.ndim == 3:
        return nrrd(path.with_name("a.nrrd"), stored)
    image = sitk.JoinSeries([sitk.GetImageFromArray(frame) for frame in stored])
    image.SetSpacing((*SPACING, 30.0))
    direction = np.eye(4)
    direction[:3, :3] = np.diag([-1, -1, 1]) @ sform()[:, :3] / np.array(SPACING)
    image.SetDirection(direction.ravel())
    image.SetOrigin((*(np.diag([-1, -1, 1]) @ sform()[:, 3]), 0.0))
    sitk.WriteImage(image, str(path.with_name("itk.nrrd")), useCompression=True)
    return path.with_name("itk.nrrd")


WRITERS = [
    nifti,
    gzipped_without_saying,
    pixdim_zero,
    pixdim_negative,
    sheared,
    three_decimals,
    big_endian,
    scaled,
    no_scale,
    no_start,
    wrong_bitpix,
    metres,
    wrong_unit,
    pair,
    other_half,
    mha,
    nrrd_time_last,
    nrrd_time_first,
    nrrd_ras,
    nrrd_4d_space,
]


@pytest.mark.parametrize("write", WRITERS, ids=lambda write: write.__name__)
def test_odd_headers_read_alike_as_stack_and_as_film(tmp_path: Path, write) -> None:
    truth = film()
    path = write(tmp_path / "a.nii.gz", truth[1])
    volume = read_volume(path)
    assert not is_cine(path)
    (tmp_path / "4d").mkdir()
    path = write(tmp_path / "4d" / "a.nii.gz", truth)
    assert is_cine(path)
    cine = read_cine(path)
    assert len(cine) == FRAMES
    np.testing.assert_array_equal(cine.stored, truth)
    np.testing.assert_array_equal(cine.frame(1).array, volume.array)
    np.testing.assert_array_equal(volume.storage.to_stored(volume.array), truth[1])
    assert cine.geometry.matches(volume.source_geometry, 1e-3)
    said = [line.partition(": ")[2] for line in volume.warnings]
    assert [line.partition(": ")[2] for line in cine.frame(1).warnings] == said
    assert volume.source_geometry.spacing == pytest.approx(SPACING, abs=2e-3)
    ras = volume.source_geometry.index_to_ras(np.array([35.0, 39.0, 4.0]))
    expected = sform()[:, :3] @ [35, 39, 4] + sform()[:, 3]
    np.testing.assert_allclose(ras, expected, atol=1.5 if write is sheared else 0.1)
    axes = np.reshape(volume.source_geometry.direction, (3, 3))
    np.testing.assert_allclose(axes.T @ axes, np.eye(3), atol=1e-9)


@pytest.mark.parametrize("name", ["a.nii.gz", "a.nii", "a.nrrd", "a.nhdr", "a.mha", "a.mhd"])
@pytest.mark.parametrize("kind", ["i2", "u1", "f4", "f8", "u4"])
def test_the_same_voxels_and_place_as_itk(tmp_path: Path, name: str, kind: str) -> None:
    image = sitk.GetImageFromArray(film(kind)[0] % 200)
    image.SetSpacing((1.2, 0.9, 7.5))
    image.SetOrigin((3.0, -50.0, 12.0))
    image.SetDirection((np.diag([-1, -1, 1]) @ sform()[:, :3] / np.array(SPACING)).ravel())
    sitk.WriteImage(image, str(tmp_path / name), useCompression=kind != "u1")
    theirs, ours = sitk.ReadImage(str(tmp_path / name)), read_image(tmp_path / name)
    np.testing.assert_array_equal(ours.stored[0], sitk.GetArrayFromImage(theirs))
    geometry = Geometry(theirs.GetSize(), theirs.GetSpacing(), theirs.GetOrigin(), theirs.GetDirection())
    assert ours.geometry.matches(geometry, 1e-3)


def test_three_decimals_do_not_lock_a_case_out(tmp_path: Path) -> None:
    from CardiacUQLib.images.reading import read_stored_map

    volume = read_volume(three_decimals(tmp_path / "a.nii.gz", film()[0]))
    write_map(volume.array > 500, volume, tmp_path / "map.nii.gz")
    stored = read_stored_map(tmp_path / "map.nii.gz", volume.source_geometry)
    np.testing.assert_array_equal(stored, film()[0] > 500)


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), None])
def test_a_lost_voxel_size_is_told(tmp_path: Path, spacing) -> None:
    if spacing is None:
        path = tmp_path / "a.nrrd"
        sizes = " ".join(map(str, SHAPE[::-1]))
        text = f"NRRD0004\ntype: short\ndimension: 3\nsizes: {sizes}\nencoding: raw\nendian: little\n\n"
        path.write_bytes(text.encode() + film()[0].tobytes())
    else:
        path = nifti(tmp_path / "a.nii.gz", film()[0], pixdim=spacing, srow=np.eye(4)[:3])
    (line,) = read_volume(path).warnings
    assert "voxels of 1 x 1 x 1 mm: the voxel size was probably lost" in line


def test_nifti_2_is_read(tmp_path: Path) -> None:
    stored, header = film()[0], bytearray(540)
    struct.pack_into("<i8s2h", header, 0, 540, b"n+2\0\r\n\x1a\n", 4, 16)
    struct.pack_into("<8q", header, 16, 3, *SHAPE[::-1], 1, 1, 1, 1)
    struct.pack_into("<8d", header, 104, 1.0, *SPACING, 0, 0, 0, 0)
    struct.pack_into("<q2d", header, 168, 544, 1.0, 0.0)
    struct.pack_into("<2i", header, 344, 0, 1)
    struct.pack_into("<12d", header, 400, *sform().ravel())
    (tmp_path / "a.nii").write_bytes(bytes(header) + b"\0" * 4 + stored.tobytes())
    volume = read_volume(tmp_path / "a.nii")
    np.testing.assert_array_equal(volume.storage.to_stored(volume.array), stored)


@pytest.mark.parametrize("how", ["list", "pattern", "text"])
def test_voxels_in_many_files_or_as_text(tmp_path: Path, how: str) -> None:
    stored = film()[0]
    path = metaimage(tmp_path / "a.mhd", stored, BinaryData="False" if how == "text" else "True")
    head = path.read_bytes().partition(b"ElementDataFile")[0].decode()
    for k, plane in enumerate(stored):
        (tmp_path / f"s{k:02d}.raw").write_bytes(plane.tobytes())
    (tmp_path / "all.txt").write_text(" ".join(map(str, stored.ravel())))
    names = "\n".join(f"s{k:02d}.raw" for k in range(len(stored)))
    last = {"list": f"LIST\n{names}\n", "pattern": "s%02d.raw 0 4 1\n", "text": "all.txt\n"}[how]
    path.write_text(f"{head}ElementDataFile = {last}")
    image = read_image(path)
    np.testing.assert_array_equal(image.stored[0], stored)
    before = image.sha256
    changed = tmp_path / ("all.txt" if how == "text" else "s03.raw")
    raw = bytearray(changed.read_bytes())
    raw[10] = ord("1") if raw[10] != ord("1") else ord("2")
    changed.write_bytes(raw)
    assert read_image(path).sha256 != before


def test_vector_images_and_films_are_not_mixed_up(tmp_path: Path) -> None:
    p = np.random.default_rng(1).random((3, *SHAPE)).astype("f4")
    sitk.WriteImage(sitk.GetImageFromArray(np.moveaxis(p, 0, -1), isVector=True), str(tmp_path / "v.nii.gz"))
    sitk.WriteImage(sitk.GetImageFromArray(np.moveaxis(p, 0, -1), isVector=True), str(tmp_path / "v.nrrd"))
    for name in ("v.nii.gz", "v.nrrd"):
        np.testing.assert_array_equal(read_components(tmp_path / name)[0], p)
        assert not is_cine(tmp_path / name)
        with pytest.raises(InputError, match="3 values each"):
            read_volume(tmp_path / name)


# -- labels by their place


def stored_otherwise(labels: np.ndarray, axes: tuple[int, int, int], flips: tuple[bool, bool, bool]):
    """Labels (k, j, i) of the grid of ``sform``, stored in another order: array and RAS matrix."""
    matrix = sform()
    origin, columns = matrix[:, 3].copy(), [matrix[:, 2], matrix[:, 1], matrix[:, 0]]
    array = labels.transpose(axes)
    new = [columns[axis].copy() for axis in axes]
    for n, flip in enumerate(flips):
        if flip:
            array = np.flip(array, n)
            origin = origin + new[n] * (array.shape[n] - 1)
            new[n] = -new[n]
    return np.ascontiguousarray(array), np.stack([new[2], new[1], new[0], origin], axis=1)


@pytest.mark.parametrize("axes", [(0, 1, 2), (0, 2, 1), (2, 1, 0), (1, 2, 0)])
@pytest.mark.parametrize("flips", [(False, True, False), (True, False, True), (True, True, True)])
def test_labels_stored_in_another_order_are_the_same_labels(tmp_path: Path, axes, flips) -> None:
    labels = (film()[0] % 5).astype("u1")
    array, matrix = stored_otherwise(labels, axes, flips)
    sizes = np.linalg.norm(matrix[:, :3], axis=0)
    nifti(tmp_path / "labels.nii.gz", array, srow=matrix, pixdim=tuple(sizes))
    volume = read_volume(nifti(tmp_path / "image.nii.gz", film()[0]))
    np.testing.assert_array_equal(
        read_labels(tmp_path / "labels.nii.gz", volume), volume.storage.from_stored(labels)
    )


def test_labels_elsewhere_or_with_fractions_are_refused(tmp_path: Path) -> None:
    volume = read_volume(nifti(tmp_path / "image.nii.gz", film()[0]))
    moved = sform()
    moved[:, 3] += 3.0
    nifti(tmp_path / "moved.nii.gz", film("u1")[0], srow=moved)
    nifti(tmp_path / "small.nii.gz", film("u1")[0, 1:])
    nifti(tmp_path / "half.nii.gz", film("f4")[0] / 2)
    for name, words in (("moved", "elsewhere"), ("small", "voxels but"), ("half", "fractional")):
        with pytest.raises(InputError, match=words):
            read_labels(tmp_path / f"{name}.nii.gz", volume)


def test_same_place_of_a_grid_with_itself_changes_nothing() -> None:
    grid = Geometry((4, 5, 6), (1.0, 1.0, 2.0), (0.0, 0.0, 0.0), (1, 0, 0, 0, 1, 0, 0, 0, 1))
    assert same_place(grid, grid) == StorageOrder()
    assert isinstance(Volume(np.zeros((6, 5, 4)), grid, grid).no_image, type(None))
