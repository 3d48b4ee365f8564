"""Inputs on which an earlier version failed, each with what is right: a table input, before, now.

    python Testing/benchmarks/bench_field_cases.py --cases ../shared/field-cases [--only 02,13] [--work DIR]

``--quick`` runs one fold and one view: enough for everything but what is said of the case as a whole.

Every folder of ``--cases`` holds a ``make.py`` that writes its input; it runs on a copy, with the demo's
phantoms in PHANTOM and CINE. Needs what those scripts import (SimpleITK, pydicom, pynrrd, nibabel); the
padded scan needs the labelled MyoPS cases beside the folder. Exits with 1 if any input is not right.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from field_trials import QUICK_SHARE, SHARE, TRIALS, Ran, Trial

SECONDS = 600


@dataclass(frozen=True)
class Workplace:
    """Where inputs are made and results written, and the phantoms that the inputs are made of."""

    folder: Path
    lge: Path
    cine: Path

    def run(
        self, arguments: list[str], cwd: Path, extra: Mapping[str, str]
    ) -> subprocess.CompletedProcess[str]:
        """``cardiacuq`` with these arguments, as a user would call it."""
        command = [sys.executable, "-m", "CardiacUQTraining.cli", *arguments]
        return self._call(command, cwd, extra)

    def make(self, case: Path, *words: str) -> None:
        """Write the inputs of a case into its own folder; raises RuntimeError if its script fails."""
        made = self._call([sys.executable, "make.py", *words], case, {"OUT": str(case / "x")})
        if made.returncode:
            raise RuntimeError(f"{case.name}/make.py: {made.stderr.strip().splitlines()[-1]}")

    def _call(
        self, command: list[str], cwd: Path, extra: Mapping[str, str]
    ) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PHANTOM": str(self.lge), "CINE": str(self.cine), **extra}
        return subprocess.run(
            command,
            cwd=cwd,
            env=environment,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=SECONDS,
            check=False,
        )


def main() -> int:
    """Print the table; 1 if anything is not right."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=Path, required=True, help="folder of the field cases")
    parser.add_argument("--only", default="", help="numbers of the cases, such as 02,13")
    parser.add_argument("--quick", action="store_true", help="one fold, one view")
    parser.add_argument("--work", type=Path, help="keep inputs and results there")
    asked = parser.parse_args()
    wanted = {one for one in asked.only.split(",") if one}
    with tempfile.TemporaryDirectory() as scratch:
        place = workplace(asked.work or Path(scratch), asked.cases)
        print("| input | before | now | right |\n| --- | --- | --- | --- |", flush=True)
        verdicts = [
            _row(place, trial, quick=asked.quick) for trial in TRIALS if not wanted or trial.case in wanted
        ]
    print(f"\n{sum(verdicts)} of {len(verdicts)} right")
    return 0 if all(verdicts) else 1


def workplace(folder: Path, cases: Path) -> Workplace:
    """Copies of the cases and both phantoms, as ``cardiacuq demo`` makes them."""
    folder.mkdir(parents=True, exist_ok=True)
    copies = folder / "field-cases"
    if not copies.exists():
        shutil.copytree(cases, copies)
        if (cases.parent / "data").is_dir():  # one case is made of a labelled scan
            (folder / "data").symlink_to((cases.parent / "data").resolve())
    place = Workplace(
        folder.resolve(),
        folder.resolve() / "lge" / "scan" / "phantom.nii.gz",
        folder.resolve() / "cine" / "scan" / "phantom-cine.nii.gz",
    )
    for path, options in ((place.lge, []), (place.cine, ["--cine"])):
        if not path.exists():
            place.run(["demo", *options, "-o", str(path.parents[1])], folder, {})
    return place


def _row(place: Workplace, trial: Trial, *, quick: bool) -> bool:
    try:
        found = _try(place, trial, quick=quick)
        right = trial.right(found)
    except Exception as error:  # a check that cannot even look is a case that is not right
        found, right = Ran(-1, "", f"{type(error).__name__}: {error}", {}), False
    text = " ".join(trial.show(found).split()).replace("|", "/")
    name = f"{trial.case} {trial.name or trial.arguments}"
    print(f"| {name} | {trial.before} | {text} | {'yes' if right else '**no**'} |", flush=True)
    return right


def _try(place: Workplace, trial: Trial, *, quick: bool) -> Ran:
    case = next((place.folder / "field-cases").glob(f"{trial.case}-*"))
    out = place.folder / "out" / trial.case
    place.make(case, *trial.made_with)
    if not trial.goes_on:
        shutil.rmtree(out, ignore_errors=True)
    arguments = [word.replace("OUT", str(out)) for word in trial.arguments.split()]
    if quick and arguments[0] == "segment":
        arguments += ["--folds", "0", "--no-tta"]
    ended = place.run(arguments, case, trial.environment)
    return Ran(ended.returncode, ended.stdout, ended.stderr, _measured(out), QUICK_SHARE if quick else SHARE)


def _measured(out: Path) -> dict[str, Any]:
    """``measures.json`` of every case, and the record of every study, by name."""
    found = {}
    for path in sorted([*out.rglob("measures.json"), *out.rglob("*_cine.json")]):
        name = path.parent.name if path.name == "measures.json" else path.stem
        found[name] = json.loads(path.read_text("utf-8"))
    return found


if __name__ == "__main__":
    sys.exit(main())
