"""One batch on several ranks with the result of one process, up to the rounding of sums.

Every rank draws the numbers of the whole batch, augments its share, shows it to the network, and receives
the outputs of the others, so that the loss is that of the whole batch whatever it sums over. The gradients
that reach a rank's own share add up to the gradient of that loss. Layers that mix samples (batch norm) or
draw numbers per sample (dropout) are replaced by ones that act as if they saw the whole batch.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from .ranks import Ranks


class SharedNetwork(nn.Module):
    """A network of several ranks, called with whole batches: samples along the first axis of each input.

    A second input (N, z), as the cine ensemble takes it, marks which slices of a sample the layers see.
    A rank without a sample of its own, where a batch is smaller than the ranks are many, shows the network
    the first one, so that all ranks meet in every layer, and neither output nor statistics of it count.
    """

    def __init__(self, network: nn.Module, ranks: Ranks) -> None:
        super().__init__()
        share_layers(network, ranks)
        self.network = network
        self._ranks = ranks

    def forward(self, *inputs: Tensor) -> Tensor:
        """Output for the whole batch; gradients flow to this rank's share only."""
        return self._gathered(self.network(*self._shown(inputs)), len(inputs[0]))

    def deep(self, *inputs: Tensor) -> list[Tensor]:
        """The same for each of the network's supervised outputs."""
        parts = cast(Any, self.network).deep(*self._shown(inputs))
        return [self._gathered(part, len(inputs[0])) for part in parts]

    def _shown(self, inputs: tuple[Tensor, ...]) -> list[Tensor]:
        own = self._ranks.share(len(inputs[0]))
        idle, own = own.start == own.stop, self._ranks.shown(len(inputs[0]))
        start, stop, total = own.start, own.stop, len(inputs[0])
        if len(inputs) > 1:
            seen = inputs[1].flatten(1).sum(dim=1).tolist()
            start, stop, total = sum(seen[: own.start]), sum(seen[: own.stop]), sum(seen)
        for layer in self.network.modules():
            if isinstance(layer, SharedDropout):
                layer.rows, layer.total = slice(start, stop), total
            elif isinstance(layer, SharedBatchNorm2d):
                layer.idle = idle
        return [tensor[own] for tensor in inputs]

    def _gathered(self, part: Tensor, count: int) -> Tensor:
        own = self._ranks.share(count)
        part = part[: own.stop - own.start].float()
        whole = part.new_zeros(count, *part.shape[1:])
        whole[own] = part.detach()
        self._ranks.sum(whole)
        return torch.cat([whole[: own.start], part, whole[own.stop :]])


def share_layers(network: nn.Module, ranks: Ranks) -> None:
    """Replace the layers of ``network`` that would notice that they see a share; names and weights stay."""
    for module in list(network.modules()):
        for name, layer in list(module.named_children()):
            if isinstance(layer, nn.BatchNorm2d):
                setattr(module, name, SharedBatchNorm2d(layer, ranks))
            elif isinstance(layer, nn.Dropout | nn.Dropout2d | nn.Dropout3d):
                setattr(module, name, SharedDropout(layer))


class SharedDropout(nn.Module):
    """Dropout that draws for the ``total`` rows of all ranks and applies the part of its own ``rows``."""

    def __init__(self, layer: nn.Dropout | nn.Dropout2d | nn.Dropout3d) -> None:
        super().__init__()
        self.p = layer.p
        self.channels = not isinstance(layer, nn.Dropout)
        self.rows, self.total = slice(0, 0), 0

    def forward(self, x: Tensor) -> Tensor:
        """(rows, C, ...) with the same values dropped as in one process."""
        if not self.training or self.p == 0:
            return x
        if self.channels:
            ones = x.new_ones(self.total, x.shape[1], *[1] * (x.ndim - 2))
            drawn = (functional.dropout2d if x.ndim == 4 else functional.dropout3d)(ones, self.p)
        else:  # in the order of x in memory, which is the order in which the values are drawn
            ones = torch.ones_like(x[:1]).expand(self.total, *x.shape[1:])
            last = x.ndim == 4 and not x.is_contiguous()
            layout = torch.channels_last if last else torch.contiguous_format
            drawn = functional.dropout(ones.contiguous(memory_format=layout), self.p)
        return x * drawn[self.rows]


class _SumOverRanks(torch.autograd.Function):
    """The sum over all ranks, whose gradient is the sum of theirs."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor, ranks: Ranks) -> Tensor:
        ctx.ranks = ranks
        return ranks.sum(tensor.clone())

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (gradient,) = gradients
        return ctx.ranks.sum(gradient.clone()), None


class SharedBatchNorm2d(nn.BatchNorm2d):
    """Batch norm with the statistics of all ranks' rows.

    torch's SyncBatchNorm does the same on GPUs only; this one also runs, and is tested, on processors.
    """

    def __init__(self, layer: nn.BatchNorm2d, ranks: Ranks) -> None:
        super().__init__(layer.num_features, layer.eps, layer.momentum)
        self.weight, self.bias = layer.weight, layer.bias
        for name, buffer in layer.named_buffers():
            setattr(self, name, buffer)
        self._ranks = ranks
        self.idle = False

    def forward(self, input: Tensor) -> Tensor:
        """(rows, C, y, x) normalised per channel; running averages move as in one process."""
        if not self.training:
            return super().forward(input)
        x = input.float()
        counts = 0.0 if self.idle else 1.0
        per_channel = counts * x.numel() / x.shape[1]
        count = float(self._ranks.sum(torch.tensor(per_channel, dtype=torch.float64, device=x.device)))
        mean = _SumOverRanks.apply(counts * x.sum(dim=(0, 2, 3)), self._ranks) / count
        centred = x - mean[:, None, None]
        variance = _SumOverRanks.apply(counts * centred.square().sum(dim=(0, 2, 3)), self._ranks) / count
        self._remember(mean, variance * (count / (count - 1)))
        scale = self.weight * torch.rsqrt(variance + self.eps)
        return centred * scale[:, None, None] + self.bias[:, None, None]

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor) -> None:
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        if self.momentum is None:
            raise ValueError("batch norm without momentum is not made for several processes")
        self.num_batches_tracked.add_(1)
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance, self.momentum)
