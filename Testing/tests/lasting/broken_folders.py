"""Case folders, reviews, bundles, tables and output folders that are not what they should be."""

from __future__ import annotations

import json
import os
import random
import shutil
from pathlib import Path

import numpy as np
from breaking import broken_document, broken_json, broken_lines, flipped, truncated
from material import Material
from stage import Outcome
from trials import ANY, REFUSED, Check, Trial, segment

from CardiacUQLib.base.errors import CardiacUQError
from CardiacUQLib.cases.casefolder import read_case
from CardiacUQLib.cases.seal import SEAL, FileSeal, document_seal

ODD_CELLS = ("=1+1", "", "nan", "-1", "1e999", "x" * 200_000, '"', "../..", "0 1 x", "yes", "\x00", "tcp://x")


def case_file(material: Material, place: Path, dice: random.Random) -> Trial:
    """One file of a case folder gone, cut, changed or swapped for another's."""
    reviewed = dice.random() < 0.3
    case = material.copy(material.reviewed if reviewed else material.case, place)
    names = sorted(p.name for p in case.iterdir() if p.name not in ("report.html", "review.json"))
    victim = case / dice.choice(names)
    way = dice.choice(("gone", "cut", "flipped", "swapped", "link", "pipe"))
    if way == "gone":
        victim.unlink()
    elif way == "cut":
        truncated(victim, dice)
    elif way == "flipped":
        flipped(victim, dice)
    elif way == "swapped":
        shutil.copy(case / dice.choice([n for n in names if n != victim.name]), victim)
    else:
        victim.unlink()
        victim.symlink_to("/dev/zero") if way == "link" else os.mkfifo(victim)
    same = victim.is_file() and victim.read_bytes() == (material.case / victim.name).read_bytes()
    return Trial(f"{victim.name} {way}", _asked(case, place, dice), ANY if same else REFUSED)


def resealed(material: Material, place: Path, dice: random.Random) -> Trial:
    """A case whose JSON or tables were changed by someone who knows the seal."""
    case = material.copy(material.case, place)
    record = case / "case.json"
    name = dice.choice(("case.json", "case.json", "measures.json", "components.csv"))
    document = json.loads(record.read_text("utf-8"))
    if name == "case.json":
        what = broken_document(document, dice)
    else:
        victim = case / name
        what = broken_json(victim, dice) if name == "measures.json" else broken_lines(victim, dice, ODD_CELLS)
        seal = FileSeal.of(victim)
        document["files"][name] = {"size": seal.size, "sha256": seal.sha256}
    if isinstance(document, dict):
        document[SEAL] = document_seal(document)
    record.write_text(json.dumps(document), "utf-8")
    return Trial(f"resealed {name}: {what}", _asked(case, place, dice), ANY, _no_address_in(case))


def review_changed(material: Material, place: Path, dice: random.Random) -> Trial:
    """A review that is damaged, or of another segmentation."""
    case = material.copy(material.reviewed, place)
    victim = case / "review.json"
    way = dice.choice(("json", "json", "cut", "foreign", "labels"))
    if way == "json":
        what = broken_json(victim, dice)
    elif way == "cut":
        what = truncated(victim, dice)
    else:
        document = json.loads(victim.read_text("utf-8"))
        if way == "foreign":
            document["segmentation_sha256"] = "0" * 64
        else:
            document["events"][0]["runs"] = [[0, 5, dice.choice((5, 200, 255))]]
        victim.write_text(json.dumps(document), "utf-8")
        what = way
    return Trial(
        f"review: {what}", _asked(case, place, dice), REFUSED if way in ("foreign", "labels") else ANY
    )


def study_mixed(material: Material, place: Path, dice: random.Random) -> Trial:
    """Two phases that are not of one run, or a summary that is not theirs."""
    shutil.copytree(material.study, place / "study")
    folder = place / "study"
    way = dice.choice(("identity", "identity", "summary", "gone"))
    record = folder / "anna_ED" / "case.json"
    document = json.loads(record.read_text("utf-8"))
    document["study"] = "0" * 32 if way == "identity" else document["study"]
    document[SEAL] = document_seal(document)
    record.write_text(json.dumps(document), "utf-8")
    if way == "summary":
        way = broken_json(folder / "anna_cine.json", dice)
    if way == "gone":
        (folder / "anna_cine.json").unlink()
    if way not in ("identity", "gone") or dice.random() < 0.7:
        arguments = segment(material.film, folder, material.bands, "--resume", "--no-report")
        return Trial(f"study resumed: {way}", arguments, (0, *REFUSED), _one_study(folder))
    arguments = ("measure", folder / "anna_ED", folder / "anna_ES")
    return Trial(f"study measured: {way}", arguments, REFUSED if way == "identity" else ANY)


def resumed(material: Material, place: Path, dice: random.Random) -> Trial:
    """A finished case of a cohort that is damaged before --resume: it must be whole afterwards."""
    out = place / "out"
    material.copy(material.case, out)
    names = sorted(p.name for p in (out / "heart").iterdir())
    victim = out / "heart" / dice.choice(names)
    gone = dice.random() < 0.5 and victim.name != "case.json"  # without it the folder could be anyone's
    if gone:
        victim.unlink()
    what = "gone" if gone else dice.choice((truncated, flipped))(victim, dice)
    arguments = segment(material.scans["nii.gz"], out, material.bundle, "--resume")
    return Trial(f"resumed, {victim.name} {what}", arguments, (0,), _whole(out / "heart", material))


def bundle_changed(material: Material, place: Path, dice: random.Random) -> Trial:
    """A manifest with one entry changed, weights cut or changed."""
    bundle = material.copy(dice.choice((material.bundle, material.bands)), place)
    if dice.random() < 0.75:
        what = "manifest: " + broken_json(bundle / "manifest.json", dice)
    else:
        victim = dice.choice(sorted(bundle.glob("*.safetensors")))
        what = f"{victim.name} {truncated(victim, dice) if dice.random() < 0.5 else flipped(victim, dice)}"
    scan = material.scans["nii.gz"] if bundle.name == "tiny" else material.film
    command = (
        ("models", bundle) if dice.random() < 0.3 else segment(scan, place / "out", bundle, "--no-report")
    )
    return Trial(what, command, ANY)


def table_changed(material: Material, place: Path, dice: random.Random) -> Trial:
    """A CSV of a cohort with odd lines and cells."""
    place.mkdir(parents=True, exist_ok=True)
    table = place / "study.csv"
    table.write_text(
        f"path,id,folds,tta,ed,es\n{material.scans['nii.gz']},a,0,no,,\n{material.scans['nrrd']},b,0,no,,\n"
    )
    what = broken_lines(table, dice, ODD_CELLS)
    arguments = (
        "segment",
        table,
        "-o",
        place / "out",
        "--model",
        material.bundle,
        "--device",
        "cpu",
        "--no-report",
    )
    return Trial(f"CSV {what}", arguments, ANY, _no_formula(place / "out"))


def foreign_output(material: Material, place: Path, dice: random.Random) -> Trial:
    """An output folder that someone has prepared with links, pipes and odd files in our places."""
    out, diary = place / "out", place / "diary.txt"
    (out / ".cohort").mkdir(parents=True)
    diary.write_text("mine")
    material.copy(material.case, out)
    spots = (
        ".cohort/guard", ".cohort/lock", ".cohort/tries", ".cohort/errors", "cohort.csv", "cohort.html",
        "heart/.writer.lock", "heart/report.html", "heart/review.json", ".heart.claim",
        "heart/cohort-row.json",
    )  # fmt: skip
    spot = out / dice.choice(spots)
    spot.unlink(missing_ok=True)
    way = dice.choice(("link", "link", "pipe", "text", "json"))
    if way == "link":
        spot.symlink_to(diary)
    elif way == "pipe":
        os.mkfifo(spot)
    else:
        spot.write_text(
            '{"pid": "x", "host": [], "name": -1}' if way == "json" else "\x00\xff nonsense", "utf-8"
        )
    choice = dice.choice(("resume", "overwrite", "report"))
    more = (f"--{choice}", "--no-report") if choice != "report" else ()
    arguments = (
        segment(material.scans["nii.gz"], out, material.bundle, *more) if more else ("report", out / "heart")
    )
    untouched: Check = lambda outcome: "" if diary.read_text() == "mine" else "wrote through a link"  # noqa: E731
    return Trial(f"{spot.name} is a {way}, {choice}", arguments, ANY, untouched)


def compared(material: Material, place: Path, dice: random.Random) -> Trial:
    """Label maps that are damaged, given to compare."""
    first, second = (material.copy(material.case / "segmentation.nii.gz", place / side) for side in "ab")
    what = (truncated if dice.random() < 0.5 else flipped)(second, dice)
    return Trial(f"compare, {what}", ("compare", first, second, "-o", place / "out"), ANY)


def _asked(case: Path, place: Path, dice: random.Random) -> tuple[str | Path, ...]:
    return dice.choice((("report", case), ("measure", case), ("measure", case, "-o", place / "m.json")))


def _whole(folder: Path, material: Material) -> Check:
    def check(outcome: Outcome) -> str:
        try:
            case = read_case(folder)
        except CardiacUQError as error:
            return f"not whole after --resume: {error}"
        if not (folder / "report.html").exists():
            return "the report is not restored"
        return "" if np.array_equal(case.segmentation, material.labels) else "another result"

    return check


def _one_study(folder: Path) -> Check:
    def check(outcome: Outcome) -> str:
        if outcome.code:
            return ""
        summary = json.loads((folder / "anna_cine.json").read_text("utf-8"))["study"]
        studies = {read_case(folder / f"anna_{phase}").record.study for phase in ("ED", "ES")} | {summary}
        return "" if len(studies) == 1 else "phases of two runs"

    return check


def _no_address_in(case: Path) -> Check:
    def check(outcome: Outcome) -> str:
        page = case / "report.html"
        shown = page.exists() and "url(https" in page.read_text("utf-8")
        return "an address reached the report" if shown else ""

    return check


def _no_formula(out: Path) -> Check:
    def check(outcome: Outcome) -> str:
        table = out / "cohort.csv"
        text = table.read_text("utf-8") if table.exists() else ""
        return "a formula in the table" if any(",=" in line for line in text.splitlines()) else ""

    return check


SECTIONS = (
    case_file, resealed, review_changed, study_mixed, resumed, bundle_changed, table_changed, foreign_output,
    compared,
)  # fmt: skip
