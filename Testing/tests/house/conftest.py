"""Fixtures of this area; their code has a name of its own so that tests may import from it."""

from house_fixtures import sources, tracked_files

__all__ = ["sources", "tracked_files"]
