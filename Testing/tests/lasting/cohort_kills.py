"""Kill runs again and again, resume them, and compare: ``python cohort_kills.py KILLS FOLDER`` prints JSON.

Each round forks a cohort over scans and a film (in this process or with a worker, sometimes replacing
finished cases), kills it with SIGKILL at a random moment, checks that every case folder that stands is whole,
and at the end resumes and compares every map and number with an undisturbed run.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import torch
from material import FAST, Material, make_material

from CardiacUQLib.base.errors import CardiacUQError, ExitCode
from CardiacUQLib.cases.casefolder import CASE_FILE, read_case
from CardiacUQLib.cases.study_record import check_one_study, study_of
from CardiacUQTraining.cli.app import main

MODES: Sequence[tuple[str, ...]] = (
    ("stacks", "--resume"),
    ("stacks", "--overwrite"),
    ("study", "--resume"),
    ("study", "--overwrite"),
    ("plain", "--overwrite"),
    ("stacks", "--resume", "--workers", "1"),
)


def kill_campaign(kills: int, folder: Path) -> dict[str, object]:
    """Run the rounds; ``faults`` says what was lost, half-written or mixed."""
    torch.set_num_threads(1)
    material = make_material(folder / "material")
    inputs = _inputs(material, folder)
    undisturbed = folder / "undisturbed"
    takes = {"plain": 0.3}  # s, undisturbed: kills fall everywhere in that time
    for kind in ("stacks", "study"):
        begun = time.monotonic()
        assert _run(_arguments(kind, inputs, undisturbed / kind, material, ("--resume",))) == 0
        takes[kind] = time.monotonic() - begun
    before = _outputs(undisturbed)
    dice, faults, died, out = random.Random(21), [], 0, folder / "out"
    for number in range(kills):
        kind, *more = MODES[number % len(MODES)] if number % 30 < 29 else MODES[-1]
        if "--workers" in more and number >= 30:  # a cluster takes seconds to start: a few are enough
            kind, *more = MODES[0]
        target = out / ("stacks" if kind == "plain" else kind)
        seconds = dice.uniform(0, takes[kind]) + (dice.uniform(2, 6) if "--workers" in more else 0)
        died += _killed(_arguments(kind, inputs, target, material, more), seconds)
        faults += [f"round {number} ({kind} {' '.join(more)}): {fault}" for fault in _not_whole(target)]
        if number % 7 == 6:  # from the start again, or everything would soon be finished
            shutil.rmtree(target, ignore_errors=True)
    for kind in ("stacks", "study"):
        arguments = _arguments(kind, inputs, out / kind, material, ("--resume",))
        if (code := _run(arguments)) == ExitCode.PARTIAL:  # a case that was killed three times is told once
            code = _run(arguments)
        if code != ExitCode.DONE:
            faults.append(f"{kind}: --resume ends with {code}")
    after = _outputs(out)
    faults += [
        f"{name} differs"
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    ]
    faults += [
        f"left behind: {path.relative_to(out)}" for path in out.rglob(".*") if path.name != ".writer.lock"
    ]
    rivals = [
        _rivals(inputs, folder / f"rivals{n}", material, more)
        for n, more in enumerate(((), ("--overwrite",)))
    ]
    return {"kills": kills, "died": died, "faults": faults, "rivals": rivals}


def _rivals(inputs: dict[str, Path], out: Path, material: Material, more: Sequence[str]) -> list[int]:
    """Exit codes, sorted, of four runs that begin at one moment with one target."""
    start, go = os.pipe()
    children = []
    for _ in range(4):
        if (child := os.fork()) == 0:
            os.close(go)
            os.read(start, 1)  # returns when the parent closes its end
            _work(_arguments("plain", inputs, out, material, more))
        children.append(child)
    os.close(start)
    os.close(go)
    return sorted(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children)


def _inputs(material: Material, folder: Path) -> dict[str, Path]:
    stacks = folder / "stacks"
    for number, kind in enumerate(("nii.gz", "nrrd", "mha")):
        stacks.mkdir(exist_ok=True)
        shutil.copy(material.scans[kind], stacks / f"heart{number}.{kind}")
    return {"stacks": stacks, "study": material.film.parent, "plain": stacks / "heart0.nii.gz"}


def _arguments(
    kind: str, inputs: dict[str, Path], out: Path, material: Material, more: Sequence[str]
) -> list[str]:
    model = material.bands if kind == "study" else material.bundle
    report = () if kind == "plain" else ("--no-report",)
    return ["segment", str(inputs[kind]), "-o", str(out), "--model", str(model), *FAST, "-q", *report, *more]


def _run(arguments: Sequence[str]) -> int:
    child = os.fork()
    if child == 0:
        _work(arguments)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _killed(arguments: Sequence[str], seconds: float) -> bool:
    """Run in a process group of its own and end all of it without warning; True if it was still at work."""
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        _work(arguments)
    with contextlib.suppress(OSError):  # whichever of the two comes first
        os.setpgid(child, child)
    time.sleep(seconds)
    done, _ = os.waitpid(child, os.WNOHANG)
    if done:
        return False
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return True


def _work(arguments: Sequence[str]) -> None:
    code = 1
    try:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        code = main(list(arguments))
    finally:
        os._exit(code)


def _not_whole(out: Path) -> list[str]:
    """Every folder with a record is whole, and phases that stand beside each other are of one run."""
    faults, cases = [], []
    for record in sorted(out.glob(f"*/{CASE_FILE}")):
        try:
            cases.append(read_case(record.parent))
        except CardiacUQError as error:
            faults.append(str(error))
    phases = [case for case in cases if case.record.study]
    if len(phases) == 2:
        try:
            check_one_study(phases)
            study_of(phases[0])
        except CardiacUQError:
            if not any(".replaced-" in path.name or ".partial-" in path.name for path in out.iterdir()):
                faults.append("phases of two runs, and nothing to turn back")
    return faults


def _outputs(out: Path) -> dict[str, object]:
    """Maps byte by byte, tables and numbers; not when and how fast they were made."""
    found: dict[str, object] = {}
    for path in sorted(out.rglob("*")):
        name = path.relative_to(out).as_posix()
        if path.name.endswith((".nii.gz", "components.csv", "measures.json")):
            found[name] = path.read_bytes()
        elif path.name.endswith("_cine.json"):
            content = json.loads(path.read_text("utf-8"))
            found[name] = {key: value for key, value in content.items() if key != "study"}
    return found


if __name__ == "__main__":
    print(json.dumps(kill_campaign(int(sys.argv[1]), Path(sys.argv[2])), indent=1))
