"""A model bundle in the layout of MONAI: metadata, a configuration that runs it, one state dictionary.

The network is :class:`CardiacUQLib.inference.whole_model.WholeModel`, so that MONAI computes what ``cardiacuq
segment`` computes; CardiacUQ must be installed where the bundle is run. Layout and keys: MONAI bundle
specification, metadata schema of 2024-07-25.
"""

from __future__ import annotations

import importlib.metadata
import json
import shutil
from pathlib import Path
from typing import Any

from CardiacUQLib.base.version import __version__
from CardiacUQLib.bundles.bundle import MANIFEST, Bundle
from CardiacUQLib.bundles.manifest import BundleKind, Manifest
from CardiacUQLib.inference.whole_model import LABEL, PREDICTION, UNCERTAINTY, WholeModel, map_names

from .whole_folder import whole_folder

SCHEMA = "https://project-monai.github.io/schema/meta_schema_20240725.json"
REFERENCES = {
    BundleKind.CASCADE: "Schwab, Haltmeier, Mayr: Disagreement-Driven Uncertainty Quantification in Late "
    "Gadolinium Enhancement Cardiac MRI. MICCAI workshop UNSURE, 2025.",
    BundleKind.STREAMING: "Liu, Zhong, Wen, Wu: Uncertainty-based ensemble learning in CMR semantic "
    "segmentation. 2025. doi:10.48550/arXiv.2502.09269",
}
_ANY_SIZE = ["*", "*", "*"]
_WEIGHTS = "model.pt"


def write_monai_bundle(bundle: Bundle, output: Path) -> Path:
    """Write ``bundle`` as a MONAI bundle into the new folder ``output``; returns it.

    It is assembled beside its place and renamed when it is whole. Raises UsageError for an existing target,
    ModelError for a damaged bundle, OSError if it cannot be written.
    """
    with whole_folder(output) as partial:
        _fill(bundle, partial)
    return output


def metadata(manifest: Manifest) -> dict[str, Any]:
    """``configs/metadata.json``: what the bundle is, its inputs and outputs."""
    version = importlib.metadata.version
    return {
        "schema": SCHEMA,
        "version": manifest.version,
        "changelog": {manifest.version: "exported by CardiacUQ"},
        "monai_version": version("monai"),
        "pytorch_version": version("torch").partition("+")[0],
        "numpy_version": version("numpy"),
        "required_packages_version": {"cardiacuq": __version__, "nibabel": version("nibabel")},
        "name": manifest.name,
        "task": manifest.title,
        "description": f"{manifest.title}. All folds and views as one module; it gives mean probabilities, "
        "labels and uncertainty maps on the grid of the image.",
        "authors": "CardiacUQ contributors",
        "copyright": f"Weights under {manifest.licence}",
        "data_source": manifest.training_data,
        "data_type": "nibabel",
        "image_classes": "short-axis cardiac MR, any grey values, slices along one axis",
        "pred_classes": ", ".join(f"{info.value}: {info.name}" for info in manifest.classes),
        "eval_metrics": {key: value for key, value in manifest.metrics.items() if isinstance(value, float)},
        "intended_use": "Research use only. Not a medical device, not for diagnosis or treatment.",
        "references": [REFERENCES[manifest.kind]],
        "network_data_format": {"inputs": _inputs(), "outputs": _outputs(manifest)},
    }


def inference_config() -> dict[str, Any]:
    """``configs/inference.json``: read ``image``, run the network, write labels, probabilities and maps."""
    names = (LABEL, PREDICTION, UNCERTAINTY)
    return {
        "imports": ["$import torch", "$import monai"],
        "bundle_root": ".",
        "image": "image.nii.gz",
        "output_dir": "$@bundle_root + '/eval'",
        "device": "cpu",
        "network_def": {
            "_target_": "CardiacUQLib.inference.whole_model.WholeModel",
            "manifest_file": f"$@bundle_root + '/models/{MANIFEST}'",
        },
        "network": "$@network_def.to(@device)",
        "preprocessing": {"_target_": "LoadImage", "reader": "NibabelReader", "ensure_channel_first": True},
        "input": "$@preprocessing(@image)",
        "output": "$@network(@input[None].as_tensor().to(@device), @input.affine)",
        **{
            f"save_{name}": {
                "_target_": "SaveImage",
                "output_dir": "@output_dir",
                "output_postfix": name,
                "output_dtype": "$torch.uint8" if name == LABEL else "$torch.float32",
                "resample": False,
                "separate_folder": False,
                "print_log": False,
            }
            for name in names
        },
        "weights": f"$@bundle_root + '/models/{_WEIGHTS}'",
        "initialize": ["$@network_def.load_state_dict(torch.load(@weights, weights_only=True))"],
        "run": [
            f"$@save_{name}(monai.data.MetaTensor(@output['{name}'][0].cpu(), meta=@input.meta))"
            for name in names
        ],
    }


def _fill(bundle: Bundle, folder: Path) -> None:
    import torch

    for name in ("configs", "models", "docs"):
        (folder / name).mkdir()
    for name, content in (("metadata", metadata(bundle.manifest)), ("inference", inference_config())):
        text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
        (folder / "configs" / f"{name}.json").write_text(text, encoding="utf-8")
    shutil.copyfile(bundle.folder / MANIFEST, folder / "models" / MANIFEST)
    state = {
        key: value.half() if value.is_floating_point() else value
        for key, value in WholeModel.of(bundle).state_dict().items()
    }
    # the one format that MONAI knows for weights; it is written here and never read by us
    torch.save(state, folder / "models" / _WEIGHTS)  # noqa: TID251
    (folder / "docs" / "README.md").write_text(_readme(bundle), encoding="utf-8")
    (folder / "docs" / "license.txt").write_text(f"{bundle.manifest.licence}\n", encoding="utf-8")


def _inputs() -> dict[str, Any]:
    image = {
        "type": "image",
        "format": "magnitude",
        "modality": "MR",
        "num_channels": 1,
        "spatial_shape": _ANY_SIZE,
        "dtype": "float32",
        "value_range": [],
        "is_patch_data": False,
        "channel_def": {"0": "image"},
    }
    affine = {
        "type": "tuples",
        "format": "affine, voxel to RAS in mm",
        "num_channels": 1,
        "spatial_shape": [4, 4],
        "dtype": "float64",
        "value_range": [],
        "is_patch_data": False,
        "channel_def": {"0": "affine"},
    }
    return {"image": image, "affine": affine}


def _outputs(manifest: Manifest) -> dict[str, Any]:
    classes = {str(info.value): info.name for info in manifest.classes}
    maps = {str(n): name.info.explain(manifest.kind) for n, name in enumerate(map_names(manifest))}
    return {
        PREDICTION: _output("probabilities", "labels", [0, 1], classes),
        LABEL: _output("image", "segmentation", [0, len(classes) - 1], classes, channels=1),
        UNCERTAINTY: _output("image", "magnitude", [], maps),
    }


def _output(
    kind: str, form: str, values: list[int], meaning: dict[str, str], *, channels: int | None = None
) -> dict[str, Any]:
    return {
        "type": kind,
        "format": form,
        "num_channels": len(meaning) if channels is None else channels,
        "spatial_shape": _ANY_SIZE,
        "dtype": "float32",
        "value_range": values,
        "is_patch_data": False,
        "channel_def": meaning,
    }


def _readme(bundle: Bundle) -> str:
    return f"""# {bundle.manifest.name} as a MONAI bundle

Needs CardiacUQ {__version__} or newer, MONAI and nibabel. From this folder:

    python -m monai.bundle run --config_file configs/inference.json --meta_file configs/metadata.json \\
        --bundle_root . --image scan.nii.gz --output_dir out

writes `scan_label.nii.gz` (what `cardiacuq segment` draws), `scan_pred.nii.gz` (mean probabilities) and
`scan_uncertainty.nii.gz` (maps; their order stands in `configs/metadata.json`).

{bundle.model_card}"""
