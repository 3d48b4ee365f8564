"""The manifest as JSON: strict both ways, so that a file this version does not understand is refused."""

from __future__ import annotations

import dataclasses
import enum
import json
import math
import types
import typing
from collections.abc import Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from .errors import ModelError
from .manifest import BundleKind, Manifest, WeightFile

FORMAT = "cardiacuq-bundle"
FORMAT_VERSION = 1
_REQUIRED_NETWORKS = {
    BundleKind.CASCADE: ("stage2d", "stage3d"),
    BundleKind.STREAMING: ("member0",),
}
LOCATOR = "locator"


class _Mismatch(ValueError):
    """A value of the JSON text that does not fit; the message says where."""


def manifest_to_json(manifest: Manifest) -> str:
    """JSON text of a manifest; raises ModelError if it could not be read back."""
    document = {"format": FORMAT, "format_version": FORMAT_VERSION, **_plain(manifest)}
    try:
        text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    except (TypeError, ValueError) as error:
        raise ModelError(f"manifest of {manifest.name}: {error}; use plain finite numbers and text") from None
    parse_manifest(text, Path(manifest.name))
    return text


def parse_manifest(text: str, source: Path) -> Manifest:
    """The manifest in a JSON text; ``source`` only names it in the ModelError raised for a bad one."""
    try:
        document = json.loads(text, parse_constant=_refuse_constant)
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
        manifest = _decode(document, Manifest, "manifest")
        _check(manifest)
    except _Mismatch as error:
        raise ModelError(f"{source}: {error}; get the bundle again") from None
    return manifest


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON number")


def _plain(value: Any) -> Any:
    """Dataclasses, enums, tuples and mappings as JSON knows them."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _decode(value: Any, wanted: Any, where: str) -> Any:
    """``value`` of a JSON document as the Python type ``wanted``; raises _Mismatch."""
    if wanted is Any:
        return value
    if dataclasses.is_dataclass(wanted):
        return _decode_dataclass(value, wanted, where)
    origin, arguments = typing.get_origin(wanted), typing.get_args(wanted)
    if origin in (types.UnionType, typing.Union):
        if value is None:
            return None
        return _decode(value, next(a for a in arguments if a is not types.NoneType), where)
    if origin is tuple:
        items = _expect(value, list, where, "a list")
        return tuple(_decode(item, arguments[0], f"{where}[{n}]") for n, item in enumerate(items))
    if origin is not None and issubclass(origin, Mapping):
        items = _expect(value, dict, where, "an object")
        key_type, item_type = arguments
        return {
            _decode_key(key, key_type, where): _decode(item, item_type, f"{where}.{key}")
            for key, item in items.items()
        }
    return _decode_scalar(value, wanted, where)


def _decode_dataclass(value: Any, wanted: type, where: str) -> Any:
    items = _expect(value, dict, where, "an object")
    hints = typing.get_type_hints(wanted)
    fields = {f.name: f for f in dataclasses.fields(wanted)}
    if unknown := sorted(items.keys() - fields.keys()):
        raise _Mismatch(f'{where} has an unknown entry "{unknown[0]}"')
    required = {n for n, f in fields.items() if _has_no_default(f)}
    if missing := sorted(required - items.keys()):
        raise _Mismatch(f'{where} lacks the entry "{missing[0]}"')
    return wanted(**{k: _decode(v, hints[k], f"{where}.{k}") for k, v in items.items()})


def _has_no_default(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _decode_scalar(value: Any, wanted: type, where: str) -> Any:
    if issubclass(wanted, enum.Enum):
        try:
            return wanted(value)
        except ValueError:
            known = ", ".join(str(member.value) for member in wanted)
            raise _Mismatch(f"{where} is {value!r}, known are {known}") from None
    if wanted is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    names = {str: "text", int: "a whole number", float: "a number"}
    return _expect(value, wanted, where, names.get(wanted, wanted.__name__))


def _decode_key(key: str, wanted: type, where: str) -> Any:
    if wanted is int:
        try:
            return int(key)
        except ValueError:
            raise _Mismatch(f"{where} has the entry {key!r} where a number is wanted") from None
    return key


def _expect(value: Any, wanted: type, where: str, name: str) -> Any:
    if not isinstance(value, wanted) or (isinstance(value, bool) and wanted is not bool):
        raise _Mismatch(f"{where} must be {name}")
    return value


def _check(manifest: Manifest) -> None:
    """What the types cannot say: that the parts of the manifest fit together."""
    if not manifest.name.strip():
        raise _Mismatch("manifest.name is empty")
    values = [c.value for c in manifest.classes]
    if values != list(range(len(values))) or not 2 <= len(values) <= 16:
        raise _Mismatch("manifest.classes must be 2 to 16 classes numbered from 0")
    if not manifest.flips:
        raise _Mismatch("manifest.flips is empty")
    _check_roi(manifest)
    for name, spec in manifest.networks.items():
        if not spec.filters or min(spec.filters) < 1 or min(spec.in_channels, spec.out_channels) < 1:
            raise _Mismatch(f"manifest.networks.{name} has sizes below 1")
        if not 0 <= spec.dropout < 1:
            raise _Mismatch(f"manifest.networks.{name}.dropout is outside 0..1")
        if name != LOCATOR and spec.out_channels != len(values):
            raise _Mismatch(
                f"manifest.networks.{name} has {spec.out_channels} outputs for {len(values)} classes"
            )
    for name in _REQUIRED_NETWORKS[manifest.kind]:
        if name not in manifest.networks:
            raise _Mismatch(f'a {manifest.kind} bundle needs a network "{name}"')
    _check_weights(manifest)


def _check_roi(manifest: Manifest) -> None:
    roi = manifest.roi
    lengths = [v for v in (roi.spacing_mm, roi.locator_spacing_mm) if v is not None]
    sizes = [v for v in (roi.size_px, roi.locator_size_px) if v is not None]
    if min(sizes) < 1 or not all(math.isfinite(v) and v > 0 for v in lengths):
        raise _Mismatch("manifest.roi has sizes that are not above 0")


def _check_weights(manifest: Manifest) -> None:
    if not manifest.weights:
        raise _Mismatch("the manifest names no weights, so the bundle has no folds")
    present = [(w.network, w.fold) for w in manifest.weights]
    if len(set(present)) < len(present):
        raise _Mismatch("manifest.weights names a network and fold twice")
    for weight in manifest.weights:
        if weight.network not in manifest.networks:
            raise _Mismatch(f'manifest.weights names an unknown network "{weight.network}"')
        if len(weight.sha256) != 64 or not set(weight.sha256) <= set("0123456789abcdef"):
            raise _Mismatch(f"the SHA-256 of {weight.file} is not 64 hexadecimal digits")
        _check_file_name(weight)
    for name in manifest.networks:
        folds = [f for n, f in present if n == name]
        if not folds or (name != LOCATOR and set(folds) != set(manifest.folds)):
            raise _Mismatch(f'the network "{name}" has weights for folds {sorted(folds)} of {manifest.folds}')


def _check_file_name(weight: WeightFile) -> None:
    """A file below the bundle on every system: no drive, no root, no way upwards, no executable format."""
    posix, windows = PurePosixPath(weight.file), PureWindowsPath(weight.file)
    outside = posix.is_absolute() or windows.drive or windows.root or ".." in {*posix.parts, *windows.parts}
    if outside:
        raise _Mismatch(f"the weight file {weight.file!r} lies outside the bundle's folder")
    if posix.suffix != ".safetensors":
        raise _Mismatch(f"the weight file {weight.file!r} is not a .safetensors file")
