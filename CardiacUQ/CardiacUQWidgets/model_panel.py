"""The choice of the model bundle: guessed from the volume, changeable, its model card shown."""

from __future__ import annotations

from types import SimpleNamespace

import slicer
from slicer.i18n import tr as _

from CardiacUQLib.base.errors import ModelError
from CardiacUQLib.bundles.bundle import Bundle, list_bundles

from .contrast import Contrast, Evidence, evidence_of


def guess_bundle(bundles: tuple[Bundle, ...], evidence: Evidence | None) -> Bundle | None:
    """The first bundle that fits the evidence, of late enhancement where there is none."""
    wanted = Contrast.LGE if evidence is None else evidence.contrast
    fitting = [bundle for bundle in bundles if contrast_of(bundle) is wanted]
    return next(iter(fitting or bundles), None)


def contrast_of(bundle: Bundle) -> Contrast:
    """What a bundle is made for: without infarct among its classes, cine."""
    names = {info.name for info in bundle.manifest.classes}
    return Contrast.LGE if "infarct" in names else Contrast.CINE


class ModelPanel:
    """Selector, one line about the chosen bundle, and its model card on demand."""

    def __init__(self, ui: SimpleNamespace) -> None:
        self.ui = ui
        self.problems: tuple[str, ...] = ()
        self._bundles: tuple[Bundle, ...] = ()
        self._chosen_by_user = False
        self._evidence: Evidence | None = None
        self.on_change: list = []
        ui.modelCardView.visible = False
        ui.modelCardButton.connect("toggled(bool)", self._show_card)
        ui.modelSelector.connect("activated(int)", self._on_chosen)
        self.refresh()

    @property
    def bundle(self) -> Bundle | None:
        """The chosen bundle, None if there is none at all."""
        index = self.ui.modelSelector.currentIndex
        return self._bundles[index] if 0 <= index < len(self._bundles) else None

    def refresh(self) -> None:
        """Look again which bundles there are."""
        problems: list[ModelError] = []
        self._bundles = list_bundles(problems.append)
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
        """Choose a bundle by the name of its folder, as a saved scene does; False if it is not here."""
        for index, bundle in enumerate(self._bundles):
            if bundle.folder.name == name:
                self.ui.modelSelector.currentIndex = index
                self._chosen_by_user = True
                self._describe()
                return True
        return False

    def forget_choice(self) -> None:
        """Guess again from now on (a new scene)."""
        self._chosen_by_user = False

    def passes(self, folds: str, flips: bool) -> int:
        """Number of passes that a run makes."""
        if self.bundle is None:
            return 1
        manifest = self.bundle.manifest
        count = len([f for f in folds.split(",") if f.strip()]) or len(manifest.folds)
        return count * (len(manifest.views) if flips else 1)

    def _on_chosen(self, index: int) -> None:
        self._chosen_by_user = True
        self._describe()
        for changed in self.on_change:
            changed()

    def _mismatch(self, bundle: Bundle) -> str:
        """A warning if the model is made for the other kind of image."""
        seen, made_for = self._evidence, contrast_of(bundle)
        if seen is None or seen.contrast is made_for:
            return ""
        words = _("Check the model: the volume looks like {seen} ({why}), the model is made for {made_for}.")
        return words.format(seen=seen.contrast.value, why=seen.words, made_for=made_for.value)

    def _show_card(self, shown: bool) -> None:
        self.ui.modelCardView.visible = shown

    def _describe(self) -> None:
        bundle = self.bundle
        if bundle is None:
            self.ui.modelLabel.text = self.problems[0] if self.problems else _("There is no model bundle.")
            self.ui.modelCardView.plainText = ""
            return
        manifest = bundle.manifest
        labels = ", ".join(info.name for info in manifest.classes if info.value)
        text = _("{labels}. Version {version}. Research use only.").format(
            labels=labels[:1].upper() + labels[1:], version=manifest.version
        )
        self.ui.modelLabel.text = "\n".join(filter(None, (self._mismatch(bundle), text)))
        card = bundle.model_card or f"# {manifest.title}\n\n{manifest.training_data}"
        self.ui.modelCardView.setMarkdown(card)
        self.ui.modelSelector.toolTip = str(bundle.folder)
