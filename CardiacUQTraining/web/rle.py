"""Labels and strokes as run-length codes in the order of the case folder's files, (k, j, i) flattened."""

from __future__ import annotations

import numpy as np

from CardiacUQLib.review.decisions import Run, runs_between

MOST_RUNS = 200_000
"""More runs than a stroke over a whole stack has in the worst storage order."""


def packed(array: np.ndarray) -> bytes:
    """Every non-zero voxel of an integer array as runs (flat index, number, value): int32, little-endian."""
    return packed_runs(runs_between(np.zeros(array.shape, array.dtype), array))


def packed_runs(runs: tuple[Run, ...]) -> bytes:
    """Runs as int32 triples, little-endian."""
    return np.array(runs, "<i4").reshape(-1, 3).tobytes()


def parse_runs(value: object) -> tuple[Run, ...]:
    """The runs of a request, a list of three whole numbers each; ValueError for anything else."""
    if not isinstance(value, list) or not 0 < len(value) <= MOST_RUNS:
        raise ValueError(f"runs are a list of 1 to {MOST_RUNS} entries")
    for run in value:
        if (
            not isinstance(run, list)
            or len(run) != 3
            or not all(type(n) is int and abs(n) < 2**31 for n in run)
        ):
            raise ValueError("a run is [flat index, number of voxels, label]")
    return tuple((start, count, label) for start, count, label in value)
