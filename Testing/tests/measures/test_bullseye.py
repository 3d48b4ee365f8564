"""Pictures of measures: which wedge carries which segment, fixed scales, nothing drawn that is not known."""

from __future__ import annotations

import numpy as np
import pytest
from analytic_hearts import plane

from CardiacUQLib.bundles.classes import CINE_CLASSES, LGE_CLASSES
from CardiacUQLib.bundles.manifest import BundleKind
from CardiacUQLib.images.volume import Volume
from CardiacUQLib.measures import measure

pytest.importorskip("matplotlib", reason="pictures need matplotlib")

from CardiacUQLib.report import bullseye

PASSES = np.array([[0, 90.0, 80.0, 10.0, 1.0], [0, 95.0, 85.0, 14.0, 2.0], [0, 92.0, 81.0, 12.0, 1.0]])


def labels_of(axial):
    polar = plane(axial)
    labels = np.zeros(axial.shape, np.uint8)
    labels[:] = np.select([polar.radius < 20, polar.radius < 30], [1, 2], 0)
    labels[:, (polar.angle > 125) & (polar.angle < 175) & (polar.radius >= 20) & (polar.radius < 30)] = 3
    return labels


@pytest.fixture
def measures(axial):
    labels = labels_of(axial)
    scs = np.full(axial.shape, 0.1, np.float32)
    volume = Volume(labels.astype(np.float32), axial, axial)
    return measure(labels, volume, BundleKind.CASCADE, LGE_CLASSES, PASSES, scs)


def wedge_at(axes, angle_deg, radius):
    """The patch that covers a point of the bull's-eye."""
    x, y = radius * np.cos(np.radians(angle_deg)), radius * np.sin(np.radians(angle_deg))
    found = [
        p for p in axes.patches if p.get_path().contains_point((x, y), transform=p.get_patch_transform())
    ]
    assert len(found) == 1
    return found[0]


def test_infarct_of_the_upper_left_wall_is_drawn_there(measures):
    """Display angles 125 to 175 are sector 2: left of the top sector, dark in both outer rings."""
    figure = bullseye.bullseye_figure(measures)
    axes = figure.axes[0]
    share = measures["segments"]["items"][1]["infarct_share_percent"]
    assert share > 75
    brightness = {
        a: np.mean(wedge_at(axes, a, 0.87).get_facecolor()[:3]) for a in (30, 90, 150, 210, 270, 330)
    }
    assert min(brightness, key=brightness.get) == 150
    printed = [text.get_text() for text in axes.texts]
    assert printed.count(str(round(share))) >= 1


def test_unknown_segments_are_hatched_and_carry_no_number(measures):
    axes = bullseye.bullseye_figure(measures).axes[0]
    apex = wedge_at(axes, 0, 0.0)
    assert measures["segments"]["items"][16]["infarct_share_percent"] is None
    assert apex.get_hatch()
    assert len([t for t in axes.texts if t.get_text().replace(".", "").isdigit()]) == 16


def test_walls_are_named_for_aha_only(measures, axial):
    texts = {text.get_text() for text in bullseye.bullseye_figure(measures).axes[0].texts}
    assert "12 h" in texts
    assert "anterior" not in texts
    labels = labels_of(axial)
    volume = Volume(labels.astype(np.float32), axial, axial)
    point = tuple(axial.index_to_ras(np.array([35.0, 24.0, 4.0])))
    content = measure(labels, volume, BundleKind.CASCADE, LGE_CLASSES, rv_insertion_ras=point)
    texts = {text.get_text() for text in bullseye.bullseye_figure(content).axes[0].texts}
    assert {"anterior", "septal", "inferior", "lateral"} <= texts


def test_scales_are_fixed_whatever_the_case(measures):
    figure = bullseye.bullseye_figure(measures)
    bars = [axes for axes in figure.axes if axes.get_label() == "<colorbar>"]
    assert [axes.get_xlim() for axes in bars] == [(0.0, 100.0), (0.0, 100.0), (0.0, pytest.approx(0.4))]


def test_cine_frame_shows_thickness(axial):
    labels = np.where(labels_of(axial) == 1, 3, np.minimum(labels_of(axial), 2)).astype(np.uint8)
    volume = Volume(labels.astype(np.float32), axial, axial)
    content = measure(labels, volume, BundleKind.STREAMING, CINE_CLASSES)
    figure = bullseye.bullseye_figure(content)
    assert figure.axes[0].get_title() == "Wall thickness"
    assert bullseye.slice_strip_figure(volume.array, labels, CINE_CLASSES, axial) is not None


def test_distribution_has_twenty_dots_and_says_uncalibrated(measures):
    figure = bullseye.distribution_figure(measures, ("infarct_share_of_lv_percent",))
    axes = figure.axes[0]
    dots = next(line for line in axes.lines if line.get_marker() == "o")
    assert len(dots.get_xdata()) == 20
    assert len(set(zip(dots.get_xdata(), dots.get_ydata(), strict=True))) == 20
    assert axes.get_title(loc="left").endswith("not calibrated")


def test_strip_shows_every_labelled_slice_numbered_from_one(axial):
    labels = labels_of(axial)
    labels[0] = 0
    remote = np.zeros(axial.shape, bool)
    remote[3, 45:50, 70:76] = True
    figure = bullseye.slice_strip_figure(labels.astype(float), labels, LGE_CLASSES, axial, remote)
    assert [axes.get_title() for axes in figure.axes if axes.get_title()] == [
        f"slice {n}" for n in range(2, 10)
    ]
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == ["blood pool", "healthy myocardium", "infarct", "remote (n-SD)"]


def test_nothing_to_show_gives_no_picture(axial):
    empty = np.zeros(axial.shape, np.uint8)
    volume = Volume(empty.astype(np.float32), axial, axial)
    content = measure(empty, volume, BundleKind.CASCADE, LGE_CLASSES)
    assert bullseye.bullseye_figure(content) is None
    assert bullseye.distribution_figure(content) is None
    assert bullseye.slice_strip_figure(volume.array, empty, LGE_CLASSES, axial) is None


def test_png_is_reproducible(measures):
    first, second = (bullseye.png(bullseye.bullseye_figure(measures)) for _ in range(2))
    assert first.startswith(b"\x89PNG")
    assert first == second
