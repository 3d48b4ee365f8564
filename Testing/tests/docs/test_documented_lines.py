"""Every command in README and Docs is run by a test, or stands in the table beside this with a reason."""

from __future__ import annotations

import ast
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from documented_lines import PYTHON, REPOSITORY, SHELL, Block, blocks, pages

from CardiacUQLib import phantom
from CardiacUQTraining.cli.app import COMMANDS, main

IN_ORDER = ("tutorial-clinician.md", "tutorial-annotator.md", "python.md")
"""Pages whose lines are run here one after the other in one empty folder, as a reader would."""
_TABLE = yaml.safe_load(Path(__file__).with_name("documented_lines.yaml").read_text("utf-8"))
ALONE: tuple[str, ...] = tuple(_TABLE["alone"])
ELSEWHERE: dict[str, str] = {line: test for test, lines in _TABLE["elsewhere"].items() for line in lines}
NOT_RUN: dict[str, str] = {line: reason for reason, lines in _TABLE["not_run"].items() for line in lines}
OWN_DATA = "own-data.md"
"""Its lines are run, one after the other, by training/test_own_data_tutorial.py."""


def _all() -> list[Block]:
    return [block for page in pages() for block in blocks(page)]


def _commands() -> list[tuple[str, str]]:
    return [(one.page, line) for one in _all() if one.language == SHELL for line in one.commands]


def _with_options() -> list[tuple[str, str]]:
    return [(page, line) for page, line in _commands() if "cardiacuq " in line]


def _python() -> list[tuple[str, str]]:
    return [(one.page, one.text) for one in _all() if one.language == PYTHON]


def test_every_line_is_run_or_excused() -> None:
    known = {*ALONE, *ELSEWHERE, *NOT_RUN}
    left = [
        f"{page}: {line}"
        for page, line in _commands()
        if line not in known and page not in IN_ORDER and page != OWN_DATA
    ]
    first = [(page, text.splitlines()[0]) for page, text in _python() if page not in (*IN_ORDER, "README.md")]
    left += [f"{page}: {line}" for page, line in first if line not in known and page != OWN_DATA]
    assert not left, "run it in a test, or say here why not"


def test_no_excuse_outlives_its_line() -> None:
    lines = {line for _, line in _commands()} | {text.splitlines()[0] for _, text in _python()}
    assert {*ALONE, *ELSEWHERE, *NOT_RUN} <= lines
    assert all((REPOSITORY / "Testing" / "tests" / test).is_file() for test in ELSEWHERE.values())


@pytest.mark.parametrize(("page", "line"), _with_options())
def test_every_option_that_is_documented_exists(
    page: str, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The words of the line, and --help: an option that does not exist is refused before help is shown."""
    words = shlex.split(line.replace("...", ""))
    places = [
        n for n, word in enumerate(words[:-1]) if word.endswith("cardiacuq") and words[n + 1] in COMMANDS
    ]
    if not places:
        assert line in NOT_RUN, "a line without a subcommand"
        return
    code = main([*words[places[-1] + 1 :], "--help"])
    assert code == 0, capsys.readouterr().err


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder in which ``cardiacuq`` and ``.venv/bin/cardiacuq`` are this checkout's command."""
    bin_folder = tmp_path / ".venv" / "bin"
    bin_folder.mkdir(parents=True)
    program = bin_folder / "cardiacuq"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m CardiacUQTraining.cli "$@"\n', "utf-8")
    program.chmod(0o755)
    folders = [str(bin_folder), str(Path(sys.executable).parent), os.environ["PATH"]]
    monkeypatch.setenv("PATH", os.pathsep.join(folders))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "CardiacUQ")]))
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    monkeypatch.setenv("CARDIACUQ_MODELS", str(REPOSITORY / "Resources" / "Models"))
    return tmp_path


def _run(words: list[str] | str, folder: Path) -> str:
    done = subprocess.run(
        words, cwd=folder, shell=isinstance(words, str), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{words}\n{done.stderr}"
    return done.stdout


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("page", IN_ORDER)
def test_a_tutorial_from_its_first_line_to_its_last(page: str, desk: Path) -> None:
    for block in blocks(REPOSITORY / "Docs" / page):
        if block.language == PYTHON:
            _run([sys.executable, "-c", block.text], desk)
        for line in block.commands if block.language == SHELL else ():
            if line not in ELSEWHERE:
                _run(line, desk)
    made = {
        "tutorial-clinician.md": ["out/phantom/report.html", "demo-output/phantom-cine_ED/report.html"],
        "tutorial-annotator.md": ["out/cohort.html", "both/report.html"],
        "python.md": ["out/heart/report.html", "monai-out/heart_label.nii.gz"],
    }[page]
    assert [name for name in made if not (desk / name).is_file()] == []


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("line", ALONE)
def test_a_line_by_itself(line: str, desk: Path) -> None:
    scan, _ = phantom.write(phantom.lge_phantom(3), desk / "study", "heart")
    shutil.copy(scan, desk / "lge.nii.gz")
    (desk / "study" / "heart_label.nii.gz").unlink()
    _run(line, desk)
    if "--help" not in line:
        assert list((desk / "out").glob("*/report.html"))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_python_of_the_readme(desk: Path) -> None:
    scan, _ = phantom.write(phantom.lge_phantom(3), desk, "heart")
    scan.rename(desk / "lge.nii.gz")
    (text,) = [text for page, text in _python() if page == "README.md"]
    _run([sys.executable, "-c", text], desk)
    assert (desk / "out" / "lge" / "report.html").is_file()


def test_commands_within_sentences_have_options_that_exist(capsys: pytest.CaptureFixture[str]) -> None:
    """`cardiacuq ...` between backticks: every option named there belongs to its command."""
    wrong = []
    for page in pages():
        for quoted in re.findall(r"`(cardiacuq [a-z][^`\n]*)`", page.read_text("utf-8")):
            words = shlex.split(quoted)
            if words[1] not in COMMANDS:
                continue
            options = [word.partition("=")[0] for word in words if word.startswith("--")]
            main([*words[1:2], *(words[2:3] if words[1] in ("dataset", "train") else []), "--help"])
            text = capsys.readouterr().out
            wrong += [f"{page.name}: {quoted}" for option in options if option not in text]
    assert not wrong


def test_the_page_on_own_cases_is_run_by_its_own_test() -> None:
    test = REPOSITORY / "Testing" / "tests" / "training" / "test_own_data_tutorial.py"
    assert f'"{OWN_DATA}"' in test.read_text("utf-8")


def test_python_on_pages_is_python() -> None:
    for _, text in _python():
        ast.parse(text)
