"""Where a stack is sampled: slices with thickness, each rendered as several thin sub-slices."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..images.volume import Vector3


@dataclass(frozen=True)
class Window:
    """A rectangle of pixels: rows ``y0:y1`` and columns ``x0:x1``."""

    y0: int
    y1: int
    x0: int
    x1: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """Index of the rectangle in the last two axes."""
        return slice(self.y0, self.y1), slice(self.x0, self.x1)


@dataclass(frozen=True)
class SliceGrid:
    """A stack of ``shape`` (z, y, x) voxels of ``spacing`` (x, y, z) mm, centred in plane at (0, 0) mm.

    Slice k fills the slab from k to k + 1 times the slice spacing. Rendering samples each voxel at
    ``z_samples`` x ``xy_samples`` x ``xy_samples`` points; averaging those makes the partial volume.
    """

    shape: tuple[int, int, int]
    spacing: Vector3
    z_samples: int
    xy_samples: int

    @property
    def sub_z(self) -> np.ndarray:
        """Height in mm of every sub-slice above the lower face of the stack, shape (z * z_samples,)."""
        count = self.shape[0] * self.z_samples
        return (np.arange(count) + 0.5) * self.spacing[2] / self.z_samples

    @property
    def fine_mm(self) -> float:
        """In-plane distance of the sample points in mm."""
        return min(self.spacing[:2]) / self.xy_samples

    def axes_mm(self, window: Window, samples: int = 1) -> tuple[np.ndarray, np.ndarray]:
        """Positions (y, x) in mm of ``samples`` points per pixel over a window, as float32 vectors."""
        return (
            self._axis(window.y0, window.y1, self.shape[1], self.spacing[1], samples),
            self._axis(window.x0, window.x1, self.shape[2], self.spacing[0], samples),
        )

    @staticmethod
    def _axis(first: int, last: int, size: int, step: float, samples: int) -> np.ndarray:
        offset = (np.arange((last - first) * samples) + 0.5) / samples
        return ((first + offset - size / 2.0) * step).astype(np.float32)

    @property
    def whole(self) -> Window:
        """The window of the whole slice."""
        return Window(0, self.shape[1], 0, self.shape[2])

    def window_around(self, y_mm: tuple[float, float], x_mm: tuple[float, float], within: Window) -> Window:
        """Smallest window that holds the given extent, cut to ``within`` (never empty)."""

        def pixels(
            extent: tuple[float, float], size: int, step: float, low: int, high: int
        ) -> tuple[int, int]:
            first = int(np.floor(extent[0] / step + size / 2.0))
            last = int(np.ceil(extent[1] / step + size / 2.0))
            first = min(max(first, low), high - 1)
            return first, max(first + 1, min(last, high))

        y0, y1 = pixels(y_mm, self.shape[1], self.spacing[1], within.y0, within.y1)
        x0, x1 = pixels(x_mm, self.shape[2], self.spacing[0], within.x0, within.x1)
        return Window(y0, y1, x0, x1)

    def block_sum(self, fine: np.ndarray, dtype: type = np.float32) -> np.ndarray:
        """Sum the sample points of every voxel: (z * z_samples, y * n, x * n) to (z, y, x)."""
        n = self.xy_samples
        blocks = fine.reshape(-1, self.z_samples, fine.shape[1] // n, n, fine.shape[2] // n, n)
        total = np.zeros((blocks.shape[0], blocks.shape[2], blocks.shape[4]), dtype)
        for k in range(self.z_samples):
            for j in range(n):
                for i in range(n):
                    total += blocks[:, k, :, j, :, i]
        return total

    def mean(self, fine: np.ndarray) -> np.ndarray:
        """Partial volume: the mean of the sample points of every voxel."""
        return self.block_sum(fine) / np.float32(self.z_samples * self.xy_samples**2)

    def majority(self, fine: np.ndarray, labels: tuple[int, ...]) -> np.ndarray:
        """The label that most sample points of a voxel carry (ties: by lot, always the same), uint8."""
        votes = np.stack([self.block_sum(fine == label) for label in labels])
        votes += 0.5 * np.random.default_rng(0).random(votes.shape, np.float32)
        return np.asarray(labels, np.uint8)[votes.argmax(0)]

    def spread(self, coarse: np.ndarray) -> np.ndarray:
        """Repeat a (z, y, x) image onto the sample points, so that :meth:`mean` gives it back."""
        repeated = coarse
        for axis, times in enumerate((self.z_samples, self.xy_samples, self.xy_samples)):
            if times > 1:
                repeated = np.repeat(repeated, times, axis)
        return repeated
