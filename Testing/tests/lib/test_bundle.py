"""Bundles: what is whole loads, everything else is one line and exit code 4."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from CardiacUQLib.base.errors import ExitCode, ModelError
from CardiacUQLib.bundles.bundle import (
    bundle_folders,
    list_bundles,
    load_bundle,
    sha256_of,
    write_manifest,
    write_weights,
)
from CardiacUQLib.bundles.classes import LGE_CLASSES
from CardiacUQLib.bundles.manifest import BundleKind, Manifest, RoiSpec
from CardiacUQLib.networks import build_network
from CardiacUQLib.networks.spec import Architecture, NetworkSpec

SPECS = {
    "stage2d": NetworkSpec(Architecture.UNET_2D, 1, 5, (4, 8), 0.1),
    "stage3d": NetworkSpec(Architecture.UNET_3D, 3, 5, (4, 8), 0.1),
}


def write_bundle(folder: Path, folds: tuple[int, ...] = (0, 1), **changes: object) -> Manifest:
    """A tiny cascade with seeded random weights."""
    torch.manual_seed(0)
    weights = tuple(
        write_weights(build_network(spec).state_dict(), folder, name, fold)
        for fold in folds
        for name, spec in SPECS.items()
    )
    manifest = Manifest(
        name=folder.name,
        version="1.2",
        kind=BundleKind.CASCADE,
        title="Tiny cascade für Tests",
        licence="CC0",
        training_data="noise",
        classes=LGE_CLASSES,
        roi=RoiSpec(32, None),
        networks=SPECS,
        weights=weights,
        held_out={0: ("a", "b"), 1: ()},
        calibration={"error_probability": {"weights": [0.5, 1.0]}},
    )
    manifest = dataclasses.replace(manifest, **changes)
    write_manifest(manifest, folder)
    return manifest


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny"
    write_bundle(folder)
    (folder / "MODEL_CARD.md").write_text("# Tiny: für Tests\n", "utf-8")
    return folder


@pytest.fixture
def folder(original: Path, tmp_path: Path) -> Path:
    return shutil.copytree(original, tmp_path / "tiny")


def edit(folder: Path, **changes: object) -> None:
    """Set (or with ... delete) entries of the manifest's JSON; a callable gets the old entry."""
    path = folder / "manifest.json"
    document = json.loads(path.read_text("utf-8"))
    for key, value in changes.items():
        if value is ...:
            del document[key]
        else:
            document[key] = value(document[key]) if callable(value) else value
    path.write_text(json.dumps(document), "utf-8")


def refused(folder: Path | str, message: str) -> None:
    with pytest.raises(ModelError, match=message) as caught:
        load_bundle(folder)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == ExitCode.MODEL


def test_bundle_comes_back(folder: Path) -> None:
    bundle = load_bundle(folder)
    assert bundle.manifest.name == "tiny"
    assert bundle.manifest.folds == (0, 1)
    assert bundle.manifest.held_out == {0: ("a", "b"), 1: ()}
    assert bundle.manifest.networks == SPECS
    assert bundle.manifest.classes == LGE_CLASSES
    assert bundle.model_card == "# Tiny: für Tests\n"
    assert bundle.folder == folder


def test_bundle_without_card(folder: Path) -> None:
    (folder / "MODEL_CARD.md").unlink()
    assert load_bundle(folder).model_card == ""


def test_hash_follows_manifest_and_weights(folder: Path, tmp_path: Path) -> None:
    assert load_bundle(folder).sha256 == load_bundle(folder).sha256
    before = load_bundle(folder).sha256
    edit(folder, version="1.3")
    assert load_bundle(folder).sha256 != before


@pytest.mark.parametrize("name", ["stage2d", "stage3d"])
def test_networks_compute_with_the_stored_weights(folder: Path, name: str) -> None:
    bundle = load_bundle(folder)
    network = bundle.network(name, 1, "cpu")
    assert not network.training
    stored = load_file(folder / f"{name}_fold1.safetensors")
    for key, value in network.state_dict().items():
        assert stored[key].dtype == torch.float16
        assert value.dtype == torch.float32
        torch.testing.assert_close(value, stored[key].float(), rtol=0, atol=0)
    reference = build_network(SPECS[name])
    reference.load_state_dict({k: v.float() for k, v in stored.items()})
    x = torch.randn(2, *((1, 16, 16) if name == "stage2d" else (3, 4, 16, 16)))
    with torch.no_grad():
        torch.testing.assert_close(network(x), reference.eval()(x))
    assert not any(t.is_meta for t in [*network.parameters(), *network.buffers()])


def test_folds_differ(folder: Path) -> None:
    bundle = load_bundle(folder)
    first, second = (bundle.network("stage2d", fold, "cpu").state_dict() for fold in (0, 1))
    assert any(not torch.equal(first[key], second[key]) for key in first)


@pytest.mark.parametrize(("network", "fold"), [("stage2d", 2), ("stage9", 0)])
def test_unknown_network_or_fold(folder: Path, network: str, fold: int) -> None:
    with pytest.raises(ModelError, match="no weights for network"):
        load_bundle(folder).network(network, fold, "cpu")


# --- weights -------------------------------------------------------------------------------------

WEIGHTS = "stage3d_fold1.safetensors"


def test_one_flipped_bit_is_noticed(folder: Path) -> None:
    raw = bytearray((folder / WEIGHTS).read_bytes())
    raw[len(raw) // 2] ^= 1
    (folder / WEIGHTS).write_bytes(raw)
    refused(folder, f"{WEIGHTS}: the file is damaged or was changed")


def test_truncated_and_missing_weights(folder: Path) -> None:
    raw = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(raw[:-10])
    refused(folder, f"{WEIGHTS}: the file is damaged")
    (folder / WEIGHTS).unlink()
    refused(folder, f"{WEIGHTS}: the weight file is missing")


def test_weights_changed_after_loading(folder: Path) -> None:
    bundle = load_bundle(folder)
    shutil.copy(folder / "stage3d_fold0.safetensors", folder / WEIGHTS)
    with pytest.raises(ModelError, match="damaged or was changed"):
        bundle.network("stage3d", 1, "cpu")


def replace_weights(folder: Path, raw: bytes) -> None:
    """Other weights with a matching hash: the manifest's author made the mistake."""
    (folder / WEIGHTS).write_bytes(raw)
    digest = sha256_of(folder / WEIGHTS)
    edit(folder, weights=lambda old: [{**w, "sha256": digest} if w["file"] == WEIGHTS else w for w in old])


@pytest.mark.parametrize("raw", [b"", b"no safetensors", b"\xff" * 100, b"\x80\x04K\x01."])
def test_files_that_are_no_safetensors(folder: Path, raw: bytes) -> None:
    replace_weights(folder, raw)
    with pytest.raises(ModelError, match="not safetensors") as caught:
        load_bundle(folder).network("stage3d", 1, "cpu")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s, k: s.update({k: s[k][:1]}), "instead of"),
        (lambda s, k: s.pop(k), "it lacks"),
        (lambda s, k: s.update(extra=s[k].clone()), "it holds 'extra'"),
        (lambda s, k: s.update({k: s[k] * float("nan")}), "not finite"),
    ],
)
def test_weights_that_do_not_fit(folder: Path, tmp_path: Path, change: object, message: str) -> None:
    state = load_file(folder / WEIGHTS)
    change(state, sorted(state)[0])
    save_file({k: v.contiguous() for k, v in state.items()}, tmp_path / "other.safetensors")
    replace_weights(folder, (tmp_path / "other.safetensors").read_bytes())
    with pytest.raises(ModelError, match=f"do not fit the manifest's network.*{message}") as caught:
        load_bundle(folder).network("stage3d", 1, "cpu")
    assert "\n" not in str(caught.value)


def test_architecture_this_version_cannot_build(folder: Path) -> None:
    edit(folder, networks=lambda old: {**old, "stage2d": {**old["stage2d"], "architecture": "quantum"}})
    refused(folder, "architecture is 'quantum', known are unet2d")


# --- manifest ------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", "null", '{"format": NaN}', "[" * 100000, "\x00"])
def test_malformed_json(folder: Path, text: str) -> None:
    (folder / "manifest.json").write_text(text)
    refused(folder, "not valid JSON|not a model manifest")


def test_manifest_that_is_no_text(folder: Path) -> None:
    (folder / "manifest.json").write_bytes(b"\xff\xfe\x00{")
    refused(folder, "not valid JSON")


def outside(file: str) -> object:
    return lambda old: [{**old[0], "file": file}, *old[1:]]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": "zip"}, "not a model manifest"),
        ({"format": ...}, "not a model manifest"),
        ({"format_version": 2}, "format version 2 is unknown"),
        ({"format_version": "1"}, "format version '1' is unknown"),
        ({"format_version": True}, "format version True is unknown"),
        ({"format_version": ...}, "format version None is unknown"),
        ({"surprise": 1}, 'unknown entry "surprise"'),
        ({"roi": {"size_px": 32, "spacing_mm": None, "depth": 3}}, 'unknown entry "depth"'),
        ({"roi": {"size_px": 32}}, 'lacks the entry "spacing_mm"'),
        ({"roi": {"size_px": 0, "spacing_mm": None}}, "not above 0"),
        ({"roi": {"size_px": 32, "spacing_mm": -1.0}}, "not above 0"),
        ({"roi": {"size_px": 32.5, "spacing_mm": None}}, "must be a whole number"),
        ({"roi": {"size_px": True, "spacing_mm": None}}, "must be a whole number"),
        ({"title": ...}, 'lacks the entry "title"'),
        ({"title": 5}, "title must be text"),
        ({"name": " "}, "name is empty"),
        ({"kind": "oracle"}, "known are cascade, streaming"),
        ({"kind": "streaming"}, 'needs a network "member0"'),
        ({"views": []}, "views is empty"),
        ({"views": ["diagonal"]}, "known are identity, horizontal, vertical"),
        ({"weights": []}, "no folds"),
        ({"weights": lambda old: old[:-1]}, "stage3d.*folds"),
        ({"weights": lambda old: [*old, old[0]]}, "twice"),
        ({"weights": lambda old: [{**old[0], "network": "magic"}, *old[1:]]}, 'unknown network "magic"'),
        ({"weights": lambda old: [{**old[0], "sha256": "12"}, *old[1:]]}, "64 hexadecimal"),
        ({"weights": 3}, "weights must be a list"),
        ({"classes": lambda old: old[:4]}, "5 outputs for 4 classes"),
        ({"classes": lambda old: old[::-1]}, "numbered from 0"),
        ({"held_out": {"first": []}}, "where a number is wanted"),
        ({"networks": {}}, 'needs a network "stage2d"'),
        ({"networks": lambda old: {**old, "stage2d": {**old["stage2d"], "filters": []}}}, "below 1"),
        ({"networks": lambda old: {**old, "stage2d": {**old["stage2d"], "dropout": 1.0}}}, "dropout"),
        ({"weights": outside("../tiny/stage2d_fold0.safetensors")}, "outside the bundle"),
        ({"weights": outside("a/../../stage2d_fold0.safetensors")}, "outside the bundle"),
        ({"weights": outside("/etc/hosts.safetensors")}, "outside the bundle"),
        ({"weights": outside("C:\\weights.safetensors")}, "outside the bundle"),
        ({"weights": outside("..\\weights.safetensors")}, "outside the bundle"),
        ({"weights": outside("weights.pt")}, "not a .safetensors file"),
    ],
)
def test_manifests_that_are_refused(folder: Path, changes: dict[str, object], message: str) -> None:
    edit(folder, **changes)
    refused(folder, message)


@pytest.mark.parametrize("what", ["file", "folder"])
def test_links_out_of_the_bundle(folder: Path, tmp_path: Path, what: str) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    name = "stage2d_fold0.safetensors"
    (folder / name).rename(elsewhere / name)
    if what == "file":
        (folder / name).symlink_to(elsewhere / name)
    else:
        (folder / "linked").symlink_to(elsewhere)
        edit(folder, weights=outside(f"linked/{name}"))
    refused(folder, "lies outside the bundle")


def test_weights_in_a_subfolder_are_fine(folder: Path) -> None:
    (folder / "weights").mkdir()
    name = "stage2d_fold0.safetensors"
    (folder / name).rename(folder / "weights" / name)
    edit(folder, weights=outside(f"weights/{name}"))
    assert load_bundle(folder).network("stage2d", 0, "cpu") is not None


def test_locator_needs_no_weights_for_every_fold(tmp_path: Path) -> None:
    spec = NetworkSpec(Architecture.UNET_2D, 1, 2, (4, 8))
    folder = tmp_path / "located"
    weight = write_weights(build_network(spec).state_dict(), folder, "locator", 0)
    manifest = write_bundle(folder)
    manifest = dataclasses.replace(
        manifest,
        networks={**SPECS, "locator": spec},
        weights=(*manifest.weights, weight),
        roi=RoiSpec(32, 1.4, 3.0, 64),
    )
    write_manifest(manifest, folder)
    assert load_bundle(folder).manifest == manifest


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"calibration": {"error_probability": [1.0]}}, "calibration.error_probability must be an object"),
        ({"smallest_lesion_ml": {"oedema": 1.0}}, "no lesion of this model"),
        ({"smallest_lesion_ml": {"infarct": -1.0}}, "is no volume"),
        ({"sharpness": {"locator": 2.0}}, "no stage of a cascade"),
        ({"sharpness": {"stage2d": 0.0}}, "stage2d is not above 0"),
        ({"stage_rule": {"outline_share": 1.5}}, "outline_share is outside 0..1"),
        ({"stage_rule": {"background_weight": 0.0}}, "background_weight is not above 0"),
        ({"stage_rule": {"score_sharpness": -1.0}}, "score_sharpness is not above 0"),
        ({"roi": {"size_px": 33, "spacing_mm": None}}, "33 pixels, which is no multiple of 2"),
        (
            {"classes": lambda old: [*old[:-1], {**old[-1], "colour": "pink"}]},
            "is 'pink', not #RRGGBB",
        ),
    ],
)
def test_figures_that_would_fail_in_the_middle_of_a_run(folder: Path, changes: dict, words: str) -> None:
    edit(folder, **changes)
    refused(folder, words)


def test_sizes_that_torch_cannot_count(folder: Path) -> None:
    edit(folder, networks=lambda old: {**old, "stage2d": {**old["stage2d"], "filters": [4, 10**30]}})
    with pytest.raises(ModelError, match="update CardiacUQ"):
        load_bundle(folder).network("stage2d", 0, "cpu")


# --- finding -------------------------------------------------------------------------------------


def test_names_are_looked_up_in_the_environments_folders_first(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    shutil.copytree(folder, other / "tiny")
    edit(other / "tiny", version="9")
    monkeypatch.setenv("CARDIACUQ_MODELS", os.pathsep.join([str(other), str(folder.parent)]))
    assert bundle_folders()[:2] == (other, folder.parent)
    assert load_bundle("tiny").manifest.version == "9"
    assert [b.manifest.version for b in list_bundles() if b.manifest.name == "tiny"] == ["9"]


def test_repository_and_module_folders_are_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CARDIACUQ_MODELS", raising=False)
    repository = Path(__file__).resolve().parents[3]
    assert bundle_folders() == (
        repository / "Resources" / "Models",
        repository / "CardiacUQ" / "Resources" / "Models",
        repository / "CardiacUQ" / "CardiacUQModels",
    )


def test_unknown_names_and_folders(folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CARDIACUQ_MODELS", str(folder.parent))
    refused("no-such-model", r"no model of this name; there are .*tiny")
    refused(tmp_path / "nothing", "no such model folder")
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", "no manifest.json")
    refused("../tiny", "no such model folder")


def test_listing_leaves_damaged_bundles_out_and_says_so(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(folder, folder.parent / "broken")
    edit(folder.parent / "broken", format_version=5)
    monkeypatch.setenv("CARDIACUQ_MODELS", str(folder.parent))
    problems: list[ModelError] = []
    listed = list_bundles(problems.append)
    assert "tiny" in [b.folder.name for b in listed]
    assert "broken" not in [b.folder.name for b in listed]
    assert any("version 5 is unknown" in str(p) for p in problems)


def test_listing_and_checking_need_no_torch(folder: Path) -> None:
    code = (
        "import sys; sys.modules['torch'] = sys.modules['safetensors'] = None\n"
        "from CardiacUQLib.bundles.bundle import list_bundles, load_bundle\n"
        "print(load_bundle('tiny').sha256, len(list_bundles()) > 0)"
    )
    environment = {**os.environ, "CARDIACUQ_MODELS": str(folder.parent)}
    library = Path(sys.modules["CardiacUQLib"].__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=library, env=environment, check=True
    )
    assert done.stdout.split() == [load_bundle(folder).sha256, "True"]


# --- writing -------------------------------------------------------------------------------------


def test_a_bad_manifest_is_not_written(folder: Path) -> None:
    before = (folder / "manifest.json").read_bytes()
    manifest = load_bundle(folder).manifest
    for bad in (
        dataclasses.replace(manifest, weights=()),
        dataclasses.replace(manifest, calibration={"x": object()}),
    ):
        with pytest.raises(ModelError):
            write_manifest(bad, folder)
    assert (folder / "manifest.json").read_bytes() == before
    assert sorted(p.suffix for p in folder.iterdir()) == sorted([".json", ".md"] + [".safetensors"] * 4)


def test_numpy_numbers_in_metrics_are_plain_json(folder: Path) -> None:
    manifest = dataclasses.replace(
        load_bundle(folder).manifest, metrics={"dice": np.float64(0.7), "per_fold": np.array([0.5, 0.25])}
    )
    write_manifest(manifest, folder)
    assert load_bundle(folder).manifest.metrics == {"dice": 0.7, "per_fold": [0.5, 0.25]}


def test_tied_weights_and_whole_numbers_are_written(tmp_path: Path) -> None:
    shared = torch.arange(6.0).reshape(2, 3)
    write_weights({"a": shared, "b": shared.T, "count": torch.tensor(3)}, tmp_path, "net", 0)
    stored = load_file(tmp_path / "net_fold0.safetensors")
    torch.testing.assert_close(stored["b"], shared.T.half(), check_stride=False)
    assert stored["count"].dtype == torch.int64
