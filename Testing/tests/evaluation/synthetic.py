"""Predictions that err like networks do: blurred truth plus smooth noise, partly shared by the passes."""

import numpy as np
import torch
from scipy import ndimage
from scipy.special import softmax

from CardiacUQLib.bundles.manifest import MIRRORED
from CardiacUQLib.inference.accumulators import CascadeAccumulator
from CardiacUQTraining.evaluation.shared.cases import CaseArrays
from CardiacUQTraining.evaluation.shared.methods import CasePasses, StagePasses
from CardiacUQTraining.evaluation.shared.scores import brier_score

CLASSES = 5


def ring(seed, shape=(4, 36, 36)):
    """A heart of rings with an infarct of random angle and size, some with MVO: labels (z, y, x)."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: shape[1], : shape[2]]
    radius = np.hypot(y - shape[1] / 2 + rng.normal(), x - shape[2] / 2 + rng.normal())
    angle = np.arctan2(y - shape[1] / 2, x - shape[2] / 2)
    labels = np.zeros(shape, np.uint8)
    labels[:, radius < 13] = 2
    labels[:, radius < 8] = 1
    where = np.abs(np.angle(np.exp(1j * (angle - rng.uniform(-3, 3))))) < rng.uniform(0.3, 1.0)
    labels[1:3, where & (radius >= 8) & (radius < 11)] = 3
    if seed % 2:
        labels[1:3, where & (radius >= 9) & (radius < 10)] = 4
    return labels


def passes(labels, seed, folds=(0,), views=MIRRORED):
    """Passes of both stages; errors are common to all passes of a case, and vary a little between them."""
    rng = np.random.default_rng(seed)
    one_hot = np.stack([labels == c for c in range(CLASSES)]).astype(float)
    base = 5.0 * ndimage.gaussian_filter(one_hot, (0, 0.3, 1.0, 1.0))

    def noise(size):
        raw = ndimage.gaussian_filter(rng.standard_normal(one_hot.shape), (0, 0.5, 2.5, 2.5))
        return size * raw / raw.std()

    common2d, common3d = noise(1.5), noise(1.1)
    p2d, p3d, names = [], [], []
    for fold in folds:
        for view in views:
            p2d.append(softmax(1.5 * (base + common2d + noise(0.5)), axis=0))
            p3d.append(softmax(1.5 * (base + 0.5 * common2d + common3d + noise(0.4)), axis=0))
            names.append((fold, view))
    folds_of, flips_of = zip(*names, strict=True)
    stages = (StagePasses(np.stack(p).astype(np.float32), folds_of, flips_of) for p in (p2d, p3d))
    return CasePasses(*stages)


def final_maps(made):
    """The maps that inference writes, from its own running means."""
    accumulator = CascadeAccumulator()
    for p2d, p3d in zip(made.stage2d.p, made.final.p, strict=True):
        final = torch.from_numpy(p3d)
        accumulator.add(torch.from_numpy(p2d), final, final)
    return {name: values.numpy() for name, values in accumulator.maps().items()}


def arrays(labels, made):
    """What is kept of a case predicted with these passes."""
    mean2d, mean3d = (stage.p.mean(axis=0) for stage in (made.stage2d, made.final))
    return CaseArrays(
        image=np.zeros(labels.shape, np.float32),
        truth=labels,
        stage2d=mean2d.argmax(axis=0).astype(np.uint8),
        segmentation=mean3d.argmax(axis=0).astype(np.uint8),
        maps=final_maps(made),
        spacing_xyz=(1.5, 1.5, 10.0),
        outside=(0,) * CLASSES,
        brier=brier_score(mean3d, labels),
    )


def case(seed, folds=(0,)):
    """The kept arrays of one synthetic case."""
    labels = ring(seed)
    return arrays(labels, passes(labels, seed, folds))
