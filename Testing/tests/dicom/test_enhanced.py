"""Enhanced MR gives the classic series voxel for voxel, and derived objects refer to its frames."""

from __future__ import annotations

import shutil
import subprocess

import highdicom as hd
import numpy as np
import pydicom
import pytest
from enhanced_series import INTERCEPT, SLOPE, Vendor, write_enhanced
from lge_series import BETWEEN_MM, COLUMNS, NORMAL, ORIGIN, ROWS, SLICES, heart_labels, result_of, write_slice
from pydicom.uid import generate_uid

from CardiacUQLib.base.errors import InputError
from CardiacUQLib.dicom import write_dicom_outputs
from CardiacUQLib.images.cine import is_cine, read_cine
from CardiacUQLib.images.reading import read_volume

PHASES = 6
NAME = "Yamada^Tarou=山田^太郎=やまだ^たろう"


def grey(phases: int = PHASES) -> np.ndarray:
    """Stored values (t, k, rows, columns), every one its own as far as 16 bits go."""
    shape = (phases, SLICES, ROWS, COLUMNS)
    return (np.arange(np.prod(shape)).reshape(shape) * 7919 % 4001).astype(np.uint16)


def write_classic(folder, stored: np.ndarray, **tags) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    series = generate_uid()
    for t in range(len(stored)):
        for k in range(stored.shape[1]):
            times = {} if len(stored) == 1 else {"TriggerTime": 30.5 * t, "SeriesDescription": "cine_sax"}
            number = t * stored.shape[1] + k
            write_slice(
                folder / f"{number:04d}", stored[t, k], BETWEEN_MM * k, series, number, **times, **tags
            )


@pytest.mark.parametrize("files", [1, SLICES])
@pytest.mark.parametrize("vendor", list(Vendor))
def test_a_stack_equals_the_classic_series(tmp_path, vendor, files):
    write_classic(tmp_path / "classic", grey(1), RescaleSlope=SLOPE, RescaleIntercept=INTERCEPT)
    write_enhanced(tmp_path / "enhanced", grey(1), vendor, files=files, seed=files)
    ours, theirs = (read_volume(tmp_path / name) for name in ("enhanced", "classic"))
    np.testing.assert_array_equal(ours.array, theirs.array)
    np.testing.assert_array_equal(theirs.storage.to_stored(theirs.array), grey(1)[0] * SLOPE + INTERCEPT)
    assert ours.source_geometry.matches(theirs.source_geometry, 1e-4)
    assert not is_cine(tmp_path / "enhanced")


@pytest.mark.parametrize("files", [1, SLICES])
@pytest.mark.parametrize("vendor", list(Vendor))
def test_a_film_equals_the_classic_series(tmp_path, vendor, files):
    write_enhanced(tmp_path / "film", grey(), vendor, files=files, seed=3, description="cine_sax")
    assert is_cine(tmp_path / "film")
    film = read_cine(tmp_path / "film")
    np.testing.assert_array_equal(film.stored, grey() * SLOPE + INTERCEPT)
    write_classic(tmp_path / "classic", grey())
    assert film.geometry.matches(read_cine(tmp_path / "classic").geometry, 1e-4)


def _edited(folder, change) -> None:
    for path in folder.iterdir():
        image = pydicom.dcmread(path)
        change(image)
        image.save_as(path)


def _phases_by(name: str):
    """Takes every usual word on time from the frames of an object and leaves one that is rarely used."""

    def change(image) -> None:
        image.DimensionIndexSequence = list(image.DimensionIndexSequence)[:3]
        for group in image.PerFrameFunctionalGroupsSequence:
            content, cardiac = group.FrameContentSequence[0], group.CardiacSynchronizationSequence[0]
            content.DimensionIndexValues = list(content.DimensionIndexValues)[:3]
            delay = float(cardiac.NominalCardiacTriggerDelayTime)
            del cardiac.NominalCardiacTriggerDelayTime
            if name == "percent":
                cardiac.NominalPercentageOfCardiacPhase = delay / 10
            elif name == "clock":
                content.FrameReferenceDateTime = f"20250102235959.{round(delay * 1000):06d}"

    return change


@pytest.mark.parametrize("name", ["percent", "clock"])
def test_phases_by_words_that_are_rarely_used(tmp_path, name):
    write_enhanced(tmp_path / "film", grey(), Vendor.PHILIPS, seed=5, description="cine_sax")
    _edited(tmp_path / "film", _phases_by(name))
    assert is_cine(tmp_path / "film")
    np.testing.assert_array_equal(read_cine(tmp_path / "film").stored, grey() * SLOPE + INTERCEPT)


def test_phases_without_any_word_on_time_are_refused(tmp_path):
    write_enhanced(tmp_path / "film", grey(), Vendor.PHILIPS, seed=5, description="cine_sax")
    _edited(tmp_path / "film", _phases_by("nothing"))
    with pytest.raises(InputError, match="cannot be put in order"):
        read_cine(tmp_path / "film")


def test_a_frame_that_is_there_twice_is_taken_once_and_another_of_its_moment_is_refused(tmp_path):
    def twice(image, more: int = 0) -> None:
        groups = image.PerFrameFunctionalGroupsSequence
        pixels = np.frombuffer(image.PixelData, np.uint16).reshape(len(groups), ROWS, COLUMNS)
        image.PixelData = np.concatenate([pixels, pixels[4:5] + np.uint16(more)]).tobytes()
        groups.append(groups[4])
        image.NumberOfFrames = len(groups)

    write_enhanced(tmp_path / "film", grey(), Vendor.PHILIPS, seed=5, description="cine_sax")
    _edited(tmp_path / "film", twice)
    film = read_cine(tmp_path / "film")
    np.testing.assert_array_equal(film.stored, grey() * SLOPE + INTERCEPT)
    assert "1 image is there twice and is taken once" in film.warnings
    write_enhanced(tmp_path / "other", grey(), Vendor.PHILIPS, seed=5, description="cine_sax")
    _edited(tmp_path / "other", lambda image: twice(image, 1))
    with pytest.raises(InputError, match=r"different numbers of phases \(6, 7\)"):
        read_cine(tmp_path / "other")


@pytest.mark.parametrize("vendor", list(Vendor))
def test_a_second_stack_in_the_object_is_left_out(tmp_path, vendor):
    across = np.full((2, ROWS, COLUMNS), 7, np.uint16)
    write_enhanced(tmp_path, grey(1), vendor, second_stack=across)
    volume = read_volume(tmp_path)
    np.testing.assert_array_equal(volume.storage.to_stored(volume.array), grey(1)[0] * SLOPE + INTERCEPT)
    assert any("2 images lie in other planes" in line for line in volume.warnings)


@pytest.mark.parametrize("phases", [1, PHASES])
def test_legacy_conversions_equal_their_classic_series(tmp_path, phases):
    write_classic(tmp_path / "classic", grey(phases), RescaleSlope=SLOPE, RescaleIntercept=INTERCEPT)
    classic = [pydicom.dcmread(path) for path in sorted((tmp_path / "classic").iterdir())]
    converted = hd.legacy.LegacyConvertedEnhancedMRImage(
        legacy_datasets=[classic[n] for n in np.random.default_rng(1).permutation(len(classic))],
        series_instance_uid=generate_uid(),
        series_number=11,
        sop_instance_uid=generate_uid(),
        instance_number=1,
    )
    (tmp_path / "legacy").mkdir()
    converted.save_as(tmp_path / "legacy" / "one")
    read = read_volume if phases == 1 else read_cine
    ours, theirs = read(tmp_path / "legacy"), read(tmp_path / "classic")
    if phases == 1:
        np.testing.assert_array_equal(ours.array, theirs.array)
        assert ours.source_geometry.matches(theirs.source_geometry, 1e-4)
    else:
        np.testing.assert_array_equal(ours.stored, theirs.stored)
        assert ours.geometry.matches(theirs.geometry, 1e-4)


def test_truncated_and_contradicting_objects_are_one_line(tmp_path):
    (path,) = write_enhanced(tmp_path / "cut", grey(1), Vendor.PHILIPS).iterdir()
    path.write_bytes(path.read_bytes()[:-100])
    write_enhanced(tmp_path / "count", grey(1), Vendor.SIEMENS, NumberOfFrames=SLICES + 1)
    for folder in ("cut", "count"):
        with pytest.raises(InputError, match="truncated or damaged") as caught:
            read_volume(tmp_path / folder)
        assert "\n" not in str(caught.value)


# -- what is derived of it


@pytest.fixture(scope="module", params=list(Vendor))
def derived(request, tmp_path_factory):
    """Result and files of an enhanced stack in two objects, of a patient with a Japanese name."""
    folder = tmp_path_factory.mktemp(f"enhanced-{request.param}")
    charset = {"SpecificCharacterSet": ["", "ISO 2022 IR 87"]}
    write_enhanced(folder / "in", grey(1), request.param, files=2, seed=5, patient=NAME, **charset)
    return folder / "in", write_dicom_outputs(result_of(folder / "in"), folder / "in", folder / "out")


def frames_by_place(folder) -> dict[int, tuple[str, int]]:
    """Slice number to the SOP instance and frame number (from 1) that lie there."""
    found = {}
    for path in folder.iterdir():
        image = pydicom.dcmread(path)
        for number, own in enumerate(image.PerFrameFunctionalGroupsSequence, 1):
            found[place(own)] = (image.SOPInstanceUID, number)
    return found


def place(own) -> int:
    position = np.array(own.PlanePositionSequence[0].ImagePositionPatient, float)
    return round(float(np.dot(position - ORIGIN, NORMAL)) / BETWEEN_MM)


def test_each_frame_of_segmentation_and_maps_names_the_frame_it_was_made_from(derived):
    folder, files = derived
    expected = frames_by_place(folder)
    for path in (files.segmentation, *files.maps.values()):
        dataset = pydicom.dcmread(path)
        for own in dataset.PerFrameFunctionalGroupsSequence:
            source = own.DerivationImageSequence[0].SourceImageSequence[0]
            named = (source.ReferencedSOPInstanceUID, int(source.ReferencedFrameNumber))
            assert named == expected[place(own)]
            assert source.ReferencedSOPClassUID == "1.2.840.10008.5.1.4.1.1.4.1"
        uids = [
            i.ReferencedSOPInstanceUID for i in dataset.ReferencedSeriesSequence[0].ReferencedInstanceSequence
        ]
        assert sorted(uids) == sorted({uid for uid, _ in expected.values()})
        assert str(dataset.PatientName) == NAME


def test_segmentation_pixels_lie_on_their_frames(derived):
    _, files = derived
    seg = pydicom.dcmread(files.segmentation)
    labels = heart_labels()
    for own, pixels in zip(seg.PerFrameFunctionalGroupsSequence, seg.pixel_array, strict=True):
        number = own.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        np.testing.assert_array_equal(pixels.astype(bool), labels[place(own)] == number)


def test_the_report_refers_to_frames(derived):
    folder, files = derived
    expected = set(frames_by_place(folder).values())
    report = hd.sr.srread(files.report)
    heart = report.content.get_image_measurement_groups()[0]
    named = {(i.referenced_sop_instance_uid, i.referenced_frame_numbers[0]) for i in heart.source_images}
    assert named == expected
    study = pydicom.dcmread(files.report).CurrentRequestedProcedureEvidenceSequence[0]
    uids = {
        i.ReferencedSOPInstanceUID for s in study.ReferencedSeriesSequence for i in s.ReferencedSOPSequence
    }
    assert {uid for uid, _ in expected} <= uids


def test_validators_find_no_error(derived):
    _, files = derived
    for path in (files.segmentation, *files.maps.values(), files.report):
        for tool in ("dciodvfy", "dcmftest"):
            if shutil.which(tool) is None:
                pytest.skip(f"{tool} is not installed (Debian: dcmtk, dicom3tools)")
            found = subprocess.run([tool, path], capture_output=True, check=False)
            output = (found.stdout + found.stderr).decode("latin-1")
            assert [line for line in output.splitlines() if line.startswith("Error")] == [], path.name
        hd.imread(path) if path != files.report else hd.sr.srread(path)
