"""The uncertainty methods side by side: each a voxel map and a segmentation from the same passes.

Sources: MC dropout (Gal & Ghahramani, ICML 2016), test-time augmentation (Wang et al., 2019), deep
ensembles (Lakshminarayanan et al., NeurIPS 2017), SCS (Schwab et al., UNSURE 2025, eq. 1), entropy and
mutual information (Depeweg et al., ICML 2018), pairwise Dice (Zenk et al., MedIA 2025).
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from CardiacUQLib.base.arg_max import arg_max
from CardiacUQLib.bundles.manifest import BundleKind, View
from CardiacUQLib.bundles.map_catalogue import MapName, Use, maps_used
from CardiacUQLib.inference import maps

from .dice import mean_pairwise_dice


class Method(enum.StrEnum):
    """What the uncertainty is made of; the value is the name on the command line."""

    MC_DROPOUT = "mc_dropout"
    TTA = "tta"
    ENSEMBLE = "ensemble"
    ENSEMBLE_TTA = "ensemble_tta"
    SCS = "scs"
    ENTROPY = "entropy"
    MUTUAL_INFORMATION = "mutual_information"
    MAX_PROBABILITY = "max_probability"
    PAIRWISE_DICE = "pairwise_dice"
    ERROR_PROBABILITY = "error_probability"


class Stage(enum.StrEnum):
    """Whose prediction is judged: the slice-wise network's or the whole cascade's."""

    SLICES = "2d"
    CASCADE = "cascade"


TITLES = {
    Method.MC_DROPOUT: "MC dropout",
    Method.TTA: "TTA",
    Method.ENSEMBLE: "Ensemble",
    Method.ENSEMBLE_TTA: "TTA + ensemble",
    Method.SCS: "SCS",
    Method.ENTROPY: "Entropy",
    Method.MUTUAL_INFORMATION: "Mutual information",
    Method.MAX_PROBABILITY: "1 - max. probability",
    Method.PAIRWISE_DICE: "1 - pairwise Dice (case only)",
    Method.ERROR_PROBABILITY: "Error probability",
}


@dataclass(frozen=True, order=True)
class Row:
    """One line of the table: a method, or a map of the catalogue that none of the methods is."""

    stage: Stage
    method: Method | MapName

    @property
    def key(self) -> str:
        """Name in CSV and JSON, e.g. ``tta_2d``."""
        return f"{self.method.value}_{self.stage.value}"

    @property
    def title(self) -> str:
        """Name for people, e.g. ``TTA (2D)``."""
        title = self.method.info.title if isinstance(self.method, MapName) else TITLES[self.method]
        return f"{title} ({'2D' if self.stage is Stage.SLICES else 'cascade'})"

    @property
    def is_probability(self) -> bool:
        """True if the map claims to be P(wrong), so that its calibration can be measured."""
        if isinstance(self.method, MapName):
            return self.method.info.is_probability
        return self.method in (Method.MAX_PROBABILITY, Method.ERROR_PROBABILITY)


MAP_ROWS: tuple[Row, ...] = tuple(
    Row(Stage.CASCADE, name)
    for name in maps_used(Use.JUDGED)
    if BundleKind.CASCADE in name.info.kinds and name.value not in (*Method, MapName.VARIANCE)
)
"""What inference says beside the methods (TTA + ensemble is the variance): judged as it is written."""

ROWS: tuple[Row, ...] = (
    *(
        Row(stage, method)
        for stage in Stage
        for method in Method
        if stage is Stage.CASCADE or method not in (Method.SCS, Method.ERROR_PROBABILITY)
    ),
    *MAP_ROWS,
)
"""All rows in the order of the table."""


@dataclass(frozen=True)
class StagePasses:
    """Softmax of one stage in every pass: ``p`` (F, C, z, y, x) with the fold and view of each pass;
    ``dropout`` (T, C, z, y, x) are the samples with dropout left on, None if there are none."""

    p: np.ndarray
    folds: tuple[int, ...]
    views: tuple[View, ...]
    dropout: np.ndarray | None = None

    @property
    def first_fold(self) -> np.ndarray:
        """The passes of the first fold only, one per view: what a single model gives."""
        return self.p[[fold == self.folds[0] for fold in self.folds]]

    @property
    def unflipped(self) -> np.ndarray:
        """The passes seen as it is, one per fold: the deep ensemble."""
        return self.p[[view is View.IDENTITY for view in self.views]]


@dataclass(frozen=True)
class CasePasses:
    """The 2D stage and the final prediction of one case in every pass.

    ``compared`` are the softmax outputs (F, C, z, y, x) of the 2D and of the 3D stage as SCS compares them;
    None where they are those of the 2D stage and the final prediction.
    """

    stage2d: StagePasses
    final: StagePasses
    compared: tuple[np.ndarray, np.ndarray] | None = None

    def of(self, stage: Stage) -> StagePasses:
        """The passes of the stage that a row judges."""
        return self.stage2d if stage is Stage.SLICES else self.final


@dataclass(frozen=True)
class Prediction:
    """What one row says about one case: mean softmax (C, z, y, x) and the uncertainty map (z, y, x);
    ``uncertainty`` None for methods that score whole cases only, by ``case_score``."""

    row: Row
    mean: np.ndarray
    uncertainty: np.ndarray | None
    case_score: float | None = None

    @property
    def labels(self) -> np.ndarray:
        """Arg max of the mean softmax, uint8 (z, y, x)."""
        return arg_max(self.mean)


def predictions(passes: CasePasses, methods: Iterable[Method]) -> Iterator[Prediction]:
    """The predictions of every available row of ``methods``, in the order of :data:`ROWS`.

    MC dropout and TTA are methods of a single model and use the first fold; SCS, entropy, mutual
    information and maximum probability use all passes.
    """
    wanted = set(methods)
    for row in ROWS:
        method = row.method
        if isinstance(method, Method) and method in wanted and why_unavailable(method, passes) is None:
            yield _MAKERS[method](row, passes)


def why_unavailable(method: Method, passes: CasePasses) -> str | None:
    """Why a method cannot be computed from these passes; None if it can."""
    stage = passes.final
    if method is Method.ERROR_PROBABILITY:
        return "is fitted after all cases are predicted"
    if method is Method.MC_DROPOUT and stage.dropout is None:
        return "needs passes with dropout"
    if method is Method.TTA and len(stage.first_fold) < 2:
        return "needs at least two views"
    if method in (Method.ENSEMBLE, Method.ENSEMBLE_TTA) and len(set(stage.folds)) < 2:
        return "needs at least two models that did not see the case"
    if method in (Method.PAIRWISE_DICE, Method.MUTUAL_INFORMATION) and len(stage.p) < 2:
        return "needs at least two passes"
    return None


def _variance_of(
    select: Callable[[StagePasses], np.ndarray | None],
) -> Callable[[Row, CasePasses], Prediction]:
    def make(row: Row, passes: CasePasses) -> Prediction:
        members = select(passes.of(row.stage))
        if members is None:
            raise ValueError(f"{row.key} asked of passes that lack it")
        return Prediction(row, members.mean(axis=0), maps.ensemble_variance(members))

    return make


def _of_all(measure: Callable[[np.ndarray], np.ndarray]) -> Callable[[Row, CasePasses], Prediction]:
    def make(row: Row, passes: CasePasses) -> Prediction:
        members = passes.of(row.stage).p
        return Prediction(row, members.mean(axis=0), measure(members))

    return make


def _scs(row: Row, passes: CasePasses) -> Prediction:
    scs = maps.soft_correction_score(*(passes.compared or (passes.stage2d.p, passes.final.p)))
    return Prediction(row, passes.final.p.mean(axis=0), scs)


def _pairwise_dice(row: Row, passes: CasePasses) -> Prediction:
    members = passes.of(row.stage).p
    score = 1.0 - mean_pairwise_dice(arg_max(members, axis=1), members.shape[1])
    return Prediction(row, members.mean(axis=0), None, score)


_MAKERS: dict[Method, Callable[[Row, CasePasses], Prediction]] = {
    Method.MC_DROPOUT: _variance_of(lambda stage: stage.dropout),
    Method.TTA: _variance_of(lambda stage: stage.first_fold),
    Method.ENSEMBLE: _variance_of(lambda stage: stage.unflipped),
    Method.ENSEMBLE_TTA: _variance_of(lambda stage: stage.p),
    Method.SCS: _scs,
    Method.ENTROPY: _of_all(lambda p: maps.entropy(p.mean(axis=0))),
    Method.MUTUAL_INFORMATION: _of_all(maps.mutual_information),
    Method.MAX_PROBABILITY: _of_all(lambda p: 1.0 - maps.maximum_probability(p.mean(axis=0))),
    Method.PAIRWISE_DICE: _pairwise_dice,
}
