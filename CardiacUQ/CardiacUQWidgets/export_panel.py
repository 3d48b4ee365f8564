"""What leaves the module: the reviewed case as a training case, and as DICOM beside its series."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import qt
from slicer.i18n import tr as _

from CardiacUQLib.cases.casefolder import read_case
from CardiacUQLib.review import Review

from . import computer
from .desk import Desk
from .dicom_origin import Origin, origin_of
from .stepping import Stepper, Steps, in_thread

DICOM_FOLDER = "dicom"


class ExportPanel:
    """Two buttons; both write what the review says, after it has been written into the case folder."""

    def __init__(
        self,
        ui: SimpleNamespace,
        desk: Desk,
        say: Callable[..., None],
        guarded: Callable[[Callable[[], object]], object],
    ) -> None:
        self.ui, self._desk = ui, desk
        self._say, self._guarded = say, guarded
        self.writing = Stepper(lambda error: say(str(error), error=True))
        ui.dicomButton.connect("clicked(bool)", lambda checked=False: self._guarded(self.dicom))

    def training_case(self) -> None:
        """Ask for a folder and write the case there as training data."""
        session = self._desk.review.session
        if session is None:
            return
        folder = self._folder(_("Folder for the training case"))
        if folder is not None:
            self._desk.publish_now()
            written = session.export(folder)
            self._say(_("The training case is in {folder}").format(folder=written))

    def dicom(self) -> None:
        """Write segmentation, maps and structured report into the case folder, beside the networks' own."""
        nodes, session = self._desk.nodes, self._desk.review.session
        if nodes is None or nodes.folder is None or session is None:
            return
        image = session.review.case.input_path
        origin = Origin(image, "") if image is not None and image.is_dir() else origin_of(nodes.volume)
        if origin is None:
            chosen = self._folder(_("Folder of the DICOM series that was segmented"))
            origin = None if chosen is None else Origin(chosen, "")
        if origin is not None:
            self._desk.publish_now()
            self._say(_("Writing DICOM…"))
            self.writing.start(_write(nodes.folder, origin, session.review), self._written)

    def _written(self, folder: Path) -> None:
        self._say(_("DICOM segmentation, maps and report are in {folder}").format(folder=folder))

    def _folder(self, title: str) -> Path | None:
        start = str(computer.results_folder())
        chosen = qt.QFileDialog.getExistingDirectory(self.ui.exportButton, title, start)
        return Path(chosen) if chosen else None


def _write(folder: Path, source: Origin, review: Review) -> Steps[Path]:
    def write() -> Path:
        from CardiacUQLib.cases.study_record import segmented_phase
        from CardiacUQLib.dicom import write_dicom_outputs
        from CardiacUQLib.dicom.same_image import check_same_image

        target, case = folder / DICOM_FOLDER, read_case(folder)
        review.hold()
        phase, frame = segmented_phase(case) or ("", None)
        if source.series or frame is not None:  # else its grid must do: no more is known of it
            check_same_image(case, source.folder, source.series, frame)
        write_dicom_outputs(
            case, source.folder, target, overwrite=True, phase=phase, frame=frame, series=source.series
        )
        return target

    return (yield from in_thread(write))
