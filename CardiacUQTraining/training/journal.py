"""What a stage writes down while it trains: one CSV line per epoch, and the same for TensorBoard."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

from torch.utils.tensorboard import SummaryWriter

COLUMNS = ("epoch", "step", "loss", "learning_rate", "validation_dice", "samples_per_second", "seconds")


LOG = "log.csv"


def read_log(folder: Path) -> list[dict[str, str]]:
    """The lines of a stage's log, one per epoch; none before its first epoch."""
    path = folder / LOG
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


class TrainingLog:
    """Log of one stage. Lines beyond the resumed step are dropped: that work is done again."""

    def __init__(self, folder: Path, step: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / LOG
        self._board = SummaryWriter(str(folder), purge_step=step)
        kept = [row for row in read_log(folder) if int(row["step"]) <= step]
        self._write(kept, "w")

    def write(self, row: Mapping[str, float]) -> None:
        """Append the figures of one finished epoch."""
        self._write([row], "a")
        for name, value in row.items():
            if name not in ("epoch", "step"):
                self._board.add_scalar(name, value, int(row["step"]))
        self._board.flush()

    def _write(self, rows: list, mode: str) -> None:
        with self._path.open(mode, newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, COLUMNS, extrasaction="ignore", restval="")
            if mode == "w":
                writer.writeheader()
            writer.writerows(rows)
