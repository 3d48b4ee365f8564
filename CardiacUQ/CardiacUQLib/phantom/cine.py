"""Cine short-axis stacks of one beating heart with truth: end-diastole, end-systole, whole beat if wanted.

Balanced steady-state contrast: bright blood, grey myocardium, dark lung, bright fat, dark off-resonance bands
and flow voids near the valves. Signal is scaled so that myocardium is 0 and LV blood 1 before noise.
Contraction keeps the volume of the muscle, thickens the wall and pulls the mitral plane towards the apex, so
that basal slices of end-systole may show the atrium and carry no label.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..base.errors import UsageError
from ..bundles.classes import CINE_CLASSES
from ..images.volume import Vector3
from .body import Palette, blend, body_frame, render_body
from .fields import periodic_ripple, smooth_noise
from .grid import SliceGrid
from .heart import HeartSurfaces, VentricleShape, draw_surfaces, shell_ml
from .model import CinePhantom, LabelledPhantom, check_grid
from .motion import PhantomStudy, contraction_curve, draw_study, shape_between
from .render import Blob, PolarPoints, add_blobs, extent_mm, polar_points
from .scanner import coil_shading, receive

RV, MYOCARDIUM, LV = 1, 2, 3
_STREAM = 0x43494E45


def cine_phantom(
    seed: int,
    *,
    shape: tuple[int, int, int] = (10, 256, 216),
    spacing: Vector3 = (1.56, 1.56, 10.0),
    ejection_fraction: float | None = None,
    n_frames: int | None = None,
    noise: float | None = None,
    breath_hold_mm: float = 1.0,
    rotation_deg: float | None = None,
    offset_mm: tuple[float, float] | None = None,
    base_first: bool = True,
    crop_px: int | None = None,
) -> CinePhantom:
    """One synthetic cine study; the same arguments give the same voxels.

    ``shape`` is (z, y, x), ``spacing`` (x, y, z) in mm. ``ejection_fraction`` in % (None: drawn, 20 to 70)
    is met within about 2 points; the exact value is ``CinePhantom.ejection_fraction``. ``n_frames`` adds the
    whole beat, frame 0 at end-diastole. ``noise`` is relative to the blood-myocardium contrast (None: drawn,
    0.02 to 0.1). ``offset_mm`` (y, x) is the heart's place relative to the image centre (None: drawn, a few
    cm). ``crop_px`` renders only that many pixels around the image centre, at lower sampling.

    Raises UsageError for a shape, spacing or fraction that cannot be rendered.
    """
    check_grid(seed, shape, spacing, crop_px)
    _check_beat(ejection_fraction, n_frames)
    study = draw_study(
        np.random.default_rng([_STREAM, seed, 0]),
        shape,
        spacing,
        ejection_fraction,
        breath_hold_mm,
        rotation_deg,
        offset_mm,
        crop_px,
    )
    scene = _draw_scene(seed, study, noise)
    order = slice(None, None, -1) if base_first else slice(None)

    def state(contraction: float, moment: int) -> LabelledPhantom:
        return _frame(seed, study, scene, contraction, moment, order)

    ed, es = state(0.0, 0), state(1.0, 1)
    if n_frames is None:
        return CinePhantom(ed, es)
    phases = np.arange(n_frames) / n_frames
    contractions = contraction_curve(phases)
    es_frame = int(np.argmax(contractions))
    beat = [ed if k == 0 else state(float(c), 2 + k) for k, c in enumerate(contractions)]
    return CinePhantom(
        ed,
        beat[es_frame],
        frames=np.stack([p.image for p in beat]),
        frame_labels=np.stack([p.labels for p in beat]),
        es_frame=es_frame,
    )


def _check_beat(ejection_fraction: float | None, n_frames: int | None) -> None:
    if ejection_fraction is not None and not 5 <= ejection_fraction <= 80:
        raise UsageError(f"ejection fraction {ejection_fraction} % is out of range; give 5 to 80")
    if n_frames is not None and n_frames < 4:
        raise UsageError(f"{n_frames} frames cannot show a beat; give 4 or more")


@dataclass(frozen=True)
class _Scene:
    """The still part of every frame: body signal, banding, coil shading, and the scanner's settings."""

    body: np.ndarray
    banding: np.ndarray
    shading: np.ndarray
    fat: float
    rv_blood: float
    zero: float
    noise: float
    keep: tuple[float, float]
    flow: float
    scale: float


def _draw_scene(seed: int, study: PhantomStudy, noise: float | None) -> _Scene:
    rng = np.random.default_rng([_STREAM, seed, 1])
    grid = study.grid
    zero = float(-np.clip(np.exp(rng.normal(np.log(0.48), 0.3)), 0.28, 1.1))
    fat = float(np.clip(np.exp(rng.normal(np.log(1.35), 0.3)), 0.8, 2.6))
    palette = Palette(
        air=zero,
        fat=fat,
        muscle=zero * float(rng.uniform(0.1, 0.4)),
        bone=0.6 * zero,
        lung=zero + float(rng.uniform(0.03, 0.15)),
        lung_vessel=float(rng.uniform(0.2, 0.7)),
        liver=zero * float(rng.uniform(0.0, 0.45)),
        liver_vessel=float(rng.uniform(0.3, 0.8)),
        gas=zero,
        organ_low=zero * 0.6,
        organ_high=1.0,
        blood=1.0,
        texture=float(rng.uniform(0.04, 0.1)),
    )
    heights = (np.arange(grid.shape[0]) + 0.5) * grid.spacing[2] - study.start_mm - study.diastole.length / 2
    frame = body_frame(rng, grid.axes_mm(study.window), study.slice_centres, heights, study.body)
    body = render_body(rng, frame, palette, grid.spacing[0])
    drawn = float(rng.uniform(0.02, 0.1))
    return _Scene(
        body=body,
        banding=_banding(rng, frame.x, frame.y),
        shading=coil_shading(rng, body.shape, float(rng.uniform(0.1, 0.35))),
        fat=fat,
        rv_blood=float(np.clip(rng.normal(0.82, 0.13), 0.5, 1.3)),
        zero=zero,
        noise=drawn if noise is None else float(noise),
        keep=(float(rng.uniform(0.5, 0.8)), float(rng.uniform(0.6, 0.9))),
        flow=float(rng.uniform(0.0, 0.7)),
        scale=float(rng.uniform(60.0, 300.0)),
    )


def _banding(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Off-resonance nulls of balanced steady-state imaging: narrow dark lines, rarely across the heart."""
    turn, length = rng.uniform(0, 2 * np.pi), rng.uniform(110.0, 220.0)
    bend = rng.uniform(-1, 1) / 160.0**2
    phase = (np.cos(turn) * x + np.sin(turn) * y) / length + bend * (x * x + y * y) + rng.normal(0, 0.12)
    apart = np.abs(phase - np.round(phase)) - 0.5
    return (1 - rng.uniform(0.1, 0.7) * np.exp(-((apart / 0.045) ** 2))).astype(np.float32)


def _frame(
    seed: int, study: PhantomStudy, scene: _Scene, contraction: float, moment: int, order: slice
) -> LabelledPhantom:
    """Render one moment of the beat."""
    shape = shape_between(study.diastole, study.systole, contraction)
    level = (study.grid.sub_z - study.start_mm) / shape.length
    surfaces = draw_surfaces(
        np.random.default_rng([_STREAM, seed, 2]),
        shape,
        level,
        fat_abundance=study.fat_abundance,
        trabeculation=study.trabeculation * shape.endo_radius / study.diastole.endo_radius,
        outflow=study.outflow,
    )
    signal, labels = _render(
        np.random.default_rng([_STREAM, seed, 3]), study, scene, surfaces, shape, contraction
    )
    lifted = (signal - np.float32(scene.zero)) * scene.shading * scene.banding
    image = np.float32(scene.scale) * receive(
        np.random.default_rng([_STREAM, seed, 4, moment]), lifted, scene.noise, scene.keep, magnitude=True
    )
    upright = (order, slice(None, None, -1))
    return LabelledPhantom(
        image=np.ascontiguousarray(image[upright]).astype(np.float32),
        labels=np.ascontiguousarray(labels[upright]),
        spacing=study.grid.spacing,
        classes=CINE_CLASSES,
        truth_ml=_truth(study.grid, surfaces, study.rv_top),
        seed=seed,
        description={
            "contraction": contraction,
            "noise": scene.noise,
            "length_mm": shape.length,
            "wall_mm": shape.wall,
        },
    )


def _render(
    rng: np.random.Generator,
    study: PhantomStudy,
    scene: _Scene,
    surfaces: HeartSurfaces,
    shape: VentricleShape,
    contraction: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Signal and labels (z, y, x) over the window."""
    grid, window = study.grid, study.window
    low, high = extent_mm(study.sub_centres, surfaces.fat, study.septum, 3.0)
    near = grid.window_around((low[0], high[0]), (low[1], high[1]), window)
    local = (
        slice(None),
        slice(near.y0 - window.y0, near.y1 - window.y0),
        slice(near.x0 - window.x0, near.x1 - window.x0),
    )
    points = polar_points(grid, near, study.sub_centres, study.septum)
    signal = scene.body.copy()
    fine = grid.spread(signal[local])
    _paint(rng, fine, points, study, scene, surfaces, shape.endo_radius / study.diastole.endo_radius)
    few = (signal.shape[0], max(fine.shape[1] // 8, 2), max(fine.shape[2] // 8, 2))
    signal[local] = grid.mean(fine) + np.float32(0.05) * smooth_noise(rng, signal[local].shape, few)
    labels = np.zeros(signal.shape, np.uint8)
    labels[local] = grid.majority(_fine_labels(points, surfaces, study.rv_top), (0, RV, MYOCARDIUM, LV))
    return signal, labels


def _paint(
    rng: np.random.Generator,
    fine: np.ndarray,
    points: PolarPoints,
    study: PhantomStudy,
    scene: _Scene,
    surfaces: HeartSurfaces,
    shrink: float,
) -> None:
    """Lay fat, right heart, atrium and aortic root, wall, pool and papillary muscles over the canvas."""
    blend(fine, 0.6 * scene.zero, 0.7 * points.within(surfaces.fat + np.float32(1.2)))
    blend(fine, scene.fat * float(rng.uniform(0.6, 1.0)), points.within(surfaces.fat))
    blend(fine, 0.1, points.within(surfaces.rv_epi))
    flow = 1 + 0.06 * periodic_ripple(rng, surfaces.endo.shape, (1, 8))
    blend(fine, points.lookup(scene.rv_blood * flow), points.within(surfaces.rv_endo))
    add_blobs(fine, points, surfaces.level, study.rv_trabeculae, 0.1)
    blend(fine, 0.0, points.within(surfaces.atrium + np.float32(2.0)))
    blend(fine, points.lookup(0.85 * flow), points.within(surfaces.atrium))
    size = study.diastole.endo_radius
    root = tuple(
        Blob(0.75 * size, -0.45 * size, radius, 1.35, 0.4) for radius in (0.68 * size, 0.68 * size - 2.0)
    )
    add_blobs(fine, points, surfaces.level, root[:1], 0.0)
    add_blobs(fine, points, surfaces.level, root[1:], 0.95)
    blend(fine, 0.0, points.within(surfaces.epi))
    blend(fine, points.lookup(flow), points.within(surfaces.endo_rough))
    jets = tuple(
        Blob(float(x), float(y), float(r), 0.98, 0.16, opacity=scene.flow)
        for x, y, r in zip(*(rng.normal(0, 0.35 * size, (2, 3))), rng.uniform(3, 8, 3), strict=True)
    )
    add_blobs(fine, points, surfaces.level, jets, 0.3)
    muscles = tuple(
        replace(blob, x=blob.x * shrink, y=blob.y * shrink, opacity=min(1.0, blob.opacity / np.sqrt(shrink)))
        for blob in study.papillaries
    )
    add_blobs(fine, points, surfaces.level, muscles, 0.05)


def _fine_labels(points: PolarPoints, surfaces: HeartSurfaces, rv_top: float) -> np.ndarray:
    """Label of every sample point; nothing above the mitral plane, no RV above the tricuspid one."""
    below = (surfaces.level <= rv_top)[:, None, None]
    labels = np.where(below & (points.radius < points.lookup(surfaces.rv_endo)), np.uint8(RV), np.uint8(0))
    labels[points.radius < points.lookup(surfaces.epi)] = MYOCARDIUM
    labels[points.radius < points.lookup(surfaces.endo)] = LV
    return labels


def _truth(grid: SliceGrid, surfaces: HeartSurfaces, rv_top: float) -> dict[int, float]:
    """Volumes in ml, integrated from the radius tables."""
    step = grid.spacing[2] / grid.z_samples
    below = (surfaces.level <= rv_top)[:, None]
    rv = np.where(below, surfaces.rv_endo, 0.0)
    return {
        RV: shell_ml(surfaces.epi, rv, step),
        MYOCARDIUM: shell_ml(surfaces.endo, surfaces.epi, step),
        LV: shell_ml(np.zeros_like(surfaces.endo), surfaces.endo, step),
    }
