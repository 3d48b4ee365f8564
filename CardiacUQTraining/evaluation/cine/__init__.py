"""Judging a cine ensemble: Dice and end slices, volumes and EF, members and weights, cost (Streaming)."""
