"""What opening the module costs: nothing heavy is imported before something is computed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]
SCRIPT = """
import sys, tempfile
from pathlib import Path
sys.path[:0] = ["CardiacUQ", "Testing", "."]
from host import application
host = application.start(Path(tempfile.mkdtemp()) / "host")
host.load(Path("CardiacUQ/CardiacUQ.py").resolve())
widget = host.open("CardiacUQ")
print("HEAVY", [n for n in ("torch", "scipy", "SimpleITK", "pydicom", "matplotlib") if n in sys.modules])
widget.runs.cool_down()
host.stop()
"""


def test_the_module_opens_without_the_heavy_libraries() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=REPOSITORY,
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen"},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert "HEAVY []" in done.stdout, done.stdout + done.stderr
