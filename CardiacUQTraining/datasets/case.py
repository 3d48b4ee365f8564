"""One labelled case and the list of them that a training or an evaluation walks through."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from CardiacUQLib.base.errors import InputError
from CardiacUQLib.bundles.manifest import ClassInfo
from CardiacUQLib.images.labels import read_labels
from CardiacUQLib.images.reading import read_volume
from CardiacUQLib.images.volume import Volume


@dataclass(frozen=True)
class LabelledCase:
    """Image and reference labels of one patient.

    ``group`` is the stratum that folds are balanced over (pathology). ``label_map`` translates the
    file's label values into ours; values missing from it are refused. Cases of one ``patient`` (the
    ``phase`` ED and ES of a cine) never part when folds are made; empty means the case itself.
    ``maker`` replaces reading the two files. ``merged`` names classes that the file does not tell from
    another one, and that other one: a model that does tell them apart is judged as if it did not.
    ``split`` is "test" for cases that no training may see, else "train" or empty.
    """

    id: str
    group: str
    image_path: Path
    label_path: Path
    label_map: Mapping[int, int]
    patient: str = ""
    phase: str = ""
    maker: Callable[[], tuple[Volume, np.ndarray]] | None = field(default=None, compare=False)
    merged: Mapping[int, int] = field(default_factory=dict)
    split: str = ""

    def load(self) -> tuple[Volume, np.ndarray]:
        """The volume and its labels, uint8 (z, y, x) in slice order.

        Raises :class:`InputError` if a file is missing, the pair does not match or a label is unknown.
        """
        if self.maker is not None:
            return self.maker()
        require_pair(self.image_path, self.label_path)
        volume = read_volume(self.image_path)
        return volume, self.translate(read_labels(self.label_path, volume))

    def translate(self, stored: np.ndarray) -> np.ndarray:
        """Our labels (uint8) for the file's values; :class:`InputError` names an unknown value."""
        unknown = sorted(set(np.unique(stored).tolist()) - set(self.label_map))
        if unknown:
            expected = ", ".join(map(str, sorted(self.label_map)))
            raise InputError(self.label_path, f"has label values {unknown}", f"allowed are {expected}")
        table = np.zeros(max(self.label_map) + 1, np.uint8)
        for theirs, ours in self.label_map.items():
            table[theirs] = ours
        return table[stored]


@dataclass(frozen=True)
class LabelledDataset:
    """Cases in a fixed order, with the classes their labels use.

    ``citation`` and ``licence`` are those that its own description gives, else those of the catalogue hold.
    """

    name: str
    classes: tuple[ClassInfo, ...]
    cases: tuple[LabelledCase, ...]
    citation: str = ""
    licence: str = ""

    def __iter__(self) -> Iterator[LabelledCase]:
        return iter(self.cases)

    def __len__(self) -> int:
        return len(self.cases)


def require_pair(image: Path, label: Path) -> None:
    """Raise :class:`InputError` if one of the two files is missing."""
    for path, what in ((image, "image"), (label, "label file")):
        if not path.is_file():
            raise InputError(path, f"the {what} is missing", "every case needs its image and its label file")
