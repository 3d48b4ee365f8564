"""Agreement of sizes with a reader: values by hand, undefined shares, the figure."""

from __future__ import annotations

import math

import numpy as np
import pytest

from CardiacUQLib.bundles.classes import CINE_CLASSES, LGE_CLASSES
from CardiacUQTraining.evaluation.shared.agreement import (
    ClassVolumes,
    agreement,
    agreements,
    bland_altman_figure,
    class_volumes,
    concordance,
    pair_record,
    scan_record,
)


def test_bias_and_limits_by_hand():
    found = agreement([10.0, 20.0, 30.0], [11.0, 23.0, 32.0])
    assert found.count == 3
    assert found.bias == pytest.approx(2.0)
    assert found.sd == pytest.approx(1.0)
    assert (found.low, found.high) == pytest.approx((0.04, 3.96))
    assert found.mean_absolute_error == pytest.approx(2.0)


def test_concordance_by_hand():
    """x = 1..3, y = x + 1: 2 * (2/3) / (2/3 + 2/3 + 1) = 4/7."""
    x = np.array([1.0, 2.0, 3.0])
    assert concordance(x, x + 1) == pytest.approx(4 / 7)
    assert concordance(x, x) == pytest.approx(1.0)
    assert concordance(x, -x + 4) == pytest.approx(-1.0)
    assert concordance(np.full(3, 2.0), np.full(3, 2.0)) == 1.0


def test_undefined_sizes_are_left_out():
    found = agreement([1.0, math.nan, 3.0], [1.0, 2.0, math.nan])
    assert found.count == 1
    assert math.isnan(found.bias)


def scan(case, scale=1.0, infarct=20.0, mvo=4.0):
    reference = np.array([500.0, 90.0, 80.0 - infarct, infarct - mvo, mvo])
    return ClassVolumes(case, reference, reference * scale, np.stack([reference, reference * scale]))


def test_sizes_of_a_scan():
    record = scan_record(scan("a", 1.1), LGE_CLASSES)
    assert record.reference["lv_mass_g"] == pytest.approx(84.0)
    assert record.reference["infarct_share_of_lv_percent"] == pytest.approx(25.0)
    assert record.predicted["lv_mass_g"] == pytest.approx(92.4)
    assert record.passes["mvo_volume_ml"] == pytest.approx([4.0, 4.4])


def test_agreements_hold_every_size_and_skip_healthy_hearts_for_shares_of_infarct():
    records = [scan_record(scan("a"), LGE_CLASSES), scan_record(scan("b", 1.2), LGE_CLASSES)]
    records.append(scan_record(scan("c", infarct=0.0, mvo=0.0), LGE_CLASSES))
    found = agreements(records)
    assert found["infarct_share_of_lv_percent"].count == 3
    assert found["mvo_share_of_infarct_percent"].count == 2
    assert found["lv_mass_g"].bias == pytest.approx(84.0 * 0.2 / 3)
    assert agreements([]) == {}


def test_ejection_fraction_of_a_pair():
    ed = ClassVolumes("p", *(np.array([0.0, 100.0, 90.0, 120.0]),) * 2, np.array([[0.0, 100.0, 90.0, 120.0]]))
    es = ClassVolumes("p", *(np.array([0.0, 60.0, 90.0, 60.0]),) * 2, np.array([[0.0, 60.0, 90.0, 30.0]]))
    record = pair_record("p", ed, es, CINE_CLASSES)
    assert record.reference["ef_percent"] == pytest.approx(50.0)
    assert record.passes["ef_percent"] == pytest.approx([75.0])


def test_class_volumes_follow_label_values():
    labels = np.array([[[0, 3, 3, 1]]], np.uint8)
    assert class_volumes(labels, LGE_CLASSES, 0.5) == pytest.approx([0.5, 0.5, 0.0, 1.0, 0.0])


def test_figure_has_a_panel_per_size_with_bias_and_limits():
    records = [scan_record(scan(str(n), 1 + n / 20), LGE_CLASSES) for n in range(5)]
    figure = bland_altman_figure(records, ["lv_mass_g", "infarct_share_of_lv_percent"])
    assert len(figure.axes) == 2
    bias = agreements(records)["lv_mass_g"]
    levels = sorted(line.get_ydata()[0] for line in figure.axes[0].lines[1:])
    assert levels == pytest.approx([bias.low, bias.bias, bias.high])
    assert "n = 5" in figure.axes[0].get_title()
