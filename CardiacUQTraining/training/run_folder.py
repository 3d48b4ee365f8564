"""Where the files of one training run lie on disk."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from CardiacUQLib.base.errors import UsageError

from .checkpoint import load_weights


@dataclass(frozen=True)
class RunFolder:
    """Layout of one training run on disk."""

    path: Path

    @property
    def record(self) -> Path:
        """Recipe, data set and folds of the run, written once at its start."""
        return self.path / "run.json"

    def read_record(self) -> dict[str, Any]:
        """Content of the record; raises UsageError, one line, if this is no run or the file is damaged."""
        try:
            record = json.loads(self.record.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise UsageError(
                f"{self.path}: is no training run; expected the folder given to `train -o`"
            ) from None
        except (OSError, ValueError) as error:
            raise UsageError(f"{self.record}: cannot be read ({error}); choose another folder") from None
        if not isinstance(record, dict):
            raise UsageError(f"{self.record}: is no record of a run; choose another folder")
        return record

    def held_out(self) -> dict[int, tuple[str, ...]]:
        """Ids of the cases that each fold holds out."""
        return {int(fold): tuple(cases) for fold, cases in self.read_record()["held_out"].items()}

    def stage(self, fold: int, name: str) -> Path:
        """Folder of one stage of one fold."""
        return self.path / f"fold{fold}" / name

    def final(self, fold: int, name: str) -> Path:
        """Weights of a finished stage."""
        return self.stage(fold, name) / "final.safetensors"

    def unfinished(self, folds: Sequence[int], name: str) -> list[int]:
        """Those of ``folds`` whose stage is still to be trained."""
        return [fold for fold in folds if not self.final(fold, name).exists()]

    def load_final(self, fold: int, name: str, network: nn.Module) -> nn.Module:
        """``network`` with the finished weights of a stage, in evaluation mode."""
        weights, _ = load_weights(self.final(fold, name))
        network.load_state_dict(weights)
        return network.eval()
