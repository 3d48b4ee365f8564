"""A data set in nnU-Net's raw layout: dataset.json, imagesTr/CASE_0000.nii.gz, labelsTr/CASE.nii.gz."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from CardiacUQLib.base.errors import InputError

from .case import LabelledCase, LabelledDataset, require_pair
from .class_names import translate

JSON = "dataset.json"
_ORGANISED = "expected nnU-Net's dataset.json with channel_names, labels and file_ending"


class _Description(BaseModel):
    model_config = ConfigDict(extra="ignore")

    channel_names: dict[str, str] = Field(min_length=1)
    labels: dict[str, Any] = Field(min_length=2)
    file_ending: str = ".nii.gz"
    name: str = ""
    licence: str = ""


def nnunet_dataset(folder: Path, complete: bool = True) -> LabelledDataset:
    """The cases of a folder DatasetXXX_Name, in alphabetical order; those of ``labelsTs`` are for the test.

    Labels are understood by their names in dataset.json. Raises :class:`InputError` for several channels,
    regions instead of labels, names that are not understood, or a folder without such cases.
    """
    file = folder / JSON
    found = _read(file)
    if len(found.channel_names) != 1:
        raise InputError(file, f"has {len(found.channel_names)} channels", "one image per case can be used")
    regions = [name for name, value in found.labels.items() if not isinstance(value, int)]
    if regions:
        raise InputError(file, f"label '{regions[0]}' is a region", "give every label one whole number")
    translation = translate({value: name for name, value in found.labels.items()}, file)
    cases = []
    for part, split in (("Tr", "train"), ("Ts", "test")):
        for label in sorted((folder / f"labels{part}").glob(f"*{found.file_ending}")):
            name = label.name.removesuffix(found.file_ending)
            image = folder / f"images{part}" / f"{name}_0000{found.file_ending}"
            if complete:
                require_pair(image, label)
            values, merged = translation.label_map, translation.merged
            cases.append(LabelledCase(name, "all", image, label, values, merged=merged, split=split))
    if not cases:
        place = f"labelsTr/CASE{found.file_ending} with imagesTr/CASE_0000{found.file_ending}"
        raise InputError(folder, "holds no labelled case", f"expected {place}")
    return LabelledDataset("nnunet", translation.classes, tuple(cases), found.name, found.licence)


def _read(file: Path) -> _Description:
    try:
        return _Description.model_validate_json(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(file, "cannot be read", _ORGANISED) from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise InputError(file, f"{place}: {first['msg'].lower()}", _ORGANISED) from error
