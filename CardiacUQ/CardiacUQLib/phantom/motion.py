"""One beating heart: its shape at end-diastole and end-systole, and how it moves between them.

Contraction keeps the volume of the muscle, thickens the wall and pulls the mitral plane towards the apex.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..images.volume import Vector3
from .grid import SliceGrid, Window
from .heart import Outflow, VentricleShape, draw_shape, lv_radii, shell_ml
from .render import Blob, draw_papillaries, draw_rv_trabeculae

END_SYSTOLE = 0.38


@dataclass(frozen=True)
class PhantomStudy:
    """Anatomy and pose; ``start_mm`` is the height of the apex above the lower face of the stack."""

    grid: SliceGrid
    window: Window
    diastole: VentricleShape
    systole: VentricleShape
    start_mm: float
    outflow: Outflow | None
    rv_top: float
    trabeculation: float
    fat_abundance: float
    papillaries: tuple[Blob, ...]
    rv_trabeculae: tuple[Blob, ...]
    slice_centres: np.ndarray
    sub_centres: np.ndarray
    septum: float
    body: float


def draw_study(
    rng: np.random.Generator,
    shape: tuple[int, int, int],
    spacing: Vector3,
    ejection_fraction: float | None,
    breath_hold_mm: float,
    rotation_deg: float | None,
    offset_mm: tuple[float, float] | None,
    crop_px: int | None,
) -> PhantomStudy:
    """Draw anatomy, pose and motion; the arguments are those of :func:`cine_phantom`."""
    grid = SliceGrid(shape, spacing, 5, 1 if crop_px else 2)
    extent = shape[0] * spacing[2]
    start, above = float(rng.uniform(-3.0, 7.0)), float(rng.uniform(-4.0, 14.0))
    length = float(np.clip(extent - start - above, 62.0, 108.0))
    start = min(start, extent - length) if extent > length else (extent - length) / 2
    wanted = float(rng.uniform(20.0, 70.0))
    wanted = wanted if ejection_fraction is None else float(ejection_fraction)
    diastole = _draw_diastole(rng, length, wanted)
    outflow = None
    if rng.random() < 0.6:
        outflow = Outflow(
            float(rng.uniform(0.88, 0.97)), float(rng.normal(-0.6, 0.2)), float(rng.uniform(0.3, 0.8))
        )
    turn = np.deg2rad(rng.normal(0, 15.0) if rotation_deg is None else rotation_deg)
    drawn = rng.normal(0, 12.0, 2)
    offset = drawn if offset_mm is None else np.array([-offset_mm[0], offset_mm[1]], float)
    centres = offset + breath_hold_mm * rng.standard_normal((shape[0], 2))
    drift = rng.normal(0, 0.08, 2) * (grid.sub_z[:, None] - extent / 2)
    y0, x0 = (((shape[1] - crop_px) // 2, (shape[2] - crop_px) // 2)) if crop_px else (0, 0)
    window = Window(y0, y0 + crop_px, x0, x0 + crop_px) if crop_px else grid.whole
    level = np.linspace(0.005, 0.995, 60)
    return PhantomStudy(
        grid=grid,
        window=window,
        diastole=diastole,
        systole=contracted(diastole, wanted, float(rng.uniform(0.5, 1.1)), level),
        start_mm=start,
        outflow=outflow,
        rv_top=float(rng.uniform(0.85, 1.0)),
        trabeculation=float(rng.uniform(0.4, 1.2)),
        fat_abundance=float(rng.uniform(0.2, 1.3)),
        papillaries=draw_papillaries(rng, diastole.endo_radius),
        rv_trabeculae=draw_rv_trabeculae(rng, diastole.endo_radius + diastole.wall, diastole.rv_reach),
        slice_centres=centres,
        sub_centres=np.repeat(centres, grid.z_samples, 0) + drift,
        septum=float(np.pi + turn + rng.normal(0, 0.2)),
        body=float(turn),
    )


def _draw_diastole(rng: np.random.Generator, length: float, ejection_fraction: float) -> VentricleShape:
    """End-diastolic shape; hearts that eject little tend to be dilated, those that eject much to be thick."""
    dilation = np.clip((45.0 - ejection_fraction) / 25.0, 0.0, 1.0) * rng.uniform(0.0, 8.0)
    thick = rng.uniform(0.0, 6.0) if ejection_fraction > 55 and rng.random() < 0.4 else 0.0
    shape = draw_shape(rng, length, infarcted=False)
    return replace(
        shape,
        endo_radius=float(np.clip(rng.normal(23.5, 2.0) + dilation - 0.4 * thick, 17.0, 35.0)),
        wall=float(rng.uniform(6.5, 9.5) + thick),
        roundness=shape.roundness * 0.8,
        rv_reach=float(rng.uniform(20.0, 42.0)),
    )


def contracted(
    diastole: VentricleShape, ejection_fraction: float, rv_share: float, level: np.ndarray
) -> VentricleShape:
    """The end-systolic shape: given ejection fraction in %, muscle volume kept, base drawn to the apex.

    ``rv_share`` scales the contraction of the right ventricle. Volumes are compared without ripples.
    """
    smooth = np.zeros((len(level), 1), np.float32)

    def volumes(shape: VentricleShape) -> tuple[float, float]:
        endo, epi = lv_radii(shape, level, smooth)
        step = shape.length * (level[1] - level[0])
        return shell_ml(np.zeros_like(endo), endo, step), shell_ml(endo, epi, step)

    cavity, muscle = volumes(diastole)
    share = ejection_fraction / 100.0
    shape = replace(
        diastole,
        length=diastole.length * (1 - 0.22 * share),
        rv_reach=diastole.rv_reach * (1 - 0.55 * share * rv_share),
        rv_breadth=diastole.rv_breadth * (1 - 0.12 * share * rv_share),
        apex_wall=diastole.apex_wall * (1 + 0.5 * share),
        septal_flattening=diastole.septal_flattening * 0.5,
    )
    for _ in range(3):
        factor = np.sqrt(cavity * (1 - share) / volumes(shape)[0])
        shape = replace(shape, endo_radius=shape.endo_radius * float(factor))
    low, high = 1.0, 40.0
    for _ in range(14):
        middle = (low + high) / 2
        low, high = (middle, high) if volumes(replace(shape, wall=middle))[1] < muscle else (low, middle)
    return replace(shape, wall=(low + high) / 2)


def contraction_curve(phase: np.ndarray) -> np.ndarray:
    """Contraction from 0 (end-diastole) to 1 (end-systole) over one beat (phase 0 .. 1).

    Quick ejection, early filling, diastasis, atrial kick.
    """
    rise = np.sin(0.5 * np.pi * np.clip(phase / END_SYSTOLE, 0, 1)) ** 2
    early = 0.75 * np.sin(0.5 * np.pi * np.clip((phase - END_SYSTOLE) / 0.25, 0, 1)) ** 2
    late = 0.25 * np.sin(0.5 * np.pi * np.clip((phase - 0.82) / 0.18, 0, 1)) ** 2
    return np.where(phase <= END_SYSTOLE, rise, 1 - early - late)


def shape_between(diastole: VentricleShape, systole: VentricleShape, contraction: float) -> VentricleShape:
    """The shape at a contraction of 0 (end-diastole) to 1 (end-systole)."""
    mix = {
        name: float((1 - contraction) * start + contraction * getattr(systole, name))
        for name, start in vars(diastole).items()
    }
    return VentricleShape(**mix)
