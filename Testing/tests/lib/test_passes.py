"""The passes of the cascade: order, batches, views, masks, dropout, cancellation."""

import dataclasses
import gc

import numpy as np
import pytest
import torch
from cascade_fakes import FakeBundle, FromMasks3D, Pixelwise2D, Ramp2D, small_manifest
from torch import nn

from CardiacUQLib.base.errors import CancelledError, ModelError, UsageError
from CardiacUQLib.base.progress import CancelToken
from CardiacUQLib.bundles.manifest import MIRRORED, CascadeInput, ClassInfo, Code, View
from CardiacUQLib.inference.passes import (
    Arithmetic,
    corrected_channels,
    correction_input,
    predict_slices,
    run_cascade,
)
from CardiacUQLib.networks import build_network

CPU = Arithmetic(torch.device("cpu"))
CROP = np.random.default_rng(3).normal(size=(3, 16, 16)).astype(np.float32)


def fake(net2d, net3d, folds=(0,), **changes):
    networks = {("stage2d", f): net2d for f in folds} | {("stage3d", f): net3d for f in folds}
    return FakeBundle(small_manifest(folds, **changes), networks)


def real(folds=(0, 1)):
    torch.manual_seed(0)
    manifest = small_manifest(folds)
    networks = {(n, f): build_network(spec) for n, spec in manifest.networks.items() for f in folds}
    return FakeBundle(manifest, networks)


def passes(source, folds=(0,), views=MIRRORED, arithmetic=CPU, **options):
    return list(run_cascade(CROP, source, arithmetic, folds=folds, views=views, **options))


class Counting(nn.Module):
    """Passes its batches on to ``inner`` and remembers their shapes and layout."""

    def __init__(self, inner):
        super().__init__()
        self.inner, self.seen = inner, []

    def forward(self, x):
        self.seen.append(
            (tuple(x.shape), x.is_contiguous(memory_format=torch.channels_last) if x.ndim == 4 else None)
        )
        assert torch.is_inference_mode_enabled()
        return self.inner(x)


def test_folds_times_flips_in_order_with_softmax_of_both_stages():
    found = passes(real(), folds=(0, 1))
    assert [(p.fold, p.view, p.sample) for p in found] == [(f, view, 0) for f in (0, 1) for view in MIRRORED]
    for one in found:
        for p in (one.p2d, one.p3d):
            assert p.shape == (5, 3, 16, 16)
            assert p.dtype == torch.float32
            torch.testing.assert_close(p.sum(dim=0), torch.ones(3, 16, 16))


def test_sharpness_multiplies_the_logits_of_its_stage_and_leaves_the_masks_alone():
    plain, sharp = real((0,)), real((0,))
    sharp.manifest = dataclasses.replace(sharp.manifest, sharpness={"stage2d": 3.0, "stage3d": 2.0})
    for before, after in zip(passes(plain), passes(sharp), strict=True):
        for name, factor in (("p2d", 3.0), ("p3d", 2.0)):
            p = getattr(before, name) ** factor
            torch.testing.assert_close(getattr(after, name), p / p.sum(dim=0), atol=1e-5, rtol=1e-4)


def test_all_slices_and_flips_of_a_fold_are_one_batch():
    net2d, net3d = Counting(Pixelwise2D()), Counting(FromMasks3D())
    passes(fake(net2d, net3d, (0, 1)), folds=(0, 1))
    assert net2d.seen == [((9, 1, 16, 16), True)] * 2
    assert net3d.seen == [((3, 3, 3, 16, 16), None)] * 2


def test_a_pixel_limit_splits_the_batches_without_changing_the_result():
    net2d, net3d = Counting(Pixelwise2D()), Counting(FromMasks3D())
    found = passes(fake(net2d, net3d), arithmetic=Arithmetic(torch.device("cpu"), batch_pixels=4 * 256))
    assert [shape[0] for shape, _ in net2d.seen] == [4, 4, 1]
    assert [shape[0] for shape, _ in net3d.seen] == [1, 1, 1]
    for part, whole in zip(found, passes(fake(Pixelwise2D(), FromMasks3D())), strict=True):
        torch.testing.assert_close(part.p2d, whole.p2d)
        torch.testing.assert_close(part.p3d, whole.p3d)


def test_a_network_that_moves_with_the_image_gives_the_same_in_every_flip():
    identity, horizontal, vertical = passes(fake(Pixelwise2D(), FromMasks3D()))
    assert not torch.allclose(identity.p2d, identity.p2d.flip(-1), atol=0.1)
    assert not torch.allclose(identity.p3d, identity.p3d.flip(-2), atol=0.1)
    for flipped in (horizontal, vertical):
        torch.testing.assert_close(flipped.p2d, identity.p2d)
        torch.testing.assert_close(flipped.p3d, identity.p3d)


def test_a_network_that_depends_on_position_sees_the_flipped_image():
    found = passes(fake(Ramp2D(), FromMasks3D()))
    image = torch.from_numpy(CROP)
    for one in found:
        frame = torch.flip(image, one.view.axes)
        p2d = Ramp2D()(frame[:, None]).softmax(dim=1)
        labels = p2d.argmax(dim=1)
        stacked = torch.stack([frame, (labels == 3).float(), (labels == 4).float()])
        p3d = FromMasks3D()(stacked[None]).softmax(dim=1)[0]
        torch.testing.assert_close(one.p2d, torch.flip(p2d.transpose(0, 1), one.view.axes))
        torch.testing.assert_close(one.p3d, torch.flip(p3d, one.view.axes))
    assert not torch.allclose(found[0].p2d, found[1].p2d, atol=0.05)


def test_masks_of_the_corrected_classes_only():
    frames = torch.tensor([[[[1.5, -1.0, 0.5]]]])
    p2d = torch.zeros(1, 5, 1, 1, 3)
    p2d[0, :, 0, 0, 0] = torch.tensor([0.0, 0.1, 0.2, 0.6, 0.1])
    p2d[0, :, 0, 0, 1] = torch.tensor([0.0, 0.5, 0.2, 0.3, 0.0])
    p2d[0, :, 0, 0, 2] = torch.tensor([0.0, 0.1, 0.1, 0.1, 0.7])
    hard = correction_input(frames, p2d, (3, 4), CascadeInput.ONE_HOT)
    torch.testing.assert_close(hard[0, :, 0, 0], torch.tensor([[1.5, -1.0, 0.5], [1, 0, 0], [0, 0, 1]]))
    soft = correction_input(frames, p2d, (3, 4), CascadeInput.SOFT)
    torch.testing.assert_close(
        soft[0, :, 0, 0], torch.tensor([[1.5, -1.0, 0.5], [0.6, 0.3, 0.1], [0.1, 0.0, 0.7]])
    )


def test_soft_input_reaches_the_3d_network():
    hard, soft = (
        passes(fake(Pixelwise2D(), FromMasks3D(), cascade_input=kind), views=(View.IDENTITY,))[0]
        for kind in CascadeInput
    )
    torch.testing.assert_close(hard.p2d, soft.p2d)
    assert not torch.allclose(hard.p3d, soft.p3d, atol=0.05)


def test_corrected_classes_are_found_by_name():
    def info(value, name):
        return ClassInfo(value, name, "#000000", Code("X", "Y", "Z"))

    classes = (info(0, "background"), info(1, "MVO"), info(2, "infarct"))
    assert corrected_channels(classes) == (2, 1)
    with pytest.raises(ModelError, match="'MVO'"):
        corrected_channels((classes[0], classes[2]))


def test_dropout_samples_differ_repeat_with_their_seed_and_leave_no_trace():
    source = real((0,))
    before = torch.get_rng_state()
    plain = passes(source, views=(View.IDENTITY,))[0]
    first, again = (passes(source, views=(View.IDENTITY,), dropout_samples=3, seed=7) for _ in range(2))
    other = passes(source, views=(View.IDENTITY,), dropout_samples=3, seed=8)
    assert [p.sample for p in first] == [0, 1, 2]
    for one, same in zip(first, again, strict=True):
        assert torch.equal(one.p3d, same.p3d)
    assert not torch.allclose(first[0].p3d, first[1].p3d)
    assert not torch.allclose(first[0].p3d, other[0].p3d)
    assert torch.equal(torch.get_rng_state(), before)
    assert not any(m.training for net in source.networks.values() for m in net.modules())
    assert torch.equal(passes(source, views=(View.IDENTITY,))[0].p3d, plain.p3d)


def test_dropout_without_dropout_layers_is_refused():
    with pytest.raises(UsageError, match="no dropout"):
        passes(fake(Pixelwise2D(), FromMasks3D()), dropout_samples=2)


def test_progress_rises_to_one_and_names_the_fold():
    told = []
    passes(real(), folds=(0, 1), progress=lambda share, comment: told.append((share, comment)))
    assert [share for share, _ in told] == [0.25, 0.5, 0.75, 1.0]
    assert told[0][1] == "2D network, fold 0"
    assert told[3][1] == "3D network, fold 1"


def test_cancelled_before_the_first_batch_runs_nothing():
    token = CancelToken()
    token.cancel()
    source = real()
    with pytest.raises(CancelledError):
        passes(source, cancel=token)
    assert source.asked == []


def test_cancelled_between_passes_stops_there():
    token = CancelToken()
    source = real()
    generator = run_cascade(CROP, source, CPU, folds=(0, 1), views=MIRRORED, cancel=token)
    next(generator)
    token.cancel()
    with pytest.raises(CancelledError):
        next(generator)
    assert {fold for _, fold, _ in source.asked} == {0}


def live_bytes():
    tensors = [thing for thing in gc.get_objects() if type(thing) is torch.Tensor]
    storages = {tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes() for tensor in tensors}
    return sum(storages.values())


def test_memory_does_not_grow_with_the_folds():
    folds = tuple(range(6))
    held = []
    for one in run_cascade(CROP, fake(Pixelwise2D(), FromMasks3D(), folds), CPU, folds=folds, views=MIRRORED):
        if one.view is View.VERTICAL:
            held.append(live_bytes())
    outputs_of_a_fold = 2 * 3 * one.p2d.nbytes
    assert len(held) == 6
    assert max(held[1:]) - min(held[1:]) < outputs_of_a_fold / 10
    assert held[-1] - held[0] < outputs_of_a_fold / 10


def test_inference_mode_does_not_leak_to_the_consumer():
    generator = run_cascade(CROP, real(), CPU, folds=(0,), views=MIRRORED)
    next(generator)
    assert not torch.is_inference_mode_enabled()


def test_bfloat16_outputs_are_float32_and_close():
    net = build_network(small_manifest().networks["stage2d"]).eval()
    frames = torch.from_numpy(CROP)[None]
    full = predict_slices(net, frames, CPU)
    half = predict_slices(net, frames, Arithmetic(torch.device("cpu"), torch.bfloat16))
    assert half.dtype == torch.float32
    assert not torch.equal(full, half)
    torch.testing.assert_close(half, full, atol=0.03, rtol=0)
