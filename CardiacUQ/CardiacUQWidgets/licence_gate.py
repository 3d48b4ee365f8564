"""Models under a licence that is not free for everything are used after the user has accepted it, once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from types import SimpleNamespace

from slicer.i18n import tr as _

from CardiacUQLib.base.errors import UsageError
from CardiacUQLib.bundles.bundle import Bundle

from . import computer

PERMISSIVE = frozenset(
    {"Apache-2.0", "MIT", "BSD-2-Clause", "BSD-3-Clause", "ISC", "CC0-1.0", "CC-BY-4.0", "Unlicense"}
)
_ACCEPTED = "AcceptedLicences"


class LicenceGate:
    """A frame in the panel with the text; ``go_on`` is called when it is accepted."""

    def __init__(self, ui: SimpleNamespace, go_on: Callable[[], object]) -> None:
        self.ui = ui
        self._bundle: Bundle | None = None
        self._go_on = go_on
        ui.licenceFrame.visible = False
        ui.licenceAcceptButton.connect("clicked(bool)", lambda checked=False: self._accept())
        ui.licenceDeclineButton.connect("clicked(bool)", lambda checked=False: self.hide())

    def check(self, bundle: Bundle) -> None:
        """Nothing if the model may be used; else show its licence and raise UsageError."""
        if bundle.manifest.licence in PERMISSIVE or _key(bundle) in _accepted():
            return
        self._bundle = bundle
        words = _("The weights of {title} are under this licence: {licence}. Trained on: {data}.")
        manifest = bundle.manifest
        self.ui.licenceLabel.text = words.format(
            title=manifest.title or manifest.name, licence=manifest.licence, data=manifest.training_data
        )
        self.ui.licenceView.setMarkdown(bundle.model_card or manifest.licence)
        self.ui.licenceFrame.visible = True
        raise UsageError(_("Read and accept the licence of the model first."))

    def hide(self) -> None:
        """Not now."""
        self._bundle = None
        self.ui.licenceFrame.visible = False

    def _accept(self) -> None:
        if self._bundle is not None:
            computer.set_setting(_ACCEPTED, " ".join(sorted({*_accepted(), _key(self._bundle)})))
        self.hide()
        self._go_on()


def _accepted() -> frozenset[str]:
    return frozenset(computer.setting(_ACCEPTED).split())


def _key(bundle: Bundle) -> str:
    """Another licence, or the same for another model, is asked for again; a new version is not."""
    text = f"{bundle.manifest.name}\n{bundle.manifest.licence}\n{bundle.manifest.training_data}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]
