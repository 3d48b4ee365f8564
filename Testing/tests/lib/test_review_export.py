"""A reviewed case becomes a training case that the training package reads as it is."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from review_cases import STORAGES, make_case

from CardiacUQLib.base.errors import InputError, UsageError
from CardiacUQLib.bundles.classes import CINE_CLASSES, LGE_CLASSES
from CardiacUQLib.bundles.manifest import BundleKind
from CardiacUQLib.review import CaseMaps, Review, export_reviewed
from CardiacUQTraining.datasets.acdc import acdc_dataset
from CardiacUQTraining.datasets.emidec import emidec_dataset


def reviewed(folder: Path, storage: str = "axial") -> Review:
    review = Review(CaseMaps.of(make_case(folder, storage)), "Jane")
    review.take_2d(0)
    review.flag(1, "look again")
    return review


@pytest.mark.parametrize("storage", STORAGES)
def test_the_training_package_reads_image_and_corrected_labels(tmp_path: Path, storage: str) -> None:
    review = reviewed(tmp_path, storage)
    written = export_reviewed(review, tmp_path / "training")
    (case,) = emidec_dataset(tmp_path / "training")
    assert case.id == written.name == "Case_Pheart"
    assert case.group == "P"
    volume, labels = case.load()
    assert np.array_equal(volume.storage.to_stored(labels), review.labels)
    assert not np.array_equal(review.labels, review.case.segmentation)
    original = sitk.ReadImage(str(review.case.input_path))
    exported = sitk.ReadImage(str(written / "Images" / f"{written.name}.nii.gz"))
    assert exported.GetPixelID() == original.GetPixelID()
    assert np.array_equal(sitk.GetArrayFromImage(exported), sitk.GetArrayFromImage(original))


def test_decisions_stand_beside_the_labels(tmp_path: Path) -> None:
    review = reviewed(tmp_path)
    content = json.loads((export_reviewed(review, tmp_path / "out") / "decisions.json").read_text())
    assert [entry["action"] for entry in content["decisions"]] == ["take_2d", "flag"]
    assert [item["status"] for item in content["items"]] == ["Completed", "Flagged", "NotStarted"]
    assert content["bundle_sha256"] == review.case.bundle_sha256
    assert content["input_sha256"] == review.case.input_sha256


def test_the_group_letter_follows_the_corrected_labels(tmp_path: Path) -> None:
    review = reviewed(tmp_path)
    healthy = np.where(review.labels >= 3, 2, review.labels)
    review.edited(2, healthy.astype(np.uint8))
    assert export_reviewed(review, tmp_path / "out").name == "Case_Nheart"
    named = Review(replace(review.case, name="Case_P_invented", folder=None), "Jane")
    assert export_reviewed(named, tmp_path / "out").name == "Case_P_invented"


def test_nothing_half_written_and_nothing_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    review, out = reviewed(tmp_path), tmp_path / "out"
    export_reviewed(review, out)
    with pytest.raises(UsageError, match="exists"):
        export_reviewed(review, out)
    other = tmp_path / "other"
    monkeypatch.setattr("CardiacUQLib.review.export.json.dumps", lambda *a, **k: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        export_reviewed(review, other)
    assert not other.exists()


def test_unusable_images_and_classes_are_refused(tmp_path: Path) -> None:
    review = reviewed(tmp_path)
    shifted = sitk.ReadImage(str(review.case.input_path))
    shifted.SetOrigin((0.0, 0.0, 0.0))
    with pytest.raises(InputError, match="grid"):
        export_reviewed(review, tmp_path / "out", shifted)
    review.case.input_path.unlink()
    with pytest.raises(InputError, match="no longer there"):
        export_reviewed(review, tmp_path / "out")
    review.case = replace(review.case, classes=LGE_CLASSES[:3])
    with pytest.raises(UsageError, match="only cases with the LGE"):
        export_reviewed(review, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def cine_review(folder: Path, name: str, **changes: object) -> Review:
    """A cine frame with one voxel drawn by hand; no corrections, so the queue holds its slices."""
    folder.mkdir(parents=True, exist_ok=True)
    case = CaseMaps.of(make_case(folder, "oblique"))
    cine = replace(
        case,
        name=name,
        kind=BundleKind.STREAMING,
        classes=CINE_CLASSES,
        segmentation=np.minimum(case.segmentation, 3),
        opinion=None,
        dcm=None,
        component_ids=None,
        components=(),
        folder=None,
        **changes,
    )
    review = Review(cine, "Jane")
    labels = review.labels.copy()
    labels[2, 3, 4] = 1
    review.edited(0, labels)
    return review


def test_both_phases_of_a_cine_become_one_patient_of_acdc(tmp_path: Path) -> None:
    out = tmp_path / "training"
    ed, es = (cine_review(tmp_path / phase, f"jane_{phase}") for phase in ("ED", "ES"))
    written = export_reviewed(ed, out)
    (only,) = acdc_dataset(out)
    assert (only.id, only.phase) == ("patient_jane_ED", "ED")
    assert export_reviewed(es, out) == written == out / "patient_jane"
    cases = tuple(acdc_dataset(out))
    assert [(case.patient, case.phase) for case in cases] == [("patient_jane", p) for p in ("ED", "ES")]
    for case, review in zip(cases, (ed, es), strict=True):
        volume, labels = case.load()
        assert np.array_equal(volume.storage.to_stored(labels), review.labels)
    assert sorted(path.name for path in out.iterdir()) == ["patient_jane"]
    with pytest.raises(UsageError, match="ES frame"):
        export_reviewed(es, out)


def test_a_patient_of_acdc_itself_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "patient001").mkdir()
    (tmp_path / "patient001" / "Info.cfg").write_text("ED: 1\nES: 12\nGroup: DCM\n", "utf-8")
    review = cine_review(tmp_path / "case", "patient001", measures={"phase": "ES"})
    with pytest.raises(UsageError, match="not exported by a review"):
        export_reviewed(review, tmp_path)
    assert [path.name for path in (tmp_path / "patient001").iterdir()] == ["Info.cfg"]
