"""The command as a whole, and demo, models and report."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from cli_fixtures import REPOSITORY, Outcome, everything_in

from CardiacUQLib.base.errors import ExitCode
from CardiacUQLib.base.version import __version__
from CardiacUQLib.bundles.classes import LGE_CLASSES
from CardiacUQTraining.cli.app import COMMANDS
from CardiacUQTraining.evaluation.shared.dice import dice_by_name

Command = Callable[..., Outcome]


def test_help_names_every_command_and_loads_nothing_heavy() -> None:
    program = (
        "import sys; from CardiacUQTraining.cli.app import main; code = main(['--help']);"
        "print('LOADED', *sorted(sys.modules)); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=REPOSITORY,
        capture_output=True,
        encoding="utf-8",
        check=False,
        env={"PYTHONPATH": f"{REPOSITORY}:{REPOSITORY / 'CardiacUQ'}", "COLUMNS": "80", "PATH": ""},
    )
    page, _, loaded = done.stdout.partition("LOADED")
    assert (done.returncode, done.stderr) == (0, "")
    for name, text in COMMANDS.items():
        assert f"  {name} " in page
        assert text in page, "the help line must fit on a terminal of 80 columns"
    assert not {"torch", "numpy", "SimpleITK", "matplotlib", "monai"} & set(loaded.split())


def test_version(cardiacuq: Command) -> None:
    assert cardiacuq("--version").out == f"cardiacuq {__version__}\n"


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_explains_itself(name: str, cardiacuq: Command) -> None:
    outcome = cardiacuq(name, "--help")
    assert (outcome.code, outcome.err) == (ExitCode.DONE, "")
    assert f"cardiacuq {name}" in outcome.out
    assert "Options" in outcome.out


@pytest.mark.parametrize(
    "arguments", [(), ("nonsense",), ("segment",), ("segment", "x", "--wrong"), ("report",)]
)
def test_wrong_usage_is_exit_code_2(arguments: tuple[str, ...], cardiacuq: Command) -> None:
    outcome = cardiacuq(*arguments)
    assert outcome.code == ExitCode.USAGE
    assert "Traceback" not in outcome.err


@pytest.mark.parametrize(
    ("module", "word"),
    [
        ("matplotlib", "pip install 'cardiacuq[report]'"),
        ("jinja2", "installation is incomplete"),
        ("highdicom", "pip install 'cardiacuq[dicom]'"),
        ("CardiacUQTraining.cli.report", "installation is incomplete"),
    ],
)
def test_a_missing_package_is_named_with_its_extra(
    module: str, word: str, cardiacuq: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    import CardiacUQTraining.cli.report as report

    def needs_it() -> None:
        raise ModuleNotFoundError(f"No module named '{module}'", name=module)

    monkeypatch.setattr(report, "command", needs_it)
    outcome = cardiacuq("report")
    assert outcome.code == ExitCode.USAGE
    assert word in outcome.error_line


def test_dice_by_hand() -> None:
    truth = np.array([[0, 1, 1, 2], [2, 2, 3, 0]])
    predicted = np.array([[0, 1, 2, 2], [2, 0, 0, 0]])
    scores = dice_by_name(predicted, truth, LGE_CLASSES)
    assert scores == {
        "blood pool": pytest.approx(2 * 1 / (1 + 2)),
        "healthy myocardium": pytest.approx(2 * 2 / (3 + 3)),
        "infarct": 0.0,
        "MVO": 1.0,
    }


def test_demo_makes_segments_and_scores_and_can_be_repeated(
    cardiacuq: Command, tiny_bundle: Path, tmp_path: Path
) -> None:
    arguments = ("demo", "-o", tmp_path / "demo", "--model", tiny_bundle, "--seed", "5")
    first = cardiacuq(*arguments)
    assert (first.code, first.err) == (ExitCode.DONE, "")
    for name in ("blood pool", "healthy myocardium", "infarct", "MVO", "mean", "mean of those there"):
        assert f"  {name} " in first.out
    page = tmp_path / "demo" / "phantom" / "report.html"
    assert str(page) in first.out
    assert page.stat().st_size > 100_000
    labels = (tmp_path / "demo" / "phantom" / "segmentation.nii.gz").read_bytes()
    assert cardiacuq(*arguments).out == first.out
    assert (tmp_path / "demo" / "phantom" / "segmentation.nii.gz").read_bytes() == labels


def test_models_lists_bundles_with_version_licence_size_and_figures(
    cardiacuq: Command, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CARDIACUQ_MODELS", str(tiny_bundle.parent))
    outcome = cardiacuq("models")
    assert outcome.code == ExitCode.DONE
    entry = outcome.out[outcome.out.index("tiny-cascade 0.0.1") :]
    size = sum(len(content) for content in everything_in(tiny_bundle).values()) / 1e6
    for part in ("Random weights for tests", f"2 folds, {size:.1f} MB", "Apache-2.0", "mean dice: 0.01"):
        assert part in entry
    card = cardiacuq("models", "tiny-cascade")
    assert card.out == (tiny_bundle / "MODEL_CARD.md").read_text("utf-8")
    assert cardiacuq("models", "nonesuch").code == ExitCode.MODEL


def test_report_is_made_anew_from_the_case_folder(
    cardiacuq: Command, scan: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    options = ("--model", tiny_bundle, "--folds", "0", "--no-tta", "--device", "cpu")
    assert cardiacuq("segment", scan, "-o", tmp_path / "out", *options).code == ExitCode.DONE
    folder = tmp_path / "out" / "heart"
    page = (folder / "report.html").read_text("utf-8")
    (folder / "report.html").write_text("gone")
    outcome = cardiacuq("report", folder)
    assert (outcome.code, outcome.err) == (ExitCode.DONE, "")
    assert (folder / "report.html").read_text("utf-8") == page
    scan.unlink()
    assert cardiacuq("report", folder).code == ExitCode.DONE
    assert "could not be read again" in (folder / "report.html").read_text("utf-8")


def test_report_on_something_else_is_one_line(cardiacuq: Command, tmp_path: Path) -> None:
    assert cardiacuq("report", tmp_path).code == ExitCode.INPUT
    (tmp_path / "case.json").write_text(json.dumps({"format": "cardiacuq-case"}))
    outcome = cardiacuq("report", tmp_path)
    assert outcome.code == ExitCode.INPUT
    assert "case.json" in outcome.error_line
    assert sorted(path.name for path in tmp_path.iterdir()) == ["case.json"]


def test_the_film_of_the_cine_demo_and_its_truth_are_written(tmp_path: Path) -> None:
    from CardiacUQLib.images.cine import read_cine
    from CardiacUQLib.phantom import cine_phantom
    from CardiacUQTraining.cli.demo_cine import true_ef, write_film

    heart = cine_phantom(3, n_frames=4)
    film = read_cine(write_film(heart, tmp_path, "phantom"))
    truth = read_cine(tmp_path / "phantom_label.nii.gz")
    assert len(film) == len(truth) == 4
    cavity = heart.ed.classes[-1].value
    assert (truth.stored[0] == cavity).sum() == (heart.ed.labels == cavity).sum()
    assert 0 < true_ef(heart, heart.ed.classes) < 100


def test_every_command_can_be_quiet_and_verbose(cardiacuq: Command, tiny_bundle: Path) -> None:
    quiet = cardiacuq("models", tiny_bundle, "--quiet")
    assert (quiet.code, quiet.out, quiet.err) == (ExitCode.DONE, "", "")
    verbose = cardiacuq("models", tiny_bundle, "-v")
    assert "For tests only" in verbose.out and f"cardiacuq {__version__}, Python 3." in verbose.err
    failed = cardiacuq("models", "nonesuch", "-q", "-v")
    assert failed.code == ExitCode.MODEL
    assert "Traceback" in failed.err and failed.err.splitlines()[-1].startswith("cardiacuq: nonesuch")


@pytest.mark.parametrize(
    ("line", "word", "offered"),
    [
        ("cardiacuq ca", 1, {"calibrate"}),
        ("cardiacuq train --ho", 2, {"--hours"}),
        ("cardiacuq mod", 1, {"models"}),
    ],
)
def test_a_shell_completes_commands_and_their_options(line: str, word: int, offered: set[str]) -> None:
    asked = {"COMP_WORDS": line, "COMP_CWORD": str(word), "_CARDIACUQ_COMPLETE": "complete_bash"}
    done = subprocess.run(
        [sys.executable, "-m", "CardiacUQTraining.cli"],
        cwd=REPOSITORY,
        capture_output=True,
        encoding="utf-8",
        check=False,
        env={"PYTHONPATH": f"{REPOSITORY}:{REPOSITORY / 'CardiacUQ'}", **asked},
    )
    assert set(done.stdout.split()) == offered and done.stderr == ""
