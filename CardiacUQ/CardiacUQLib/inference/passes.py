"""Running the cascade once per fold and view, optionally with dropout left on.

One pass is what the paper calls one of the F runs: the 2D network slice by slice, then the 3D network
on the volume together with the infarct and MVO masks that this very 2D pass found.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from ..base.errors import ModelError, UsageError
from ..base.progress import CancelToken, ProgressCallback, ignore_progress
from ..base.timing import StepTimer
from ..bundles.manifest import CascadeInput, ClassInfo, Manifest, View
from ..networks.layout import for_inference, last_format
from .slice_context import with_neighbours
from .stages import final_prediction
from .views import from_view, to_view

STAGE_2D = "stage2d"
STAGE_3D = "stage3d"
CORRECTED_CLASSES = ("infarct", "MVO")
"""The classes whose 2D masks the 3D network sees, by name; the others are left out on purpose."""

BATCH_PIXELS = 2**21
"""Most pixels in one forward pass: far above any short-axis stack, it only bounds oversized input."""
CACHED_PIXELS = 2**16
"""Most pixels of slices that a processor takes at once, per thread: more would leave its cache."""


class NetworkSource(Protocol):
    """What a bundle offers to those who run its networks."""

    @property
    def manifest(self) -> Manifest:
        """What the bundle says about itself."""
        ...

    def network(self, network: str, fold: int, device: torch.device) -> nn.Module:
        """The named network of one fold in eval mode on ``device``."""
        ...


@dataclass(frozen=True)
class CascadePass:
    """Softmax of both stages in one pass, (C, z, y, x) float32 on the device, view undone.

    ``final`` is what the bundle's rule makes of the two, see :mod:`.stages`. ``sample`` counts repetitions
    with dropout, 0 otherwise.
    """

    fold: int
    view: View
    sample: int
    p2d: Tensor
    p3d: Tensor
    final: Tensor


@dataclass(frozen=True)
class Arithmetic:
    """Where and in which number format networks run, and the most pixels per forward pass."""

    device: torch.device
    dtype: torch.dtype = torch.float32
    batch_pixels: int = BATCH_PIXELS


def run_cascade(
    crop: np.ndarray,
    source: NetworkSource,
    arithmetic: Arithmetic,
    *,
    folds: Sequence[int],
    views: Sequence[View],
    dropout_samples: int = 0,
    seed: int = 0,
    progress: ProgressCallback = ignore_progress,
    cancel: CancelToken | None = None,
    timer: StepTimer | None = None,
) -> Iterator[CascadePass]:
    """Yield one :class:`CascadePass` per fold, dropout sample and view, in this order.

    ``crop`` is the normalised ROI, float32 (z, y, x). All views of a fold are computed in one batch;
    only that fold's networks and outputs are held. With ``dropout_samples`` T > 0 the dropout layers
    stay on and every fold runs T times, reproducibly for one ``seed`` (Monte Carlo dropout).
    ``cancel`` is checked before every batch and every yield. Raises UsageError when dropout is asked
    of networks without it, CancelledError, and what ``source.network`` raises.
    """
    cancel = cancel or CancelToken()
    timer = timer or StepTimer()
    manifest = source.manifest
    masks = corrected_channels(manifest.classes)
    sharper = tuple(manifest.sharpness.get(stage, 1.0) for stage in (STAGE_2D, STAGE_3D))
    seen = manifest.networks[STAGE_2D].in_channels
    volume = torch.from_numpy(np.ascontiguousarray(crop, np.float32)).to(arithmetic.device)
    frames = torch.stack([to_view(volume, view) for view in views])
    samples = max(1, dropout_samples)
    batches, done = 2 * samples * len(folds), 0
    for fold in folds:
        cancel.check()
        with timer.step("load"):
            net2d, net3d = (
                for_inference(source.network(stage, fold, arithmetic.device))
                for stage in (STAGE_2D, STAGE_3D)
            )
        if dropout_samples and not (_dropout_layers(net2d) or _dropout_layers(net3d)):
            raise UsageError(f"the networks of '{manifest.name}' have no dropout; leave out dropout samples")
        for sample in range(samples):
            with _dropout((net2d, net3d), seed + 1000 * fold + sample, bool(dropout_samples)):
                cancel.check()
                with timer.step("stage2d"):
                    p2d = predict_slices(net2d, frames, arithmetic, sharper[0], seen)
                done += 1
                progress(done / batches, f"2D network, fold {fold}")
                cancel.check()
                with timer.step("stage3d"):
                    inputs = correction_input(frames, p2d, masks, manifest.cascade_input)
                    p3d = predict_volumes(net3d, inputs, arithmetic, sharper[1])
                done += 1
                progress(done / batches, f"3D network, fold {fold}")
            for number, view in enumerate(views):
                cancel.check()
                pair = from_view(p2d[number], view), from_view(p3d[number], view)
                yield CascadePass(fold, view, sample, *pair, _final(*pair, manifest))


@torch.inference_mode()
def _final(p2d: Tensor, p3d: Tensor, manifest: Manifest) -> Tensor:
    return final_prediction(p2d[None], p3d[None], manifest.stage_rule, manifest.classes)[0]


@torch.inference_mode()
def predict_slices(
    net: nn.Module, frames: Tensor, arithmetic: Arithmetic, sharpness: float = 1.0, channels: int = 1
) -> Tensor:
    """Softmax (K, C, z, y, x), float32, of a 2D network over the slices of K volumes (K, z, y, x).

    With ``channels`` above 1 it sees the neighbouring slices too, see :mod:`.slice_context`.
    """
    p = _softmax(net, with_neighbours(frames, channels).flatten(0, 1), arithmetic, sharpness)
    return p.unflatten(0, frames.shape[:2]).transpose(1, 2).contiguous()


@torch.inference_mode()
def predict_volumes(net: nn.Module, inputs: Tensor, arithmetic: Arithmetic, sharpness: float = 1.0) -> Tensor:
    """Softmax (K, C, z, y, x), float32, of a 3D network over K volumes (K, channels, z, y, x)."""
    return _softmax(net, inputs, arithmetic, sharpness)


@torch.inference_mode()
def correction_input(
    frames: Tensor, p2d: Tensor, channels: tuple[int, ...], cascade_input: CascadeInput
) -> Tensor:
    """Input of the 3D network (K, 1 + masks, z, y, x): the image, then the 2D stage's masks.

    ``frames`` (K, z, y, x) and ``p2d`` (K, C, z, y, x) lie in the same, possibly flipped, frame;
    ``channels`` are the classes passed on. The masks are the arg max of ``p2d`` as 0 and 1 [paper,
    reference implementation], or with ``CascadeInput.SOFT`` the probabilities themselves.
    """
    if cascade_input is CascadeInput.SOFT:
        masks = p2d[:, list(channels)]
    else:
        labels = p2d.max(dim=1).indices  # twelve times as fast as argmax over this axis on a processor
        masks = torch.stack([labels == channel for channel in channels], dim=1).to(frames.dtype)
    return torch.cat([frames[:, None], masks], dim=1)


def corrected_channels(classes: Sequence[ClassInfo]) -> tuple[int, ...]:
    """Channels of infarct and MVO among ``classes``; raises ModelError if one is missing."""
    values = {info.name: info.value for info in classes}
    missing = [name for name in CORRECTED_CLASSES if name not in values]
    if missing:
        raise ModelError(f"the bundle has no class named '{missing[0]}'; a cascade needs infarct and MVO")
    return tuple(values[name] for name in CORRECTED_CLASSES)


def _softmax(net: nn.Module, batch: Tensor, arithmetic: Arithmetic, sharpness: float) -> Tensor:
    """Softmax over axis 1 in float32 of ``sharpness`` times the logits, in batches of at most
    ``batch_pixels`` pixels."""
    most = arithmetic.batch_pixels
    if batch.device.type == "cpu" and batch.ndim == 4:
        most = min(most, CACHED_PIXELS * torch.get_num_threads())
    at_once = max(1, most // batch[0, 0].numel())
    half = arithmetic.dtype is not torch.float32
    parts = []
    with torch.autocast(batch.device.type, dtype=arithmetic.dtype, enabled=half):
        for part in batch.split(at_once):
            logits = net(part.contiguous(memory_format=last_format(batch.ndim))).float()
            parts.append((logits if sharpness == 1 else logits * sharpness).softmax(dim=1))
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def _dropout_layers(net: nn.Module) -> list[nn.Module]:
    kinds = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout)
    return [module for module in net.modules() if isinstance(module, kinds) and module.p > 0]


@contextmanager
def _dropout(networks: Sequence[nn.Module], seed: int, active: bool) -> Iterator[None]:
    """Dropout on, everything else in eval mode, and the caller's random numbers left untouched."""
    if not active:
        yield
        return
    layers = [layer for net in networks for layer in _dropout_layers(net)]
    states = [layer.training for layer in layers]
    cuda = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else []
    try:
        for layer in layers:
            layer.train()
        with torch.random.fork_rng(devices=cuda):
            torch.manual_seed(seed)
            yield
    finally:
        for layer, state in zip(layers, states, strict=True):
            layer.train(state)
