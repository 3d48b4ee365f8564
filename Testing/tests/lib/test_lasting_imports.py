"""The collector rests while torch loads, and only then."""

from __future__ import annotations

import subprocess
import sys

import pytest

TOLD = """
import gc, sys
from CardiacUQLib.base.lasting_imports import lasting_imports
{before}
try:
    with lasting_imports():
        print(gc.isenabled())
        {inside}
except ImportError:
    pass
print(gc.isenabled(), gc.get_freeze_count() > 1000)
"""


@pytest.mark.parametrize(
    ("before", "inside", "told"),
    [
        ("", "import typing", "False True True"),
        ("", "import not_there", "False True True"),
        ("sys.modules['torch'] = gc", "import typing", "True True False"),
        ("gc.disable()", "import typing", "False False False"),
    ],
    ids=["loads", "fails", "is loaded already", "the caller wants none"],
)
def test_the_collector_rests_while_torch_loads_and_then_leaves_its_parts_alone(
    before: str, inside: str, told: str
) -> None:
    code = TOLD.format(before=before, inside=inside)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True)
    assert done.stdout.split() == told.split()
