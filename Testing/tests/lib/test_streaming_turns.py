"""Turned copies of a frame and the way back."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from CardiacUQLib.inference.streaming_turns import ANGLES_DEG, turn, turned_back, turned_copies


def blob(y: float, x: float, size: int = 41) -> torch.Tensor:
    rows, columns = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    return torch.exp(-((rows - y) ** 2 + (columns - x) ** 2) / 8.0)


@pytest.mark.parametrize("angle", ANGLES_DEG)
def test_a_point_right_of_the_centre_goes_up(angle):
    """Counter-clockwise on the screen: (x, y) = (12, 0) goes to (12 cos, -12 sin), y downwards."""
    turned = turn(blob(20, 32)[None, None], angle)[0, 0].numpy()
    rows, columns = np.indices(turned.shape)
    found = [float((turned * place).sum() / turned.sum()) for place in (rows, columns)]
    a = np.radians(angle)
    np.testing.assert_allclose(found, [20 - 12 * np.sin(a), 20 + 12 * np.cos(a)], atol=0.05)


def test_copies_come_back_to_their_place_as_probabilities():
    frames = torch.stack([blob(20, 28), blob(16, 20)])[:, None]
    copies = turned_copies(frames)
    assert copies.shape == (6, 2, 1, 41, 41)
    p = torch.stack([copies, 1 - copies], dim=2)
    back = turned_back(p)
    torch.testing.assert_close(back.sum(dim=2), torch.ones(6, 2, 1, 41, 41))
    inside = (..., slice(8, 33), slice(8, 33))
    for number, angle in enumerate(ANGLES_DEG):
        exact = angle % 90 == 0
        worst = float((back[number, :, 0] - frames)[inside].abs().max())
        assert worst == 0 if exact else worst < 0.15
