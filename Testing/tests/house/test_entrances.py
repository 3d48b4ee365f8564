"""Whatever program runs networks lets waiting threads sleep before torch loads, and can be told how many."""

from __future__ import annotations

import ast
from pathlib import Path

from house_fixtures import REPOSITORY, Import, Source
from house_graph import Graph, needs_of

from CardiacUQTraining.cli.app import COMMANDS
from CardiacUQTraining.cli.threads import RUNS_NETWORKS

SCRIPTS = ("CardiacUQ/CLI", "Tools", "Testing/benchmarks")
NETWORKS = {"CardiacUQLib.inference.explore", "CardiacUQTraining.training.loop"}
RUN_NONE = {
    "export": "writes networks, and runs one only while it is traced",
    "review": "shows finished cases; what segments lies on its way to their records",
}
"""Commands that need the code which runs networks, and why they run none."""
EXPLICIT = ("CardiacUQTraining.cli.app", "CardiacUQTraining.cohort.engine")
"""The command, which imports its parts by name, and what runs in processes that Dask started."""
DELEGATES = {"CardiacUQTraining.cli.__main__"}
"""Do nothing but call another entrance."""
TESTS = REPOSITORY / "Testing" / "tests" / "conftest.py"
POLITE = "wait_politely"


def everything_needed(modules: set[str], needs: Graph) -> set[str]:
    """``modules`` with all that they need, at load or later."""
    found: set[str] = set()
    waiting = set(modules)
    while waiting:
        found |= waiting
        waiting = {needed for module in waiting for needed in needs.get(module, ())} - found
    return found


def is_torch(found: Import) -> bool:
    """Whether torch itself is imported."""
    return found.target.split(".")[0] == "torch"


def torch_modules(sources: list[Source]) -> set[str]:
    """Modules that import torch."""
    return {one.module for one in sources if any(map(is_torch, one.imports))}


def starts_a_program(path: Path) -> bool:
    """Whether the file is run and not only imported."""
    return path.name == "__main__.py" or 'if __name__ == "__main__":' in path.read_text("utf-8")


def calls(tree: ast.AST, name: str) -> bool:
    """Whether ``name`` is called anywhere in it."""
    return any(
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name
        for node in ast.walk(tree)
    )


def loads_torch(script: Source, sources: list[Source], torch: set[str]) -> int:
    """The line of the import with which the program loads torch before its work begins; 0 if none does."""
    needs = needs_of(sources, at_load=True)
    for found in sorted((one for one in script.imports if one.at_load), key=lambda one: one.line):
        ours = {one for one in needs if f"{found.target}.".startswith(f"{one}.")}
        if is_torch(found) or everything_needed(ours, needs) & torch:
            return found.line
    return 0


def polite_in_time(script: Source, first_load: int) -> bool:
    """Whether it asks for politeness, and before the line ``first_load`` where torch loads with it."""
    if not first_load:
        return calls(script.tree, POLITE)
    early = [node for node in script.tree.body if isinstance(node, ast.Expr) and node.lineno < first_load]
    return any(calls(node, POLITE) for node in early)


def runs_torch(script: Source, needs: Graph, torch: set[str]) -> bool:
    """Whether the program may load torch by itself or by a module of ours."""
    targets = {found.target for found in script.imports}
    if any(map(is_torch, script.imports)):
        return True
    ours = {target for target in needs for found in targets if f"{found}.".startswith(f"{target}.")}
    return bool(everything_needed(ours, needs) & torch)


def entrances(sources: list[Source]) -> list[Source]:
    """Programs of ours that may load torch."""
    needs, torch = needs_of(sources), torch_modules(sources)
    found = [
        one
        for one in sources
        if starts_a_program(one.path) and everything_needed({one.module}, needs) & torch
    ]
    for folder in SCRIPTS:
        scripts = [
            Source(path.stem, path)
            for path in sorted((REPOSITORY / folder).rglob("*.py"))
            if starts_a_program(path)
        ]
        found += [script for script in scripts if runs_torch(script, needs, torch)]
    return [*found, *(one for one in sources if one.module in EXPLICIT), Source("conftest", TESTS)]


def test_every_entrance_lets_waiting_threads_sleep(sources: list[Source]) -> None:
    found = entrances(sources)
    at_load = {one.module for one in sources if any(i.at_load and is_torch(i) for i in one.imports)}
    names = {one.module for one in found}
    assert {"CardiacUQLib.__main__", "CardiacUQSegment", *EXPLICIT} <= names
    impolite = [
        one.path.relative_to(REPOSITORY).as_posix()
        for one in found
        if one.module not in DELEGATES and not polite_in_time(one, loads_torch(one, sources, at_load))
    ]
    assert not impolite, "call CardiacUQLib.base.threads.wait_politely before torch loads"


def test_an_entrance_without_it_is_found(sources: list[Source], tmp_path: Path) -> None:
    needs, torch = needs_of(sources), torch_modules(sources)
    path = tmp_path / "script.py"
    path.write_text(
        "def main():\n    from CardiacUQLib.inference.segment import segment\n"
        'if __name__ == "__main__":\n    main()\n',
        "utf-8",
    )
    script = Source("script", path)
    assert starts_a_program(path) and runs_torch(script, needs, torch) and not calls(script.tree, POLITE)
    for line, late in (("import torch", 2), ("from CardiacUQLib.inference.segment import segment", 2)):
        path.write_text(f"import os\n{line}\nwait_politely()\n", "utf-8")
        script = Source("script", path)
        assert loads_torch(script, sources, torch) == late and not polite_in_time(script, late)
    path.write_text("from CardiacUQLib.base.errors import CardiacUQError\n", "utf-8")
    assert not starts_a_program(path) and not runs_torch(Source("script", path), needs, torch)


def test_every_command_that_runs_networks_has_threads(sources: list[Source]) -> None:
    needs = needs_of(sources)
    running = {
        name for name in COMMANDS if NETWORKS & everything_needed({f"CardiacUQTraining.cli.{name}"}, needs)
    }
    assert running - set(RUN_NONE) == set(RUNS_NETWORKS)
