"""A real server in a thread, cohorts of known cases, and requests without a browser."""

from __future__ import annotations

import http.client
import json
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("starlette", reason="the extra [web] is not installed")
import uvicorn
from review_cases import make_result, write_image

from CardiacUQLib.base.checksum import sha256_of
from CardiacUQLib.cases.casefolder import read_case
from CardiacUQLib.cases.seal import SEAL, document_seal
from CardiacUQLib.cases.writing import write_case
from CardiacUQLib.report.page import report_writer
from CardiacUQLib.review import labels_after, read_record
from CardiacUQTraining.cohort.case import Row, State
from CardiacUQTraining.cohort.features import flat_measures
from CardiacUQTraining.cohort.state import write_row
from CardiacUQTraining.cohort.table import write_table
from CardiacUQTraining.web.cases import Cases
from CardiacUQTraining.web.server import Serving, bound, build


@dataclass
class Served:
    """A running server and how to speak to it."""

    address: str
    token: str
    cookie: str = ""

    @property
    def port(self) -> int:
        """Its port."""
        return int(self.address.rpartition(":")[2])

    @property
    def entrance(self) -> str:
        """The address that the terminal would show."""
        return f"{self.address}/open?token={self.token}"

    def ask(self, method: str, path: str, body: object = None, **headers: str):
        """Status, headers and content of one request; a body is sent as JSON from our own page."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        sent = {"Cookie": self.cookie} if self.cookie else {}
        if method == "POST":
            sent["Origin"] = self.address
        sent.update({name.replace("_", "-"): value for name, value in headers.items()})
        content = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        connection.request(method, path, content, sent)
        answer = connection.getresponse()
        found = answer.read()
        connection.close()
        return answer.status, answer.headers, found

    def enter(self) -> None:
        """Use the one-time token up."""
        status, headers, _ = self.ask("GET", f"/open?token={self.token}")
        assert status == 303
        self.cookie = headers["set-cookie"].partition(";")[0]

    def json(self, path: str, body: object = None):
        """The content of a request that must succeed."""
        status, _, content = self.ask("GET" if body is None else "POST", path, body)
        assert status == 200, content
        return json.loads(content)

    def runs(self, path: str, shape: tuple[int, ...]) -> np.ndarray:
        """A label array that travels as runs."""
        status, _, content = self.ask("GET", path)
        assert status == 200, content
        array = np.zeros(int(np.prod(shape)), np.int32)
        for start, count, value in np.frombuffer(content, "<i4").reshape(-1, 3).tolist():
            array[start : start + count] = value
        return array.reshape(shape)


@contextmanager
def serving(out: Path, **options: object) -> Iterator[Served]:
    """A server of the cases below ``out`` until the end of the block, as `cardiacuq review` runs it."""
    asked = Serving(**{"reviewer": "Jane", **options})
    listening = bound(asked)
    address = f"http://127.0.0.1:{listening.getsockname()[1]}"
    cases = Cases(out, asked.reviewer, asked.exports or out.with_name(f"{out.name}-reviewed"))
    app, doorkeeper, publisher = build(cases, asked, address)
    server = uvicorn.Server(
        uvicorn.Config(app, log_level="critical", access_log=False, ws="none", http="h11", lifespan="off")
    )
    thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.005)
    try:
        yield Served(address, doorkeeper.token)
    finally:
        server.should_exit = True
        thread.join(10)
        publisher.finish()
        listening.close()


def make_cohort(folder: Path, storages: dict[str, str], *, report: bool = False) -> Path:
    """``folder/out`` with one case per name in a given storage, rows and tables as a cohort has them."""
    out = folder / "out"
    rows = []
    for name, storage in storages.items():
        image = folder / "scans" / f"{name}.nii.gz"
        image.parent.mkdir(parents=True, exist_ok=True)
        result = make_result(image, write_image(image, storage))
        row = Row(
            name,
            State.DONE,
            str(image),
            headline=str(result.measures["headline"]),
            measures=flat_measures(result.measures),
            report=f"{name}/report.html",
        )
        writers = [lambda _, made, row=row: write_row(row, made)]
        writers += [report_writer(name)] if report else []
        write_case(result, out, name=name, extra_writers=writers)
        rows.append(row)
    rows.append(Row("broken", State.FAILED, "scans/broken.nii.gz", reason="the file is truncated"))
    write_table(rows, out)
    return out


def make_film_case(folder: Path) -> Path:
    """``folder/out/heart_ED``, frame 1 of a film of five whose grey values rise, and its study."""
    from dataclasses import replace

    import SimpleITK as sitk

    labels = write_image(folder / "frame.nii.gz")
    frame = sitk.ReadImage(str(folder / "frame.nii.gz"))
    film = sitk.JoinSeries([frame + 10 * number for number in range(-1, 4)])
    sitk.WriteImage(film, str(folder / "film.nii.gz"))
    result = make_result(folder / "frame.nii.gz", labels)
    measures = {**result.measures, "phase": "ED"}
    write_case(replace(result, measures=measures), folder / "out", name="heart_ED")
    change_case(folder / "out" / "heart_ED", study="one run")
    study = {
        "study": "one run",
        "name": "heart",
        "cases": {"ED": "heart_ED", "ES": "heart_ES"},
        "input": str(folder / "film.nii.gz"),
        "input_sha256": sha256_of(folder / "film.nii.gz"),
        "frames": {"ED": 1, "ES": 3},
        "frame_count": 5,
    }
    (folder / "out" / "heart_cine.json").write_text(json.dumps(study), "utf-8")
    return folder / "out"


def change_case(folder: Path, **entries: object) -> None:
    """Other entries in ``case.json``, sealed again."""
    path = folder / "case.json"
    record = {**json.loads(path.read_text("utf-8")), **entries}
    record[SEAL] = document_seal(record)
    path.write_text(json.dumps(record), "utf-8")


def labels_on_disk(folder: Path) -> np.ndarray:
    """Corrected labels (k, j, i) of a case folder."""
    case = read_case(folder)
    record = read_record(folder)
    stored = case.read_stored("segmentation")
    return stored if record is None else labels_after(stored, record.events)


def enter(browser, server: Served) -> list[dict]:
    """Open the page with the one-time address and wait for its first case; returns the list of cases."""
    browser.driver.get(server.entrance)
    browser.wait(lambda: browser.js("return document.body.dataset.ready"))
    return browser.js("return review.cohort.cases")


@pytest.fixture(scope="session")
def made_cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three cases, made once; not to be changed."""
    folder = tmp_path_factory.mktemp("cohort")
    return make_cohort(folder, {"ann": "axial", "bea": "oblique", "cid": "sagittal"}, report=True)


@pytest.fixture
def cohort(made_cohort: Path, tmp_path: Path) -> Path:
    """A copy of three cases; their scans stay where they are."""
    return Path(shutil.copytree(made_cohort, tmp_path / "out"))


@pytest.fixture
def served(cohort: Path) -> Iterator[Served]:
    """A server of this cohort with a session."""
    with serving(cohort) as server:
        server.enter()
        yield server


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    """A browser for the tests of one file; skips where there is none."""
    pytest.importorskip("selenium", reason="selenium is not installed")
    from browser import browsing, missing

    if reason := missing():
        pytest.skip(reason)
    with browsing() as one:
        yield one
