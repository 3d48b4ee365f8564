"""The pictures in the repository show the bundles that are shipped with it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]
WALK = sorted((REPOSITORY / "Resources" / "Screenshots").glob("walk-*.png"))


@pytest.mark.parametrize("picture", WALK, ids=lambda path: path.name)
def test_a_picture_of_the_walk_shows_the_shipped_bundle(picture):
    image = pytest.importorskip("PIL.Image")
    with image.open(picture) as opened:
        shown = opened.text.get("bundle", "nothing that it was made with")
    shipped = [
        json.loads(path.read_text("utf-8")) for path in REPOSITORY.glob("Resources/Models/*/manifest.json")
    ]
    assert shown in [f"{m['name']} {m['version']}" for m in shipped], f"make screenshots: {shown}"


def test_the_walk_is_whole():
    assert [path.name.split("-")[1] for path in WALK] == [str(n) for n in range(1, len(WALK) + 1)]
    assert len(WALK) >= 7
