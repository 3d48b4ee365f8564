"""`cardiacuq review` as a reader starts it: address, links in cohort.html while it runs, a good end."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from serving import Served

from CardiacUQTraining.cli.app import main

REPOSITORY = Path(__file__).resolve().parents[3]


def started(*arguments: str) -> tuple[subprocess.Popen[str], str]:
    """The process and what it prints up to its address."""
    paths = os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "CardiacUQ")])
    process = subprocess.Popen(
        [sys.executable, "-m", "CardiacUQTraining.cli", "review", "--no-browser", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        env={**os.environ, "PYTHONPATH": paths, "CARDIACUQ_REVIEW_PASSWORD": "correct horse"},
    )
    said = ""
    for line in process.stdout:
        said += line
        if "ddress" in line and "http" in line:
            return process, said
    raise AssertionError(said + process.stderr.read())


def test_from_start_to_ctrl_c(cohort: Path) -> None:
    process, said = started(str(cohort), "--reviewer", "Jane")
    try:
        found = re.search(r"(http://127\.0\.0\.1:\d+)/open\?token=(\S+)", said)
        server = Served(found[1], found[2])
        assert said.startswith("3 cases. Ctrl-C ends.")
        assert f'href="{server.address}/#bea"' in (cohort / "cohort.html").read_text("utf-8")
        server.enter()
        assert "For another browser: " in process.stdout.readline()
        key = server.json("/api/cases/0")["items"][0]["key"]
        server.json("/api/cases/0/take_2d", {"revision": 0, "item": key})
    finally:
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=60)
    assert process.returncode == 0 and errors == ""
    assert output.strip() == "Ended; every decision is in the case folders."
    page = (cohort / "cohort.html").read_text("utf-8")
    assert server.address not in page and "reviewed by Jane" in page
    assert "reviewed by Jane" in (cohort / "cohort.csv").read_text("utf-8")


def test_a_network_is_told_what_it_means(cohort: Path) -> None:
    process, said = started(str(cohort), "--host", "0.0.0.0", "--read-only")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert "only to look at" in said and "nothing is encrypted" in said
    assert "token" not in said and "correct horse" not in said


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["nowhere"], 3, "nowhere"),
        (["{out}", "--port", "{taken}"], 2, "this address cannot be taken"),
        (["{out}", "--host", "0.0.0.0"], 2, "fewer than 8 letters"),
    ],
)
def test_refusals_are_one_line(arguments, code, message, cohort: Path, capsys, monkeypatch) -> None:
    monkeypatch.setenv("CARDIACUQ_REVIEW_PASSWORD", "short")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        words = {"out": str(cohort), "taken": str(taken.getsockname()[1])}
        given = [argument.format(**words) for argument in arguments]
        assert main(["review", "--no-browser", *given]) == code
    error = capsys.readouterr().err.strip()
    assert message in error and "\n" not in error
