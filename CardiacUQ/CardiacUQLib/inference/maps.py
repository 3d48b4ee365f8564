"""The voxel-wise maps, from passes stacked in memory, and the discrete correction codes.

Every function takes numpy arrays or torch tensors and returns the same kind. Probabilities of one
prediction are (C, ...), of F passes (F, C, ...); the trailing axes are free, usually (z, y, x).
:mod:`CardiacUQLib.inference.accumulators` gives the same maps pass by pass, without the stack.
"""

from __future__ import annotations

import math
from typing import Any, TypeVar

import numpy as np

Array = TypeVar("Array", bound=Any)
"""A numpy array or a torch tensor."""


def soft_correction_score(p2d: Array, p3d: Array) -> Array:
    """Soft Correction Score of F passes, equation (1) of the cascade paper.

    ``p2d`` and ``p3d`` are softmax outputs (F, C, ...), views undone. Returns (...): the absolute
    difference averaged over passes and classes, 0 .. 2/C. Raises ValueError if the shapes differ.

    One pass, two classes, two voxels: at the first the stages agree, at the second they exclude each other.

    >>> p2d = np.array([[[0.9, 1.0], [0.1, 0.0]]])
    >>> p3d = np.array([[[0.9, 0.0], [0.1, 1.0]]])
    >>> soft_correction_score(p2d, p3d).tolist()
    [0.0, 1.0]
    """
    if p2d.shape != p3d.shape:
        raise ValueError(f"the stages differ in shape: {tuple(p2d.shape)} and {tuple(p3d.shape)}")
    return abs(p2d - p3d).mean(axis=1).mean(axis=0)


def ensemble_variance(p: Array) -> Array:
    """Variance of the softmax outputs (F, C, ...) over the passes, averaged over classes: (...).

    Population variance (divided by F, not F - 1): the passes are the whole ensemble, not a sample
    drawn from a larger one, and a single pass then has variance 0 instead of none.
    """
    return ((p - p.mean(axis=0)) ** 2).mean(axis=0).mean(axis=0)


def entropy(p: Array, *, axis: int = 0, normalised: bool = False) -> Array:
    """Shannon entropy of the probabilities ``p`` over the class ``axis``, in nats (0 log 0 = 0).

    0 .. ln C, or 0 .. 1 with ``normalised`` (divided by ln C).

    >>> entropy(np.array([0.5, 0.5]), normalised=True).item()
    1.0
    """
    # rounding can leave a probability just above 1, whose term would be negative
    nats = _negative_p_log_p(p).sum(axis=axis).clip(min=0)
    return nats / math.log(p.shape[axis]) if normalised else nats


def mutual_information(p: Array) -> Array:
    """What the passes (F, C, ...) disagree about: entropy of the mean minus mean entropy, in nats."""
    return information_gain(p.mean(axis=0), entropy(p, axis=1).mean(axis=0))


def information_gain(mean_p: Array, mean_member_entropy: Array) -> Array:
    """Mutual information from its two running means; clipped at 0, which only rounding can pass."""
    return (entropy(mean_p) - mean_member_entropy).clip(min=0)


def maximum_probability(p: Array) -> Array:
    """Probability of the most likely class of ``p`` (C, ...): (...), 1/C .. 1."""
    return p.max(axis=0) if isinstance(p, np.ndarray) else p.amax(dim=0)


def discrete_correction_map(s2d: np.ndarray, s3d: np.ndarray, n_classes: int) -> np.ndarray:
    """Discrete Correction Map (DCM) of two label maps, as section 2.3 of the cascade paper defines it.

    S2D * C + S3D where the labels differ, else 0; uint8, same shape. Raises ValueError if the shapes
    differ, a label is not below C, or C exceeds 16 (the codes would not fit into a byte).

    Healthy myocardium (2) that became infarct (3), with five classes, and a voxel that stayed what it was:

    >>> discrete_correction_map(np.array([2, 1]), np.array([3, 1]), 5).tolist()
    [13, 0]
    """
    if s2d.shape != s3d.shape:
        raise ValueError(f"the label maps differ in shape: {s2d.shape} and {s3d.shape}")
    if not 2 <= n_classes <= 16:
        raise ValueError(f"correction codes need 2 to 16 classes, not {n_classes}")
    for labels in (s2d, s3d):
        if labels.size and not 0 <= labels.min() <= labels.max() < n_classes:
            raise ValueError(f"labels must lie in 0..{n_classes - 1}")
    codes = s2d.astype(np.uint8) * np.uint8(n_classes) + s3d.astype(np.uint8)
    return np.where(s2d != s3d, codes, np.uint8(0))


def decode_dcm(code: int, n_classes: int) -> tuple[int, int]:
    """The (2D label, final label) pair of one correction code.

    Raises ValueError for a number that encodes no correction: 0, a pair of equal labels, or C * C
    and more.

    >>> decode_dcm(13, 5)
    (2, 3)
    """
    was, became = divmod(int(code), n_classes)
    if not 0 < code < n_classes * n_classes or was == became:
        raise ValueError(f"{code} is no correction code of {n_classes} classes")
    return was, became


def _negative_p_log_p(p: Array) -> Array:
    if isinstance(p, np.ndarray):
        from scipy.special import entr  # a good part of a second, which the scene does not wait for

        return entr(p)
    import torch

    return torch.special.entr(p)
