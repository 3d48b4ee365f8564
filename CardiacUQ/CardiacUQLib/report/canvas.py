"""One square picture of a slice: grey values, colours, outlines and words placed in millimetres.

Drawn with Pillow alone; a plotting library would cost more time than the networks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..bundles.colours import rgb
from .png import png

if TYPE_CHECKING:
    from PIL import Image

PIXELS = 340
_FINE = 2
"""Outlines are drawn this much larger and reduced, which smooths them."""

# Ends of the boundary pieces of a 2 x 2 cell in half voxels (x, y) from its upper left sample, by the bits
# upper left 1, upper right 2, lower right 4, lower left 8. The two diagonal cases keep their corners apart.
_TOP, _RIGHT, _BOTTOM, _LEFT = (1, 0), (2, 1), (1, 2), (0, 1)
_PIECES: dict[int, tuple[tuple[tuple[int, int], tuple[int, int]], ...]] = {
    1: ((_LEFT, _TOP),),
    2: ((_TOP, _RIGHT),),
    3: ((_LEFT, _RIGHT),),
    4: ((_RIGHT, _BOTTOM),),
    5: ((_LEFT, _TOP), (_RIGHT, _BOTTOM)),
    6: ((_TOP, _BOTTOM),),
    7: ((_LEFT, _BOTTOM),),
    8: ((_BOTTOM, _LEFT),),
    9: ((_TOP, _BOTTOM),),
    10: ((_TOP, _RIGHT), (_BOTTOM, _LEFT)),
    11: ((_RIGHT, _BOTTOM),),
    12: ((_LEFT, _RIGHT),),
    13: ((_TOP, _RIGHT),),
    14: ((_LEFT, _TOP),),
}


@dataclass(frozen=True)
class Field:
    """The square that is shown, in mm from the centre of voxel 0: left, right, top, bottom."""

    left: float
    right: float
    top: float
    bottom: float

    @property
    def size_mm(self) -> float:
        """Length of a side."""
        return self.right - self.left


class Canvas:
    """A picture under construction; ``spacing`` is (x, y) in mm, arrays are (y, x)."""

    def __init__(self, field: Field, spacing: tuple[float, float], base: Image.Image | None = None) -> None:
        from PIL import Image

        self.field = field
        self.spacing = spacing
        self.image = Image.new("RGB", (PIXELS, PIXELS)) if base is None else base.copy()
        self._fine: Image.Image | None = None  # outlines that are not yet in the image

    def show_grey(self, grey: np.ndarray, window: tuple[float, float]) -> None:
        """Fill the picture with ``grey``, black at ``window[0]`` and white at ``window[1]``."""
        from PIL import Image

        low, high = window
        scaled = np.clip((grey - low) / (high - low), 0.0, 1.0) * 255
        source = Image.fromarray(np.rint(scaled).astype(np.uint8))
        self.image = self._placed(source, Image.Resampling.BICUBIC).convert("RGB")

    def lay_over(self, indices: np.ndarray, colours: np.ndarray) -> None:
        """Colour every voxel with ``colours[index]``, uint8 RGBA of 256 entries."""
        from PIL import Image

        placed = self._placed(Image.fromarray(indices.astype(np.uint8)), Image.Resampling.NEAREST)
        self._finish_outlines()
        # four channels are looked up as one number
        whole = np.ascontiguousarray(colours).view(np.uint32)[:, 0]
        chosen = whole[np.asarray(placed)]
        layer = Image.fromarray(chosen.view(np.uint8).reshape(*chosen.shape, 4))
        self.image.paste(layer, (0, 0), layer)

    def outline(
        self, mask: np.ndarray, colour: str, *, width: float = 2.0, opacity: float = 1.0, dashed: bool = False
    ) -> None:
        """Draw the border of ``mask`` (bool), half way between its voxels and their neighbours."""
        self.draw_pieces(boundary_pieces(mask, every_second=dashed), colour, width=width, opacity=opacity)

    def draw_pieces(
        self, pieces: np.ndarray, colour: str, *, width: float = 2.0, opacity: float = 1.0
    ) -> None:
        """Draw line pieces (n, 2, 2) of (column, row) ends, see :func:`boundary_pieces`."""
        from PIL import Image, ImageDraw

        if not len(pieces):
            return
        if self._fine is None:
            self._fine = Image.new("RGBA", (PIXELS * _FINE, PIXELS * _FINE))
        draw = ImageDraw.Draw(self._fine)
        scale = PIXELS * _FINE / self.field.size_mm
        ends = (pieces * self.spacing - (self.field.left, self.field.top)) * scale
        ink = (*rgb(colour), round(255 * opacity))
        for x0, y0, x1, y1 in ends.reshape(-1, 4).tolist():
            draw.line((x0, y0, x1, y1), fill=ink, width=round(width * _FINE))

    def write(self, text: str, position: tuple[float, float], anchor: str, size: int = 14) -> None:
        """White letters with a dark rim; ``position`` in pixels, ``anchor`` as Pillow names it."""
        from PIL import ImageDraw, ImageFont

        self._finish_outlines()
        ImageDraw.Draw(self.image).text(
            position,
            text,
            fill="white",
            font=ImageFont.load_default(size),
            anchor=anchor,
            stroke_width=2,
            stroke_fill="black",
        )

    def bar(self, length_mm: float, position: tuple[float, float]) -> None:
        """A horizontal scale bar with its left end at ``position`` in pixels."""
        from PIL import ImageDraw

        draw, (x, y) = ImageDraw.Draw(self.image), position
        end = x + length_mm * PIXELS / self.field.size_mm
        draw.rectangle((x - 1, y - 2, end + 1, y + 2), fill="black")
        draw.rectangle((x, y - 1, end, y + 1), fill="white")

    def pixel_of(self, column: float, row: float) -> tuple[float, float]:
        """Position in pixels of the centre of a voxel."""
        scale = PIXELS / self.field.size_mm
        x, y = column * self.spacing[0] - self.field.left, row * self.spacing[1] - self.field.top
        return (x * scale, y * scale)

    def png(self) -> bytes:
        """The picture as PNG, with one channel if it is grey all over."""
        self._finish_outlines()
        pixels = np.asarray(self.image)
        red = pixels[..., 0]
        return png(red if (pixels == red[..., None]).all() else pixels)

    def _placed(self, source: Image.Image, resampling: Any) -> Image.Image:
        """``source``, one pixel per voxel, as it lies in the picture; black outside."""
        from PIL import Image

        x_mm, y_mm = self.spacing
        step = self.field.size_mm / PIXELS
        matrix = (step / x_mm, 0, self.field.left / x_mm + 0.5, 0, step / y_mm, self.field.top / y_mm + 0.5)
        return source.transform((PIXELS, PIXELS), Image.Transform.AFFINE, matrix, resampling)

    def _finish_outlines(self) -> None:
        from PIL import Image

        if self._fine is None:
            return
        drawn, self._fine = self._fine, None
        if (box := drawn.getbbox()) is None:
            return
        left, top = box[0] // _FINE, box[1] // _FINE  # only where something was drawn is reduced
        right, bottom = -(-box[2] // _FINE), -(-box[3] // _FINE)
        area = (left * _FINE, top * _FINE, right * _FINE, bottom * _FINE)
        layer = drawn.crop(area).resize((right - left, bottom - top), Image.Resampling.BOX)
        self.image.paste(layer, (left, top), layer)


def boundary_pieces(mask: np.ndarray, *, every_second: bool = False) -> np.ndarray:
    """Border of a bool mask (y, x) as line pieces (n, 2, 2) of (column, row) ends, by marching squares.

    Neighbouring pieces lie in cells that share a side, so ``every_second`` (the cells of one colour of a
    chessboard) gives even dashes.
    """
    padded = np.pad(mask, 1).astype(np.uint8)
    kinds = padded[:-1, :-1] | padded[:-1, 1:] << 1 | padded[1:, 1:] << 2 | padded[1:, :-1] << 3
    rows, columns = np.nonzero((kinds > 0) & (kinds < 15))
    if every_second:
        chosen = (rows + columns) % 2 == 0
        rows, columns = rows[chosen], columns[chosen]
    kinds = kinds[rows, columns]
    corners = np.stack([columns - 1.0, rows - 1.0], axis=1)[:, None]
    found = [np.empty((0, 2, 2))]
    for kind, pieces in _PIECES.items():
        found += [corners[kinds == kind] + np.array(piece) / 2 for piece in pieces]
    return np.concatenate(found)
