"""Everything around the heart in a short-axis slice: chest wall, lung, liver, stomach, bowel, vessels.

The layout is that of short-axis stacks with the chest wall on the left and below: right ventricle to the
left, abdomen above, lung below and to the right of the heart (y grows downwards). Contrast comes in as a
palette, so that late enhancement and cine share the anatomy.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .fields import smooth_noise, streaks


@dataclass(frozen=True)
class Palette:
    """Signal of the tissues around the heart; one arbitrary unit throughout a phantom."""

    air: float
    fat: float
    muscle: float
    bone: float
    lung: float
    lung_vessel: float
    liver: float
    liver_vessel: float
    gas: float
    organ_low: float
    organ_high: float
    blood: float
    texture: float


@dataclass(frozen=True)
class Frame:
    """Body coordinates in mm of every pixel, each (z, y, x): ``x`` away from the chest wall, ``y`` down."""

    x: np.ndarray
    y: np.ndarray
    height: np.ndarray
    """Height of the slices relative to the middle of the heart in mm, shape (z, 1, 1)."""


def body_frame(
    rng: np.random.Generator,
    axes_mm: tuple[np.ndarray, np.ndarray],
    centres_mm: np.ndarray,
    heights_mm: np.ndarray,
    rotation: float,
) -> Frame:
    """Coordinates relative to the heart's centre per slice, turned by ``rotation`` (radians) and warped a little."""
    y = axes_mm[0][None, :, None] - centres_mm[:, 0, None, None]
    x = axes_mm[1][None, None, :] - centres_mm[:, 1, None, None]
    cos, sin = np.float32(np.cos(rotation)), np.float32(np.sin(rotation))
    turned_x, turned_y = cos * x + sin * y, -sin * x + cos * y
    height = heights_mm[:, None, None]
    phase = rng.uniform(0, 2 * np.pi, 4)
    length = rng.uniform(35.0, 60.0, 4)
    bend = rng.uniform(1.5, 4.5, 2)
    warp_x = (
        bend[0]
        * np.sin(turned_y / length[0] + phase[0] + height / 40)
        * np.cos(turned_x / length[1] + phase[1])
    )
    warp_y = (
        bend[1]
        * np.sin(turned_x / length[2] + phase[2] - height / 50)
        * np.cos(turned_y / length[3] + phase[3])
    )
    return Frame(
        (turned_x + warp_x).astype(np.float32),
        (turned_y + warp_y).astype(np.float32),
        height.astype(np.float32),
    )


def soft(depth_mm: np.ndarray, edge_mm: float) -> np.ndarray:
    """Share of a pixel inside a border that lies ``depth_mm`` away (positive inside)."""
    return np.clip(depth_mm / np.float32(edge_mm) + np.float32(0.5), 0, 1)


def ellipse(
    frame: Frame, centre: tuple[float, float], half: tuple[float, float], turn: float = 0.0
) -> np.ndarray:
    """Approximate depth in mm inside an ellipse given by centre (x, y), half axes and turn (radians)."""
    x, y = frame.x - np.float32(centre[0]), frame.y - np.float32(centre[1])
    cos, sin = np.float32(np.cos(turn) / half[0]), np.float32(np.sin(turn) / half[0])
    cos_b, sin_b = np.float32(np.cos(turn) / half[1]), np.float32(np.sin(turn) / half[1])
    return np.float32(min(half)) * (1 - np.hypot(cos * x + sin * y, -sin_b * x + cos_b * y))


def blend(canvas: np.ndarray, value: np.ndarray | float, share: np.ndarray) -> None:
    """Lay a tissue over the canvas in place."""
    canvas += share * (np.asarray(value, np.float32) - canvas)


def render_body(
    rng: np.random.Generator, frame: Frame, palette: Palette, step_mm: float, *, near_only: bool
) -> np.ndarray:
    """Signal (z, y, x) of one slice-resolution body; ``near_only`` leaves out what lies beyond the heart's crop."""
    shape = frame.x.shape
    plan = _Plan.draw(rng)
    fine = smooth_noise(rng, shape, (shape[0], max(shape[1] // 5, 2), max(shape[2] // 5, 2)))
    coarse = smooth_noise(rng, shape, (2, max(shape[1] // 20, 2), max(shape[2] // 20, 2)))
    texture = np.float32(palette.texture) * (0.6 * fine + coarse)
    torso = ellipse(frame, plan.torso_centre, plan.torso_half, plan.torso_turn)
    cavity = torso - np.float32(plan.fat_mm + plan.muscle_mm)
    canvas = np.full(shape, palette.air, np.float32)
    blend(canvas, palette.fat * (1 + 0.15 * texture), soft(torso, step_mm))
    blend(canvas, palette.muscle + texture, soft(torso - np.float32(plan.fat_mm), step_mm))
    _ribs(canvas, frame, palette, plan, torso, step_mm)
    _abdomen(canvas, frame, palette, plan, texture, soft(cavity, step_mm), step_mm)
    _organs(rng, canvas, frame, palette, texture, soft(cavity, step_mm), step_mm, near_only=near_only)
    _lung(rng, canvas, frame, palette, plan, texture, cavity, step_mm)
    return canvas


@dataclass(frozen=True)
class _Plan:
    """The drawn layout of one body, in mm."""

    torso_centre: tuple[float, float]
    torso_half: tuple[float, float]
    torso_turn: float
    fat_mm: float
    muscle_mm: float
    diaphragm_y: float
    diaphragm_slope: float
    diaphragm_lift: float
    rib_phase: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> _Plan:
        half = (float(rng.uniform(125, 160)), float(rng.uniform(150, 190)))
        left = float(rng.uniform(72, 92))
        return cls(
            torso_centre=(half[0] - left, float(rng.uniform(-60, -25))),
            torso_half=half,
            torso_turn=float(rng.normal(0.0, 0.12)),
            fat_mm=float(rng.uniform(7, 26)),
            muscle_mm=float(rng.uniform(7, 13)),
            diaphragm_y=float(rng.uniform(-12, 8)),
            diaphragm_slope=float(rng.uniform(-0.25, 0.35)),
            diaphragm_lift=float(rng.uniform(0.1, 0.6)),
            rib_phase=float(rng.uniform(0, 2 * np.pi)),
        )


def _ribs(
    canvas: np.ndarray, frame: Frame, palette: Palette, plan: _Plan, torso: np.ndarray, step_mm: float
) -> None:
    """Ribs and cartilage: ovals in the chest wall, with fat between them and the muscle."""
    around = np.arctan2(frame.y - plan.torso_centre[1], frame.x - plan.torso_centre[0])
    rhythm = np.cos(around * np.float32(2 * np.pi * 150 / 28 / 2) + plan.rib_phase + frame.height / 9)
    middle = plan.fat_mm + 0.55 * plan.muscle_mm
    depth = np.float32(0.42 * plan.muscle_mm) - np.abs(torso - np.float32(middle))
    blend(canvas, palette.bone, soft(np.minimum(depth, 6 * (rhythm - 0.15)), 1.5 * step_mm))
    blend(canvas, 0.55 * palette.fat, 0.8 * soft(np.minimum(depth - 2.0, 6 * (rhythm - 0.45)), 1.5 * step_mm))


def _abdomen(
    canvas: np.ndarray,
    frame: Frame,
    palette: Palette,
    plan: _Plan,
    texture: np.ndarray,
    inside: np.ndarray,
    step_mm: float,
) -> None:
    """Fat fills the cavity; the liver lies above and to the left."""
    blend(canvas, 0.8 * palette.fat * (1 + 0.25 * texture) - 0.2 * abs(palette.fat), inside)
    liver = np.minimum(60 - 0.9 * frame.x - 0.25 * frame.height, plan.diaphragm_y + 30 - frame.y)
    blend(canvas, palette.liver + 0.7 * texture, inside * soft(liver, 2 * step_mm))


def _organs(
    rng: np.random.Generator,
    canvas: np.ndarray,
    frame: Frame,
    palette: Palette,
    texture: np.ndarray,
    inside: np.ndarray,
    step_mm: float,
    *,
    near_only: bool,
) -> None:
    """Bowel, spleen, kidney, stomach (gas or content) and the aorta: ovals with a wall, drawn far to near."""
    places = [((rng.uniform(-60, 130), rng.uniform(-170, -75)), rng.uniform(12, 34, 2)) for _ in range(9)]
    places += [((rng.uniform(45, 110), rng.uniform(-75, -10)), rng.uniform(14, 32, 2)) for _ in range(4)]
    stomach = ((rng.uniform(28, 62), rng.uniform(-62, -34)), rng.uniform(14, 27, 2))
    for number, (centre, half) in enumerate([*places, stomach]):
        level, rim, turn = (
            rng.uniform(palette.organ_low, palette.organ_high),
            rng.uniform(1.5, 4.0),
            rng.uniform(0, 3),
        )
        tilt, gas, fill = (
            rng.normal(0, 0.4),
            rng.random() < 0.3,
            rng.uniform(palette.organ_low, palette.organ_high),
        )
        if near_only and number < 9:
            continue
        swell = np.float32(0.25) * np.abs(frame.height) * float(rng.random() < 2)
        moved = Frame(frame.x - np.float32(tilt) * frame.height, frame.y, frame.height)
        depth = ellipse(moved, centre, (half[0], half[1]), turn) - swell * (number >= 9)
        blend(canvas, level + texture, inside * soft(depth, 1.5 * step_mm))
        if number >= 9 or gas:
            content = palette.gas if gas or number == len(places) else fill
            blend(canvas, content + 1.6 * texture, inside * soft(depth - np.float32(rim), 2 * step_mm))
    aorta = ellipse(frame, (rng.uniform(62, 88), rng.uniform(-12, 25)), (rng.uniform(9, 13),) * 2)
    blend(canvas, palette.blood, inside * soft(aorta, step_mm))


def _lung(
    rng: np.random.Generator,
    canvas: np.ndarray,
    frame: Frame,
    palette: Palette,
    plan: _Plan,
    texture: np.ndarray,
    cavity: np.ndarray,
    step_mm: float,
) -> None:
    """Lung below the diaphragm line with its vessels; more of it towards the base."""
    border = plan.diaphragm_y + plan.diaphragm_slope * frame.x - plan.diaphragm_lift * frame.height
    lung = np.minimum(frame.y - border + 0.0016 * (frame.x - 20.0) ** 2 - 8.0, cavity - 2.0)
    share = soft(lung, 1.5 * step_mm)
    gravity = 0.25 * abs(palette.lung_vessel - palette.lung) * smooth_noise(rng, canvas.shape, (1, 3, 3)) / 4
    blend(canvas, palette.lung + 0.5 * texture + gravity, share)
    count = int(canvas.shape[1] * canvas.shape[2] * step_mm**2 / 260.0)
    for k in range(canvas.shape[0]):
        vessels = streaks(rng, canvas.shape[1:], count, 2.5 / step_mm)
        canvas[k] += share[k] * vessels * np.float32(palette.lung_vessel - palette.lung)
