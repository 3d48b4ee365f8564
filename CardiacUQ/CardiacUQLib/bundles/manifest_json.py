"""The manifest as JSON: strict both ways, so that a file this version does not understand is refused."""

from __future__ import annotations

import json
import math
from pathlib import Path, PurePosixPath, PureWindowsPath

from ..base.errors import ModelError
from ..base.json_codec import JsonMismatch, decode, refuse_constant, to_plain
from ..networks.spec import Architecture, NetworkSpec
from .classes import LESIONS
from .manifest import BundleKind, Manifest, WeightFile

FORMAT = "cardiacuq-bundle"
FORMAT_VERSION = 1
_REQUIRED_NETWORKS = {
    BundleKind.CASCADE: ("stage2d", "stage3d"),
    BundleKind.STREAMING: ("member0",),
}
LOCATOR = "locator"
_MOST_SIDE_PX, _MOST_MM = 1024, 50.0
"""The largest square that networks are run on, and its largest pixel."""
STAGE_3D = _REQUIRED_NETWORKS[BundleKind.CASCADE][1]
_HALVING = (Architecture.UNET_2D, Architecture.UNET_3D, Architecture.STREAMING_UNET)
"""Networks that halve the plane once per level after the first, so that its size must divide."""


def manifest_to_json(manifest: Manifest) -> str:
    """JSON text of a manifest; raises ModelError if it could not be read back."""
    document = {"format": FORMAT, "format_version": FORMAT_VERSION, **to_plain(manifest)}
    try:
        text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    except (TypeError, ValueError) as error:
        raise ModelError(f"manifest of {manifest.name}: {error}; use plain finite numbers and text") from None
    parse_manifest(text, Path(manifest.name))
    return text


def parse_manifest(text: str, source: Path) -> Manifest:
    """The manifest in a JSON text; ``source`` only names it in the ModelError raised for a bad one."""
    try:
        document = json.loads(text, parse_constant=refuse_constant)
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{source}: this is not valid JSON ({error}); get the bundle again") from None
    if not isinstance(document, dict) or document.pop("format", None) != FORMAT:
        raise ModelError(f'{source}: this is not a model manifest; its "format" must be "{FORMAT}"')
    version = document.pop("format_version", None)
    if version != FORMAT_VERSION or isinstance(version, bool):
        raise ModelError(
            f"{source}: manifest format version {version!r} is unknown; "
            f"this program reads version {FORMAT_VERSION}, update it or get a matching bundle"
        )
    try:
        manifest = decode(document, Manifest, "manifest")
        if manifest.kind not in _REQUIRED_NETWORKS:
            raise JsonMismatch(f"manifest.kind is {manifest.kind.value!r}, which no network does")
        _check(manifest)
    except JsonMismatch as error:
        raise ModelError(f"{source}: {error}; get the bundle again") from None
    return manifest


def _check(manifest: Manifest) -> None:
    """What the types cannot say: that the parts of the manifest fit together."""
    if not manifest.name.strip():
        raise JsonMismatch("manifest.name is empty")
    values = [c.value for c in manifest.classes]
    if values != list(range(len(values))) or not 2 <= len(values) <= 16:
        raise JsonMismatch("manifest.classes must be 2 to 16 classes numbered from 0")
    if not manifest.views:
        raise JsonMismatch("manifest.views is empty")
    _check_roi(manifest)
    _check_fitted(manifest)
    _check_rules(manifest)
    for name, spec in manifest.networks.items():
        _check_network(manifest, name, spec)
    for name in _REQUIRED_NETWORKS[manifest.kind]:
        if name not in manifest.networks:
            raise JsonMismatch(f'a {manifest.kind} bundle needs a network "{name}"')
    _check_weights(manifest)


def _check_network(manifest: Manifest, name: str, spec: NetworkSpec) -> None:
    if not spec.filters or min(spec.filters) < 1 or min(spec.in_channels, spec.out_channels) < 1:
        raise JsonMismatch(f"manifest.networks.{name} has sizes below 1")
    if not 0 <= spec.dropout < 1:
        raise JsonMismatch(f"manifest.networks.{name}.dropout is outside 0..1")
    if name not in (STAGE_3D, LOCATOR) and spec.in_channels % 2 == 0:
        raise JsonMismatch(f"manifest.networks.{name} has {spec.in_channels} inputs, so no middle slice")
    if name != LOCATOR and spec.out_channels != len(manifest.classes):
        raise JsonMismatch(
            f"manifest.networks.{name} has {spec.out_channels} outputs for {len(manifest.classes)} classes"
        )
    side = manifest.roi.locator_size_px if name == LOCATOR else manifest.roi.size_px
    multiple = 2 ** (len(spec.filters) - 1)
    if spec.architecture in _HALVING and side is not None and side % multiple:
        raise JsonMismatch(f"manifest.roi gives {name} {side} pixels, which is no multiple of {multiple}")


def _check_roi(manifest: Manifest) -> None:
    roi = manifest.roi
    lengths = [v for v in (roi.spacing_mm, roi.locator_spacing_mm) if v is not None]
    sizes = [v for v in (roi.size_px, roi.locator_size_px) if v is not None]
    if min(sizes) < 1 or not all(math.isfinite(v) and v > 0 for v in lengths):
        raise JsonMismatch("manifest.roi has sizes that are not above 0")
    if max(sizes) > _MOST_SIDE_PX or max(lengths, default=1.0) > _MOST_MM:
        raise JsonMismatch(f"manifest.roi is beyond {_MOST_SIDE_PX} pixels of at most {_MOST_MM:g} mm")


def _check_fitted(manifest: Manifest) -> None:
    """The figures that were fitted after training name what this version knows."""
    for name, fitted in manifest.calibration.items():
        if not isinstance(fitted, dict):
            raise JsonMismatch(f"manifest.calibration.{name} must be an object")
    for network, factor in manifest.sharpness.items():
        if manifest.kind is not BundleKind.CASCADE or network not in _REQUIRED_NETWORKS[manifest.kind]:
            raise JsonMismatch(f"manifest.sharpness names {network!r}, no stage of a cascade")
        if not math.isfinite(factor) or factor <= 0:
            raise JsonMismatch(f"manifest.sharpness.{network} is not above 0")
    names = {info.name for info in manifest.classes}
    for lesion, least in manifest.smallest_lesion_ml.items():
        if lesion not in LESIONS or not names.issuperset(LESIONS[lesion]):
            raise JsonMismatch(f"manifest.smallest_lesion_ml names {lesion!r}, no lesion of this model")
        if not math.isfinite(least) or least < 0:
            raise JsonMismatch(f"manifest.smallest_lesion_ml.{lesion} is no volume")


def _check_rules(manifest: Manifest) -> None:
    """What inference does with the predictions."""
    rule = manifest.stage_rule
    if not 0 <= rule.outline_share <= 1:
        raise JsonMismatch("manifest.stage_rule.outline_share is outside 0..1")
    for key, factor in (
        ("background_weight", rule.background_weight),
        ("score_sharpness", rule.score_sharpness),
    ):
        if not math.isfinite(factor) or factor <= 0:
            raise JsonMismatch(f"manifest.stage_rule.{key} is not above 0")
    finder = manifest.insertion
    if finder is not None:
        if not finder.bundle or Path(finder.bundle).name != finder.bundle or not finder.folds:
            raise JsonMismatch("manifest.insertion names no bundle or no folds")
        if not (0 <= finder.median_deg <= finder.ninety_deg <= 180):
            raise JsonMismatch("manifest.insertion has errors that are no angles up to 180 degrees")


def _check_weights(manifest: Manifest) -> None:
    if not manifest.weights:
        raise JsonMismatch("the manifest names no weights, so the bundle has no folds")
    present = [(w.network, w.fold) for w in manifest.weights]
    if len(set(present)) < len(present):
        raise JsonMismatch("manifest.weights names a network and fold twice")
    for weight in manifest.weights:
        if weight.network not in manifest.networks:
            raise JsonMismatch(f'manifest.weights names an unknown network "{weight.network}"')
        if len(weight.sha256) != 64 or not set(weight.sha256) <= set("0123456789abcdef"):
            raise JsonMismatch(f"the SHA-256 of {weight.file} is not 64 hexadecimal digits")
        _check_file_name(weight)
    for name in manifest.networks:
        folds = [f for n, f in present if n == name]
        if not folds or (name != LOCATOR and set(folds) != set(manifest.folds)):
            raise JsonMismatch(
                f'the network "{name}" has weights for folds {sorted(folds)} of {manifest.folds}'
            )


def _check_file_name(weight: WeightFile) -> None:
    """A file below the bundle on every system: no drive, no root, no way upwards, no executable format."""
    posix, windows = PurePosixPath(weight.file), PureWindowsPath(weight.file)
    outside = posix.is_absolute() or windows.drive or windows.root or ".." in {*posix.parts, *windows.parts}
    if outside:
        raise JsonMismatch(f"the weight file {weight.file!r} lies outside the bundle's folder")
    if posix.suffix != ".safetensors":
        raise JsonMismatch(f"the weight file {weight.file!r} is not a .safetensors file")
