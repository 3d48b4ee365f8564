"""Stand-in for slicer.packaging: remembers what it was asked to install and installs nothing."""

from __future__ import annotations

from pathlib import Path

asked: list[dict] = []


def load_requirements(path):
    lines = (line.strip() for line in Path(path).read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line and not line.startswith(("#", "-"))]


def pip_ensure(requirements, *, requester=None):
    asked.append({"requirements": requirements, "requester": requester})
