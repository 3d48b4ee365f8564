"""A reader's hour in a real browser: keys, brush, undo, reload, next case, export; then the disk."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from serving import change_case, enter, labels_on_disk, make_cohort, serving

from CardiacUQLib.cases.casefolder import read_case
from CardiacUQLib.images.reading import read_volume
from CardiacUQLib.review import CaseMaps, Review, read_record
from CardiacUQTraining.cli.app import main


def labels_in_page(browser, shape: tuple[int, ...]) -> np.ndarray:
    """What the page holds, in file order."""
    return np.array(browser.js("return Array.from(review.case.labels)"), np.uint8).reshape(shape)


@pytest.fixture
def three_segmented(tmp_path: Path, tiny_bundle: Path) -> Path:
    """A cohort of three cases made by `segment`, with networks that were never trained."""
    from review_cases import write_image

    scans = tmp_path / "scans"
    scans.mkdir()
    for name, storage in (("one", "axial"), ("two", "flipped"), ("three", "sagittal")):
        write_image(scans / f"{name}.nii.gz", storage)
    options = ["--model", str(tiny_bundle), "--folds", "0", "--no-tta", "-q", "--no-report"]
    assert main(["segment", str(scans), "-o", str(tmp_path / "out"), *options]) == 0
    return tmp_path / "out"


def test_an_hour_of_a_reader(browser, three_segmented: Path) -> None:
    out = three_segmented
    with serving(out) as server:
        cases = enter(browser, server)
        assert len(cases) == 3
        first = browser.js("return review.case.name")
        shape = read_case(out / first).read_stored("segmentation").shape
        count = len(browser.js("return review.case.items"))
        assert browser.text("progress") == f"0 of {count} decided"

        for key in ["k", "t", "1", "f"] * count:  # every region by keys
            if browser.js("return review.case.state.statuses.indexOf('NotStarted')") < 0:
                break
            browser.press(key)
            browser.settled()
        assert browser.text("progress").startswith("done")
        assert "Next case: C" in browser.text("message")
        np.testing.assert_array_equal(labels_in_page(browser, shape), labels_on_disk(out / first))

        before = labels_on_disk(out / first)
        browser.press("e", "3")  # paint infarct
        x, y = browser.centre()
        browser.drag([(x, y), (x + 40, y + 10), (x + 60, y + 30)])
        browser.settled()
        painted = labels_on_disk(out / first)
        assert (painted != before).any()
        np.testing.assert_array_equal(labels_in_page(browser, shape), painted)
        browser.drag([(x - 40, y), (x - 40, y + 20)])
        browser.settled()
        browser.press("z")
        browser.settled()
        np.testing.assert_array_equal(labels_on_disk(out / first), painted)
        browser.press("z")
        browser.settled()
        np.testing.assert_array_equal(labels_on_disk(out / first), before)
        browser.press("Z")
        browser.settled()
        np.testing.assert_array_equal(labels_on_disk(out / first), painted)

        browser.driver.refresh()  # in the middle
        browser.ready(first)
        np.testing.assert_array_equal(labels_in_page(browser, shape), painted)
        browser.press("e", "k")  # keep leaves what was painted
        browser.settled()
        np.testing.assert_array_equal(labels_on_disk(out / first), painted)

        browser.press("c")
        browser.wait(lambda: browser.js("return document.body.dataset.ready") != first)
        browser.press("k")
        browser.settled()
        second = browser.js("return review.case.name")
        browser.element("#export").click()
        browser.settled()
        browser.wait(lambda: "The training case is in" in browser.text("message"))
        assert browser.complaints() == []
    exported = list((tmp := out.with_name("out-reviewed")).iterdir())
    assert len(exported) == 1 and exported[0].name.endswith(second), tmp
    Review(CaseMaps.of(read_case(out / first)), "Slicer")  # resumes


# -- to the voxel


@pytest.mark.parametrize("storage", ["axial", "oblique", "flipped", "sagittal", "left-handed"])
def test_paint_lies_where_the_mouse_was(storage: str, browser, tmp_path: Path) -> None:
    """Marked voxels are found on the screen by their brightness alone, and clicked there."""
    import SimpleITK as sitk
    from PIL import Image

    out = make_cohort(tmp_path, {"one": storage})
    case = read_case(out / "one")
    random = np.random.default_rng(11)
    ordered = [(int(z), int(y), int(x)) for z, y, x in zip(*_inner(case, random), strict=True)]
    marked = np.zeros(case.segmentation.shape, bool)
    for voxel in ordered:
        marked[voxel] = True
    image = sitk.ReadImage(str(case.input_path))
    bright = sitk.GetArrayFromImage(image) // 4
    bright[case.storage.to_stored(marked)] = 3000
    made = sitk.GetImageFromArray(bright)
    made.CopyInformation(image)
    sitk.WriteImage(made, str(case.input_path))
    change_case(out / "one", input_sha256=read_volume(case.input_path).sha256)
    with serving(out) as server:
        enter(browser, server)
        assert not browser.js("return review.case.warnings.length")
        browser.js("review.stage.look.low = 0; review.stage.look.high = 3000")
        browser.press("h", "l", "y", "e", "4")  # the image alone, the whole slice, a brush of MVO
        browser.js("review.brush.radiusMm = 0; review.stage.setItem(null)")
        for z, _, _ in ordered:
            browser.js("review.stage.go(arguments[0])", z)
            browser.settled()
            browser.picture(tmp_path / "screen.png")
            screen = np.asarray(Image.open(tmp_path / "screen.png").convert("L"))
            box = browser.box()
            left, top, width, height = map(int, box)
            part = screen[top + 60 : top + height - 60, left + 30 : left + width - 30]
            y, x = np.unravel_index(int(_smooth(part).argmax()), part.shape)
            browser.drag([(left + 30 + int(x), top + 60 + int(y))])
            browser.settled()
    stored, after = case.read_stored("segmentation"), labels_on_disk(out / "one")
    changed = after != stored
    np.testing.assert_array_equal(changed, case.storage.to_stored(marked))
    assert (after[changed] == 4).all()
    record = read_record(out / "one")
    assert len(record.events) == len(ordered)
    flat = np.flatnonzero(case.storage.to_stored(marked).ravel())
    assert sorted(event.decision.runs[0][0] for event in record.events) == flat.tolist()


def _inner(case, random):
    """One voxel in each of four slices, away from the edges and not of class 4."""
    slices = random.choice(case.segmentation.shape[0], 4, replace=False)
    rows = random.integers(20, case.segmentation.shape[1] - 20, 4)
    columns = random.integers(20, case.segmentation.shape[2] - 20, 4)
    for n, z in enumerate(slices):
        while case.segmentation[z, rows[n], columns[n]] == 4:
            rows[n] += 1
    return slices, rows, columns


def _smooth(picture: np.ndarray) -> np.ndarray:
    from scipy import ndimage

    return ndimage.uniform_filter(picture.astype(float), 5)


# -- other organs, and the way back to Slicer


def test_seven_organs_are_adjudicated_here_and_opened_in_slicer(browser, tmp_path: Path) -> None:
    pytest.importorskip("slicer", reason="slicer-core is not installed")
    sys.path[:0] = [str(Path(__file__).parents[1] / area) for area in ("evaluation", "scene")]
    import SimpleITK as sitk
    from scene_fixtures import load_volume
    from test_compare_case import ORGANS, image_of, organs, table

    from CardiacUQScene import ReviewSession, show_case
    from CardiacUQScene.standalone import StandaloneScene

    a, b = organs()
    grey = 60.0 + 20.0 * a + np.random.default_rng(1).normal(0, 5, a.shape)
    sitk.WriteImage(image_of(grey.astype(np.float32)), str(tmp_path / "scan.nii.gz"))
    for name, array in (("ann", a), ("bob", b)):
        sitk.WriteImage(image_of(array), str(tmp_path / f"{name}.nii.gz"))
    names = [str(tmp_path / f"{name}.nii.gz") for name in ("ann", "bob")]
    options = ["--image", str(tmp_path / "scan.nii.gz"), "--labels", str(table(tmp_path)), "-q"]
    assert main(["compare", *names, *options, "-o", str(tmp_path / "both")]) == 0
    with serving(tmp_path / "both") as server:
        enter(browser, server)
        assert "A said spleen, B says liver" in browser.text("card-text")
        assert browser.text("take-name") == "A" and len(browser.all("#classes button")) == 8
        browser.press("t", "7")
        browser.settled()
        assert browser.text("progress") == "done, 2 decisions"
        assert browser.complaints() == []
    case = read_case(tmp_path / "both")
    scene = StandaloneScene()
    nodes = show_case(case, load_volume(scene, tmp_path / "scan.nii.gz"))
    session = ReviewSession(nodes, case, "Cleo")
    labels = nodes.segmentation.GetSegmentation()
    assert [labels.GetNthSegment(n).GetName() for n in range(7)] == list(ORGANS)
    assert session.progress_text() == "done, 2 decisions"
    expected = np.where(a != b, np.where(b == 0, 7, a), b)
    np.testing.assert_array_equal(session.review.labels, expected)
    session.close()
    scene.close()
