"""How the members of a cine ensemble become one prediction (Streaming, eqs. (2) and (3)).

Axes: members M, classes C, slices z, plane (y, x); an optional batch N comes first. Everything is
differentiable, the weights included: one loss trains all members through them.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence

import torch
from torch import Tensor


class Combination(enum.StrEnum):
    """Ways to combine members; all but UNCERTAINTY weigh every pixel alike.

    Sigma of eq. (3) reaches from 0 to 1 / C, so that the published weights of two members and four classes
    lie between .44 and .56; UNCERTAINTY takes a factor of sigma, with which they may differ more [us].

    AUGMENTING has one network; its members are the predictions on turned copies of the frame.
    """

    UNCERTAINTY = "uncertainty"
    FIXED = "fixed"
    AUGMENTING = "augmenting"


def member_consistency(p: Tensor, slices: Tensor | None = None) -> Tensor:
    """Sigma of eq. (3): how clearly a member sees one class at a pixel over all slices.

    ``p`` is softmax (..., C, z, y, x); ``slices`` boolean (..., z) marks real slices, padded ones are
    left out of the mean. Returns (..., y, x): the unbiased variance over the classes of the mean over
    the slices, from 0 (no preference) to 1 / C (one class throughout). High means *low* uncertainty.
    """
    if slices is None:
        mu = p.mean(dim=-3)
    else:
        real = slices[..., None, :, None, None].to(p.dtype)
        mu = (p * real).sum(dim=-3) / real.sum(dim=-3)
    # what ``var`` gives, which over this axis is many times slower on a processor
    return (mu - mu.mean(dim=-3, keepdim=True)).square().sum(dim=-3) / (mu.shape[-3] - 1)


def member_weights(sigma: Tensor, sharpness: float = 1.0) -> Tensor:
    """Weights of eq. (3) from sigma (..., M, y, x): softmax over the members, so they sum to 1.

    ``sharpness`` multiplies sigma; 1 as published.
    """
    return (sigma * sharpness).softmax(dim=-3)


def mixture(p: Tensor, weights: Tensor) -> Tensor:
    """Weighted sum (..., C, z, y, x) of members ``p`` (..., M, C, z, y, x): itself a distribution.

    ``weights`` is (..., M, y, x) or (M,).
    """
    if weights.ndim == 1:
        weights = weights[:, None, None]
    return (weights[..., :, None, None, :, :] * p).sum(dim=-5)


def combine(p: Tensor, weights: Tensor) -> Tensor:
    """Prediction (..., C, z, y, x) of members ``p`` (..., M, C, z, y, x).

    The :func:`mixture` goes through a final softmax as published, so that its largest value is
    e / (e + C - 1): 0.475 for four classes.
    """
    return mixture(p, weights).softmax(dim=-4)


def ensemble(
    p: Tensor,
    combination: Combination,
    slices: Tensor | None = None,
    numbers: Sequence[float] | None = None,
) -> tuple[Tensor, Tensor]:
    """Prediction and weights of members ``p`` (..., M, C, z, y, x); the weights are (..., M, y, x).

    ``slices`` (..., z) marks real slices; ``numbers`` are the weights of FIXED, equal if not given, or the
    one sharpness of UNCERTAINTY, else 1. Raises ValueError for another count of them.
    """
    members = p.shape[-5]
    if combination is Combination.UNCERTAINTY:
        mask = None if slices is None else slices[..., None, :]
        (sharpness,) = numbers or (1.0,)
        weights = member_weights(member_consistency(p, mask), sharpness)
    else:
        shares = torch.tensor(numbers or [1 / members] * members, dtype=p.dtype, device=p.device)
        if len(shares) != members:
            raise ValueError(f"{len(shares)} fixed weights for {members} members")
        shares = (shares / shares.sum())[:, None, None]
        weights = shares.expand(*p.shape[:-5], members, *p.shape[-2:])
    return combine(p, weights), weights


def relative_uncertainty(sigma: Tensor, classes: int) -> Tensor:
    """1 - sigma scaled to 0..1, the map shown to people: 0 where a member is consistent, 1 where not."""
    return 1 - sigma * classes
