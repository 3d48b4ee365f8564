"""The lines of Docs/own-data.md as they stand there; only the hours that a training is given are fewer."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from CardiacUQLib.base.errors import ExitCode
from CardiacUQLib.bundles.bundle import load_bundle
from CardiacUQTraining.cli.app import main

PAGE = Path(__file__).resolve().parents[3] / "Docs" / "own-data.md"
TINY_HOURS = "0.001"
SECTIONS = {"table": "From a folder of scans to a bundle", "nnunet": "The same from an nnU-Net folder"}


def lines(section: str) -> list[list[str]]:
    """The commands of a section, word by word, in their order."""
    text = next(part for part in PAGE.read_text("utf-8").split("\n## ") if part.startswith(section))
    return [shlex.split(line)[1:] for line in re.findall(r"^    (cardiacuq .*)$", text, re.MULTILINE)]


@pytest.mark.parametrize("section", SECTIONS.values(), ids=SECTIONS.keys())
def test_every_option_of_the_page_is_one_of_its_command(
    section: str, capsys: pytest.CaptureFixture[str]
) -> None:
    commands = lines(section)
    assert [words[0] for words in commands].count("calibrate") == 1 and len(commands) >= 7
    for words in commands:
        names = words[:2] if words[0] == "dataset" else words[:1]
        assert main([*names, "--help"]) == ExitCode.DONE
        told = capsys.readouterr().out
        for word in words:
            if word.startswith("-"):
                assert re.search(rf"(^|[\s,]){re.escape(word)}\b", told), f"{' '.join(words)}: {word}"


@pytest.mark.slow
@pytest.mark.timeout(2400)
@pytest.mark.parametrize("kind", SECTIONS)
def test_from_a_folder_to_a_calibrated_bundle_that_segments(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    commands = lines(SECTIONS[kind])
    for words in commands:
        given = [
            TINY_HOURS if before == "--hours" else word
            for before, word in zip(["", *words], words, strict=False)
        ]
        assert main(given) == ExitCode.DONE, " ".join(words)
    by_name = {words[0]: words for words in commands}
    folder = Path(by_name["calibrate"][by_name["calibrate"].index("-o") + 1])
    bundle = load_bundle(folder)
    assert bundle.manifest.folds == (0, 1, 2, 3, 4)
    assert bundle.manifest.calibration["error_probability"]["fitted_on"]["cases"] == 10
    assert "10 cases are few" in bundle.model_card
    started = "begun with the weights of" in bundle.model_card
    assert started == (kind == "table")
    if started:
        assert bundle.manifest.licence == "Apache-2.0; CC BY-NC-SA 4.0, research only"
    tested = Path(by_name["evaluate"][by_name["evaluate"].index("-o") + 1])
    assert "2 cases judged, 0 not" in (tested / "evaluation.md").read_text("utf-8")
    (report,) = Path(by_name["segment"][by_name["segment"].index("-o") + 1]).glob("*/report.html")
    assert report.stat().st_size > 100_000
