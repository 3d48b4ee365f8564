"""Examples in docstrings say what is true."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]
ROOTS = {"CardiacUQLib": REPOSITORY / "CardiacUQ", "CardiacUQTraining": REPOSITORY}


def _modules_with_examples() -> list[str]:
    found = []
    for package, root in ROOTS.items():
        for path in sorted((root / package).rglob("*.py")):
            if ">>> " in path.read_text("utf-8"):
                parts = path.relative_to(root).with_suffix("").parts
                found.append(".".join(parts).removesuffix(".__init__"))
    return found


MODULES = _modules_with_examples()


def test_there_are_examples() -> None:
    assert "CardiacUQLib.inference.maps" in MODULES and "CardiacUQLib.images.volume" in MODULES


@pytest.mark.parametrize("name", MODULES)
def test_every_example_gives_what_it_says(name: str) -> None:
    failed, tried = doctest.testmod(importlib.import_module(name))
    assert tried > 0 and failed == 0
