"""Running a bundle over one labelled case, by folds that may judge it, pass by pass."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import nn

from CardiacUQLib.base.errors import CardiacUQError, ModelError, UsageError
from CardiacUQLib.base.progress import CancelToken
from CardiacUQLib.bundles.bundle import Bundle
from CardiacUQLib.bundles.manifest import MIRRORED, Manifest, View
from CardiacUQLib.images.volume import Volume
from CardiacUQLib.inference.calibration import KEY, ErrorProbability
from CardiacUQLib.inference.locator import LOCATOR, find_heart
from CardiacUQLib.inference.passes import Arithmetic, CascadePass, run_cascade
from CardiacUQLib.inference.roi import Roi, find_roi, normalise_slices

from .methods import CasePasses, StagePasses, final_maps


class SeenInTrainingError(CardiacUQError):
    """A case may not be judged by the chosen folds because they were, or may have been, trained on it."""

    exit_code = ModelError.exit_code


@dataclass
class KeptNetworks:
    """A bundle whose networks are read and checked once for all cases, not once per case."""

    bundle: Bundle
    _kept: dict[tuple[str, int, str], nn.Module] = field(default_factory=dict)

    @property
    def manifest(self) -> Manifest:
        """The bundle's manifest."""
        return self.bundle.manifest

    def network(self, network: str, fold: int, device: torch.device) -> nn.Module:
        """As :meth:`Bundle.network`."""
        key = (network, fold, str(device))
        if key not in self._kept:
            self._kept[key] = self.bundle.network(network, fold, device)
        return self._kept[key]


@dataclass(frozen=True)
class PassOptions:
    """Which passes to run: ``folds`` None = all; T = ``dropout_samples`` 0 = no MC dropout."""

    folds: tuple[int, ...] | None = None
    views: tuple[View, ...] = MIRRORED
    dropout_samples: int = 0
    cross_validated: bool = False


@dataclass(frozen=True)
class Window:
    """The part of the plane of the volume that the networks saw."""

    y: slice
    x: slice
    shape: tuple[int, int, int]

    def cut(self, array: np.ndarray) -> np.ndarray:
        """The window of an array (..., Y, X)."""
        return array[..., self.y, self.x]

    def paste(self, array: np.ndarray) -> np.ndarray:
        """A window (z, y, x) put back into zeros of the volume's shape."""
        full = np.zeros(self.shape, array.dtype)
        full[..., self.y, self.x] = array
        return full


def permitted_folds(manifest: Manifest, case_id: str, options: PassOptions) -> tuple[int, ...]:
    """The folds that shall predict a case, ascending.

    Cross-validated: those among the chosen ones that list the case as held out. Raises
    :class:`SeenInTrainingError`, naming the case, if there are none, and UsageError for an unknown fold.
    """
    chosen = manifest.folds if options.folds is None else options.folds
    unknown = [fold for fold in chosen if fold not in manifest.folds]
    if unknown:
        present = ", ".join(map(str, manifest.folds))
        raise UsageError(f"fold {unknown[0]} is not in bundle '{manifest.name}'; it has {present}")
    if not options.cross_validated:
        return tuple(chosen)
    if not any(manifest.held_out.values()):
        raise SeenInTrainingError(
            f"{case_id}: bundle '{manifest.name}' does not say which cases its folds held out; "
            "leave out --cross-validated if it was trained on other cases"
        )
    unseen = tuple(fold for fold in chosen if case_id in manifest.held_out.get(fold, ()))
    if unseen:
        return unseen
    by_others = [fold for fold, cases in manifest.held_out.items() if case_id in cases]
    if by_others:
        problem = f"was in the training set of fold {', '.join(map(str, chosen))}"
        raise SeenInTrainingError(f"{case_id}: {problem}; only fold {by_others[0]} held it out")
    raise SeenInTrainingError(
        f"{case_id}: no fold of '{manifest.name}' lists it as held out, so it may have been trained on; "
        "leave out --cross-validated for cases outside the training data"
    )


@dataclass(frozen=True)
class Predicted:
    """All passes of one case on the volume's own grid inside ``window``; P(wrong) there where the bundle
    has a fitted model that may be used."""

    passes: CasePasses
    window: Window
    error_probability: np.ndarray | None


def predict_case(
    volume: Volume,
    networks: KeptNetworks,
    arithmetic: Arithmetic,
    folds: Sequence[int],
    options: PassOptions,
    cancel: CancelToken | None = None,
) -> Predicted:
    """Run one case. MC dropout samples come from the first fold without test-time views, as a single model's.

    P(wrong) is left out under cross-validation: the bundle's model was fitted on these very cases.
    """
    manifest = networks.manifest
    centre = None
    if LOCATOR in manifest.networks:
        centre = find_heart(volume, networks, arithmetic, folds, cancel)
    roi = find_roi(volume, manifest.roi, centre)
    crop = normalise_slices(roi.extract(volume.array))
    window = window_of(roi, volume.array.shape)
    passes = list(run_cascade(crop, networks, arithmetic, folds=folds, views=options.views, cancel=cancel))
    samples: list[CascadePass] = []
    if options.dropout_samples:
        dropout = {"views": (View.IDENTITY,), "dropout_samples": options.dropout_samples}
        samples = list(run_cascade(crop, networks, arithmetic, folds=folds[:1], cancel=cancel, **dropout))
    seen = _collect(passes, samples, lambda p: p)
    fitted = None if options.cross_validated else manifest.calibration.get(KEY)
    return Predicted(
        _collect(passes, samples, lambda p: on_grid(p, roi, window)),
        window,
        None if fitted is None else window.cut(roi.restore(_error_probability(seen, fitted))),
    )


def merge_classes(passes: CasePasses, merged: Mapping[int, int]) -> CasePasses:
    """The passes as of a model that takes certain classes for another one: their softmax added to its."""

    def add(p: np.ndarray | None) -> np.ndarray | None:
        if p is None:
            return None
        p = p.copy()
        for value, into in merged.items():
            p[:, into] += p[:, value]
            p[:, value] = 0.0
        return p

    def stage(one: StagePasses) -> StagePasses:
        return replace(one, p=add(one.p), dropout=add(one.dropout))

    return CasePasses(stage(passes.stage2d), stage(passes.stage3d)) if merged else passes


def _collect(
    passes: Sequence[CascadePass], samples: Sequence[CascadePass], place: Callable[[np.ndarray], np.ndarray]
) -> CasePasses:
    """Both stages of all passes, each softmax put where ``place`` puts it."""
    folds, views = tuple(one.fold for one in passes), tuple(one.view for one in passes)

    def stage(name: str) -> StagePasses:
        p, dropout = (
            [place(getattr(one, name).cpu().numpy()) for one in several] for several in (passes, samples)
        )
        return StagePasses(np.stack(p), folds, views, np.stack(dropout) if dropout else None)

    return CasePasses(stage("p2d"), stage("p3d"))


def _error_probability(passes: CasePasses, fitted: Mapping[str, Any]) -> np.ndarray:
    """P(wrong) in the pixels of the ROI, where inference computes it too."""
    segmentation, stage2d = (p.p.mean(axis=0).argmax(axis=0) for p in (passes.stage3d, passes.stage2d))
    return ErrorProbability.from_manifest(fitted).predict(final_maps(passes), segmentation, stage2d)


def window_of(roi: Roi, shape: tuple[int, ...]) -> Window:
    """Bounding box of the voxels of the volume that lie in the ROI."""
    inside = roi.restore(np.ones((1, roi.size, roi.size), np.float32))[0] > 0.5
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    return Window(
        slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1), tuple(shape)
    )


def on_grid(p: np.ndarray, roi: Roi, window: Window) -> np.ndarray:
    """A softmax (C, z, y, x) of the ROI on the volume's grid; certain background where the ROI ends."""
    restored = window.cut(roi.restore(p)).astype(np.float32)
    restored[0] += 1.0 - restored.sum(axis=0)
    return np.clip(restored, 0.0, 1.0)
