"""segment(): its maps on the image grid, choices of folds and devices, the locator, retreats from memory."""

import dataclasses

import numpy as np
import pytest
import torch
from cascade_fakes import (
    FakeBundle,
    FromMasks3D,
    Pixelwise2D,
    as_test_volume,
    noise_volume,
    random_bundle,
    small_manifest,
)
from torch import nn

import CardiacUQLib
from CardiacUQLib import maps
from CardiacUQLib.components import find_components
from CardiacUQLib.device import (
    available_devices,
    choose_device,
    choose_precision,
    is_out_of_memory,
    with_less_memory,
)
from CardiacUQLib.errors import CancelledError, InsufficientMemoryError, ModelError, UsageError
from CardiacUQLib.locator import centre_of_largest
from CardiacUQLib.manifest import Architecture, BundleKind, Flip, NetworkSpec, RoiSpec
from CardiacUQLib.networks import build_network
from CardiacUQLib.passes import Arithmetic, run_cascade
from CardiacUQLib.progress import CancelToken
from CardiacUQLib.result import MapName
from CardiacUQLib.roi import find_roi, normalise_slices
from CardiacUQLib.segment import segment

CASCADE_MAPS = {
    MapName.SCS,
    MapName.VARIANCE,
    MapName.ENTROPY,
    MapName.MUTUAL_INFORMATION,
    MapName.MAX_PROBABILITY,
    MapName.VARIANCE_2D,
    MapName.ENTROPY_2D,
    MapName.MUTUAL_INFORMATION_2D,
    MapName.MAX_PROBABILITY_2D,
}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """Two folds of random weights, trained on nothing."""
    held_out = {0: ("Case_A",), 1: ("Case_B", "Case_C")}
    return random_bundle(tmp_path_factory.mktemp("models") / "tiny", held_out=held_out)


@pytest.fixture(scope="module")
def volume():
    return noise_volume()


@pytest.fixture(scope="module")
def result(bundle, volume):
    return segment(volume, bundle, device="cpu", precision="float32")


def fake(net2d, net3d, folds=(0,), **changes):
    networks = {("stage2d", f): net2d for f in folds} | {("stage3d", f): net3d for f in folds}
    return FakeBundle(small_manifest(folds, **changes), networks)


def test_everything_lies_on_the_image_grid(result, volume):
    shape = volume.array.shape
    assert set(result.maps) == CASCADE_MAPS
    for array, kind in ((result.segmentation, np.uint8), (result.stage2d, np.uint8), (result.dcm, np.uint8)):
        assert array.shape == shape
        assert array.dtype == kind
    for values in result.maps.values():
        assert values.shape == shape
        assert values.dtype == np.float32
    assert result.component_ids.dtype == np.int32
    assert result.kind is BundleKind.CASCADE


def test_maps_and_labels_are_those_of_the_stacked_passes(result, bundle, volume):
    roi = find_roi(volume, bundle.manifest.roi, None)
    crop = normalise_slices(roi.extract(volume.array))
    found = list(run_cascade(crop, bundle, Arithmetic(torch.device("cpu")), folds=(0, 1), flips=tuple(Flip)))
    p2d, p3d = (torch.stack([getattr(p, stage) for p in found]).double().numpy() for stage in ("p2d", "p3d"))
    y, x = (int(first) for first in roi.first)
    window = np.s_[:, y : y + 32, x : x + 32]
    s2d, s3d = p2d.mean(0).argmax(0), p3d.mean(0).argmax(0)
    scs = maps.soft_correction_score(p2d, p3d)
    np.testing.assert_array_equal(result.stage2d[window], s2d)
    np.testing.assert_array_equal(result.segmentation[window], s3d)
    np.testing.assert_allclose(result.maps[MapName.SCS][window], scs, atol=1e-6)
    np.testing.assert_allclose(
        result.maps[MapName.VARIANCE_2D][window], maps.ensemble_variance(p2d), atol=1e-6
    )
    np.testing.assert_allclose(result.maps[MapName.MAX_PROBABILITY][window], p3d.mean(0).max(0), atol=1e-6)
    codes = maps.discrete_correction_map(result.stage2d, result.segmentation, 5)
    expected = find_components(codes, result.maps[MapName.SCS], volume.geometry, 5)
    np.testing.assert_array_equal(result.dcm, expected.dcm)
    assert result.components == expected.components
    assert result.components, "the random networks were to disagree somewhere"


def test_outside_the_roi_is_background_without_doubt(result):
    outside = np.ones(result.segmentation.shape, bool)
    outside[:, 4:36, 6:38] = False
    assert not result.segmentation[outside].any()
    assert not result.dcm[outside].any()
    for name, values in result.maps.items():
        certain = 1.0 if name in (MapName.MAX_PROBABILITY, MapName.MAX_PROBABILITY_2D) else 0.0
        assert (values[outside] == certain).all(), name


def test_record_and_volumes(result, bundle):
    run = result.run
    assert (run.folds, run.flips) == ((0, 1), ("identity", "horizontal", "vertical"))
    assert (run.bundle, run.bundle_sha256, run.precision) == ("tiny", bundle.sha256, "float32")
    assert run.device.startswith("cpu")
    assert run.peak_memory_mb > 50
    assert set(run.timings) == {
        *("locate", "extract", "load", "stage2d", "stage3d", "maps", "restore", "components")
    }
    assert run.versions["torch"] == torch.__version__
    assert run.warnings == ()
    infarct = np.count_nonzero(result.segmentation == 3) * 1.5 * 1.5 * 10 / 1000
    assert result.measures["volumes_ml"]["infarct"] == pytest.approx(infarct)
    assert set(result.measures["volumes_ml"]) == {"blood pool", "healthy myocardium", "infarct", "MVO"}


def test_pass_volumes_are_those_of_each_pass():
    net2d, net3d = Pixelwise2D(), FromMasks3D()
    found = segment(noise_volume(), fake(net2d, net3d), device="cpu", precision="float32")
    assert found.pass_volumes_ml.shape == (3, 5)
    np.testing.assert_allclose(found.pass_volumes_ml.sum(axis=1), 3 * 32 * 32 * 0.0225)
    # these networks move with the image: all passes agree with each other and with the mean
    for row in found.pass_volumes_ml:
        np.testing.assert_allclose(row[1:], list(found.measures["volumes_ml"].values()))
    assert found.maps[MapName.VARIANCE].max() < 1e-12


def test_pass_volumes_count_resampled_voxels_by_their_own_size():
    found = segment(noise_volume(), fake(Pixelwise2D(), FromMasks3D(), roi=RoiSpec(16, 3.0)), device="cpu")
    np.testing.assert_allclose(found.pass_volumes_ml.sum(axis=1), 3 * 16 * 16 * 0.09)
    assert found.segmentation.shape == (3, 40, 44)


def test_result_does_not_depend_on_the_brightness_of_the_image(bundle, volume, result):
    brighter = dataclasses.replace(volume, array=volume.array * 7 + 300)
    again = segment(brighter, bundle, device="cpu", precision="float32")
    assert np.count_nonzero(again.segmentation != result.segmentation) <= 2


def test_chosen_folds_and_flips(bundle, volume):
    one = segment(volume, bundle, device="cpu", folds=(1,), flips=(Flip.IDENTITY,))
    assert (one.run.folds, one.run.flips) == ((1,), ("identity",))
    assert not one.maps[MapName.VARIANCE].any()
    with pytest.raises(UsageError, match="fold 7 is not in bundle 'tiny'; it has 0, 1"):
        segment(volume, bundle, folds=(0, 7))
    with pytest.raises(UsageError, match="no fold"):
        segment(volume, bundle, folds=())
    with pytest.raises(UsageError, match="no flip"):
        segment(volume, bundle, flips=())


def test_a_training_case_is_given_only_to_the_fold_that_never_saw_it(bundle, volume):
    assert segment(volume, bundle, device="cpu", held_out_case="Case_C").run.folds == (1,)
    with pytest.raises(ModelError, match="held out case 'Case_X'"):
        segment(volume, bundle, held_out_case="Case_X")
    with pytest.raises(ModelError, match="held out case 'Case_A'"):
        segment(volume, bundle, folds=(1,), held_out_case="Case_A")


def test_progress_rises_from_zero_to_one(bundle, volume):
    shares = []
    segment(volume, bundle, device="cpu", progress=lambda share, _: shares.append(share))
    assert shares[0] == 0
    assert shares[-1] == 1
    assert shares == sorted(shares)
    assert len(set(shares)) >= 6


def test_cancel_stops_between_batches(bundle, volume):
    token = CancelToken()
    told = []

    def after_first_batch(share, comment):
        told.append(comment)
        if comment.startswith("2D network"):
            token.cancel()

    with pytest.raises(CancelledError):
        segment(volume, bundle, device="cpu", progress=after_first_batch, cancel=token)
    assert told[-1] == "2D network, fold 0"


def test_unusable_bundles_are_named_in_one_line(bundle, volume):
    streaming = FakeBundle(small_manifest(kind=BundleKind.STREAMING), {})  # without a member
    with pytest.raises(ModelError, match="streaming"):
        segment(volume, streaming)
    shuffled = small_manifest(classes=bundle.manifest.classes[::-1])
    with pytest.raises(ModelError, match="number its classes"):
        segment(volume, FakeBundle(shuffled, {}))
    with pytest.raises(ModelError, match="no numbers"):
        segment(volume, fake(Pixelwise2D(shift=float("nan")), FromMasks3D()), device="cpu")


# -- the locator


class BrightIsHeart(nn.Module):
    """Heart where the normalised image exceeds 1."""

    def forward(self, x):
        return torch.cat([torch.zeros_like(x), 20 * (x - 1)], dim=1)


def with_locator(**changes):
    manifest = small_manifest(
        (0, 1),
        roi=RoiSpec(32, None, locator_spacing_mm=3.0, locator_size_px=64),
        **changes,
    )
    locator = NetworkSpec(Architecture.UNET_2D, 1, 2, (4, 8))
    manifest = dataclasses.replace(manifest, networks={**manifest.networks, "locator": locator})
    networks = {}
    for fold in (0, 1):
        networks |= {
            ("stage2d", fold): Pixelwise2D(),
            ("stage3d", fold): FromMasks3D(),
            ("locator", fold): BrightIsHeart(),
        }
    return FakeBundle(manifest, networks)


def test_the_locator_centres_the_roi_on_the_largest_bright_region():
    array = np.random.default_rng(0).normal(10, 1, (4, 100, 120))
    array[1:3, 20:40, 70:94] += 100  # centre (29.5, 81.5)
    array[:, 80:86, 10:16] += 100  # smaller
    bundle = with_locator()
    found = segment(as_test_volume(array), bundle, device="cpu", precision="float32")
    assert found.run.warnings == ()
    assert [fold for name, fold, _ in bundle.asked if name == "locator"] == [0, 1]
    rows, columns = np.nonzero((found.maps[MapName.ENTROPY] > 0).any(axis=0))
    # the ROI of 32 pixels about the centre, up to the half pixel that rounding may move it
    assert abs((rows.min() + rows.max()) / 2 - 29.5) <= 1.0
    assert abs((columns.min() + columns.max()) / 2 - 81.5) <= 1.0
    assert (np.ptp(rows) + 1, np.ptp(columns) + 1) == (32, 32)


def test_without_a_heart_the_image_centre_is_used_and_said():
    ramp = np.broadcast_to(np.linspace(0, 0.01, 44), (3, 40, 44))
    bundle = with_locator()
    for fold in (0, 1):
        bundle.networks["locator", fold] = NoHeart()
    found = segment(as_test_volume(ramp + np.arange(40)[:, None]), bundle, device="cpu", precision="float32")
    assert found.run.warnings == (
        "no heart found by the coarse pass: the networks looked at the image centre",
    )
    assert (found.maps[MapName.ENTROPY][:, 4:36, 6:38] > 0).all()


class NoHeart(nn.Module):
    """Never a heart."""

    def forward(self, x):
        return torch.cat([torch.ones_like(x), torch.zeros_like(x)], dim=1)


def test_centre_of_the_largest_component():
    mask = np.zeros((3, 10, 10), bool)
    mask[0, 1, 1] = True
    mask[0, 4:7, 5] = mask[1, 4:7, 6] = True
    assert centre_of_largest(mask) == (5.0, 5.5)
    assert centre_of_largest(np.zeros((3, 4, 4), bool)) is None


# -- devices and memory


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
        ({"avx512_bf16": True}, torch.bfloat16),
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


class Greedy(nn.Module):
    """Runs out of memory above ``most`` items per batch."""

    def __init__(self, inner, most):
        super().__init__()
        self.inner, self.most = inner, most

    def forward(self, x):
        if x.shape[0] > self.most:
            raise torch.OutOfMemoryError("out of memory")
        return self.inner(x)


def test_smaller_batches_give_the_same_result_and_are_recorded():
    plain = segment(noise_volume(), fake(Pixelwise2D(), FromMasks3D()), device="cpu", precision="float32")
    source = fake(Greedy(Pixelwise2D(), 3), FromMasks3D())
    found = segment(noise_volume(), source, device="cpu", precision="float32")
    np.testing.assert_array_equal(found.segmentation, plain.segmentation)
    np.testing.assert_allclose(found.maps[MapName.SCS], plain.maps[MapName.SCS], atol=1e-6)
    # 9 slices of 32 x 32 at first; 4 still fail, 2 fit
    assert [w.split("at most ")[-1] for w in found.run.warnings] == ["4608 pixels", "2304 pixels"]


def test_too_little_memory_on_the_cpu_is_the_error_of_exit_code_5():
    with pytest.raises(InsufficientMemoryError):
        segment(noise_volume(), fake(Greedy(Pixelwise2D(), 0), FromMasks3D()), device="cpu")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_a_full_gpu_falls_back_to_the_cpu(bundle, volume, result):
    class FullGpu(FakeBundle):
        def network(self, network, fold, device):
            if device.type == "cuda":
                raise torch.OutOfMemoryError("CUDA out of memory")
            return bundle.network(network, fold, device)

    found = segment(volume, FullGpu(bundle.manifest, {}), device="cuda", precision="float32")
    assert found.run.device.startswith("cpu")
    assert "repeated on the CPU" in found.run.warnings[-1]
    np.testing.assert_array_equal(found.segmentation, result.segmentation)


# -- number formats


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
