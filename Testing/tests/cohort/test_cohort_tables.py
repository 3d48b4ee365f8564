"""The tables of a cohort: who needs a human first, what stands out, and a page that stands alone."""

from __future__ import annotations

import csv
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from cohort_fixtures import row, scan_array

from CardiacUQLib.base.duration import duration
from CardiacUQLib.base.errors import ExitCode
from CardiacUQLib.bundles.bundle import load_bundle
from CardiacUQLib.images.volume import Geometry, Volume
from CardiacUQTraining.cohort.case import Row, State
from CardiacUQTraining.cohort.display import Standing
from CardiacUQTraining.cohort.features import flat_measures
from CardiacUQTraining.cohort.flags import input_flags, outliers, training_ranges
from CardiacUQTraining.cohort.histogram import histograms, nice_ticks, number, tick_labels
from CardiacUQTraining.cohort.page import render_page
from CardiacUQTraining.cohort.run import CohortOutcome
from CardiacUQTraining.cohort.table import as_csv, in_order_of_need, write_table
from CardiacUQTraining.datasets.scan_features import input_features

IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


def cohort() -> list[Row]:
    """Twelve finished cases, one of them far from the others, and one of every other state."""
    done = [
        row(
            f"c{n:02d}",
            measures={"infarct_share_of_lv_percent": 10.0 + n, "mvo_volume_ml": None if n == 3 else 0.5},
            uncertainty={"mean_scs": 0.01 * n, "regions": float(n)},
            features={"contrast": 20.0},
            report=f"c{n:02d}/report.html",
            seconds=2.0,
        )
        for n in range(12)
    ]
    far = row("far & <b>", measures={"infarct_share_of_lv_percent": 95.0}, uncertainty={"mean_scs": 0.001})
    flagged = row("flagged", flags=("slice distance (mm) 30, usual are 4 to 15",))
    failed = row("=bad", State.FAILED, reason="bad.nii.gz: damaged; copy it again")
    left = [row("later", State.PENDING), row("scout", State.SKIPPED, reason="its name")]
    return [*left, *done, far, flagged, failed]


def test_failed_first_then_flagged_then_outliers_then_by_uncertainty() -> None:
    ordered = [one.name for one in in_order_of_need(cohort())]
    assert ordered[:3] == ["=bad", "far & <b>", "flagged"]
    assert ordered[3:15] == [f"c{n:02d}" for n in reversed(range(12))]
    assert ordered[15:] == ["later", "scout"]


def masses(*values: float) -> list[Row]:
    return [row(f"c{n}", measures={"lv_mass_g": value}) for n, value in enumerate(values)]


def test_outliers_by_tukeys_outer_fences_by_hand() -> None:
    usual = (1, 2, 3, 4, 5, 6, 7)
    assert outliers(masses(*usual, 16.7)) == {}, (
        "quartiles 2.75 and 6.25: the fence is 6.25 + 3 x 3.5 = 16.75"
    )
    assert outliers(masses(*usual, 16.8)) == {"c7": ("lv_mass_g",)}
    assert outliers(masses(-8.7, *usual)) == {}, "quartiles 1.75, 5.25: the fence is 1.75 - 3 x 3.5 = -8.75"
    assert outliers(masses(-8.8, *usual)) == {"c0": ("lv_mass_g",)}
    assert outliers(masses(*usual[1:], 100)) == {}, "seven cases are no cohort"
    assert outliers(masses(*[0] * 7, 9)) == {}


def test_the_csv_has_every_number_and_no_formula() -> None:
    lines = list(csv.DictReader(io.StringIO(as_csv(in_order_of_need(cohort())))))
    assert [line["rank"] for line in lines] == [str(n) for n in range(1, 18)]
    assert lines[0]["case"] == "'=bad"
    assert lines[0]["reason"] == "bad.nii.gz: damaged; copy it again"
    by_name = {line["case"]: line for line in lines}
    assert by_name["c04"]["infarct_share_of_lv_percent"] == "14"
    assert by_name["c04"]["mean_scs"] == "0.04"
    assert by_name["c03"]["mvo_volume_ml"] == ""
    assert by_name["c04"]["report"] == "c04/report.html"
    assert by_name["far & <b>"]["stands_out_by"] == "infarct_share_of_lv_percent"


def test_the_table_is_replaced_whole(tmp_path: Path) -> None:
    write_table([row("a")], tmp_path)
    path = write_table([row("a"), row("b")], tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["cohort.csv"]
    assert len(path.read_text("utf-8").splitlines()) == 3


class Page(HTMLParser):
    """What a page refers to, and whether its tags are closed in order."""

    VOID = frozenset({"meta", "input", "link", "img", "br"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.loaded: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.links += [values["href"] or ""] if tag == "a" else []
        self.loaded += [str(values[key]) for key in ("src", "data") if key in values]
        self.loaded += [str(values["href"])] if tag == "link" else []
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_stands_alone_and_leads_to_the_reports() -> None:
    text = render_page(cohort(), "study <1>")
    page = Page()
    page.feed(text)
    assert page.open == []
    assert page.loaded == []
    assert "http" not in re.sub(r"<!--.*?-->", "", text)
    assert "c04/report.html" in page.links
    assert "far%20%26%20%3Cb%3E" in page.links
    assert "far &amp; &lt;b&gt;" in text
    assert "<b>" not in text
    assert "study &lt;1&gt;" in text
    assert text.index("bad.nii.gz: damaged") < text.index(">far &amp;") or "circle" in text
    assert re.findall(r'class="value">(\d+)<', text) == ["1", "2", "12", "1", "1"]


def test_histograms_count_every_case_and_mark_those_that_stand_out() -> None:
    rows = cohort()
    found = {h.key: h for h in histograms(rows, outliers(rows), {})}
    assert set(found) == {"infarct_share_of_lv_percent", "mean_scs", "regions"}
    share = found["infarct_share_of_lv_percent"]
    assert (share.cases, share.median) == (13, "16")
    assert [dot.name for dot in share.dots] == ["far & <b>"]
    assert share.ticks[0].label == "0"
    assert share.ticks[-1].label == "100"
    assert sum(int(bar.words.split(": ")[1].split()[0]) for bar in share.bars) == 13


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [(10, 95, [0, 50, 100]), (0, 0.4, [0, 0.1, 0.2, 0.3, 0.4]), (-3, 3, [-4, -2, 0, 2, 4])],
)
def test_ticks_are_round_numbers_around_the_values(low: float, high: float, ticks: list[float]) -> None:
    assert nice_ticks(low, high) == pytest.approx(ticks)


@pytest.mark.parametrize(
    ("low", "high", "labels"),
    [
        (122.1, 122.8, ["122.0", "122.2", "122.4", "122.6", "122.8"]),
        (1000.2, 1003.9, ["1000", "1001", "1002", "1003", "1004"]),
        (-0.1, 0.1, ["-0.10", "-0.05", "0", "0.05", "0.10"]),
        (0.02, 0.08, ["0.02", "0.04", "0.06", "0.08"]),
    ],
)
def test_no_two_ticks_of_an_axis_read_alike(low: float, high: float, labels: list[str]) -> None:
    assert tick_labels(nice_ticks(low, high)) == labels


def test_numbers_and_times_read_well() -> None:
    assert [number(v) for v in (0, 0.0123, 12.34, 1234.5)] == ["0", "0.0123", "12.3", "1234"]
    assert [duration(s) for s in (4.4, 89, 600, 11100)] == ["4 s", "89 s", "10 min", "3 h 05 min"]
    standing = Standing(total=100, kept=40, done=19, failed=1, seconds=60.0)
    assert standing.per_minute == 20
    assert standing.left_s == 120
    assert standing.words() == "60/100 cases, 1 failed, 20.0 per minute, 2 min left"


def volume_of(array: np.ndarray, spacing: tuple[float, float, float] = (1.5, 1.5, 10.0)) -> Volume:
    geometry = Geometry(array.shape[::-1], spacing, (0.0, 0.0, 0.0), IDENTITY)
    return Volume(array, geometry, geometry)


def test_input_features_do_not_depend_on_the_grey_scale() -> None:
    array = scan_array(1, (6, 96, 96))
    plain = input_features(volume_of(array))
    assert input_features(volume_of(7 * array + 300)) == pytest.approx(plain, rel=1e-4)
    for factor in (1e-12, 1e30):  # whose squares single precision does not hold
        assert input_features(volume_of((array * factor).astype(np.float32))) == pytest.approx(
            plain, rel=1e-4
        )
    assert (plain["slices"], plain["slice_distance_mm"], plain["field_of_view_mm"]) == (6, 10, 144)
    noise = np.random.default_rng(0).normal(0, 1, (6, 96, 96)).astype(np.float32)
    found = input_features(volume_of(noise))
    assert found["contrast"] == pytest.approx(2 * 1.645, rel=0.05), (
        "5th to 95th percentile of noise by its sd"
    )


def test_flags_name_what_is_unusual(tiny_bundle: Path) -> None:
    manifest = load_bundle(tiny_bundle).manifest
    usual = {key: sum(limits) / 2 for key, limits in training_ranges(manifest).items()}
    assert input_flags(usual, manifest) == ()
    (line,) = input_flags({**usual, "slice_distance_mm": 30.0}, manifest)
    assert line == "slice distance (mm) 30, usual are 4 to 15"


def test_a_bundle_that_states_its_training_data_decides_what_is_usual(tiny_bundle: Path) -> None:
    import dataclasses

    manifest = load_bundle(tiny_bundle).manifest
    stated = {"slices": [7, 9], "contrast": {"mean": 20.0, "sd": 2.0}}
    manifest = dataclasses.replace(manifest, training={"input_statistics": stated})
    ranges = training_ranges(manifest)
    assert ranges["slices"] == (7, 9)
    assert ranges["contrast"] == (12, 28)
    assert ranges["pixel_mm"] == training_ranges(load_bundle(tiny_bundle).manifest)["pixel_mm"]


def test_measures_are_flattened_to_numbers() -> None:
    sizes = {"infarct_volume_ml": {"value": 3.5}, "mvo_share_of_infarct_percent": {"value": None}}
    flat = {"infarct_volume_ml": 3.5, "mvo_share_of_infarct_percent": None}
    assert flat_measures({"sizes": sizes, "volumes_ml": {"MVO": 1}}) == flat
    assert flat_measures({"volumes_ml": {"blood pool": 80.0}}) == {"blood_pool_volume_ml": 80.0}


def test_only_a_cohort_without_failures_ends_with_zero() -> None:
    assert CohortOutcome((row("a"), row("s", State.SKIPPED))).exit_code is ExitCode.DONE
    for state in (State.FAILED, State.PENDING):
        assert CohortOutcome((row("a"), row("b", state))).exit_code is ExitCode.PARTIAL
    assert CohortOutcome((row("a"),), "no space left").exit_code is ExitCode.PARTIAL


def test_the_verdict_orders_the_cohort_and_not_what_stands_out_of_it() -> None:
    def judged(name: str, word: str, risk: float, **more: object) -> Row:
        return row(name, verdict=word, verdict_reason=f"why {name}", uncertainty={"risk": risk}, **more)

    rows = [
        judged("largest", "trust", 0.05, flags=("odd",), measures={"infarct_share_of_lv_percent": 95.0}),
        judged("fair", "check", 0.3),
        judged("worse", "check", 0.4),
        judged("lost", "redo", 0.7),
        row("unjudged"),
        row("broken", State.FAILED),
    ]
    ordered = [one.name for one in in_order_of_need(rows)]
    assert ordered == ["broken", "lost", "worse", "fair", "unjudged", "largest"]
    table = list(csv.DictReader(io.StringIO(as_csv(in_order_of_need(rows)))))
    assert [one["verdict"] for one in table] == ["", "redo", "check", "check", "", "trust"]
    assert table[1]["verdict_reason"] == "why lost" and table[1]["risk"] == "0.7"
    page = render_page(rows, "cohort")
    assert '<div class="value">3</div>' in page  # need a look: redo and both checks
    assert "why lost" in page
