"""What somebody asked of a training: enough to say it again, and to go on without saying it."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ASKED, COMMAND = "asked", "command"
"""Keys of a run's record."""


@dataclass(frozen=True)
class Asked:
    """The options of ``cardiacuq train``; None where the program chooses. ``folds`` as in ``0,2``; ``hours``
    is what the recipe was fitted to, ``fast`` asks for one fold without augmentation."""

    kind: str
    dataset: str = "emidec"
    data: str | None = None
    recipe: str = "cascade-small"
    course: int = 1
    folds: str | None = None
    start_from: str | None = None
    hours: float | None = None
    fast: bool = False
    device: str = "auto"
    threads: int | None = None

    def command(self, output: Path) -> str:
        """The command line that asks for this, defaults that matter included."""
        words = ["cardiacuq", "train", self.kind, "--dataset", self.dataset]
        options = {"--data": self.data, "--recipe": self.recipe, "--folds": self.folds}
        options |= {"--start-from": self.start_from, "--hours": self.hours and f"{self.hours:g}"}
        options |= {"--course": self.course if self.course > 1 else None, "--threads": self.threads}
        options |= {"--device": self.device if self.device != "auto" else None}
        for option, value in options.items():
            if value is not None:
                words += [option, str(value)]
        return shlex.join([*words, *(["--fast"] if self.fast else []), "-o", str(output)])

    def as_json(self) -> dict[str, Any]:
        """For the record of the run; places on disk are absolute, a resumed run may begin elsewhere."""
        places = {"data": self.data and str(Path(self.data).absolute())}
        for name in ("recipe", "start_from"):
            value = getattr(self, name)
            places[name] = str(Path(value).absolute()) if value and Path(value).exists() else value
        return dataclasses.asdict(self) | places

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Asked:
        """What :meth:`as_json` gave, of this version or another."""
        known = {field.name for field in dataclasses.fields(cls)}
        return cls(**{name: value for name, value in stored.items() if name in known})
