"""The choice of the model bundle: guessed from the volume, changeable, its model card shown."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace

import qt
import slicer
from slicer.i18n import tr as _

from CardiacUQLib.base.errors import ModelError
from CardiacUQLib.bundles.bundle import Bundle, list_bundles, open_bundle
from CardiacUQLib.bundles.manifest import ClassInfo, Manifest
from CardiacUQLib.measures.aha import NO_INSERTION
from CardiacUQLib.uncertainty.assessment import Assessor

from . import computer
from .contrast import Contrast, Evidence, evidence_of
from .tone import Tone, set_tone

_OWN = "ModelFolders"


def guess_bundle(bundles: tuple[Bundle, ...], evidence: Evidence | None) -> Bundle | None:
    """The first bundle that fits the evidence, of late enhancement where there is none."""
    wanted = Contrast.LGE if evidence is None else evidence.contrast
    fitting = [bundle for bundle in bundles if contrast_of(bundle) is wanted]
    return next(iter(fitting or bundles), None)


def contrast_of(bundle: Bundle) -> Contrast:
    """What a bundle is made for: without infarct among its classes, cine."""
    return contrast_of_classes(bundle.manifest.classes)


def contrast_of_classes(classes: Sequence[ClassInfo]) -> Contrast:
    """The same from the classes alone."""
    return Contrast.LGE if any(info.name == "infarct" for info in classes) else Contrast.CINE


class ModelPanel:
    """Selector, one line about the chosen bundle, its model card, and a button for a folder of one's own.

    ``on_change`` are called when the user has chosen another bundle. ``say`` shows a line.
    """

    def __init__(self, ui: SimpleNamespace, say: Callable[..., None]) -> None:
        self.ui = ui
        self.problems: tuple[str, ...] = ()
        self.on_change: list[Callable[[], object]] = []
        self._say = say
        self._bundles: tuple[Bundle, ...] = ()
        self._chosen_by_user = False
        self._evidence: Evidence | None = None
        self._absent = ""
        ui.modelCardView.visible = False
        ui.modelCardButton.connect("toggled(bool)", self._show_card)
        ui.modelFolderButton.connect("clicked(bool)", lambda checked=False: self._choose_folder())
        ui.modelSelector.connect("activated(int)", self._on_chosen)
        self.refresh()

    @property
    def bundle(self) -> Bundle | None:
        """The chosen bundle, None if there is none at all."""
        index = self.ui.modelSelector.currentIndex
        return self._bundles[index] if 0 <= index < len(self._bundles) else None

    def refresh(self) -> None:
        """Look again which bundles there are, in their places and in the user's own folders."""
        problems: list[ModelError] = []
        found = {bundle.folder: bundle for bundle in list_bundles(problems.append)}
        for folder in _own_folders():
            try:
                bundle = open_bundle(folder)
                found.setdefault(bundle.folder, bundle)
            except ModelError as error:
                problems.append(error)
        self._bundles = tuple(found.values())
        self.problems = tuple(str(problem) for problem in problems)
        self.ui.modelSelector.clear()
        for bundle in self._bundles:
            self.ui.modelSelector.addItem(bundle.manifest.title or bundle.manifest.name)
        self._describe()

    def guess(self, volume: slicer.vtkMRMLScalarVolumeNode | None) -> None:
        """Choose the bundle for a volume, unless the user has chosen one; warn if the bundle does not fit."""
        self._evidence = None if volume is None else evidence_of(volume)
        if volume is not None and not self._chosen_by_user:
            guessed = guess_bundle(self._bundles, self._evidence)
            if guessed is not None:
                self.ui.modelSelector.currentIndex = self._bundles.index(guessed)
        self._describe()

    def choose(self, name: str) -> bool:
        """Choose a bundle by its folder or the name of it, as a saved scene does; False, and said so under
        the selector, if it is not here."""
        names = (str, lambda folder: folder.name)
        hits = [n for of in names for n, bundle in enumerate(self._bundles) if of(bundle.folder) == name]
        self._absent = "" if hits else name
        if hits:
            self.ui.modelSelector.currentIndex = hits[0]
            self._chosen_by_user = True
        self._describe()
        return bool(hits)

    def add_folder(self, folder: Path) -> bool:
        """Offer the bundle in a folder from now on, and choose it; False, and said why, if it is none."""
        try:
            bundle = open_bundle(folder)
        except ModelError as error:
            self._say(str(error), error=True)
            return False
        own = [str(path) for path in _own_folders() if path != bundle.folder]
        computer.set_setting(_OWN, json.dumps([*own, str(bundle.folder)]))
        self.refresh()
        self.choose(str(bundle.folder))
        self._tell()
        return True

    def forget_choice(self) -> None:
        """Guess again from now on (a new scene)."""
        self._chosen_by_user, self._absent = False, ""

    def passes(self, folds: str, flips: bool) -> int:
        """Number of passes that a run makes."""
        if self.bundle is None:
            return 1
        manifest = self.bundle.manifest
        count = len([f for f in folds.split(",") if f.strip()]) or len(manifest.folds)
        return count * (len(manifest.views) if flips else 1)

    def _choose_folder(self) -> None:
        title = _("Folder of a model bundle")
        folder = qt.QFileDialog.getExistingDirectory(self.ui.modelFolderButton, title, "")
        if folder:
            self.add_folder(Path(folder))

    def _on_chosen(self, index: int) -> None:
        self._chosen_by_user, self._absent = True, ""
        self._describe()
        self._tell()

    def _tell(self) -> None:
        for changed in self.on_change:
            changed()

    def _mismatch(self, bundle: Bundle) -> str:
        """A warning if the model is made for the other kind of image."""
        seen, made_for = self._evidence, contrast_of(bundle)
        if seen is None or seen.contrast is made_for:
            return ""
        words = _("Check the model: the volume looks like {seen} ({why}), the model is made for {made_for}.")
        return words.format(seen=seen.contrast.value, why=seen.words, made_for=made_for.value)

    def _missing(self) -> str:
        if not self._absent:
            return ""
        return _("The model {name} of this scene is not here; another is chosen.").format(name=self._absent)

    def _show_card(self, shown: bool) -> None:
        self.ui.modelCardView.visible = shown

    def _describe(self) -> None:
        bundle, label = self.bundle, self.ui.modelLabel
        if bundle is None:
            label.text = self.problems[0] if self.problems else _("There is no model bundle.")
            set_tone(label, Tone.BAD)
            self.ui.modelCardView.plainText = ""
            return
        manifest = bundle.manifest
        labels = ", ".join(info.name for info in manifest.classes if info.value)
        text = _("{labels}. Version {version}. Research use only.").format(
            labels=labels[:1].upper() + labels[1:], version=manifest.version
        )
        warnings = [w for w in (self._missing(), self._mismatch(bundle), *self.problems) if w]
        label.text = "\n".join([*warnings, text])
        set_tone(label, Tone.CARE if warnings else Tone.PLAIN)
        card = bundle.model_card or f"# {manifest.title}\n\n{manifest.training_data}"
        self.ui.modelCardView.setMarkdown(f"{card}\n\n{_standing(manifest)}".rstrip())
        self.ui.modelSelector.toolTip = str(bundle.folder)


def _standing(manifest: Manifest) -> str:
    """What is so in every case of a model and therefore stands in its card, not beside each result."""
    lines = []
    if lacking := Assessor(manifest.calibration, manifest.classes).lacking:
        words = ", ".join(name.replace("_", " ") for name in lacking)
        lines.append(_("Not fitted for this model, so never said of a case: {words}.").format(words=words))
    if contrast_of_classes(manifest.classes) is Contrast.LGE:
        lines.append(_("Where none is marked: {note}.").format(note=NO_INSERTION))
    return "\n\n".join([_("## In every case"), *lines]) if lines else ""


def _own_folders() -> list[Path]:
    """Bundle folders that the user has chosen on this computer."""
    try:
        return [Path(text) for text in json.loads(computer.setting(_OWN, "[]"))]
    except (ValueError, TypeError):
        return []
