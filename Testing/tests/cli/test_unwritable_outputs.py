"""A place where nothing can be written is told before any input is read: here none of the inputs exists."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from cli_fixtures import Outcome

from CardiacUQLib.base.errors import ExitCode
from CardiacUQTraining.cli.app import COMMANDS

WRITING = {
    "demo": "demo -o OUT",
    "segment": "segment none.nii.gz -o OUT",
    "dataset": "dataset sample OUT",
    "dataset check": "dataset check none.yaml --page OUT/cases.html",
    "train": "train cascade --data none -o OUT",
    "export": "export none -o OUT",
    "calibrate": "calibrate --model none --data none -o OUT",
    "evaluate": "evaluate --model none --data none -o OUT",
    "benchmark": "benchmark none -o OUT",
    "compare": "compare none.nii.gz none.nii.gz -o OUT",
    "measure": "measure none -o OUT/measures.json",
    "dicom": "dicom none none -o OUT",
}
IN_PLACE = {"statistics", "models", "review", "report"}
"""Write into what they read, or nothing."""


def test_every_command_is_looked_at() -> None:
    assert {name.split()[0] for name in WRITING} | IN_PLACE == set(COMMANDS)


@pytest.mark.parametrize("line", WRITING.values(), ids=WRITING.keys())
def test_it_is_told_first(
    line: str, cardiacuq: Callable[..., Outcome], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    outcome = cardiacuq(*line.replace("OUT", "file/out").split())
    assert outcome.code == ExitCode.USAGE, outcome.err
    assert "could not be written" in outcome.error_line and "is a file" in outcome.error_line
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
