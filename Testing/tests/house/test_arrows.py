"""Who may import whom: CardiacUQ.py -> Widgets -> Scene -> Lib <- Training, and what may load when."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
from house_fixtures import PACKAGES, REPOSITORY, Source, private_uses, sources_of
from house_graph import circle, folders_of, needs_of

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
    "CardiacUQLib.inference.cavity",
    "CardiacUQLib.inference.combination",
    "CardiacUQLib.inference.empty_slices",
    "CardiacUQLib.inference.ensemble",
    "CardiacUQLib.inference.explore",
    "CardiacUQLib.inference.found",
    "CardiacUQLib.inference.insertion",
    "CardiacUQLib.inference.jobs",
    "CardiacUQLib.inference.locator",
    "CardiacUQLib.inference.looking",
    "CardiacUQLib.inference.passes",
    "CardiacUQLib.inference.segment",
    "CardiacUQLib.inference.slice_context",
    "CardiacUQLib.inference.streaming",
    "CardiacUQLib.inference.views",
    "CardiacUQLib.inference.whole_model",
    "CardiacUQLib.studies.shown",
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


def test_private_names_stay_in_their_module(sources: list[Source]) -> None:
    assert [
        line for source in sources for line in private_uses(source, {one.module for one in sources})
    ] == []


def test_every_room_is_on_the_page_and_imports_only_rooms_before_it(sources: list[Source]) -> None:
    """The tables of Docs/architecture.md, read in their order."""
    page = (REPOSITORY / "Docs" / "architecture.md").read_text("utf-8")
    graph = folders_of(sources)
    for package, heading in (
        ("CardiacUQLib", "Rooms of the core"),
        ("CardiacUQTraining", "Rooms of the training"),
    ):
        section = page.split(f"## {heading}")[1].split("\n## ")[0]
        rooms = [f"{package}.{name}" for name in re.findall(r"^\| `([\w.]+)` \|", section, re.MULTILINE)]
        inside = {folder for folder in graph if folder.startswith(f"{package}.") and graph[folder]}
        assert inside <= set(rooms), "rooms that the page does not name"
        assert set(rooms) <= set(graph), "rooms that are no longer there"
        against = {
            (room, needed)
            for number, room in enumerate(rooms)
            for needed in graph[room]
            if needed in rooms and rooms.index(needed) > number
        }
        assert not against


def test_no_module_needs_itself(sources: list[Source]) -> None:
    """Imports inside functions count: a circle that is put off is still one."""
    assert circle(needs_of(sources)) == []


def test_no_folder_needs_itself(sources: list[Source]) -> None:
    assert circle(folders_of(sources)) == []


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
    path.write_text(
        "from .c import _x, y\nfrom . import d as e\nfrom .f import __version__\nprint(e._z, y._own)\n",
        "utf-8",
    )
    uses = private_uses(Source("P.a.b", path), {"P.a.c", "P.a.d", "P.a.f"})
    assert uses == ["P.a.b:1 P.a.c._x", "P.a.b:4 P.a.d._z"]
    assert isinstance(Source("P.a.b", path).tree, ast.Module)


def test_a_circle_is_found_between_modules_and_between_folders(tmp_path: Path) -> None:
    files = {
        "P.__init__": "",
        "P.a.__init__": "",
        "P.b.__init__": "",
        "P.a.one": "from ..b import three",
        "P.a.two": "def later():\n    from .four import f",
        "P.a.four": "from . import two",
        "P.b.three": "",
        "P.b.five": "def later():\n    from ..a.one import x",
    }
    sources = []
    for module, text in files.items():
        path = tmp_path.joinpath(*module.split(".")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        sources.append(Source(module.removesuffix(".__init__"), path))
    assert circle(needs_of(sources)) == ["P.a.four", "P.a.two", "P.a.four"], "it is put off, not gone"
    apart = [source for source in sources if source.module != "P.a.four"]
    assert circle(needs_of(apart)) == []
    assert circle(folders_of(apart)) == ["P.a", "P.b", "P.a"]
    assert circle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []
