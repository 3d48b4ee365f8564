"""The clinical part of the report page: well-formed SVG, right colours, no promise that is not kept."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import pytest
from analytic_hearts import plane

from CardiacUQLib.bullseye.drawing import segments_note
from CardiacUQLib.bundles.classes import LGE_CLASSES
from CardiacUQLib.bundles.manifest import BundleKind
from CardiacUQLib.images.volume import Volume
from CardiacUQLib.measures import measure
from CardiacUQLib.report.clinical import bullseyes_svg, distributions_svg, threshold_rows

SVG = "{http://www.w3.org/2000/svg}"
PASSES = np.array([[0, 90.0, 80.0, 10.0, 1.0], [0, 95.0, 85.0, 14.0, 2.0], [0, 92.0, 81.0, 12.0, 1.0]])


def parsed(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1))


def content(axial, infarct=(125, 175), **options):
    polar = plane(axial)
    labels = np.zeros(axial.shape, np.uint8)
    labels[:] = np.select([polar.radius < 20, polar.radius < 30], [1, 2], 0)
    labels[:, (labels[0] == 2) & (polar.angle > infarct[0]) & (polar.angle < infarct[1])] = 3
    image = np.select([labels == 3, labels == 1], [200.0, 120.0], 40.0).astype(np.float32)
    image += np.random.default_rng(0).normal(0, 3, image.shape).astype(np.float32)
    scs = np.full(axial.shape, 0.1, np.float32)
    return measure(
        labels, Volume(image, axial, axial), BundleKind.CASCADE, LGE_CLASSES, PASSES, scs, **options
    )


def test_bullseyes_are_well_formed_with_a_title_per_segment(axial):
    root = parsed(bullseyes_svg(content(axial), 5))
    titles = [title.text for title in root.iter(f"{SVG}title")]
    assert len(titles) == 3 * 17
    assert titles.count("apex: not defined") == 3
    assert any(t.startswith("basal sector 2 from 12 o'clock: ") and t.endswith(" %") for t in titles)


def test_infarcted_segment_is_the_darkest(axial):
    measures = content(axial)
    root = parsed(bullseyes_svg(measures, 5))
    fills = {}
    for area in root.iter(f"{SVG}polygon"):
        title = area.find(f"{SVG}title")
        if title is not None and area.get("fill").startswith("rgb"):
            fills.setdefault(title.text.split(":")[0], sum(map(int, area.get("fill")[4:-1].split(","))))
    assert min(fills, key=fills.get) in ("basal sector 2 from 12 o'clock", "mid sector 2 from 12 o'clock")
    assert fills["basal sector 4 from 12 o'clock"] > 600


def test_note_tells_what_segments_are_counted_from(axial):
    assert "not AHA" in segments_note(content(axial))
    point = tuple(axial.index_to_ras(np.array([35.0, 24.0, 4.0])))
    with_point = content(axial, rv_insertion_ras=point)
    assert segments_note(with_point).startswith("AHA 17 segments")
    words = [text.text for text in parsed(bullseyes_svg(with_point, 5)).iter(f"{SVG}text")]
    assert "septal" in words
    assert "12 h" not in words


def test_distribution_has_twenty_dots_per_size(axial):
    root = parsed(distributions_svg(content(axial)))
    assert len(list(root.iter(f"{SVG}circle"))) == 2 * 20
    assert any("not calibrated" in text.text for text in root.iter(f"{SVG}text"))


def test_thresholds_are_listed_in_order(axial):
    rows = threshold_rows(content(axial))
    assert [row["method"] for row in rows] == ["2-SD", "3-SD", "4-SD", "5-SD", "6-SD", "FWHM"]
    share = content(axial)["sizes"]["infarct_share_of_lv_percent"]["value"]
    assert float(rows[4]["share"].removesuffix(" %")) == pytest.approx(share, abs=0.6)


def test_nothing_measured_gives_nothing():
    for measures in ({}, {"segments": None, "sizes": {}, "thresholds": None}):
        assert bullseyes_svg(measures, 5) == distributions_svg(measures) == segments_note(measures) == ""
        assert threshold_rows(measures) == []
