"""Writes the colour tables and the terminology of the module from the classes of the library.

`python Tools/make_colours.py` writes CardiacUQ/Resources/Colors/*.csv (colour tables as Slicer
loads them, with terminology) and CardiacUQ/Resources/CardiacUQ.term.json.
"""

from __future__ import annotations

import csv
import io
import json
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
RESOURCES = REPOSITORY / "CardiacUQ" / "Resources"
sys.path.insert(0, str(REPOSITORY / "CardiacUQ"))

from CardiacUQLib.bundles.classes import CINE_CLASSES, LGE_CLASSES  # noqa: E402
from CardiacUQLib.bundles.manifest import ClassInfo, Code  # noqa: E402

CONTEXT = "CardiacUQ"
ANATOMY = Code("SCT", "123037004", "Anatomical Structure")
ALTERED = Code("SCT", "49755003", "Morphologically Altered Structure")
HEART = Code("SCT", "80891009", "Heart")
_ALTERED_NAMES = frozenset({"infarct", "mvo"})
_CODED = ("Category", "Type", "TypeModifier", "Region", "RegionModifier")
_PARTS = ("CodingScheme", "CodeValue", "CodeMeaning")


def category(info: ClassInfo) -> Code:
    """Healthy anatomy or something grown in it."""
    return ALTERED if info.name.lower() in _ALTERED_NAMES else ANATOMY


def rgb(info: ClassInfo) -> list[int]:
    """Red, green, blue, 0..255."""
    return [int(info.colour[n : n + 2], 16) for n in (1, 3, 5)]


def colour_table(classes: tuple[ClassInfo, ...]) -> str:
    """CSV text of one colour table; the background is left out, as Slicer advises."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    codes = [f"{coded}_{part}" for coded in _CODED for part in _PARTS]
    writer.writerow(["LabelValue", "Name", "Color_R", "Color_G", "Color_B", "Color_A", *codes])
    for info in (c for c in classes if c.value):
        row: list[object] = [info.value, info.name, *rgb(info), 255]
        for code in (category(info), info.code, None, HEART, None):
            row += [code.scheme, code.value, code.meaning] if code else ["", "", ""]
        writer.writerow(row)
    return text.getvalue()


def terminology() -> str:
    """JSON text of the terminology: every class of both methods once, under its category."""
    categories = []
    for group in (ANATOMY, ALTERED):
        types = {}
        for info in (*LGE_CLASSES, *CINE_CLASSES):
            if info.value and category(info) == group:
                types.setdefault(info.code, info)
        entries = [{**_coded(code), "recommendedDisplayRGBValue": rgb(info)} for code, info in types.items()]
        categories.append({**_coded(group), "showAnatomy": True, "Type": entries})
    document = {
        "SegmentationCategoryTypeContextName": CONTEXT,
        "@schema": "https://raw.githubusercontent.com/qiicr/dcmqi/master/doc/segment-context-schema.json#",
        "SegmentationCodes": {"Category": categories},
    }
    return json.dumps(document, indent=2) + "\n"


def _coded(code: Code) -> dict[str, str]:
    return {"CodingSchemeDesignator": code.scheme, "CodeValue": code.value, "CodeMeaning": code.meaning}


def files() -> dict[Path, str]:
    """Every file and its content."""
    return {
        RESOURCES / "Colors" / "CardiacUQ-LGE.csv": colour_table(LGE_CLASSES),
        RESOURCES / "Colors" / "CardiacUQ-Cine.csv": colour_table(CINE_CLASSES),
        RESOURCES / "CardiacUQ.term.json": terminology(),
    }


if __name__ == "__main__":
    for path, content in files().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8", newline="\n")
