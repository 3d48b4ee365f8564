"""Hearts whose sizes can be computed by hand, sampled on grids of any spacing and orientation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from CardiacUQLib.images.volume import Geometry


def rotation(about_x: float, about_y: float, about_z: float) -> np.ndarray:
    """Rotation matrix from three angles in degrees."""
    matrix = np.eye(3)
    for axis, degrees in enumerate((about_x, about_y, about_z)):
        c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        a, b = [n for n in range(3) if n != axis]
        turn = np.eye(3)
        turn[a, a], turn[b, b], turn[a, b], turn[b, a] = c, c, -s, s
        matrix = matrix @ turn
    return matrix


SPACINGS = {"fine": (1.0, 1.0, 5.0), "typical": (1.458, 1.458, 10.0), "anisotropic": (1.2, 1.8, 8.0)}
ORIENTATIONS = {
    "axial": np.eye(3),
    "short axis": rotation(40.0, -35.0, 25.0),
    "oblique": rotation(-20.0, 50.0, 10.0),
}


def make_geometry(spacing, direction, size=(80, 80, 10), origin=(12.0, -34.0, 56.0)) -> Geometry:
    return Geometry(size, spacing, origin, tuple(np.ravel(direction)))


@dataclass(frozen=True)
class Plane:
    """In-plane polar coordinates in mm and degrees (counter-clockwise on the display) of every voxel."""

    radius: np.ndarray
    angle: np.ndarray


def plane(geometry: Geometry, centre_mm: tuple[float, float] | None = None) -> Plane:
    nx, ny, _ = geometry.size
    sx, sy, _ = geometry.spacing
    cx, cy = centre_mm or ((nx / 2 + 0.3) * sx, (ny / 2 - 0.2) * sy)
    y, x = np.meshgrid(np.arange(ny) * sy - cy, np.arange(nx) * sx - cx, indexing="ij")
    return Plane(np.hypot(x, y), np.degrees(np.arctan2(-y, x)) % 360.0)
