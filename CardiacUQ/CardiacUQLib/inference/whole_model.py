"""A whole bundle as one torch module: all folds, stages and views behind one ``forward``.

For programs that run torch modules, such as MONAI's bundles. What it computes is what
:func:`.segment.segment` computes, through the same :func:`.explore.explore`; it cannot be scripted or
traced, since the heart is located and regions are formed on the way.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ..base.errors import InputError, ModelError
from ..bundles.bundle import Bundle
from ..bundles.manifest import Manifest
from ..bundles.manifest_json import parse_manifest
from ..bundles.map_catalogue import MapName, Use
from ..images.reading import volume_of
from ..images.stored_grid import geometry_from
from ..images.volume import Volume
from ..networks import build_network
from .explore import choose_folds, choose_views, explore
from .jobs import Job

PREDICTION, LABEL, UNCERTAINTY = "pred", "label", "uncertainty"
_RAS_TO_LPS = np.array([-1.0, -1.0, 1.0])


class WholeModel(nn.Module):
    """All networks of a bundle, and the way from an image to labels, probabilities and maps.

    ``manifest_file`` is the bundle's ``manifest.json``; the weights come by ``load_state_dict``. Raises
    ModelError, one line, for a manifest that cannot be read.
    """

    def __init__(self, manifest_file: str | Path) -> None:
        super().__init__()
        path = Path(manifest_file)
        try:
            text = path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ModelError(f"{path}: it cannot be read ({error}); get the bundle again") from None
        self._manifest = parse_manifest(text, path)
        self.networks = nn.ModuleDict(
            {
                _key(one.network, one.fold): build_network(self._manifest.networks[one.network])
                for one in self._manifest.weights
            }
        )
        self.eval()

    @classmethod
    def of(cls, bundle: Bundle) -> WholeModel:
        """The module of a bundle with its weights; raises ModelError if one is damaged."""
        model = cls(bundle.folder / "manifest.json")
        for one in bundle.manifest.weights:
            state = bundle.network(one.network, one.fold).state_dict()
            model.networks[_key(one.network, one.fold)].load_state_dict(state)
        return model

    @property
    def manifest(self) -> Manifest:
        """What the bundle says about itself."""
        return self._manifest

    def network(self, network: str, fold: int, device: torch.device) -> nn.Module:
        """One of the networks, in evaluation mode on ``device``; raises ModelError if there is none."""
        key = _key(network, fold)
        if key not in self.networks:
            raise ModelError(f"bundle '{self._manifest.name}' has no network {network!r} of fold {fold}")
        return self.networks[key].eval().to(device)

    @torch.inference_mode()
    def forward(self, image: Tensor, affine: Tensor) -> dict[str, Tensor]:
        """Segment one image (1, 1, X, Y, Z) whose voxels lie at ``affine`` (4, 4), mm, RAS.

        Returns, on the image's own voxels, ``pred`` (1, C, X, Y, Z), the mean softmax of the final
        prediction, ``label`` (1, 1, X, Y, Z), what the bundle decides from it, and ``uncertainty``
        (1, M, X, Y, Z), the maps of :func:`map_names`; float32. The arg max of ``pred`` is not always
        ``label``: lesions that are not believed are not drawn. Raises InputError for an image that is no
        short-axis stack, and what :func:`.segment.segment` raises.
        """
        if image.ndim != 5 or image.shape[:2] != (1, 1):
            raise ValueError(f"an image of shape (1, 1, X, Y, Z) is wanted, not {tuple(image.shape)}")
        volume = _volume(image[0, 0], affine)
        manifest = self._manifest
        job = Job(volume, self, choose_folds(manifest, None), choose_views(manifest, None))
        device = next(self.parameters()).device
        found = explore(job, device=str(device), precision="float32")
        return {
            PREDICTION: _stacked(list(found.region.roi.restore(found.region.final)), volume, device),
            LABEL: _stacked([found.segmentation], volume, device),
            UNCERTAINTY: _stacked([found.maps[name] for name in map_names(manifest)], volume, device),
        }


def map_names(manifest: Manifest) -> tuple[MapName, ...]:
    """The channels of ``uncertainty``: the maps of the final prediction that a bundle of this kind gives."""
    fitted = MapName.ERROR_PROBABILITY.value in manifest.calibration
    return tuple(
        name
        for name in MapName
        if manifest.kind in name.info.kinds
        and name.info.use > Use.STORED
        and (fitted or not name.info.calibrated)
    )


def _key(network: str, fold: int) -> str:
    return f"{network}_fold{fold}"


def _volume(image: Tensor, affine: Tensor) -> Volume:
    """The image (X, Y, Z) in slice order, placed by its RAS affine."""
    ras = np.asarray(affine.cpu(), float)
    spacing = np.linalg.norm(ras[:3, :3], axis=0)
    place = Path("image")
    if not (np.isfinite(ras).all() and (spacing > 0).all()):
        raise InputError(place, "its affine places no voxels", "give the affine of the image, mm, RAS")
    columns = ras[:3, :3] / spacing * _RAS_TO_LPS[:, None]
    grid, _ = geometry_from(place, image.shape, spacing, ras[:3, 3] * _RAS_TO_LPS, columns)
    return volume_of(place, image.float().cpu().numpy().transpose(2, 1, 0), grid, "")


def _stacked(arrays: Sequence[np.ndarray], volume: Volume, device: torch.device) -> Tensor:
    """Arrays (z, y, x) in slice order as the channels of one tensor (1, n, X, Y, Z), float32."""
    stored = [volume.storage.to_stored(array).transpose(2, 1, 0) for array in arrays]
    return torch.from_numpy(np.stack(stored).astype(np.float32))[None].to(device)
