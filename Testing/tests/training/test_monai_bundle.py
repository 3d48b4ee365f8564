"""``cardiacuq export --format monai``: metadata that MONAI accepts, and a bundle that MONAI runs."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from CardiacUQLib import phantom, segment
from CardiacUQLib.base.errors import ExitCode, InputError
from CardiacUQLib.bundles.bundle import load_bundle
from CardiacUQLib.bundles.map_catalogue import MapName
from CardiacUQLib.images.reading import read_stored_map, read_volume
from CardiacUQLib.inference.whole_model import WholeModel, map_names
from CardiacUQTraining.cli.app import main

monai_bundle = pytest.importorskip("monai.bundle")
pytest.importorskip("nibabel")
pytest.importorskip("jsonschema")

TENSOR = ("type", "format", "num_channels", "spatial_shape", "dtype", "value_range")
TEXTS = ("schema", "version", "monai_version", "pytorch_version", "numpy_version")
TEXTS += ("task", "description", "authors", "copyright")
PUBLISHED_SCHEMA = os.environ.get("CARDIACUQ_MONAI_SCHEMA", "")
"""MONAI's own schema file of 2024-07-25, where there is one."""


def _schema() -> dict[str, object]:
    """What MONAI's schema of 2024-07-25 demands, in words of our own."""
    kinds = {name: {"type": "string"} for name in TENSOR if name not in ("num_channels", "spatial_shape")}
    kinds |= {"num_channels": {"type": "integer"}, "value_range": {"type": "array"}}
    kinds["spatial_shape"] = {"type": "array", "items": {"type": ["string", "integer"]}}
    tensor = {"type": "object", "properties": kinds, "required": list(TENSOR)}
    group = {"type": "object", "additionalProperties": tensor, "minProperties": 1}
    network = {
        "type": "object",
        "properties": {"inputs": group, "outputs": group},
        "required": ["inputs", "outputs"],
    }
    properties = {name: {"type": "string"} for name in TEXTS}
    properties |= {"required_packages_version": {"type": "object"}, "network_data_format": network}
    properties |= {"references": {"type": "array", "items": {"type": "string"}}}
    return {"type": "object", "properties": properties, "required": [*TEXTS, "network_data_format"]}


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory, tiny_bundle: Path) -> Path:
    folder = tmp_path_factory.mktemp("monai") / "tiny-monai"
    assert main(["export", str(tiny_bundle), "--format", "monai", "-o", str(folder)]) == ExitCode.DONE
    return folder


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small phantom, stored with its axes in another order and direction."""
    heart = phantom.lge_phantom(3)
    path, _ = phantom.write(heart, tmp_path_factory.mktemp("scan"), "heart")
    image = sitk.PermuteAxes(sitk.ReadImage(str(path)), [1, 2, 0])
    turned = path.with_name("turned.nii.gz")
    sitk.WriteImage(sitk.Flip(image, [True, False, True]), str(turned))
    return turned


def test_the_metadata_is_accepted_offline(exported: Path, tmp_path: Path) -> None:
    schema = tmp_path / "schema.json"
    content = Path(PUBLISHED_SCHEMA).read_text("utf-8") if PUBLISHED_SCHEMA else json.dumps(_schema())
    schema.write_text(content, "utf-8")
    metadata = exported / "configs" / "metadata.json"
    monai_bundle.verify_metadata(meta_file=str(metadata), filepath=str(schema))
    broken = tmp_path / "broken.json"
    broken.write_text(json.dumps(json.loads(metadata.read_text("utf-8")) | {"task": 7}), "utf-8")
    with pytest.raises(ValueError, match="Failed validating"):
        monai_bundle.verify_metadata(meta_file=str(broken), filepath=str(schema))


def test_channels_are_named_as_they_come(exported: Path, tiny_bundle: Path) -> None:
    outputs = json.loads((exported / "configs/metadata.json").read_text("utf-8"))["network_data_format"][
        "outputs"
    ]
    manifest = load_bundle(tiny_bundle).manifest
    assert [*outputs["pred"]["channel_def"].values()] == [info.name for info in manifest.classes]
    assert outputs["label"]["num_channels"] == 1
    assert outputs["uncertainty"]["num_channels"] == len(map_names(manifest)) >= 5
    assert outputs["uncertainty"]["channel_def"]["0"] == MapName.SCS.info.explain(manifest.kind)


@pytest.mark.filterwarnings("ignore")
def test_monai_runs_it_and_finds_what_segment_finds(
    exported: Path, scan: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    monai_bundle.run(
        config_file=str(exported / "configs/inference.json"),
        meta_file=str(exported / "configs/metadata.json"),
        bundle_root=str(exported),
        image=str(scan),
        output_dir=str(tmp_path),
    )
    bundle = load_bundle(tiny_bundle)
    volume = read_volume(scan)
    result = segment(volume, bundle, device="cpu", precision="float32", keep_probabilities=True)
    label = read_stored_map(tmp_path / "turned_label.nii.gz", volume.source_geometry)
    np.testing.assert_array_equal(label, volume.storage.to_stored(result.segmentation))
    assert len(np.unique(label)) > 1
    for name, arrays in (
        ("pred", result.probabilities),
        ("uncertainty", [result.maps[one] for one in map_names(bundle.manifest)]),
    ):
        image = sitk.ReadImage(str(tmp_path / f"turned_{name}.nii.gz"))
        found = sitk.GetArrayFromImage(image)  # (c, k, j, i), or (k, j, i, c) for vectors
        wanted = np.stack([volume.storage.to_stored(one) for one in arrays])
        found = found if found.shape == wanted.shape else np.moveaxis(found, -1, 0)
        np.testing.assert_array_equal(found, wanted.astype(np.float32))


def test_the_weights_load_without_running_code(exported: Path) -> None:
    state = torch.load(exported / "models" / "model.pt", weights_only=True)  # as MONAI does
    model = WholeModel(exported / "models" / "manifest.json")
    assert model.load_state_dict(state).missing_keys == []


def test_an_image_without_a_place_is_refused(exported: Path) -> None:
    model = WholeModel(exported / "models" / "manifest.json")
    with pytest.raises(InputError, match="affine"):
        model(torch.zeros(1, 1, 64, 64, 5), torch.zeros(4, 4))
    with pytest.raises(ValueError, match="shape"):
        model(torch.zeros(1, 64, 64, 5), torch.eye(4))


def test_a_target_that_is_there_and_options_of_a_run_are_refused(
    exported: Path, tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["export", str(tiny_bundle), "--format", "monai", "-o"]
    assert main([*words, str(exported)]) == ExitCode.USAGE
    assert main([*words, str(tmp_path / "new"), "--name", "other"]) == ExitCode.USAGE
    assert "leave the other options out" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()
