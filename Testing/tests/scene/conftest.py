"""Fixtures of this area; their code has a name of its own so that tests may import from it."""

from scene_fixtures import app, made_cases, shown

__all__ = ["app", "made_cases", "shown"]
