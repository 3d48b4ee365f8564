"""Every line of code in README and Docs, sorted into shell, Python and YAML."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import yaml

REPOSITORY = Path(__file__).resolve().parents[3]
PROGRAMS = (
    "cardiacuq",
    ".venv/bin/cardiacuq",
    "make",
    "pip",
    "python",
    "dask",
    "srun",
    "torchrun",
    "cp",
    "printf",
)
PROGRAMS += ("docker", "apptainer", "kubectl")
SHELL, PYTHON, YAML, FIGURE = "shell", "python", "yaml", "figure"
_FENCE = re.compile(r"^```(\S*)")


@dataclass(frozen=True)
class Block:
    """Lines of code that stand together on a page; ``language`` is one of the four."""

    page: str
    language: str
    text: str

    @property
    def commands(self) -> tuple[str, ...]:
        """The lines of a shell block without their comments."""
        found = (re.sub(r"\s+#.*", "", line).strip() for line in self.text.splitlines())
        return tuple(line for line in found if line and not line.startswith("#"))


def pages() -> list[Path]:
    """The README and every page of the site that is written by hand."""
    return [REPOSITORY / "README.md", *sorted((REPOSITORY / "Docs").glob("*.md"))]


def blocks(page: Path) -> list[Block]:
    """The code of one page; raises ValueError, naming it, for a block of no known language."""
    found = []
    for text, told in _texts(page.read_text("utf-8")):
        language = told if told in (SHELL, PYTHON, YAML) else _language(text)
        if not language:
            raise ValueError(f"{page.name}: neither commands nor Python nor YAML: {text.splitlines()[0]}")
        found.append(Block(page.name, language, text))
    return found


def _texts(page: str) -> list[tuple[str, str]]:
    """Indented and fenced blocks with what the fence says; directives of the site are left out."""
    found: list[tuple[str, str]] = []
    lines, fence, told, before = [], False, "", ""
    for line in [*page.splitlines(), ""]:
        mark = _FENCE.match(line)
        if mark:
            if fence and lines and not told.startswith("{"):
                found.append(("\n".join(lines), told))
            fence, told, lines = not fence, mark[1], []
        elif fence:
            lines.append(line)
        elif line.startswith("    ") and (lines or not before.strip()):
            lines.append(line[4:])
        elif lines and not line.strip():
            lines.append("")
        elif lines:
            found.append(("\n".join(lines).rstrip(), ""))
            lines = []
        before = line if not fence else ""
    if lines and "\n".join(lines).strip():
        found.append(("\n".join(lines).rstrip(), ""))
    return [(text, told) for text, told in found if text.strip()]


def _language(text: str) -> str:
    first = text.strip().split()[0]
    if first in PROGRAMS:
        return SHELL
    if " -> " in text or text.startswith("file or"):
        return FIGURE
    try:
        compile(text, "page", "exec")
        return PYTHON
    except SyntaxError:
        pass
    try:
        return YAML if isinstance(yaml.safe_load(text), dict) else ""
    except yaml.YAMLError:
        return ""
