"""Draws the module's icons: `python Tools/make_icons.py` writes CardiacUQ/Resources/Icons.

The mark is a short-axis slice: blood pool, myocardium, an infarct with its no-reflow core, and a ring that
fades where the contour is unsure. The thumbnails show the middle slice of each phantom with its labels.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

REPOSITORY = Path(__file__).resolve().parents[1]
ICONS = REPOSITORY / "CardiacUQ" / "Resources" / "Icons"
OVERSAMPLING = 4
ICON_PX = 128
THUMBNAIL = (260, 280)
BLOOD, MUSCLE, INFARCT, MVO = "#D55E00", "#0072B2", "#F0E442", "#CC79A7"


def mark(size: int = ICON_PX) -> Image.Image:
    """The mark on a transparent ground."""
    full = size * OVERSAMPLING
    image = Image.new("RGBA", (full, full), (0, 0, 0, 0))
    image.alpha_composite(_doubt_ring(full))
    draw = ImageDraw.Draw(image)
    _disc(draw, full, 0.375, MUSCLE)
    draw.pieslice(_box(full, 0.375), -62, 28, fill=INFARCT)
    _disc(draw, full, 0.225, BLOOD)
    draw.pieslice(_box(full, 0.285), -40, 6, fill=MVO)
    _disc(draw, full, 0.225, BLOOD)
    for radius in (0.225, 0.375):
        draw.ellipse(_box(full, radius), outline="white", width=round(full * 0.012))
    return image.resize((size, size), Image.Resampling.LANCZOS)


def _doubt_ring(full: int) -> Image.Image:
    """A blurred band outside the contour, strongest at the border of the infarct."""
    ring = Image.new("RGBA", (full, full), (0, 0, 0, 0))
    draw = ImageDraw.Draw(ring)
    for degree in range(360):
        distance = min(abs((degree - at + 180) % 360 - 180) for at in (-62, 28))
        strength = 0.22 + 0.78 * np.exp(-((distance / 34.0) ** 2))
        colour = (255, round(190 - 110 * strength), 40, round(255 * strength))
        draw.arc(_box(full, 0.455), degree, degree + 2, fill=colour, width=round(full * 0.062))
    return ring.filter(ImageFilter.GaussianBlur(full * 0.012))


def _disc(draw: ImageDraw.ImageDraw, full: int, radius: float, colour: str) -> None:
    draw.ellipse(_box(full, radius), fill=colour)


def _box(full: int, radius: float) -> tuple[float, float, float, float]:
    return (full * (0.5 - radius), full * (0.5 - radius), full * (0.5 + radius), full * (0.5 + radius))


def thumbnail(image_zyx: np.ndarray, labels_zyx: np.ndarray, colours: dict[int, str]) -> Image.Image:
    """The slice with most labels, cropped to the heart, with the labels over the right half."""
    z = int((labels_zyx > 0).sum(axis=(1, 2)).argmax())
    rows, columns = np.nonzero(labels_zyx[z])
    half = int(max(np.ptp(rows), np.ptp(columns)) * 0.75)
    y, x = int(rows.mean()), int(columns.mean())
    window = (slice(max(y - half, 0), y + half), slice(max(x - half, 0), x + half))
    grey, labels = image_zyx[z][window].astype(float), labels_zyx[z][window]
    low, high = np.percentile(grey, [1, 99])
    picture = np.repeat((np.clip((grey - low) / (high - low), 0, 1) * 255)[..., None], 3, axis=2)
    right = np.arange(labels.shape[1])[None, :] >= labels.shape[1] // 2
    for label, colour in colours.items():
        paint = np.array([int(colour[n : n + 2], 16) for n in (1, 3, 5)], float)
        inside = (labels == label) & right
        picture[inside] = 0.45 * picture[inside] + 0.55 * paint
    small = Image.fromarray(picture.astype(np.uint8)).resize((260, 260), Image.Resampling.BICUBIC)
    framed = Image.new("RGB", THUMBNAIL, "black")
    framed.paste(small, (0, 10))
    return framed


def main() -> None:
    """Write every picture."""
    sys.path.insert(0, str(REPOSITORY / "CardiacUQ"))
    from CardiacUQLib.phantom import cine_phantom, lge_phantom

    ICONS.mkdir(parents=True, exist_ok=True)
    mark().save(ICONS / "CardiacUQ.png", optimize=True)
    lge, cine = lge_phantom(1), cine_phantom(1).ed
    for name, phantom in (("CardiacUQLGEPhantom", lge), ("CardiacUQCinePhantom", cine)):
        colours = {info.value: info.colour for info in phantom.classes if info.value}
        thumbnail(phantom.image, phantom.labels, colours).save(ICONS / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main()
