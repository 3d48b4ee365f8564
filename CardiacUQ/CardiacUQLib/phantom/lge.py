"""Late-enhancement short-axis stacks with truth: the seeded phantom of demo, tests and augmentation.

Anatomy, contrast and artefacts are drawn so that the class contrasts, heart sizes, wall thickness, infarct
shares and noise cover those of clinical phase-sensitive inversion-recovery stacks at 1.5 T. Signal is scaled
so that nulled myocardium is 0 and LV blood is 1 before shading, noise and windowing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..base.errors import UsageError
from ..bundles.classes import LGE_CLASSES
from ..images.volume import Vector3
from .body import blend, body_frame, render_body
from .fields import periodic_ripple
from .grid import SliceGrid, Window
from .heart import HeartSurfaces, VentricleShape, draw_shape, draw_surfaces, shell_ml
from .infarct import InfarctSurfaces, Territory, draw_infarct
from .lge_signal import LgeContrast, Reconstruction, draw_contrast, draw_palette, scan, unrest
from .model import LabelledPhantom, check_grid
from .render import (
    Blob,
    PolarPoints,
    add_blobs,
    draw_papillaries,
    draw_rv_trabeculae,
    extent_mm,
    polar_points,
)

BLOOD, MYOCARDIUM, INFARCT, MVO = 1, 2, 3, 4
_STREAM = 0x4C4745


def lge_phantom(
    seed: int,
    *,
    shape: tuple[int, int, int] = (8, 256, 256),
    spacing: Vector3 = (1.458, 1.458, 10.0),
    infarct: bool | None = None,
    mvo: bool | None = None,
    territory: Territory | str | None = None,
    reconstruction: Reconstruction | str = Reconstruction.PHASE_SENSITIVE,
    noise: float | None = None,
    breath_hold_mm: float = 1.2,
    rotation_deg: float | None = None,
    offset_mm: tuple[float, float] | None = None,
    apex_first: bool = True,
    crop_px: int | None = None,
) -> LabelledPhantom:
    """One synthetic LGE stack; the same arguments give the same voxels.

    ``shape`` is (z, y, x), ``spacing`` (x, y, z) in mm. ``infarct`` and ``mvo``: with, without, or drawn
    (None: infarct in 70 %, MVO in half of those). ``noise`` is the standard deviation relative to the
    blood-myocardium contrast (None: drawn, 0.05 to 0.3); ``breath_hold_mm`` the standard deviation of the
    in-plane shift of each slice; ``offset_mm`` (y, x) the heart's place relative to the image centre (None:
    drawn within a few mm). ``crop_px`` renders only that many pixels around the image centre, at lower
    sampling, several times faster. Slices run from apex to base unless ``apex_first`` is False.

    Raises UsageError for a shape, spacing or combination that cannot be rendered.
    """
    check_grid(seed, shape, spacing, crop_px)
    if infarct is False and mvo:
        raise UsageError("an MVO lies inside an infarct; allow the infarct or leave out the MVO")
    anatomy, tissue, noise_rng = np.random.default_rng([_STREAM, seed]).spawn(3)
    with_infarct = bool(anatomy.random() < 0.7) if infarct is None else infarct
    with_infarct = with_infarct or bool(mvo)
    with_mvo = bool(anatomy.random() < 0.5) and with_infarct if mvo is None else mvo
    grid = SliceGrid(shape, spacing, 5, 1 if crop_px else 2)
    window = _window(shape, crop_px)
    pose = _draw_pose(anatomy, grid, breath_hold_mm, rotation_deg, offset_mm)
    heart = _draw_heart(anatomy, grid, with_infarct)
    scar = None
    if with_infarct:
        wanted = Territory(territory) if territory else None
        scar = draw_infarct(anatomy, heart.surfaces, territory=wanted, with_mvo=with_mvo)
    contrast = draw_contrast(tissue, noise)
    signal, labels = _render(tissue, grid, window, pose, heart, scar, contrast)
    image = scan(noise_rng, signal, contrast, Reconstruction(reconstruction), may_pad=crop_px is None)
    order = slice(None) if apex_first else slice(None, None, -1)
    return LabelledPhantom(
        image=np.ascontiguousarray(image[order]),
        labels=np.ascontiguousarray(labels[order]),
        spacing=spacing,
        classes=LGE_CLASSES,
        truth_ml=_truth(grid, heart.surfaces, scar),
        seed=seed,
        description=_describe(contrast, heart.shape, scar),
    )


def _window(shape: tuple[int, int, int], crop_px: int | None) -> Window:
    if crop_px is None:
        return Window(0, shape[1], 0, shape[2])
    y0, x0 = (shape[1] - crop_px) // 2, (shape[2] - crop_px) // 2
    return Window(y0, y0 + crop_px, x0, x0 + crop_px)


@dataclass(frozen=True)
class _Pose:
    """Where the heart lies: per slice and sub-slice centres (y, x) in mm, angles in radians (y down)."""

    slice_centres: np.ndarray
    sub_centres: np.ndarray
    septum: float
    body: float


def _draw_pose(
    rng: np.random.Generator,
    grid: SliceGrid,
    breath_hold_mm: float,
    rotation_deg: float | None,
    offset_mm: tuple[float, float] | None,
) -> _Pose:
    drawn_turn, drawn_offset = rng.normal(0, 22.0), rng.normal(0, 2.0, 2)
    turn = np.deg2rad(drawn_turn if rotation_deg is None else rotation_deg)
    offset = drawn_offset if offset_mm is None else np.asarray(offset_mm, float)
    shifts = breath_hold_mm * rng.standard_normal((grid.shape[0], 2))
    drift = rng.normal(0, 0.05, 2)
    middle = grid.shape[0] * grid.spacing[2] / 2
    sub = offset + drift * (grid.sub_z[:, None] - middle) + np.repeat(shifts, grid.z_samples, 0)
    centres = offset + shifts
    septum = np.pi + turn + rng.normal(0, 0.25)
    return _Pose(centres, sub, float(septum), float(turn))


@dataclass(frozen=True)
class _Heart:
    shape: VentricleShape
    surfaces: HeartSurfaces
    papillaries: tuple[Blob, ...]
    rv_trabeculae: tuple[Blob, ...]


def _draw_heart(rng: np.random.Generator, grid: SliceGrid, infarcted: bool) -> _Heart:
    """A heart whose apex lies just below and whose base at the top of the stack, within human lengths."""
    extent = grid.shape[0] * grid.spacing[2]
    below, above = rng.uniform(2.0, 14.0), rng.uniform(-1.0, 4.0)
    length = float(np.clip(extent + below + above, 68.0, 112.0))
    start = (extent + above - below) / 2 - length / 2 if length != extent + below + above else -below
    shape = draw_shape(rng, length, infarcted)
    level = (grid.sub_z - start) / length
    surfaces = draw_surfaces(
        rng,
        shape,
        level,
        fat_abundance=float(rng.uniform(0.1, 1.5)),
        trabeculation=float(rng.uniform(0.3, 1.1)),
    )
    rv = draw_rv_trabeculae(rng, shape.endo_radius + shape.wall, shape.rv_reach)
    return _Heart(shape, surfaces, draw_papillaries(rng, shape.endo_radius), rv)


def _render(
    rng: np.random.Generator,
    grid: SliceGrid,
    window: Window,
    pose: _Pose,
    heart: _Heart,
    scar: InfarctSurfaces | None,
    contrast: LgeContrast,
) -> tuple[np.ndarray, np.ndarray]:
    """Signal and labels over the window; the heart's own window is sampled finely and averaged."""
    slice_level = heart.surfaces.level.reshape(grid.shape[0], -1).mean(1)
    heights = (slice_level - 0.5) * heart.shape.length
    frame = body_frame(rng, grid.axes_mm(window), pose.slice_centres, heights, pose.body)
    body = render_body(rng, frame, draw_palette(rng, contrast), grid.spacing[0])
    low, high = extent_mm(pose.sub_centres, heart.surfaces.fat, pose.septum, 3.0)
    near = grid.window_around((low[0], high[0]), (low[1], high[1]), window)
    local = (
        slice(None),
        slice(near.y0 - window.y0, near.y1 - window.y0),
        slice(near.x0 - window.x0, near.x1 - window.x0),
    )
    points = polar_points(grid, near, pose.sub_centres, pose.septum)
    fine = grid.spread(body[local])
    _paint_heart(rng, fine, points, heart, scar, contrast)
    body[local] = grid.mean(fine) + unrest(rng, body[local].shape)
    labels = np.zeros(body.shape, np.uint8)
    labels[local] = grid.majority(
        _fine_labels(points, heart.surfaces, scar), (0, BLOOD, MYOCARDIUM, INFARCT, MVO)
    )
    return body, labels


def _paint_heart(
    rng: np.random.Generator,
    fine: np.ndarray,
    points: PolarPoints,
    heart: _Heart,
    scar: InfarctSurfaces | None,
    contrast: LgeContrast,
) -> None:
    """Lay fat, right ventricle, wall, scar, pool and papillary muscles over the canvas, in that order."""
    surfaces = heart.surfaces
    blend(fine, contrast.zero / 2, 0.5 * points.within(surfaces.fat + np.float32(1.2)))
    blend(fine, contrast.fat * float(rng.uniform(0.5, 1.0)), points.within(surfaces.fat))
    blend(fine, float(rng.uniform(0.1, 0.7)), points.within(surfaces.rv_epi))
    blend(fine, contrast.rv_blood, points.within(surfaces.rv_endo))
    blend(fine, 0.3, points.within(surfaces.atrium + np.float32(1.5)))
    blend(fine, 1.0, points.within(surfaces.atrium))
    add_blobs(fine, points, surfaces.level, heart.rv_trabeculae, 0.2)
    wall = points.within(surfaces.epi)
    blend(fine, 0.0, wall)
    if scar is not None:
        edge = float(rng.uniform(1.0, 2.5))
        share = wall * points.within(scar.outer, edge) * (1 - points.within(scar.inner, edge))
        patchy = 1 + 0.12 * periodic_ripple(rng, surfaces.endo.shape, (2, 16))
        blend(fine, points.lookup(contrast.infarct * patchy), share)
        share = points.within(scar.mvo_outer, 1.0) * (1 - points.within(scar.mvo_inner, 1.0))
        blend(fine, contrast.mvo, share)
    blend(fine, 1.0, points.within(surfaces.endo_rough))
    add_blobs(fine, points, surfaces.level, heart.papillaries, 0.0)


def _fine_labels(points: PolarPoints, surfaces: HeartSurfaces, scar: InfarctSurfaces | None) -> np.ndarray:
    """Label of every sample point."""
    inside = points.radius < points.lookup(surfaces.epi)
    labels = np.where(inside, np.uint8(MYOCARDIUM), np.uint8(0))
    if scar is not None:
        for value, inner, outer in ((INFARCT, scar.inner, scar.outer), (MVO, scar.mvo_inner, scar.mvo_outer)):
            between = (points.radius < points.lookup(outer)) & (points.radius >= points.lookup(inner))
            labels[between & inside] = value
    labels[points.radius < points.lookup(surfaces.endo)] = BLOOD
    return labels


def _truth(grid: SliceGrid, surfaces: HeartSurfaces, scar: InfarctSurfaces | None) -> dict[int, float]:
    """Volumes in ml of the four classes, integrated from the radius tables."""
    step = grid.spacing[2] / grid.z_samples
    wall = shell_ml(surfaces.endo, surfaces.epi, step)
    core = shell_ml(scar.mvo_inner, scar.mvo_outer, step) if scar else 0.0
    dead = shell_ml(scar.inner, scar.outer, step) if scar else 0.0
    return {
        BLOOD: shell_ml(np.zeros_like(surfaces.endo), surfaces.endo, step),
        MYOCARDIUM: wall - dead,
        INFARCT: dead - core,
        MVO: core,
    }


def _describe(
    contrast: LgeContrast, shape: VentricleShape, scar: InfarctSurfaces | None
) -> dict[str, float | int | str | bool]:
    return {
        "territory": scar.territory.value if scar else "none",
        "transmurality": scar.transmurality if scar else 0.0,
        "infarct_contrast": contrast.infarct,
        "mvo_contrast": contrast.mvo,
        "noise": contrast.noise,
        "length_mm": shape.length,
        "wall_mm": shape.wall,
        "endo_radius_mm": shape.endo_radius,
    }
