"""Fixtures of the training tests; what they are made of is in tiny_training.py and tiny_cine.py."""

from tiny_cine import acdc_like, frame_crops
from tiny_training import emidec_like, tiny_recipe_file

__all__ = ["acdc_like", "emidec_like", "frame_crops", "tiny_recipe_file"]
