"""Every labelled data set once: its name, layout, classes, licence, citation and reader.

A data set that is added here, with its reader beside the others, can be trained on, evaluated and exported.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from CardiacUQLib.base.errors import UsageError
from CardiacUQLib.bundles.classes import CINE_CLASSES, LGE_CLASSES
from CardiacUQLib.bundles.manifest import ClassInfo

from .case import LabelledDataset

OWN_CLASSES: tuple[ClassInfo, ...] = ()
"""Of data sets whose own description says what is labelled."""


@dataclass(frozen=True)
class CaseSource:
    """Where cases come from: a folder, or ``phantoms`` of them made on the fly. With ``complete`` False
    cases that lack a file are listed too, where the reader can, and reading them raises InputError."""

    folder: Path | None
    phantoms: int = 20
    complete: bool = True

    def file(self) -> Path:
        """The file that lists the cases; raises :class:`UsageError` if there is none."""
        if self.folder is None or not self.folder.is_file():
            raise UsageError(self._lacks("file", "the YAML file that lists the cases"))
        return self.folder

    def existing(self) -> Path:
        """The folder; raises :class:`UsageError` if there is none."""
        if self.folder is None or not self.folder.is_dir():
            raise UsageError(self._lacks("folder", "the folder of the cases"))
        return self.folder

    def _lacks(self, kind: str, wanted: str) -> str:
        if self.folder is None:
            return f"--data is missing; it names {wanted}"
        problem = f"this is no {kind}" if self.folder.exists() else f"there is no such {kind}"
        return f"{self.folder}: {problem}; --data names {wanted}"


@dataclass(frozen=True)
class DatasetInfo:
    """One data set; ``key`` is its name on the command line and in records of runs, for ever.

    ``layout`` says how its folder looks, ``licence`` and ``citation`` go into every bundle trained on it.
    """

    key: str
    title: str
    layout: str
    classes: tuple[ClassInfo, ...]
    licence: str
    citation: str
    read: Callable[[CaseSource], LabelledDataset]


def _emidec(source: CaseSource) -> LabelledDataset:
    from .emidec import emidec_dataset

    return emidec_dataset(source.existing(), source.complete)


def _myops(source: CaseSource) -> LabelledDataset:
    from .myops import myops_dataset

    return myops_dataset(source.existing(), source.complete)


def _acdc(source: CaseSource) -> LabelledDataset:
    from .acdc import acdc_dataset

    return acdc_dataset(source.existing())


def _mnms(source: CaseSource) -> LabelledDataset:
    from .mnms import mnms_dataset

    return mnms_dataset(source.existing())


def _phantom(source: CaseSource) -> LabelledDataset:
    from .phantom import phantom_dataset

    return phantom_dataset(source.folder, source.phantoms)


def _cine_phantom(source: CaseSource) -> LabelledDataset:
    from .phantom import cine_phantom_dataset

    return cine_phantom_dataset(source.phantoms)


def _table(source: CaseSource) -> LabelledDataset:
    from .own_table import table_dataset

    return table_dataset(source.file(), source.complete)


def _nnunet(source: CaseSource) -> LabelledDataset:
    from .nnunet import nnunet_dataset

    return nnunet_dataset(source.existing(), source.complete)


DATASETS: tuple[DatasetInfo, ...] = (
    DatasetInfo(
        "emidec",
        "EMIDEC",
        "Case_X/Images/Case_X.nii.gz with Case_X/Contours/Case_X.nii.gz",
        LGE_CLASSES,
        "CC BY-NC-SA 4.0, research only",
        "EMIDEC (Lalande et al., Data 2020, doi 10.3390/data5040089)",
        _emidec,
    ),
    DatasetInfo(
        "myops",
        "MyoPS 2020",
        "CaseN/CaseN_LGE.nii.gz with CaseN/CaseN_gd.nii.gz",
        LGE_CLASSES,
        "research only, citation required",
        "MyoPS 2020 (Zhuang, TPAMI 2019; Li et al., MedIA 2023)",
        _myops,
    ),
    DatasetInfo(
        "phantom",
        "LGE phantoms",
        "EMIDEC's, or none: made on the fly",
        LGE_CLASSES,
        "Apache-2.0",
        "synthetic phantoms of this project",
        _phantom,
    ),
    DatasetInfo(
        "acdc",
        "ACDC",
        "patientXXX/Info.cfg with the frames it names and their _gt files",
        CINE_CLASSES,
        "research only, citation required",
        "ACDC (Bernard et al., IEEE TMI 2018, doi 10.1109/TMI.2018.2837502)",
        _acdc,
    ),
    DatasetInfo(
        "mnms",
        "M&Ms",
        "a CSV of ED and ES frames beside CODE/CODE_sa.nii.gz with CODE_sa_gt.nii.gz",
        CINE_CLASSES,
        "research only, citation required",
        "M&Ms (Campello et al., IEEE TMI 2021, doi 10.1109/TMI.2021.3090082)",
        _mnms,
    ),
    DatasetInfo(
        "cine-phantom",
        "Cine phantoms",
        "none: made on the fly",
        CINE_CLASSES,
        "Apache-2.0",
        "synthetic cine phantoms of this project",
        _cine_phantom,
    ),
    DatasetInfo(
        "table",
        "own cases",
        "a YAML file with what the labels mean and the cases, or a CSV of them",
        OWN_CLASSES,
        "that of the training data",
        "own labelled cases",
        _table,
    ),
    DatasetInfo(
        "nnunet",
        "own cases in nnU-Net's layout",
        "dataset.json, imagesTr/CASE_0000.nii.gz, labelsTr/CASE.nii.gz",
        OWN_CLASSES,
        "that of the training data",
        "own labelled cases",
        _nnunet,
    ),
)


def dataset_info(key: str) -> DatasetInfo:
    """The data set of this name; raises :class:`UsageError` for one that is not in the catalogue."""
    found = next((info for info in DATASETS if info.key == key), None)
    if found is None:
        raise UsageError(f"{key}: no such data set; known are {', '.join(info.key for info in DATASETS)}")
    return found


def dataset_help() -> str:
    """The data sets by name, for the help of an option."""
    lge, cine, own = (
        ", ".join(info.key for info in DATASETS if info.classes == classes)
        for classes in (LGE_CLASSES, CINE_CLASSES, OWN_CLASSES)
    )
    return f"Layout of the data: {lge}; for cine models {cine}; your own: {own}."


def check_datasets(datasets: tuple[DatasetInfo, ...] = DATASETS) -> None:
    """Raise ValueError, naming the data set, for the first wrong or double entry."""
    seen: set[str] = set()
    for info in datasets:
        if not all((info.key, info.title, info.layout, info.licence, info.citation)):
            raise ValueError(f"data set {info.key}: one of title, layout, licence, citation is empty")
        if {info.key, info.title} & seen:
            raise ValueError(f"data set {info.key}: there are two of this name or title")
        seen |= {info.key, info.title}
