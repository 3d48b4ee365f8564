"""Devices, number formats and what happens when memory runs out."""

import numpy as np
import pytest
import torch
from cascade_fakes import FakeBundle, small_manifest
from torch import nn

import CardiacUQLib
from CardiacUQLib.base.errors import InsufficientMemoryError, ModelError, UsageError
from CardiacUQLib.bundles.map_catalogue import MapName
from CardiacUQLib.inference.device import (
    available_devices,
    choose_device,
    choose_precision,
    is_out_of_memory,
    with_less_memory,
)
from CardiacUQLib.inference.roi import find_roi, normalise_slices
from CardiacUQLib.inference.segment import segment
from CardiacUQLib.networks import build_network


def test_unknown_and_absent_devices_are_refused_with_those_found():
    with pytest.raises(UsageError, match=r"device .tpu. is not available; use auto or one of: .*cpu"):
        choose_device("tpu")
    with pytest.raises(UsageError, match="cuda:99"):
        choose_device("cuda:99")
    assert choose_device("cpu").type == "cpu"
    assert str(choose_device("auto")) == available_devices()[0]


def test_precision_follows_the_processor(monkeypatch):
    cpu = torch.device("cpu")
    for abilities, expected in (
        ({"avx512_bf16": True, "amx_bf16": False}, torch.float32),
        ({"avx512_bf16": False, "amx_bf16": True}, torch.bfloat16),
        ({"avx512_bf16": False, "amx_bf16": False}, torch.float32),
        ({}, torch.float32),
    ):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda abilities=abilities: abilities)
        assert choose_precision("auto", cpu) is expected
        assert choose_precision("bf16", cpu) is torch.bfloat16
        assert choose_precision("float32", cpu) is torch.float32
    with pytest.raises(UsageError, match="'double' is unknown; use one of: auto, float32, bf16"):
        choose_precision("double", cpu)


def test_what_counts_as_out_of_memory():
    with pytest.raises(RuntimeError) as refused:
        torch.empty(2**50)
    assert is_out_of_memory(refused.value)
    assert is_out_of_memory(MemoryError())
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory"))
    assert is_out_of_memory(RuntimeError("MPS backend out of memory (MPS allocated: 1 GB)"))
    assert not is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    assert not is_out_of_memory(ValueError("out of memory"))


def test_retreat_halves_the_batch_then_leaves_the_gpu():
    tried, said = [], []

    def run(device, pixels):
        tried.append((device.type, pixels))
        if device.type == "cuda":
            raise torch.OutOfMemoryError("CUDA out of memory")
        return "done"

    assert with_less_memory(run, torch.device("cuda"), 1000, 300, said.append) == "done"
    assert tried == [("cuda", 1000), ("cuda", 500), ("cuda", 300), ("cpu", 1000)]
    assert len(said) == 3
    assert "repeated on the CPU" in said[-1]


def test_retreat_ends_when_the_cpu_fails_too_and_keeps_other_errors():
    def run(device, pixels):
        raise MemoryError

    with pytest.raises(InsufficientMemoryError, match="smallest batch"):
        with_less_memory(run, torch.device("cpu"), 4, 1, lambda line: None)

    def wrong(device, pixels):
        raise RuntimeError("shapes do not fit")

    with pytest.raises(RuntimeError, match="shapes"):
        with_less_memory(wrong, torch.device("cpu"), 4, 1, lambda line: None)


def dice(first, second):
    """Dice of two label maps over all foreground classes: twice what agrees by what there is."""
    agree = np.count_nonzero((first == second) & (first > 0))
    return 2 * agree / (np.count_nonzero(first) + np.count_nonzero(second))


def fitted_bundle(volume, labels):
    """Both stages fitted to one phantom, so that their decisions are those of trained networks."""
    torch.manual_seed(0)
    manifest = small_manifest((0,), size_px=64, filters=(8, 16, 16))
    roi = find_roi(volume, manifest.roi, None)
    crop = torch.from_numpy(normalise_slices(roi.extract(volume.array)))
    truth = torch.from_numpy(roi.extract(labels).astype(np.int64))
    net2d, net3d = (build_network(manifest.networks[name]) for name in ("stage2d", "stage3d"))
    masks = torch.stack([crop, (truth == 3).float(), (truth == 4).float()])[None]
    for net, inputs, target in ((net2d, crop[:, None], truth), (net3d, masks, truth[None])):
        optimiser = torch.optim.Adam(net.parameters(), 0.01)
        for _ in range(40):
            optimiser.zero_grad()
            loss = nn.functional.cross_entropy(net(inputs), target)
            loss.backward()
            optimiser.step()
    return FakeBundle(manifest, {("stage2d", 0): net2d, ("stage3d", 0): net3d})


@pytest.mark.timeout(600)  # fits two networks, which a busy machine does slowly
def test_bfloat16_and_float32_give_the_same_labels():
    from CardiacUQLib.phantom import as_volume, lge_phantom

    try:
        bundle, fitted = CardiacUQLib.load_bundle("lge-cascade"), False
    except ModelError:
        fitted = True
    shape = (3, 64, 64) if fitted else (5, 128, 128)
    phantom = lge_phantom(3, shape=shape, infarct=True, mvo=True, noise=0.05)
    volume = as_volume(phantom)
    if fitted:
        bundle = fitted_bundle(volume, phantom.labels)
    full, half = (segment(volume, bundle, device="cpu", precision=name) for name in ("float32", "bf16"))
    assert (full.run.precision, half.run.precision) == ("float32", "bfloat16")
    assert np.count_nonzero(full.segmentation) > 100
    assert not np.array_equal(full.maps[MapName.ENTROPY], half.maps[MapName.ENTROPY])
    assert dice(full.segmentation, half.segmentation) >= 0.995
