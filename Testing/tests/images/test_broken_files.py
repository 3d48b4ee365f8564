"""What must be refused in one line, in little time and memory, whether it is a stack or a film."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import time
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from image_bytes import SHAPE, film, metaimage, nifti, nrrd

from CardiacUQLib.base.errors import ExitCode, InputError
from CardiacUQLib.images.cine import is_cine, read_cine
from CardiacUQLib.images.image_file import read_image
from CardiacUQLib.images.labels import read_label_file
from CardiacUQLib.images.reading import read_volume
from CardiacUQLib.images.volume import LONGEST_NAME, case_name
from CardiacUQTraining.evaluation.shared.opinions import read_labels as read_opinion

READERS = (read_volume, read_cine, read_image, read_label_file, read_opinion)


def refused(read: Callable[[Path], object], path: Path, words: str) -> None:
    start = time.perf_counter()
    with pytest.raises(InputError, match=words) as caught:
        read(path)
    assert time.perf_counter() - start < 20
    assert "\n" not in str(caught.value)
    assert "; " in str(caught.value)
    assert caught.value.exit_code == ExitCode.INPUT


@pytest.mark.parametrize("read", READERS, ids=lambda read: f"{read.__module__}.{read.__name__}")
@pytest.mark.parametrize("bits", [0, 1, -1, -16, 8, 64])
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_half_a_file_is_half_a_file_whatever_bitpix_says(tmp_path: Path, name: str, bits: int, read) -> None:
    stored = film()[0] if read is not read_cine else film()
    refused(read, nifti(tmp_path / name, stored, bits=bits, keep=0.5), "truncated: ")


@pytest.mark.parametrize("share", [0.6, 0.95, 0.9999])
def test_a_cut_film_gives_no_ejection_fraction(tmp_path: Path, share: float) -> None:
    for path in (
        nifti(tmp_path / "a.nii", film()),
        nrrd(tmp_path / "a.nrrd", film()),
        metaimage(tmp_path / "a.mha", film()),
    ):
        raw = path.read_bytes()
        path.write_bytes(raw[: int(share * len(raw))])
        refused(read_cine, path, "truncated")
    path = nifti(tmp_path / "a.nii.gz", film())
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    refused(read_cine, path, "truncated or damaged")


@pytest.mark.parametrize("write", [nifti, nrrd])
def test_a_wrong_checksum_is_noticed(tmp_path: Path, write) -> None:
    path = write(tmp_path / ("a.nii.gz" if write is nifti else "a.nrrd"), film())
    raw = bytearray(path.read_bytes())
    raw[-6] ^= 0xFF
    path.write_bytes(raw)
    refused(read_cine, path, "truncated or damaged")


def test_members_of_a_gzip_file_are_read_to_the_end(tmp_path: Path) -> None:
    whole = gzip.decompress(nifti(tmp_path / "a.nii.gz", film()).read_bytes())
    parts = [gzip.compress(whole[:1000]), gzip.compress(whole[1000:30000]), gzip.compress(whole[30000:])]
    (tmp_path / "a.nii.gz").write_bytes(b"".join(parts))
    np.testing.assert_array_equal(read_cine(tmp_path / "a.nii.gz").stored, film())
    (tmp_path / "a.nii.gz").write_bytes(b"".join(parts[:2]))
    refused(read_cine, tmp_path / "a.nii.gz", "truncated")


@pytest.mark.parametrize("mm", [1e-30, 1e-3, 1e3, 1e30])
@pytest.mark.parametrize("axis", [0, 2])
def test_no_body_has_such_voxels(tmp_path: Path, mm: float, axis: int) -> None:
    spacing = [1.25, 1.5, 9.0]
    spacing[axis] = mm
    for stored in (film()[0], film()):
        read = read_volume if stored.ndim == 3 else read_cine
        refused(read, nifti(tmp_path / "a.nii.gz", stored, pixdim=tuple(spacing)), "voxel size is")
        text = " ".join(map(str, (*spacing, 30.0)[: stored.ndim]))
        refused(read, metaimage(tmp_path / "a.mha", stored, ElementSpacing=text), "voxel size is")


def test_nan_in_one_frame_is_told_of_that_frame(tmp_path: Path) -> None:
    stored = film("f4")
    stored[2, 1, 3, 4] = np.nan
    stored[2, 3, 5, 6] = np.inf
    cine = read_cine(nifti(tmp_path / "a.nii.gz", stored))
    assert not cine.frame(1).warnings
    assert "2 voxels were NaN or infinite and are left out (slices 2, 4)" in cine.frame(2).warnings[0]
    assert cine.frame(2).no_image.sum() == 2
    stored[3] = np.nan
    with pytest.raises(InputError, match="every voxel is NaN"):
        read_cine(nifti(tmp_path / "b.nii.gz", stored)).frame(3)


# -- little files that ask for much


def bombs(folder: Path) -> list[Path]:
    """Kilobytes that ask for gigabytes."""
    zeros = zlib.compressobj(9, wbits=31)
    packed = b"".join(zeros.compress(bytes(1 << 20)) for _ in range(64)) + zeros.flush()
    header = gzip.decompress(nifti(folder / "x.nii.gz", film("i2")[0], dims=(2000, 2000, 600)).read_bytes())[
        :352
    ]
    (folder / "nifti.nii.gz").write_bytes(gzip.compress(header) + packed)
    metaimage(folder / "meta.mha", film()[0], DimSize="30000 30000 5")
    nrrd(folder / "nrrd.nrrd", film()[0], sizes="40000 40000 5")
    nifti(folder / "frames.nii.gz", film(), dims=(512, 512, 20, 3000))
    return [folder / name for name in ("nifti.nii.gz", "meta.mha", "nrrd.nrrd", "frames.nii.gz")]


def test_nothing_is_allocated_for_what_a_header_merely_claims(tmp_path: Path) -> None:
    for path in bombs(tmp_path):
        for read in READERS:
            tracemalloc.start()
            refused(read, path, "asks for .* voxels")
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            assert peak < 50e6


def test_a_file_that_goes_on_far_beyond_its_voxels_is_refused(tmp_path: Path) -> None:
    whole = gzip.decompress(nifti(tmp_path / "a.nii.gz", film()[0]).read_bytes())
    (tmp_path / "a.nii.gz").write_bytes(gzip.compress(whole + bytes(1 << 26)))
    refused(read_volume, tmp_path / "a.nii.gz", "more voxels than its header says")


# -- what is no file, and names


@pytest.mark.parametrize("name", ["pipe.nii.gz", "pipe.nrrd", "pipe.mha", "pipe"])
def test_named_pipes_are_refused_and_do_not_hang(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    for read in READERS:
        refused(read, tmp_path / name, "named pipe")
    assert not is_cine(tmp_path / name)


def test_voxels_in_a_named_pipe_are_refused(tmp_path: Path) -> None:
    path = metaimage(tmp_path / "a.mhd", film()[0])
    os.mkfifo(tmp_path / "pipe.raw")
    path.write_bytes(path.read_bytes().partition(b"ElementDataFile")[0] + b"ElementDataFile = pipe.raw\n")
    refused(read_volume, path, "named pipe")


@pytest.mark.parametrize("dimensions", ["-3", "999", "0", "nan", "3.5", "99999999999999"])
def test_impossible_dimensions_of_metaimage(tmp_path: Path, dimensions: str) -> None:
    refused(read_volume, metaimage(tmp_path / "a.mha", film()[0], NDims=dimensions), "header|dimensions")
    refused(
        read_volume, metaimage(tmp_path / "b.mha", film()[0], DimSize=f"36 40 {dimensions}"), "header|dim"
    )


@pytest.mark.parametrize(
    "fields",
    [
        {"sizes": "36 -40 5"},
        {"sizes": "36 40"},
        {"dimension": "999"},
        {"type": "block"},
        {"encoding": "zrl"},
        {"space_directions": "(1,0) (0,1) (0,0)"},
        {"space_directions": "(0,0,0) (0,1,0) (0,0,1)"},
        {"space_directions": "(1,0,0) (1,0,0) (0,0,1)"},
        {"space_origin": "(a,b,c)"},
        {"byte_skip": "-7"},
        {"data_file": "LIST"},
        {"data_file": "s%03d.raw 0 9999999 1"},
        {"line_skip": "1e9"},
        {"endian": "middle"},
    ],
)
def test_impossible_nrrd_headers(tmp_path: Path, fields: dict[str, str]) -> None:
    refused(read_volume, nrrd(tmp_path / "a.nrrd", film()[0], **fields), ".")


def test_single_bytes_changed_anywhere_in_a_header_never_raise_anything_else(tmp_path: Path) -> None:
    random = np.random.default_rng(7)
    stored = film()[0]
    good = [
        nifti(tmp_path / "a.nii", stored),
        nrrd(tmp_path / "a.nrrd", stored),
        metaimage(tmp_path / "a.mha", stored),
    ]
    for path in good:
        raw = path.read_bytes()
        for _ in range(150):
            changed = bytearray(raw)
            for place in random.integers(0, min(len(raw), 420), 3):
                changed[place] = random.integers(256)
            path.write_bytes(changed)
            try:
                volume = read_volume(path)
            except InputError:
                continue
            assert np.isfinite(volume.array).all()


def test_a_name_that_is_no_text_is_read_and_named(tmp_path: Path) -> None:
    nifti(tmp_path / "plain.nii.gz", film()[0])
    name = os.fsdecode(b"scan_\xe4\xff.nii.gz")
    (tmp_path / "plain.nii.gz").rename(tmp_path / name)
    volume = read_volume(tmp_path / name)
    np.testing.assert_array_equal(volume.storage.to_stored(volume.array), film()[0])
    assert volume.name == "scan___"
    assert volume.name.encode("utf-8")


@pytest.mark.parametrize("name", [" .nii.gz", "....nii.gz", ".nii.gz", "_.nrrd"])
def test_a_case_never_has_an_empty_name(name: str) -> None:
    assert case_name(Path(name)).strip(" ._")


def test_long_names_are_cut_and_stay_apart() -> None:
    first, second = (case_name(Path("ä" * 100 + end + ".nii.gz")) for end in ("a", "b"))
    assert first != second
    assert len(first.encode()) <= LONGEST_NAME
    assert case_name(Path("short.nii.gz")) == "short"


def test_a_terminal_that_cannot_show_a_name_shows_a_stand_in(tmp_path: Path) -> None:
    program = "import sys; from CardiacUQTraining.cli.app import main; sys.exit(main(sys.argv[1:]))"
    root = Path(__file__).resolve().parents[3]
    for encoding in ("cp1252", "cp437", "ascii"):
        done = subprocess.run(
            [
                sys.executable,
                "-c",
                program,
                "segment",
                str(tmp_path / "Łukasz_山.nii.gz"),
                "-o",
                str(tmp_path),
            ],
            env={**os.environ, "PYTHONIOENCODING": encoding, "PYTHONPATH": f"{root}:{root / 'CardiacUQ'}"},
            capture_output=True,
            check=False,
        )
        assert done.returncode == ExitCode.INPUT
        assert b"?ukasz_?.nii.gz" in done.stderr
    assert SHAPE


def test_a_header_that_hides_a_slice_is_refused(tmp_path: Path) -> None:
    """One slice fewer in the header than in the file: the sizes would be those of a part of the heart."""
    for name in ("a.nii", "a.nii.gz"):
        path = nifti(tmp_path / name, film()[0])
        zipped = name.endswith("gz")
        content = bytearray(gzip.decompress(path.read_bytes()) if zipped else path.read_bytes())
        slices = int.from_bytes(content[46:48], "little")
        content[46:48] = (slices - 1).to_bytes(2, "little")
        path.write_bytes(gzip.compress(bytes(content)) if zipped else bytes(content))
        refused(read_volume, path, "more voxels than its header says")
