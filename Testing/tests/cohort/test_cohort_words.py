"""A run that is stopped tables what was finished, and one that ends early says why."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from cohort_fixtures import FAST, maps_of

from CardiacUQLib.base.errors import CancelledError
from CardiacUQTraining.cohort.display import Lines, Standing
from CardiacUQTraining.cohort.inputs import collect
from CardiacUQTraining.cohort.run import run_cohort


class Impatient(Lines):
    """Presses Ctrl-C when the first case is told."""

    def case(self, row: object, standing: Standing) -> None:
        raise KeyboardInterrupt


def test_a_cancelled_cohort_counts_and_tables_what_was_finished(
    scans: Path, tmp_path: Path, tiny_bundle: Path
) -> None:
    out = tmp_path / "out"
    plan = collect([scans], str(tiny_bundle), FAST)
    with pytest.raises(CancelledError) as caught:
        run_cohort(plan, out, Impatient(out, quiet=True))
    whole = {name.partition("/")[0] for name in maps_of(out)}
    with (out / "cohort.csv").open(newline="") as table:
        done = {row["case"] for row in csv.DictReader(table) if row["state"] == "done"}
    assert done == whole and len(whole) >= 1
    assert f"{len(whole)} of 3 cases are done" in str(caught.value)


def test_a_lost_scheduler_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Lines(tmp_path, quiet=True).ended(Standing(total=3, kept=0, done=1), "the scheduler\nwas lost")
    assert capsys.readouterr().err == "cardiacuq: the scheduler was lost\n"
