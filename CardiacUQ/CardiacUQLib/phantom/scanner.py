"""What the scanner does to the tissue signal: coil shading, blur, noise, reconstruction."""

from __future__ import annotations

import numpy as np
from scipy import fft

from .fields import smooth_noise


def coil_shading(rng: np.random.Generator, shape: tuple[int, int, int], strength: float) -> np.ndarray:
    """Smooth positive factor (z, y, x) around 1; nearly the same for every slice."""
    field = smooth_noise(rng, shape, (2, 3, 3))
    return np.exp(np.float32(strength) * (field - field.mean()))


def bandlimit(image: np.ndarray, keep: tuple[float, float], softness: float = 0.25) -> np.ndarray:
    """Cut every slice of (z, y, x) to the share ``keep`` (y, x) of k-space, with a soft edge.

    A soft cut leaves mild ringing at strong edges, as zero-filled acquisitions do.
    """
    y = np.abs(fft.fftfreq(image.shape[1])) * 2
    x = np.abs(fft.rfftfreq(image.shape[2])) * 2
    radius = np.hypot(y[:, None] / keep[0], x[None, :] / keep[1])
    window = (0.5 * (1 - np.tanh((radius - 1) / softness))).astype(np.float32)
    spectrum = np.asarray(fft.rfft2(image, axes=(1, 2)))
    return np.asarray(fft.irfft2(spectrum * window, s=image.shape[1:], axes=(1, 2)), np.float32)


def receive(
    rng: np.random.Generator, signal: np.ndarray, noise: float, keep: tuple[float, float], *, magnitude: bool
) -> np.ndarray:
    """Add complex noise of standard deviation ``noise``, limit the bandwidth, reconstruct (z, y, x).

    ``magnitude`` gives the modulus (Rician noise); otherwise the phase-sensitive real part, whose noise is
    Gaussian and which keeps the sign of the signal. ``noise`` is the deviation after the band limit.
    """
    gain = noise / max(np.sqrt(np.pi / 4 * keep[0] * keep[1]), 0.3)
    real = bandlimit(signal + np.float32(gain) * rng.standard_normal(signal.shape, np.float32), keep)
    if not magnitude:
        return real
    imaginary = bandlimit(np.float32(gain) * rng.standard_normal(signal.shape, np.float32), keep)
    return np.hypot(real, imaginary)
