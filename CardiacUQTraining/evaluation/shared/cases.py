"""What is kept of every judged case, so that an interrupted evaluation goes on where it stopped.

``OUT/cases/<id>.json`` holds the figures, ``OUT/cases/<id>.npz`` labels and maps in the pixels of the
networks (for P(wrong), the simulated annotator and the pictures). Both carry the key of the run: figures of
another model, other options or other data are never mixed in.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from CardiacUQLib.base.errors import InputError
from CardiacUQLib.base.json_codec import write_json
from CardiacUQLib.base.json_file import read_object
from CardiacUQLib.base.safe_files import replacing
from CardiacUQLib.bundles.manifest import Manifest
from CardiacUQLib.bundles.map_catalogue import MapName

FORMAT_VERSION = 5


@dataclass(frozen=True)
class CaseFigures:
    """Figures of one case: ``segmentation`` by stage, ``rows`` by row key, ``missing`` rows with reasons.

    ``pass_volumes_ml[p][c]`` is the volume of class c in pass p of the final stage, fold by fold.
    """

    case: str
    group: str
    folds: tuple[int, ...]
    seconds: float
    segmentation: Mapping[str, Mapping[str, float]]
    rows: Mapping[str, Mapping[str, Any]]
    missing: Mapping[str, str] = field(default_factory=dict)
    pass_volumes_ml: Sequence[Sequence[float]] = ()
    reference_ml: Sequence[float] = ()
    predicted_ml: Sequence[float] = ()
    """Volume of every class by the reader and by the final prediction, on the grid of the image."""
    assessment: Mapping[str, Any] = field(default_factory=dict)
    """What was said about the case as a whole, as in ``case.json``."""
    evidence: Mapping[str, float] = field(default_factory=dict)
    bands: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """By structure what the contour band held of the reader's contour, and its width in mm."""
    contours: Mapping[str, Any] = field(default_factory=dict)
    """How the reader's contours lie to the scores of bands; kept where no other material is."""


@dataclass(frozen=True)
class CaseArrays:
    """Arrays (z, y, x) of one case in the pixels of the networks, ``spacing_xyz`` mm apart."""

    image: np.ndarray
    truth: np.ndarray
    stage2d: np.ndarray
    segmentation: np.ndarray
    maps: Mapping[MapName, np.ndarray]
    spacing_xyz: tuple[float, float, float]
    outside: tuple[int, ...]
    """Voxels of each class of the truth that lie outside the region."""
    brier: np.ndarray
    """Brier score per voxel of the cascade's mean softmax."""
    undropped: np.ndarray | None = None
    """The segmentation before lesions too small to be believed were dropped; None if it was not kept."""
    mean: np.ndarray | None = None
    """Mean softmax (C, z, y, x) of both opinions, for places worth a look; None if it was not kept."""


def run_key(manifest: Manifest, options: Mapping[str, Any]) -> str:
    """Hash of everything that figures depend on: weights, folds' held-out cases, options; not the
    calibration or the metrics stored in the bundle, which may change without changing a prediction."""
    content = {
        "format": FORMAT_VERSION,
        "weights": sorted((w.network, w.fold, w.sha256) for w in manifest.weights),
        "held_out": {str(fold): sorted(cases) for fold, cases in manifest.held_out.items()},
        "roi": asdict(manifest.roi),
        "input": manifest.cascade_input.value,
        "sharpness": dict(sorted(manifest.sharpness.items())),
        "stage_rule": asdict(manifest.stage_rule),
        "smallest_lesion_ml": dict(sorted(manifest.smallest_lesion_ml.items())),
        "options": dict(options),
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class CaseStore:
    """The folder of judged cases of one run."""

    folder: Path
    key: str

    def load(self, case: str, files: str = "") -> CaseFigures | None:
        """Figures of a case judged before by this very run from ``files`` in the same state; else None."""
        try:
            stored = read_object(self.folder / f"{case}.json", "judge the case again")
        except InputError:
            return None
        if (stored.get("key"), stored.get("files")) != (self.key, files) or not (
            self.folder / f"{case}.npz"
        ).is_file():
            return None
        figures = nan_from_none(stored["figures"])
        said = stored["figures"]["assessment"]  # words and nothing said, no figures
        return CaseFigures(**figures | {"folds": tuple(figures["folds"]), "assessment": said})

    def arrays(self, case: str) -> CaseArrays:
        """Arrays of a case that :meth:`load` knows."""
        with np.load(self.folder / f"{case}.npz", allow_pickle=False) as stored:
            return CaseArrays(
                stored["image"],
                stored["truth"],
                stored["stage2d"],
                stored["segmentation"],
                {name: stored[name.value] for name in MapName if name.value in stored.files},
                tuple(stored["spacing_xyz"].tolist()),
                tuple(stored["outside"].tolist()),
                stored["brier"],
                stored["undropped"] if "undropped" in stored.files else None,
                stored["mean"].astype(np.float32) if "mean" in stored.files else None,
            )

    def save(self, figures: CaseFigures, arrays: CaseArrays, files: str = "") -> None:
        """Write both files, the figures last: they say that the case is complete."""
        self.folder.mkdir(parents=True, exist_ok=True)
        target = self.folder / f"{figures.case}.npz"
        undropped = {} if arrays.undropped is None else {"undropped": arrays.undropped}
        mean = {} if arrays.mean is None else {"mean": arrays.mean.astype(np.float16)}
        with replacing(target, suffix=".npz") as beside:
            kept: dict[str, Any] = {
                "image": arrays.image,
                "truth": arrays.truth,
                "stage2d": arrays.stage2d,
                "segmentation": arrays.segmentation,
                "spacing_xyz": np.asarray(arrays.spacing_xyz),
                "outside": np.asarray(arrays.outside),
                "brier": arrays.brier.astype(np.float32),
                **undropped,
                **mean,
                **{name.value: values.astype(np.float32) for name, values in arrays.maps.items()},
            }
            np.savez_compressed(beside, **kept)
        write_json({"key": self.key, "files": files, "figures": asdict(figures)}, target.with_suffix(".json"))


def nan_from_none(value: Any) -> Any:
    """JSON as read back with its nulls as NaN, so that figures stay numbers."""
    if isinstance(value, dict):
        return {key: nan_from_none(item) for key, item in value.items()}
    if isinstance(value, list):
        return [nan_from_none(item) for item in value]
    return float("nan") if value is None else value
