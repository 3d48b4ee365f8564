"""Finding bad segmentations, measured as the public benchmark of failure detection measures it.

Zenk et al., MedIA 2025 (doi 10.1016/j.media.2024.103392) judge scores of confidence by the risk that is left
among the most confident cases, risk being 1 - mean Dice. Its repository keeps an experiment as arrays with
their names and its results as ``fd_metrics.csv``; both are written here with the same names and columns, so
that its own analysis reads them. AURC and its companions follow FD-Shifts (Jaeger et al., ICLR 2023).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .discrimination import pearson, spearman

ALL, ALL_OTHERS = "all_", "all_ood_"
"""Names of the benchmark for all domains together, and for all but the first, that of the training."""


@dataclass(frozen=True)
class Experiment:
    """Confidences (case, score), metrics (case, metric) and metrics by class (case, class, metric), NaN where
    there is none; ``domains`` names the data set of every case."""

    cases: tuple[str, ...]
    domains: tuple[str, ...]
    confidence: np.ndarray
    confidence_names: tuple[str, ...]
    metrics: np.ndarray
    metric_names: tuple[str, ...]
    by_class: np.ndarray
    class_metric_names: tuple[str, ...]

    def then(self, other: Experiment) -> Experiment:
        """Both together, with the scores and metrics that both have."""
        scores = [name for name in self.confidence_names if name in other.confidence_names]
        pair = (self, other)
        return Experiment(
            self.cases + other.cases,
            self.domains + other.domains,
            np.concatenate(
                [one.confidence[:, [one.confidence_names.index(n) for n in scores]] for one in pair]
            ),
            tuple(scores),
            np.concatenate([one.metrics for one in pair]),
            self.metric_names,
            np.concatenate([one.by_class for one in pair]),
            self.class_metric_names,
        )


@dataclass(frozen=True)
class Curve:
    """Risk of the cases that are kept at falling coverage; ``weight`` is the coverage between two points."""

    coverage: np.ndarray
    risk: np.ndarray
    weight: np.ndarray

    @property
    def area(self) -> float:
        """By trapezoids; between all cases and the last one that is kept."""
        return float((0.5 * (self.risk[:-1] + self.risk[1:]) * self.weight).sum())


def benchmark_curve(confidence: np.ndarray, risk: np.ndarray) -> Curve:
    """The risk-coverage curve as the benchmark draws it.

    The least confident cases go first; of equally confident ones the first that goes makes a point, the
    others count with the next. The last case is never left out; where equals were left over, the curve ends
    level at coverage 0.
    """
    confidence, risk = np.asarray(confidence, float), np.asarray(risk, float)
    count = risk.size
    order = np.argsort(confidence, kind="stable")
    gone = np.arange(1, count)
    first = np.r_[True, np.diff(confidence[order])[: count - 2] != 0][: count - 1]
    rest = risk.sum() - np.cumsum(risk[order])[: count - 1]
    coverage = np.r_[count, (count - gone)[first]] / count
    kept = np.r_[risk.mean(), (rest / (count - gone))[first]]
    weight = -np.diff(coverage)
    if (left := coverage[-1] - 1 / count) > 1e-12:
        coverage, kept = np.r_[coverage, 0.0], np.r_[kept, kept[-1]]
        weight = np.r_[weight, left]
    return Curve(coverage, kept, weight)


def failure_metrics(confidence: np.ndarray, risk: np.ndarray) -> dict[str, float]:
    """AURC, its best and its random value, e-AURC, nAURC, and correlations, by the benchmark's names.

    NaN for fewer than two cases or a confidence that is missing in any.
    """
    names = ("aurc", "opt-aurc", "rand-aurc", "e-aurc", "norm-aurc", "spearman", "pearson")
    if risk.size < 2 or not (np.isfinite(confidence).all() and np.isfinite(risk).all()):
        return dict.fromkeys(names, float("nan"))
    area, best, chance = (
        benchmark_curve(confidence, risk).area,
        benchmark_curve(-risk, risk).area,
        float(risk.mean()),
    )
    share = (chance - area) / (chance - best) if chance > best else float("nan")
    found = (area, best, chance, area - best, share, spearman(confidence, risk), pearson(confidence, risk))
    return dict(zip(names, found, strict=True))


def failure_auc(confidence: np.ndarray, failed: np.ndarray) -> dict[str, float]:
    """How well confidence parts failures from successes: AUROC, false positives at 95 % of the successes, and
    average precision of successes and of failures, by the benchmark's names; NaN without both."""
    names = ("failauc", "fpr@95tpr", "failap_suc", "failap_err")
    failed = np.asarray(failed, bool)
    if failed.all() or not failed.any() or not np.isfinite(confidence).all():
        return dict.fromkeys(names, float("nan"))
    from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

    false, true, _ = roc_curve(~failed, confidence)
    found = (
        float(roc_auc_score(~failed, confidence)),
        float(false[true >= 0.95 - 5e-4].min()),
        float(average_precision_score(~failed, confidence)),
        float(average_precision_score(failed, -confidence)),
    )
    return dict(zip(names, found, strict=True))


def domains_of(experiment: Experiment) -> dict[str, np.ndarray]:
    """Which cases belong to every domain, to all but the first, and to all, by the benchmark's names."""
    names = np.array(experiment.domains)
    found = {name: names == name for name in sorted(set(experiment.domains))}
    if len(found) > 1:
        found[ALL_OTHERS] = names != experiment.domains[0]
    return found | {ALL: np.ones(len(names), bool)}


def results(experiment: Experiment, low: Sequence[float] = ()) -> list[dict[str, object]]:
    """Rows of ``fd_metrics.csv``: every score against every metric in every domain.

    ``low`` adds for every threshold the figures of finding metrics below it, named ``failauc<0.7``.
    """
    rows: list[dict[str, object]] = []
    for domain, chosen in domains_of(experiment).items():
        for s, score in enumerate(experiment.confidence_names):
            for m, metric in enumerate(experiment.metric_names):
                confidence, values = experiment.confidence[chosen, s], experiment.metrics[chosen, m]
                row: dict[str, object] = {"confid_name": score, "metric": metric, "domain": domain}
                row |= {"n_cases": int(chosen.sum()), **failure_metrics(confidence, 1.0 - values)}
                for threshold in low:
                    found = failure_auc(confidence, values < threshold)
                    row |= {f"{name}<{threshold:g}": value for name, value in found.items()}
                rows.append(row)
    return rows
