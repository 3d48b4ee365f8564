"""Makes demo.png from the demo's own output: ``make screenshots``.

python Resources/Screenshots/make_demo.py [CASE_FOLDER]
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPOSITORY), str(REPOSITORY / "CardiacUQ")]

ROWS = 3
GAP = 6
HEAD = 58


def main() -> None:
    """Write demo.png beside this file."""
    from PIL import Image, ImageDraw, ImageFont

    from CardiacUQLib.casefolder import read_case
    from CardiacUQLib.report.contents import from_case
    from CardiacUQLib.report.pictures import slice_pictures

    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else REPOSITORY / "demo-output" / "phantom"
    contents = from_case(read_case(folder))
    chosen = most_telling(contents.segmentation, contents.dcm)
    rows = [
        [Image.open(io.BytesIO(picture.png)) for picture in row] for row in slice_pictures(contents, chosen)
    ]
    titles = ["Late enhancement", "Outlines", *(heat.title for heat in contents.heat_maps), "Corrections"]
    side = rows[0][0].width + GAP
    sheet = Image.new("RGB", (side * len(titles) - GAP, HEAD + side * len(rows) - GAP), "white")
    draw = ImageDraw.Draw(sheet)
    for column, title in enumerate(titles):
        draw.text((column * side, 6), title, fill="#1b1f24", font=ImageFont.load_default(22))
        legend(draw, contents, column, (column * side, 36))
        for line, row in enumerate(rows):
            sheet.paste(row[column], (column * side, HEAD + line * side))
    target = Path(__file__).with_name("demo.png")
    sheet.save(target, optimize=True)
    print(target.relative_to(REPOSITORY))


def legend(draw, contents, column: int, place: tuple[int, int]) -> None:
    """Under a title: the classes of the outlines, the scale of a heat map."""
    from PIL import ImageFont

    from CardiacUQLib.colours import heat_colours

    x, y = place
    font = ImageFont.load_default(15)
    if column == 1:
        for info in contents.classes:
            if info.value:
                draw.rectangle((x, y + 4, x + 10, y + 14), fill=info.colour)
                draw.text((x + 15, y), short_name(info.name), fill="#5b6470", font=font)
                x += 27 + round(font.getlength(short_name(info.name)))
    elif 2 <= column < 2 + len(contents.heat_maps):
        for n, colour in enumerate(heat_colours(np.linspace(0, 1, 200))):
            draw.line((x + 14 + n, y + 3, x + 14 + n, y + 15), fill=tuple(int(c) for c in colour))
        draw.text((x, y), "0", fill="#5b6470", font=font)
        maximum = contents.heat_maps[column - 2].maximum
        draw.text((x + 220, y), f"{maximum:.2f}", fill="#5b6470", font=font)
    elif column == 2 + len(contents.heat_maps):
        draw.text((x, y), "hue: what it became", fill="#5b6470", font=font)


def short_name(name: str) -> str:
    """A class name that fits in a line of four."""
    return name.removeprefix("healthy ")


def most_telling(segmentation: np.ndarray, dcm: np.ndarray) -> list[int]:
    """The slices with the most infarct and corrections, in their order."""
    score = (segmentation >= 3).sum(axis=(1, 2)) + 3 * (dcm > 0).sum(axis=(1, 2))
    return sorted(np.argsort(score)[-ROWS:].tolist())


if __name__ == "__main__":
    main()
