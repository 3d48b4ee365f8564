"""A cine frame through `segment`: labels, disagreement as corrections, maps, and the case folder."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from cascade_fakes import FakeBundle, small_manifest
from torch import nn

from CardiacUQLib.bundles.bundle import load_bundle, write_manifest, write_weights
from CardiacUQLib.bundles.classes import CINE_CLASSES
from CardiacUQLib.bundles.manifest import BundleKind, Manifest, RoiSpec
from CardiacUQLib.bundles.map_catalogue import MapName
from CardiacUQLib.cases.casefolder import read_case
from CardiacUQLib.cases.writing import write_case
from CardiacUQLib.inference.maps import decode_dcm
from CardiacUQLib.inference.segment import segment
from CardiacUQLib.inference.streaming_cleanup import main_parts
from CardiacUQLib.networks import build_network
from CardiacUQLib.networks.spec import Architecture, NetworkSpec
from CardiacUQLib.phantom import as_volume, cine_phantom

SPEC = NetworkSpec(Architecture.STREAMING_UNET, 1, 4, (4, 8), 0.1)


class Threshold(nn.Module):
    """LV where the frame is brighter than a level, background elsewhere, with a given certainty."""

    def __init__(self, level: float, certainty: float) -> None:
        super().__init__()
        self.level, self.certainty = level, certainty

    def forward(self, x):
        inside = (x > self.level).float() * self.certainty
        zero = torch.zeros_like(x)
        return torch.cat([self.certainty - inside, zero, zero, inside], dim=1)


@pytest.fixture(scope="module")
def volume():
    return as_volume(cine_phantom(3, shape=(5, 64, 64), spacing=(3.0, 3.0, 10.0)).ed)


@pytest.fixture
def members():
    manifest = small_manifest(
        folds=(0,),
        kind=BundleKind.STREAMING,
        classes=CINE_CLASSES,
        networks={"member0": SPEC, "member1": SPEC},
        roi=RoiSpec(64, None),
    )
    networks = {("member0", 0): Threshold(0.4, 8.0), ("member1", 0): Threshold(0.6, 3.0)}
    return FakeBundle(manifest, networks)


def test_the_certain_member_wins_and_the_other_is_the_correction(members, volume):
    result = segment(volume, members, device="cpu")
    grey = (volume.array - volume.array.min()) / np.ptp(volume.array)
    sure = np.where(grey > 0.4, 3, 0).astype(np.uint8)
    heart = main_parts(sure, CINE_CLASSES)
    assert np.array_equal(result.segmentation, heart)
    disagree, apart = (heart == 3) & (grey <= 0.6), sure != heart
    assert np.array_equal(result.opinion != result.segmentation, disagree | apart)
    codes = {decode_dcm(code, 4) for code in np.unique(result.dcm[result.dcm > 0])}
    assert {(0, 3)} <= codes <= {(0, 3), (3, 0)}, "parts that were dropped show up as corrections too"
    assert all({c.was, c.became} == {0, 3} and c.voxels >= 10 for c in result.components)
    scs = result.maps[MapName.SCS]
    assert float(scs[disagree].min()) > float(scs[grey <= 0.4].max())


def test_the_uncertainty_map_is_one_plane_for_all_slices(members, volume):
    plane = segment(volume, members, device="cpu").maps[MapName.UNCERTAINTY]
    assert np.ptp(plane, axis=0).max() < 1e-6
    assert 0 <= plane.min() <= plane.max() <= 1


def test_sigma_and_weight_of_every_member_are_kept(members, volume):
    """The sure member has the larger sigma, weights follow eq. (3), both the same in every slice."""
    maps = segment(volume, members, device="cpu").maps
    sigma = np.stack([maps[MapName.SIGMA_0], maps[MapName.SIGMA_1]])
    weight = np.stack([maps[MapName.WEIGHT_0], maps[MapName.WEIGHT_1]])
    assert MapName.SIGMA_2 not in maps and MapName.WEIGHT_2 not in maps
    np.testing.assert_allclose(weight, np.exp(sigma) / np.exp(sigma).sum(axis=0), atol=1e-5)
    assert np.ptp(weight, axis=1).max() == np.ptp(sigma, axis=1).max() == 0
    dark = (volume.array - volume.array.min()) / np.ptp(volume.array) < 0.4
    both_sure_of_background = dark.all(axis=0)
    assert (weight[0] > weight[1])[:, both_sure_of_background].all()


@pytest.fixture
def bundle(tmp_path):
    """A real bundle of two folds with two random members each."""
    torch.manual_seed(0)
    weights = tuple(
        write_weights(build_network(SPEC).state_dict(), tmp_path / "cine", f"member{n}", fold)
        for fold in (0, 1)
        for n in (0, 1)
    )
    manifest = Manifest(
        "cine", "1", BundleKind.STREAMING, "t", "l", "d", CINE_CLASSES, RoiSpec(32, 4.0),
        {"member0": SPEC, "member1": SPEC}, weights,
    )  # fmt: skip
    write_manifest(manifest, tmp_path / "cine")
    return load_bundle(tmp_path / "cine")


def test_a_cine_case_folder_comes_back_as_it_was(bundle, volume, tmp_path):
    result = segment(volume, bundle, device="cpu")
    assert result.pass_volumes_ml.shape == (2 * 3, 4)
    folder = write_case(result, tmp_path / "out", name="ED")
    case = read_case(folder)
    assert np.array_equal(case.segmentation, result.segmentation)
    assert np.array_equal(case.opinion, result.opinion)
    assert case.maps.keys() >= {MapName.UNCERTAINTY, MapName.SCS}
