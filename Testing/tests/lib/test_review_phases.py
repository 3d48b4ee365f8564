"""Review of a cine study: both phases as they stand give volumes and EF, in files, tables and headline."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from review_cases import RUN

from CardiacUQLib.base.json_codec import to_plain
from CardiacUQLib.bundles.classes import CINE_CLASSES
from CardiacUQLib.bundles.manifest import BundleKind
from CardiacUQLib.bundles.map_catalogue import MapName
from CardiacUQLib.cases.casefolder import read_case
from CardiacUQLib.cases.writing import write_case
from CardiacUQLib.images.reading import read_volume
from CardiacUQLib.inference.components import find_components
from CardiacUQLib.inference.maps import discrete_correction_map
from CardiacUQLib.inference.result import Result
from CardiacUQLib.measures import Frame, cine_measures, measure, measures_json, phase_measures
from CardiacUQLib.report.publish import publish
from CardiacUQLib.review import CaseMaps, Review, corrected_measures, corrected_sizes, other_phase

RV, WALL, LV = 1, 2, 3
SPACING = (1.5, 1.5, 8.0)
VOXEL_ML = float(np.prod(SPACING)) / 1000


def heart(radius: float) -> np.ndarray:
    """Four slices of a ring with a cavity of ``radius`` pixels."""
    z, y, x = np.mgrid[:4, :60, :60]
    away = np.hypot(y - 30, x - 30) + 0 * z
    return np.select([away < radius, away < radius + 6], [LV, WALL], 0).astype(np.uint8)


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """``patient_ED`` and ``patient_ES`` with one wrong region each, measured together, and the summary."""
    results: dict[str, Result] = {}
    for phase, radius in (("ED", 14.0), ("ES", 9.0)):
        labels = heart(radius)
        image = sitk.GetImageFromArray((labels * 60 + np.arange(60)).astype(np.int16))
        image.SetSpacing(SPACING)
        sitk.WriteImage(image, str(tmp_path / f"{phase}.nii.gz"))
        volume = read_volume(tmp_path / f"{phase}.nii.gz")
        final = volume.storage.from_stored(labels)
        member = final.copy()
        member[1, 28:33, 28:33] = WALL
        scs = np.where(final != member, 0.3, 0.0).astype(np.float32)
        found = find_components(discrete_correction_map(member, final, 4), scs, volume.geometry, 4)
        results[phase] = Result(
            volume=volume,
            kind=BundleKind.STREAMING,
            classes=CINE_CLASSES,
            segmentation=final,
            opinion=member,
            maps={MapName.SCS: scs},
            dcm=found.dcm,
            component_ids=found.component_ids,
            components=found.components,
            pass_volumes_ml=np.zeros((0, 4)),
            run=RUN,
            measures=measure(final, volume, BundleKind.STREAMING, CINE_CLASSES),
        )
    pair = [Frame(r.segmentation, r.volume.geometry) for r in results.values()]
    together = measures_json(cine_measures(*pair, CINE_CLASSES))
    for phase, result in results.items():
        measures = phase_measures(result.measures, together, phase)
        write_case(replace(result, measures=measures), tmp_path / "out", name=f"patient_{phase}")
    summary = {"name": "patient", "cases": {p: f"patient_{p}" for p in results}, **to_plain(together)}
    (tmp_path / "out" / "patient_cine.json").write_text(json.dumps(summary), "utf-8")
    return tmp_path / "out"


def review_of(out: Path, phase: str) -> Review:
    return Review(CaseMaps.of(read_case(out / f"patient_{phase}")), "Jane")


def volumes(*labels: np.ndarray) -> list[float]:
    return [float((one == LV).sum()) * VOXEL_ML for one in labels]


def test_a_decision_in_one_phase_changes_the_ejection_fraction(study: Path) -> None:
    es = review_of(study, "ES")
    assert corrected_sizes(es)["headline"] == es.case.measures["headline"]
    es.take_2d(0)
    edv, esv = volumes(heart(14.0), es.labels)
    sizes = corrected_sizes(es)
    assert sizes["sizes"]["esv_ml"]["value"] == pytest.approx(esv)
    assert sizes["sizes"]["ef_percent"]["value"] == pytest.approx(100 * (edv - esv) / edv)
    assert sizes["headline"].startswith("EF ") and sizes["sizes"]["lv_volume_ml"]["value"] == pytest.approx(
        esv
    )
    whole = corrected_measures(es)
    assert whole["headline"] == sizes["headline"] and whole["phase"] == "ES"
    assert {k: v["value"] for k, v in whole["sizes"].items()} == pytest.approx(
        {k: v["value"] for k, v in sizes["sizes"].items()}, abs=1e-4
    )


def test_the_other_phase_and_the_study_follow(study: Path) -> None:
    original = (study / "patient_cine.json").read_text("utf-8")
    es = review_of(study, "ES")
    es.take_2d(0)
    written = {path.relative_to(study).as_posix() for path in publish(es)}
    assert written == {"patient_ES/measures.json", "patient_ED/measures.json", "patient_cine.json"}
    contents = [json.loads((study / name).read_text("utf-8")) for name in sorted(written)]
    assert len({content["headline"] for content in contents}) == 1
    assert contents[0]["phase"] == "ED" and "review" not in contents[0] and "review" in contents[1]
    assert json.loads((study / "patient_cine_model.json").read_text("utf-8")) == json.loads(original)
    assert other_phase(review_of(study, "ED").case).changed
    es.undo()
    publish(es)
    assert json.loads((study / "patient_cine.json").read_text("utf-8")) == json.loads(original)
    assert review_of(study, "ED").case.measures["headline"] == json.loads(original)["headline"]


def test_a_study_turned_round_has_no_ejection_fraction(study: Path) -> None:
    ed = review_of(study, "ED")
    ed.edited(-1, np.where(ed.labels == LV, WALL, ed.labels))
    sizes = corrected_sizes(ed)
    assert "ef_percent" not in sizes["sizes"] and sizes["headline"].startswith("LV volume 0 ml")
    assert any("no ejection fraction" in note for note in corrected_measures(ed)["notes"])


def test_a_phase_alone_is_measured_alone(study: Path) -> None:
    import shutil

    shutil.rmtree(study / "patient_ED")
    es = review_of(study, "ES")
    assert other_phase(es.case) is None
    es.take_2d(0)
    assert corrected_sizes(es)["headline"].startswith("LV volume")
