"""The source files as the tests of the house see them."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]
PACKAGES = {
    "CardiacUQLib": REPOSITORY / "CardiacUQ" / "CardiacUQLib",
    "CardiacUQScene": REPOSITORY / "CardiacUQ" / "CardiacUQScene",
    "CardiacUQWidgets": REPOSITORY / "CardiacUQ" / "CardiacUQWidgets",
    "CardiacUQTraining": REPOSITORY / "CardiacUQTraining",
}


@dataclass(frozen=True)
class Import:
    """One imported name: ``target`` as absolute dotted path, ``at_load`` if it runs with the module."""

    target: str
    line: int
    at_load: bool


@dataclass(frozen=True)
class Source:
    """One module of ours."""

    module: str
    path: Path

    @cached_property
    def tree(self) -> ast.Module:
        """Its syntax tree."""
        return ast.parse(self.path.read_text("utf-8"), str(self.path))

    @cached_property
    def imports(self) -> tuple[Import, ...]:
        """All its imports but those that only type checkers see."""
        return tuple(self._walk(self.tree, True))

    def _walk(self, node: ast.AST, at_load: bool) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
                for other in child.orelse:
                    yield from self._walk(other, at_load)
            elif isinstance(child, ast.Import):
                for alias in child.names:
                    yield Import(alias.name, child.lineno, at_load)
            elif isinstance(child, ast.ImportFrom):
                for alias in child.names:
                    yield Import(f"{self.origin(child)}.{alias.name}", child.lineno, at_load)
            else:
                inside = isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
                yield from self._walk(child, at_load and not inside)

    def origin(self, node: ast.ImportFrom) -> str:
        """Where ``from ... import`` takes its names from, as absolute dotted path."""
        if node.level == 0:
            return node.module or ""
        parts = self.module.split(".")
        if self.path.name != "__init__.py":
            parts = parts[:-1]
        parts = parts[: len(parts) - node.level + 1]
        return ".".join([*parts, *([node.module] if node.module else [])])


def private_uses(source: Source, modules: set[str]) -> list[str]:
    """Places where ``source`` takes a name with a leading underscore out of another of ``modules``."""
    found, named = [], {}
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ImportFrom):
            origin = source.origin(node)
            for alias in node.names:
                target = f"{origin}.{alias.name}"
                if target in modules:
                    named[alias.asname or alias.name] = target
                elif origin in modules and _is_private(alias.name):
                    found.append((node.lineno, target))
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and _is_private(node.attr):
            origin = named.get(node.value.id)
            found += [(node.lineno, f"{origin}.{node.attr}")] if origin else []
    return [f"{source.module}:{line} {target}" for line, target in sorted(found)]


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.endswith("__")


def sources_of(package: str) -> list[Source]:
    """All modules of ``package``; an empty list if it is not there yet."""
    folder = PACKAGES[package]
    found = []
    for path in sorted(folder.rglob("*.py")):
        parts = [package, *path.relative_to(folder).with_suffix("").parts]
        if parts[-1] == "__init__":
            parts.pop()
        found.append(Source(".".join(parts), path))
    return found


@pytest.fixture(scope="session")
def sources() -> list[Source]:
    """Every module of every package."""
    return [source for package in PACKAGES for source in sources_of(package)]


@pytest.fixture(scope="session")
def tracked_files() -> list[Path]:
    """Every file that belongs to the project; without git, every file outside the ignored folders."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY,
        capture_output=True,
        check=False,
    )
    if listing.returncode == 0:
        names = listing.stdout.decode("utf-8").split("\0")
        return [REPOSITORY / name for name in names if name and (REPOSITORY / name).is_file()]
    ignored = {".git", ".venv", "runs", "demo-output", "build", "__pycache__"}
    return [
        path
        for path in sorted(REPOSITORY.rglob("*"))
        if path.is_file() and not ignored & set(path.relative_to(REPOSITORY).parts)
    ]
