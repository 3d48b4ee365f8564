"""Which state of the project did something, for the records of runs and bundles."""

from __future__ import annotations

import subprocess
from pathlib import Path


def project_commit() -> str:
    """The project's commit, or "unknown" for an installation without its repository."""
    command = ["git", "rev-parse", "HEAD"]
    try:
        done = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.strip()
