"""Series as archives deliver them: each oddity read as what it is, or refused in one line."""

from __future__ import annotations

import io
import shutil
import zlib
from pathlib import Path

import numpy as np
import pydicom
import pytest
from lge_series import BETWEEN_MM, COLUMN, COLUMNS, NORMAL, ORIGIN, ROW, ROWS, write_slice
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset, write_file_meta_info
from pydicom.uid import DeflatedExplicitVRLittleEndian, JPEGLSLossless, RLELossless, generate_uid

from CardiacUQLib.base.errors import InputError
from CardiacUQLib.images.cine import is_cine, read_cine
from CardiacUQLib.images.dicom_folder import scan
from CardiacUQLib.images.dicom_series import list_series
from CardiacUQLib.images.reading import read_volume

SLICES, PHASES = 6, 7


def grey(seed: int = 0, slices: int = SLICES) -> np.ndarray:
    """Stored values (k, rows, columns)."""
    return np.random.default_rng(seed).integers(0, 4000, (slices, ROWS, COLUMNS)).astype(np.uint16)


def write_stack(folder: Path, seed: int = 0, *, series: str | None = None, first: int = 0, **tags) -> Path:
    """One image per slice; a tag may be a function of the slice number."""
    folder.mkdir(parents=True, exist_ok=True)
    series = series or generate_uid()
    for k, pixels in enumerate(grey(seed)):
        own = {name: value(k) if callable(value) else value for name, value in tags.items()}
        place = own.pop("place", k * BETWEEN_MM)
        write_slice(folder / f"IM{first + k:03d}", pixels, place, series, first + k + 1, **own)
    return folder


def stored(folder: Path, series: str | None = None) -> np.ndarray:
    volume = read_volume(folder, series=series)
    return volume.storage.to_stored(volume.array)


def notes(folder: Path, series: str | None = None) -> str:
    return "\n".join(read_volume(folder, series=series).warnings)


def refused(folder: Path, words: str, series: str | None = None) -> None:
    with pytest.raises(InputError, match=words) as caught:
        read_volume(folder, series=series)
    assert "\n" not in str(caught.value)


# -- DICOM by content


def test_files_without_preamble_and_bare_data_sets(tmp_path):
    for path in write_stack(tmp_path / "meta").iterdir():
        path.write_bytes(path.read_bytes()[132:])
    np.testing.assert_array_equal(stored(tmp_path / "meta"), grey())
    for little, implicit in ((True, True), (True, False), (False, False)):
        folder = write_stack(tmp_path / f"bare{little}{implicit}")
        for path in folder.iterdir():
            buffer, image = DicomBytesIO(), pydicom.dcmread(path)
            buffer.is_little_endian, buffer.is_implicit_VR = little, implicit
            image.PixelData = image.pixel_array.astype("<u2" if little else ">u2").tobytes()
            write_dataset(buffer, image)
            path.write_bytes(buffer.getvalue())
        np.testing.assert_array_equal(stored(folder), grey())


def test_numbers_that_look_like_a_header_are_no_dicom(tmp_path):
    write_stack(tmp_path)
    values = np.zeros(5000, "<u2")
    values[:4] = (8, 22, 26, 0)
    (tmp_path / "voxels.raw").write_bytes(values.tobytes())
    np.testing.assert_array_equal(stored(tmp_path), grey())


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless])
def test_compressed_pixels_are_decoded_apart(tmp_path, syntax):
    for path in write_stack(tmp_path, RescaleSlope=2, RescaleIntercept=-5).iterdir():
        image = pydicom.dcmread(path)
        image.compress(syntax)
        image.save_as(path)
    np.testing.assert_array_equal(stored(tmp_path), grey() * 2.0 - 5)
    victim = sorted(tmp_path.iterdir())[2]
    raw = bytearray(victim.read_bytes())
    raw[-900:-500] = bytes(400)
    victim.write_bytes(raw)
    try:
        read_volume(tmp_path)
    except InputError as error:
        assert "\n" not in str(error)


def deflated(path: Path, pixels: bytes | None = None, rows: int = ROWS) -> None:
    image = pydicom.dcmread(path)
    image.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    image.Rows = rows
    image.PixelData = image.PixelData if pixels is None else pixels
    whole, meta = DicomBytesIO(), io.BytesIO()
    whole.is_little_endian, whole.is_implicit_VR = True, False
    write_dataset(whole, image)
    write_file_meta_info(meta, image.file_meta)
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    packed = packer.compress(whole.getvalue()) + packer.flush()
    path.write_bytes(b"\0" * 128 + b"DICM" + meta.getvalue() + packed)


def test_deflated_files_read_and_bombs_do_not_go_off(tmp_path):
    for path in write_stack(tmp_path).iterdir():
        deflated(path)
    np.testing.assert_array_equal(stored(tmp_path), grey())
    deflated(sorted(write_stack(tmp_path / "bomb").iterdir())[0], bytes(1 << 29))
    refused(tmp_path / "bomb", "larger than 256 MB|truncated or damaged")


# -- several images at one place, gaps, other planes


def test_one_series_per_slice_is_one_stack(tmp_path):
    write_stack(tmp_path, SeriesInstanceUID=lambda k: f"1.2.3.{k + 1}", SeriesNumber=lambda k: 20 - k)
    np.testing.assert_array_equal(stored(tmp_path), grey())
    assert [(s.images, s.number) for s in list_series(tmp_path)] == [(SLICES, 15)]
    np.testing.assert_array_equal(stored(tmp_path, "1.2.3.4"), grey())


@pytest.mark.parametrize(
    ("choice", "seed", "said"),
    [(None, 2, "PSIR is taken"), ("psir", 2, "PSIR is taken"), ("magnitude", 1, "magnitude is taken")],
)
def test_magnitude_and_psir_in_one_series(tmp_path, choice, seed, said):
    series = generate_uid()
    write_stack(tmp_path, 1, series=series, ImageType=["ORIGINAL", "PRIMARY", "M_IR", "M", "IR"])
    write_stack(tmp_path, 2, series=series, first=50, ImageType=["ORIGINAL", "PRIMARY", "R_IR", "R", "IR"])
    np.testing.assert_array_equal(stored(tmp_path, choice), grey(seed))
    assert said in notes(tmp_path, choice)
    volume = read_volume(tmp_path, series=choice)
    np.testing.assert_array_equal(stored(tmp_path, volume.series), grey(seed))
    (tmp_path / "IM003" if choice == "magnitude" else tmp_path / "IM053").unlink()
    if choice is None:
        np.testing.assert_array_equal(stored(tmp_path), grey(1))  # the complete one
    else:
        refused(tmp_path, "images are at 5 of 6 positions", choice)


def test_a_slice_taken_twice_is_the_later_one(tmp_path):
    series = generate_uid()
    write_stack(tmp_path, 1, series=series)
    write_slice(tmp_path / "again", grey(9)[3], 3 * BETWEEN_MM, series, 2, AcquisitionNumber=2)
    expected = grey(1)
    expected[3] = grey(9)[3]
    np.testing.assert_array_equal(stored(tmp_path), expected)
    assert "slice 4 of 6 was taken again; the later image is used" in notes(tmp_path)
    write_slice(tmp_path / "third", grey(8)[3], 3 * BETWEEN_MM, series, 2, AcquisitionNumber=2)
    refused(tmp_path, "again and .*third show the same slice|third and .*again show the same slice")


def test_a_slice_has_the_number_that_the_report_gives_it_also_where_the_rows_run_to_the_right(tmp_path):
    """Planned from the other side: the normal of the images runs against the order of the slices."""
    series, turned = (
        generate_uid(),
        {"ImageOrientationPatient": [f"{v:.9f}" for v in (*(-np.array(ROW)), *COLUMN)]},
    )
    write_stack(tmp_path, 1, series=series, **turned)
    write_slice(tmp_path / "again", grey(9)[4], 4 * BETWEEN_MM, series, 2, AcquisitionNumber=2, **turned)
    volume = read_volume(tmp_path)
    again = int((volume.array.sum(axis=(1, 2)) == grey(9)[4].sum()).argmax())
    assert f"slice {again + 1} of 6 was taken again" in "\n".join(volume.warnings)


def test_one_uneven_gap_is_told_and_two_are_refused(tmp_path):
    write_stack(tmp_path / "one", place=lambda k: k * BETWEEN_MM + 0.5 * (k >= 3))
    volume = read_volume(tmp_path / "one")
    assert volume.source_geometry.spacing[2] == pytest.approx(10.1)
    assert "10.50 mm apart, the others 10.00 mm; the mean distance of 10.10 mm is taken" in volume.warnings[0]
    write_stack(tmp_path / "two", place=lambda k: k * BETWEEN_MM + 0.5 * (k >= 3) + 0.5 * (k >= 5))
    refused(tmp_path / "two", "10.50 mm apart")
    write_stack(tmp_path / "wide", place=lambda k: k * BETWEEN_MM + 2.0 * (k >= 3))
    refused(tmp_path / "wide", "12.00 mm apart")


def test_localisers_beside_the_stack_are_left_out(tmp_path):
    series = generate_uid()
    write_stack(tmp_path, series=series)
    for n, axes in enumerate(([1, 0, 0, 0, 1, 0], [*COLUMN, *NORMAL])):
        write_slice(
            tmp_path / f"plane{n}", grey(5)[n][:50, :50], 0, series, 90 + n, ImageOrientationPatient=axes
        )
    np.testing.assert_array_equal(stored(tmp_path), grey())
    assert "2 images lie in other planes" in notes(tmp_path)


def test_missing_ends_are_told_where_headers_count(tmp_path):
    write_stack(tmp_path, ImagesInAcquisition=SLICES)
    assert "slices may be missing" not in notes(tmp_path)
    (tmp_path / "IM005").unlink()
    assert "the headers speak of 6 images, 5 are there: slices may be missing at the ends" in notes(tmp_path)


# -- identity


def test_copies_agree_in_their_pixels_or_both_are_named(tmp_path):
    write_stack(tmp_path)
    shutil.copy(tmp_path / "IM002", tmp_path / "copy")
    np.testing.assert_array_equal(stored(tmp_path), grey())
    assert "1 file repeats an image" in notes(tmp_path)
    other = pydicom.dcmread(tmp_path / "copy")
    other.PixelData = grey(7)[2].tobytes()
    other.save_as(tmp_path / "copy")
    refused(tmp_path, r"copy: it has the SOP instance UID of .*IM002 and another image|IM002.*copy")


def test_two_patients_with_one_series_uid_are_two(tmp_path):
    write_stack(tmp_path / "a", 1, series="1.2.3", PatientID="A")
    write_stack(tmp_path / "b", 2, series="1.2.3", PatientID="B")
    refused(tmp_path, "2 series; choose one with --series: 1.2.3@A .*1.2.3@B")
    np.testing.assert_array_equal(stored(tmp_path, "1.2.3@B"), grey(2))


def test_missing_uids_do_not_keep_a_stack_from_being_read(tmp_path):
    bare = dict.fromkeys(
        ("SeriesInstanceUID", "StudyInstanceUID", "PatientID", "FrameOfReferenceUID", "SeriesNumber")
    )
    write_stack(tmp_path, **bare)
    np.testing.assert_array_equal(stored(tmp_path), grey())


# -- films


def write_film(folder: Path, **tags) -> np.ndarray:
    series, frames = generate_uid(), np.stack([grey(t, 4) for t in range(PHASES)])
    folder.mkdir(parents=True, exist_ok=True)
    for t in range(PHASES):
        for k in range(4):
            own = {name: value(t, k) if callable(value) else value for name, value in tags.items()}
            path = folder / f"{(t * 4 + k) * 5 % 29:03d}"
            write_slice(path, frames[t, k], k * BETWEEN_MM, series, 1 + k * PHASES + t, **own)
    return frames


@pytest.mark.parametrize("trigger", [None, 0.0])
def test_films_without_trigger_times_go_by_instance_number_and_say_so(tmp_path, trigger):
    frames = write_film(tmp_path, **({} if trigger is None else {"TriggerTime": trigger}))
    assert is_cine(tmp_path)
    cine = read_cine(tmp_path)
    np.testing.assert_array_equal(cine.stored, frames)
    assert "ordered by instance number" in cine.frame(0).warnings[0]


def test_films_that_nothing_orders_name_the_attributes(tmp_path):
    write_film(tmp_path, InstanceNumber=1)
    with pytest.raises(InputError, match=r"neither TriggerTime nor Temporal.* nor Inst"):
        read_cine(tmp_path)


def test_relaxation_maps_are_no_films(tmp_path):
    write_film(tmp_path, TriggerTime=lambda t, k: 30.0 * t, InversionTime=lambda t, k: 100.0 + 80 * t)
    assert not is_cine(tmp_path)


# -- damaged files


@pytest.mark.parametrize("share", [0.05, 0.2, 0.5, 0.99])
def test_a_truncated_end_slice_is_named_and_never_dropped(tmp_path, share):
    write_stack(tmp_path)
    last = tmp_path / "IM005"
    last.write_bytes(last.read_bytes()[: int(share * last.stat().st_size)])
    refused(tmp_path, "IM005: the DICOM file is truncated or damaged")


def test_a_damaged_file_of_another_folder_is_told(tmp_path):
    write_stack(tmp_path / "lge")
    (tmp_path / "other").mkdir()
    raw = (tmp_path / "lge" / "IM000").read_bytes()
    (tmp_path / "other" / "half").write_bytes(raw[: len(raw) // 2])
    np.testing.assert_array_equal(stored(tmp_path), grey())
    assert "half: the DICOM file is truncated or damaged; left out" in notes(tmp_path)


def raw_series_number(path: Path, text: bytes) -> None:
    raw = path.read_bytes()
    place = raw.index(b"\x20\x00\x11\x00IS")
    length = int.from_bytes(raw[place + 6 : place + 8], "little")
    value = text.ljust(len(text) + len(text) % 2)
    path.write_bytes(raw[: place + 6] + len(value).to_bytes(2, "little") + value + raw[place + 8 + length :])


def test_values_that_are_no_numbers_are_absent_ones(tmp_path):
    for path in write_stack(tmp_path).iterdir():
        raw_series_number(path, b"nan")
    np.testing.assert_array_equal(stored(tmp_path), grey())


@pytest.mark.parametrize(
    ("tags", "words"),
    [
        ({"PhotometricInterpretation": "YBR_FULL"}, "colour"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "colour"),
        ({"SamplesPerPixel": 3}, "truncated or damaged|colour"),
        ({"BitsAllocated": 12}, "truncated or damaged"),
        ({"Rows": 0}, "truncated or damaged"),
        ({"Columns": 60000}, "truncated or damaged"),
    ],
)
def test_headers_that_contradict_their_pixels(tmp_path, tags, words):
    refused(write_stack(tmp_path, **tags), words)


def test_a_false_transfer_syntax_is_one_line(tmp_path):
    for path in write_stack(tmp_path).iterdir():
        raw = path.read_bytes()
        path.write_bytes(raw.replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.5\0", 1))
    refused(tmp_path, "truncated or damaged")


def test_random_damage_is_one_line_or_no_damage(tmp_path):
    random = np.random.default_rng(11)
    good = {path: path.read_bytes() for path in write_stack(tmp_path).iterdir()}
    for _ in range(120):
        path = list(good)[random.integers(len(good))]
        raw = bytearray(good[path])
        for place in random.integers(132, len(raw) - ROWS * COLUMNS * 2, random.integers(1, 5)):
            raw[place] = random.integers(256)
        path.write_bytes(raw)
        try:
            volume = read_volume(tmp_path)
        except InputError as error:
            assert "\n" not in str(error)
        else:
            assert volume.array.shape[0] >= SLICES - 1
        path.write_bytes(good[path])


def test_padding_named_by_the_header_is_left_out(tmp_path):
    write_stack(tmp_path)
    for path in tmp_path.iterdir():
        image = pydicom.dcmread(path)
        pixels = image.pixel_array.copy() + 100
        pixels[:, :10] = 63
        image.PixelData = pixels.tobytes()
        image.add_new(0x00280120, "US", 63)
        image.save_as(path)
    volume = read_volume(tmp_path)
    mask = volume.storage.to_stored(volume.no_image)
    assert mask[:, :, :10].all()
    assert mask.sum() == SLICES * ROWS * 10
    assert any("hold the padding value 63" in line for line in volume.warnings)


def test_a_scan_lists_what_else_there_is(tmp_path):
    write_stack(tmp_path)
    report = pydicom.dcmread(tmp_path / "IM000")
    report.SOPClassUID = report.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.88.33"
    del report.PixelData
    report.save_as(tmp_path / "report")
    (other,) = scan(tmp_path).others
    assert other.what == "a report"
    assert ORIGIN is not None
    assert ROW is not None
