"""Who needs whom among our modules and folders, and whether anything needs itself."""

from __future__ import annotations

from collections.abc import Sequence

from house_fixtures import Source

Graph = dict[str, set[str]]


def needs_of(sources: Sequence[Source], *, at_load: bool = False) -> Graph:
    """Every module of ours with the modules of ours that it imports, at load or (not ``at_load``) later."""
    known = {source.module for source in sources}
    return {
        source.module: {
            _module_of(found.target, known) for found in source.imports if found.at_load or not at_load
        }
        - {source.module, ""}
        for source in sources
    }


def folders_of(sources: Sequence[Source]) -> Graph:
    """The same between folders. A package's own ``__init__`` lies in its folder, and what a folder holds
    beside modules, its subfolders, are folders of their own."""
    packages = {source.module for source in sources if source.path.name == "__init__.py"}
    graph: Graph = {}
    for module, needed in needs_of(sources).items():
        here = _folder_of(module, packages)
        graph.setdefault(here, set()).update({_folder_of(one, packages) for one in needed} - {here})
    return graph


def _folder_of(module: str, packages: set[str]) -> str:
    return module if module in packages else module.rpartition(".")[0]


def _module_of(target: str, known: set[str]) -> str:
    """The module of ours that ``target`` (a module or a name in one) lies in, "" if it is not ours."""
    while target and target not in known:
        target = target.rpartition(".")[0]
    return target


def circle(needs: Graph) -> list[str]:
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
