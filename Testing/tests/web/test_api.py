"""The server without a browser: what it tells, what decisions do, who may decide."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from review_cases import STORAGES
from serving import Served, make_cohort, serving

from CardiacUQLib.base.case_lock import LOCK_FILE
from CardiacUQLib.base.errors import UsageError
from CardiacUQLib.cases.casefolder import read_case
from CardiacUQLib.images.reading import read_volume
from CardiacUQLib.review import CaseMaps, Review, labels_after, read_record, stamp_in
from CardiacUQTraining.cohort.renewal import read_rows
from CardiacUQTraining.web.grid import side_letters, strides_of, voxel_at
from CardiacUQTraining.web.server import Serving, serve
from CardiacUQTraining.web.static import Static


def decided(server: Served, number: int, action: str, **content: object) -> dict:
    """One change on top of what the server says now."""
    revision = server.json(f"/api/cases/{number}")["state"]["revision"]
    return server.json(f"/api/cases/{number}/{action}", {"revision": revision, **content})


# -- arrays and their order


@pytest.mark.parametrize("storage", sorted(STORAGES))
def test_strides_lead_to_the_voxel_in_every_storage(storage: str, tmp_path: Path) -> None:
    out = make_cohort(tmp_path, {"one": storage})
    case = read_case(out / "one")
    stored = case.read_stored("segmentation")
    strides = strides_of(case.storage, stored.shape)
    z, y, x = np.indices(case.segmentation.shape)
    flat = strides.offset + z * strides.steps[0] + y * strides.steps[1] + x * strides.steps[2]
    np.testing.assert_array_equal(stored.ravel()[flat], case.segmentation)
    for voxel in ((0, 0, 0), (3, 17, 40), tuple(n - 1 for n in case.segmentation.shape)):
        ras = case.geometry.index_to_ras(np.array(voxel[::-1]))
        assert voxel_at(case.geometry, tuple(ras)) == voxel


def test_letters_of_an_axial_and_an_oblique_stack(tmp_path: Path) -> None:
    axial = read_case(make_cohort(tmp_path / "a", {"one": "axial"}) / "one").geometry
    assert side_letters(axial) == {"right": "L", "left": "R", "bottom": "P", "top": "A"}
    oblique = side_letters(read_case(make_cohort(tmp_path / "b", {"one": "oblique"}) / "one").geometry)
    assert oblique["right"][0] == "L" and oblique["bottom"][0] == "P" and len(oblique["bottom"]) == 2


def test_arrays_arrive_in_file_order(served: Served, cohort: Path) -> None:
    for number, name in enumerate(("ann", "bea", "cid")):
        about = served.json(f"/api/cases/{number}")
        assert about["name"] == name
        maps = CaseMaps.of(read_case(cohort / name))
        shape = maps.segmentation.shape
        for what, array in (
            ("labels", maps.segmentation),
            ("first", maps.opinion),
            ("components", maps.component_ids),
        ):
            found = served.runs(f"/api/cases/{number}/labels/{what}", shape)
            np.testing.assert_array_equal(found, array)
        _, headers, content = served.ask("GET", f"/api/cases/{number}/image")
        scale = json.loads(headers["x-about"])
        grey = np.frombuffer(content, "<u2").reshape(shape) * scale["step"] + scale["low"]
        volume = read_volume(maps.input_path)
        np.testing.assert_allclose(grey, volume.storage.to_stored(volume.array))
        codes = np.frombuffer(served.ask("GET", f"/api/cases/{number}/maps/scs")[2], np.uint8).reshape(shape)
        np.testing.assert_allclose(codes * (0.4 / 255), maps.maps["scs"].clip(0, 0.4), atol=0.4 / 255)


# -- decisions


def test_every_kind_of_decision_is_on_disk_when_it_is_answered(served: Served, cohort: Path) -> None:
    about = served.json("/api/cases/0")
    keys = [item["key"] for item in about["items"]]
    folder = cohort / about["name"]
    steps = [
        ("take_2d", {"item": keys[0]}),
        ("keep", {"item": keys[0]}),
        ("assign", {"item": keys[1], "label": 4}),
        ("flag", {"item": keys[2], "note": "ask Ann"}),
        ("paint", {"item": keys[1], "runs": [[100, 3, 2], [110, 1, 0]]}),
        ("paint", {"item": None, "runs": [[0, 2, 1]]}),
        ("undo", {}),
        ("redo", {}),
    ]
    labels = served.runs("/api/cases/0/labels/labels", read_case(folder).segmentation.shape).ravel()
    for count, (action, content) in enumerate(steps, 1):
        answer = decided(served, 0, action, **content)
        record = read_record(folder)
        assert answer["state"]["revision"] == count == len(record.events)
        for start, number, label in answer["changed"]:
            labels[start : start + number] = label
        case = read_case(folder)
        stored = labels_after(case.read_stored("segmentation"), record.events)
        np.testing.assert_array_equal(labels, stored.ravel())
    assert [e.decision.action for e in record.events if e.decision] == [
        s[0].replace("paint", "edited") for s in steps[:6]
    ]
    assert record.events[3].decision.note == "ask Ann"
    assert answer["state"]["statuses"][2] == "Flagged"
    assert {event.reviewer for event in record.events} == {"Jane"}


def test_sizes_follow_at_once_and_keep_what_the_networks_said(served: Served) -> None:
    about = served.json("/api/cases/0")
    before = {size["name"]: size for size in about["state"]["sizes"]}
    assert all(size["interval"] for size in before.values())
    infarct = next(item for item in about["items"] if item["became"] == 3)
    after = decided(served, 0, "take_2d", item=infarct["key"])["state"]["sizes"]
    share = next(size for size in after if size["name"] == "Infarct volume")
    assert share["interval"] == "" and share["model"] == before["Infarct volume"]["value"] != share["value"]


def test_an_edit_on_top_of_something_unseen_is_refused_with_the_news(served: Served, cohort: Path) -> None:
    key = served.json("/api/cases/0")["items"][0]["key"]
    served.json("/api/cases/0/keep", {"revision": 0, "item": key})
    before = (cohort / "ann" / "review.json").read_bytes()
    status, _, content = served.ask("POST", "/api/cases/0/take_2d", {"revision": 0, "item": key})
    assert status == 409 and "Jane: kept" in json.loads(content)["error"]
    assert (cohort / "ann" / "review.json").read_bytes() == before


def test_what_another_program_decided_is_taken_over(served: Served, cohort: Path) -> None:
    key = served.json("/api/cases/0")["items"][0]["key"]
    other = Review(CaseMaps.of(read_case(cohort / "ann")), "Slicer")
    other.flag(0)
    other.release()
    status, _, content = served.ask("POST", "/api/cases/0/keep", {"revision": 0, "item": key})
    assert status == 409 and "Slicer: flagged" in json.loads(content)["error"]
    about = served.json("/api/cases/0")
    assert about["state"]["revision"] == 1 and about["state"]["statuses"][0] == "Flagged"
    assert decided(served, 0, "keep", item=key)["state"]["revision"] == 2


def test_a_case_in_other_hands_is_refused_by_name(served: Served, cohort: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from CardiacUQLib.base.case_lock import CaseLock\n"
        "lock = CaseLock(Path(sys.argv[1]), 'Ann in Slicer'); lock.acquire(); print('held', flush=True)\n"
        "sys.stdin.read()"
    )
    held = subprocess.Popen(
        [sys.executable, "-c", program, str(cohort / "ann")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={"PYTHONPATH": str(Path(__file__).parents[3] / "CardiacUQ")},
    )
    try:
        key = served.json("/api/cases/0")["items"][0]["key"]
        held.stdout.readline()
        status, _, content = served.ask("POST", "/api/cases/0/keep", {"revision": 0, "item": key})
        assert status == 409 and b"Ann in Slicer" in content
    finally:
        held.communicate(b"")


def test_only_to_look_at(cohort: Path) -> None:
    other = Review(CaseMaps.of(read_case(cohort / "ann")), "Ann")
    other.flag(0)  # by someone whose program was killed before it could write the measures
    other.release()
    before = {path: path.read_bytes() for path in cohort.rglob("*") if path.is_file()}
    with serving(cohort, read_only=True) as server:
        server.enter()
        about = server.json("/api/cases/0")
        assert about["read_only"]
        for action in ("keep", "undo", "paint", "export"):
            status, _, _ = server.ask("POST", f"/api/cases/0/{action}", {"revision": 0})
            assert status == 403
        assert server.ask("GET", "/report/0")[0] == 200 and server.ask("GET", "/cohort")[0] == 200
    assert {path: path.read_bytes() for path in cohort.rglob("*") if path.is_file()} == before


# -- afterwards everything agrees


def test_measures_report_and_row_follow_when_the_server_ends(cohort: Path) -> None:
    with serving(cohort) as server:
        server.enter()
        about = server.json("/api/cases/0")
        infarct = next(item for item in about["items"] if item["became"] == 3)
        for item in about["items"]:
            action = "take_2d" if item is infarct else "keep"
            headline = decided(server, 0, action, item=item["key"])["state"]["headline"]
    measures = json.loads((cohort / "ann" / "measures.json").read_text("utf-8"))
    stamp = stamp_in(measures)
    assert stamp.reviewers == ("Jane",) and stamp.decided == stamp.items == len(about["items"])
    assert measures["headline"] == headline
    assert stamp.as_text()[1:] in (cohort / "ann" / "report.html").read_text("utf-8")
    row = next(row for row in read_rows(cohort) if row.name == "ann")
    assert row.headline == headline and row.reviewed and row.review == stamp.as_text()
    assert row.measures["infarct_volume_ml"] == measures["sizes"]["infarct_volume_ml"]["value"]
    table = (cohort / "cohort.csv").read_text("utf-8").splitlines()
    assert [line.split(",")[1] for line in table[1:]] == ["broken", "bea", "cid", "ann"]
    assert "the file is truncated" in table[1]
    assert not list(cohort.rglob(LOCK_FILE))


def test_pages_of_the_cohort_and_of_a_case_lead_here_and_load_nothing(served: Served) -> None:
    status, headers, content = served.ask("GET", "/cohort")
    assert status == 200 and b'href="./#bea"' in content and b'href="report/1"' in content
    assert b"/report.html" not in content
    assert "connect-src" not in headers["content-security-policy"]
    assert headers["content-security-policy"].startswith("default-src 'none'")
    status, headers, content = served.ask("GET", "/report/1")
    assert status == 200 and b'href="/#bea"' in content and b"Research use only" in content


def test_a_training_case_is_exported_beside_the_cases(served: Served, cohort: Path) -> None:
    key = served.json("/api/cases/0")["items"][0]["key"]
    decided(served, 0, "keep", item=key)
    answer = decided(served, 0, "export")
    assert Path(answer["exported"]) == cohort.with_name("out-reviewed") / "Case_Pann"
    assert (Path(answer["exported"]) / "decisions.json").is_file()
    status, _, content = served.ask("POST", "/api/cases/0/export", {})
    assert status == 400 and "exists" in json.loads(content)["error"]


# -- who may come in


def test_the_token_is_good_once(served: Served) -> None:
    stranger = Served(served.address, served.token)
    assert stranger.ask("GET", f"/open?token={served.token}")[1].get("set-cookie") is None
    assert stranger.ask("GET", "/api/cohort")[0] == 401
    assert stranger.ask("GET", "/")[0] == 200  # the empty page
    assert served.ask("GET", "/api/cohort")[0] == 200


def test_the_cookie_stays_with_this_site(cohort: Path) -> None:
    with serving(cohort) as server:
        cookie = server.ask("GET", f"/open?token={server.token}")[1]["set-cookie"]
        assert "HttpOnly" in cookie and "samesite=strict" in cookie.lower()


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "evil.example:8765"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec_Fetch_Site": "cross-site"},
    ],
)
def test_other_names_and_other_pages_are_refused(served: Served, headers: dict[str, str]) -> None:
    assert served.ask("GET", "/api/cohort", **headers)[0] == 403
    assert served.ask("POST", "/api/cases/0/undo", {"revision": 0}, **headers)[0] == 403


def test_every_answer_tells_the_browser_to_load_nothing_else(served: Served) -> None:
    for path in ("/", "/static/main.js", "/api/cohort", "/nothing", "/open?token=x"):
        policy = served.ask("GET", path)[1]["content-security-policy"]
        assert policy.startswith("default-src 'none'") and "http" not in policy


def test_a_network_needs_a_password(cohort: Path) -> None:
    with pytest.raises(UsageError, match="needs a password"):
        serve(cohort, Serving(host="0.0.0.0", browser=False), print)
    with serving(cohort, password="correct horse") as server:
        assert server.ask("POST", "/login", {"password": "wrong horse"})[0] == 401
        assert server.ask("POST", "/login", {"password": 7})[0] == 401
        status, headers, _ = server.ask("POST", "/login", {"password": "correct horse"})
        server.cookie = headers["set-cookie"].partition(";")[0]
        assert status == 200 and server.ask("GET", "/api/cohort")[0] == 200


def test_a_network_server_answers_to_numbers_and_to_its_name_alone(cohort: Path) -> None:
    with serving(cohort, host="0.0.0.0", password="correct horse") as server:
        for host, wanted in (
            ("192.168.7.9", 401),
            ("[fe80::1]", 401),
            ("evil.example", 403),
            ("1.2.3.4.evil", 403),
        ):
            assert server.ask("GET", "/api/cohort", Host=f"{host}:{server.port}")[0] == wanted
        assert server.ask("GET", "/api/cohort", Host="192.168.7.9:1")[0] == 403


def test_without_a_password_no_password_is_right(served: Served) -> None:
    assert Served(served.address, "").ask("POST", "/login", {"password": ""})[0] == 401


def test_the_page_is_light_and_names_no_other_place() -> None:
    static = Static()
    assert static.weight < 300_000
    for path in (Path(__file__).parents[3] / "CardiacUQTraining" / "web" / "static").iterdir():
        text = path.read_text("utf-8").replace("http://www.w3.org/2000/svg", "")
        assert "http:" not in text and "https:" not in text, path.name
        assert len(text.splitlines()) <= 400, path.name
