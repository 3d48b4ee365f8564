"""Fixtures of the training tests; what they are made of is in tiny_training.py."""

from tiny_training import emidec_like, tiny_recipe_file

__all__ = ["emidec_like", "tiny_recipe_file"]
