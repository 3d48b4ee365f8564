"""Makes demo.png and demo-cine.png from the demos' own output: ``make screenshots``.

python Tools/make_demo.py [CASE_FOLDER]        a late-enhancement scan
python Tools/make_demo.py ED_FOLDER ES_FOLDER  a cine
"""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL import ImageDraw

    from CardiacUQLib.report.contents import Contents
    from CardiacUQLib.report.pictures import Column

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(REPOSITORY), str(REPOSITORY / "CardiacUQ")]

ROWS, ROWS_OF_A_PHASE = 3, 2
GAP = 6
HEAD = 58


def main() -> None:
    """Write the picture among the screenshots."""
    from PIL import Image, ImageDraw, ImageFont

    from CardiacUQLib.cases.casefolder import read_case
    from CardiacUQLib.report.contents import contents_of
    from CardiacUQLib.report.pictures import ColumnKind, columns_of, slice_pictures

    folders = [Path(name) for name in sys.argv[1:]] or [REPOSITORY / "demo-output" / "phantom"]
    cine = len(folders) > 1
    rows, cases = [], [contents_of(read_case(folder)) for folder in folders]
    contents = cases[-1]
    for contents in cases:
        chosen = spread_out(contents.segmentation) if cine else most_telling(contents)
        pictures = slice_pictures(contents, chosen)
        rows += [[Image.open(io.BytesIO(picture.png)) for picture in row] for row in pictures]
    first = "Cine: base and apex, ED and ES" if cine else "Late enhancement"
    columns = columns_of(contents)
    side = rows[0][0].width + GAP
    sheet = Image.new("RGB", (side * len(columns) - GAP, HEAD + side * len(rows) - GAP), "white")
    draw = ImageDraw.Draw(sheet)
    for number, column in enumerate(columns):
        title = first if column.kind is ColumnKind.IMAGE else column.title
        draw.text((number * side, 6), title, fill="#1b1f24", font=ImageFont.load_default(22))
        legend(draw, contents, column, (number * side, 36))
        for line, row in enumerate(rows):
            sheet.paste(row[number], (number * side, HEAD + line * side))
    target = REPOSITORY / "Resources" / "Screenshots" / ("demo-cine.png" if cine else "demo.png")
    sheet.save(target, optimize=True)
    print(target.relative_to(REPOSITORY))


def legend(draw: ImageDraw.ImageDraw, contents: Contents, column: Column, place: tuple[int, int]) -> None:
    """Under a title: the classes of the outlines, the structures of the bands, the scale of a heat map."""
    from PIL import ImageFont

    from CardiacUQLib.bundles.colours import heat_colours
    from CardiacUQLib.report.pictures import ColumnKind
    from CardiacUQLib.uncertainty.bands import band_colours

    x, y = place
    font = ImageFont.load_default(15)
    case, named = contents.case, list[tuple[str, str]]()
    if column.kind is ColumnKind.OUTLINES:
        named = [(short_name(info.name), info.colour) for info in case.classes if info.value]
    elif column.kind is ColumnKind.BANDS:
        named = list(band_colours(case.bands, case.classes).items())
    for name, colour in named:
        draw.rectangle((x, y + 4, x + 10, y + 14), fill=colour)
        draw.text((x + 15, y), name, fill="#5b6470", font=font)
        x += 27 + round(font.getlength(name))
    if column.heat is not None:
        for n, shade in enumerate(heat_colours(np.linspace(0, 1, 200))):
            draw.line((x + 14 + n, y + 3, x + 14 + n, y + 15), fill=tuple(int(c) for c in shade))
        draw.text((x, y), "0", fill="#5b6470", font=font)
        draw.text((x + 220, y), f"{column.heat.maximum:.2f}", fill="#5b6470", font=font)
    elif column.kind is ColumnKind.CORRECTIONS:
        draw.text((x, y), "hue: what it became", fill="#5b6470", font=font)


def short_name(name: str) -> str:
    """A class name that fits in a line of four."""
    return name.removeprefix("healthy ")


def most_telling(contents: Contents) -> list[int]:
    """The slices with the most infarct and corrections, in their order."""
    score = (contents.segmentation >= 3).sum(axis=(1, 2)) + 3 * (contents.case.dcm > 0).sum(axis=(1, 2))
    return sorted(np.argsort(score)[-ROWS:].tolist())


def spread_out(segmentation: np.ndarray) -> list[int]:
    """The second and the last but one slice of the heart: where cine segmentation is hardest."""
    filled = np.flatnonzero((segmentation > 0).any(axis=(1, 2)))
    ends = filled[[min(1, len(filled) - 1), max(-2, -len(filled))]]
    return [int(z) for z in ends][:ROWS_OF_A_PHASE]


if __name__ == "__main__":
    main()
