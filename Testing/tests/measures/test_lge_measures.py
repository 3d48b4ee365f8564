"""LGE measures against cylinders and wedges whose mass and transmurality follow from geometry."""

from __future__ import annotations

import json

import numpy as np
import pytest
from analytic_hearts import make_geometry, plane

from CardiacUQLib.base.errors import UsageError
from CardiacUQLib.bundles.classes import LGE_CLASSES
from CardiacUQLib.bundles.manifest import BundleKind
from CardiacUQLib.images.volume import Geometry, Volume
from CardiacUQLib.measures import headline, lge_measures, measure
from CardiacUQLib.measures.anatomy import anatomy_of
from CardiacUQLib.measures.size_catalogue import Scan
from CardiacUQLib.measures.sizes import sizes_of, structures_of

INNER, OUTER = 22.0, 34.0


def cylinder(geometry: Geometry, slices=slice(1, 9)) -> np.ndarray:
    """A shell of radii 22 and 34 mm filled with blood, in eight of the ten slices."""
    polar = plane(geometry)
    labels = np.zeros(geometry.shape, np.uint8)
    labels[slices] = np.where(polar.radius < INNER, 1, np.where(polar.radius < OUTER, 2, 0))
    return labels


def with_wedge(labels, geometry, start, stop, depth, slices=slice(1, 9), value=3):
    """A scar from the endocardium through ``depth`` of the wall between two display angles."""
    polar = plane(geometry)
    inside = ((polar.angle - start) % 360 < (stop - start)) & (polar.radius < INNER + depth * (OUTER - INNER))
    labels[slices] = np.where(inside & (labels[slices] >= 2), value, labels[slices])
    return labels


def shell_ml(inner, outer, height_mm, share=1.0):
    return share * np.pi * (outer**2 - inner**2) * height_mm / 1000.0


def test_cylinder_shell_has_its_mass(geometry):
    measures = lge_measures(cylinder(geometry), geometry, LGE_CLASSES)
    height = 8 * geometry.spacing[2]
    assert measures.sizes["lv_mass_g"].value == pytest.approx(1.05 * shell_ml(INNER, OUTER, height), rel=0.02)
    assert measures.sizes["blood_pool_volume_ml"].value == pytest.approx(shell_ml(0, INNER, height), rel=0.02)
    assert measures.sizes["infarct_share_of_lv_percent"].value == 0.0
    assert measures.sizes["mvo_share_of_infarct_percent"].value is None
    assert measures.infarct_components == 0
    assert measures.myocardium_slices == tuple(range(1, 9))


def test_wedge_has_its_transmurality_and_share(geometry):
    labels = with_wedge(cylinder(geometry), geometry, 60, 150, depth=0.5)
    measures = lge_measures(labels, geometry, LGE_CLASSES)
    middle = INNER + 0.5 * (OUTER - INNER)
    share = 100 * 0.25 * (middle**2 - INNER**2) / (OUTER**2 - INNER**2)
    assert measures.sizes["infarct_share_of_lv_percent"].value == pytest.approx(share, rel=0.05)
    assert measures.sizes["infarct_mass_g"].value == pytest.approx(
        1.05 * shell_ml(INNER, middle, 8 * geometry.spacing[2], 0.25), rel=0.05
    )
    pixel = 100 * max(geometry.spacing[:2]) / (OUTER - INNER)
    assert measures.transmurality.mean_percent == pytest.approx(50.0, abs=0.35 * pixel)
    assert measures.transmurality.max_percent == pytest.approx(50.0, abs=pixel)
    assert measures.transmurality.infarcted_circumference_percent == pytest.approx(25.0, abs=1.5)
    assert measures.infarct_components == 1
    assert measures.infarct_slices == tuple(range(1, 9))


def test_transmural_wedge_fills_exactly_its_segment(geometry):
    """From 12 o'clock, sector 2 follows the sector centred there: 120 to 180 degrees on the display."""
    labels = with_wedge(cylinder(geometry), geometry, 120, 180, depth=1.0)
    measures = lge_measures(labels, geometry, LGE_CLASSES)
    turned = -1 if np.cross(*np.reshape(geometry.direction, (3, 3)).T[:2]) @ [-0.2, 1.0, 0.9] < 0 else 1
    sector = 2 if turned > 0 else 1
    shares = {n: s.infarct_share_percent for n, s in enumerate(measures.segments, 1) if n <= 12}
    for number, share in shares.items():
        assert share == pytest.approx(100.0 if number in (sector, sector + 6) else 0.0, abs=2.0), number
    assert measures.segments[sector - 1].transmurality_mean_percent == pytest.approx(100.0, abs=2.0)
    assert measures.segments[sector - 1].transmurality_max_percent == pytest.approx(100.0)
    assert measures.segments[16].infarct_share_percent is None


def test_segments_hold_all_myocardium_and_thickness(geometry):
    measures = lge_measures(cylinder(geometry), geometry, LGE_CLASSES)
    total = sum(s.myocardium_ml for s in measures.segments)
    assert 1.05 * total == pytest.approx(measures.sizes["lv_mass_g"].value)
    for segment in measures.segments[:16]:
        assert segment.wall_thickness_mm == pytest.approx(OUTER - INNER, abs=0.35 * max(geometry.spacing[:2]))


def test_mvo_is_part_of_the_infarct(axial):
    labels = with_wedge(cylinder(axial), axial, 0, 90, depth=1.0)
    labels = with_wedge(labels, axial, 30, 60, depth=0.5, value=4)
    sizes = {key: size.value for key, size in lge_measures(labels, axial, LGE_CLASSES).sizes.items()}
    core = np.count_nonzero(labels == 4) * 0.008
    scar = np.count_nonzero(labels >= 3) * 0.008
    assert sizes["mvo_volume_ml"] == pytest.approx(core)
    assert sizes["infarct_volume_ml"] == pytest.approx(scar)
    assert sizes["mvo_share_of_infarct_percent"] == pytest.approx(100 * core / scar)
    assert sizes["mvo_share_of_lv_percent"] == pytest.approx(
        100 * core / (np.count_nonzero(labels >= 2) * 0.008)
    )


def test_components_touching_at_a_corner_are_one(axial):
    labels = cylinder(axial)
    labels[3, 50, 21] = labels[4, 51, 22] = 3
    labels[7, 50, 21] = 3
    assert lge_measures(labels, axial, LGE_CLASSES).infarct_components == 2


def test_per_segment_uncertainty_is_the_mean_inside(axial):
    labels = cylinder(axial)
    scs = np.where(plane(axial).angle < 90, 0.4, 0.0) * np.ones((9, 1, 1))
    wrong = np.full(axial.shape, 0.125)
    measures = lge_measures(labels, axial, LGE_CLASSES, scs=scs, error_probability=wrong)
    by_name = {s.name: s for s in measures.segments}
    lateral = by_name["basal sector 6 from 12 o'clock"]  # display angles 0 to 60
    assert lateral.mean_scs == pytest.approx(0.4)
    assert lateral.mean_error_probability == pytest.approx(0.125)
    assert by_name["basal sector 4 from 12 o'clock"].mean_scs == 0.0


def test_gap_is_told_and_not_filled(axial):
    labels = cylinder(axial)
    whole = lge_measures(labels, axial, LGE_CLASSES).sizes["lv_mass_g"].value
    labels[4] = 0
    measures = lge_measures(labels, axial, LGE_CLASSES)
    assert measures.sizes["lv_mass_g"].value == pytest.approx(whole * 7 / 8)
    assert any("no myocardium in slice 5" in note for note in measures.notes)


def test_empty_labels_give_undefined_shares_and_say_so(axial):
    volume = Volume(np.zeros(axial.shape, np.float32), axial, axial)
    content = measure(np.zeros(axial.shape, np.uint8), volume, BundleKind.CASCADE, LGE_CLASSES)
    assert content["sizes"]["lv_mass_g"]["value"] == 0
    assert content["sizes"]["infarct_share_of_lv_percent"]["value"] is None
    assert content["segments"] is None
    assert "no myocardium was found" in content["notes"][0]
    assert content["headline"] == "No myocardium found"
    json.dumps(content, allow_nan=False)


def test_wall_without_cavity_has_volume_but_no_segments(axial):
    labels = cylinder(axial)
    labels[labels == 1] = 0
    measures = lge_measures(labels, axial, LGE_CLASSES)
    assert measures.sizes["lv_mass_g"].value > 0
    assert measures.segment_model is None
    assert measures.transmurality is None
    assert any("no blood pool" in note for note in measures.notes)


def test_label_set_without_mvo_reports_none(axial):
    classes = LGE_CLASSES[:4]
    labels = with_wedge(cylinder(axial), axial, 0, 90, depth=1.0)
    measures = lge_measures(labels, axial, classes)
    assert "mvo_volume_ml" not in measures.sizes
    assert any("no MVO" in note for note in measures.notes)
    assert "MVO" not in headline(measures.as_json())


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 0.0), (1.0, float("nan"), 8.0)])
def test_unusable_spacing_is_refused(spacing):
    bad = Geometry((4, 4, 3), spacing, (0.0, 0.0, 0.0), tuple(np.eye(3).ravel()))
    with pytest.raises(UsageError, match=r"spacing .* is not positive"):
        lge_measures(np.zeros((3, 4, 4), np.uint8), bad, LGE_CLASSES)


def test_labels_of_another_grid_are_refused(axial):
    with pytest.raises(UsageError, match=r"shape \(2, 4, 4\).*\(9, 100, 100\)"):
        anatomy_of(np.zeros((2, 4, 4), np.uint8), LGE_CLASSES, axial)


def test_pass_sizes_follow_from_class_volumes():
    volumes = np.array([[900.0, 80.0, 90.0, 25.0, 5.0], [900.0, 80.0, 120.0, 0.0, 0.0]])
    sizes = sizes_of(Scan.LGE, structures_of(volumes, LGE_CLASSES))
    assert sizes["lv_mass_g"] == pytest.approx([126.0, 126.0])
    assert sizes["infarct_share_of_lv_percent"] == pytest.approx([25.0, 0.0])
    assert sizes["mvo_share_of_infarct_percent"][0] == pytest.approx(100 * 5 / 30)
    assert np.isnan(sizes["mvo_share_of_infarct_percent"][1])


def test_thresholds_find_a_bright_scar_and_a_remote_wall_opposite():
    geometry = make_geometry((1.0, 1.0, 8.0), np.eye(3), (100, 100, 6))
    labels = with_wedge(cylinder(geometry, slice(0, 6)), geometry, 0, 60, 1.0, slice(0, 6))
    noise = np.random.default_rng(0).normal(0.0, 10.0, labels.shape)
    image = np.select([labels == 3, labels == 1], [1000.0, 600.0], 100.0) + noise
    measures = lge_measures(labels, geometry, LGE_CLASSES, image=image)
    found = {s.method: s.share_of_lv_percent for s in measures.thresholds.sizes}
    truth = measures.sizes["infarct_share_of_lv_percent"].value
    assert found["5-SD"] == pytest.approx(truth, abs=0.05)
    assert found["FWHM"] == pytest.approx(truth, abs=0.01)
    assert found["2-SD"] > found["3-SD"] > found["4-SD"] >= truth
    # The upper tail of a normal distribution beyond 2 SD; the sector of lowest mean shifts it a little up.
    assert 2.28 < 100 * (found["2-SD"] - truth) / (100 - truth) < 4.5
    remote = measures.thresholds.remote
    assert remote.any(axis=(1, 2)).all()
    assert not (remote & (labels != 2)).any()


def test_remote_avoids_the_infarct_and_sees_negative_signal():
    """A PSIR-like image: remote negative; half maximum lies half way between remote and scar."""
    geometry = make_geometry((1.0, 1.0, 8.0), np.eye(3), (100, 100, 3))
    labels = with_wedge(cylinder(geometry, slice(0, 3)), geometry, 0, 120, 1.0, slice(0, 3))
    image = np.select([labels == 3, labels == 1], [200.0, 150.0], -100.0)
    image[(labels == 3) & (plane(geometry).angle < 60)] = 49.0  # just below half way between -100 and 200
    measures = lge_measures(labels, geometry, LGE_CLASSES, image=image)
    fwhm = next(s for s in measures.thresholds.sizes if s.method == "FWHM")
    assert fwhm.share_of_lv_percent == pytest.approx(100 / 6, abs=0.5)
    assert (labels[measures.thresholds.remote] == 2).all()


def test_infarct_share_cannot_see_the_stack_order(axial):
    labels = with_wedge(cylinder(axial), axial, 10, 100, depth=0.7)
    forward = lge_measures(labels, axial, LGE_CLASSES)
    backward = lge_measures(labels[::-1], axial, LGE_CLASSES)
    assert (
        forward.sizes["infarct_share_of_lv_percent"].value
        == backward.sizes["infarct_share_of_lv_percent"].value
    )
    assert forward.transmurality == backward.transmurality


def test_headline_reads_like_a_report(axial):
    labels = with_wedge(cylinder(axial), axial, 0, 90, depth=1.0)
    labels = with_wedge(labels, axial, 30, 60, depth=0.5, value=4)
    volume = Volume(labels.astype(np.float32), axial, axial)
    fitted = {
        "infarct_share_of_lv_percent": {
            "constant": 1.0, "per_size": 0.0, "per_spread": 0.0,
            "residuals": [-4.0] * 10 + [0.0] * 20 + [6.0] * 10, "cases": 40,
        }
    }  # fmt: skip
    passes = np.tile([0.0, 10.0, 20.0, 8.0, 1.0], (3, 1))
    content = measure(
        labels, volume, BundleKind.CASCADE, LGE_CLASSES, passes, calibration={"intervals": fitted}
    )
    share = content["sizes"]["infarct_share_of_lv_percent"]
    assert share["value"] == pytest.approx(25.0, abs=0.3)
    assert share["interval"] == pytest.approx([share["value"] - 4, share["value"] + 6])
    mvo = content["sizes"]["mvo_volume_ml"]["value"]
    assert content["headline"] == f"Infarct 25 % of LV mass (90 %: 21-31), MVO present ({mvo:.1f} ml)"
    assert content["sizes"]["lv_mass_g"]["calibrated"] is False
    content["sizes"]["mvo_volume_ml"]["value"] = 0.0
    assert headline(content).endswith(", no MVO found"), "what a model does not find may still be there"


def test_classes_without_a_heart_give_volumes_only(axial):
    from CardiacUQLib.bundles.classes import BACKGROUND
    from CardiacUQLib.bundles.manifest import ClassInfo, Code

    classes = (BACKGROUND, ClassInfo(1, "scar", "#FFFFFF", Code("99X", "1", "Scar")))
    labels = np.zeros(axial.shape, np.uint8)
    labels[2, :10, :10] = 1
    content = measure(labels, Volume(labels.astype(np.float32), axial, axial), BundleKind.CASCADE, classes)
    assert content["volumes_ml"] == {"scar": 0.8}
    assert "sizes" not in content


@pytest.mark.parametrize(("highest", "words"), [(2.6, " (up to 2.6 % of LV mass)"), (0.0, "")])
def test_headline_without_infarct_tells_how_much_may_be_there(axial, highest, words):
    labels = cylinder(axial)
    residuals = [-1.0] * 20 + [highest] * 20
    fitted = {
        "infarct_share_of_lv_percent": {
            "constant": 1.0, "per_size": 0.0, "per_spread": 0.0, "residuals": residuals, "cases": 40
        }
    }  # fmt: skip
    volume = Volume(labels.astype(np.float32), axial, axial)
    passes = np.tile([0.0, 10.0, 20.0, 0.0, 0.0], (3, 1))
    content = measure(
        labels, volume, BundleKind.CASCADE, LGE_CLASSES, passes, calibration={"intervals": fitted}
    )
    assert content["headline"] == f"No infarct found{words}"
    uncalibrated = measure(labels, volume, BundleKind.CASCADE, LGE_CLASSES, passes)
    assert uncalibrated["headline"] == "No infarct found"
