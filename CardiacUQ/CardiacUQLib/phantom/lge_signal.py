"""Contrast and imaging of late enhancement: tissue signals, and the scan that turns them into grey values."""

from __future__ import annotations

import enum
from dataclasses import dataclass

import numpy as np

from .body import Palette
from .fields import smooth_noise
from .scanner import coil_shading, receive


class Reconstruction(enum.StrEnum):
    """How the inversion-recovery signal becomes an image."""

    PHASE_SENSITIVE = "psir"
    MAGNITUDE = "magnitude"


@dataclass(frozen=True)
class LgeContrast:
    """Signal relative to nulled myocardium (0) and LV blood (1).

    ``zero`` is where no signal at all lies (air, lung): below 0 for muscle past its null.
    """

    infarct: float
    mvo: float
    rv_blood: float
    zero: float
    fat: float
    noise: float
    grey_myocardium: float
    grey_per_unit: float


def draw_contrast(rng: np.random.Generator, noise: float | None) -> LgeContrast:
    """Contrast within the clinical range; ``noise`` overrides the drawn level."""
    infarct = float(np.clip(np.exp(rng.normal(0.2, 0.4)), 0.5, 2.6))
    drawn = float(np.clip(np.exp(rng.normal(np.log(0.12), 0.4)), 0.05, 0.3))
    return LgeContrast(
        infarct=infarct,
        mvo=float(rng.uniform(-0.15, 0.5)) * infarct,
        rv_blood=float(rng.uniform(0.88, 1.12)),
        zero=float(-np.clip(np.exp(rng.normal(np.log(0.7), 0.6)), 0.1, 2.0)),
        fat=float(np.clip(np.exp(rng.normal(np.log(2.6), 0.35)), 1.4, 5.0)),
        noise=drawn if noise is None else float(noise),
        grey_myocardium=float(rng.uniform(122, 160)),
        grey_per_unit=float(np.clip(np.exp(rng.normal(np.log(18.0), 0.4)), 9.0, 38.0)),
    )


def draw_palette(rng: np.random.Generator, contrast: LgeContrast) -> Palette:
    """Signals of the tissues around the heart."""
    zero = contrast.zero
    return Palette(
        air=zero,
        fat=contrast.fat,
        muscle=float(rng.uniform(-0.1, 0.5)),
        bone=zero + 0.3,
        lung=zero + float(rng.uniform(0.0, 0.25)),
        lung_vessel=float(rng.uniform(0.6, 1.4)),
        liver=float(rng.uniform(0.2, 0.95)),
        liver_vessel=1.0,
        gas=zero + float(rng.uniform(-0.9, 0.1)),
        organ_low=-0.2,
        organ_high=1.6,
        blood=1.0,
        texture=float(rng.uniform(0.05, 0.15)),
    )


def unrest(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Slow signal variation within blood and muscle (flow, uneven nulling), (z, y, x)."""
    few = (shape[0], max(shape[1] // 4, 2), max(shape[2] // 4, 2))
    slow = (max(shape[0] // 2, 1), max(shape[1] // 14, 2), max(shape[2] // 14, 2))
    fine, broad = smooth_noise(rng, shape, few), smooth_noise(rng, shape, slow)
    return np.float32(rng.uniform(0.03, 0.14)) * fine + np.float32(rng.uniform(0.06, 0.2)) * broad


def scan(
    rng: np.random.Generator,
    signal: np.ndarray,
    contrast: LgeContrast,
    reconstruction: Reconstruction,
    *,
    may_pad: bool,
) -> np.ndarray:
    """Coil shading, noise, band limit, window levels per slice and the margin of a rectangular matrix."""
    keep = (float(rng.uniform(0.45, 0.8)), float(rng.uniform(0.5, 0.85)))
    shading = coil_shading(rng, signal.shape, float(rng.uniform(0.04, 0.2)))
    lifted = (signal - np.float32(contrast.zero)) * shading
    magnitude = reconstruction is Reconstruction.MAGNITUDE
    received = receive(rng, lifted, contrast.noise, keep, magnitude=magnitude) + np.float32(contrast.zero)
    gain = contrast.grey_per_unit * np.exp(rng.normal(0, 0.06, len(signal)))
    level = contrast.grey_myocardium + rng.normal(0, 0.15, len(signal)) * contrast.grey_per_unit
    grey = level[:, None, None] + gain[:, None, None] * received
    grey = np.clip(grey, 0.0, 255.0).astype(np.float32)
    if may_pad and rng.random() < 0.6:
        axis, margins = rng.choice((1, 2)), (signal.shape[1:] * rng.uniform(0.0, 0.22, (2, 2)).T).astype(int)
        first, last = margins[:, axis - 1]
        places = np.arange(signal.shape[axis])
        empty = (places < first) | (places >= signal.shape[axis] - last)
        grey[(slice(None),) * axis + (empty,)] = 0.0
    return grey
