"""A series goes in; segmentation, maps and report come out, and every value is read back."""

from __future__ import annotations

import shutil
import subprocess

import highdicom as hd
import numpy as np
import pydicom
import pytest
from lge_series import (
    BETWEEN_MM,
    NORMAL,
    ORIGIN,
    PIXEL_MM,
    SLICES,
    heart_labels,
    result_of,
    write_series,
    write_slice,
)
from pydicom.sr.codedict import codes

from CardiacUQLib.base.errors import InputError, UsageError
from CardiacUQLib.bundles.classes import LGE_CLASSES
from CardiacUQLib.bundles.map_catalogue import MapName
from CardiacUQLib.cases.casefolder import read_case
from CardiacUQLib.cases.writing import write_case
from CardiacUQLib.dicom import content_of, write_dicom_outputs
from CardiacUQLib.dicom.codes import MEASURES
from CardiacUQLib.review import CaseMaps, Review


def positions(dataset) -> np.ndarray:
    frames = dataset.PerFrameFunctionalGroupsSequence
    return np.array([frame.PlanePositionSequence[0].ImagePositionPatient for frame in frames], float)


def place(position) -> int:
    return round(float(np.dot(np.subtract(position, ORIGIN), NORMAL)) / BETWEEN_MM)


# -- segmentation


def test_segmentation_reads_back_voxel_for_voxel(written, source_by_position):
    seg = hd.seg.segread(written.segmentation)
    uids = [image.SOPInstanceUID for image in source_by_position]
    read = seg.get_pixels_by_source_instance(
        uids, combine_segments=True, ignore_spatial_locations=False, assert_missing_frames_are_empty=True
    )
    np.testing.assert_array_equal(read, heart_labels())


def test_segmentation_frames_lie_where_their_slices_do(written):
    """Without highdicom: pixels of each frame against the slice at the frame's own position."""
    seg = pydicom.dcmread(written.segmentation)
    labels = heart_labels()
    pixels = seg.pixel_array
    for frame, pixel, position in zip(
        seg.PerFrameFunctionalGroupsSequence, pixels, positions(seg), strict=True
    ):
        number = frame.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        np.testing.assert_array_equal(pixel.astype(bool), labels[place(position)] == number)
    shared = seg.SharedFunctionalGroupsSequence[0]
    measures = shared.PixelMeasuresSequence[0]
    assert [float(v) for v in measures.PixelSpacing] == list(PIXEL_MM)
    assert float(measures.SpacingBetweenSlices) == BETWEEN_MM


def test_segments_carry_names_codes_and_colours(written):
    seg = pydicom.dcmread(written.segmentation)
    assert [s.SegmentLabel for s in seg.SegmentSequence] == [info.name for info in LGE_CLASSES[1:]]
    for segment, info in zip(seg.SegmentSequence, LGE_CLASSES[1:], strict=True):
        code = segment.SegmentedPropertyTypeCodeSequence[0]
        assert (code.CodingSchemeDesignator, code.CodeValue) == (info.code.scheme, info.code.value)
        assert segment.SegmentAlgorithmType == "AUTOMATIC"
        rgb = hd.color.CIELabColor.from_dicom_value(segment.RecommendedDisplayCIELabValue).to_rgb(clip=True)
        assert np.abs(np.subtract(rgb, [int(info.colour[n : n + 2], 16) for n in (1, 3, 5)])).max() <= 2
    assert seg.SegmentationType == "BINARY"
    schemes = [item.CodingSchemeDesignator for item in seg.CodingSchemeIdentificationSequence]
    assert schemes == ["99CARDIACUQ"]


def test_everything_refers_to_patient_study_and_source_images(written, source_by_position):
    uids = {image.SOPInstanceUID for image in source_by_position}
    for path in (written.segmentation, *written.maps.values(), written.report):
        dataset = pydicom.dcmread(path)
        assert (dataset.PatientID, str(dataset.PatientName)) == ("P1", "Phantom^One")
        assert dataset.StudyInstanceUID == source_by_position[0].StudyInstanceUID
        assert dataset.SeriesInstanceUID != source_by_position[0].SeriesInstanceUID
    for path in (written.segmentation, *written.maps.values()):
        dataset = pydicom.dcmread(path)
        assert dataset.FrameOfReferenceUID == source_by_position[0].FrameOfReferenceUID
        series = dataset.ReferencedSeriesSequence[0]
        assert {item.ReferencedSOPInstanceUID for item in series.ReferencedInstanceSequence} == uids
    report = pydicom.dcmread(written.report)
    groups = [g for s in report.CurrentRequestedProcedureEvidenceSequence for g in s.ReferencedSeriesSequence]
    referenced = {item.ReferencedSOPInstanceUID for g in groups for item in g.ReferencedSOPSequence}
    assert uids <= referenced
    assert pydicom.dcmread(written.segmentation).SOPInstanceUID in referenced


# -- parametric maps


@pytest.mark.parametrize(("name", "maximum"), [(MapName.SCS, 0.4), (MapName.ERROR_PROBABILITY, 1.0)])
def test_map_reads_back_exactly(written, result, name, maximum):
    dataset = pydicom.dcmread(written.maps[name])
    frames = np.frombuffer(dataset.FloatPixelData, np.float32).reshape(SLICES, dataset.Rows, dataset.Columns)
    stored = result.volume.storage.to_stored(result.maps[name])
    for frame, position in zip(frames, positions(dataset), strict=True):
        np.testing.assert_array_equal(frame, stored[place(position)])
    mapping = dataset.SharedFunctionalGroupsSequence[0].RealWorldValueMappingSequence[0]
    assert mapping.MeasurementUnitsCodeSequence[0].CodeValue == "1"
    assert (mapping.RealWorldValueSlope, mapping.RealWorldValueIntercept) == (1.0, 0.0)
    assert mapping.DoubleFloatRealWorldValueLastValueMapped == pytest.approx(maximum)
    voi = dataset.SharedFunctionalGroupsSequence[0].FrameVOILUTSequence[0]
    assert (voi.WindowCenter, voi.WindowWidth, voi.VOILUTFunction) == (maximum / 2, maximum, "LINEAR_EXACT")


# -- report


@pytest.fixture(scope="module")
def report(written):
    return hd.sr.srread(written.report)


def numbers(group) -> dict[str, hd.sr.Measurement]:
    return {m.name.value: m for m in group.get_measurements()}


def test_report_holds_every_size_with_code_unit_and_interval(report, result):
    heart = report.content.get_image_measurement_groups(tracking_uid=None)[0]
    found = numbers(heart)
    expected = {key: entry for key, entry in result.measures["sizes"].items() if entry["value"] is not None}
    assert len(found) == len(expected) + 3  # and the three numbers about transmurality
    for key, entry in expected.items():
        item = found[MEASURES[key].value]
        assert item.value == pytest.approx(entry["value"], abs=1e-4)
        assert item.unit.value == {"ml": "ml", "g": "g", "percent": "%"}[key.rsplit("_", 1)[1]]
        low, high = uncertainty(item)
        assert item.value - low == pytest.approx(entry["interval"][0], abs=2e-4)
        assert item.value + high == pytest.approx(entry["interval"][1], abs=2e-4)


def uncertainty(item) -> tuple[float, float]:
    children = {c.name.value: c for c in item[0].ContentSequence if isinstance(c, hd.sr.NumContentItem)}
    for code in ("371885007", "371886008"):
        assert children[code].unit == item.unit
    return children["371885007"].value, children["371886008"].value


def test_report_names_the_sources_of_the_sizes(report, source_by_position):
    heart = report.content.get_image_measurement_groups()[0]
    uids = {image.SOPInstanceUID for image in source_by_position}
    assert {image.referenced_sop_instance_uid for image in heart.source_images} == uids


def test_report_binds_volumes_to_segments(report, result, written):
    seg = pydicom.dcmread(written.segmentation)
    groups = report.content.get_volumetric_roi_measurement_groups()
    assert len(groups) == 4
    for group, segment, info in zip(groups, seg.SegmentSequence, LGE_CLASSES[1:], strict=True):
        assert group.referenced_segment.referenced_sop_instance_uid == seg.SOPInstanceUID
        assert group.referenced_segment.referenced_segment_numbers == [segment.SegmentNumber]
        volume = group.get_measurements(name=codes.SCT.Volume)[0]
        voxels = np.count_nonzero(heart_labels() == info.value)
        assert volume.value == pytest.approx(voxels * 1.5 * 1.25 * 10 / 1000, abs=1e-4)


def test_report_has_a_group_per_segment(report, result):
    groups = {g.tracking_identifier: g for g in report.content.get_image_measurement_groups()[1:]}
    items = result.measures["segments"]["items"]
    items = {item["name"]: item for item in items if item["infarct_share_percent"] is not None}
    assert set(groups) == set(items)
    for name, item in items.items():
        found = numbers(groups[name])
        assert found["SEGSHARE"].value == pytest.approx(item["infarct_share_percent"])
        assert found["SCSMEAN"].value == pytest.approx(item["mean_scs"])
        assert found["SCSMEAN"].unit.value == "1"
        assert [site.value.value for site in groups[name].finding_sites] == ["74281007"]


def test_sectors_from_12_oclock_get_no_snomed_segment(written):
    text = pydicom.dcmread(written.report).to_json()
    assert "segments: 17 sectors from 12 o'clock, not AHA" in text
    assert "396482007" not in text  # basal anteroseptal


# -- validators


def tool(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed (Debian: dcmtk, dicom3tools)")
    return path


@pytest.mark.parametrize("kind", ["segmentation", "scs", "error_probability", "report"])
def test_dciodvfy_finds_no_error(written, kind):
    path = written.segmentation.with_name(f"{kind}.dcm")
    found = subprocess.run([tool("dciodvfy"), path], capture_output=True, text=True, check=False)
    errors = [line for line in (found.stdout + found.stderr).splitlines() if line.startswith("Error")]
    assert errors == []


def test_dcmtk_reads_all_files(written):
    for path in (written.segmentation, *written.maps.values(), written.report):
        subprocess.run([tool("dcmftest"), path], check=True, capture_output=True)


def test_dsrdump_parses_the_report(written):
    found = subprocess.run(
        [tool("dsrdump"), "-Ec", written.report], capture_output=True, text=True, check=True
    )
    assert "Infarct share of left ventricular mass" in found.stdout
    assert not [line for line in found.stderr.splitlines() if line.startswith(("E:", "W:"))]


# -- corrected cases, second runs


def corrected(result, tmp_path):
    """A case folder in which Jane turned one healthy voxel into infarct."""
    case = read_case(write_case(result, tmp_path / "cases"))
    review = Review(CaseMaps.of(case), reviewer="Jane Doe")
    labels = review.labels.copy()
    spot = tuple(np.argwhere(labels == 2)[0])
    labels[spot] = 3
    review.edited(-1, labels)
    return case, labels


def test_reviewed_case_carries_the_corrections(result, series_folder, source_by_position, tmp_path):
    case, labels = corrected(result, tmp_path)
    files = write_dicom_outputs(case, series_folder, tmp_path / "out")
    assert files.segmentation.name == "segmentation_reviewed.dcm"
    seg = hd.seg.segread(files.segmentation)
    read = seg.get_pixels_by_source_instance(
        [image.SOPInstanceUID for image in source_by_position],
        combine_segments=True,
        ignore_spatial_locations=False,
        assert_missing_frames_are_empty=True,
    )
    np.testing.assert_array_equal(read, labels)
    assert {s.SegmentAlgorithmType for s in seg.SegmentSequence} == {"SEMIAUTOMATIC"}
    assert "reviewed" in seg.SeriesDescription
    heart = numbers(hd.sr.srread(files.report).content.get_image_measurement_groups()[0])
    scar = np.count_nonzero(labels >= 3) * 1.5 * 1.25 * 10 / 1000
    assert heart["INFVOL"].value == pytest.approx(scar, abs=1e-4)
    assert "Doe^Jane" in pydicom.dcmread(files.report).to_json()


def test_second_run_replaces_nothing_silently(result, series_folder, tmp_path):
    out = tmp_path / "out"
    first = write_dicom_outputs(result, series_folder, out)
    before = {path: path.read_bytes() for path in out.iterdir()}
    with pytest.raises(UsageError, match=r"segmentation\.dcm exists and is not replaced"):
        write_dicom_outputs(result, series_folder, out)
    case, _ = corrected(result, tmp_path)
    write_dicom_outputs(case, series_folder, out)
    assert {path: path.read_bytes() for path in before} == before
    with pytest.raises(UsageError, match="segmentation_reviewed"):
        write_dicom_outputs(case, series_folder, out)
    write_dicom_outputs(result, series_folder, out, overwrite=True)
    assert first.segmentation.read_bytes() != before[first.segmentation]
    assert not [path for path in out.iterdir() if "partial" in path.name]


def test_case_folder_gives_what_the_result_gives(result, tmp_path):
    from_memory, from_disk = content_of(result), content_of(read_case(write_case(result, tmp_path)))
    np.testing.assert_array_equal(from_memory.labels, from_disk.labels)
    assert from_memory.maps.keys() == from_disk.maps.keys()
    assert from_memory.case.series == from_disk.case.series
    assert from_memory.measures["sizes"] == from_disk.measures["sizes"]


def test_each_phase_is_its_own_object(result, series_folder, tmp_path):
    ed = write_dicom_outputs(result, series_folder, tmp_path, phase="ED")
    es = write_dicom_outputs(result, series_folder, tmp_path, phase="ES")
    assert (ed.segmentation.name, es.segmentation.name) == ("segmentation_ED.dcm", "segmentation_ES.dcm")
    assert pydicom.dcmread(es.segmentation).SeriesDescription == "CardiacUQ segmentation ES"


def test_empty_result_has_a_report_and_no_segmentation(series_folder, tmp_path):
    files = write_dicom_outputs(result_of(series_folder, heart_labels() * 0), series_folder, tmp_path)
    assert files.segmentation is None
    assert numbers(hd.sr.srread(files.report).content.get_image_measurement_groups()[0])["18087-7"].value == 0


# -- wrong sources


def refused(result, folder, out, message):
    with pytest.raises(InputError, match=message) as caught:
        write_dicom_outputs(result, folder, out)
    assert "\n" not in str(caught.value)
    assert not out.exists()


def test_other_series_of_the_folder_are_left_alone(result, series_folder, tmp_path):
    both = tmp_path / "both"
    shutil.copytree(series_folder, both)
    write_series(both)
    files = write_dicom_outputs(result, both, tmp_path / "out")
    seg = pydicom.dcmread(files.segmentation)
    assert seg.ReferencedSeriesSequence[0].SeriesInstanceUID == result.volume.series


def test_missing_slice_is_named(result, series_folder, tmp_path):
    part = tmp_path / "part"
    shutil.copytree(series_folder, part)
    for path in part.iterdir():
        if place(pydicom.dcmread(path).ImagePositionPatient) == 2:
            path.unlink()
    refused(result, part, tmp_path / "out", "1 slice is missing")


def test_another_patient_is_refused(result, tmp_path):
    refused(result, write_series(tmp_path / "other"), tmp_path / "out", "no series ends with")


def test_images_without_frame_of_reference_are_refused(tmp_path):
    folder = write_series(tmp_path / "bare", FrameOfReferenceUID=None)
    refused(result_of(folder), folder, tmp_path / "out", "no FrameOfReferenceUID")


def test_stripped_headers_are_completed(tmp_path):
    """An anonymised export without type 2 attributes still gives valid objects."""
    folder = write_series(tmp_path / "bare", StudyID=None, AccessionNumber=None, PatientSex=None)
    files = write_dicom_outputs(result_of(folder), folder, tmp_path / "out")
    assert pydicom.dcmread(files.segmentation).StudyID == ""


def test_of_a_slice_taken_again_the_image_that_was_read_is_meant(result, series_folder, tmp_path):
    both = tmp_path / "both"
    shutil.copytree(series_folder, both)
    write_slice(both / "again", np.zeros((72, 64)), BETWEEN_MM, result.volume.series, 9)
    files = write_dicom_outputs(result, both, tmp_path / "out")
    seg = pydicom.dcmread(files.segmentation)
    later = pydicom.dcmread(both / "again").SOPInstanceUID
    items = seg.ReferencedSeriesSequence[0].ReferencedInstanceSequence
    assert later in {item.ReferencedSOPInstanceUID for item in items}


def test_no_folder(result, tmp_path):
    refused(result, tmp_path / "nothing", tmp_path / "out", "no such folder")
