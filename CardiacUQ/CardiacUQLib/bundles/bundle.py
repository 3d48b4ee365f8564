"""Model bundles: a folder with ``manifest.json``, ``MODEL_CARD.md`` and one weight file per network.

Finding, listing and checking bundles needs no torch; only :meth:`Bundle.network` imports it. Nothing
in a bundle is ever executed: weights are safetensors, the manifest is JSON.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..base.checksum import sha256_of
from ..base.errors import ModelError
from ..base.safe_files import replacing, write_whole
from .manifest import Manifest, WeightFile
from .manifest_json import manifest_to_json, parse_manifest

if TYPE_CHECKING:
    import torch
    from torch import nn

__all__ = [
    "Bundle",
    "bundle_folders",
    "list_bundles",
    "load_bundle",
    "sha256_of",
    "write_manifest",
    "write_weights",
]

MANIFEST = "manifest.json"
MODEL_CARD = "MODEL_CARD.md"
MODELS_VARIABLE = "CARDIACUQ_MODELS"
INSTALLED_MODELS = "CardiacUQModels"
_GET_AGAIN = "get the bundle again"


@dataclass(frozen=True)
class Bundle:
    """A checked model bundle. ``sha256`` identifies manifest and weights together."""

    folder: Path
    manifest: Manifest
    sha256: str

    @property
    def model_card(self) -> str:
        """Text of MODEL_CARD.md, empty if the bundle has none."""
        try:
            return (self.folder / MODEL_CARD).read_text("utf-8")
        except (OSError, UnicodeDecodeError):
            return ""

    def network(self, network: str, fold: int, device: str | torch.device = "cpu") -> nn.Module:
        """The network ``network`` ("stage2d", "stage3d", "member0", ...) of ``fold`` with its weights.

        float32, in evaluation mode, on ``device``. Raises ModelError if the bundle has no such
        weights, or if they are missing, changed, damaged or do not fit the architecture.
        """
        weight = next((w for w in self.manifest.weights if (w.network, w.fold) == (network, fold)), None)
        if weight is None:
            folds = ", ".join(str(f) for f in self.manifest.folds)
            raise ModelError(
                f"{self.folder}: no weights for network {network!r} of fold {fold}; the folds are {folds}"
            )
        return _load_network(self.folder, self.manifest, weight, device)

    def companion(self, name: str) -> Bundle | None:
        """Another bundle that this one asks for help: in the folder beside it, else by its name.

        None where there is none; raises ModelError for a damaged one.
        """
        beside = self.folder.resolve().parent / name
        if (beside / MANIFEST).is_file():
            return load_bundle(beside)
        here = any((models / name / MANIFEST).is_file() for models in bundle_folders())
        return load_bundle(name) if here else None


def bundle_folders() -> tuple[Path, ...]:
    """Where bundles are looked for by name, first match wins.

    The folders of the environment variable CARDIACUQ_MODELS; the repository's Resources/Models;
    Resources/Models beside the module, where Slicer installs it; CardiacUQModels, where a wheel has them.
    """
    chosen = [Path(p) for p in os.environ.get(MODELS_VARIABLE, "").split(os.pathsep) if p]
    beside = Path(__file__).resolve().parents[2]
    shipped = Path("Resources", "Models")
    return (*chosen, beside.parent / shipped, beside / shipped, beside / INSTALLED_MODELS)


def list_bundles(on_problem: Callable[[ModelError], None] | None = None) -> tuple[Bundle, ...]:
    """All usable bundles of :func:`bundle_folders`, by folder name; of two equal names the first found.

    Reads manifests only; the weights are hashed by :func:`load_bundle`. Damaged bundles are left
    out and reported to ``on_problem``.
    """
    found: dict[str, Bundle] = {}
    for models in bundle_folders():
        for manifest_path in sorted(models.glob(f"*/{MANIFEST}")):
            folder = manifest_path.parent
            if folder.name in found:
                continue
            try:
                found[folder.name] = _open(folder)
            except ModelError as error:
                if on_problem is not None:
                    on_problem(error)
    return tuple(found[name] for name in sorted(found))


def open_bundle(folder: str | Path) -> Bundle:
    """The bundle in a folder by its manifest alone, without looking at weights; raises ModelError."""
    return _open(Path(folder))


def load_bundle(name_or_folder: str | Path) -> Bundle:
    """Find a bundle by name or folder and check every weight file against its SHA-256.

    Raises ModelError, one line, if there is no such bundle or anything in it is damaged.
    """
    bundle = _open(_find(name_or_folder))
    for weight in bundle.manifest.weights:
        _verified(bundle.folder, weight, _weight_digest(bundle.folder, weight))
    return bundle


def write_manifest(manifest: Manifest, folder: str | Path) -> Path:
    """Write ``manifest.json`` into ``folder`` (created if absent), whole or not at all."""
    path = Path(folder) / MANIFEST
    text = manifest_to_json(manifest)
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_whole(path, text)


def write_weights(
    state: Mapping[str, torch.Tensor], folder: str | Path, network: str, fold: int
) -> WeightFile:
    """Write one network's state (floating-point tensors as float16) and return its manifest entry."""
    import torch
    from safetensors.torch import save_file

    Path(folder).mkdir(parents=True, exist_ok=True)
    path = Path(folder) / f"{network}_fold{fold}.safetensors"
    halves = {
        name: (value.detach().to("cpu", torch.float16) if value.is_floating_point() else value.cpu())
        .clone()  # tied tensors share memory, which safetensors refuses
        .contiguous()
        for name, value in state.items()
    }
    with replacing(path) as beside:
        save_file(halves, beside)
    return WeightFile(network, fold, path.name, sha256_of(path))


def _find(name_or_folder: str | Path) -> Path:
    name = os.fspath(name_or_folder)
    bare = isinstance(name_or_folder, str) and Path(name).name == name
    if bare:
        for models in bundle_folders():
            if (models / name / MANIFEST).is_file():
                return models / name
    if Path(name).is_dir():
        return Path(name)
    if not bare:
        raise ModelError(f"{name}: there is no such model folder; give a bundle's name or its folder")
    known = sorted({p.parent.name for models in bundle_folders() for p in models.glob(f"*/{MANIFEST}")})
    choice = f"there are {', '.join(known)}" if known else f"put one into {bundle_folders()[0]}"
    raise ModelError(f"{name}: there is no model of this name; {choice}")


def _open(folder: Path) -> Bundle:
    """The bundle with its manifest and the place of its files checked, its weights not yet read."""
    path = folder / MANIFEST
    try:
        raw = path.read_bytes()
        text = raw.decode("utf-8")
    except FileNotFoundError:
        raise ModelError(f"{folder}: there is no {MANIFEST}; give the folder of a model bundle") from None
    except OSError as error:
        raise ModelError(f"{path}: it cannot be read ({error.strerror}); check its permissions") from None
    except UnicodeDecodeError:
        raise ModelError(f"{path}: this is not valid JSON (not UTF-8 text); {_GET_AGAIN}") from None
    manifest = parse_manifest(text, path)
    for weight in manifest.weights:
        _weight_path(folder, weight)
    digest = hashlib.sha256(raw)
    for weight in manifest.weights:  # the manifest pins each hash, so no weight file is read here
        digest.update(bytes.fromhex(weight.sha256))
    return Bundle(folder, manifest, digest.hexdigest())


def _weight_path(folder: Path, weight: WeightFile) -> Path:
    """Place of a weight file; raises ModelError if it is missing or a link leads out of the bundle."""
    path = folder / weight.file
    if not path.is_file():
        raise ModelError(f"{path}: the weight file is missing; {_GET_AGAIN}")
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ModelError(f"{path}: the weight file lies outside the bundle's folder; {_GET_AGAIN}")
    return path


def _weight_digest(folder: Path, weight: WeightFile) -> str:
    path = _weight_path(folder, weight)
    try:
        return sha256_of(path)
    except OSError as error:
        raise ModelError(f"{path}: it cannot be read ({error.strerror}); check its permissions") from None


def _verified(folder: Path, weight: WeightFile, digest: str) -> None:
    if digest != weight.sha256:
        raise ModelError(
            f"{folder / weight.file}: the file is damaged or was changed "
            f"(SHA-256 {digest[:12]}..., expected {weight.sha256[:12]}...); {_GET_AGAIN}"
        )


def _load_network(
    folder: Path, manifest: Manifest, weight: WeightFile, device: str | torch.device
) -> nn.Module:
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load

    from ..networks import build_network

    path = _weight_path(folder, weight)
    raw = path.read_bytes()  # hashed and used from the same bytes: nobody can swap the file in between
    _verified(folder, weight, hashlib.sha256(raw).hexdigest())
    try:
        state = load(raw)
    except (SafetensorError, ValueError) as error:
        raise ModelError(f"{path}: these are not safetensors weights ({error}); {_GET_AGAIN}") from None
    try:
        with torch.device("meta"):  # the random initial weights would be thrown away
            network = build_network(manifest.networks[weight.network])
    except (ValueError, RuntimeError, TypeError, OverflowError) as error:  # sizes that torch cannot count
        problem = str(error).splitlines()[0]
        raise ModelError(f"{path.parent / MANIFEST}: {problem}; update CardiacUQ") from None
    _check_fit(path, network.state_dict(), state)
    network.load_state_dict(
        {k: v.to(device, torch.float32 if v.is_floating_point() else v.dtype) for k, v in state.items()},
        assign=True,
    )
    return network.eval()


def _check_fit(path: Path, wanted: Mapping[str, Any], state: Mapping[str, Any]) -> None:
    """Raise ModelError unless names and shapes agree and every weight is a number."""
    problem = ""
    if missing := sorted(wanted.keys() - state.keys()):
        problem = f"it lacks {missing[0]!r}"
    elif surplus := sorted(state.keys() - wanted.keys()):
        problem = f"it holds {surplus[0]!r}, which the network does not have"
    else:
        for name, tensor in state.items():
            if tensor.shape != wanted[name].shape:
                problem = f"{name!r} is {tuple(tensor.shape)} instead of {tuple(wanted[name].shape)}"
            elif tensor.is_floating_point() and not tensor.isfinite().all():
                problem = f"{name!r} holds values that are not finite"
    if problem:
        raise ModelError(f"{path}: the weights do not fit the manifest's network: {problem}; {_GET_AGAIN}")
