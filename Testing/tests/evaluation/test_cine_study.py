"""A cine through segmentation: which frames are taken, what is written, what is refused."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from cine_material import film, heart_labels, lv_ml, write_band_bundle, write_film, write_stack

from CardiacUQLib.base.errors import InputError, ModelError, NoHeartError, UsageError
from CardiacUQLib.cases.casefolder import read_case
from CardiacUQLib.images.cine import read_cine
from CardiacUQLib.images.reading import read_volume
from CardiacUQLib.inference.cavity import cavity_volumes
from CardiacUQLib.inference.jobs import Job, assess
from CardiacUQLib.measures.beat import find_phases
from CardiacUQLib.report.contents import contents_of
from CardiacUQLib.studies.cine import segment_cine, segment_pair
from CardiacUQLib.studies.scan import segment_alone
from CardiacUQLib.uncertainty.assessment import Assessment, Assessor
from CardiacUQLib.uncertainty.verdict import Verdict, Word

RADII = (10.0, 8.0, 5.0, 6.0, 9.0)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return write_band_bundle(tmp_path_factory.mktemp("models") / "bands", folds=(0, 1))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_film(tmp_path / "Film ü.nii.gz", film(RADII))


def test_the_quick_pass_measures_the_cavity_of_every_frame(bundle, source):
    found = cavity_volumes(read_cine(source), bundle, device="cpu")
    assert found == pytest.approx([lv_ml(radius) for radius in RADII])


def test_frames_without_an_image_are_passed_over(bundle, tmp_path):
    frames = film(RADII)
    frames[3] = 0
    cine = read_cine(write_film(tmp_path / "gap.nrrd", frames))
    found = cavity_volumes(cine, bundle, device="cpu")
    assert np.isnan(found[3]) and np.isfinite(np.delete(found, 3)).all()
    assert find_phases(cine.path, found).es == 2


def test_a_frame_without_one_of_its_slices_is_no_phase_and_is_told(bundle, tmp_path):
    """Its cavity is a slice smaller than the heart's, and would have been end-systole."""
    frames = film(RADII).astype(np.float32)
    frames[3, 2] = np.nan
    source = write_film(tmp_path / "gap.nii.gz", frames)
    study = segment_cine(source, bundle, tmp_path / "out")
    assert study.frames == {"ED": 0, "ES": 2}
    written = json.loads(study.summary.read_text("utf-8"))
    assert written["cavity_ml"][3] is None
    assert written["notes"][0] == "no phase is sought in frame 3, where the image is incomplete"
    with pytest.raises(InputError, match="frame 3 is incomplete, so that it gives no ejection fraction"):
        segment_cine(source, bundle, tmp_path / "named", es=3)
    assert not (tmp_path / "named").exists()


def test_a_slice_that_no_frame_has_is_none_of_the_heart(bundle, tmp_path):
    frames = film(RADII).astype(np.float32)
    frames[:, 0] = np.nan
    found = cavity_volumes(read_cine(write_film(tmp_path / "film.nii.gz", frames)), bundle, device="cpu")
    assert np.isfinite(found).all()


@pytest.mark.parametrize(
    ("shown", "problem"),
    [
        (lambda frames: frames[:, 2:3], "has only 1 slice; give a short-axis stack"),
        (lambda frames: np.moveaxis(frames, 0, -1), "the slices have only 5 x 48 pixels"),
        (lambda frames: 0 * frames + 7, "the image is constant"),
    ],
    ids=["one slice", "time stored as columns", "constant"],
)
def test_a_film_of_which_no_frame_can_be_used_says_why(bundle, tmp_path, shown, problem):
    array = shown(film(RADII))
    with pytest.raises(InputError, match=problem):
        segment_cine(write_film(tmp_path / "film.nii.gz", array), bundle, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_two_phases_of_which_one_lacks_a_slice_give_no_ejection_fraction(bundle, tmp_path):
    frames = film(RADII).astype(np.float32)
    frames[2, 2] = np.nan
    ed, es = (read_volume(write_stack(tmp_path / f"{n}.nii.gz", frames[n])) for n in (0, 2))
    with pytest.raises(InputError, match=r"2\.nii\.gz: slice 3 without an image, which the other phase has"):
        segment_pair(ed, es, bundle, tmp_path / "out", "heart")
    assert not (tmp_path / "out").exists()


def test_good_contours_of_a_heart_that_does_not_beat_are_not_trusted(bundle, tmp_path, monkeypatch):
    def trusted(*arguments):
        verdict = Verdict(Word.TRUST, "predicted mean Dice 0.93", 0.01, 0.85)
        return dataclasses.replace(segment_alone(*arguments), verdict=verdict)

    monkeypatch.setattr("CardiacUQLib.studies.cine.segment_alone", trusted)
    ed, es = (read_volume(write_stack(tmp_path / f"{n}.nii.gz", film(RADII)[0])) for n in (0, 1))
    still = segment_pair(ed, es, bundle, tmp_path / "still", "heart")
    assert still.verdict is not None and still.verdict.word is Word.CHECK
    assert "ejection fraction 0 %" in still.verdict.reason
    page = (still.folders["ES"] / "report.html").read_text("utf-8")
    assert "Ejection fraction 0 %: are these two phases of one whole heartbeat?" in page
    beating = segment_cine(write_film(tmp_path / "film.nii.gz", film(RADII)), bundle, tmp_path / "out")
    assert beating.verdict is not None and beating.verdict.word is Word.TRUST


def test_two_equal_phases_are_told_where_there_is_no_verdict(bundle, tmp_path):
    ed, es = (read_volume(write_stack(tmp_path / f"{n}.nii.gz", film(RADII)[0])) for n in (0, 1))
    study = segment_pair(ed, es, bundle, tmp_path / "still", "heart")
    assert study.verdict is None
    for result in study.results.values():
        assert "ejection fraction 0 %: are these two phases of one whole heartbeat?" in result.volume.warnings


class Trusting(Assessor):
    """Says "trust" to everything."""

    def assess(self, *arguments, **options):
        return Assessment(Verdict(Word.TRUST, "predicted mean Dice 0.93", 0.01, 0.85))


def test_a_stack_that_ends_within_the_ventricle_is_not_trusted(bundle, tmp_path):
    cylinder = heart_labels(10.0)
    cone = cylinder.copy()
    cone[0] = np.where(heart_labels(3.0, wall_px=6.0)[0] > 1, cylinder[0], 0)
    volume = read_volume(write_stack(tmp_path / "heart.nii.gz", film(RADII)[0]))
    job = Job(volume, bundle, (0,), bundle.manifest.views)
    words = [
        assess(job, Trusting({}, bundle.manifest.classes), {}, {}, labels).verdict
        for labels in (cylinder, cone)
    ]
    assert [verdict and verdict.word for verdict in words] == [Word.CHECK, Word.TRUST]
    assert words[0] is not None and "100 % of its largest slice" in words[0].reason


@pytest.mark.parametrize("start", range(5))
def test_a_film_may_begin_anywhere_in_the_beat(bundle, tmp_path, start):
    """The same heart, cut into the film at another moment: equal volumes, and a note where it is not ED."""
    radii = np.roll(RADII, -start)
    study = segment_cine(write_film(tmp_path / "film.nii.gz", film(radii)), bundle, tmp_path / "out")
    assert study.frames == {"ED": (0 - start) % 5, "ES": (2 - start) % 5}
    edv, esv = lv_ml(10.0), lv_ml(5.0)
    assert study.measures["sizes"]["ef_percent"]["value"] == pytest.approx(100 * (edv - esv) / edv, abs=1e-3)
    written = json.loads(study.summary.read_text("utf-8"))
    assert any("does not begin at end-diastole" in note for note in written["notes"]) == (start > 0)
    assert "Heartbeat" in (study.folders["ED"] / "report.html").read_text("utf-8")


def test_no_ejection_fraction_without_a_left_ventricle(bundle, source, tmp_path, monkeypatch):
    monkeypatch.setattr("CardiacUQLib.inference.cavity.cavity_volumes", lambda *args, **options: (0.0,) * 5)
    with pytest.raises(InputError, match="no left ventricle"):
        segment_cine(source, bundle, tmp_path / "out")
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())


def test_a_phase_unlike_the_training_scans_leads_the_headline_of_study_and_phases(
    bundle, source, tmp_path, monkeypatch
):
    def unlike(*arguments):
        return dataclasses.replace(segment_alone(*arguments), unlike=("odd",))

    monkeypatch.setattr("CardiacUQLib.studies.cine.segment_alone", unlike)
    study = segment_cine(source, bundle, tmp_path / "out")
    written = [json.loads(study.summary.read_text("utf-8"))["headline"]]
    written += [read_case(folder).measures["headline"] for folder in study.folders.values()]
    assert all(line.startswith("Unlike the training scans: EF") for line in written), written


def test_no_ejection_fraction_of_a_few_stray_voxels(bundle, source, tmp_path, monkeypatch):
    def stray(*arguments):
        result = segment_alone(*arguments)
        labels = np.where(result.segmentation == 3, 0, result.segmentation)
        labels[2, 24, 28] = 3
        return dataclasses.replace(result, segmentation=labels)

    monkeypatch.setattr("CardiacUQLib.studies.cine.segment_alone", stray)
    with pytest.raises(NoHeartError, match="no left ventricle was found at end-diastole") as caught:
        segment_cine(source, bundle, tmp_path / "out")
    assert caught.value.path == source, "the film, not a frame that nobody has"
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())


def test_a_film_without_a_heart_is_named_itself(bundle, source, tmp_path, monkeypatch):
    def none_found(volume, *arguments):
        raise NoHeartError(volume.path or "frame", "nothing like a heart was found", "give another")

    monkeypatch.setattr("CardiacUQLib.studies.cine.segment_alone", none_found)
    with pytest.raises(NoHeartError, match="nothing like a heart was found") as caught:
        segment_cine(source, bundle, tmp_path / "out")
    assert caught.value.path == source


def test_a_cine_becomes_two_case_folders_and_an_ejection_fraction(bundle, source, tmp_path):
    lines = []
    out = tmp_path / "out"
    study = segment_cine(source, bundle, out, progress=lambda share, text: lines.append((share, text)))
    assert sorted(path.name for path in out.iterdir()) == ["Film ü_ED", "Film ü_ES", "Film ü_cine.json"]
    assert study.frames == {"ED": 0, "ES": 2}
    edv, esv = lv_ml(10.0), lv_ml(5.0)
    written = json.loads(study.summary.read_text("utf-8"))
    sizes = {key: entry["value"] for key, entry in written["sizes"].items()}
    assert sizes["edv_ml"] == pytest.approx(edv, abs=1e-3)
    assert sizes["esv_ml"] == pytest.approx(esv, abs=1e-3)
    assert sizes["sv_ml"] == pytest.approx(edv - esv, abs=1e-3)
    assert sizes["ef_percent"] == pytest.approx(100 * (edv - esv) / edv, abs=1e-3)
    assert written["cavity_ml"] == pytest.approx([lv_ml(radius) for radius in RADII], abs=0.01)
    for phase, radius in (("ED", 10.0), ("ES", 5.0)):
        case = read_case(study.folders[phase])
        np.testing.assert_array_equal(case.segmentation, heart_labels(radius))
        assert case.measures["headline"] == written["headline"]
        assert case.measures["sizes"]["ef_percent"]["value"] == sizes["ef_percent"]
        assert case.measures["sizes"]["lv_volume_ml"]["value"] == pytest.approx(lv_ml(radius), abs=1e-3)
        page = (study.folders[phase] / "report.html").read_text("utf-8")
        assert "LV ejection fraction" in page and f"EF {round(sizes['ef_percent'])} %" in page
    shares = [share for share, _ in lines]
    assert shares == sorted(shares) and shares[-1] == 1.0


def test_the_scan_of_each_phase_is_found_again_beside_its_labels(bundle, source, tmp_path):
    study = segment_cine(source, bundle, tmp_path / "out", es=3)
    assert study.frames == {"ED": 0, "ES": 3}
    for phase, number in study.frames.items():
        case = read_case(study.folders[phase])
        assert case.input_path == study.folders[phase] / "image.nii.gz"
        contents = contents_of(case)
        assert [line.split(",")[0] for line in contents.warnings] == [
            "--es 3: the cavity of frame 2 is smaller"
        ]
        np.testing.assert_array_equal(contents.image, read_cine(source).frame(number).array)


def test_nothing_is_written_where_both_phases_cannot_be(bundle, source, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(InputError, match="has no frame 9"):
        segment_cine(source, bundle, out, ed=9)
    with pytest.raises(UsageError, match=r"^Film ü: the end-diastolic left ventricle .* is smaller than"):
        segment_cine(source, bundle, out, ed=2, es=0)
    with pytest.raises(UsageError, match="frame 1 was named as end-diastole and as end-systole"):
        segment_cine(source, bundle, out, ed=1, es=1)
    assert not out.exists()
    segment_cine(source, bundle, out)
    with pytest.raises(UsageError, match="--overwrite"):
        segment_cine(source, bundle, out)
    segment_cine(source, bundle, out, es=3, overwrite=True)
    assert json.loads((out / "Film ü_cine.json").read_text("utf-8"))["frames"]["ES"] == 3


def test_a_place_that_cannot_take_both_phases_is_refused_before_any_work(bundle, source, tmp_path):
    out = tmp_path / "out"
    (out / "Film ü_ES").mkdir(parents=True)
    (out / "Film ü_ES" / "thesis.txt").write_text("mine")
    told = []
    with pytest.raises(UsageError, match="no case folder and is not replaced"):
        segment_cine(source, bundle, out, overwrite=True, progress=lambda *said: told.append(said))
    assert told == []
    assert [path.name for path in out.iterdir()] == ["Film ü_ES"]


def test_two_files_of_one_heart_give_the_same_as_the_film(bundle, source, tmp_path):
    frames = film(RADII)
    ed, es = (
        read_volume(write_stack(tmp_path / f"{name}.nii.gz", frames[number]))
        for name, number in (("first", 0), ("second", 2))
    )
    pair = segment_pair(ed, es, bundle, tmp_path / "pair", "heart")
    whole = segment_cine(source, bundle, tmp_path / "film")
    assert pair.measures == whole.measures
    assert read_case(pair.folders["ES"]).input_path == tmp_path / "second.nii.gz"


def test_a_bundle_for_late_enhancement_is_refused(tiny_bundle, source, tmp_path):
    from CardiacUQLib.bundles.bundle import load_bundle

    late = load_bundle(tiny_bundle)
    with pytest.raises(InputError, match="is not made for cine; choose a cine bundle"):
        segment_cine(source, late, tmp_path / "out")
    with pytest.raises(ModelError, match="cannot find the cavity"):
        cavity_volumes(read_cine(source), late, device="cpu")
