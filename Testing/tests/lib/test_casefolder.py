"""The case folder: complete, exact, all or nothing."""

from __future__ import annotations

import csv
import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from CardiacUQLib.base.errors import CancelledError, InputError, UsageError
from CardiacUQLib.bundles.classes import LGE_CLASSES
from CardiacUQLib.bundles.manifest import BundleKind
from CardiacUQLib.bundles.map_catalogue import MapName
from CardiacUQLib.cases.casefolder import read_case
from CardiacUQLib.cases.writing import check_case, write_case
from CardiacUQLib.images.reading import read_stored_map, read_volume
from CardiacUQLib.inference.result import Component, Result, RunRecord

COMPONENTS = (
    Component(1, 2, 3, 12, 235.2, 1, 2, (-10.25, 3.125, 1 / 3), 0.21, 0.4, 0.9),
    Component(2, 0, 4, 300, 5880.0, 3, 3, (1e-7, -2.5, 60.0), 0.1, 0.11, 0.3),
)


@pytest.fixture
def result(tmp_path: Path) -> Result:
    """A result on a sagittally stored, oblique stack of 5 slices with 33 x 40 pixels."""
    rng = np.random.default_rng(1)
    image = sitk.GetImageFromArray(rng.normal(100, 20, (33, 40, 5)).astype(np.float32))
    c, s = np.cos(0.4), np.sin(0.4)
    image.SetDirection((0, c, -s, 0, s, c, 1, 0, 0))
    image.SetSpacing((10.0, 1.4, 1.4))
    image.SetOrigin((11.5, -20.25, 3.0))
    path = tmp_path / "Frau Müller 1.nrrd"
    sitk.WriteImage(image, str(path))
    volume = read_volume(path)
    shape = volume.array.shape
    ids = np.zeros(shape, np.int32)
    ids[1:3, 5:8, 5:7] = 1
    ids[3, 10:20, 1:31] = 2
    return Result(
        volume=volume,
        kind=BundleKind.CASCADE,
        classes=LGE_CLASSES,
        segmentation=rng.integers(0, 5, shape).astype(np.uint8),
        opinion=rng.integers(0, 5, shape).astype(np.uint8),
        maps={
            MapName.SCS: rng.random(shape).astype(np.float32),
            MapName.ENTROPY_2D: rng.random(shape).astype(np.float32),
        },
        dcm=np.choose(ids, [0, 2 * 5 + 3, 0 * 5 + 4]).astype(np.uint8),
        component_ids=ids,
        components=COMPONENTS,
        pass_volumes_ml=np.arange(15.0).reshape(3, 5) / 7,
        run=RunRecord(
            bundle="tiny",
            bundle_version="1.0",
            bundle_sha256="ab" * 32,
            device="cpu",
            precision="float32",
            folds=(0, 1),
            views=("identity", "vertical"),
            timings={"locate": 0.25},
            peak_memory_mb=812.5,
            versions={"numpy": "2"},
            warnings=("slow machine",),
        ),
        measures={
            "infarct_share": np.float64(0.25),
            "nothing": float("nan"),
            "per_slice": np.array([1.0, 2.0]),
        },
    )


def tree(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_everything_comes_back(result: Result, tmp_path: Path) -> None:
    folder = write_case(result, tmp_path / "out")
    assert folder == tmp_path / "out" / "Frau Müller 1"
    case = read_case(folder)
    assert case.name == "Frau Müller 1"
    assert case.kind is BundleKind.CASCADE
    assert case.classes == LGE_CLASSES
    assert case.components == COMPONENTS
    assert case.run == result.run
    assert case.input_sha256 == result.volume.sha256 != ""
    assert case.input_path == result.volume.path
    assert case.geometry.matches(result.volume.geometry)
    assert case.source_geometry == result.volume.source_geometry
    for name in ("segmentation", "opinion", "dcm", "component_ids"):
        found, wanted = getattr(case, name), getattr(result, name)
        assert found.dtype == wanted.dtype, name
        np.testing.assert_array_equal(found, wanted)
    assert set(case.maps) == set(result.maps)
    for name, wanted in result.maps.items():
        np.testing.assert_array_equal(case.maps[name], wanted)
    np.testing.assert_array_equal(case.pass_volumes_ml, result.pass_volumes_ml)
    assert "slow machine" in case.warnings


def test_files_and_columns_are_the_documented_ones(result: Result, tmp_path: Path) -> None:
    folder = write_case(result, tmp_path, name="case")
    assert set(tree(folder)) == {
        "segmentation.nii.gz", "stage2d.nii.gz", "dcm.nii.gz", "components.nii.gz", "scs.nii.gz",
        "entropy_2d.nii.gz", "components.csv", "measures.json", "case.json",
    }  # fmt: skip
    with (folder / "components.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    columns = "id,from,to,voxels,volume_mm3,slice_from,slice_to,centroid_r,centroid_a,centroid_s"
    assert ",".join(rows[0]) == columns + ",mean_scs,max_scs,priority"
    assert (rows[0]["from"], rows[0]["to"], rows[1]["centroid_s"]) == ("2", "3", "60.0")


def test_volumes_are_counted_by_hand(result: Result, tmp_path: Path) -> None:
    labels = np.zeros_like(result.segmentation)
    labels[0, 0, :10] = 3
    result = dataclasses.replace(result, segmentation=labels)
    measures = read_case(write_case(result, tmp_path, name="case")).measures
    assert measures["volumes_ml"]["infarct"] == pytest.approx(10 * 1.4 * 1.4 * 10 / 1000)
    assert measures["volumes_ml"]["MVO"] == 0
    assert "background" not in measures["volumes_ml"]
    assert measures["infarct_share"] == 0.25
    assert measures["nothing"] is None
    assert measures["per_slice"] == [1.0, 2.0]


def test_maps_lie_on_the_grid_of_the_file(result: Result, tmp_path: Path) -> None:
    folder = write_case(result, tmp_path, name="case")
    source = sitk.ReadImage(str(result.volume.path))
    written = sitk.ReadImage(str(folder / "segmentation.nii.gz"))
    assert written.GetSize() == source.GetSize()
    np.testing.assert_allclose(written.GetDirection(), source.GetDirection(), atol=1e-6)
    np.testing.assert_allclose(written.GetOrigin(), source.GetOrigin(), atol=1e-4)
    np.testing.assert_allclose(written.GetSpacing(), source.GetSpacing(), rtol=1e-6)
    assert written.GetPixelID() == sitk.sitkUInt8
    assert sitk.ReadImage(str(folder / "scs.nii.gz")).GetPixelID() == sitk.sitkFloat32


def test_more_than_255_components_keep_their_ids(result: Result, tmp_path: Path) -> None:
    ids = np.arange(result.dcm.size, dtype=np.int32).reshape(result.dcm.shape) % 301
    case = read_case(write_case(dataclasses.replace(result, component_ids=ids), tmp_path, name="case"))
    np.testing.assert_array_equal(case.component_ids, ids)


def test_streaming_without_corrections_has_no_2d_stage(result: Result, tmp_path: Path) -> None:
    result = dataclasses.replace(
        result, kind=BundleKind.STREAMING, dcm=np.zeros_like(result.dcm), components=(),
        component_ids=np.zeros_like(result.component_ids), opinion=None,
    )  # fmt: skip
    case = read_case(write_case(result, tmp_path, name="case"))
    assert case.opinion is None
    assert case.components == ()


def test_extra_writers_are_listed_as_files(result: Result, tmp_path: Path) -> None:
    def report(written: Result, folder: Path) -> None:
        assert written is result
        (folder / "report.html").write_text("<html>")

    folder = write_case(result, tmp_path, name="case", extra_writers=[report])
    assert "report.html" in read_case(folder).record.files
    (folder / "report.html").unlink()  # drawn from the rest, and again by `cardiacuq report`
    assert read_case(folder).components == COMPONENTS


def test_existing_folder_is_untouched_without_overwrite(result: Result, tmp_path: Path) -> None:
    folder = write_case(result, tmp_path, name="case")
    before = tree(tmp_path)
    with pytest.raises(UsageError, match="--overwrite") as caught:
        write_case(result, tmp_path, name="case")
    assert str(folder) in str(caught.value)
    assert tree(tmp_path) == before


def test_overwrite_replaces_the_whole_folder(result: Result, tmp_path: Path) -> None:
    folder = write_case(result, tmp_path, name="case")
    (folder / "old.txt").write_text("old")
    newer = dataclasses.replace(result, components=())
    write_case(newer, tmp_path, name="case", overwrite=True)
    assert read_case(folder).components == ()
    assert not (folder / "old.txt").exists()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["Frau Müller 1.nrrd", "case"]


def test_a_review_is_kept_beside_the_new_case(result: Result, tmp_path: Path) -> None:
    folder = write_case(result, tmp_path, name="case")
    (folder / "review.json").write_text("hours of work")
    write_case(result, tmp_path, name="case", overwrite=True)
    assert (tmp_path / "case.reviewed-1" / "review.json").read_text() == "hours of work"
    assert read_case(tmp_path / "case.reviewed-1").components == COMPONENTS
    assert not (folder / "review.json").exists()


@pytest.mark.parametrize("error", [CancelledError(), KeyboardInterrupt(), RuntimeError("bug")])
def test_failure_and_cancel_leave_nothing_behind(
    result: Result, tmp_path: Path, error: BaseException
) -> None:
    write_case(result, tmp_path, name="case")
    before = tree(tmp_path)

    def fail(_: Result, folder: Path) -> None:
        assert (folder / "measures.json").exists()
        raise error

    for name in ("case", "new"):
        with pytest.raises(type(error)):
            write_case(result, tmp_path, name=name, overwrite=True, extra_writers=[fail])
    assert tree(tmp_path) == before


def test_old_case_comes_back_if_the_last_rename_fails(
    result: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_case(result, tmp_path, name="case")
    before = tree(tmp_path)
    rename = Path.rename

    def failing(self: Path, target: Path) -> Path:
        if ".partial-" in self.name:
            raise PermissionError(13, "Permission denied")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(UsageError, match="could not be written"):
        write_case(dataclasses.replace(result, components=()), tmp_path, name="case", overwrite=True)
    monkeypatch.undo()
    assert tree(tmp_path) == before


def test_full_disk_is_one_line(result: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ITK writes what fits and reports success; the cut file must be noticed."""
    write = sitk.WriteImage

    def cut(image: sitk.Image, path: str, **options: object) -> None:
        write(image, path, **options)
        Path(path).write_bytes(Path(path).read_bytes()[:-200])

    monkeypatch.setattr(sitk, "WriteImage", cut)
    with pytest.raises(UsageError, match="could not be written") as caught:
        write_case(result, tmp_path / "out", name="case")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_real_full_device_is_noticed(result: Result, tmp_path: Path) -> None:
    from CardiacUQLib.images.reading import write_map

    full = tmp_path / "scs.nii"
    full.symlink_to("/dev/full")
    with pytest.raises(OSError, match="could not be written whole"):
        write_map(result.segmentation, result.volume, full)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../a", "a\\b"])
def test_bad_names_are_refused(result: Result, tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="folder name"):
        write_case(result, tmp_path / "out", name=name, overwrite=True)


def test_a_file_in_the_place_of_the_output_folder(result: Result, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(UsageError, match="could not be written"):
        write_case(result, tmp_path / "out", name="case")
    assert (tmp_path / "out").read_text() == "a file"


def test_a_hopeless_place_is_refused_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a file")
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.txt").write_text("text")
    for out in (tmp_path / "file", tmp_path / "file" / "deep" / "out"):
        with pytest.raises(UsageError, match="file is a file"):
            check_case(out, "case", overwrite=True)
    with pytest.raises(UsageError, match="no case folder"):
        check_case(tmp_path, "thesis", overwrite=True)
    with pytest.raises(UsageError, match="--overwrite"):
        check_case(tmp_path, "thesis")
    check_case(tmp_path / "new" / "folder", "case")
    assert not (tmp_path / "new").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_write_protected_place_is_refused_before_the_work(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(UsageError, match="write-protected"):
            check_case(tmp_path / "out", "case")
    finally:
        tmp_path.chmod(0o700)


def test_a_folder_of_the_user_is_never_replaced(result: Result, tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.txt").write_text("text")
    with pytest.raises(UsageError, match="no case folder"):
        write_case(result, tmp_path, name="thesis", overwrite=True)
    assert (tmp_path / "thesis" / "chapter1.txt").read_text() == "text"


def test_leftovers_of_a_killed_process_go_with_the_next_run(result: Result, tmp_path: Path) -> None:
    left = tmp_path / ".case.partial-1-0123456789abcdef"
    left.mkdir()
    write_case(result, tmp_path, name="case")
    assert not left.exists()


@pytest.mark.parametrize(
    "damage",
    [
        "segmentation.nii.gz",
        "scs.nii.gz",
        "components.csv",
        "measures.json",
        "case.json",
        "components.nii.gz",
    ],
)
def test_missing_files_are_named(result: Result, tmp_path: Path, damage: str) -> None:
    folder = write_case(result, tmp_path, name="case")
    (folder / damage).unlink()
    with pytest.raises(InputError, match=damage):
        read_case(folder)


def test_damaged_records_are_named(result: Result, tmp_path: Path) -> None:
    folder = write_case(result, tmp_path, name="case")
    good = json.loads((folder / "case.json").read_text())
    for change, message in (
        ({"format": "x"}, "not the record"),
        ({"format_version": 1}, "version 1 is unknown"),
        ({"kind": "magic"}, "known are cascade, streaming"),
        ({"surprise": 1}, "unknown entry"),
        ({"files": dict(list(good["files"].items())[:2])}, "changed after"),
        ({"files": {"../case.json": good["files"]["dcm.nii.gz"]}}, "outside the case folder"),
        ({"seal": "0" * 64}, "changed after the case was finished"),
        ({"name": "another"}, "changed after the case was finished"),
        ({"classes": [{**info, "colour": "url(//x.org)"} for info in good["classes"]]}, "not #RRGGBB"),
        ({"classes": good["classes"][1:]}, "numbered from 0"),
        ({"storage": {"axes": [0, 1, 1], "flipped": [False] * 3}}, "no order of three axes"),
        ({"pass_volumes_ml": [[1.0, 2.0]]}, "no row of 5 volumes"),
        ({"geometry": {**good["geometry"], "spacing": [1.4, 1.4, -1.0]}}, "no voxel size"),
        ({"geometry": {**good["geometry"], "direction": [1.0] * 9}}, "right angles"),
        ({"geometry": {**good["geometry"], "size": [5, 40, 34]}}, "changed after"),
        ({"geometry": {**good["geometry"], "size": [5, 40]}}, "3 entries"),
    ):
        (folder / "case.json").write_text(json.dumps({**good, **change}))
        with pytest.raises(InputError, match=message):
            read_case(folder)
    (folder / "case.json").write_text('{"format": "cardiacuq-case"')
    with pytest.raises(InputError, match="not valid JSON"):
        read_case(folder)


def test_damaged_tables_and_maps_are_named(result: Result, tmp_path: Path) -> None:
    folder = write_case(result, tmp_path, name="case")
    case = read_case(folder)
    scs = folder / "scs.nii.gz"
    scs.write_bytes(scs.read_bytes()[:-100])
    with pytest.raises(InputError, match="truncated"):
        case.maps[MapName.SCS]
    table = folder / "components.csv"
    good = table.read_text()
    for bad in ("id,from\n1,2\n", good.replace("12,235.2", "twelve,235.2"), good + "1,2,3\n", ""):
        table.write_text(bad)
        with pytest.raises(InputError, match=r"components\.csv"):
            read_case(folder)


def test_a_map_from_elsewhere_is_refused(result: Result, tmp_path: Path) -> None:
    folder = write_case(result, tmp_path, name="case")
    image = sitk.ReadImage(str(folder / "scs.nii.gz"))
    image.SetOrigin((0, 0, 0))
    geometry = read_case(folder).source_geometry
    sitk.WriteImage(image, str(folder / "scs.nii.gz"))
    with pytest.raises(InputError, match="changed"):
        read_case(folder)
    with pytest.raises(InputError, match="another grid"):
        read_stored_map(folder / "scs.nii.gz", geometry)


def test_reading_needs_no_torch(result: Result, tmp_path: Path) -> None:
    folder = write_case(result, tmp_path, name="case")
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from CardiacUQLib.cases.casefolder import read_case\n"
        f"print(read_case({str(folder)!r}).segmentation.sum())"
    )
    library = Path(sys.modules["CardiacUQLib"].__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=library, check=True
    )
    assert int(done.stdout) == int(result.segmentation.sum())


VIEW = (
    *("name", "kind", "classes", "geometry", "source_geometry", "storage", "segmentation", "opinion", "dcm"),
    *("component_ids", "components", "run", "input_sha256", "series", "warnings", "verdict"),
    *("predicted_dice", "presence", "lacking"),
)


def test_memory_and_disk_give_the_same_view(result: Result, tmp_path: Path) -> None:
    """Every property of the view of a case; the folder is what differs by its nature."""
    on_disk = read_case(write_case(result, tmp_path))
    for name in VIEW:
        there, here = getattr(on_disk, name), getattr(result, name)
        if isinstance(here, np.ndarray):
            np.testing.assert_array_equal(there, here, err_msg=name)
            assert there.dtype == here.dtype, name
        else:
            assert there == here, name
    assert on_disk.maps.keys() == result.maps.keys()
    for name, values in result.maps.items():
        np.testing.assert_array_equal(on_disk.maps[name], values, err_msg=name)
