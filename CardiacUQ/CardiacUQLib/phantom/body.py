"""Everything around the heart in a short-axis slice: chest wall, lung, liver, stomach, bowel, vessels.

The layout is that of short-axis stacks with the chest wall on the left and below: right ventricle to the
left, abdomen above, lung below and to the right of the heart (y grows downwards). Contrast comes in as a
palette, so that late enhancement and cine share the anatomy.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .fields import smooth_noise, streaks

Index = tuple[slice, slice, slice]


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
class BodyGrid:
    """Body coordinates in mm of every pixel, each (z, y, x): ``x`` away from the chest wall, ``y`` down.

    ``height`` (z, 1, 1) is the height of the slices relative to the middle of the heart in mm.
    """

    x: np.ndarray
    y: np.ndarray
    height: np.ndarray

    def part(self, centre: tuple[float, float], reach: float) -> tuple[Index, BodyGrid] | None:
        """Index and coordinates of the pixels within ``reach`` mm of a place (x, y), or None."""
        near = (np.abs(self.x - np.float32(centre[0])) < reach) & (
            np.abs(self.y - np.float32(centre[1])) < reach
        )
        rows, columns = np.flatnonzero(near.any((0, 2))), np.flatnonzero(near.any((0, 1)))
        if not len(rows):
            return None
        index = (slice(None), slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
        return index, BodyGrid(self.x[index], self.y[index], self.height)


def body_frame(
    rng: np.random.Generator,
    axes_mm: tuple[np.ndarray, np.ndarray],
    centres_mm: np.ndarray,
    heights_mm: np.ndarray,
    rotation: float,
) -> BodyGrid:
    """Coordinates around the heart's centre per slice, turned by ``rotation`` (radians) and gently warped.

    The warp is a sum of sines, so that a crop shows the same anatomy as the whole slice.
    """
    y = axes_mm[0][None, :, None] - centres_mm[:, 0, None, None].astype(np.float32)
    x = axes_mm[1][None, None, :] - centres_mm[:, 1, None, None].astype(np.float32)
    cos, sin = np.float32(np.cos(rotation)), np.float32(np.sin(rotation))
    turned_x, turned_y = cos * x + sin * y, -sin * x + cos * y
    height = heights_mm[:, None, None].astype(np.float32)
    warp_x, warp_y = np.zeros_like(turned_x), np.zeros_like(turned_y)
    for size, length in ((4.0, 45.0), (2.2, 20.0), (1.1, 9.0)):
        for warp in (warp_x, warp_y):
            wave = rng.normal(0, 1 / length, 2).astype(np.float32)
            phase = (rng.uniform(0, 2 * np.pi) + rng.normal(0, 0.02) * height).astype(np.float32)
            bend = np.float32(size * rng.uniform(0.4, 1.0))
            warp += bend * np.sin(wave[0] * turned_x + wave[1] * turned_y + phase)
    return BodyGrid(turned_x + warp_x, turned_y + warp_y, height)


def soft(depth_mm: np.ndarray, edge_mm: float) -> np.ndarray:
    """Share of a pixel inside a border that lies ``depth_mm`` away (positive inside)."""
    return np.clip(depth_mm / np.float32(edge_mm) + np.float32(0.5), 0, 1)


def ellipse(
    frame: BodyGrid,
    centre: tuple[float, float],
    half: tuple[float, float],
    turn: float = 0.0,
    lobes: tuple[float, float] = (0.0, 0.0),
) -> np.ndarray:
    """Approximate depth in mm inside an oval given by centre (x, y), half axes and turn (radians).

    ``lobes`` are the relative height and the phase of three lobes that keep it from being an ellipse.
    """
    x, y = frame.x - np.float32(centre[0]), frame.y - np.float32(centre[1])
    cos, sin = np.float32(np.cos(turn)), np.float32(np.sin(turn))
    u, v = (cos * x + sin * y) / np.float32(half[0]), (-sin * x + cos * y) / np.float32(half[1])
    uu, vv = u * u, v * v
    radius = np.sqrt(uu + vv)
    if lobes[0]:
        cos, sin = np.float32(lobes[0] * np.cos(lobes[1])), np.float32(lobes[0] * np.sin(lobes[1]))
        radius -= (cos * u * (uu - 3 * vv) + sin * v * (3 * uu - vv)) / np.maximum(uu + vv, np.float32(0.09))
    return np.float32(min(half)) * (1 - radius)


def blend(canvas: np.ndarray, value: np.ndarray | float, share: np.ndarray) -> None:
    """Lay a tissue over the canvas in place."""
    canvas += share * (np.asarray(value, np.float32) - canvas)


def render_body(rng: np.random.Generator, frame: BodyGrid, palette: Palette, step_mm: float) -> np.ndarray:
    """Signal (z, y, x) of everything but the heart, one sample per voxel of in-plane size ``step_mm``."""
    shape = frame.x.shape
    plan = _Plan.draw(rng)
    organs = _draw_organs(rng, palette)
    wobble = np.random.default_rng(rng.integers(2**32))
    fine = smooth_noise(wobble, shape, (shape[0], max(shape[1] // 4, 2), max(shape[2] // 4, 2)))
    coarse = smooth_noise(wobble, shape, (2, max(shape[1] // 16, 2), max(shape[2] // 16, 2)))
    texture = np.float32(palette.texture) * (0.7 * fine + coarse)
    torso = ellipse(frame, plan.torso_centre, plan.torso_half, plan.torso_turn)
    cavity = torso - np.float32(plan.fat_mm + plan.muscle_mm)
    canvas = np.full(shape, palette.air, np.float32)
    blend(canvas, palette.fat * (1 + 0.4 * texture), soft(torso, step_mm))
    blend(canvas, palette.air + 0.3 * (palette.fat - palette.air), soft(1.2 - np.abs(torso), step_mm))
    blend(canvas, palette.muscle + texture, soft(torso - np.float32(plan.fat_mm), step_mm))
    _ribs(canvas, frame, palette, plan, torso, step_mm)
    inside = soft(cavity, step_mm)
    _abdomen(wobble, canvas, frame, palette, plan, texture, inside, step_mm)
    for organ in organs:
        _lay_organ(canvas, frame, organ, texture, inside, step_mm)
    _lung(wobble, canvas, frame, palette, plan, texture, cavity, step_mm)
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
    liver_centre: tuple[float, float]
    liver_half: tuple[float, float]
    liver_turn: float
    leanness: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> _Plan:
        half = (float(rng.uniform(140, 190)), float(rng.uniform(165, 220)))
        fat, muscle = float(rng.uniform(6, 22)), float(rng.uniform(7, 13))
        left = float(rng.uniform(70, 86)) + fat + muscle
        return cls(
            torso_centre=(half[0] - left, float(rng.uniform(-70, -30))),
            torso_half=half,
            torso_turn=float(rng.normal(0.0, 0.12)),
            fat_mm=fat,
            muscle_mm=muscle,
            diaphragm_y=float(rng.uniform(-12, 8)),
            diaphragm_slope=float(rng.uniform(-0.25, 0.35)),
            diaphragm_lift=float(rng.uniform(0.1, 0.6)),
            rib_phase=float(rng.uniform(0, 2 * np.pi)),
            liver_centre=(float(rng.uniform(-75, -25)), float(rng.uniform(-90, -60))),
            liver_half=(float(rng.uniform(75, 110)), float(rng.uniform(50, 85))),
            liver_turn=float(rng.normal(0.0, 0.3)),
            leanness=float(rng.uniform(0.2, 2.0)),
        )


def _ribs(
    canvas: np.ndarray, frame: BodyGrid, palette: Palette, plan: _Plan, torso: np.ndarray, step_mm: float
) -> None:
    """Ribs and cartilage: ovals in the chest wall, marrow inside, fat between the muscle layers."""
    around = np.arctan2(frame.y - plan.torso_centre[1], frame.x - plan.torso_centre[0])
    circuit = np.float32(np.mean(plan.torso_half) / 26.0)
    rhythm = np.cos(
        circuit * 2 * np.pi / 2 * around + 0.8 * np.sin(3 * around) + plan.rib_phase + frame.height / 9
    )
    layer = np.abs(torso - np.float32(plan.fat_mm + 0.25 * plan.muscle_mm + 1.5 * rhythm))
    blend(canvas, 0.6 * palette.fat, 0.6 * soft(np.minimum(0.9 - layer, 4 * (0.4 - rhythm)), 2 * step_mm))
    apart = torso - np.float32(plan.fat_mm + 0.6 * plan.muscle_mm)
    depth = 1 - np.hypot(apart / (0.4 * plan.muscle_mm), (1 - rhythm) / 0.65)
    blend(canvas, palette.bone, 0.8 * soft(4 * depth, 2 * step_mm))
    blend(canvas, 0.6 * palette.fat, 0.6 * soft(4 * (depth - 0.45), 2 * step_mm))


def _abdomen(
    rng: np.random.Generator,
    canvas: np.ndarray,
    frame: BodyGrid,
    palette: Palette,
    plan: _Plan,
    texture: np.ndarray,
    inside: np.ndarray,
    step_mm: float,
) -> None:
    """Soft tissue streaked with fat; the liver and its vessels above and to the left, under the diaphragm."""
    tissue = 0.5 * (palette.muscle + palette.liver) + texture
    fatty = soft(texture - np.float32(plan.leanness * palette.texture), 2 * palette.texture)
    blend(canvas, tissue + 0.8 * fatty * (palette.fat - tissue), inside)
    lobe = ellipse(frame, plan.liver_centre, plan.liver_half, plan.liver_turn, (0.1, plan.rib_phase))
    liver = np.minimum(lobe - np.float32(0.15) * frame.height, plan.diaphragm_y + 30 - frame.y)
    blend(canvas, palette.muscle - 0.3, 0.5 * inside * soft(liver + 2.0, 2 * step_mm))
    share = inside * soft(liver, 2 * step_mm)
    blend(canvas, palette.liver + 0.7 * texture, share)
    count = int(canvas.shape[1] * canvas.shape[2] * step_mm**2 / 700.0)
    for k in range(canvas.shape[0]):
        vessels = streaks(rng, canvas.shape[1:], count, 4.0 / step_mm).clip(0, 1)
        canvas[k] += 0.7 * share[k] * vessels * np.float32(palette.liver_vessel - palette.liver)


@dataclass(frozen=True)
class _Organ:
    """An oval with a wall and a content; ``tilt`` moves it with the height, ``shrink`` narrows it."""

    centre: tuple[float, float]
    half: tuple[float, float]
    turn: float
    lobes: tuple[float, float]
    rim: float
    wall: float
    content: float
    tilt: float
    shrink: float


def _draw_organs(rng: np.random.Generator, palette: Palette) -> list[_Organ]:
    """Bowel, kidney and spleen, stomach and aorta, from far to near."""
    places = [((rng.uniform(-60, 130), rng.uniform(-190, -75)), (11.0, 34.0)) for _ in range(11)]
    places += [((rng.uniform(50, 120), rng.uniform(-80, 0)), (12.0, 32.0)) for _ in range(5)]
    places += [((rng.uniform(26, 62), rng.uniform(-64, -38)), (13.0, 27.0))]
    organs = []
    for number, (centre, sizes) in enumerate(places):
        stomach = number == len(places) - 1
        gas = rng.random() < (0.6 if stomach else 0.25)
        level = float(rng.uniform(palette.organ_low, palette.organ_high))
        content = palette.gas if gas else float(rng.uniform(palette.organ_low, palette.organ_high))
        organs.append(
            _Organ(
                centre=(float(centre[0]), float(centre[1])),
                half=(float(rng.uniform(*sizes)), float(rng.uniform(*sizes))),
                turn=float(rng.uniform(0, np.pi)),
                lobes=(float(rng.uniform(0.02, 0.13)), float(rng.uniform(0, 2 * np.pi))),
                rim=float(rng.uniform(1.5, 4.5)),
                wall=level,
                content=content if gas or rng.random() < 0.5 else level,
                tilt=float(rng.normal(0, 0.35)),
                shrink=float(rng.uniform(0.0, 0.3)),
            )
        )
    aorta = float(rng.uniform(9, 13))
    place = (float(rng.uniform(66, 92)), float(rng.uniform(-14, 25)))
    organs.append(
        _Organ(place, (aorta, aorta), 0.0, (0.0, 0.0), 1.5, palette.muscle, palette.blood, 0.05, 0.0)
    )
    return organs


def _lay_organ(
    canvas: np.ndarray,
    frame: BodyGrid,
    organ: _Organ,
    texture: np.ndarray,
    inside: np.ndarray,
    step_mm: float,
) -> None:
    found = frame.part(
        organ.centre, 1.4 * max(organ.half) + abs(organ.tilt) * float(np.abs(frame.height).max())
    )
    if found is None:
        return
    index, near = found
    moved = BodyGrid(near.x - np.float32(organ.tilt) * near.height, near.y, near.height)
    depth = ellipse(moved, organ.centre, organ.half, organ.turn, organ.lobes)
    depth = depth - np.float32(organ.shrink) * np.abs(near.height)
    part = canvas[index]
    blend(part, organ.wall + texture[index], inside[index] * soft(depth, 1.5 * step_mm))
    filled = inside[index] * soft(depth - np.float32(organ.rim), 2 * step_mm)
    blend(part, organ.content + 2 * texture[index], filled)


def _lung(
    rng: np.random.Generator,
    canvas: np.ndarray,
    frame: BodyGrid,
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
