"""Views of test-time augmentation: what they move, and that they put it back."""

import pytest
import torch

from CardiacUQLib.bundles.manifest import MIRRORED, TURNED, View
from CardiacUQLib.inference.views import from_view, to_view


@pytest.mark.parametrize("view", MIRRORED)
def test_a_mirrored_view_moves_the_named_axis_and_undoes_itself(view):
    image = torch.arange(9.0).view(1, 3, 3)
    moved = to_view(image, view)
    assert moved[0, 0, 0] == {View.IDENTITY: 0.0, View.HORIZONTAL: 2.0, View.VERTICAL: 6.0}[view]
    assert torch.equal(from_view(moved, view), image)


@pytest.mark.parametrize(("view", "row"), [(View.LEFT, 40 - 10.26), (View.RIGHT, 40 + 10.26)])
def test_a_turned_view_moves_a_point_by_twenty_degrees(view, row):
    # 30 px right of the centre (40, 40); 30 sin 20 = 10.26 px up or down, 30 cos 20 = 28.19 px right
    image = torch.zeros(1, 81, 81)
    image[0, 38:43, 68:73] = 1
    y, x = torch.meshgrid(torch.arange(81.0), torch.arange(81.0), indexing="ij")
    moved = to_view(image, view)[0]
    assert float((moved * y).sum() / moved.sum()) == pytest.approx(row, abs=0.05)
    assert float((moved * x).sum() / moved.sum()) == pytest.approx(40 + 28.19, abs=0.05)


@pytest.mark.parametrize("view", TURNED)
def test_probabilities_come_back_to_their_place_and_still_sum_to_one(view):
    y, x = torch.meshgrid(torch.linspace(-2, 2, 48), torch.linspace(-2, 2, 48), indexing="ij")
    logits = torch.stack([y, x, x * y, y - x])[:, None].expand(4, 3, 48, 48)
    p = logits.softmax(dim=0)
    back = from_view(to_view(p, view), view)
    torch.testing.assert_close(back.sum(dim=0), torch.ones(3, 48, 48))
    torch.testing.assert_close(back[..., 12:36, 12:36], p[..., 12:36, 12:36], atol=0.01, rtol=0)
