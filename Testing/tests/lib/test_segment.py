"""segment(): its maps on the image grid, choices of folds and devices, the locator, retreats from memory."""

import dataclasses

import numpy as np
import pytest
import torch
from cascade_fakes import (
    FakeBundle,
    FromMasks3D,
    Pixelwise2D,
    noise_volume,
    random_bundle,
    small_manifest,
)
from torch import nn

from CardiacUQLib.base.errors import (
    CancelledError,
    InputError,
    InsufficientMemoryError,
    ModelError,
    UsageError,
)
from CardiacUQLib.base.progress import CancelToken
from CardiacUQLib.bundles.manifest import MIRRORED, BundleKind, RoiSpec, View
from CardiacUQLib.bundles.map_catalogue import MapName
from CardiacUQLib.inference import maps
from CardiacUQLib.inference.components import find_components
from CardiacUQLib.inference.passes import Arithmetic, run_cascade
from CardiacUQLib.inference.roi import find_roi, normalise_slices
from CardiacUQLib.inference.segment import segment

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
    for array, kind in ((result.segmentation, np.uint8), (result.opinion, np.uint8), (result.dcm, np.uint8)):
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
    found = list(run_cascade(crop, bundle, Arithmetic(torch.device("cpu")), folds=(0, 1), views=MIRRORED))
    p2d, p3d = (torch.stack([getattr(p, stage) for p in found]).double().numpy() for stage in ("p2d", "p3d"))
    y, x = (int(first) for first in roi.first)
    window = np.s_[:, y : y + 32, x : x + 32]
    s2d, s3d = p2d.mean(0).argmax(0), p3d.mean(0).argmax(0)
    scs = maps.soft_correction_score(p2d, p3d)
    np.testing.assert_array_equal(result.opinion[window], s2d)
    np.testing.assert_array_equal(result.segmentation[window], s3d)
    np.testing.assert_allclose(result.maps[MapName.SCS][window], scs, atol=1e-6)
    np.testing.assert_allclose(
        result.maps[MapName.VARIANCE_2D][window], maps.ensemble_variance(p2d), atol=1e-6
    )
    np.testing.assert_allclose(result.maps[MapName.MAX_PROBABILITY][window], p3d.mean(0).max(0), atol=1e-6)
    codes = maps.discrete_correction_map(result.opinion, result.segmentation, 5)
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
    assert (run.folds, run.views) == ((0, 1), ("identity", "horizontal", "vertical"))
    assert (run.bundle, run.bundle_sha256, run.precision) == ("tiny", bundle.sha256, "float32")
    assert run.device.startswith("cpu")
    assert run.peak_memory_mb > 50
    assert set(run.timings) == {
        *(
            "locate",
            "extract",
            "load",
            "stage2d",
            "stage3d",
            "maps",
            "looks",
            "bands",
            "restore",
            "components",
        )
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
    one = segment(volume, bundle, device="cpu", folds=(1,), views=(View.IDENTITY,))
    assert (one.run.folds, one.run.views) == ((1,), ("identity",))
    assert not one.maps[MapName.VARIANCE].any()
    with pytest.raises(UsageError, match="fold 7 is not in bundle 'tiny'; it has 0, 1"):
        segment(volume, bundle, folds=(0, 7))
    with pytest.raises(UsageError, match="no fold"):
        segment(volume, bundle, folds=())
    with pytest.raises(UsageError, match="no view"):
        segment(volume, bundle, views=())


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


def test_the_standing_limitations_of_a_bundle_are_not_repeated_with_every_result(volume):
    known = small_manifest(limitations=("finds no MVO",), folds=(0,))
    networks = {("stage2d", 0): Pixelwise2D(), ("stage3d", 0): FromMasks3D()}
    found = segment(volume, FakeBundle(known, networks), device="cpu")
    assert "finds no MVO" not in found.run.warnings
    assert found.verdict is None and found.lacking == (
        "presence", "predicted_dice", "verdict", "likeness", "contour_bands",
    )  # fmt: skip


def test_noise_is_refused_in_one_line_unless_a_result_is_wanted_all_the_same(volume):
    """Random networks find no closed ring of muscle; a bundle that knows its training scans says so."""
    known = {"traits": {"closed wall": {"low": 0.9, "high": 1.0, "margin": 0.05}}}
    source = fake(Pixelwise2D(), FromMasks3D(), calibration={"likeness": known})
    with pytest.raises(InputError, match=r"nothing like a heart was found; .*--keep-unlike") as caught:
        segment(volume, source, device="cpu")
    assert caught.value.exit_code == 3 and "\n" not in str(caught.value)
    found = segment(volume, source, device="cpu", keep_unlike=True)
    assert found.unlike[0].startswith("closed wall 0") and "usual 0.9 to 1" in found.unlike[0]
    assert found.measures["headline"].startswith("Unlike the training scans: ")
    assert found.verdict is not None and found.verdict.nothing_holds
    assert all(
        entry["interval"] is entry["distribution"] is None for entry in found.measures["sizes"].values()
    )
    assert "passes" not in found.measures["headline"]


def test_a_single_view_is_enough_to_see_that_there_is_no_heart(volume):
    known = {"traits": {"closed wall": {"low": 0.9, "high": 1.0, "margin": 0.05}}}
    source = fake(Pixelwise2D(), FromMasks3D(), calibration={"likeness": known})
    with pytest.raises(InputError, match="nothing like a heart"):
        segment(volume, source, device="cpu", views=(View.IDENTITY,))
    found = segment(volume, source, device="cpu", views=(View.IDENTITY,), keep_unlike=True)
    assert found.unlike and found.verdict is not None and found.verdict.risk is None


def test_another_modality_is_unlike_the_training_scans_whatever_the_image_looks_like(volume):
    other = dataclasses.replace(volume, modality="CT")
    for views in (None, (View.IDENTITY,)):
        found = segment(other, fake(Pixelwise2D(), FromMasks3D()), device="cpu", views=views)
        assert found.unlike == ("modality CT instead of MR",)
        assert found.verdict is not None and "modality CT instead of MR" in found.verdict.reason
        assert found.measures["headline"].startswith("Unlike the training scans: ")
