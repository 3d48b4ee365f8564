"""Training: recipes, the loop, and what either method brings to it."""
