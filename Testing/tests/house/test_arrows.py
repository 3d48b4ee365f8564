"""Who may import whom: CardiacUQ.py -> Widgets -> Scene -> Lib <- Training, and what may load when."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from house_fixtures import PACKAGES, Source, sources_of

QT = {"qt", "ctk", "PySide6", "PyQt5", "PyQt6", "PythonQt"}
MRML = {"slicer", "vtk", "vtkmodules", "vtkAddon"}
OURS = {"CardiacUQ", "CardiacUQWidgets", "CardiacUQScene", "CardiacUQLib", "CardiacUQTraining"}
FORBIDDEN = {
    "CardiacUQLib": QT | MRML | (OURS - {"CardiacUQLib"}),
    "CardiacUQScene": QT | (OURS - {"CardiacUQScene", "CardiacUQLib"}),
    "CardiacUQWidgets": {"CardiacUQ", "CardiacUQTraining"},
    "CardiacUQTraining": QT | MRML | (OURS - {"CardiacUQTraining", "CardiacUQLib"}),
}
HEAVY = {"torch", "monai", "pydicom", "highdicom", "matplotlib", "jinja2", "PIL", "rich", "typer"}
RUNS_NETWORKS = (
    "CardiacUQLib.networks.",
    "CardiacUQLib.inference.accumulators",
    "CardiacUQLib.inference.cascade",
    "CardiacUQLib.inference.combination",
    "CardiacUQLib.inference.ensemble",
    "CardiacUQLib.inference.jobs",
    "CardiacUQLib.inference.locator",
    "CardiacUQLib.inference.passes",
    "CardiacUQLib.inference.segment",
    "CardiacUQLib.inference.slice_context",
    "CardiacUQLib.inference.streaming",
    "CardiacUQLib.inference.views",
)
"""The only modules of the core that may load torch when they are imported."""


@pytest.mark.parametrize("package", sorted(PACKAGES))
def test_nobody_imports_against_the_arrows(package: str) -> None:
    wrong = [
        f"{source.path.name}:{found.line} imports {found.target}"
        for source in sources_of(package)
        for found in source.imports
        if found.target.split(".")[0] in FORBIDDEN[package]
    ]
    assert not wrong


def test_the_core_loads_nothing_heavy() -> None:
    light = [s for s in sources_of("CardiacUQLib") if not s.module.startswith(RUNS_NETWORKS)]
    assert len(light) > 20
    wrong = [
        f"{source.module}:{found.line} imports {found.target}"
        for source in light
        for found in source.imports
        if found.at_load and found.target.split(".")[0] in HEAVY
    ]
    assert not wrong


def test_importing_the_light_half_of_the_core_brings_no_torch() -> None:
    """What the parser cannot see: a light module that imports a heavy one of ours."""
    light = [s.module for s in sources_of("CardiacUQLib") if not s.module.startswith(RUNS_NETWORKS)]
    light = [module for module in light if not module.endswith("__main__")]
    program = "\n".join([*(f"import {m}" for m in light), "import sys", "print(*sorted(sys.modules))"])
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=PACKAGES["CardiacUQLib"].parent,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not (HEAVY | QT | MRML) & set(done.stdout.split())


def test_no_module_needs_itself_to_load(sources: list[Source]) -> None:
    known = {source.module for source in sources}
    needs = {
        source.module: {
            target
            for found in source.imports
            if found.at_load and (target := _module_of(found.target, known)) is not None
        }
        - {source.module}
        for source in sources
    }
    assert _circle(needs) == []


def _module_of(target: str, known: set[str]) -> str | None:
    """The module of ours that ``target`` (a module or a name in one) lies in."""
    if target in known:
        return target
    parent = target.rpartition(".")[0]
    return parent if parent in known else None


def _circle(needs: dict[str, set[str]]) -> list[str]:
    """Modules of one circle in order, empty if there is none."""
    finished: set[str] = set()

    def follow(module: str, trail: list[str]) -> list[str]:
        if module in trail:
            return [*trail[trail.index(module) :], module]
        if module in finished:
            return []
        for needed in sorted(needs[module]):
            if circle := follow(needed, [*trail, module]):
                return circle
        finished.add(module)
        return []

    return next((circle for module in sorted(needs) if (circle := follow(module, []))), [])


def test_the_checks_see_what_they_must_see(tmp_path: Path) -> None:
    path = tmp_path / "b.py"
    path.write_text(
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    import torch\n"
        "from .c import thing\nfrom . import d\nfrom ..e import f\n"
        "try:\n    import vtk\nexcept ImportError:\n    pass\n"
        "class K:\n    import numpy\n"
        "def g():\n    import qt\n",
        "utf-8",
    )
    found = {(i.target, i.at_load) for i in Source("P.a.b", path).imports}
    assert found == {
        ("typing.TYPE_CHECKING", True),
        ("P.a.c.thing", True),
        ("P.a.d", True),
        ("P.e.f", True),
        ("vtk", True),
        ("numpy", True),
        ("qt", False),
    }
    assert _circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert _circle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []
    assert isinstance(Source("P.a.b", path).tree, ast.Module)
