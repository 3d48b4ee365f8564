"""Our networks with PyTorch's own layers, as others write them: what benchmarks compare with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from unittest import mock

from torch.nn import functional

from CardiacUQLib.networks import streaming_unet, supervision, unet2d, unet3d


@contextmanager
def plain_layers() -> Iterator[None]:
    """Within this block the networks call the layers themselves instead of :mod:`.networks.planes`."""
    plain = {
        "instance_norm": lambda x, norm: norm(x),
        "halved": lambda x: functional.max_pool2d(x, 2),
        "pointwise": lambda x, layer: layer(x),
        "convolved": lambda x, layer: layer(x),
    }
    with ExitStack() as stack:
        for module in (unet2d, unet3d, supervision, streaming_unet):
            for name in plain.keys() & vars(module).keys():
                stack.enter_context(mock.patch.object(module, name, plain[name]))
        yield
