"""What holds for every file: one screenful of purpose, no pickles, no paths of one machine, one version."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

from house_fixtures import REPOSITORY, Source

from CardiacUQLib.base.version import __version__

LONGEST_MODULE = 400
LONGEST_TEST = 500
TEXT = {".py", ".md", ".toml", ".txt", ".yaml", ".json", ".csv", ".html", ".xml", ".ui", ".cmake", ""}
MACHINE_PATH = re.compile(r"(?<![\w.~>/-])/(?:work|tmp|root|home|Users|mnt)/[\w.-]+|\b[A-Z]:\\\\?Users")
PICKLES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
PICKLING_CALLS = {"torch.load", "torch.save"}
WRITTEN_FOR_OTHERS = {("CardiacUQTraining.export.monai_bundle", "torch.save")}
"""MONAI knows no other format for weights; nothing of ours reads it."""


def test_files_stay_readable_in_one_sitting(tracked_files: list[Path]) -> None:
    too_long = []
    for path in tracked_files:
        if path.suffix == ".py":
            limit = LONGEST_TEST if "Testing" in path.relative_to(REPOSITORY).parts else LONGEST_MODULE
            count = len(path.read_text("utf-8").splitlines())
            if count > limit:
                too_long.append(f"{path.relative_to(REPOSITORY)}: {count} lines, at most {limit}")
    assert not too_long


def test_no_file_names_a_place_on_one_machine(tracked_files: list[Path]) -> None:
    found = []
    for path in tracked_files:
        if path.suffix in TEXT and path.name != "LICENSE.txt":
            for number, line in enumerate(path.read_text("utf-8", errors="replace").splitlines(), 1):
                if MACHINE_PATH.search(line) and "MACHINE_PATH" not in line:
                    found.append(f"{path.relative_to(REPOSITORY)}:{number}: {line.strip()[:80]}")
    assert not found


def test_the_search_for_places_finds_them() -> None:
    assert MACHINE_PATH.search("open('/home/me/scan.nii')")
    assert MACHINE_PATH.search("path = /tmp/x")
    assert not MACHINE_PATH.search("see https://example.org/home/page")
    assert not MACHINE_PATH.search("#!/usr/bin/env python-real")


def test_nothing_is_pickled(sources: list[Source]) -> None:
    found = []
    for source in sources:
        pickles = [i for i in source.imports if i.target.split(".")[0] in PICKLES]
        found += [f"{source.module}:{i.line} {i.target}" for i in pickles]
        for node in ast.walk(source.tree):
            called = ast.unparse(node) if isinstance(node, ast.Attribute) else ""
            if called in PICKLING_CALLS and (source.module, called) not in WRITTEN_FOR_OTHERS:
                found.append(f"{source.module}:{node.lineno} {called}")
            if isinstance(node, ast.keyword) and node.arg == "allow_pickle" and _is_true(node.value):
                found.append(f"{source.module}:{node.value.lineno} allow_pickle=True")
    assert not found


def _is_true(node: ast.expr) -> bool:
    return not (isinstance(node, ast.Constant) and node.value is False)


def test_one_version_everywhere() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["version"] == __version__


def test_every_requirement_is_pinned_in_the_constraints() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    wanted = {_name(requirement) for group in groups for requirement in group}
    lines = (REPOSITORY / "constraints.txt").read_text("utf-8").split()
    pinned = {_name(line) for line in lines if re.fullmatch(r"[\w.-]+==[\w.+]+", line)}
    assert len(pinned) == len(lines)
    assert wanted <= pinned
    assert "torch==2.13.0" in lines


def _name(requirement: str) -> str:
    """The package of a requirement, spelt as PyPI compares names."""
    return re.sub(r"[-_.]+", "-", re.split(r"[<>=!~\[; ]", requirement)[0]).lower()


def test_no_bundle_is_too_large_for_the_repository(tracked_files: list[Path]) -> None:
    models = REPOSITORY / "Resources" / "Models"
    total = sum(path.stat().st_size for path in tracked_files if models in path.parents)
    assert total <= 40e6
    for path in tracked_files:
        assert models in path.parents or path.stat().st_size <= 2.5e6, path
