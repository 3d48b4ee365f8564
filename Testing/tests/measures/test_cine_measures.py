"""Two chambers of known volume: EF, mass, thickness and what happens to swapped or unequal frames."""

from __future__ import annotations

import json

import numpy as np
import pytest
from analytic_hearts import plane

from CardiacUQLib.base.errors import UsageError
from CardiacUQLib.bundles.classes import CINE_CLASSES
from CardiacUQLib.bundles.manifest import BundleKind
from CardiacUQLib.images.volume import Volume
from CardiacUQLib.measures import (
    Frame,
    cine_measures,
    measure,
    measures_json,
    phase_measures,
    without_intervals,
)
from CardiacUQLib.measures.display import telling_sizes
from CardiacUQLib.measures.size_catalogue import Scan
from CardiacUQLib.measures.sizes import sizes_of, structures_of


def chambers(geometry, inner, outer, rv_radius, slices=8):
    """Concentric LV cylinder and a separate RV disc in the first ``slices`` slices."""
    polar = plane(geometry)
    nx, ny, _ = geometry.size
    sx, sy, _ = geometry.spacing
    beside = plane(geometry, ((nx / 2) * sx - outer - rv_radius - 1, (ny / 2) * sy))
    labels = np.zeros(geometry.shape, np.uint8)
    labels[:slices] = np.select(
        [polar.radius < inner, polar.radius < outer, beside.radius < rv_radius], [3, 2, 1], 0
    )
    return labels


def disc_ml(radius, height):
    return np.pi * radius**2 * height / 1000.0


def test_ejection_fraction_of_two_cylinders(geometry):
    ed = chambers(geometry, 25.0, 33.0, 12.0)
    es = chambers(geometry, 17.0, 29.0, 9.0)
    measures = cine_measures(Frame(ed, geometry), Frame(es, geometry), CINE_CLASSES)
    sizes = {key: size.value for key, size in measures.sizes.items()}
    height = 8 * geometry.spacing[2]
    edv, esv = disc_ml(25, height), disc_ml(17, height)
    assert sizes["edv_ml"] == pytest.approx(edv, rel=0.02)
    assert sizes["esv_ml"] == pytest.approx(esv, rel=0.02)
    assert sizes["sv_ml"] == pytest.approx(edv - esv, rel=0.03)
    assert sizes["ef_percent"] == pytest.approx(100 * (1 - (17 / 25) ** 2), abs=1.0)
    assert sizes["lv_mass_g"] == pytest.approx(1.05 * (disc_ml(33, height) - edv), rel=0.03)
    assert sizes["rv_ef_percent"] == pytest.approx(100 * (1 - (9 / 12) ** 2), abs=3.0)
    ed_thickness = [s.wall_thickness_mm for s in measures.ed.segments if s.wall_thickness_mm]
    es_thickness = [s.wall_thickness_mm for s in measures.es.segments if s.wall_thickness_mm]
    assert ed_thickness == pytest.approx([8.0] * 16, abs=0.35 * max(geometry.spacing[:2]))
    assert es_thickness == pytest.approx([12.0] * 16, abs=0.35 * max(geometry.spacing[:2]))
    thickening = [t for t in measures.as_json()["wall_thickening_percent"] if t is not None]
    assert np.mean(thickening) == pytest.approx(50.0, abs=4.0)


def test_apical_slice_that_closes_in_systole_counts_as_zero(axial):
    ed, es = chambers(axial, 25.0, 33.0, 12.0, slices=8), chambers(axial, 17.0, 29.0, 9.0, slices=6)
    sizes = cine_measures(Frame(ed, axial), Frame(es, axial), CINE_CLASSES).sizes
    assert sizes["ef_percent"].value == pytest.approx(100 * (1 - (17 / 25) ** 2 * 6 / 8), abs=1.0)


def test_swapped_frames_are_told_not_guessed(axial):
    ed, es = chambers(axial, 25.0, 33.0, 12.0), chambers(axial, 17.0, 29.0, 9.0)
    with pytest.raises(UsageError, match="in the order ED, ES"):
        cine_measures(Frame(es, axial), Frame(ed, axial), CINE_CLASSES)


def test_passes_of_both_frames_are_paired():
    ed = np.array([[0.0, 100.0, 90.0, 120.0], [0.0, 110.0, 100.0, 160.0]])
    es = np.array([[0.0, 60.0, 90.0, 60.0], [0.0, 55.0, 95.0, 40.0]])
    sizes = sizes_of(Scan.PAIR, structures_of(ed, CINE_CLASSES), structures_of(es, CINE_CLASSES))
    assert sizes["ef_percent"] == pytest.approx([50.0, 75.0])
    assert sizes["rv_ef_percent"] == pytest.approx([40.0, 50.0])
    assert sizes["lv_mass_g"] == pytest.approx([94.5, 105.0])


def test_unequal_passes_are_refused(axial):
    labels = chambers(axial, 25.0, 33.0, 12.0)
    with pytest.raises(UsageError, match="same folds and views"):
        cine_measures(
            Frame(labels, axial, np.ones((3, 4))), Frame(labels, axial, np.ones((2, 4))), CINE_CLASSES
        )


def test_one_frame_is_measured_without_a_phase(axial):
    labels = chambers(axial, 25.0, 33.0, 7.0)
    content = measure(
        labels, Volume(labels.astype(np.float32), axial, axial), BundleKind.STREAMING, CINE_CLASSES
    )
    assert content["kind"] == "cine_frame"
    assert content["sizes"]["lv_volume_ml"]["value"] == pytest.approx(disc_ml(25, 64), rel=0.01)
    assert content["sizes"]["rv_volume_ml"]["value"] == pytest.approx(disc_ml(7, 64), rel=0.07)
    assert content["headline"].startswith("LV volume 126 ml, RV volume ")
    assert "ef_percent" not in content["sizes"]


def test_pair_is_json_with_a_headline(axial):
    ed, es = chambers(axial, 25.0, 33.0, 12.0), chambers(axial, 17.0, 29.0, 9.0)
    content = measures_json(cine_measures(Frame(ed, axial), Frame(es, axial), CINE_CLASSES))
    assert content["headline"].startswith("EF 54 %, EDV 126 ml, ESV 58 ml, LV mass ")
    json.dumps(content, allow_nan=False)


def test_empty_frame_has_no_ejection_fraction(axial):
    empty = np.zeros(axial.shape, np.uint8)
    measures = cine_measures(Frame(empty, axial), Frame(empty, axial), CINE_CLASSES)
    assert measures.sizes["ef_percent"].value is None
    assert "ED: no myocardium" in measures.notes[0]


def passes(ventricle_ml: list[float]) -> np.ndarray:
    """Class volumes (passes, classes) of background, RV, myocardium, LV."""
    return np.array([[1000.0, 90.0, 100.0, ml] for ml in ventricle_ml])


def pair_of(axial):
    frames = [
        Frame(chambers(axial, radius, radius + 8, 12.0), axial, passes(ml))
        for radius, ml in ((25.0, [110.0, 126.0, 140.0]), (17.0, [50.0, 58.0, 75.0]))
    ]
    return frames, measures_json(cine_measures(*frames, CINE_CLASSES))


def test_a_volume_has_one_interval_whether_it_is_called_that_of_the_phase_or_of_the_pair(axial):
    (ed, es), together = pair_of(axial)
    for phase, frame, name in (("ED", ed, "edv_ml"), ("ES", es, "esv_ml")):
        alone = measure(
            frame.labels,
            Volume(frame.labels.astype(np.float32), axial, axial),
            BundleKind.STREAMING,
            CINE_CLASSES,
            frame.pass_volumes_ml,
        )
        own = {**alone["sizes"]["lv_volume_ml"], "interval": [1.0, 999.0]}
        alone["sizes"]["lv_volume_ml"] = own
        sizes = phase_measures(alone, together, phase)["sizes"]
        assert (
            sizes["lv_volume_ml"]["interval"]
            == sizes[name]["interval"]
            == together["sizes"][name]["interval"]
        )
        assert sizes["lv_volume_ml"]["value"] == sizes[name]["value"]
        assert "lv_volume_ml" not in telling_sizes(sizes) and name in telling_sizes(sizes)
        assert "lv_volume_ml" in telling_sizes(alone["sizes"]), "a frame alone has no pair to say it"


def test_where_nothing_holds_no_interval_is_left_anywhere(axial):
    _, together = pair_of(axial)
    assert "passes: " in together["headline"] and together["ed"]["sizes"]["lv_volume_ml"]["interval"]
    bare = without_intervals(together)
    assert bare["headline"].startswith("EF 54 %, EDV 126 ml, ESV 58 ml, LV mass ")
    for sizes in (bare["sizes"], bare["ed"]["sizes"], bare["es"]["sizes"]):
        assert all(
            entry["interval"] is entry["distribution"] is entry["level"] is None for entry in sizes.values()
        )
    assert bare["sizes"]["edv_ml"]["value"] == together["sizes"]["edv_ml"]["value"]
    volumes = {"kind": "volumes", "volumes_ml": {"LV": 3.0}, "notes": []}
    assert without_intervals(volumes) == volumes
